"""What limits a placement: the certificates of many batches, gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from . import _core
from ._arrays import Array
from ._window import take_window
from .placement import Placement


class RankLimit(NamedTuple):
    """A rank that binds in a part `frequency` of the batches."""

    rank: int
    frequency: float


class ExpertLimit(NamedTuple):
    """An expert that binds.

    Attributes:
        expert: its id.
        frequency: part of the batches in whose bottleneck all of its copies are.
        tokens: mean share of the bottleneck's load that it makes.
        copy_on: the rank where one more copy helps most; -1 when it is on all.
        gain: mean imbalance that this copy, in one more slot, would take away.
    """

    expert: int
    frequency: float
    tokens: float
    copy_on: int
    gain: float


@dataclass(frozen=True)
class PlacementLimits:
    """What limits a placement over a window. Printed, it says what to do about it.

    Attributes:
        imbalance: mean over the window.
        ranks: most frequent first.
        experts: largest gain first.
    """

    imbalance: float
    ranks: list[RankLimit]
    experts: list[ExpertLimit]

    def __repr__(self) -> str:
        lines = [f"imbalance {self.imbalance:.3f}"]
        if self.ranks:
            often = ", ".join(f"{each.rank} ({each.frequency:.0%})" for each in self.ranks)
            lines.append(f"ranks that bind, in so many of the batches: {often}")
        for each in self.experts:
            binds = f"expert {each.expert} binds in {each.frequency:.0%}, {each.tokens:.0%} of the bottleneck's load"
            copy = f"a copy on rank {each.copy_on} takes {each.gain:.3f} away" if each.copy_on >= 0 else "on all ranks"
            lines.append(f"{binds}; {copy}")
        return "\n".join(lines)


def find_limits(window: Array, placement: Placement, *, most: int | None = None) -> PlacementLimits:
    """Which ranks and experts bind most often over a window, and what one more copy would give.

    Args:
        window: [T, E] or [T, S, E], as optimize_placement takes it.
        placement: of E experts.
        most: ranks and experts to name; the library's own number when left out.

    Raises:
        ValueError: the window does not fit the placement.
    """
    tokens, _ = take_window("find_limits", "window", window)
    imbalance, ranks, experts = _core.find_limits(tokens, placement._core, most)
    return PlacementLimits(imbalance, [RankLimit(*each) for each in ranks], [ExpertLimit(*each) for each in experts])
