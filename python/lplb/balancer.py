"""EPLB with placements as the result; the package `eplb` has the same with DeepSeek's arrays."""

from __future__ import annotations

import numpy as np

from . import _core
from ._arrays import Array, take
from .placement import Placement, from_core


def rebalance_experts(
    weight: Array,
    *,
    num_replicas: int,
    num_gpus: int,
    num_groups: int = 1,
    num_nodes: int = 1,
    distinct: bool = False,
    num_threads: int = 0,
) -> list[Placement]:
    """EPLB for every layer: which experts get copies, and which rank holds each.

    Args:
        weight: [L, E], or [E] for one layer: load history, finite and not negative, of any real type.
        num_replicas: physical experts P, a multiple of num_gpus.
        num_gpus: ranks, a multiple of num_nodes.
        num_groups: expert groups of group-limited routing; hierarchical when num_nodes divides it.
        num_nodes: nodes.
        distinct: forbid two copies of an expert on one rank where slots allow it.
        num_threads: layers in parallel; 0 = one thread a core. The result does not depend on it.

    Returns:
        One placement a layer.

    Raises:
        ValueError: sizes do not divide, or a weight is negative, infinite or NaN.
    """
    array, wrap = take("rebalance_experts", "weight", weight)
    layers = array[np.newaxis] if array.ndim == 1 else array
    sizes = (num_replicas, num_groups, num_nodes, num_gpus)
    return [from_core(core, wrap) for core in _core.place_layers(layers, *sizes, distinct, num_threads)]
