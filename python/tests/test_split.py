import numpy as np
import pytest

import lplb


def example():
    return lplb.Placement([0, 1, 1, 2], num_ranks=2)


def test_by_hand(kind):
    plan = lplb.split(example(), kind([4, 6, 2]))
    assert plan.quota.tolist() == [4, 2, 4, 2]
    assert plan.rank_load.tolist() == [6, 6]
    assert (plan.max_load, plan.lower_bound, plan.status) == (6, 6, lplb.Status.OPTIMAL)
    assert isinstance(plan.quota, kind.type)
    assert plan.quota.dtype == kind.dtype("int32")
    assert plan.metrics.imbalance == 1
    plan.check()


def test_certificate_names_ranks_and_experts():
    plan = lplb.split(example(), [10, 1, 2])
    assert plan.rank_load.tolist() == [10, 3]
    assert plan.bottleneck_ranks == [0]
    assert plan.bottleneck_experts == [0]
    assert repr(plan) == (
        "Plan(optimal: max load 10, lower bound 10, imbalance 1.538 over 2 ranks; limited by ranks [0])"
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_every_integer_type(dtype):
    assert lplb.split(example(), np.array([4, 6, 2], dtype=dtype)).quota.tolist() == [4, 2, 4, 2]


def test_counts_by_source_give_the_plan_of_their_sum_and_exact_tables(kind, rng):
    placement = lplb.Topology.cube().place(num_logical=64, num_physical=80, num_ranks=8)
    counts = rng.integers(0, 50, (8, 64))
    plan = lplb.split(placement, kind(counts))
    assert plan.quota.tolist() == lplb.split(placement, kind(counts.sum(0))).quota.tolist()
    plan.check()
    tables = np.stack([np.asarray(plan.source_table(rank)) for rank in range(8)])
    np.testing.assert_array_equal(tables.sum(0), np.asarray(plan.quota))
    traffic = plan.traffic()
    assert traffic.total == counts.sum()
    assert 0 < traffic.cross_rank < traffic.total
    assert traffic.cross_node == 0


def test_proportional_tables_are_off_by_less_than_a_token(rng):
    placement = lplb.Topology.cube().place(num_logical=64, num_physical=80, num_ranks=8)
    own, others = rng.integers(0, 50, 64), rng.integers(0, 500, 64)
    plan = lplb.split(placement, own + others)
    table = plan.source_table(3, own)
    share = np.asarray(plan.quota) / np.maximum(own + others, 1)[placement.phy2log]
    assert np.abs(table - share * own[placement.phy2log]).max() < 1
    with pytest.raises(ValueError, match="own_counts must be given"):
        plan.source_table(3)


def test_dead_ranks_and_base_load(kind):
    placement = lplb.Placement([0, 1, 1, 0], num_ranks=2)
    plan = lplb.split(placement, kind([4, 6]), live=kind([True, False], "bool"))
    assert plan.quota.tolist() == [4, 6, 0, 0]
    plan.check()
    assert lplb.remap(kind([0, 1, -1] * 4 + [1, 1]), plan).tolist() == [0, 1, -1] * 4 + [1, 1]
    plan = lplb.split(placement, kind([4, 6]), base_load=kind([10, 0]))
    assert plan.rank_load.tolist() == [10, 10]
    plan.check()
    with pytest.raises(ValueError, match="expert 0"):
        lplb.split(example(), kind([4, 6, 2]), live=[0, 1])


def test_a_plan_keeps_its_counts(kind):
    counts = kind([4, 6, 2], "int32")
    plan = lplb.split(example(), counts)
    counts[:] = 0
    assert plan.counts.tolist() == [4, 6, 2]


def test_digest_is_of_the_integers_alone(kind):
    assert lplb.split(example(), kind([4, 6, 2])).digest == lplb.split(example(), [4, 6, 2]).digest
    assert lplb.split(example(), [4, 6, 2]).digest != lplb.split(example(), [4, 6, 3]).digest


def test_a_batch_without_a_token():
    plan = lplb.split(example(), [0, 0, 0])
    assert plan.max_load == 0
    assert plan.metrics.imbalance == 1
    assert lplb.remap(np.array([], dtype=np.int64), plan).shape == (0,)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([4, 6], r"counts has 2 entries|counts has the shape \[2\]"),
        ([[4, 6, 2]], r"counts has the shape \[1, 3\]; it must be \[3 experts\] or \[2 source ranks, 3 experts\]"),
        ([4, -6, 2], r"counts\[1\] is -6"),
        ([[4, 0, 2], [0, -6, 2]], r"counts\[1, 1\] is -6"),
        ([4.0, 6.0, 2.0], "counts has the type float64; it must hold integers"),
        ([True, True, True], "counts has the type bool; it must hold integers"),
        ([4, 2**31, 2], r"counts\[1\] is 2147483648; it must fit into 32 bits"),
        ([2**31 - 1, 1, 0], "2.31|2147483648"),
        ([[2**31 - 1, 0, 0], [1, 0, 0]], "counts add up to 2147483648"),
        ([4, None, 2], "counts"),
    ],
)
def test_bad_counts_are_named(counts, message):
    with pytest.raises(ValueError, match=message):
        lplb.split(example(), counts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_load": [1]}, "base_load"),
        ({"base_load": [0.5, 0.5]}, "base_load has the type float64"),
        ({"live": [1]}, "live"),
        ({"live": [1, 2]}, r"live\[1\] is 2; it must be 0 or 1"),
    ],
)
def test_bad_options_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        lplb.split(example(), [4, 6, 2], **arguments)


def test_metrics_of_loads(kind):
    metrics = lplb.Metrics.of(kind([10, 20, 30]))
    assert (metrics.mean, metrics.max, metrics.imbalance, metrics.excess) == (20, 30, 1.5, 0.5)
    assert metrics.balancedness == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="loads has the type float64"):
        lplb.Metrics.of(kind([0.5], "float64"))
