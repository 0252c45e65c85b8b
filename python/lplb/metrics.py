"""Measures of balance and traffic, with every formula named, because the frameworks differ."""

from __future__ import annotations

from dataclasses import dataclass

from . import _core
from ._arrays import Array, take


@dataclass(frozen=True)
class Metrics:
    """Balance of one set of loads, such as the ranks' in one batch. With no tokens at all, all is balanced.

    Attributes:
        mean: mean load, in tokens.
        max: largest load, in tokens.
        imbalance: max / mean; 1 is perfect. This library and LPLB.
        balancedness: mean / max. SGLang's utilization rate, vLLM's balancedness.
        excess: max / mean - 1. TensorRT-LLM's imbalance ratio.

    Example:
        >>> Metrics.of([10, 20, 30])
        Metrics(imbalance 1.500, balancedness 0.667: max 30 over mean 20.0)
    """

    mean: float
    max: float
    imbalance: float
    balancedness: float
    excess: float

    @classmethod
    def of(cls, loads: Array) -> Metrics:
        """Measures loads [n] of integers.

        Raises:
            ValueError: they are not integers, or there are none.
        """
        return cls(*_core.measure_balance(take("Metrics", "loads", loads)[0]))

    def __repr__(self) -> str:
        return (
            f"Metrics(imbalance {self.imbalance:.3f}, balancedness {self.balancedness:.3f}: "
            f"max {self.max:.0f} over mean {self.mean:.1f})"
        )


@dataclass(frozen=True)
class Traffic:
    """Tokens by how far they travel.

    Attributes:
        total: tokens of the batch.
        cross_rank: those that leave their rank, cross_node ones included.
        cross_node: those that leave their node.
    """

    total: int
    cross_rank: int
    cross_node: int
