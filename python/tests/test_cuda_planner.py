"""lplb.cuda.Planner: the plans and ids of the CPU; captured, replayed, and replayed after everything was replaced."""

import numpy as np
import pytest
import torch
from conftest import needs_gpu
from cuda_cases import SHAPES, random_ids, random_placement

import lplb
import lplb.cuda

pytestmark = needs_gpu


def assert_ran(planner, physical, ids, num_valid=None, **options):
    """The planner's last run is what the CPU makes of the ids; so are its tensors."""
    placement = planner.placement
    expected = lplb.split(placement, lplb.count(ids, placement.num_logical, num_valid), **options)
    found = planner.read_plan()
    found.check()
    assert found.digest == expected.digest
    assert found.bottleneck_ranks == expected.bottleneck_ranks
    assert torch.equal(found.counts, torch.as_tensor(expected.counts))
    assert torch.equal(planner.quota.cpu(), torch.as_tensor(expected.quota))
    assert torch.equal(planner.rank_load.cpu(), torch.as_tensor(expected.rank_load))
    assert (int(planner.max_load), int(planner.lower_bound)) == (expected.max_load, expected.lower_bound)
    ranks = planner.in_bottleneck.cpu().nonzero().view(-1).tolist()
    assert set(expected.bottleneck_ranks) <= set(ranks)
    assert bool(planner.is_optimal())
    assert torch.equal(physical.cpu(), lplb.remap(ids, expected, num_valid_tokens=num_valid))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "_".join(map(str, shape)))
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_runs_as_the_cpu(rng, shape, dtype):
    placement = random_placement(rng, *shape)
    planner = lplb.cuda.Planner(placement, max_ids=4096 * 8)
    for num_tokens in (0, 1, 127, 4096):
        ids = random_ids(rng, (num_tokens, 8), placement.num_logical, dtype)
        physical = planner.run(ids.cuda())
        assert (physical.dtype, physical.shape) == (ids.dtype, ids.shape)
        assert_ran(planner, physical, ids)
    assert not planner.saw_bad_ids()


@pytest.mark.parametrize("exact", [True, False])
def test_one_source_of_many(rng, exact):
    placement = random_placement(rng, *SHAPES[3])
    ids = random_ids(rng, (12, 512, 8), 60)
    sources = torch.stack([lplb.count(mine, 60) for mine in ids])
    given = sources if exact else sources.sum(0)
    expected = lplb.split(placement, given)
    for rank in range(12):
        planner = lplb.cuda.Planner(placement, max_ids=4096, source_rank=rank)
        assert torch.equal(planner.count(ids[rank].cuda()).cpu(), sources[rank])
        assert torch.equal(planner.plan(given.cuda()).cpu(), torch.as_tensor(expected.quota))
        physical = planner.remap(ids[rank].cuda(), given.cuda() if exact else None)
        assert torch.equal(physical.cpu(), lplb.remap(ids[rank], expected, rank))
        assert planner.read_plan().digest == expected.digest


def test_a_captured_graph_follows_what_is_replaced(rng):
    placements = [random_placement(rng, *SHAPES[4]) for _ in range(4)]
    planner = lplb.cuda.Planner(placements[0], max_ids=4096 * 8)
    ids = torch.empty((4096, 8), dtype=torch.int64, device="cuda")
    valid = torch.empty(1, dtype=torch.int32, device="cuda")
    out = torch.empty_like(ids)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        physical = planner.run(ids, valid, out)
    assert physical is out

    def replay(num_valid=4096, **options):
        batch = random_ids(rng, (4096, 8), 256)
        ids.copy_(batch)
        valid.fill_(num_valid)
        graph.replay()
        assert_ran(planner, physical, batch, num_valid, **options)

    replay()
    replay(1000)
    for placement in placements:
        planner.set_placement(placement)
        replay()
    base = torch.zeros(64, dtype=torch.int64)
    base[3] = 2000
    planner.set_base_load(base)
    replay(base_load=base)
    planner.set_base_load(None)
    # A rank all of whose experts have another copy.
    slots = placements[-1].phy2log.view(64, -1)
    counts = placements[-1].logcnt
    spare = [g for g in range(64) if all(e < 0 or counts[e] > (slots[g] == e).sum() for e in slots[g])]
    if spare:
        live = torch.ones(64, dtype=torch.bool)
        live[spare[0]] = False
        planner.set_live_ranks(live)
        replay(live=live)
    planner.set_live_ranks(None)
    replay()


def test_many_replays_take_no_memory(rng):
    placement = random_placement(rng, *SHAPES[1])
    planner = lplb.cuda.Planner(placement, max_ids=4096)
    batch = random_ids(rng, (512, 8), 256)
    ids = batch.cuda()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        physical = planner.run(ids)
    graph.replay()
    torch.cuda.synchronize()
    before = torch.cuda.mem_get_info()[0]
    for _ in range(10_000):
        graph.replay()
    torch.cuda.synchronize()
    assert torch.cuda.mem_get_info()[0] == before
    assert_ran(planner, physical, batch)


def test_another_stream(rng):
    placement = random_placement(rng, *SHAPES[1])
    planner = lplb.cuda.Planner(placement, max_ids=4096 * 8)
    ids = torch.zeros((4096, 8), dtype=torch.int64, device="cuda")
    batch = random_ids(rng, (4096, 8), 256)
    later = batch.cuda()
    other = random_placement(rng, *SHAPES[1])
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        ids.copy_(later)
        before = planner.run(ids)
        planner.set_placement(other)  # in the order of the stream: what was put there before reads the old one
        after = planner.run(ids)
        assert not stream.query()
    stream.synchronize()
    old = lplb.split(placement, lplb.count(batch, 256))
    assert torch.equal(before.cpu(), lplb.remap(batch, old))
    assert_ran(planner, after, batch)


def test_bad_ids():
    placement = lplb.Placement([0, 1, 1, -1], num_ranks=2)
    ids = torch.tensor([[0, 1], [2, -1], [-5, 1]], device="cuda")
    clean = torch.tensor([[0, 1], [-1, -1], [-1, 1]])
    for checks in (True, False):
        planner = lplb.cuda.Planner(placement, max_ids=8, checks=checks)
        physical = planner.run(ids)
        assert planner.saw_bad_ids() == checks
        assert not planner.saw_bad_ids()
        assert_ran(planner, physical, clean)


def test_bad_counts_are_no_optimum():
    planner = lplb.cuda.Planner(lplb.Placement([0, 1, 1, 2], num_ranks=2), max_ids=8)
    planner.plan(torch.tensor([1, -1, 2], device="cuda"))
    assert not bool(planner.is_optimal())
    assert planner.read_plan().status is lplb.Status.FALLBACK


@pytest.fixture
def planner():
    return lplb.cuda.Planner(lplb.Placement([0, 1, 1, 2], num_ranks=2), max_ids=8)


def on_gpu(values, **options):
    return torch.tensor(values, device="cuda", **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: lplb.cuda.Planner(p.placement, source_rank=2), r"\[Planner\] source_rank \(2\) must be in 0..1"),
        (lambda p: lplb.cuda.Planner(p.placement, device="cpu"), r"\[Planner\] device is cpu; it must be a CUDA"),
        (lambda p: p.run(on_gpu([0] * 9)), r"topk_idx has 9 entries; max_ids is 8"),
        (lambda p: p.run(torch.tensor([0])), r"\[run\] topk_idx is on cpu; it must be a tensor on cuda:0"),
        (lambda p: p.run([0]), r"\[run\] topk_idx is a list; it must be a tensor on cuda:0"),
        (lambda p: p.run(on_gpu([0.5])), r"\[run\] topk_idx must hold int32 or int64"),
        (lambda p: p.run(on_gpu([0]), out=on_gpu([0, 0])), r"\[run\] out is \[2\] torch.int64 on cuda:0; it must be"),
        (lambda p: p.plan(on_gpu([1, 2])), r"counts has 2 entries; it must be \[3\] or \[2, 3\]"),
        (lambda p: p.plan(on_gpu([1.0, 2.0, 3.0])), r"\[plan\] counts has the type float32"),
        (lambda p: p.remap(on_gpu([1]), on_gpu([1, 2])), r"counts has 2 entries; it must be \[3\] or"),
        (lambda p: p.set_base_load([1, 2, 3]), r"base_load has 3 entries"),
        (lambda p: p.set_base_load([1, -2]), r"\[set_base_load\] base_load holds -2; it must not be negative"),
        (lambda p: p.set_live_ranks([1, 0]), "expert 2"),
        (
            lambda p: p.set_placement(lplb.Placement([0, 1], num_ranks=2)),
            r"\[set_placement\] num_logical \(2\) must stay 3",
        ),
        (
            lambda p: p.set_placement(lplb.Placement([0, 1, 1, 2], num_ranks=2, num_nodes=2)),
            r"num_nodes \(2\) must stay 1",
        ),
    ],
)
def test_bad_input_is_named(planner, call, message):
    ids = torch.tensor([0, 1, 1, 2])
    with pytest.raises(ValueError, match=message):
        call(planner)
    assert_ran(planner, planner.run(ids.cuda()), ids)


def test_what_cannot_be_captured_says_so(planner):
    ids = on_gpu([0, 1])
    planner.run(ids)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        planner.run(ids)
        for call in (
            lambda: planner.set_placement(planner.placement),
            planner.read_plan,
            planner.saw_bad_ids,
            lambda: lplb.cuda.Planner(planner.placement),
        ):
            with pytest.raises(lplb.CudaError, match="during the capture of a CUDA graph"):
                call()
    graph.replay()


def test_views_keep_their_memory():
    """The planner's tensors outlive the planner."""
    planner = lplb.cuda.Planner(lplb.Placement([0, 1, 1, 2], num_ranks=2), max_ids=8)
    planner.run(on_gpu([0, 0, 0, 1, 1, 2]))
    quota, expected = planner.quota, planner.quota.tolist()
    del planner
    others = [lplb.cuda.Planner(lplb.Placement([0, 1, 1, 2], num_ranks=2), max_ids=8) for _ in range(20)]
    assert quota.tolist() == expected
    assert len(others) == 20


def test_repr():
    planner = lplb.cuda.Planner(lplb.Placement([0, 1, 1, 2], num_ranks=2), max_ids=8)
    assert repr(planner).startswith("Planner(Placement(3 experts in 4 slots on 2 ranks")
    assert repr(planner).endswith("on cuda:0, up to 8 ids)")
    assert lplb.cuda.is_built()
    assert np.ndim(lplb.cuda.device_count()) == 0
