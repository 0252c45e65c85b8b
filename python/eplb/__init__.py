"""DeepSeek's EPLB, with the functions, arguments and arrays of its eplb.py, computed by lplb.

For every input without ties between experts the three arrays are DeepSeek's, element by element. As there, a tensor on
a GPU is balanced on the CPU, and the arrays come back there. NumPy arrays give NumPy arrays.
"""

from __future__ import annotations

from typing import Any

from lplb import _core
from lplb._arrays import Array, Wrap, take
from lplb._backend import is_tensor

__all__ = ["balanced_packing", "rebalance_experts", "replicate_experts"]


def rebalance_experts(
    weight: Array, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> tuple[Array, Array, Array]:
    """Places the copies of every layer's experts.

    Args:
        weight: [L, E] load statistics of any real type, finite and not negative.
        num_replicas: physical experts P, a multiple of num_gpus.
        num_groups: expert groups; the hierarchical policy is used when num_nodes divides it, else the global one.
        num_nodes: nodes.
        num_gpus: ranks, a multiple of num_nodes.

    Returns:
        phy2log [L, P], log2phy [L, E, X] (-1 padded) and logcnt [L, E], int64.

    Raises:
        ValueError: sizes do not divide, or a weight is negative, infinite or NaN.
    """
    array, wrap = _take_weight("rebalance_experts", weight)
    phy2log, log2phy, logcnt = _core.rebalance_experts(array, num_replicas, num_groups, num_nodes, num_gpus, False, 0)
    return wrap(phy2log), wrap(log2phy), wrap(logcnt)


def balanced_packing(weight: Array, num_packs: int) -> tuple[Array, Array]:
    """Packs n items into num_packs packs of equally many, heaviest first into the lightest pack that has room.

    Args:
        weight: [L, n], of any real type, finite and not negative.
        num_packs: packs, a divisor of n.

    Returns:
        pack_index [L, n] and rank_in_pack [L, n], int64.
    """
    array, wrap = _take_weight("balanced_packing", weight)
    pack_index, rank_in_pack = _core.balanced_packing(array, num_packs)
    return wrap(pack_index), wrap(rank_in_pack)


def replicate_experts(weight: Array, num_phy: int) -> tuple[Array, Array, Array]:
    """Copies the expert with the largest load per copy, again and again, until there are num_phy.

    Args:
        weight: [L, E], of any real type, finite and not negative.
        num_phy: physical experts P, at least E.

    Returns:
        phy2log [L, P], rank [L, P] (which copy of its expert) and logcnt [L, E], int64.
    """
    array, wrap = _take_weight("replicate_experts", weight)
    phy2log, rank, logcnt = _core.replicate_experts(array, num_phy)
    return wrap(phy2log), wrap(rank), wrap(logcnt)


def _take_weight(function: str, weight: Array) -> tuple[Any, Wrap]:
    return take(function, "weight", weight.cpu() if is_tensor(weight) and weight.is_cuda else weight)
