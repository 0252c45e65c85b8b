"""Which devices this build computes on: the one place that a further backend is added to."""

from __future__ import annotations

from ._core import CudaError, InvalidArgument


def default_device() -> str:
    """The device that a planner uses where the caller names none."""
    return "cpu"


def check_device(function: str, name: str, device: str, index: int | None = None) -> None:
    """Raises unless this build computes on `device` ("cpu", "cuda", ...).

    Raises:
        CudaError: a GPU, in a build without CUDA.
        ValueError: any other device.
    """
    if device == "cpu":
        return
    where = device if index is None else f"{device}:{index}"
    if device == "cuda":
        raise CudaError(
            f"[{function}] {name} is on {where}, but this build of lplb computes on the CPU alone; "
            "move it there first, for example with .cpu()"
        )
    raise InvalidArgument(f"[{function}] {name} is on {where}; it must be on the CPU")
