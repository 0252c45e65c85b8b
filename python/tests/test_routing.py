import numpy as np
import pytest

import lplb


@pytest.fixture
def placement():
    return lplb.Topology.cube().place(num_logical=64, num_physical=80, num_ranks=8)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_counts_equal_a_bincount(kind, rng, dtype):
    ids = rng.integers(-1, 64, (512, 8))
    counts = lplb.count(kind(ids, dtype), 64)
    np.testing.assert_array_equal(np.asarray(counts), np.bincount(ids[ids >= 0], minlength=64))
    assert isinstance(counts, kind.type)
    assert counts.dtype == kind.dtype("int32")


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_remap_gives_each_copy_its_quota(kind, rng, placement, dtype):
    ids = rng.integers(-1, 64, (256, 8))
    plan = lplb.split(placement, lplb.count(kind(ids, dtype), 64))
    physical = lplb.remap(kind(ids, dtype), plan)
    assert isinstance(physical, kind.type)
    assert (tuple(physical.shape), physical.dtype) == (ids.shape, kind.dtype(dtype))
    physical = np.asarray(physical)
    np.testing.assert_array_equal(physical == -1, ids == -1)
    np.testing.assert_array_equal(placement.phy2log[physical[ids >= 0]], ids[ids >= 0])
    np.testing.assert_array_equal(np.bincount(physical[ids >= 0], minlength=80), np.asarray(plan.quota))


def test_all_sources_together_give_the_quotas(rng, placement):
    ids = rng.integers(-1, 64, (8, 128, 4))
    counts = np.stack([lplb.count(each, 64) for each in ids])
    plan = lplb.split(placement, counts)
    physical = np.stack([lplb.remap(each, plan, rank) for rank, each in enumerate(ids)])
    np.testing.assert_array_equal(np.bincount(physical[physical >= 0], minlength=80), plan.quota)


@pytest.mark.parametrize("num_valid", [0, 1, 100, 256, 999, -3])
def test_padding_is_skipped(kind, rng, placement, num_valid):
    ids = rng.integers(-1, 64, (256, 8))
    valid = ids[: max(0, num_valid)]
    counts = lplb.count(kind(ids), 64, num_valid)
    np.testing.assert_array_equal(np.asarray(counts), np.bincount(valid[valid >= 0], minlength=64))
    plan = lplb.split(placement, counts)
    physical = lplb.remap(kind(ids), plan, num_valid_tokens=kind([num_valid]))
    assert isinstance(physical, kind.type)
    np.testing.assert_array_equal(physical[: len(valid)], lplb.remap(kind(valid), plan))
    assert bool((physical[len(valid) :] == -1).all())


def test_views_are_read_in_their_order(kind, rng, placement):
    ids = rng.integers(0, 64, (8, 100))
    plan = lplb.split(placement, lplb.count(ids, 64))
    transposed = kind(ids).T
    assert lplb.remap(transposed, plan).tolist() == lplb.remap(kind(ids.T.copy()), plan).tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ids, plan: lplb.count(ids + 64, 64), r"\[count_tokens\] topk_idx\[\d+\] is \d+"),
        (lambda ids, plan: lplb.count(ids - 2, 64), r"topk_idx\[\d+\] is -2"),
        (lambda ids, plan: lplb.count(ids.astype("float32"), 64), "topk_idx must hold int32 or int64"),
        (lambda ids, plan: lplb.count(ids.astype("int16"), 64), "topk_idx must hold int32 or int64"),
        (lambda ids, plan: lplb.count(ids, 0), r"num_logical \(0\)"),
        (lambda ids, plan: lplb.count(ids, 64, [1, 2]), r"\[count\] num_valid_tokens has the shape \[2\]"),
        (
            lambda ids, plan: lplb.remap(ids, plan, 0, 1.5),
            r"\[remap\] num_valid_tokens .* the type float64; it must be",
        ),
        (lambda ids, plan: lplb.remap(ids.astype("float32"), plan, 0), "topk_idx must hold int32 or int64"),
        (lambda ids, plan: lplb.remap(ids + 64, plan, 0), r"topk_idx\[0\] is"),
        (lambda ids, plan: lplb.remap(ids, plan, 8), r"source_rank \(8\) must be in 0..7"),
        (lplb.remap, "source_rank must be given"),
        (lambda ids, plan: lplb.remap(ids[1:], plan, 0), "topk_idx holds"),
    ],
)
def test_bad_input_is_named(placement, rng, call, message):
    ids = rng.integers(0, 64, 512)
    counts = np.zeros((8, 64), dtype=np.int64)
    counts[0] = lplb.count(ids, 64)
    plan = lplb.split(placement, counts)
    with pytest.raises(ValueError, match=message):
        call(ids, plan)
