"""From the router's choice to physical experts: counting and remapping topk_idx."""

from __future__ import annotations

import sys

from . import _core
from ._arrays import Array, take
from ._core import InvalidArgument
from .plan import Plan


def _compiling() -> bool:
    """Whether torch.compile is tracing; it needs operators that it knows instead of calls into the library."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.compiler.is_compiling())


def count(topk_idx: Array, num_logical: int) -> Array:
    """How often each expert stands in topk_idx: [E] int32.

    Args:
        topk_idx: int32 or int64 ids of any shape; -1 = no expert, skipped.
        num_logical: experts E.

    Raises:
        ValueError: the type is another, or an id is outside -1..E-1.
    """
    if _compiling():
        from ._torch_ops import count_op

        return count_op(topk_idx, num_logical)
    ids, wrap = take("count", "topk_idx", topk_idx)
    return wrap(_core.count(ids, num_logical))


def remap(topk_idx: Array, plan: Plan, source_rank: int | None = None) -> Array:
    """Physical ids for the logical ones of one source rank, each copy as often as the plan says.

    The j-th token of an expert goes to a copy by a rule that depends on j and the plan alone, so two runs agree bit for
    bit. Works inside torch.compile(fullgraph=True).

    Args:
        topk_idx: int32 or int64 ids of any shape, the tokens of `source_rank`; -1 = no expert, kept.
        plan: from `split`. From counts [S, E], topk_idx must hold the tokens of row source_rank, and what comes out is
            exact. From counts [E], topk_idx may be any share of them, and is off by less than one token a copy.
        source_rank: may be left out when the plan was made from counts [E].

    Returns:
        Same shape, type and kind as topk_idx.

    Raises:
        ValueError: an id is outside -1..E-1, source_rank is missing or out of range, or topk_idx does not hold the
            tokens that the plan was made for.
    """
    if source_rank is None:
        if plan.counts.ndim == 2:
            raise InvalidArgument("[remap] source_rank must be given when the plan was made from counts [S, E]")
        source_rank = 0
    placement = plan.placement
    if _compiling():
        from ._torch_ops import remap_op

        sizes = (placement.num_ranks, placement.num_nodes)
        return remap_op(topk_idx, plan.counts, plan.quota, placement.phy2log, *sizes, source_rank, plan.live)
    ids, wrap = take("remap", "topk_idx", topk_idx)
    return wrap(_core.remap_by_plan(placement._core, plan._counts, plan._quota, ids, source_rank, plan._live))
