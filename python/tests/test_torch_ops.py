"""torch.ops.lplb.*, and the functions inside torch.compile."""

import subprocess
import sys

import pytest
import torch

import lplb
from lplb import _torch_ops  # noqa: F401  # registers the operators, in whatever order torch and lplb were imported


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    placement = lplb.Topology.from_r2o(torch.from_numpy(lplb.Topology.cube().r2o)).place(
        num_logical=64, num_physical=80, num_ranks=8
    )
    ids = torch.randint(-1, 64, (256, 8), generator=generator)
    return placement, ids, lplb.split(placement, lplb.count(ids, 64))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_operators_pass_opcheck(batch, dtype):
    placement, ids, plan = batch
    sources = torch.zeros(8, 64, dtype=torch.int32)
    sources[2] = plan.counts
    live = torch.ones(8, dtype=torch.bool)
    ops = torch.ops.lplb
    valid = torch.tensor([100])
    planner = lplb.Planner(torch.from_numpy(lplb.Topology.cube().r2o), 80, 64, 8)
    physical = planner.run(ids)
    torch.library.opcheck(ops.run, (ids.to(dtype), planner._number, valid))
    torch.library.opcheck(ops.count_solved, (torch.zeros(1, dtype=dtype), planner._number, physical))
    torch.library.opcheck(ops.count, (ids.to(dtype), 64))
    torch.library.opcheck(ops.count, (ids.to(dtype), 64, valid))
    torch.library.opcheck(ops.split, (plan.counts, placement.phy2log, 8))
    torch.library.opcheck(ops.split, (sources, placement.phy2log, 8, 2, live))
    torch.library.opcheck(ops.remap, (ids.to(dtype), plan.counts, plan.quota, placement.phy2log, 8, 1, 0))
    torch.library.opcheck(ops.remap, (ids.to(dtype), sources, plan.quota, placement.phy2log, 8, 1, 2, live))
    torch.library.opcheck(ops.remap, (ids.to(dtype), plan.counts, plan.quota, placement.phy2log, 8, 1, 0, live, valid))


def test_operators_give_what_the_functions_give(batch):
    placement, ids, plan = batch
    counts = torch.ops.lplb.count(ids, 64)
    quota, rank_load = torch.ops.lplb.split(counts, placement.phy2log, 8)
    physical = torch.ops.lplb.remap(ids, counts, quota, placement.phy2log, 8, 1, 0)
    assert quota.tolist() == plan.quota.tolist()
    assert rank_load.tolist() == plan.rank_load.tolist()
    assert torch.equal(physical, lplb.remap(ids, plan))


def test_remap_inside_a_full_graph(batch):
    _, ids, plan = batch

    @torch.compile(fullgraph=True)
    def route(topk_idx, plan):
        return lplb.remap(topk_idx + 0, plan) * 1

    assert torch.equal(route(ids, plan), lplb.remap(ids, plan))
    other = lplb.split(plan.placement, plan.counts, base_load=torch.arange(8) * 100)
    assert torch.equal(route(ids, other), lplb.remap(ids, other))


def test_planners_share_one_compiled_graph(batch):
    _, ids, _ = batch
    graphs = 0

    def backend(graph, inputs):
        nonlocal graphs
        graphs += 1
        return graph.forward

    @torch.compile(fullgraph=True, backend=backend)
    def route(topk_idx, planner, counter, valid):
        return planner.run(topk_idx, counter, num_valid_tokens=valid) * 1

    valid = torch.tensor([200])
    for i in range(12):
        planner = lplb.Planner(torch.from_numpy(lplb.Topology.cube().r2o), 80, 64, 8)
        planner.update_redundancy_mapping(torch.arange(64).roll(i))
        counter = torch.zeros(1, dtype=torch.int32)
        expected = planner.run(ids, counter, num_valid_tokens=200)
        assert torch.equal(route(ids, planner, counter, valid), expected)
        assert (expected[200:] == -1).all()
        assert int(counter) == 2
    assert graphs == 1


def test_the_whole_path_inside_a_full_graph(batch):
    placement, ids, plan = batch

    @torch.compile(fullgraph=True, backend="aot_eager")
    def route(topk_idx, phy2log):
        counts = lplb.count(topk_idx, 64)
        quota, _ = torch.ops.lplb.split(counts, phy2log, 8)
        return torch.ops.lplb.remap(topk_idx, counts, quota, phy2log, 8, 1, 0)

    assert torch.equal(route(ids, placement.phy2log), lplb.remap(ids, plan))


def test_operators_refuse_bad_input_by_name(batch):
    placement, _, _ = batch
    with pytest.raises(ValueError, match=r"topk_idx\[0\] is 99"):
        torch.ops.lplb.count(torch.tensor([99]), 64)
    with pytest.raises(ValueError, match="counts has the type float32"):
        torch.ops.lplb.split(torch.ones(64), placement.phy2log, 8)


@pytest.mark.parametrize("first", ["torch", "lplb"])
def test_compile_works_in_whatever_order_the_two_are_imported(first):
    second = "lplb" if first == "torch" else "torch"
    program = f"""
import {first}, {second}
plan = lplb.split(lplb.Placement(torch.tensor([0, 1, 1, 2]), num_ranks=2), torch.tensor([4, 6, 2]))
ids = torch.tensor([0] * 4 + [1] * 6 + [2] * 2)
route = torch.compile(lambda ids: lplb.remap(ids, plan), fullgraph=True, backend="eager")
assert torch.equal(route(ids), lplb.remap(ids, plan))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_lplb_does_not_import_torch():
    program = "import sys, lplb; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
