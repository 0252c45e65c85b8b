"""When a new placement is worth its moves."""

from __future__ import annotations

from dataclasses import dataclass

from . import _core
from .objective import PlacementScore

_DEFAULTS = _core.RefreshPolicy()


@dataclass(frozen=True)
class RefreshPolicy:
    """The gain until the next decision must exceed the cost of the moves `hysteresis` times.

    Attributes:
        cost_per_copy: of one moved copy, in batches of perfect balance: time to move it / time of a batch.
        hysteresis: at least 1.
        least_gain: mean imbalance a batch below which nothing is moved.
    """

    cost_per_copy: float = _DEFAULTS.cost_per_copy
    hysteresis: float = _DEFAULTS.hysteresis
    least_gain: float = _DEFAULTS.least_gain


del _DEFAULTS


@dataclass(frozen=True)
class RefreshDecision:
    """Whether to refresh, and why.

    Attributes:
        refresh: whether the moves are worth it.
        gain: mean imbalance now minus then, times the batches until the next decision.
        cost: of the moves, in the same unit.
    """

    refresh: bool
    gain: float
    cost: float

    def __repr__(self) -> str:
        return f"RefreshDecision({'refresh' if self.refresh else 'stay'}: gain {self.gain:.3f}, cost {self.cost:.3f})"


def decide_refresh(
    policy: RefreshPolicy, now: PlacementScore, then: PlacementScore, *, num_moved: int, num_batches: int
) -> RefreshDecision:
    """Whether a proposed placement should replace the current one.

    Args:
        policy: what counts as worth it.
        now: score of the current placement.
        then: score of the proposed one, by the same objective, window and seed.
        num_moved: copies that must travel.
        num_batches: until the next decision.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> from lplb import ByScenario, PlacementScore
        >>> now, then = (PlacementScore(0, ByScenario(*[x] * 4), ByScenario(*[x] * 4)) for x in (1.2, 1.1))
        >>> decide_refresh(RefreshPolicy(cost_per_copy=0.5), now, then, num_moved=20, num_batches=1000)
        RefreshDecision(refresh: gain 100.000, cost 10.000)
    """
    core = _core.RefreshPolicy()
    core.cost_per_copy = policy.cost_per_copy
    core.hysteresis = policy.hysteresis
    core.least_gain = policy.least_gain
    return RefreshDecision(*_core.decide_refresh(core, now, then, num_moved, num_batches))
