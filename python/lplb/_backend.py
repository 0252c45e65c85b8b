"""Which devices this build computes on: the one place that tells them apart."""

from __future__ import annotations

import sys
from typing import Any

from . import _core
from ._core import CudaError, InvalidArgument

BUILD_WITH_CUDA = "pip install . -C cmake.define.LPLB_CUDA=ON"


def is_tensor(value: object) -> bool:
    """Whether the value is a torch tensor; does not import torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def check_device(function: str, name: str, device: str, index: int | None = None) -> None:
    """Raises unless this build computes on `device` ("cpu", "cuda", ...).

    Raises:
        CudaError: a GPU, in a build without CUDA.
        ValueError: any other device.
    """
    if device == "cpu" or (device == "cuda" and _core.cuda_is_built()):
        return
    where = device if index is None else f"{device}:{index}"
    if device == "cuda":
        raise CudaError(
            f"[{function}] {name} is on {where}, but this build of lplb computes on the CPU alone; "
            f"move it there first, for example with .cpu(), or build lplb with CUDA ({BUILD_WITH_CUDA})"
        )
    raise InvalidArgument(f"[{function}] {name} is on {where}; it must be on the CPU or a CUDA device")


def on_gpu(function: str, name: str, value: Any) -> bool:
    """Whether the stages on the GPU take the value: a torch tensor there.

    Raises:
        CudaError: it is on a GPU, and this build has no CUDA.
    """
    if not is_tensor(value) or not value.is_cuda:
        return False
    check_device(function, name, "cuda", value.device.index)
    return True


def compiling() -> bool:
    """Whether torch.compile is tracing; it needs operators that it knows instead of calls into the library."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.compiler.is_compiling())


def capturing() -> bool:
    """Whether torch's current stream records a CUDA graph: memory of our own and what waits is not allowed then."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized() and bool(torch.cuda.is_current_stream_capturing())


def check_not_capturing(function: str, what: str) -> None:
    """Raises CudaError "[function] what during the capture of a CUDA graph" where one is under way."""
    if capturing():
        raise CudaError(f"[{function}] {what} during the capture of a CUDA graph")
