"""LPLB's methods on a GPU: what `lplb.Planner` does there, with launches alone.

What the methods compute besides the stages (shares of edges, rows of slices) are torch operations with the integers and
the double precision of the CPU's, so the results are equal.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import cuda
from ._arrays import Array
from ._core import InvalidArgument
from ._stages import to_tokens
from .placement import Placement

if TYPE_CHECKING:
    from .planner import Planner


class OnDevice:
    """What a Planner keeps on one device. A captured graph follows when the placement is replaced."""

    def __init__(self, owner: Planner, device: torch.device, max_ids: int) -> None:
        rank = 0 if owner.ep_group is None else owner.ep_group.rank()
        self._owner = weakref.proxy(owner)  # which holds this
        self._planner = cuda.Planner(owner.placement, max_ids=max_ids, source_rank=rank, device=device)
        self._device = device
        self._num_logical = owner.n_logical_routed_experts
        self._slots = self._slots_of(owner.placement)
        self._r2o = torch.from_numpy(owner._r2o_index().copy()).to(device)
        shape = (owner.ep_size, self._num_logical)
        self._gathered = torch.zeros(shape, dtype=torch.int32, device=device)

    def set_placement(self, placement: Placement) -> None:
        """Replaces the placement in the order of the stream."""
        self._planner.set_placement(placement)
        self._slots.copy_(self._slots_of(placement))

    def saw_bad_ids(self) -> bool:
        """Of all calls so far; waits."""
        return self._planner.saw_bad_ids()

    def count_workload(self, idx: Tensor, n_sms: int, slice_ids: int) -> tuple[Tensor, Tensor]:
        """Counts, and the running counts of slices of so many ids."""
        workload = self._planner.count(idx).clone()
        ids = idx.reshape(-1)
        known = (ids >= 0) & (ids < self._num_logical)
        column = torch.where(known, ids, self._num_logical)
        row = torch.arange(ids.numel(), device=self._device) // max(1, slice_ids)
        width = self._num_logical + 1  # the last column is for what is no expert
        rows = torch.zeros(n_sms * width, dtype=torch.int32, device=self._device)
        rows.scatter_add_(0, row * width + column, torch.ones_like(ids, dtype=torch.int32))
        by_sm = rows.view(n_sms, width)[:, :-1].cumsum(0, dtype=torch.int32)
        return workload, by_sm

    def solve_probs(self, workload: Tensor) -> tuple[Tensor, Tensor]:
        """Shares that stay with the originals, and the summed workload."""
        counts = to_tokens("solve_probs", "workload", workload.reshape(-1), self._device)
        if counts.numel() != self._num_logical:
            raise InvalidArgument(
                f"[solve_probs] workload has {counts.numel()} counts; it must have {self._num_logical}, one an expert"
            )
        total = counts if self._owner.ep_group is None else self._gather(counts).sum(0, dtype=torch.int32)
        quota = self._planner.plan(total)
        kept = self._owner._edges(quota)[0].sum(2)
        sums = self._owner._edges(total[self._slots])[0].sum(2)
        probs = torch.where(sums > 0, kept.double() / sums.double(), 1.0)
        return probs.float(), total.float()

    def weighted_select_target(self, idx: Tensor, o_weight: Tensor, by_sm: Tensor) -> Tensor:
        """Shares that are NaN or outside 0..1, which the CPU refuses, count as 1, or as the nearer end."""
        self._planner.count(idx)
        share = torch.as_tensor(o_weight, device=self._device).double().nan_to_num(1.0).clamp(0, 1)[:, :, None, :]
        table = to_tokens("weighted_select_target", "by_sm", by_sm[-1], self._device)[self._slots].long()
        originals, copies = self._owner._edges(table)
        edge_tokens = originals.clone()
        running = (edge_tokens.cumsum(2).double() * share + 0.5).floor().long()
        kept = running.diff(dim=2, prepend=torch.zeros_like(running[:, :, :1]))
        originals.copy_(kept)
        copies.copy_((edge_tokens - kept).take_along_dim(self._r2o, 1))
        return self._planner.remap_by_table(idx, table)

    def run(self, idx: Tensor, num_valid_tokens: Array | None) -> Tensor:
        """Physical ids; with a group, the counts are gathered by its backend, NCCL for one."""
        if self._owner.ep_group is None:
            return self._planner.run(idx, num_valid_tokens)
        sources = self._gather(self._planner.count(idx, num_valid_tokens))
        self._planner.plan(sources)
        return self._planner.remap(idx, sources, num_valid_tokens)

    def count_solved(self, avail_counter: Tensor) -> None:
        """Adds the number of groups where the last plan is optimal, without asking the device."""
        avail_counter.add_(self._planner.is_optimal(), alpha=self._owner.n_group)

    def _gather(self, counts: Tensor) -> Tensor:
        torch.distributed.all_gather_into_tensor(self._gathered, counts, group=self._owner.ep_group)
        return self._gathered

    def _slots_of(self, placement: Placement) -> Tensor:
        return torch.from_numpy(placement._core.phy2log.astype("int64")).to(self._device)
