"""What makes a placement good: imbalance after the optimal split, on batches of four kinds, weighed into one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from . import _core
from ._arrays import Array, take
from ._window import take_window
from .placement import Placement


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


def _defaults() -> tuple[ByScenario, ByScenario, ByScenario, float]:
    core = _core.OptimizeArgs().objective
    return ByScenario(*core.weight), ByScenario(*core.floor), ByScenario(*core.linear), core.tail


_WEIGHT, _FLOOR, _LINEAR, _TAIL = _defaults()


@dataclass(frozen=True)
class PlacementObjective:
    """The sum over scenarios of weight * ln(excess + floor) + linear * excess, lower is better; excess: imbalance - 1.

    The logarithm buys balance in each scenario where it costs the others little; the linear part rules where balance is
    far away.

    Attributes:
        weight: of each scenario.
        floor: excess below which a scenario gains little from less.
        linear: weight of the excess itself.
        tail: part of the mean excess that is replaced by the mean of the worst tenth of the batches.
    """

    weight: ByScenario = _WEIGHT
    floor: ByScenario = _FLOOR
    linear: ByScenario = _LINEAR
    tail: float = _TAIL

    def _put(self, core: _core.PlacementObjective) -> None:
        core.weight, core.floor, core.linear = list(self.weight), list(self.floor), list(self.linear)
        core.tail = self.tail


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
    seed: int = 0,
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
