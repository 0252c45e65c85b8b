"""From the router's choice to physical experts: counting and remapping topk_idx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import Array, take
from ._backend import check_not_capturing, compiling, on_gpu
from ._core import InvalidArgument
from .plan import Plan


def count(topk_idx: Array, num_logical: int, num_valid_tokens: Array | None = None) -> Array:
    """How often each expert stands in topk_idx: [E] int32.

    Args:
        topk_idx: int32 or int64 ids of any shape; -1 = no expert, skipped. On a GPU any other id outside 0..E-1 is
            skipped as well, and `lplb.saw_bad_ids` tells.
        num_logical: experts E; at most 1,024 on a GPU.
        num_valid_tokens: one integer: rows of topk_idx from there on are padding and are skipped. For a graph, a tensor
            on the device, which is read at each replay. All rows are valid when left out.

    Raises:
        ValueError: the type is another, or on the CPU an id is outside -1..E-1.
    """
    if compiling():
        from ._torch_ops import count_op, to_scalar

        return count_op(topk_idx, num_logical, to_scalar(num_valid_tokens, topk_idx))
    if on_gpu("count", "topk_idx", topk_idx):
        from . import _stages

        return _stages.count("count", _stages.Ids("count", "topk_idx", topk_idx, num_valid_tokens), num_logical)[0]
    ids, wrap = take("count", "topk_idx", topk_idx)
    return wrap(_core.count(valid_part("count", ids, num_valid_tokens), num_logical))


def remap(topk_idx: Array, plan: Plan, source_rank: int | None = None, num_valid_tokens: Array | None = None) -> Array:
    """Physical ids for the logical ones of one source rank, each copy as often as the plan says.

    The j-th token of an expert goes to a copy by a rule that depends on j and the plan alone, so two runs agree bit for
    bit. Works inside torch.compile(fullgraph=True), and on a GPU inside the capture of a graph.

    Args:
        topk_idx: int32 or int64 ids of any shape, the tokens of `source_rank`; -1 = no expert, kept. On a GPU any other
            id outside 0..E-1 becomes -1, and `lplb.saw_bad_ids` tells.
        plan: from `split`. From counts [S, E], topk_idx must hold the tokens of row source_rank, and what comes out is
            exact. From counts [E], topk_idx may be any share of them, and is off by less than one token a copy.
        source_rank: may be left out when the plan was made from counts [E].
        num_valid_tokens: as in `count`; the rows that are padding become -1.

    Returns:
        Same shape, type and kind as topk_idx.

    Raises:
        ValueError: source_rank is missing or out of range; on the CPU, an id is outside -1..E-1, or topk_idx does not
            hold the tokens that the plan was made for.
    """
    if source_rank is None:
        if plan.counts.ndim == 2:
            raise InvalidArgument("[remap] source_rank must be given when the plan was made from counts [S, E]")
        source_rank = 0
    placement = plan.placement
    if compiling():
        from ._torch_ops import remap_op, to_scalar

        valid = to_scalar(num_valid_tokens, topk_idx)
        sizes = (placement.num_ranks, placement.num_nodes)
        return remap_op(
            topk_idx, plan.counts, plan.quota, placement._slots, *sizes, source_rank, plan.live, num_valid_tokens=valid
        )
    if on_gpu("remap", "topk_idx", topk_idx):
        from . import _stages

        ids = _stages.Ids("remap", "topk_idx", topk_idx, num_valid_tokens)
        return _stages.remap_by_plan(placement, ids, plan.counts, plan.quota, plan.live, source_rank)
    array, wrap = take("remap", "topk_idx", topk_idx)
    core, batch = placement._core, (plan._counts, plan._quota)

    def remap_part(part: NDArray[Any]) -> NDArray[Any]:
        remapped: NDArray[Any] = _core.remap_by_plan(core, *batch, part, source_rank, plan._live)
        return remapped

    return wrap(with_padding("remap", array, num_valid_tokens, remap_part))


def saw_bad_ids(device: Any = None) -> bool:
    """Whether `count` or `remap` on a GPU met an id outside -1..E-1 since the last call; waits for the device.

    Such ids are sent nowhere. On the CPU they raise.

    Args:
        device: a CUDA device; torch's current one when left out.

    Raises:
        CudaError: this build has no CUDA, or there is no such device.
    """
    from . import _stages
    from .cuda import gpu

    check_not_capturing("saw_bad_ids", "it waits for the device, and cannot be called")
    return _stages.read_status(gpu("saw_bad_ids", "cuda" if device is None else device))


def valid_part(function: str, ids: NDArray[Any], num_valid_tokens: Array | None) -> NDArray[Any]:
    """The ids of the rows that are not padding; the rows are the last axis."""
    if num_valid_tokens is None:
        return ids
    given = take(function, "num_valid_tokens", num_valid_tokens)[0]
    if given.size != 1 or given.dtype.kind not in "iu":
        raise InvalidArgument(
            f"[{function}] num_valid_tokens has the shape {list(given.shape)} and the type {given.dtype}; "
            "it must be one integer"
        )
    top_k = ids.shape[-1] if ids.ndim > 1 else 1
    return ids.reshape(-1)[: max(0, int(given.reshape(-1)[0])) * top_k]


def with_padding(
    function: str, ids: NDArray[Any], num_valid_tokens: Array | None, remap_part: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """What `remap_part` makes of the valid rows, and -1 for padding."""
    if num_valid_tokens is None:
        return remap_part(ids)
    part = valid_part(function, ids, num_valid_tokens)
    physical = np.full_like(ids, -1)
    physical.reshape(-1)[: part.size] = remap_part(part)
    return physical
