"""The split: how many tokens of this batch each physical expert gets, and the proof that no split does better."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import Array, Wrap, take, take_optional
from ._backend import on_gpu
from ._core import InvalidArgument
from .metrics import Metrics, Traffic
from .placement import Placement


class Status(enum.Enum):
    """How good a plan is."""

    OPTIMAL = "optimal"
    """The largest rank load is the lower bound."""
    WITHIN_TOLERANCE = "within_tolerance"
    """Legal, and no farther from the lower bound than was asked for."""
    FALLBACK = "fallback"
    """Legal, but from a simpler rule."""


class Given(NamedTuple):
    """What a plan is for, on the host: counts [E] or [S, E], base_load [G] or None, live [G] or None."""

    counts: NDArray[np.int32]
    base_load: NDArray[Any] | None
    live: NDArray[Any] | None


class Plan:
    """Quotas and certificate of one layer and batch; made by `split`. Arrays are of the kind that the counts were.

    Attributes:
        placement: what was split over.
        counts: [E] or [S, E] int32, a copy of what the plan is for.
        live: [G] flags of the live ranks as they were given, or None.
        quota: [P] int32, tokens of each physical expert.
        max_load: the largest rank load, in tokens.
        lower_bound: no split has a smaller largest rank load, in tokens.
    """

    def __init__(self, placement: Placement, counts: Array, base_load: Array | None, live: Array | None) -> None:
        tokens, wrap = take("split", "counts", counts)
        flags = take_optional("split", "live", live)
        base = take_optional("split", "base_load", base_load)
        core = _core.split(_graph(placement, flags), tokens, base)
        self._init(placement, core, Given(tokens.astype(np.int32), base, flags), wrap)

    def _init(self, placement: Placement, core: _core.Plan, given: Given, wrap: Wrap) -> None:
        self._counts, self._base_load, self._live = given
        self._core = core
        self._quota = core.quota
        self._wrap = wrap
        self.placement = placement
        self.counts: Array = wrap(self._counts)
        self.live: Array | None = None if self._live is None else wrap(self._live)
        self.quota: Array = wrap(self._quota)
        self.max_load = core.max_load
        self.lower_bound = core.lower_bound

    @property
    def rank_load(self) -> Array:
        """[G] int32, base load and quotas of each rank, in tokens."""
        return self._wrap(self._core.rank_load)

    @property
    def status(self) -> Status:
        """OPTIMAL for every plan of this version's solver, but for one on a GPU whose counts were bad: FALLBACK."""
        return Status(self._core.status)

    @property
    def digest(self) -> int:
        """64 bits of quotas and loads: equal on every rank that computed the same plan."""
        return self._core.digest

    @property
    def bottleneck_ranks(self) -> list[int]:
        """The certificate: ranks whose tokens cannot leave them, so that their mean, rounded up, is the lower bound."""
        return self._core.bottleneck_ranks

    @property
    def bottleneck_experts(self) -> list[int]:
        """Experts all of whose copies are on the bottleneck ranks: where another copy would help."""
        return _core.confined_experts(self.placement._core, self.bottleneck_ranks, self._live)

    @property
    def metrics(self) -> Metrics:
        """Balance of the rank loads."""
        return Metrics.of(self._core.rank_load)

    def cpu(self) -> Plan:
        """The plan with its arrays on the host; itself where they are there already."""
        return self

    def traffic(self) -> Traffic:
        """How far the tokens travel, nearest copies served first.

        Raises:
            ValueError: the plan was made from counts [E], which do not say where tokens come from.
        """
        table = _core.apportion(self.placement._core, self._counts, self._quota)
        return Traffic(*_core.measure_traffic(self.placement._core, table))

    def source_table(self, source_rank: int = 0, own_counts: Array | None = None) -> Array:
        """Tokens that one source rank sends to each physical expert: [P] int32.

        Exact when the plan was made from counts [S, E]. A plan from counts [E] divides `own_counts` [E], the tokens of
        this source, in the proportion of the quotas: off by less than one token a copy.

        Raises:
            ValueError: source_rank is out of range, or own_counts is missing.
        """
        if self._counts.ndim == 1 and own_counts is None:
            raise InvalidArgument("[source_table] own_counts must be given when the plan was made from counts [E]")
        own = self._counts if own_counts is None else take("source_table", "own_counts", own_counts)[0]
        core = self.placement._core
        return self._wrap(_core.source_table(core, self._counts, self._quota, source_rank, own, self._live))

    def check(self) -> None:
        """Verifies the plan without the solver: tokens conserved, loads right, and the certificate a proof.

        Raises:
            ValueError: says what is wrong.
        """
        counts = self._counts if self._counts.ndim == 1 else self._counts.sum(0)
        problem = _core.check_plan(self.placement._core, counts, self._base_load, self._live, self._core)
        if problem:
            raise InvalidArgument(f"[check] {problem}")

    def __repr__(self) -> str:
        ranks = self.bottleneck_ranks
        shown = ", ".join(map(str, ranks[:8])) + (", ..." if len(ranks) > 8 else "")
        return (
            f"Plan({self._core.status}: max load {self.max_load}, lower bound {self.lower_bound}, imbalance "
            f"{self.metrics.imbalance:.3f} over {self.placement.num_ranks} ranks; limited by ranks [{shown}])"
        )


def _graph(placement: Placement, live: Array | None) -> _core.SplitGraph:
    """What of a split depends on the placement alone, kept with it; a live mask makes one of its own."""
    if live is not None:
        return _core.SplitGraph.make(placement._core, live)
    if placement._graph is None:
        placement._graph = _core.SplitGraph.make(placement._core, None)
    return placement._graph


def split(placement: Placement, counts: Array, *, base_load: Array | None = None, live: Array | None = None) -> Plan:
    """Splits the batch's tokens over the copies so that the largest rank load is smallest, to the token.

    Args:
        placement: where the copies are.
        counts: tokens of each expert, [E], or of each source rank and expert, [S, E] with S = num_ranks. Integers.
        base_load: [G] tokens that cannot move; none when left out.
        live: [G] flags; copies on dead ranks get nothing. All are live when left out.

    Raises:
        ValueError: a shape or type is wrong, a count is negative, the batch has 2^31 tokens or more, or an expert has
            no live copy.

    Example:
        >>> plan = split(Placement([0, 1, 1, 2], num_ranks=2), [4, 6, 2])
        >>> plan
        Plan(optimal: max load 6, lower bound 6, imbalance 1.000 over 2 ranks; limited by ranks [0, 1])
        >>> plan.quota
        array([4, 2, 4, 2], dtype=int32)
    """
    if on_gpu("split", "counts", counts):
        from ._device_plan import DevicePlan

        return DevicePlan(placement, counts, base_load, live)
    return Plan(placement, counts, base_load, live)


def from_core(placement: Placement, core: _core.Plan, given: Given, wrap: Wrap) -> Plan:
    """A plan around one that the library made."""
    plan = Plan.__new__(Plan)
    plan._init(placement, core, given, wrap)
    return plan
