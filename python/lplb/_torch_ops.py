"""torch.ops.lplb.*: the stages as operators that torch.compile and torch.export know.

Importing this module registers them; `import lplb` does it where torch has been imported before, and so does the first
call of an operator's function under torch.compile. Tensors and sizes are all they take, so a graph can hold them.

On a GPU, what a placement needs there is prepared on the host. So `phy2log` and the live ranks of a split should be on
the CPU: from the GPU they are fetched at every call, which waits, and cannot be in the capture of a graph.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from typing import Any

import torch
from torch import Tensor

from . import _core
from ._arrays import Array, take, take_optional
from ._backend import on_gpu
from ._core import InvalidArgument
from ._planner_arguments import check_counter
from .placement import Placement
from .plan import split
from .routing import count, with_padding


@functools.lru_cache(maxsize=1024)
def _cached_placement(phy2log: bytes, num_logical: int, num_ranks: int, num_nodes: int) -> Placement:
    """One placement a layer is made once: its graph costs more than a split over it."""
    slots = torch.frombuffer(bytearray(phy2log), dtype=torch.int32)
    return Placement(slots, num_logical=num_logical, num_ranks=num_ranks, num_nodes=num_nodes)


def _placement(function: str, phy2log: Tensor, num_logical: int, num_ranks: int, num_nodes: int) -> Placement:
    slots, _ = take(function, "phy2log", phy2log.to(torch.int32))
    return _cached_placement(slots.tobytes(), num_logical, num_ranks, num_nodes)


def to_scalar(value: Array | None, like: Tensor) -> Tensor | None:
    """num_valid_tokens as operators take it: a tensor where topk_idx is."""
    if value is None or isinstance(value, Tensor):
        return value
    return torch.full((1,), value, dtype=torch.int32, device=like.device)


@torch.library.custom_op("lplb::count", mutates_args=())
def count_op(topk_idx: Tensor, num_logical: int, num_valid_tokens: Tensor | None = None) -> Tensor:
    """How often each expert stands in topk_idx: [E] int32."""
    counts: Tensor = count(topk_idx, num_logical, num_valid_tokens)
    return counts


@count_op.register_fake
def _(topk_idx: Tensor, num_logical: int, num_valid_tokens: Tensor | None = None) -> Tensor:
    return topk_idx.new_empty((num_logical,), dtype=torch.int32)


@torch.library.custom_op("lplb::split", mutates_args=())
def split_op(
    counts: Tensor, phy2log: Tensor, num_ranks: int, num_nodes: int = 1, live: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The exact split of counts [E] or [S, E] over the placement phy2log [P]: quota [P] and rank_load [G], int32."""
    placement = _placement("split", phy2log, counts.shape[-1], num_ranks, num_nodes)
    if on_gpu("split", "counts", counts):
        from ._stages import solve

        solved = solve(placement, counts, None, take_optional("split", "live", live))
        return solved.quota, solved.rank_load
    plan = split(placement, counts, live=live)
    return plan.quota, plan.rank_load


@split_op.register_fake
def _(
    counts: Tensor, phy2log: Tensor, num_ranks: int, num_nodes: int = 1, live: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    quota = counts.new_empty(phy2log.shape, dtype=torch.int32)
    return quota, counts.new_empty((num_ranks,), dtype=torch.int32)


@torch.library.custom_op("lplb::remap", mutates_args=())
def remap_op(  # noqa: PLR0917  # operators take no tensors by keyword alone
    topk_idx: Tensor,
    counts: Tensor,
    quota: Tensor,
    phy2log: Tensor,
    num_ranks: int,
    num_nodes: int,
    source_rank: int,
    live: Tensor | None = None,
    num_valid_tokens: Tensor | None = None,
) -> Tensor:
    """Physical ids of one source's topk_idx under the quotas [P] that `split` gave for counts [E] or [S, E]."""
    placement = _placement("remap", phy2log, counts.shape[-1], num_ranks, num_nodes)
    if on_gpu("remap", "topk_idx", topk_idx):
        from ._stages import Ids, remap_by_plan

        batch = Ids("remap", "topk_idx", topk_idx, num_valid_tokens)
        return remap_by_plan(placement, batch, counts, quota, live, source_rank)
    ids, wrap = take("remap", "topk_idx", topk_idx)
    tokens = take("remap", "counts", counts)[0]
    quotas = take("remap", "quota", quota)[0]
    flags = take_optional("remap", "live", live)

    def remap_part(part: Any) -> Any:
        return _core.remap_by_plan(placement._core, tokens, quotas, part, source_rank, flags)

    physical: Tensor = wrap(with_padding("remap", ids, num_valid_tokens, remap_part))
    return physical


@remap_op.register_fake
def _(  # noqa: PLR0917
    topk_idx: Tensor,
    counts: Tensor,
    quota: Tensor,
    phy2log: Tensor,
    num_ranks: int,
    num_nodes: int,
    source_rank: int,
    live: Tensor | None = None,
    num_valid_tokens: Tensor | None = None,
) -> Tensor:
    return torch.empty_like(topk_idx, memory_format=torch.contiguous_format)


_planners: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_numbers = itertools.count()


def register_planner(planner: Any) -> Tensor:
    """A number for the planner, by which `lplb::run` finds it: in a tensor, so that planners share a compiled graph."""
    number = next(_numbers)
    _planners[number] = planner
    return torch.tensor(number)


def _planner(number: Tensor) -> Any:
    found = _planners.get(int(number))
    if found is None:
        raise InvalidArgument(f"[run] planner ({int(number)}) is not the number of a planner that still exists")
    return found


@torch.library.custom_op("lplb::run", mutates_args=())
def run_op(topk_idx: Tensor, planner: Tensor, num_valid_tokens: Tensor | None = None) -> Tensor:
    """`run` of the planner with this number."""
    physical: Tensor = _planner(planner)._run(topk_idx, num_valid_tokens)
    return physical


@run_op.register_fake
def _(topk_idx: Tensor, planner: Tensor, num_valid_tokens: Tensor | None = None) -> Tensor:
    return torch.empty_like(topk_idx, memory_format=torch.contiguous_format)


@torch.library.custom_op("lplb::count_solved", mutates_args=("avail_counter",))
def count_solved_op(avail_counter: Tensor, planner: Tensor, physical: Tensor) -> None:
    """Adds the groups that the planner's last run solved; `physical`, which that run gave, makes this come after it."""
    found = _planner(planner)
    check_counter("run", avail_counter, physical)
    found._count_solved(avail_counter, physical)


@count_solved_op.register_fake
def _(avail_counter: Tensor, planner: Tensor, physical: Tensor) -> None:
    return None
