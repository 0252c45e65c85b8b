"""The CUDA interface where nothing can be computed on a GPU: it imports, finds no device, and says why nothing runs."""

import numpy as np
import pytest
import torch
from conftest import why_no_gpu

import lplb
import lplb.cuda
from lplb import _core

pytestmark = pytest.mark.skipif(not why_no_gpu(), reason="there is a GPU")


def test_finds_no_device():
    assert lplb.cuda.device_count() == 0
    assert lplb.cuda.is_built() == _core.cuda_is_built()


@pytest.mark.parametrize(
    ("call", "function"),
    [
        (lambda placement: lplb.cuda.Planner(placement), "Planner"),
        (lambda placement: lplb.Planner(lplb.Topology.ring(2).r2o, 6, 4, 2, device="cuda"), "Planner"),
        (lambda placement: lplb.saw_bad_ids(), "saw_bad_ids"),
    ],
    ids=["cuda.Planner", "Planner", "saw_bad_ids"],
)
def test_says_why_nothing_runs(call, function):
    with pytest.raises(lplb.CudaError, match=rf"^\[{function}\] device is (on )?cuda.*(CPU alone|no GPU)"):
        call(lplb.Placement([0, 1], num_ranks=2))


def test_the_search_says_so_too():
    with pytest.raises(lplb.CudaError, match=r"\[(cuda::)?optimize_layers\]"):
        lplb.optimize_layers(np.ones((1, 2, 4), np.int64), num_ranks=2, slots_per_rank=3, device=0)


@pytest.mark.skipif(_core.cuda_is_built(), reason="this build of lplb has CUDA")
def test_the_stub_refuses():
    placement = lplb.Placement([0, 1], num_ranks=2)._core
    for call in (
        lambda: _core.CudaPlacement(placement),
        lambda: _core.CudaGraph(_core.SplitGraph.make(placement, None)),
        lambda: _core.CudaPlanner(placement, 8, 0, True),
        lambda: _core.cuda_workspace_bytes(8, 2),
    ):
        with pytest.raises(lplb.CudaError, match="no CUDA stages; configure with LPLB_CUDA=ON"):
            call()


def test_other_devices_are_no_gpus():
    with pytest.raises(ValueError, match=r"\[Planner\] device is cpu; it must be a CUDA device"):
        lplb.cuda.Planner(lplb.Placement([0, 1], num_ranks=2), device=torch.device("cpu"))
