"""What makes a placement good: imbalance after the optimal split, on batches of four kinds, weighed into one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from . import _core
from ._arrays import Array, take
from ._window import take_window
from .placement import Placement

_DEFAULTS = _core.OptimizeArgs().objective


class ByScenario(NamedTuple):
    """A number for each kind of batches that a placement is judged on.

    Attributes:
        recorded: the window.
        noise: as the window's batches differ among each other, in new combinations.
        drift: three times as much.
        shift: the same loads on other experts, as when the domain of the text changes.
    """

    recorded: float
    noise: float
    drift: float
    shift: float


_WEIGHT, _FLOOR = ByScenario(*_DEFAULTS.weight), ByScenario(*_DEFAULTS.floor)


@dataclass(frozen=True)
class PlacementObjective:
    """The sum over scenarios of weight * ln(excess + floor), lower is better; excess is imbalance - 1.

    Attributes:
        weight: of each scenario; 0 leaves it out.
        floor: excess below which a scenario gains little from less.
        tail: part of the mean excess that is replaced by the mean of the worst tenth of the batches.
    """

    weight: ByScenario = _WEIGHT
    floor: ByScenario = _FLOOR
    tail: float = _DEFAULTS.tail

    def _put(self, core: _core.PlacementObjective) -> None:
        core.weight, core.floor, core.tail = list(self.weight), list(self.floor), self.tail


class PlacementScore(NamedTuple):
    """How good a placement is, measured with the exact split.

    Attributes:
        objective: lower is better.
        imbalance: mean over the batches of each scenario of max / mean over ranks.
        tail_imbalance: mean of the worst tenth of them.
    """

    objective: float
    imbalance: ByScenario
    tail_imbalance: ByScenario

    def __repr__(self) -> str:
        pairs = zip(ByScenario._fields, self.imbalance, self.tail_imbalance, strict=True)
        shown = ", ".join(f"{name} {mean:.3f} (worst tenth {tail:.3f})" for name, mean, tail in pairs)
        return f"PlacementScore({self.objective:.3f}: imbalance {shown})"


def score_from_core(core: tuple[float, list[float], list[float]]) -> PlacementScore:
    """A score with its names."""
    return PlacementScore(core[0], ByScenario(*core[1]), ByScenario(*core[2]))


def score_placement(
    window: Array,
    placement: Placement,
    *,
    live: Array | None = None,
    objective: PlacementObjective | None = None,
    seed: int = _core.OptimizeArgs().seed,
) -> PlacementScore:
    """Judges any placement, on the same batches as optimize_placement does with this seed.

    Args:
        window: [T, E] or [T, S, E], as optimize_placement takes it.
        placement: to be judged.
        live: [G] flags of the live ranks; all when left out.
        objective: the library's own when left out.
        seed: of the batches that the window has not shown.

    Raises:
        ValueError: the window does not fit the placement, or an expert has no copy on a live rank.
    """
    tokens, _ = take_window("score_placement", "window", window)
    args = _core.OptimizeArgs()
    args.seed = seed
    args.rules.num_ranks = placement.num_ranks
    args.rules.num_nodes = placement.num_nodes
    args.rules.slots_per_rank = placement.slots_per_rank
    if live is not None:
        args.rules.set_live("score_placement", take("score_placement", "live", live)[0])
    if objective is not None:
        objective._put(args.objective)
    return score_from_core(_core.score_placement(tokens, placement._core, args))
