"""The stages on a GPU: torch tensors in and out, on torch's current stream. Nothing here waits for the device.

What a placement needs there is made when it is used there first, and kept with it; that allocates and waits, so it
cannot be during the capture of a graph. Shapes and types are checked before anything is launched. What only the device
knows, it handles: an id outside -1..E-1 counts as no expert and sets a status; a count outside 0..2^31-1 makes the
plan's status a fallback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import _core
from ._arrays import Array, take
from ._backend import capturing, check_not_capturing
from ._core import InvalidArgument
from .placement import Placement

MAX_LOGICAL = 1024
"""Experts that counting on a GPU takes."""

_WIDE = (torch.int64, torch.uint32, torch.uint64)

Memory: TypeAlias = tuple[int, int]
NOTHING: Memory = (0, 0)

_captured: set[Any] = set()
"""What captured graphs read: it must live as long as they may be replayed, which nobody tells us."""

_status: dict[int, Tensor] = {}
"""A word for each device, in which counting sets a bit when it sees a bad id."""


def memory(tensor: Tensor) -> Memory:
    """Address and number of elements."""
    return tensor.data_ptr(), tensor.numel()


def launch(device: torch.device, call: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the library with the device current, and the handle of torch's current stream there as last argument."""
    if torch.cuda.current_device() == device.index:
        return call(*arguments, _current_stream(device.index))
    with torch.cuda.device(device):
        return call(*arguments, _current_stream(device.index))


def _public_current_stream(index: int) -> int:
    handle: int = torch.cuda.current_stream(index).cuda_stream
    return handle


# The public function makes an object at each call. Triton takes this one, too.
_current_stream: Callable[[int], int] = getattr(torch._C, "_cuda_getCurrentRawStream", _public_current_stream)


class Ids:
    """A batch of ids as the library takes it.

    Attributes:
        tensor: the ids, contiguous.
        core: address, number, whether int64, top_k, address of num_valid_tokens or 0.
    """

    def __init__(self, function: str, name: str, topk_idx: Tensor, num_valid_tokens: Array | None) -> None:
        if topk_idx.dtype not in (torch.int32, torch.int64):
            raise InvalidArgument(f"[{function}] {name} must hold int32 or int64 numbers, as routers give them")
        self.tensor = topk_idx if topk_idx.is_contiguous() else topk_idx.contiguous()
        self._num_valid = None if num_valid_tokens is None else _scalar(function, num_valid_tokens, topk_idx.device)
        top_k = max(1, topk_idx.shape[-1]) if topk_idx.ndim > 1 else 1
        valid = 0 if self._num_valid is None else self._num_valid.data_ptr()
        self.core = (*memory(self.tensor), topk_idx.dtype == torch.int64, top_k, valid)

    def empty_like(self) -> Tensor:
        """Room for the physical ids."""
        return torch.empty_like(self.tensor)


def _scalar(function: str, value: Array, device: torch.device) -> Tensor:
    """One int32 on the device; a number of Python's is written there by a kernel, which a graph can hold."""
    if isinstance(value, (int, np.integer)):
        return torch.full((1,), int(value), dtype=torch.int32, device=device)
    if not isinstance(value, Tensor) or value.numel() != 1 or value.dtype not in (torch.int32, torch.int64):
        raise InvalidArgument(f"[{function}] num_valid_tokens must be one integer: a number, or a tensor on {device}")
    if value.device != device:
        raise InvalidArgument(f"[{function}] num_valid_tokens is on {value.device}; it must be on {device}")
    return value.to(torch.int32)


def to_tokens(function: str, name: str, value: Array, device: torch.device) -> Tensor:
    """Numbers of tokens on the device, int32 and contiguous; -1 where they do not fit.

    Raises:
        ValueError: they are not integers.
        CudaError: they are on the host, and a graph is being captured.
    """
    if isinstance(value, Tensor) and value.dtype == torch.int32 and value.device == device and value.is_contiguous():
        return value
    if not isinstance(value, Tensor) or not value.is_cuda:
        check_not_capturing(function, f"{name} is on the host, and cannot be copied to {device}")
        value = torch.from_numpy(np.array(take(function, name, value)[0]))
    if value.dtype == torch.bool or value.dtype.is_floating_point or value.dtype.is_complex:
        raise InvalidArgument(
            f"[{function}] {name} has the type {str(value.dtype).removeprefix('torch.')}; it must hold integers"
        )
    value = value.to(device)
    if value.dtype in _WIDE:
        value = value.to(torch.int64)
        value = torch.where((value >= 0) & (value < 2**31), value, -1)
    return value.to(torch.int32).contiguous()


def to_flags(function: str, live: Array, device: torch.device) -> Tensor:
    """Flags of the live ranks on the device, uint8."""
    if isinstance(live, Tensor) and live.is_cuda:
        return live.to(device, torch.uint8)
    check_not_capturing(function, f"live is on the host, and cannot be copied to {device}")
    return torch.from_numpy(take(function, "live", live)[0].astype(np.uint8)).to(device)


def status_word(function: str, device: torch.device) -> Tensor:
    """The device's word for bad ids, made at the first call."""
    if device.index not in _status:
        check_not_capturing(function, f"the first call on {device} must not be")
        _status[device.index] = torch.zeros(1, dtype=torch.int32, device=device)
        torch.cuda.synchronize(device)  # whatever stream the next call is on
    return _status[device.index]


def read_status(device: torch.device) -> bool:
    """Whether a bad id was seen on the device since the last call; waits for its current stream."""
    word = status_word("saw_bad_ids", device)
    seen = bool(word.item())
    word.zero_()
    return seen


def count(function: str, ids: Ids, num_logical: int) -> tuple[Tensor, Tensor]:
    """Counts [E] of the ids, and the workspace that remapping them needs."""
    if not 1 <= num_logical <= MAX_LOGICAL:
        raise InvalidArgument(f"[{function}] num_logical ({num_logical}) must be in 1..{MAX_LOGICAL} on a GPU")
    device = ids.tensor.device
    num_bytes = _core.cuda_workspace_bytes(ids.tensor.numel(), num_logical)
    workspace = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    counts = torch.empty(num_logical, dtype=torch.int32, device=device)
    status = status_word(function, device)
    launch(device, _core.cuda_count, ids.core, status.data_ptr(), memory(counts), memory(workspace))
    return counts, workspace


def _on_device(function: str, placement: Placement, key: Any, device: torch.device, make: Callable[[], Any]) -> Any:
    """What the placement has on the device under `key`, made now if it has not."""
    found = placement._on_devices.get((device.index, key))
    if found is None:
        check_not_capturing(function, f"the placement is not on {device} yet, which a first call does; it cannot be")
        with torch.cuda.device(device):
            found = placement._on_devices.setdefault((device.index, key), make())
    elif capturing():
        _captured.add(found)
    return found


def _device_placement(function: str, placement: Placement, device: torch.device) -> _core.CudaPlacement:
    found: _core.CudaPlacement = _on_device(
        function, placement, "placement", device, lambda: _core.CudaPlacement(placement._core)
    )
    return found


class Graph(NamedTuple):
    """What of a split depends on the placement and the live ranks alone; `live` [G] uint8, or None = all."""

    core: _core.CudaGraph
    live: Tensor | None


def device_graph(placement: Placement, live: NDArray[Any] | None, device: torch.device) -> Graph:
    """The graph of a placement; those of live masks are kept, too."""

    def make() -> Graph:
        flags = None if live is None else to_flags("split", live, device)
        return Graph(_core.CudaGraph(_core.SplitGraph.make(placement._core, live)), flags)

    key = ("graph", None if live is None else live.astype(np.float32).tobytes())
    found: Graph = _on_device("split", placement, key, device, make)
    return found


class Solved(NamedTuple):
    """What solve wrote: quotas [P], rank loads [G], the words of summary and certificate; and what it solved."""

    counts: Tensor
    quota: Tensor
    rank_load: Tensor
    proof: Tensor
    graph: Graph


def _check_shapes(placement: Placement, counts: Tensor, base_load: Array | None) -> None:
    num_logical, num_ranks = placement.num_logical, placement.num_ranks
    if tuple(counts.shape) not in ((num_logical,), (num_ranks, num_logical)):
        raise InvalidArgument(
            f"[split] counts has the shape {list(counts.shape)}; it must be [{num_logical} experts] or "
            f"[{num_ranks} source ranks, {num_logical} experts]"
        )
    if base_load is not None and np.shape(base_load) != (num_ranks,):
        raise InvalidArgument(
            f"[split] base_load has the shape {list(np.shape(base_load))}; it must be [{num_ranks} ranks]"
        )


def solve(placement: Placement, counts: Tensor, base_load: Array | None, live: NDArray[Any] | None) -> Solved:
    """Splits counts [E] or [S, E], of any integer type, over the live copies."""
    _check_shapes(placement, counts, base_load)
    device = counts.device
    tokens = to_tokens("split", "counts", counts, device)
    base = None if base_load is None else to_tokens("split", "base_load", base_load, device)
    graph = device_graph(placement, live, device)
    quota = torch.empty(placement.num_physical, dtype=torch.int32, device=device)
    rank_load = torch.empty(placement.num_ranks, dtype=torch.int32, device=device)
    proof = torch.empty(graph.core.num_proof_words, dtype=torch.int32, device=device)
    num_bytes = graph.core.workspace_bytes  # none for most shapes
    workspace = torch.empty(num_bytes, dtype=torch.uint8, device=device) if num_bytes else None
    spill = 0 if workspace is None else workspace.data_ptr()
    outputs = (quota.data_ptr(), rank_load.data_ptr(), proof.data_ptr(), spill)
    launch(device, graph.core.solve, memory(tokens), 0 if base is None else base.data_ptr(), outputs)
    return Solved(tokens, quota, rank_load, proof, graph)


def apportion(
    function: str, placement: Placement, counts: Tensor, quota: Tensor, live: Tensor | None, source_rank: int
) -> Tensor:
    """One source's tokens for each physical expert, [P]: exact from counts [S, E], proportional from its own [E]."""
    device = counts.device
    flags = NOTHING if live is None else memory(live)
    table = torch.zeros_like(quota)  # the kernel leaves out empty slots
    on_device = _device_placement(function, placement, device)
    launch(device, on_device.apportion, (memory(counts), memory(quota), flags), source_rank, memory(table))
    return table


def remap(placement: Placement, ids: Ids, table: Tensor, workspace: Tensor) -> Tensor:
    """Physical ids by a table [P], after `count` of the same ids."""
    device = table.device
    physical = ids.empty_like()
    on_device = _device_placement("remap", placement, device)
    launch(device, on_device.remap, ids.core, memory(table), memory(workspace), physical.data_ptr())
    return physical


def remap_by_plan(
    placement: Placement, ids: Ids, counts: Array, quota: Array, live: Array | None, source_rank: int
) -> Tensor:
    """Physical ids of one source under the quotas of counts [S, E], or in their proportion where counts are [E]."""
    if not 0 <= source_rank < placement.num_ranks:
        raise InvalidArgument(f"[remap] source_rank ({source_rank}) must be in 0..{placement.num_ranks - 1}")
    device = ids.tensor.device
    own, workspace = count("remap", ids, placement.num_logical)
    sources = own if counts.ndim == 1 else to_tokens("remap", "counts", counts, device)
    quotas = to_tokens("remap", "quota", quota, device)
    flags = None if live is None else to_flags("remap", live, device)
    return remap(placement, ids, apportion("remap", placement, sources, quotas, flags, source_rank), workspace)
