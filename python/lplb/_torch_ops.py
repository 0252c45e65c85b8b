"""torch.ops.lplb.*: the stages as operators that torch.compile and torch.export know.

Importing this module registers them; `import lplb` does it where torch has been imported before, and so does the first
call of an operator's function under torch.compile. Tensors and sizes are all they take, so a graph can hold them.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from . import _core
from ._arrays import take, take_optional
from .placement import Placement
from .plan import split
from .routing import count


@functools.lru_cache(maxsize=1024)
def _cached_placement(phy2log: bytes, num_logical: int, num_ranks: int, num_nodes: int) -> Placement:
    """One placement a layer is made once: its graph costs more than a split over it."""
    slots = torch.frombuffer(bytearray(phy2log), dtype=torch.int32)
    return Placement(slots, num_logical=num_logical, num_ranks=num_ranks, num_nodes=num_nodes)


def _placement(function: str, phy2log: Tensor, num_logical: int, num_ranks: int, num_nodes: int) -> Placement:
    slots, _ = take(function, "phy2log", phy2log.to(torch.int32))
    return _cached_placement(slots.tobytes(), num_logical, num_ranks, num_nodes)


@torch.library.custom_op("lplb::count", mutates_args=())
def count_op(topk_idx: Tensor, num_logical: int) -> Tensor:
    """How often each expert stands in topk_idx: [E] int32."""
    counts: Tensor = count(topk_idx, num_logical)
    return counts


@count_op.register_fake
def _(topk_idx: Tensor, num_logical: int) -> Tensor:
    return topk_idx.new_empty((num_logical,), dtype=torch.int32)


@torch.library.custom_op("lplb::split", mutates_args=())
def split_op(
    counts: Tensor, phy2log: Tensor, num_ranks: int, num_nodes: int = 1, live: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The exact split of counts [E] or [S, E] over the placement phy2log [P]: quota [P] and rank_load [G], int32."""
    placement = _placement("split", phy2log, counts.shape[-1], num_ranks, num_nodes)
    plan = split(placement, counts, live=live)
    return plan.quota, plan.rank_load


@split_op.register_fake
def _(
    counts: Tensor, phy2log: Tensor, num_ranks: int, num_nodes: int = 1, live: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    quota = counts.new_empty(phy2log.shape, dtype=torch.int32)
    return quota, counts.new_empty((num_ranks,), dtype=torch.int32)


@torch.library.custom_op("lplb::remap", mutates_args=())
def remap_op(
    topk_idx: Tensor,
    counts: Tensor,
    quota: Tensor,
    phy2log: Tensor,
    num_ranks: int,
    num_nodes: int,
    source_rank: int,
    live: Tensor | None = None,
) -> Tensor:
    """Physical ids of one source's topk_idx under the quotas [P] that `split` gave for counts [E] or [S, E]."""
    ids, wrap = take("remap", "topk_idx", topk_idx)
    placement = _placement("remap", phy2log, counts.shape[-1], num_ranks, num_nodes)
    tokens = take("remap", "counts", counts)[0]
    quotas = take("remap", "quota", quota)[0]
    flags = take_optional("remap", "live", live)
    physical: Tensor = wrap(_core.remap_by_plan(placement._core, tokens, quotas, ids, source_rank, flags))
    return physical


@remap_op.register_fake
def _(
    topk_idx: Tensor,
    counts: Tensor,
    quota: Tensor,
    phy2log: Tensor,
    num_ranks: int,
    num_nodes: int,
    source_rank: int,
    live: Tensor | None = None,
) -> Tensor:
    return torch.empty_like(topk_idx, memory_format=torch.contiguous_format)
