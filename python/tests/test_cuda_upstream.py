"""DeepSeek's LPLB class on a GPU: each method gives what it gives on the CPU, and can be captured."""

import pytest
import torch
from conftest import needs_gpu
from cuda_cases import random_ids

import lplb

pytestmark = needs_gpu

TOPOLOGIES = {"cube": (lplb.Topology.cube(), 32), "torus": (lplb.Topology.torus(8, 4), 32)}


@pytest.fixture(params=[("cube", 2), ("cube", 4), ("torus", 2)], ids=lambda each: f"{each[0]}_{each[1]}")
def pair(request, rng):
    """A planner on the GPU and its twin on the CPU, with experts reordered by the same history."""
    name, slots = request.param
    topology, ep_size = TOPOLOGIES[name]
    r2o = torch.from_numpy(topology.r2o)
    pair = [lplb.Planner(each, 256 + slots * ep_size, 256, ep_size) for each in (r2o.cuda(), r2o)]
    history = torch.from_numpy(rng.integers(1, 2**20, 256))
    for found, expected in zip(
        pair[0].update_redundancy_mapping(history.cuda()), pair[1].update_redundancy_mapping(history), strict=True
    ):
        assert found.is_cuda
        assert torch.equal(found.cpu(), expected)
    return pair


def test_where_its_tensors_are(pair):
    planner, twin = pair
    assert (planner.device, twin.device) == ("cuda:0", "cpu")
    for name in ("r2o", "o2r", "phy2log"):
        assert getattr(planner, name).is_cuda
        assert torch.equal(getattr(planner, name).cpu(), getattr(twin, name))
    moved = lplb.Planner(twin.r2o, 320, 256, 32, device="cuda")
    assert moved.device == "cuda:0"
    assert moved.phy2log.is_cuda
    assert lplb.Planner(planner.r2o, 320, 256, 32, device="cpu").phy2log.device.type == "cpu"


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_methods_are_the_cpus(pair, rng, dtype):
    planner, twin = pair
    for shape, n_sms in [((4096, 8), 132), ((3000,), 4), ((5,), 3), ((0, 8), 2)]:
        idx = random_ids(rng, shape, 256, dtype)
        moved = idx.cuda()
        workload, by_sm = planner.count_workload(moved, n_sms)
        expected_workload, expected_by_sm = twin.count_workload(idx, n_sms)
        assert torch.equal(workload.cpu(), expected_workload)
        assert torch.equal(by_sm.cpu(), expected_by_sm)
        counter = torch.zeros((), dtype=torch.int32, device="cuda")
        found = planner.solve_probs(workload, counter)
        expected = twin.solve_probs(expected_workload)
        for array, other in zip(found, expected, strict=True):
            assert (array.device.type, array.dtype) == ("cuda", torch.float32)
            assert torch.equal(array.cpu(), other)
        assert int(counter) == planner.n_group
        physical = planner.weighted_select_target(moved, found[0], by_sm, n_sms)
        assert torch.equal(physical.cpu(), twin.weighted_select_target(idx, expected[0], expected_by_sm, n_sms))
        ran = planner.run(moved, counter, n_sms)
        assert torch.equal(ran.cpu(), twin.run(idx))
        assert (ran.dtype, ran.shape, int(counter)) == (idx.dtype, idx.shape, 2 * planner.n_group)
    assert not planner.saw_bad_ids()


def test_a_cpu_planner_takes_tensors_of_a_gpu(pair, rng):
    _, twin = pair
    idx = random_ids(rng, (512, 8), 256)
    assert torch.equal(twin.run(idx.cuda()).cpu(), twin.run(idx))


def test_captured_graphs_follow_the_mapping(pair, rng):
    planner, twin = pair
    idx = torch.empty((4096, 8), dtype=torch.int64, device="cuda")
    valid = torch.empty(1, dtype=torch.int32, device="cuda")
    counter = torch.zeros(1, dtype=torch.int32, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ran = planner.run(idx, counter, num_valid_tokens=valid)
        workload, by_sm = planner.count_workload(idx, 16)
        probs, _ = planner.solve_probs(workload)
        selected = planner.weighted_select_target(idx, probs, by_sm, 16)
    for replays in range(1, 5):
        batch = random_ids(rng, (4096, 8), 256)
        num_valid = 4096 // replays
        idx.copy_(batch)
        valid.fill_(num_valid)
        graph.replay()
        assert torch.equal(ran.cpu(), twin.run(batch, num_valid_tokens=num_valid))
        expected_workload, expected_by_sm = twin.count_workload(batch, 16)
        expected = twin.solve_probs(expected_workload)[0]
        assert torch.equal(probs.cpu(), expected)
        assert torch.equal(selected.cpu(), twin.weighted_select_target(batch, expected, expected_by_sm, 16))
        assert int(counter) == replays * planner.n_group
        history = torch.from_numpy(rng.integers(1, 2**20, 256))
        planner.update_redundancy_mapping(history)
        twin.update_redundancy_mapping(history)


def test_ranks_of_a_group_share_one_plan(rng, monkeypatch):
    """Every rank in turn, with a gather that knows what the others counted."""
    r2o = torch.from_numpy(lplb.Topology.cube().r2o).cuda()
    ids = random_ids(rng, (8, 512, 4), 64)
    sources = torch.stack([lplb.count(mine, 64) for mine in ids])

    class Group:
        def __init__(self, rank):
            self.rank = lambda: rank
            self.size = lambda: 8

    def gather(everyone, own, group):
        assert torch.equal(own.cpu(), sources[group.rank()])
        everyone.copy_(sources)

    monkeypatch.setattr(torch.distributed, "all_gather_into_tensor", gather)
    for rank in range(8):
        planner = lplb.Planner(r2o, 80, 64, group=Group(rank))
        expected = lplb.split(planner.placement, sources)
        counter = torch.zeros(1, dtype=torch.int32, device="cuda")
        physical = planner.run(ids[rank].cuda(), counter)
        assert torch.equal(physical.cpu(), lplb.remap(ids[rank], expected, rank))
        probs, total = planner.solve_probs(lplb.count(ids[rank].cuda(), 64), counter)
        assert total.tolist() == sources.sum(0).tolist()
        assert torch.equal(probs.cpu(), lplb.Planner(r2o.cpu(), 80, 64, 8).solve_probs(sources.sum(0))[0])
        assert int(counter) == 2


def test_bad_values_are_survived_and_noticed(pair):
    planner, twin = pair
    idx = torch.tensor([3, 4, 256, -7, 5], device="cuda")
    clean = torch.tensor([3, 4, -1, -1, 5])
    assert torch.equal(planner.run(idx).cpu(), twin.run(clean))
    assert planner.saw_bad_ids()
    workload, by_sm = planner.count_workload(idx, 2)
    assert torch.equal(workload.cpu(), twin.count_workload(clean, 2)[0])
    assert torch.equal(by_sm.cpu(), twin.count_workload(clean, 2)[1])
    shape = (planner.n_group, planner.group_size, planner.num_redundants)
    for value, end in [(float("nan"), 1.0), (7.0, 1.0), (-1.0, 0.0)]:
        share = torch.full(shape, value, device="cuda")
        expected = twin.weighted_select_target(clean, torch.full(shape, end), by_sm.cpu(), 2)
        assert torch.equal(planner.weighted_select_target(idx, share, by_sm, 2).cpu(), expected)
    counter = torch.zeros(1, dtype=torch.int32, device="cuda")
    planner.solve_probs(torch.full((256,), -1, device="cuda"), counter)
    assert int(counter) == 0


def planner_of_a_cube(**options):
    return lplb.Planner(torch.from_numpy(lplb.Topology.cube().r2o).cuda(), 320, 256, 32, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, i: p.run(i.float()), "must hold int32 or int64"),
        (lambda p, i: p.run(torch.zeros(200, device="cuda").long()), "topk_idx has 200 entries; max_ids is 100"),
        (lambda p, i: p.run(i, torch.zeros(1).int()), r"\[run\] avail_counter must be a tensor on cuda:0"),
        (lambda p, i: p.run(i, torch.zeros(2).int().cuda()), r"\[run\] avail_counter has the shape \[2\]"),
        (lambda p, i: p.solve_probs(i), r"\[solve_probs\] workload has 3 counts; it must have 256"),
        (lambda p, i: p.solve_probs(torch.ones(256).cuda()), r"\[solve_probs\] workload has the type float32"),
        (lambda p, i: p.count_workload(i, 0), r"n_sms \(0\) must be at least 1"),
        (lambda p, i: p.weighted_select_target(i, i, i, 4), r"by_sm has the shape \[3\]; it must be \[4, 256\]"),
    ],
)
def test_bad_calls_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(planner_of_a_cube(max_ids=100), torch.tensor([1, 2, 3], device="cuda"))
