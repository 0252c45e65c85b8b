"""count, split and remap of tensors on a GPU: the CPU's integers, without waiting for the device."""

import numpy as np
import pytest
import torch
from conftest import needs_gpu
from cuda_cases import SHAPES, assert_same_plan, random_ids, random_placement

import lplb

pytestmark = needs_gpu


@pytest.fixture(params=SHAPES, ids=lambda shape: "_".join(map(str, shape)))
def placement(request, rng):
    return random_placement(rng, *request.param)


@pytest.fixture
def small():
    return lplb.Placement(torch.tensor([0, 1, 1, 2]), num_ranks=2)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("shape", [(0, 8), (1, 8), (4096, 8), (300, 5, 3), (70001,)])
def test_counts_are_the_cpus(rng, dtype, shape):
    ids = random_ids(rng, shape, 256, dtype)
    counts = lplb.count(ids.cuda(), 256)
    assert counts.is_cuda
    assert torch.equal(counts.cpu(), lplb.count(ids, 256))


def test_plans_are_the_cpus(rng, placement):
    shape = (placement.num_ranks, placement.num_logical)
    live = np.ones(placement.num_ranks, dtype=bool)
    for _ in range(10):
        sources = torch.from_numpy(rng.poisson(rng.lognormal(2, 1, shape)).astype(np.int64))
        base = torch.from_numpy(rng.integers(0, 500, placement.num_ranks))
        assert_same_plan(lplb.split(placement, sources.cuda()), lplb.split(placement, sources))
        total = sources.sum(0).int()
        assert_same_plan(lplb.split(placement, total.cuda()), lplb.split(placement, total))
        with_base = lplb.split(placement, total.cuda(), base_load=base.cuda(), live=live)
        assert_same_plan(with_base, lplb.split(placement, total, base_load=base, live=live))


def test_dead_ranks_get_nothing(rng):
    slots = np.concatenate([np.arange(32), np.roll(np.arange(32), 4)])  # each expert on two ranks
    placement = lplb.Placement(torch.from_numpy(slots), num_ranks=16)
    live = torch.ones(16, dtype=torch.bool)
    live[5] = False
    counts = torch.from_numpy(rng.integers(0, 100, 32))
    plan = lplb.split(placement, counts.cuda(), live=live.cuda())
    assert_same_plan(plan, lplb.split(placement, counts, live=live))
    assert int(plan.rank_load[5]) == 0
    ids = random_ids(rng, (64, 4), 32)
    assert torch.equal(lplb.remap(ids.cuda(), plan).cpu(), lplb.remap(ids, plan.cpu()))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_ids_are_the_cpus(rng, placement, dtype):
    num_ranks, num_logical = placement.num_ranks, placement.num_logical
    ids = random_ids(rng, (num_ranks, 512, 8), num_logical, dtype)
    sources = torch.stack([lplb.count(mine, num_logical) for mine in ids])
    plan = lplb.split(placement, sources.cuda())
    shared = lplb.split(placement, sources.sum(0).cuda())
    achieved = torch.zeros(placement.num_physical, dtype=torch.int64)
    for rank in range(num_ranks):
        mine = ids[rank].cuda()
        physical = lplb.remap(mine, plan, rank)
        assert (physical.dtype, physical.shape, physical.device) == (mine.dtype, mine.shape, mine.device)
        assert torch.equal(physical.cpu(), lplb.remap(ids[rank], plan.cpu(), rank))
        assert torch.equal(lplb.remap(mine, shared, rank).cpu(), lplb.remap(ids[rank], shared.cpu(), rank))
        assert torch.equal(plan.source_table(rank).cpu(), torch.as_tensor(plan.cpu().source_table(rank)))
        own = shared.source_table(rank, sources[rank].cuda())
        assert torch.equal(own.cpu(), torch.as_tensor(shared.cpu().source_table(rank, sources[rank])))
        achieved += torch.bincount(physical.cpu().view(-1).clamp_min(-1) + 1, minlength=len(achieved) + 1)[1:]
    assert torch.equal(achieved.int(), plan.quota.cpu())
    assert plan.traffic() == plan.cpu().traffic()


@pytest.mark.parametrize("num_valid", [0, 1, 100, 256, 999])
def test_padding_is_skipped(rng, small, num_valid):
    ids = random_ids(rng, (256, 2), 3)
    scalar = torch.tensor([num_valid], dtype=torch.int32, device="cuda")
    expected = lplb.count(ids[:num_valid], 3)
    plan = lplb.split(small, expected)
    for given in (num_valid, scalar, scalar.long()):
        assert torch.equal(lplb.count(ids.cuda(), 3, given).cpu(), expected)
        physical = lplb.remap(ids.cuda(), plan, num_valid_tokens=given).cpu()
        assert torch.equal(physical, lplb.remap(ids, plan, num_valid_tokens=num_valid))
        assert (physical[num_valid:] == -1).all()


def test_bad_ids_are_sent_nowhere_and_noticed(small):
    lplb.saw_bad_ids()
    ids = torch.tensor([0, 1, 3, -1, -2, 2**40, 2, 1])
    clean = torch.tensor([0, 1, -1, -1, -1, -1, 2, 1])
    counts = lplb.count(clean.cuda(), 3)
    assert not lplb.saw_bad_ids()
    assert torch.equal(lplb.count(ids.cuda(), 3), counts)
    assert lplb.saw_bad_ids()
    assert not lplb.saw_bad_ids()
    plan = lplb.split(small, counts)
    assert torch.equal(lplb.remap(ids.cuda(), plan), lplb.remap(clean.cuda(), plan))
    assert lplb.saw_bad_ids("cuda:0")


@pytest.mark.parametrize("bad", [-1, 2**31, 2**40, -(2**40)])
def test_bad_counts_make_a_fallback(small, bad):
    plan = lplb.split(small, torch.tensor([4, bad, 2], device="cuda"))
    assert plan.status is lplb.Status.FALLBACK


def test_nothing_waits_for_the_device(rng, small):
    """With a kernel of a second ahead of them, all calls return at once."""
    ids = random_ids(rng, (256, 2), 3).cuda()
    lplb.remap(ids, lplb.split(small, lplb.count(ids, 3)))
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(2_000_000_000)
        plan = lplb.split(small, lplb.count(ids, 3))
        lplb.remap(ids, plan)
        assert not stream.query()
        assert plan.status is lplb.Status.OPTIMAL  # this waits
        assert stream.query()


def test_the_current_stream_is_used(rng, small):
    """What another stream is about to write is what is read there."""
    ids = torch.full((4096, 2), -1, device="cuda")
    new = random_ids(rng, (4096, 2), 3)
    later = new.cuda()
    lplb.remap(ids, lplb.split(small, lplb.count(ids, 3)))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        ids.copy_(later)
        counts = lplb.count(ids, 3)
        plan = lplb.split(small, counts)
        physical = lplb.remap(ids, plan)
    stream.synchronize()
    expected = lplb.split(small, lplb.count(new, 3))
    assert torch.equal(counts.cpu(), torch.as_tensor(expected.counts))
    assert torch.equal(physical.cpu(), lplb.remap(new, expected))


def test_captured_and_replayed_with_new_ids(rng, placement):
    num_logical = placement.num_logical
    ids = random_ids(rng, (512, 8), num_logical).cuda()
    valid = torch.tensor([512], dtype=torch.int32, device="cuda")

    def route():
        plan = lplb.split(placement, lplb.count(ids, num_logical, valid))
        return plan, lplb.remap(ids, plan, num_valid_tokens=valid)

    route()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        plan, physical = route()
    for num_valid in (512, 100, 0, 511):
        batch = random_ids(rng, (512, 8), num_logical)
        ids.copy_(batch)
        valid.fill_(num_valid)
        graph.replay()
        expected = lplb.split(placement, lplb.count(batch, num_logical, num_valid))
        assert_same_plan(plan, expected)
        assert torch.equal(physical.cpu(), lplb.remap(batch, expected, num_valid_tokens=num_valid))


def test_what_a_graph_holds_outlives_the_placement(rng):
    placement = random_placement(rng, *SHAPES[0])
    ids = random_ids(rng, (512, 8), 16)
    moved = ids.cuda()

    def route(placement):
        return lplb.remap(moved, lplb.split(placement, lplb.count(moved, 16)))

    expected = route(placement).cpu()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        physical = route(placement)
    del placement
    for _ in range(20):  # other placements would take the memory that it gave back
        route(random_placement(rng, *SHAPES[0]))
    graph.replay()
    assert torch.equal(physical.cpu(), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fresh, ids: lplb.split(fresh, lplb.count(ids, 3)), r"\[split\] the placement is not on cuda:0 yet"),
        (lambda fresh, ids: lplb.split(fresh, ids, base_load=[1, 2]), r"\[split\] base_load is on the host"),
        (lambda fresh, ids: lplb.Placement(ids, num_ranks=2), r"\[Placement\] phy2log is on cuda:0, and cannot be"),
        (lambda fresh, ids: lplb.saw_bad_ids(), r"\[saw_bad_ids\] it waits for the device"),
    ],
    ids=["placement", "base_load", "host", "status"],
)
def test_what_cannot_be_captured_says_so(call, message):
    ids = torch.tensor([0, 1, 2], device="cuda")
    lplb.count(ids, 3)
    fresh = lplb.Placement([0, 1, 1, 2], num_ranks=2)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ids += 1  # torch warns of empty graphs
        with pytest.raises(lplb.CudaError, match=message + ".* during the capture"):
            call(fresh, ids)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, c: lplb.count(c.float(), 3), r"\[count\] topk_idx must hold int32 or int64"),
        (lambda p, c: lplb.count(c, 0), r"\[count\] num_logical \(0\) must be in 1..1024 on a GPU"),
        (lambda p, c: lplb.count(c, 1025), r"\[count\] num_logical \(1025\) must be in 1..1024"),
        (lambda p, c: lplb.count(c, 3, torch.tensor([1])), r"\[count\] num_valid_tokens is on cpu; it must be on cuda"),
        (lambda p, c: lplb.count(c, 3, 1.5), r"\[count\] num_valid_tokens must be one integer"),
        (lambda p, c: lplb.count(c, 3, c), r"\[count\] num_valid_tokens must be one integer"),
        (lambda p, c: lplb.split(p, c[:2]), r"\[split\] counts has the shape \[2\]; it must be \[3 experts\] or \[2 "),
        (lambda p, c: lplb.split(p, c > 0), r"\[split\] counts has the type bool; it must hold integers"),
        (lambda p, c: lplb.split(p, c.float()), r"\[split\] counts has the type float32; it must hold integers"),
        (
            lambda p, c: lplb.split(p, c, base_load=c),
            r"\[split\] base_load has the shape \[3\]; it must be \[2 ranks\]",
        ),
        (lambda p, c: lplb.split(p, c, live=[1, 1, 1]), "live"),
        (lambda p, c: lplb.split(p, c, live=[1, 0]), "expert 2"),
        (lambda p, c: lplb.remap(c, lplb.split(p, c), 2), r"\[remap\] source_rank \(2\) must be in 0..1"),
        (lambda p, c: lplb.remap(c, lplb.split(p, torch.stack([c, c]))), "source_rank must be given"),
        (lambda p, c: lplb.remap(c.float(), lplb.split(p, c)), r"\[remap\] topk_idx must hold int32 or int64"),
    ],
)
def test_bad_input_is_named(small, call, message):
    with pytest.raises(ValueError, match=message):
        call(small, torch.tensor([0, 1, 2], device="cuda"))


def test_what_is_computed_on_the_host_comes_back_to_the_device(small):
    weight = torch.arange(8.0, device="cuda")
    (placed,) = lplb.rebalance_experts(weight, num_replicas=16, num_gpus=4)
    (expected,) = lplb.rebalance_experts(weight.cpu(), num_replicas=16, num_gpus=4)
    assert placed == expected
    for name in ("phy2log", "log2phy", "logcnt"):
        assert getattr(placed, name).is_cuda
        assert torch.equal(getattr(placed, name).cpu(), getattr(expected, name))
    assert lplb.Topology.from_r2o(torch.tensor([[1], [0]], device="cuda")).o2r.is_cuda
    assert lplb.Metrics.of(weight.int()) == lplb.Metrics.of(weight.int().cpu())


def test_eplb_balances_on_the_host_and_leaves_it_there():
    import eplb

    weight = torch.tensor([[200.0, 150, 100, 50]])
    found = eplb.rebalance_experts(weight.cuda(), 8, 4, 2, 4)
    for array, expected in zip(found, eplb.rebalance_experts(weight, 8, 4, 2, 4), strict=True):
        assert torch.equal(array, expected)


def test_host_and_device_mix(rng, small):
    """A plan of either side serves ids of the other."""
    ids = random_ids(rng, (256, 2), 3)
    on_host = lplb.split(small, lplb.count(ids, 3))
    on_device = lplb.split(small, lplb.count(ids.cuda(), 3))
    assert torch.equal(lplb.remap(ids.cuda(), on_host).cpu(), lplb.remap(ids, on_host))
    assert torch.equal(lplb.remap(ids, on_device), lplb.remap(ids, on_host))
    assert repr(on_device) == f"{on_device.cpu()!r} on cuda:0"
