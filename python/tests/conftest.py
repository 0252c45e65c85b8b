"""What all tests share. Without torch, the tests that are about torch are left out and the others run on NumPy."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lplb import _core

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
HAS_TORCH = importlib.util.find_spec("torch") is not None
TORCH_ALONE = [
    "test_cuda_compile.py",
    "test_cuda_planner.py",
    "test_cuda_stages.py",
    "test_cuda_upstream.py",
    "test_no_gpu.py",
    "test_planner_groups.py",
    "test_sglang.py",
    "test_torch_ops.py",
    "test_upstream.py",
]

collect_ignore = [] if HAS_TORCH else TORCH_ALONE


def why_no_gpu():
    """Why nothing can be computed on a GPU here; empty where it can."""
    if not _core.cuda_is_built():
        return "this build of lplb has no CUDA"
    return "" if _core.cuda_device_count() > 0 else "no GPU here"


needs_gpu = pytest.mark.skipif(bool(why_no_gpu()), reason=why_no_gpu())


def pytest_report_header():
    return [
        f"torch: {'installed' if HAS_TORCH else 'not installed; ' + ', '.join(TORCH_ALONE) + ' are left out'}",
        f"CUDA: {why_no_gpu() or 'tested'}",
    ]


@pytest.fixture(params=["numpy", "torch"] if HAS_TORCH else ["numpy"])
def kind(request):
    """Makes an array of each kind in turn: `kind(values, dtype)`; `kind.type` is its type."""
    return Kind(request.param)


class Kind:
    def __init__(self, name):
        self.name = name
        if name == "torch":
            import torch

            self.type, self.library = torch.Tensor, torch
        else:
            self.type, self.library = np.ndarray, np

    def __call__(self, values, dtype="int64"):
        array = np.asarray(values, dtype=dtype)
        return self.library.from_numpy(array.copy()) if self.name == "torch" else array

    def dtype(self, name):
        return getattr(self.library, name) if self.name == "torch" else np.dtype(name)


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


def golden(name):
    """A file of recorded outputs of the reference implementations; they are not in the repository."""
    path = SHARED / "golden" / name
    if not path.exists():
        pytest.skip(f"{path} is absent: outputs of the reference implementations are not in the repository")
    return np.load(path)
