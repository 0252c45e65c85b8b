import _thread
import signal
import threading

import numpy as np
import pytest

import lplb

RANKS, NODES, EXPERTS = 8, 2, 24
QUICK = {"num_ranks": RANKS, "num_moves": 400}


@pytest.fixture
def window(rng):
    """Recent batches [T, E] of skewed loads."""
    popularity = rng.lognormal(0, 1, EXPERTS)
    return rng.poisson(popularity * 300 * np.exp(0.2 * rng.standard_normal((6, EXPERTS))))


def holders(placement):
    """The experts that each rank holds; fails where a rank holds one twice."""
    found = []
    for slots in np.asarray(placement.phy2log).reshape(placement.num_ranks, -1):
        held = slots[slots >= 0].tolist()
        assert len(held) == len(set(held))
        found.append(set(held))
    assert set.union(*found) == set(range(placement.num_logical))
    return found


def test_results_are_of_the_callers_kind_and_say_what_was_reached(kind, window):
    result = lplb.optimize_placement(kind(window), slots_per_rank=4, **QUICK)
    assert isinstance(result.placement.phy2log, kind.type)
    assert (result.placement.num_ranks, result.placement.slots_per_rank) == (RANKS, 4)
    holders(result.placement)
    assert result.num_moves > 0
    before, after = result.start_score.imbalance, result.score.imbalance
    assert repr(result).startswith(
        f"OptimizeResult(imbalance recorded {before.recorded:.3f} -> {after.recorded:.3f}, noise {before.noise:.3f} -> "
    )
    assert f"from {result.start}; 0 copies moved; {result.num_accepted} of {result.num_moves} changes" in repr(result)
    assert f"recorded {after.recorded:.3f} (worst tenth {result.score.tail_imbalance.recorded:.3f})" in repr(
        result.score
    )


def test_never_worse_than_its_starts_nor_than_other_policies(window):
    result = lplb.optimize_placement(window, slots_per_rank=4, seed=3, **QUICK)
    assert result.score.objective <= result.best_start_objective <= result.start_score.objective
    assert result.score == lplb.score_placement(window, result.placement, seed=3)
    load = window.sum(0)
    for policy in ("eplb-distinct", "cube", "ring"):
        other = lplb.place(policy, load, num_physical=4 * RANKS, num_ranks=RANKS)
        assert result.score.objective <= lplb.score_placement(window, other, seed=3).objective


def test_the_imbalance_on_the_window_is_that_of_the_split(window):
    steady = np.repeat(window[:1], 3, axis=0)
    result = lplb.optimize_placement(steady, slots_per_rank=4, **QUICK)
    plan = lplb.split(result.placement, steady[0])
    assert result.score.imbalance.recorded == pytest.approx(plan.metrics.imbalance, abs=0.01)


def test_counts_by_source_are_added_up(window, rng):
    by_source = rng.multinomial(1, [1 / 4] * 4, window.shape).transpose(0, 2, 1) * window[:, None, :]
    assert by_source.shape == (6, 4, EXPERTS)
    found = lplb.optimize_placement(by_source, slots_per_rank=4, **QUICK)
    assert found == lplb.optimize_placement(window, slots_per_rank=4, **QUICK)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_loads_in_any_unit(kind, window, dtype):
    found = [
        lplb.optimize_placement(kind(window * unit, dtype), slots_per_rank=4, **QUICK).placement.phy2log.tolist()
        for unit in (2.0**-20, 1, 2.0**20)
    ]
    scaled = np.rint(window / window.sum(1).max() * 2**20).astype(np.int64)
    if dtype == "float32":
        scaled = np.rint(window.astype(dtype) / window.sum(1).max() * 2**20).astype(np.int64)
    counted = lplb.optimize_placement(scaled, slots_per_rank=4, **QUICK)
    assert found == [counted.placement.phy2log.tolist()] * 3


def test_ranks_may_have_unequal_slots(window):
    slots = [5, 3, 4, 2, 5, 3, 4, 2]
    result = lplb.optimize_placement(window, slots=slots, **QUICK)
    assert result.placement.slots_per_rank == 5
    assert all(len(held) <= given for held, given in zip(holders(result.placement), slots, strict=True))


def test_groups_stay_on_nodes(window):
    placement = lplb.optimize_placement(window, slots_per_rank=4, num_nodes=NODES, num_groups=4, **QUICK).placement
    held = holders(placement)
    nodes = [set.union(*held[:4]), set.union(*held[4:])]
    for group in range(4):
        experts = set(range(6 * group, 6 * group + 6))
        assert sum(bool(experts & node) for node in nodes) == 1


def test_copies_stay_within_blocks(window):
    placement = lplb.optimize_placement(window, slots_per_rank=4, copies_within=2, **QUICK).placement
    assert placement.max_replicas == 2
    held = holders(placement)
    for expert in range(EXPERTS):
        assert len({rank // 2 for rank in range(RANKS) if expert in held[rank]}) == 1


def test_dead_ranks_hold_nothing_and_come_back(kind, window):
    whole = lplb.optimize_placement(window, slots_per_rank=5, **QUICK).placement
    live = np.array([1, 1, 0, 1, 1, 1, 1, 0])
    without = lplb.optimize_placement(window, slots_per_rank=5, live=kind(live), current=whole, **QUICK)
    held = holders(without.placement)
    assert [bool(experts) for experts in held] == live.astype(bool).tolist()
    assert without.num_moved == whole.num_moved_copies(without.placement)
    assert without.score == lplb.score_placement(window, without.placement, live=live.astype(bool))
    back = lplb.optimize_placement(window, slots_per_rank=5, current=without.placement, **QUICK)
    assert all(holders(back.placement))
    assert back.score.objective <= lplb.score_placement(window, without.placement).objective


def test_moves_are_limited_and_priced(window):
    current = lplb.place("eplb-distinct", window[0], num_physical=4 * RANKS, num_ranks=RANKS)
    few = lplb.optimize_placement(window, slots_per_rank=4, current=current, max_moved=3, **QUICK)
    assert few.num_moved == current.num_moved_copies(few.placement) <= 3
    assert few.start == "current"
    none = lplb.optimize_placement(window, slots_per_rank=4, current=current, max_moved=0, **QUICK)
    assert none.num_moved == 0
    dear = lplb.optimize_placement(window, slots_per_rank=4, current=current, move_price=10.0, **QUICK)
    assert dear.num_moved == 0
    free = lplb.optimize_placement(window, slots_per_rank=4, current=current, **QUICK)
    assert free.num_moved > 3


def test_the_trade_off_is_monotone(kind, window):
    current = lplb.place("uniform", window[0], num_physical=4 * RANKS, num_ranks=RANKS)
    limits = [0, 1, 2, 4, 8, None]
    curve = lplb.optimize_trade_off(kind(window), limits, slots_per_rank=4, current=current, **QUICK)
    assert all(each.num_moved <= limit for each, limit in zip(curve, limits[:-1], strict=False))
    objectives = [each.score.objective for each in curve]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] < objectives[0]
    assert isinstance(curve[0].placement.phy2log, kind.type)


def test_results_depend_on_the_seed_and_not_on_threads(window):
    found = [
        lplb.optimize_placement(window, slots_per_rank=4, num_chains=3, seed=seed, num_threads=threads, **QUICK)
        for seed, threads in ((5, 1), (5, 2), (5, 4), (6, 1))
    ]
    assert found[0] == found[1] == found[2]
    assert found[0].placement != found[3].placement


def test_the_objective_is_the_callers(window):
    none = lplb.ByScenario(0.0, 0.0, 0.0, 0.0)
    recorded = lplb.PlacementObjective(weight=none._replace(recorded=1.0), linear=none._replace(recorded=2.0), tail=0.0)
    result = lplb.optimize_placement(window, slots_per_rank=4, objective=recorded, **QUICK)
    excess = result.score.imbalance.recorded - 1
    assert result.score.objective == pytest.approx(np.log(excess + recorded.floor.recorded) + 2 * excess)
    assert result.score == lplb.score_placement(window, result.placement, objective=recorded)


def test_layers_in_parallel_are_those_one_by_one(kind, window):
    windows = np.stack([window, window[:, ::-1], np.roll(window, 5, axis=1)])
    found = lplb.optimize_layers(kind(windows), slots_per_rank=4, seed=7, **QUICK)
    for layer, result in enumerate(found.layers):
        assert result.score == lplb.optimize_placement(windows[layer], slots_per_rank=4, seed=7 + layer, **QUICK).score
        assert isinstance(result.placement.phy2log, kind.type)
    assert found.num_slots == [4 * RANKS] * 3
    assert repr(found).startswith("LayersResult(3 layers, 32 to 32 slots; mean imbalance recorded ")
    current = [each.placement for each in found.layers]
    again = lplb.optimize_layers(windows, slots_per_rank=4, current=current, max_moved=1, **QUICK)
    assert all(each.num_moved <= 1 for each in again.layers)


def test_slots_are_shared_out_over_layers(window):
    even = np.full_like(window, 100)
    skewed = even.copy()
    skewed[:, 0] = 2000
    found = lplb.optimize_layers(np.stack([even, skewed]), total_slots=2 * EXPERTS + RANKS, **QUICK)
    assert found.num_slots == [EXPERTS, EXPERTS + RANKS]
    for result, num_slots in zip(found.layers, found.num_slots, strict=True):
        assert int((result.placement.phy2log >= 0).sum()) <= num_slots


def test_limits_name_the_expert_that_needs_a_copy():
    placement = lplb.Placement.contiguous(8, num_ranks=4)
    window = np.full((4, 8), 10)
    window[:3, 5] = 100
    found = lplb.find_limits(window, placement)
    assert found.ranks[0] == (2, 0.75)
    best = found.experts[0]
    assert best.expert == 5
    assert best.gain > 0.5
    assert best.copy_on in (0, 1, 3)
    assert repr(found).splitlines()[0] == f"imbalance {found.imbalance:.3f}"
    assert f"a copy on rank {best.copy_on} takes {best.gain:.3f} away" in repr(found)
    assert len(lplb.find_limits(window, placement, most=1).ranks) == 1


def test_a_refresh_must_pay():
    def score(imbalance):
        return lplb.PlacementScore(0.0, lplb.ByScenario(*[imbalance] * 4), lplb.ByScenario(*[imbalance] * 4))

    policy = lplb.RefreshPolicy(cost_per_copy=1.0, hysteresis=2.0, least_gain=0.001)
    pays = lplb.decide_refresh(policy, score(1.2), score(1.1), num_moved=4, num_batches=100)
    assert pays.refresh
    assert (pays.gain, pays.cost) == (pytest.approx(10), 4)
    assert not lplb.decide_refresh(policy, score(1.2), score(1.1), num_moved=6, num_batches=100).refresh
    assert repr(lplb.decide_refresh(policy, score(1.0), score(1.1), num_moved=6, num_batches=1)) == (
        "RefreshDecision(stay: gain -0.100, cost 6.000)"
    )
    with pytest.raises(ValueError, match=r"\[decide_refresh\] hysteresis \(0.5\) must be at least 1"):
        lplb.decide_refresh(lplb.RefreshPolicy(hysteresis=0.5), score(1), score(1), num_moved=0, num_batches=1)


def test_as_a_policy(kind, window):
    assert "optimize" in lplb.policies()
    sizes = {"num_physical": 4 * RANKS, "num_ranks": RANKS}
    placement = lplb.place("optimize", kind(window), **sizes, seed=2)
    assert placement == lplb.optimize_placement(window, num_ranks=RANKS, slots_per_rank=4, seed=2).placement
    assert isinstance(placement.phy2log, kind.type)
    alone = lplb.place("optimize", kind(window[0]), **sizes)
    assert alone == lplb.optimize_placement(window[:1], num_ranks=RANKS, slots_per_rank=4).placement
    with pytest.raises(ValueError, match=r"\[place\] num_physical \(33\) must be a multiple of num_ranks \(8\)"):
        lplb.place("optimize", window, num_physical=33, num_ranks=RANKS)


LONG = {"num_ranks": RANKS, "slots_per_rank": 4, "num_moves": 10**9}


def test_progress_is_told_in_the_callers_thread(window):
    told = []

    def progress(done, total):
        told.append((threading.get_ident(), done, total))

    lplb.optimize_placement(window, slots_per_rank=4, progress=progress, **QUICK)
    callers, done, totals = zip(*told, strict=True)
    assert set(callers) == {threading.get_ident()}
    assert list(done) == sorted(done)
    assert len(set(totals)) == 1
    assert done[-1] <= totals[0]
    layers = []
    lplb.optimize_layers(
        window[None].repeat(3, 0), slots_per_rank=4, progress=lambda *numbers: layers.append(numbers), **QUICK
    )
    assert layers[-1] == (3, 3)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_what_progress_raises_ends_the_search(window, num_threads):
    def progress(done, total):
        raise LookupError(f"{done >= 0} {total}")

    with pytest.raises(LookupError, match="True 2000000000"):
        lplb.optimize_placement(window, num_chains=2, num_threads=num_threads, progress=progress, **LONG)
    with pytest.raises(LookupError):
        lplb.optimize_trade_off(
            window, [0, None], current=lplb.Placement.contiguous(EXPERTS, num_ranks=RANKS), progress=progress, **LONG
        )


def searches(window):
    return {
        "one layer": lambda: lplb.optimize_placement(window, **LONG),
        "layers": lambda: lplb.optimize_layers(window[None].repeat(2, 0), **LONG),
    }


@pytest.fixture
def ctrl_c_is_heard():
    """Where the tests run in the background, the shell has told them to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", ["one layer", "layers"])
@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_ends_the_search(window, name):
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        searches(window)[name]()
    timer.join()


def test_any_time_is_enough(window):
    result = lplb.optimize_placement(window, time_limit_s=1e-9, **LONG)
    holders(result.placement)
    assert result.num_moves < 10**9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slots_per_rank": 2}, r"16 slots on live ranks do not hold 24 experts"),
        ({"slots_per_rank": None}, r"0 slots on live ranks do not hold 24 experts"),
        ({"slots": [4] * 8}, "give slots_per_rank or slots, not both"),
        ({"slots_per_rank": None, "slots": [4] * 7}, "slots has 7 entries; it must have one for each of the 8 ranks"),
        ({"slots_per_rank": None, "slots": [4.0] * 8}, "slots has the type float64; it must hold integers"),
        ({"live": [1] * 7}, "live has 7 entries"),
        ({"live": [2] * 8}, r"live\[0\] is 2; it must be 0 or 1"),
        ({"num_nodes": 3}, r"num_nodes \(3\) must divide num_ranks \(8\)"),
        ({"copies_within": 3}, r"copies_within \(3\) must divide"),
        ({"num_groups": 5}, r"num_groups \(5\) must divide num_logical \(24\)"),
        ({"max_moved": 3}, "max_moved and move_price need a current placement"),
        ({"move_price": -1.0}, r"objective.move_price \(-1\) must be finite"),
        ({"objective": lplb.PlacementObjective(tail=2.0)}, r"objective.tail \(2\) must be in 0..1"),
        ({"num_chains": 0}, r"num_chains \(0\) must be at least 1"),
        ({"window": np.ones(4, int)}, r"window has the shape \[4\]; it must be \[T, E\] or \[T, S, E\]"),
        ({"window": np.zeros((0, 24), int)}, "window has 0 entries"),
        ({"window": np.zeros((0, 24))}, "window has 0 entries"),
        ({"window": np.zeros((2, 24))}, r"window\[0\] has 0 tokens"),
        ({"window": np.full((2, 24), -1)}, "window holds -1; loads must not be negative"),
        ({"window": np.full((2, 2, 24), np.nan)}, "window holds nan"),
        ({"window": np.full((2, 24), np.inf)}, "window holds inf; loads must be finite"),
        ({"window": np.full((2, 24), 2**31)}, r"window\[0\] is 2147483648"),
        ({"window": np.full((2, 24), 2**30)}, r"window\[0\] has 25769803776 tokens"),
        ({"window": np.full((2, 24), 1j)}, "window has the type complex"),
    ],
)
def test_errors_say_what_is_wrong(window, changes, message):
    given = {"window": window, "slots_per_rank": 4, **QUICK, **changes}
    with pytest.raises(ValueError, match=message) as caught:
        lplb.optimize_placement(**given)
    assert str(caught.value).startswith("[optimize_placement] ")


def test_errors_of_the_other_functions(window):
    placement = lplb.Placement.contiguous(12, num_ranks=4)
    for function in (lplb.score_placement, lplb.find_limits):
        with pytest.raises(ValueError, match=r"window has the shape \[6, 24\]; it must be \[batches, 12 experts\]"):
            function(window, placement)
    with pytest.raises(ValueError, match="current has 12 experts on 4 ranks; the rules say 24 on 8"):
        lplb.optimize_placement(window, slots_per_rank=4, current=placement, **QUICK)
    there = lplb.Placement.contiguous(EXPERTS, num_ranks=RANKS)
    with pytest.raises(ValueError, match="limits must ascend"):
        lplb.optimize_trade_off(window, [3, 1], slots_per_rank=4, current=there, **QUICK)
    with pytest.raises(ValueError, match=r"windows has the shape \[6, 24\]; it must be \[L, T, E\]"):
        lplb.optimize_layers(window, slots_per_rank=4, **QUICK)
    with pytest.raises(ValueError, match=r"total_slots \(20\) must be at least 1 layers of 24 experts"):
        lplb.optimize_layers(window[None], total_slots=20, **QUICK)
    with pytest.raises(TypeError, match="unexpected keyword argument 'seeds'"):
        lplb.optimize_layers(window[None], slots_per_rank=4, seeds=3, **QUICK)
