"""Arrays of every kind in, the caller's kind out; nothing is copied on the way in."""

import array

import numpy as np
import pytest

import lplb
from lplb import _core
from lplb._arrays import take


class OnDevice:
    """An array on a device of some DLPack type, as CuPy's are on 2."""

    def __init__(self, device_type):
        self.device_type = device_type

    def __dlpack_device__(self):
        return self.device_type, 0


class Exported:
    """An array that only DLPack can read."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


@pytest.mark.parametrize(
    "value",
    [
        [4, 6, 2],
        (4, 6, 2),
        array.array("i", [4, 6, 2]),
        memoryview(np.array([4, 6, 2])),
        Exported(np.array([4, 6, 2], dtype=np.int32)),
        np.array([4, 0, 6, 0, 2])[::2],
        np.array([4, 6, 2], dtype=">i4"),
    ],
    ids=["list", "tuple", "buffer", "memoryview", "dlpack", "strided", "big_endian"],
)
def test_whatever_is_an_array_works(value):
    quota = lplb.split(lplb.Placement([0, 1, 1, 2], num_ranks=2), value).quota
    assert isinstance(quota, np.ndarray)
    assert quota.tolist() == [4, 2, 4, 2]


def test_nothing_is_copied_on_the_way_in(kind):
    given = kind(np.arange(12).reshape(3, 4), "int32")
    view, _ = take("f", "x", given)
    assert np.shares_memory(view, np.asarray(given))
    exported = np.arange(3, dtype=np.int32)
    assert np.shares_memory(take("f", "x", Exported(exported))[0], exported)


def test_what_is_not_contiguous_is_copied(kind):
    view, _ = take("f", "x", kind(np.arange(12).reshape(3, 4)).T)
    assert view.flags.c_contiguous
    assert view.tolist() == np.arange(12).reshape(3, 4).T.tolist()


def test_results_can_be_written_and_do_not_alias_the_input(kind):
    ids = kind([0, 1, 2, 1])
    plan = lplb.split(lplb.Placement(kind([0, 1, 1, 2]), num_ranks=2), lplb.count(ids, 3))
    physical = lplb.remap(ids, plan)
    physical += 100
    assert ids.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda on: lplb.Placement(on, num_ranks=2),
        lambda on: lplb.split(lplb.Placement([0, 1, 1, 2], num_ranks=2), on),
        lambda on: lplb.count(on, 4),
        lambda on: lplb.rebalance_experts(on, num_replicas=4, num_gpus=2),
        lambda on: lplb.Topology.from_r2o(on),
        lambda on: lplb.Trace(on),
    ],
    ids=["Placement", "split", "count", "rebalance_experts", "Topology", "Trace"],
)
def test_other_devices_are_refused(call):
    reason = " and is no torch tensor" if _core.cuda_is_built() else r", but .* CPU alone.*LPLB_CUDA=ON"
    with pytest.raises(lplb.CudaError, match=r"^\[[\w.]+\] \w+ is on cuda:0" + reason):
        call(OnDevice(2))
    with pytest.raises(ValueError, match=r"is on DLPack type 10:0; it must be on the CPU or a CUDA device"):
        call(OnDevice(10))


def test_tensors_elsewhere_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"\[count\] topk_idx is on meta; it must be on the CPU"):
        lplb.count(torch.zeros(3, dtype=torch.int64, device="meta"), 4)


def test_tensors_that_need_a_gradient():
    torch = pytest.importorskip("torch")
    weight = torch.arange(8.0, requires_grad=True)
    assert lplb.rebalance_experts(weight, num_replicas=8, num_gpus=2)[0].num_logical == 8


def test_errors_are_found_where_users_look():
    assert lplb.InvalidArgument.__module__ == "lplb"
    assert issubclass(lplb.InvalidArgument, ValueError)
    assert all(issubclass(each, lplb.Error) for each in (lplb.InvalidArgument, lplb.DataError, lplb.CudaError))
