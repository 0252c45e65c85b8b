"""Placements: which logical expert each physical slot holds."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

from . import _core
from ._arrays import Array, Wrap, take, to_numpy, to_torch
from ._core import InvalidArgument


class Colocation(NamedTuple):
    """Several copies of one expert on one rank: allowed, but they add no freedom to the split."""

    expert: int
    rank: int
    num_copies: int


class Placement:
    """Where every copy of every expert lives. Slot p is on rank p // slots_per_rank; ranks go node by node.

    Args:
        phy2log: [P] integers, the logical expert of each physical slot; -1 = empty.
        num_ranks: ranks G of the expert-parallel group; P is a multiple of it.
        num_logical: experts E of the model; the largest id + 1 when left out.
        num_nodes: nodes, of num_ranks / num_nodes consecutive ranks each.

    Attributes:
        phy2log: [P] int32, of the kind that was given. Not to be written.
        num_logical, num_physical, num_ranks, num_nodes: sizes.

    Raises:
        ValueError: an id is out of range, an expert has no slot, or sizes do not divide.

    Example:
        >>> Placement([0, 1, 1, 2], num_ranks=2)
        Placement(3 experts in 4 slots on 2 ranks; 1 with copies, at most 2)
    """

    def __init__(self, phy2log: Array, *, num_ranks: int, num_logical: int | None = None, num_nodes: int = 1) -> None:
        array, wrap = take("Placement", "phy2log", phy2log)
        if num_logical is None:
            num_logical = int(array.max(initial=-1)) + 1
        self._init(_core.Placement.make(array, num_logical, num_ranks, num_nodes), wrap)

    def _init(self, core: _core.Placement, wrap: Wrap) -> None:
        self._core = core
        self._wrap = wrap
        self._graph: _core.SplitGraph | None = None
        self._on_devices: dict[Any, Any] = {}  # what stages on a GPU keep with it
        self.phy2log: Array = wrap(core.phy2log)
        self._slots: Array = self.phy2log if wrap in (to_numpy, to_torch) else to_torch(core.phy2log)  # on the host
        self.num_logical = core.num_logical
        self.num_physical = core.num_physical
        self.num_ranks = core.num_ranks
        self.num_nodes = core.num_nodes

    @classmethod
    def contiguous(cls, num_logical: int, *, num_ranks: int, num_nodes: int = 1) -> Placement:
        """One copy of each expert, dealt out in order; slots that are left over at the end stay empty."""
        return from_core(_core.contiguous_placement(num_logical, num_ranks, num_nodes))

    @property
    def log2phy(self) -> Array:
        """[E, X] int32: the slots of each expert, ascending, -1 padded; X = max_replicas. EPLB's name and shape."""
        return self._wrap(self._core.log2phy())

    @property
    def logcnt(self) -> Array:
        """[E] int32: copies of each expert."""
        return self._wrap(self._core.logcnt)

    @property
    def max_replicas(self) -> int:
        """Copies of the expert that has most."""
        return self._core.max_replicas

    @property
    def slots_per_rank(self) -> int:
        """Physical experts of one rank."""
        return self.num_physical // self.num_ranks

    def rank_of(self, physical: int) -> int:
        """The rank of a physical expert."""
        return physical // self.slots_per_rank

    def colocations(self) -> list[Colocation]:
        """Every case of two or more copies of an expert on one rank."""
        return [Colocation(*found) for found in self._core.colocations()]

    def num_moved_copies(self, target: Placement) -> int:
        """Copies that `target` has on a rank and this has not: expert weights that must travel."""
        return _core.count_moved_copies(self._core, target._core)

    def __eq__(self, other: object) -> bool:
        return self._core.equals(other._core) if isinstance(other, Placement) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._core.phy2log.tobytes(), self.num_logical, self.num_ranks, self.num_nodes))

    def __reduce__(self) -> tuple[Any, ...]:
        sizes = {"num_logical": self.num_logical, "num_ranks": self.num_ranks, "num_nodes": self.num_nodes}
        return functools.partial(Placement, **sizes), (self.phy2log,)

    def __repr__(self) -> str:
        nodes = f" ({self.num_nodes} nodes)" if self.num_nodes > 1 else ""
        empty = int((self._core.phy2log < 0).sum())
        copied = int((self._core.logcnt > 1).sum())
        return (
            f"Placement({self.num_logical} experts in {self.num_physical} slots on {self.num_ranks} ranks{nodes}; "
            + (f"{empty} slots empty; " if empty else "")
            + (f"{copied} with copies, at most {self.max_replicas})" if copied else "no copies)")
        )


def from_core(core: _core.Placement, wrap: Wrap = to_numpy) -> Placement:
    """A placement around one that the library made."""
    placement = Placement.__new__(Placement)
    placement._init(core, wrap)
    return placement


def place(
    policy: str,
    load: Array,
    *,
    num_physical: int,
    num_ranks: int,
    num_nodes: int = 1,
    num_groups: int = 1,
    seed: int = 0,
) -> Placement:
    """Places one layer by a policy's name (`policies()`, or a topology such as "torus:8x4").

    Args:
        policy: "eplb", "cube", ...; `lplb place --help` explains each. "optimize" is `optimize_placement` with these
            sizes, and takes a window of loads [T, E] or [T, S, E] too.
        load: [E] history of the experts' loads, finite and not negative.
        num_physical: slots of all ranks, a multiple of num_ranks.
        num_ranks: ranks of the group.
        num_nodes: nodes.
        num_groups: expert groups of group-limited routing, for "eplb" and "optimize".
        seed: of the policies "uniform" and "optimize".

    Raises:
        ValueError: the policy is unknown or does not fit the shape.
    """
    if policy == "optimize":
        return _optimize(load, num_physical, num_ranks, num_nodes, num_groups, seed)
    array, wrap = take("place", "load", load)
    return from_core(_core.place(policy, array, num_physical, num_ranks, num_nodes, num_groups, seed), wrap)


def _optimize(load: Array, num_physical: int, num_ranks: int, num_nodes: int, num_groups: int, seed: int) -> Placement:
    from .optimize import optimize_placement  # which needs this module

    if num_ranks < 1 or num_physical % num_ranks != 0:
        raise InvalidArgument(f"[place] num_physical ({num_physical}) must be a multiple of num_ranks ({num_ranks})")
    array, wrap = take("place", "load", load)
    found = optimize_placement(
        array[None] if array.ndim == 1 else array,
        num_ranks=num_ranks,
        slots_per_rank=num_physical // num_ranks,
        num_nodes=num_nodes,
        num_groups=num_groups,
        seed=seed,
    )
    return from_core(found.placement._core, wrap)


def policies() -> list[str]:
    """Names that `place` takes, besides topologies such as "ring:8"."""
    return [*_core.policy_names(), "optimize"]


def read_placements(
    path: str | os.PathLike[str], *, num_ranks: int = 0, num_nodes: int = 0, num_logical: int = 0
) -> list[Placement]:
    """One placement a layer from JSON, SGLang's --init-expert-location included.

    Args:
        path: the file.
        num_ranks: where the file does not say it (SGLang's do not); 0 = it does.
        num_nodes: likewise; 1 where neither says.
        num_logical: likewise; the largest id + 1 where neither says.

    Raises:
        DataError: the file cannot be read or believed.
    """
    return [from_core(core) for core in _core.read_placements(os.fspath(path), num_ranks, num_nodes, num_logical)]


def write_placements(layers: list[Placement], path: str | os.PathLike[str], *, sglang: bool = False) -> None:
    """Writes one placement a layer as JSON; `sglang` leaves out all keys but the one that SGLang takes.

    Raises:
        ValueError: there are no layers, or they differ in shape.
        DataError: the file cannot be written.
    """
    _core.write_placements([layer._core for layer in layers], os.fspath(path), sglang)
