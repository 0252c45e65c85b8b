"""Traces: recorded token counts of steps and layers."""

from __future__ import annotations

import os

from . import _core
from ._arrays import Array, Wrap, take, to_numpy


class Trace:
    """Recorded counts, or synthetic ones.

    Args:
        counts: [steps, layers, E] or [steps, layers, S, E] integers; S source ranks.
        name: what reports call it.

    Attributes:
        name, num_steps, num_layers, num_sources, num_experts: num_sources is 1 when the trace does not say which rank a
            token came from.

    Raises:
        ValueError: the shape or type is wrong, or a count is negative.
    """

    def __init__(self, counts: Array, *, name: str = "trace") -> None:
        array, wrap = take("Trace", "counts", counts)
        self._init(_core.Trace.make(array, name), wrap)

    def _init(self, core: _core.Trace, wrap: Wrap) -> None:
        self._core = core
        self._wrap = wrap
        self.name = core.name
        self.num_steps = core.num_steps
        self.num_layers = core.num_layers
        self.num_sources = core.num_sources
        self.num_experts = core.num_experts

    @classmethod
    def synthesize(
        cls,
        *,
        num_steps: int = 32,
        num_layers: int = 1,
        num_sources: int = 1,
        num_experts: int = 256,
        tokens_per_source: int = 4096,
        skew: float = 1.0,
        drift: float = 0.0,
        seed: int = 0,
    ) -> Trace:
        """A trace with log-normal popularities of sigma `skew`; `drift` is the share of it that changes a step.

        Raises:
            ValueError: a number is out of range.
        """
        sizes = (num_steps, num_layers, num_sources, num_experts, tokens_per_source)
        return _from_core(_core.synthesize_trace(*sizes, skew, drift, seed))

    @property
    def counts(self) -> Array:
        """[steps, layers, S, E] int32, not to be written."""
        return self._wrap(self._core.counts())

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes .npz, .npy, .csv or .json.

        Raises:
            ValueError: another extension.
            DataError: the file cannot be written.
        """
        _core.write_trace(self._core, os.fspath(path))

    def __repr__(self) -> str:
        sources = f"{self.num_sources} source ranks, " if self.num_sources > 1 else ""
        return (
            f"Trace({self.name}: {self.num_steps} steps, {self.num_layers} layers, {sources}{self.num_experts} experts)"
        )


def _from_core(core: _core.Trace) -> Trace:
    trace = Trace.__new__(Trace)
    trace._init(core, to_numpy)
    return trace


def read_trace(
    path: str | os.PathLike[str],
    *,
    tokens_per_step: int = 1024,
    num_experts: int = 0,
    array: str = "",
    token_level: bool = False,
) -> Trace:
    """Reads .npy, .npz, .csv, .json, .safetensors, a folder of TensorRT-LLM's statistics, or SGLang's .pt dumps.

    Args:
        path: the file.
        tokens_per_step: of token-level files: tokens that make one step.
        num_experts: of token-level files; 0 = largest id + 1.
        array: the one to read from a file with several.
        token_level: take the array as ids whatever its name is.

    Raises:
        DataError: the file cannot be read or believed.
    """
    if os.fspath(path).endswith(".pt"):
        from .sglang import read_dump

        return read_dump(path, num_experts=num_experts)
    return _from_core(_core.read_trace(os.fspath(path), tokens_per_step, num_experts, array, token_level))
