"""torch.ops.lplb.* and the planners on a GPU inside torch.compile, and inside a graph that holds what was compiled."""

import pytest
import torch
from conftest import needs_gpu
from cuda_cases import random_ids, random_placement

import lplb
import lplb.cuda

# torch.compile imports parts of torch that torch deprecates.
pytestmark = [needs_gpu, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

BACKENDS = ["eager", "aot_eager", "inductor"]


@pytest.fixture
def placement(rng):
    return random_placement(rng, 64, 80, 8, 2)


@pytest.fixture
def batch(rng):
    return random_ids(rng, (256, 8), 64)


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_operators_pass_opcheck(placement, batch, dtype):
    ids = batch.to(dtype).cuda()
    counts = lplb.count(ids, 64)
    quota = lplb.split(placement, counts).quota
    sources = torch.zeros(8, 64, dtype=torch.int32, device="cuda")
    sources[2] = counts
    live = torch.ones(8, dtype=torch.bool)
    valid = torch.tensor([256], dtype=torch.int32, device="cuda")
    planner = lplb.cuda.Planner(placement, max_ids=2048)
    ops = torch.ops.lplb
    torch.library.opcheck(ops.count, (ids, 64))
    torch.library.opcheck(ops.count, (ids, 64, valid))
    torch.library.opcheck(ops.split, (counts, placement.phy2log, 8))
    torch.library.opcheck(ops.split, (sources, placement.phy2log, 8, 2, live))
    torch.library.opcheck(ops.remap, (ids, counts, quota, placement.phy2log, 8, 2, 0))
    torch.library.opcheck(ops.remap, (ids, sources, quota, placement.phy2log, 8, 2, 2, live.cuda(), valid))
    torch.library.opcheck(ops.run, (ids, planner._number, valid))


@pytest.mark.parametrize("backend", BACKENDS)
def test_remap_inside_a_full_graph(placement, batch, backend):
    @torch.compile(fullgraph=True, backend=backend)
    def route(topk_idx, plan):
        return lplb.remap(topk_idx + 0, plan) * 1

    plan = lplb.split(placement, lplb.count(batch.cuda(), 64))
    assert torch.equal(route(batch.cuda(), plan).cpu(), lplb.remap(batch, plan.cpu()))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("phy2log_device", ["cpu", "cuda"])
def test_the_whole_path_inside_a_full_graph(placement, batch, backend, phy2log_device):
    @torch.compile(fullgraph=True, backend=backend)
    def route(topk_idx, phy2log, valid):
        counts = lplb.count(topk_idx, 64, valid)
        quota, _ = torch.ops.lplb.split(counts, phy2log, 8, 2)
        return torch.ops.lplb.remap(topk_idx, counts, quota, phy2log, 8, 2, 0, None, valid)

    valid = torch.tensor([200], dtype=torch.int32, device="cuda")
    found = route(batch.cuda(), placement.phy2log.to(phy2log_device), valid)
    expected = lplb.split(placement, lplb.count(batch, 64, 200))
    assert torch.equal(found.cpu(), lplb.remap(batch, expected, num_valid_tokens=200))


@pytest.mark.parametrize("backend", BACKENDS)
def test_planners_share_one_compiled_graph(rng, batch, backend):
    placements = [random_placement(rng, 64, 80, 8, 2) for _ in range(12)]
    planners = [lplb.cuda.Planner(each, max_ids=2048) for each in placements]
    graphs = 0

    def counting(graph, inputs):
        nonlocal graphs
        graphs += 1
        return graph.forward

    @torch.compile(fullgraph=True, backend=counting if backend == "eager" else backend)
    def route(topk_idx, planner):
        return planner.run(topk_idx) * 1

    for placement, planner in zip(placements, planners, strict=True):
        expected = lplb.split(placement, lplb.count(batch, 64))
        assert torch.equal(route(batch.cuda(), planner).cpu(), lplb.remap(batch, expected))
    assert graphs == (backend == "eager")


@pytest.mark.parametrize("backend", BACKENDS)
def test_upstreams_planner_inside_a_full_graph(batch, backend):
    r2o = torch.from_numpy(lplb.Topology.cube().r2o)
    planner, twin = (lplb.Planner(each, 80, 64, 8) for each in (r2o.cuda(), r2o))

    @torch.compile(fullgraph=True, backend=backend)
    def route(topk_idx, counter):
        return planner.run(topk_idx, counter)

    counter = torch.zeros(1, dtype=torch.int32, device="cuda")
    for calls in (1, 2):
        assert torch.equal(route(batch.cuda(), counter).cpu(), twin.run(batch))
        assert int(counter) == calls


def test_compiled_captured_and_replayed(rng, placement, batch):
    planner = lplb.cuda.Planner(placement, max_ids=2048)
    ids = batch.cuda()

    @torch.compile(fullgraph=True)
    def route(topk_idx):
        counts = lplb.count(topk_idx, 64)
        quota, load = torch.ops.lplb.split(counts, placement.phy2log, 8, 2)
        mine = torch.ops.lplb.remap(topk_idx, counts, quota, placement.phy2log, 8, 2, 0)
        return mine * 2, planner.run(topk_idx) + 1, load + 0

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        route(ids)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        doubled, shifted, load = route(ids)
    for _ in range(3):
        new = random_ids(rng, (256, 8), 64)
        ids.copy_(new)
        graph.replay()
        expected = lplb.split(placement, lplb.count(new, 64))
        physical = lplb.remap(new, expected)
        assert torch.equal(doubled.cpu(), physical * 2)
        assert torch.equal(shifted.cpu(), physical + 1)
        assert torch.equal(load.cpu(), torch.as_tensor(expected.rank_load))


def test_a_planner_that_is_gone(placement, batch):
    number = lplb.cuda.Planner(placement, max_ids=2048)._number
    with pytest.raises(ValueError, match=r"\[run\] planner \(\d+\) is not the number of a planner that still exists"):
        torch.ops.lplb.run(batch.cuda(), number)
