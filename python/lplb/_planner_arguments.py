"""What LPLB's methods demand of their arguments."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import Array, Wrap, kind_of, take, to_numpy, to_torch, tokens
from ._backend import check_device, is_tensor, on_gpu
from ._core import InvalidArgument

if TYPE_CHECKING:
    import torch


def choose_device(redundant_to_original: Array, device: torch.device | str | None) -> tuple[str, Wrap]:
    """Where the planner's tensors are, and the way to there from NumPy."""
    if device is None and not (is_tensor(redundant_to_original) and redundant_to_original.is_cuda):
        return "cpu", kind_of(redundant_to_original)
    name = str(redundant_to_original.device if device is None else device)
    if name == "cpu":
        return name, to_torch if is_tensor(redundant_to_original) else to_numpy
    check_device("Planner", "device", name.partition(":")[0])
    from .cuda import gpu

    on = gpu("Planner", name)
    return str(on), functools.partial(to_torch, device=on)


def choose_ep_size(ep_size: int | None, group: Any) -> int:
    """The number of ranks: as given, else the group's."""
    if ep_size is None:
        if group is None:
            raise InvalidArgument("[Planner] ep_size must be given when group is not")
        return int(group.size())
    if group is not None and group.size() != ep_size:
        raise InvalidArgument(f"[Planner] ep_size ({ep_size}) must be the size of group ({group.size()})")
    return ep_size


def check_shape(function: str, name: str, array: Array, expected: tuple[int, ...]) -> None:
    """Raises ValueError unless the array has that shape; does not read it."""
    if np.shape(array) != expected:
        raise InvalidArgument(f"[{function}] {name} has the shape {list(np.shape(array))}; it must be {list(expected)}")


def last_row(function: str, by_sm: Array) -> NDArray[np.int64]:
    """All counts: the last row of count_workload's by_sm."""
    last: NDArray[np.int64] = tokens(function, "by_sm", take(function, "by_sm", by_sm)[0][-1]).astype(np.int64)
    return last


def take_shares(function: str, o_weight: Array) -> NDArray[np.float64]:
    """The shares on the host, in double precision.

    Raises:
        ValueError: one is outside 0..1 or NaN.
    """
    share: NDArray[np.float64] = take(function, "o_weight", o_weight)[0].astype(np.float64)
    if not ((share >= 0) & (share <= 1)).all():
        raise InvalidArgument(f"[{function}] o_weight must be shares in 0..1, without NaN")
    return share


def check_counter(function: str, avail_counter: Array | None, beside: Array) -> None:
    """Raises ValueError unless avail_counter is one integer, on the same GPU where `beside` is on one."""
    if avail_counter is None:
        return
    if on_gpu(function, "idx", beside) and getattr(avail_counter, "device", None) != beside.device:
        raise InvalidArgument(f"[{function}] avail_counter must be a tensor on {beside.device}")
    dtype = str(getattr(avail_counter, "dtype", type(avail_counter).__name__)).removeprefix("torch.")
    if np.prod(np.shape(avail_counter)) != 1 or not dtype.startswith(("int", "uint")):
        raise InvalidArgument(
            f"[{function}] avail_counter has the shape {list(np.shape(avail_counter))} and the type {dtype}; "
            "it must be one integer, in an array that can be written"
        )
