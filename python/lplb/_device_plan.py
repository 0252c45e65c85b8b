"""A plan whose arrays are on a GPU: made without waiting for the device, which is only asked when the user asks."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ._arrays import Array, kind_of, take_optional, to_torch
from ._core import InvalidArgument
from ._stages import apportion, solve, to_tokens
from .placement import Placement
from .plan import Given, Plan, from_core

_ON_HOST = ("_core", "_counts", "_base_load", "_quota")
_IN_PROOF = {"max_load": 0, "lower_bound": 1}


class DevicePlan(Plan):
    """Made by `split` from counts on a GPU.

    `counts`, `quota`, `rank_load`, `live`, `max_load` and `lower_bound` are tensors on the device, the last two without
    an axis. All else waits for the device and reads it anew each time, because a replayed graph changes it.
    """

    def __init__(self, placement: Placement, counts: Tensor, base_load: Array | None, live: Array | None) -> None:
        self._live = take_optional("split", "live", live)
        self._solved = solve(placement, counts, base_load, self._live)
        self._given_base = base_load
        self._wrap = kind_of(counts)
        self.placement = placement
        # A copy, as on the CPU: the caller's counts may change before the plan is used.
        self.counts = self._solved.counts.clone() if self._solved.counts is counts else self._solved.counts
        self.live = self._solved.graph.live
        self.quota = self._solved.quota

    @property
    def rank_load(self) -> Array:
        """[G] int32, base load and quotas of each rank, in tokens."""
        return self._solved.rank_load

    def source_table(self, source_rank: int = 0, own_counts: Array | None = None) -> Array:
        """As Plan's, computed on the device."""
        counts = self.counts
        if counts.ndim == 1:
            if own_counts is None:
                raise InvalidArgument("[source_table] own_counts must be given when the plan was made from counts [E]")
            counts = to_tokens("source_table", "own_counts", own_counts, counts.device)
        return apportion("source_table", self.placement, counts, self.quota, self.live, source_rank)

    def cpu(self) -> Plan:
        """The plan with its arrays on the host; waits for the device."""
        quota, rank_load, proof = (part.cpu().numpy() for part in self._solved[1:4])
        core = self._solved.graph.core.plan(quota, rank_load, proof)
        base: Any = None if self._given_base is None else take_optional("cpu", "base_load", self._given_base)
        given = Given(self.counts.cpu().numpy().astype(np.int32, copy=False), base, self._live)
        return from_core(self.placement, core, given, to_torch)

    def __getattr__(self, name: str) -> Any:
        """What Plan's methods need on the host, and tensors that are made when they are asked for."""
        if name in _IN_PROOF:
            return self._solved.proof[_IN_PROOF[name]]
        if name in _ON_HOST:
            return getattr(self.cpu(), name)
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"{self.cpu()!r} on {self.quota.device}"
