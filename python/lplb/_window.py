"""Windows of recent loads, as the searches take them: whole tokens by batch and expert."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import Array, Wrap, take
from ._core import InvalidArgument

_LARGEST_BATCH = 2**20
"""Tokens that the largest batch of a window of floats is scaled to."""


def take_window(function: str, name: str, value: Array, *, layers: bool = False) -> tuple[NDArray[Any], Wrap]:
    """Loads [T, E] or [T, S, E] as whole tokens [T, E], and the way back to the caller's kind.

    Counts of source ranks are added up. Floats are loads in any unit: each window of them is scaled, by one factor, so
    that its largest batch has 2^20 tokens, and rounded. With `layers` all shapes begin with L.

    Raises:
        ValueError: another number of axes, negative loads, or loads that are not finite.
    """
    array, wrap = take(function, name, value)
    shapes = "[L, T, E] or [L, T, S, E]" if layers else "[T, E] or [T, S, E]"
    num_axes = 3 if layers else 2
    if array.ndim not in (num_axes, num_axes + 1):
        raise InvalidArgument(f"[{function}] {name} has the shape {list(array.shape)}; it must be {shapes}")
    if array.dtype.kind in "if" and array.size > 0 and not array.min() >= 0:
        raise InvalidArgument(f"[{function}] {name} holds {array.min()}; loads must not be negative or NaN")
    if array.ndim == num_axes + 1 and array.dtype.kind in "iuf":
        array = array.sum(axis=-2, dtype=np.float64 if array.dtype.kind == "f" else np.int64)
    return (_whole(function, name, array) if array.dtype.kind == "f" else array), wrap


def _whole(function: str, name: str, loads: NDArray[Any]) -> NDArray[np.int32]:
    if not np.isfinite(loads).all():
        raise InvalidArgument(f"[{function}] {name} holds {loads.max()}; loads must be finite")
    totals = loads.sum(axis=-1, keepdims=True, dtype=np.float64)
    largest = totals.max(axis=-2, keepdims=True, initial=np.finfo(np.float64).tiny)
    whole: NDArray[np.int32] = np.rint(loads / largest * _LARGEST_BATCH).astype(np.int32)
    return whole
