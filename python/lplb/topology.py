"""Topologies: which rank copies from which, LPLB's r2o."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from . import _core
from ._arrays import Array, Wrap, take, to_numpy
from .placement import Placement, from_core


class Topology:
    """Which rank copies from which, inside one group of ranks. Made by `cube`, `torus`, ..., or `from_r2o`.

    `r2o[g][i] = o` says that the i-th redundant slot of rank g holds a copy of an expert of rank o. Every column is a
    permutation of the ranks without a fixed point.

    Attributes:
        name: "cube", "torus:8x4", ...
        group_size: ranks of the group.
        num_redundants: columns of r2o.
    """

    def __init__(self, core: _core.Topology, wrap: Wrap = to_numpy) -> None:
        self._core = core
        self._wrap = wrap
        self.name = core.name
        self.group_size = core.group_size
        self.num_redundants = core.num_redundants

    @classmethod
    def from_r2o(cls, r2o: Array, *, name: str = "custom") -> Topology:
        """A matrix of one's own: [group_size, num_redundants] integers.

        Raises:
            ValueError: a column is not a permutation, or copies a rank onto itself.
        """
        array, wrap = take("Topology.from_r2o", "r2o", r2o)
        return cls(_core.Topology.from_r2o(array, name), wrap)

    @classmethod
    def cube(cls) -> Topology:
        """8 ranks: two squares joined by diagonals. Two columns."""
        return cls(_core.Topology.cube())

    @classmethod
    def hypercube(cls, num_ranks: int = 16) -> Topology:
        """A power of two of ranks, at least 16: squares of four ranks, joined square to square."""
        return cls(_core.Topology.hypercube(num_ranks))

    @classmethod
    def torus(cls, m: int, n: int) -> Topology:
        """M * n ranks; column 0 copies along the ring of rows, column 1 inside the row."""
        return cls(_core.Topology.torus(m, n))

    @classmethod
    def ring(cls, n: int) -> Topology:
        """N ranks in a ring, one column."""
        return cls(_core.Topology.ring(n))

    @classmethod
    def parse(cls, text: str) -> Topology:
        """From a name: "cube", "hypercube:32", "torus:8x4", "ring:8"."""
        return cls(_core.Topology.parse(text))

    @property
    def r2o(self) -> Array:
        """[group_size, num_redundants] int32."""
        return self._wrap(self._core.r2o())

    @property
    def o2r(self) -> Array:
        """[group_size, num_redundants] int32, the inverse by column: o2r[o][i] = g with r2o[g][i] = o."""
        return self._wrap(self._core.o2r())

    @property
    def connected(self) -> bool:
        """Whether tokens of every rank can reach every other one over copies."""
        return self._core.connected()

    @property
    def diameter(self) -> int:
        """Longest shortest path between two ranks, in edges; -1 when not connected."""
        return self._core.diameter()

    def neighbours(self, rank: int) -> list[int]:
        """Ranks that share an edge with `rank`, ascending."""
        return self._core.neighbours(rank)

    def degrees(self) -> list[int]:
        """Number of different neighbours of each rank."""
        return self._core.degrees()

    def first_columns(self, num_columns: int) -> Topology:
        """The same with fewer redundant slots: its first columns.

        Raises:
            ValueError: num_columns is not in 1..num_redundants.
        """
        return Topology(self._core.first_columns(num_columns), self._wrap)

    def num_cross_node_edges(self, ranks_per_node: int) -> int:
        """Entries of r2o whose two ranks are on different nodes of so many consecutive ranks."""
        return self._core.num_cross_node_edges(ranks_per_node)

    def place(
        self,
        workload: Array | None = None,
        *,
        num_logical: int,
        num_physical: int,
        num_ranks: int,
        ranks_per_node: int = 8,
    ) -> Placement:
        """LPLB's placement: experts reordered by EPLB without redundancy, the heaviest of each rank copied along r2o.

        Args:
            workload: [E] integers, the history of tokens; the identity order when left out.
            num_logical: experts E, a multiple of num_ranks.
            num_physical: slots, a multiple of num_ranks.
            num_ranks: a multiple of group_size, over which the topology repeats.
            ranks_per_node: for the reordering; num_ranks when that is smaller.

        Raises:
            ValueError: sizes do not divide.
        """
        history, wrap = (None, None) if workload is None else take("place_along_topology", "workload", workload)
        placed = _core.place_along_topology(self._core, history, num_logical, num_physical, num_ranks, ranks_per_node)
        return from_core(placed, self._wrap if wrap is None else wrap)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Topology):
            return NotImplemented
        return self.name == other.name and bool((self._core.r2o() == other._core.r2o()).all())

    def __hash__(self) -> int:
        return hash((self.name, self._core.r2o().tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(Topology.from_r2o, name=self.name), (self.r2o,)

    def __repr__(self) -> str:
        return f"Topology({self.name}: {self.group_size} ranks, {self.num_redundants} redundant slots each)"


class Recommendation(NamedTuple):
    """A topology that suits, over `num_groups` groups, and why."""

    topology: Topology
    num_groups: int
    reason: str


def recommend_topology(*, num_ranks: int, num_nodes: int, num_redundants: int) -> Recommendation:
    """A topology for ranks, nodes and redundant slots a rank.

    Raises:
        ValueError: none fits (fewer than two ranks, no redundant slot).
    """
    core, num_groups, reason = _core.recommend_topology(num_ranks, num_nodes, num_redundants)
    return Recommendation(Topology(core), num_groups, reason)
