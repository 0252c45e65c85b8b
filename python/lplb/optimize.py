"""Placements that know which split will follow, chosen from a window of recent batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from . import _core
from ._arrays import Array, Wrap, take
from ._core import InvalidArgument
from ._window import take_window
from .objective import ByScenario, PlacementObjective, PlacementScore, score_from_core
from .placement import Placement, from_core

if TYPE_CHECKING:
    from typing_extensions import Unpack

Progress: TypeAlias = Callable[[int, int], object]
"""Called with what is done and what there is to do. What it raises ends the search."""

_DEFAULTS = _core.OptimizeArgs()
_RULES = _DEFAULTS.rules


class OptimizeOptions(TypedDict, total=False):
    """Keyword arguments of `optimize_placement` that the other searches take too, with the same meaning."""

    slots_per_rank: int | None
    slots: Array | None
    num_nodes: int
    copies_within: int
    num_groups: int
    live: Array | None
    move_price: float
    objective: PlacementObjective | None
    num_moves: int
    num_chains: int
    time_limit_s: float
    seed: int
    num_threads: int


@dataclass(frozen=True)
class OptimizeResult:
    """A placement, and how good it is.

    Attributes:
        placement: the best that was found.
        score: of it.
        start: the start that it grew from: "current", "eplb-distinct", "torus", "greedy", ...; "earlier" is the result
            of a smaller limit of optimize_trade_off.
        start_score: of that start.
        best_start_objective: of the best start; score.objective is never larger.
        num_moved: copies on ranks where `current` has them not; 0 without one.
        num_moves: changes that were tried.
        num_accepted: changes that were made.
    """

    placement: Placement
    score: PlacementScore
    start: str
    start_score: PlacementScore
    best_start_objective: float
    num_moved: int
    num_moves: int
    num_accepted: int

    def __repr__(self) -> str:
        steps = zip(ByScenario._fields, self.start_score.imbalance, self.score.imbalance, strict=True)
        shown = ", ".join(f"{name} {before:.3f} -> {after:.3f}" for name, before, after in steps)
        return (
            f"OptimizeResult(imbalance {shown}, from {self.start}; {self.num_moved} copies moved; "
            f"{self.num_accepted} of {self.num_moves} changes made)"
        )


@dataclass(frozen=True)
class LayersResult:
    """Placements of all layers.

    Attributes:
        layers: one result each.
        num_slots: [L] slots of each layer, all ranks together.
    """

    layers: list[OptimizeResult]
    num_slots: list[int]

    def __repr__(self) -> str:
        def mean(scores: list[PlacementScore]) -> ByScenario:
            columns = zip(*(score.imbalance for score in scores), strict=True)
            return ByScenario(*(sum(column) / len(scores) for column in columns))

        before, after = mean([each.start_score for each in self.layers]), mean([each.score for each in self.layers])
        steps = zip(ByScenario._fields, before, after, strict=True)
        shown = ", ".join(f"{name} {then:.3f} -> {now:.3f}" for name, then, now in steps)
        moved = sum(each.num_moved for each in self.layers)
        return (
            f"LayersResult({len(self.layers)} layers, {min(self.num_slots)} to {max(self.num_slots)} slots; "
            f"mean imbalance {shown}; {moved} copies moved)"
        )


def optimize_placement(  # noqa: PLR0913  # what users must keep to, and how hard to search
    window: Array,
    *,
    num_ranks: int,
    slots_per_rank: int | None = None,
    slots: Array | None = None,
    num_nodes: int = _RULES.num_nodes,
    copies_within: int = _RULES.copies_within,
    num_groups: int = _RULES.num_groups,
    live: Array | None = None,
    current: Placement | None = None,
    max_moved: int | None = None,
    move_price: float = _DEFAULTS.objective.move_price,
    objective: PlacementObjective | None = None,
    num_moves: int = _DEFAULTS.num_moves,
    num_chains: int = _DEFAULTS.num_chains,
    time_limit_s: float = _DEFAULTS.time_limit_s,
    seed: int = _DEFAULTS.seed,
    num_threads: int = _DEFAULTS.num_threads,
    progress: Progress | None = None,
) -> OptimizeResult:
    """Places one layer so that the largest rank load after the optimal split is small on the batches to come.

    Starts from EPLB, the topologies, a greedy placement and `current`, each where it keeps the rules, and ends no worse
    than the best of them on the objective. Never two copies of an expert on a rank. Deterministic for a seed without a
    time limit. Other threads of Python run meanwhile; Ctrl-C ends the search.

    Args:
        window: recent batches, the latest last: counts [T, E], or [T, S, E] by source rank, which are added up. Floats
            are loads in any unit; they are scaled, all by one factor, so that the largest batch has 2^20 tokens, and
            rounded.
        num_ranks: ranks G.
        slots_per_rank: physical experts of a rank.
        slots: [G] the same where ranks differ. The placement has the largest number on every rank; what a rank has not
            stays empty.
        num_nodes: nodes of equally many consecutive ranks.
        copies_within: copies of an expert stay within one block of so many consecutive ranks; 0 = anywhere.
        num_groups: expert groups of group-limited routing. More than one, a multiple of num_nodes: all experts of a
            group stay on one node.
        live: [G] flags of the live ranks, all when left out. Dead ranks hold nothing.
        current: what is there now; it may hold experts on dead ranks. Slots keep their expert where it stays.
        max_moved: copies that may be on a rank where `current` has them not; any number when left out.
        move_price: excess imbalance that a moved copy costs: time to move one expert's weights / time of the expert
            computation of a layer until the next refresh.
        objective: what is made small; the library's own when left out.
        num_moves: changes that a chain tries: the effort.
        num_chains: chains from the best starts, of which the best result is taken.
        time_limit_s: 0 = none. With one the result depends on the machine's speed.
        seed: of everything random.
        num_threads: 0 = one a core; results do not depend on it.
        progress: called in this thread, now and then, with (changes tried, changes in all). What it raises ends the
            search and is raised here.

    Raises:
        ValueError: the rules leave no placement, `current` does not fit them, or max_moved does not allow what they
            demand.
    """
    function = "optimize_placement"
    tokens, wrap = take_window(function, "window", window)
    options = OptimizeOptions(
        slots_per_rank=slots_per_rank,
        slots=slots,
        num_nodes=num_nodes,
        copies_within=copies_within,
        num_groups=num_groups,
        live=live,
        move_price=move_price,
        objective=objective,
        num_moves=num_moves,
        num_chains=num_chains,
        time_limit_s=time_limit_s,
        seed=seed,
        num_threads=num_threads,
    )
    args = _arguments(function, num_ranks, options)
    if max_moved is not None:
        args.max_moved = max_moved
    there = None if current is None else current._core
    return _result(_core.optimize_placement(tokens, args, there, progress), wrap)


def optimize_trade_off(
    window: Array,
    limits: Sequence[int | None],
    *,
    num_ranks: int,
    current: Placement,
    progress: Progress | None = None,
    **options: Unpack[OptimizeOptions],
) -> list[OptimizeResult]:
    """The best placements for several limits on the copies moved: what each further move buys.

    Args:
        window: as optimize_placement takes it.
        limits: ascending numbers of copies; None = no limit, last.
        num_ranks: ranks G.
        current: what is there now.
        progress: as of optimize_placement, counting anew for each limit.
        **options: those of optimize_placement.

    Returns:
        One result a limit, each at least as good as that of a smaller one.

    Raises:
        ValueError: limits do not ascend, or as of optimize_placement.
    """
    tokens, wrap = take_window("optimize_trade_off", "window", window)
    args = _arguments("optimize_trade_off", num_ranks, options)
    numbers = [args.max_moved if limit is None else limit for limit in limits]
    return [_result(each, wrap) for each in _core.optimize_trade_off(tokens, args, current._core, numbers, progress)]


def optimize_layers(
    windows: Array,
    *,
    num_ranks: int,
    total_slots: int | None = None,
    current: Sequence[Placement] = (),
    max_moved: int | None = None,
    progress: Progress | None = None,
    device: int | None = None,
    **options: Unpack[OptimizeOptions],
) -> LayersResult:
    """Places layers in parallel; layer l uses seed + l.

    Args:
        windows: [L, T, E] or [L, T, S, E], each layer as optimize_placement takes it.
        num_ranks: ranks G.
        total_slots: slots of all layers together, instead of slots_per_rank and slots. They are shared out, at least E
            a layer, where further ones help most; within a layer ranks get equal numbers, or one more on some.
        current: [L] what is there now.
        max_moved: copies that may move in each layer; any number when left out.
        progress: as of optimize_placement, with (layers done, layers).
        device: the GPU, by its number, that runs the chains of all layers at once, where this build of lplb has CUDA;
            the CPU when left out. Placements are the same.
        **options: those of optimize_placement.

    Raises:
        ValueError: total_slots do not hold all experts, or as of optimize_placement.
        CudaError: there is no such GPU, this build has no CUDA, or the GPU has not the memory.
    """
    tokens, wrap = take_window("optimize_layers", "windows", windows, layers=True)
    args = _arguments("optimize_layers", num_ranks, options)
    if max_moved is not None:
        args.max_moved = max_moved
    there = [placement._core for placement in current]
    layers, num_slots = _core.optimize_layers(tokens, args, there, total_slots or 0, progress, device)
    return LayersResult([_result(each, wrap) for each in layers], num_slots)


def _arguments(function: str, num_ranks: int, options: OptimizeOptions) -> _core.OptimizeArgs:
    """The C++ arguments; what `options` does not have, or has as None, is as there."""
    args = _core.OptimizeArgs()
    rules = args.rules
    rules.num_ranks = num_ranks
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if "slots" in given and "slots_per_rank" in given:
        raise InvalidArgument(f"[{function}] give slots_per_rank or slots, not both")
    for name, value in given.items():
        if name == "slots":
            rules.set_slots(function, take(function, name, value)[0])
        elif name == "live":
            rules.set_live(function, take(function, name, value)[0])
        elif name == "objective":
            value._put(args.objective)
        elif name == "move_price":
            args.objective.move_price = value
        elif name in ("slots_per_rank", "num_nodes", "copies_within", "num_groups"):
            setattr(rules, name, value)
        elif name in OptimizeOptions.__annotations__:
            setattr(args, name, value)
        else:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    return args


def _result(core: tuple[Any, ...], wrap: Wrap) -> OptimizeResult:
    placement, score, start, start_score, *numbers = core
    return OptimizeResult(
        from_core(placement, wrap), score_from_core(score), start, score_from_core(start_score), *numbers
    )


del _DEFAULTS, _RULES  # defaults have been read; no object of the library is left when the interpreter ends
