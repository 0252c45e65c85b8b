"""Replay: what each strategy would have done on a recorded trace; and the report of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import _core
from ._arrays import Array
from ._core import DataError, StrategyResult
from .trace import Trace, read_trace


class ReplayResult:
    """What a replay found. Printed, it is a table.

    Attributes:
        strategies: one result each: name, imbalance (mean, p50, p99, max), copies_moved, plan_us, ...; one that does
            not fit the shape says why in `skipped`.
    """

    def __init__(self, core: _core.ReplayResult) -> None:
        self._core = core
        self.strategies: list[StrategyResult] = core.strategies

    @property
    def best(self) -> StrategyResult:
        """The strategy with the smallest mean imbalance; the first of equals."""
        return min((each for each in self.strategies if not each.skipped), key=lambda each: each.imbalance.mean)

    def __getitem__(self, name: str) -> StrategyResult:
        for each in self.strategies:
            if each.name == name:
                return each
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """All numbers: what the JSON file of `lplb replay` holds."""
        found: dict[str, Any] = json.loads(self._core.to_json())
        return found

    def to_html(self, command: str = "") -> str:
        """One self-contained page with charts; `command` is shown as what made it."""
        return self._core.to_html(command)

    def __repr__(self) -> str:
        rows = [f"{'strategy':<12} {'mean':>6} {'p50':>6} {'p99':>6} {'worst':>6}   imbalance = max / mean over ranks"]
        for each in self.strategies:
            spread = each.imbalance
            numbers = f"{spread.mean:6.3f} {spread.p50:6.3f} {spread.p99:6.3f} {spread.max:6.3f}"
            rows.append(f"{each.name:<12} " + (f"skipped: {each.skipped}" if each.skipped else numbers))
        return "\n".join(rows)


def replay(
    trace: Trace | Array | str | os.PathLike[str],
    *,
    num_ranks: int = 8,
    num_nodes: int = 1,
    num_redundant: int = 2,
    window: int = 8,
    refresh: int = 8,
    num_groups: int = 1,
    strategies: Sequence[str] = (),
    layers: Sequence[int] = (),
    seed: int = 0,
    num_threads: int = 0,
) -> ReplayResult:
    """Judges strategies on a trace: each placement is computed from `window` steps and used for the `refresh` after it.

    Args:
        trace: a Trace, its counts [steps, layers, E] or [steps, layers, S, E], or a file that `read_trace` reads.
        num_ranks: EP ranks.
        num_nodes: nodes of equally many ranks.
        num_redundant: redundant slots a rank.
        window: steps that a placement is computed from.
        refresh: steps that it is used for.
        num_groups: expert groups, for EPLB.
        strategies: "eplb+split", "torus:8x4", ...; the usual eight when empty.
        layers: indices; all when empty.
        seed: of "uniform".
        num_threads: 0 = one a core; results but times do not depend on it.

    Raises:
        ValueError: an unknown strategy, a layer outside the trace, or a window that leaves no step to judge.
        DataError: the file cannot be read or believed.
    """
    if isinstance(trace, (str, os.PathLike)):
        trace = read_trace(trace)
    elif not isinstance(trace, Trace):
        trace = Trace(trace)
    sizes = (num_ranks, num_nodes, num_redundant, window, refresh, num_groups)
    return ReplayResult(_core.replay(trace._core, *sizes, list(strategies), list(layers), seed, num_threads))


def report(result: ReplayResult, path: str | os.PathLike[str], *, command: str = "lplb.report(...)") -> Path:
    """Writes the page of a replay: one HTML file that opens from disk without a network. Returns its path.

    Raises:
        DataError: the file cannot be written.
    """
    path = Path(path)
    try:
        path.write_text(result.to_html(command), encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error
    return path
