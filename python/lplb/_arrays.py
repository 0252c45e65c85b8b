"""Arrays of any library in, arrays of the same library out.

What computes on the CPU works on C-contiguous NumPy arrays that share the caller's memory where they can. `take` makes
that view and says how to turn a result into the caller's kind again. Of a tensor on a GPU it is a copy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._backend import check_device, check_not_capturing, is_tensor
from ._core import CudaError, InvalidArgument

Array: TypeAlias = Any
"""A torch.Tensor, a NumPy array, or whatever has DLPack or the buffer protocol."""

Wrap: TypeAlias = Callable[[NDArray[Any]], Array]
"""Turns a NumPy array into the caller's kind, without a copy where that is possible."""

_DLPACK_DEVICES = {1: "cpu", 2: "cuda", 3: "cpu", 13: "cuda"}


def to_numpy(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself: results for callers of NumPy, and of libraries that have no kind of their own here."""
    return array


def to_torch(array: NDArray[Any], device: Any = None) -> Array:
    """A tensor over the same memory; over a copy on another device or where the memory must not be written."""
    import torch

    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    return tensor if device is None else tensor.to(device)


def kind_of(value: Array) -> Wrap:
    """The way from NumPy to the kind of `value`: a tensor on its device, or NumPy for all else."""
    if not is_tensor(value):
        return to_numpy
    return functools.partial(to_torch, device=value.device) if value.is_cuda else to_torch


def take(function: str, name: str, value: Array) -> tuple[NDArray[Any], Wrap]:
    """The argument `name` of `function` as a contiguous NumPy array, and the way back to the caller's kind.

    Raises:
        CudaError: it is on a GPU, and this build has no CUDA, a graph is being captured, or it is no tensor.
        ValueError: it is on another device, or cannot be read as an array of numbers.
    """
    if isinstance(value, np.ndarray):
        return _native(value), to_numpy
    if is_tensor(value):
        return _from_torch(function, name, value), kind_of(value)
    if hasattr(value, "__dlpack_device__"):
        kind, index = value.__dlpack_device__()
        device = _DLPACK_DEVICES.get(int(kind), f"DLPack type {int(kind)}")
        check_device(function, name, device, index)
        if device == "cuda":
            raise CudaError(
                f"[{function}] {name} is on {device}:{index} and is no torch tensor; from a GPU only those are taken: "
                "torch.from_dlpack makes one of it without a copy"
            )
        return _native(np.from_dlpack(value)), to_numpy
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"[{function}] {name} cannot be read as an array: {error}") from error
    if array.dtype.kind not in "biufc":
        raise InvalidArgument(
            f"[{function}] {name} ({type(value).__name__}) must be an array of numbers: a tensor, a NumPy array, "
            "or anything with DLPack or the buffer protocol"
        )
    return _native(array), to_numpy


def take_optional(function: str, name: str, value: Array | None) -> NDArray[Any] | None:
    """As `take`, for arguments that may be left out and whose kind does not matter."""
    return None if value is None else take(function, name, value)[0]


def tokens(function: str, name: str, array: NDArray[Any]) -> NDArray[np.int32]:
    """The numbers as int32, after a check that they are integers that fit."""
    if array.dtype.kind not in "iu":
        raise InvalidArgument(f"[{function}] {name} has the type {array.dtype}; it must hold integers")
    if array.dtype.itemsize >= np.dtype(np.int32).itemsize and array.size > 0:
        extreme = max(array.min(), array.max(), key=lambda value: abs(int(value)))
        if abs(int(extreme)) >= 2**31:
            raise InvalidArgument(f"[{function}] {name} holds {extreme}; it must be below 2^31")
    return array.astype(np.int32, copy=False)


def _from_torch(function: str, name: str, tensor: Array) -> NDArray[Any]:
    device = tensor.device
    if device.type != "cpu":
        check_device(function, name, device.type, device.index)
        check_not_capturing(function, f"{name} is on {device}, and cannot be copied to the host")
        tensor = tensor.cpu()
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()  # NumPy has no bfloat16
    array: NDArray[Any] = tensor.contiguous().numpy()
    return array


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """C order, the machine's byte order, and no floats that C++ has no type for."""
    dtype = array.dtype
    if array.flags.c_contiguous and dtype.isnative and dtype.char not in "eg":
        return array
    if dtype.char in "eg":
        dtype = np.dtype(np.float32 if dtype.char == "e" else np.float64)
    return np.asarray(array, dtype=dtype.newbyteorder("="), order="C")
