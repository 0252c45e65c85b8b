"""SGLang's expert-distribution dumps (.pt), which only torch can read.

The stat modes write {"logical_count": [steps, layers, E]}; the per-token mode writes {"records": [...]}, one record a
forward pass with the physical ids "topk_ids_of_layer" [layers, tokens, k], and "last_physical_to_logical_map"
[layers, P]. Files are loaded with weights_only=True, so a dump cannot run code.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import DataError
from .trace import Trace


def read_dump(path: str | os.PathLike[str], *, num_experts: int = 0) -> Trace:
    """A dump as a trace, a step for each buffered step or forward pass.

    Args:
        path: a .pt file.
        num_experts: experts E of a per-token dump; 0 = what its map or its ids say.

    Raises:
        DataError: torch is not installed, or the file is not such a dump.
    """
    path = os.fspath(path)
    dump = _load(path)
    if "logical_count" in dump:
        counts = _array(path, "logical_count", dump["logical_count"], axes=3)
    elif "records" in dump:
        counts = _count_records(path, dump, num_experts)
    else:
        raise DataError(f"{path}: holds {sorted(map(str, dump))}; it must hold logical_count or records")
    if counts.size == 0:
        raise DataError(f"{path}: holds no step")
    if counts.min() < 0:
        raise DataError(f"{path}: a count is {counts.min()}; it must not be negative")
    return Trace(counts, name=os.path.splitext(os.path.basename(path))[0])


def _load(path: str) -> dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise DataError(f"{path}: reading .pt needs torch, which is not installed") from error
    try:
        dump = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the zip, the pickle or the file system does
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: torch cannot load it: {reason}") from error
    if not isinstance(dump, dict):
        raise DataError(f"{path}: holds a {type(dump).__name__}; an expert-distribution dump is a dict")
    return dump


def _array(path: str, name: str, value: Any, *, axes: int) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.ndim != axes:
        raise DataError(f"{path}: {name} has the shape {list(array.shape)}; it must have {axes} axes")
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.floor(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} has the type {array.dtype}; it must hold whole numbers")
    return array.astype(np.int64)


def _count_records(path: str, dump: dict[str, Any], num_experts: int) -> NDArray[np.int64]:
    """[steps, layers, E]: records in their order, ids mapped to logical experts where the dump says how."""
    records = dump["records"]
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise DataError(f"{path}: records must be a list of dicts")
    ids = [_array(path, "topk_ids_of_layer", each.get("topk_ids_of_layer"), axes=3) for each in records]
    if len({each.shape[0] for each in ids}) != 1:
        raise DataError(f"{path}: the records must have layers, and the same number each")
    if "last_physical_to_logical_map" in dump:
        to_logical = _array(path, "last_physical_to_logical_map", dump["last_physical_to_logical_map"], axes=2)
        if to_logical.shape[0] != ids[0].shape[0] or to_logical.shape[1] == 0 or to_logical.min() < 0:
            raise DataError(f"{path}: last_physical_to_logical_map must be [layers, physical experts], ids from 0 on")
    else:
        largest = max((int(each.max(initial=-1)) for each in ids), default=-1)
        to_logical = np.tile(np.arange(max(largest + 1, num_experts, 1)), (ids[0].shape[0], 1))
    num_logical = max(num_experts, int(to_logical.max()) + 1)
    return np.stack([_count_pass(path, each, to_logical, num_logical) for each in ids])


def _count_pass(
    path: str, ids: NDArray[np.int64], to_logical: NDArray[np.int64], num_logical: int
) -> NDArray[np.int64]:
    """[layers, E] of one forward pass."""
    if ids.size > 0 and not (ids.min() >= -1 and ids.max() < to_logical.shape[1]):
        raise DataError(f"{path}: topk_ids_of_layer holds ids outside -1..{to_logical.shape[1] - 1}")
    return np.stack(
        [
            np.bincount(table[layer[layer >= 0]], minlength=num_logical)
            for layer, table in zip(ids.reshape(ids.shape[0], -1), to_logical, strict=True)
        ]
    )
