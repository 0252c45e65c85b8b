import pickle

import numpy as np
import pytest

import lplb


def test_sizes_and_inverse_maps(kind):
    placement = lplb.Placement(kind([0, 1, 2, 1]), num_ranks=2)
    assert (placement.num_logical, placement.num_physical, placement.slots_per_rank) == (3, 4, 2)
    assert placement.log2phy.tolist() == [[0, -1], [1, 3], [2, -1]]
    assert placement.logcnt.tolist() == [1, 2, 1]
    assert placement.max_replicas == 2
    assert [placement.rank_of(p) for p in range(4)] == [0, 0, 1, 1]
    for array in (placement.phy2log, placement.log2phy, placement.logcnt):
        assert isinstance(array, kind.type)
        assert array.dtype == kind.dtype("int32")


def test_contiguous_leaves_slots_empty_at_the_end():
    placement = lplb.Placement.contiguous(5, num_ranks=2)
    assert placement.phy2log.tolist() == [0, 1, 2, 3, 4, -1]


def test_colocations_name_expert_rank_and_copies():
    placement = lplb.Placement([0, 0, 1, 2], num_ranks=2)
    assert placement.colocations() == [(0, 0, 2)]
    assert placement.colocations()[0].num_copies == 2


def test_moved_copies():
    before = lplb.Placement([0, 1, 2, 1], num_ranks=2)
    after = lplb.Placement([1, 0, 0, 2], num_ranks=2)
    assert before.num_moved_copies(before) == 0
    assert before.num_moved_copies(after) == 1


def test_pickle_and_equality(kind):
    placement = lplb.Placement(kind([0, 1, -1, 2]), num_ranks=2, num_nodes=2, num_logical=3)
    again = pickle.loads(pickle.dumps(placement))
    assert again == placement
    assert hash(again) == hash(placement)
    assert isinstance(again.phy2log, kind.type)
    assert again.num_nodes == 2
    assert placement != lplb.Placement(kind([0, 1, 2, 2]), num_ranks=2, num_nodes=2)
    assert placement != "a placement"


def test_repr_tells_what_one_wants_to_know():
    assert repr(lplb.Placement([0, 1, 1, 2], num_ranks=2)) == (
        "Placement(3 experts in 4 slots on 2 ranks; 1 with copies, at most 2)"
    )
    assert repr(lplb.Placement.contiguous(3, num_ranks=4, num_nodes=2)) == (
        "Placement(3 experts in 4 slots on 4 ranks (2 nodes); 1 slots empty; no copies)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"phy2log": [0, 1, 2], "num_ranks": 2}, "num_ranks"),
        ({"phy2log": [0, 5, 1, 2], "num_ranks": 2, "num_logical": 3}, r"phy2log\[1\] is 5"),
        ({"phy2log": [0, 2, 0, 2], "num_ranks": 2}, "expert 1"),
        ({"phy2log": [[0, 1], [1, 2]], "num_ranks": 2}, r"phy2log has the shape \[2, 2\]; it must have 1 axis"),
        ({"phy2log": [0.0, 1.0], "num_ranks": 2}, "phy2log has the type float64; it must hold integers"),
        ({"phy2log": [0, 2**40], "num_ranks": 2, "num_logical": 2}, r"phy2log\[1\] is 1099511627776"),
        ({"phy2log": "0123", "num_ranks": 2}, r"phy2log \(str\) must be an array of numbers"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        lplb.Placement(**arguments)
    assert isinstance(caught.value, lplb.Error)
    assert str(caught.value).startswith("[Placement")


def test_files_round_trip(tmp_path):
    layers = [lplb.Placement([0, 1, 1, 2], num_ranks=2), lplb.Placement([2, 1, 0, 2], num_ranks=2)]
    lplb.write_placements(layers, tmp_path / "p.json")
    assert lplb.read_placements(tmp_path / "p.json") == layers
    lplb.write_placements(layers, tmp_path / "sglang.json", sglang=True)
    assert lplb.read_placements(tmp_path / "sglang.json", num_ranks=2) == layers
    with pytest.raises(lplb.DataError, match="num_ranks"):
        lplb.read_placements(tmp_path / "sglang.json")


def test_policies_by_name(kind):
    load = kind(np.arange(1.0, 17.0), "float64")
    placement = lplb.place("eplb", load, num_physical=24, num_ranks=8)
    assert isinstance(placement.phy2log, kind.type)
    assert "torus" in lplb.policies()
    assert lplb.place("ring:8", load, num_physical=24, num_ranks=8).num_physical == 24
    with pytest.raises(ValueError, match="elpb"):
        lplb.place("elpb", load, num_physical=24, num_ranks=8)
    with pytest.raises(ValueError, match=r"load\[1\] must be finite"):
        lplb.place("eplb", kind([1.0, float("nan")] * 8, "float32"), num_physical=24, num_ranks=8)
