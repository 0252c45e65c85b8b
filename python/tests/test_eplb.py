"""The drop-in for DeepSeek's EPLB."""

import numpy as np
import pytest
from conftest import golden

import eplb
import lplb

# The example of EPLB's README and what it prints there.
WEIGHT = [
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
]
PHY2LOG = [
    [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
    [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "float16", "float32", "float64"])
def test_readme_example_of_any_type(kind, dtype):
    arrays = eplb.rebalance_experts(kind(WEIGHT, dtype), 16, 4, 2, 8)
    assert arrays[0].tolist() == PHY2LOG
    assert [tuple(array.shape) for array in arrays] == [(2, 16), (2, 12, 2), (2, 12)]
    for array in arrays:
        assert isinstance(array, kind.type)
        assert array.dtype == kind.dtype("int64")


def test_readme_example_prints_the_same():
    torch = pytest.importorskip("torch")
    phy2log, _, _ = eplb.rebalance_experts(torch.tensor(WEIGHT), 16, 4, 2, 8)
    assert str(phy2log) == (
        "tensor([[ 5,  6,  5,  7,  8,  4,  3,  4, 10,  9, 10,  2,  0,  1, 11,  1],\n"
        "        [ 7, 10,  6,  8,  6, 11,  8,  9,  2,  4,  5,  1,  5,  0,  3,  1]])"
    )


def test_tutorial_example(kind):
    phy2log, log2phy, logcnt = eplb.rebalance_experts(kind([[200, 150, 100, 50]]), 8, 4, 2, 4)
    assert sorted(phy2log[0].tolist()) == sorted(
        e for e, copies in enumerate(logcnt[0].tolist()) for _ in range(copies)
    )
    for expert, slots in enumerate(log2phy[0].tolist()):
        assert all(phy2log[0].tolist()[slot] == expert for slot in slots if slot >= 0)


def test_bfloat16():
    torch = pytest.importorskip("torch")
    weight = torch.tensor(WEIGHT, dtype=torch.bfloat16)
    assert eplb.rebalance_experts(weight, 16, 4, 2, 8)[0].tolist() == (
        eplb.rebalance_experts(weight.float(), 16, 4, 2, 8)[0].tolist()
    )


def test_all_recorded_cases_of_the_reference(kind):
    cases = golden("eplb.npz")
    names = sorted(name.removesuffix("_weight") for name in cases.files if name.endswith("_weight"))
    assert len(names) == 150
    for name in names:
        found = eplb.rebalance_experts(kind(cases[f"{name}_weight"], "float32"), *map(int, cases[f"{name}_args"]))
        for array, part in zip(found, ("phy2log", "log2phy", "logcnt"), strict=True):
            np.testing.assert_array_equal(np.asarray(array), cases[f"{name}_{part}"], err_msg=f"case {name}, {part}")


def test_modern_interface_places_the_same(kind):
    placements = lplb.rebalance_experts(kind(WEIGHT), num_replicas=16, num_gpus=8, num_groups=4, num_nodes=2)
    assert [placement.phy2log.tolist() for placement in placements] == PHY2LOG
    assert all(isinstance(placement.phy2log, kind.type) for placement in placements)
    assert placements[0].num_nodes == 2
    (one,) = lplb.rebalance_experts(kind(WEIGHT[0]), num_replicas=16, num_gpus=8, num_groups=4, num_nodes=2)
    assert one == placements[0]


def test_balanced_packing(kind):
    pack_index, rank_in_pack = eplb.balanced_packing(kind([[9, 1, 5, 4]]), 2)
    # 9 and 1 against 5 and 4: heaviest first into the lightest pack with room.
    assert pack_index.tolist() == [[0, 0, 1, 1]]
    assert rank_in_pack.tolist() == [[0, 1, 0, 1]]
    assert pack_index.dtype == kind.dtype("int64")


def test_replicate_experts(kind):
    phy2log, rank, logcnt = eplb.replicate_experts(kind([[10, 3, 4]]), 5)
    assert phy2log.tolist() == [[0, 1, 2, 0, 0]]
    assert rank.tolist() == [[0, 0, 0, 1, 2]]
    assert logcnt.tolist() == [[3, 1, 1]]


@pytest.mark.parametrize(
    ("weight", "sizes", "message"),
    [
        ([[1.0] * 256], (258, 8, 4, 32), r"\[rebalance_experts\] num_replicas \(258\) must be a multiple of num_gpus"),
        ([[1.0, float("nan")]], (2, 1, 1, 2), "weight.*nan"),
        ([[1.0, float("inf")]], (2, 1, 1, 2), "weight.*inf"),
        ([[1.0, -1.0]], (2, 1, 1, 2), "weight.*-1"),
        ([1.0, 2.0], (2, 1, 1, 2), r"weight has the shape \[2\]; it must have 2 axes"),
        ([[1j, 2j]], (2, 1, 1, 2), "weight has the type complex128; it must hold real numbers"),
    ],
)
def test_bad_input_is_named(weight, sizes, message):
    with pytest.raises(ValueError, match=message):
        eplb.rebalance_experts(np.array(weight), *sizes)


def test_parts_name_bad_input():
    with pytest.raises(ValueError, match=r"\[balanced_packing\].*num_packs"):
        eplb.balanced_packing(np.ones((1, 4)), 3)
    with pytest.raises(ValueError, match=r"\[replicate_experts\].*num_physical"):
        eplb.replicate_experts(np.ones((1, 4)), 3)
