"""DeepSeek's LPLB class: the same signatures, attributes and meanings, with the exact split inside."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import Array, take, to_torch, tokens
from ._backend import compiling, on_gpu
from ._core import InvalidArgument
from ._planner_arguments import check_counter, check_shape, choose_device, choose_ep_size, last_row, take_shares
from .placement import Placement, from_core
from .plan import split
from .routing import valid_part, with_padding
from .topology import Topology

if TYPE_CHECKING:
    import torch

_COUNT_BLOCK = 256
"""Slices of count_workload are whole blocks of so many ids."""


class Planner:
    """Splits each batch over the copies that a topology makes: LPLB's `Planner`.

    Args:
        redundant_to_original: [group_size, num_redundants] integers: the i-th redundant slot of rank g copies from
            rank redundant_to_original[g, i]. Each column is a permutation without a fixed point.
        n_routed_experts: physical experts P of all ranks.
        n_logical_routed_experts: logical experts E.
        ep_size: ranks, a multiple of group_size; the size of `group` when left out.
        group: a torch.distributed group whose ranks each give their own tokens; None = one process has the whole batch.
        device: where the planner's own tensors are; by default where redundant_to_original is.
        ranks_per_node: ranks of one node, for the reordering of experts.
        max_ids: the largest number of ids of one call on a GPU, for which memory is taken there.

    Attributes:
        r2o, o2r: the topology and its inverse by column, [group_size, num_redundants] int32.
        group_size, num_redundants, ep_size, n_group: sizes; n_group = ep_size / group_size.
        n_local_routed_experts, n_local_logical_routed_experts: experts of one rank.
        combined_redundant_experts: experts that share one edge (g, d).
        phy2log: [P] int32, of the last update_redundancy_mapping.
        ep_group: `group`.

    Raises:
        ValueError: sizes do not divide, or the matrix is not a topology.
        CudaError: device is a GPU, and this build has no CUDA, or there is none.

    Results are tensors where redundant_to_original is one, else NumPy arrays; those of `run` and
    `weighted_select_target` are of the kind of `idx`. A tensor on a GPU is worked on there, on torch's current stream;
    nothing waits for it but update_redundancy_mapping, and all but that can be captured in a graph, which follows when
    the mapping is updated. The planner must live as long as the graph.
    """

    def __init__(
        self,
        redundant_to_original: Array,
        n_routed_experts: int,
        n_logical_routed_experts: int,
        ep_size: int | None = None,
        group: torch.distributed.ProcessGroup | None = None,
        *,
        device: torch.device | str | None = None,
        ranks_per_node: int = 8,
        max_ids: int = 2**19,
    ) -> None:
        self.device, wrap = choose_device(redundant_to_original, device)
        self._topology = Topology(Topology.from_r2o(redundant_to_original)._core, wrap)
        self.group_size = self._topology.group_size
        self.num_redundants = self._topology.num_redundants
        self.r2o: Array = self._topology.r2o
        self.o2r: Array = self._topology.o2r
        self.ep_group = group
        self.ep_size = choose_ep_size(ep_size, group)
        self.n_routed_experts = n_routed_experts
        self.n_logical_routed_experts = n_logical_routed_experts
        self._ranks_per_node = ranks_per_node
        self._max_ids = max_ids
        self._on_devices: dict[Any, Any] = {}
        self.update_redundancy_mapping()
        self.n_group = self.ep_size // self.group_size
        self.n_local_routed_experts = n_routed_experts // self.ep_size
        self.n_local_logical_routed_experts = n_logical_routed_experts // self.ep_size
        num_copies = self.n_local_routed_experts - self.n_local_logical_routed_experts
        self.combined_redundant_experts = num_copies // self.num_redundants
        if self.device != "cpu":
            import torch

            self._on(torch.device(self.device))
        if "torch" in sys.modules:
            from ._torch_ops import register_planner

            self._number = register_planner(self)

    def init_from_deep_ep(self, buffer: object) -> NoReturn:
        """Would sum counts over DeepEP's NVSHMEM; not in this version."""
        raise NotImplementedError(
            "[init_from_deep_ep] summing counts over DeepEP's NVSHMEM buffer is not in this version; give Planner a "
            "torch.distributed group instead, on a GPU with the backend NCCL"
        )

    def update_redundancy_mapping(self, workload: Array | None = None) -> tuple[Array, Array, Array]:
        """Reorders experts by their history, heaviest first on each rank, and copies the heaviest along the topology.

        Args:
            workload: [E] integers, history of tokens; None keeps the identity order. Every rank must give the same.

        Returns:
            phy2log [P], log2phy [E, 2] (the original first, then the copy or -1) and logcnt [E], int32.
        """
        self.placement: Placement = self._topology.place(
            workload,
            num_logical=self.n_logical_routed_experts,
            num_physical=self.n_routed_experts,
            num_ranks=self.ep_size,
            ranks_per_node=self._ranks_per_node,
        )
        wrap = self._topology._wrap
        self.placement = from_core(self.placement._core, wrap)
        self.phy2log: Array = self.placement.phy2log
        num_local = self.n_logical_routed_experts // self.ep_size
        log2phy = _core.original_first_log2phy(self.placement._core, num_local)
        for each in self._on_devices.values():
            each.set_placement(self.placement)
        return self.phy2log, wrap(log2phy), self.placement.logcnt

    def count_workload(self, idx: Array, n_sms: int) -> tuple[Array, Array]:
        """Counts the tokens of each expert, of this process alone.

        Args:
            idx: int64 (or int32) ids of any shape, -1..E-1; -1 = no expert.
            n_sms: slices; each is ceil(numel / n_sms) ids, rounded up to whole blocks of 256.

        Returns:
            workload [E] and by_sm [n_sms, E], int32; row i of by_sm counts the first i + 1 slices, the last one all.
        """
        if not n_sms >= 1:
            raise InvalidArgument(f"[count_workload] n_sms ({n_sms}) must be at least 1")
        if on_gpu("count_workload", "idx", idx):
            slice_ids = -(-idx.numel() // (n_sms * _COUNT_BLOCK)) * _COUNT_BLOCK
            counted: tuple[Array, Array] = self._on(idx.device).count_workload(idx, n_sms, slice_ids)
            return counted
        ids, wrap = take("count_workload", "idx", idx)
        blocks = -(-ids.size // (n_sms * _COUNT_BLOCK))
        by_sm = _core.count_slices(ids, self.n_logical_routed_experts, n_sms, blocks * _COUNT_BLOCK)
        return wrap(by_sm[-1].copy()), wrap(by_sm)

    def solve_probs(self, workload: Array, avail_counter: Array | None = None) -> tuple[Array, Array]:
        """Solves the split, to optimality in every group.

        Args:
            workload: [E] integers, tokens of this process; summed over `group` where there is one.
            avail_counter: int32, one element: grows by the number of groups solved to optimality, here all n_group.

        Returns:
            probs [n_group, group_size, num_redundants] float32: the share of the tokens of edge (g, d) that stays with
            the originals. Edge (g, d) is every num_redundants-th of rank g's experts from slot d on, and their copies
            on rank o2r[g, d]; and the summed workload [E], float32.
        """
        if on_gpu("solve_probs", "workload", workload):
            check_counter("solve_probs", avail_counter, workload)
            solved: tuple[Array, Array] = self._on(workload.device).solve_probs(workload)
            self._count_solved(avail_counter, workload)
            return solved
        given, wrap = take("solve_probs", "workload", workload)
        counts = tokens("solve_probs", "workload", given.reshape(-1))
        total = counts if self.ep_group is None else self._gather(counts).sum(0)
        check_counter("solve_probs", avail_counter, workload)
        plan = split(self.placement, total)
        self._count_solved(avail_counter, workload)
        kept, _ = self._edges(plan._quota)
        sums = self._edges(total[self.placement._core.phy2log])[0].sum(2)
        probs = np.divide(kept.sum(2), sums, out=np.ones(sums.shape), where=sums > 0)
        return wrap(probs.astype(np.float32)), wrap(total.astype(np.float32))

    def weighted_select_target(self, idx: Array, o_weight: Array, by_sm: Array, n_sms: int) -> Array:
        """Sends each token to the original or the copy of its expert, in the shares of o_weight.

        Args:
            idx: ids as count_workload took them.
            o_weight: [n_group, group_size, num_redundants] shares of the originals, 0..1, as solve_probs gives them.
            by_sm: what count_workload gave for this idx.
            n_sms: its rows.

        Returns:
            Physical ids, same shape and type as idx, -1 kept. The originals of an edge get their share of the edge's
            tokens to within half a token, and each of its experts to within one.
        """
        shape = (self.n_group, self.group_size, self.num_redundants)
        check_shape("weighted_select_target", "by_sm", by_sm, (n_sms, self.n_logical_routed_experts))
        check_shape("weighted_select_target", "o_weight", o_weight, shape)
        if on_gpu("weighted_select_target", "idx", idx):
            return self._on(idx.device).weighted_select_target(idx, o_weight, by_sm)
        ids, wrap = take("weighted_select_target", "idx", idx)
        counts = last_row("weighted_select_target", by_sm)
        share = take_shares("weighted_select_target", o_weight)[:, :, np.newaxis, :]
        table = counts[self.placement._core.phy2log]
        originals, copies = self._edges(table)
        edge_tokens = originals.copy()
        # Rounding the running sum of an edge's experts, and not each by itself, keeps the edge's total right.
        running = np.floor(np.cumsum(edge_tokens, axis=2) * share + 0.5).astype(np.int64)
        kept = np.diff(running, axis=2, prepend=0)
        originals[...] = kept
        copies[...] = np.take_along_axis(edge_tokens - kept, self._r2o_index(), axis=1)
        return wrap(_core.remap_by_table(self.placement._core, table, ids))

    def run(
        self,
        idx: Array,
        avail_counter: Array | None = None,
        n_sms: int | None = None,
        *,
        num_valid_tokens: Array | None = None,
    ) -> Array:
        """Physical ids for the logical ones of this process, balanced over all ranks.

        With a group, ranks exchange their counts once, and each sends its tokens to the nearest copies that the common
        plan allows. Whole tokens are planned throughout, so the rank loads are the plan's exactly.

        Args:
            idx: int64 (or int32) ids of any shape, -1..E-1; -1 = no expert, kept.
            avail_counter: as in solve_probs; may be left out.
            n_sms: accepted for the sake of upstream's signature.
            num_valid_tokens: as in lplb.count; the rows of idx that are padding become -1.

        Returns:
            Same shape, type and kind as idx. Works inside torch.compile(fullgraph=True).
        """
        if compiling():
            from ._torch_ops import count_solved_op, run_op, to_scalar

            physical = run_op(idx, self._number, to_scalar(num_valid_tokens, idx))
            if avail_counter is not None:
                count_solved_op(avail_counter, self._number, physical)
            return physical
        check_counter("run", avail_counter, idx)
        physical = self._run(idx, num_valid_tokens)
        self._count_solved(avail_counter, idx)
        return physical

    def saw_bad_ids(self) -> bool:
        """Whether a call on a GPU met an id outside -1..E-1 since the last time this was asked; waits for the GPU.

        Such ids are sent nowhere. On the CPU they raise.
        """
        return any([each.saw_bad_ids() for each in self._on_devices.values()])

    def _run(self, idx: Array, num_valid_tokens: Array | None) -> Array:
        if on_gpu("run", "idx", idx):
            return self._on(idx.device).run(idx, num_valid_tokens)
        ids, wrap = take("run", "idx", idx)
        counts = _core.count(valid_part("run", ids, num_valid_tokens), self.n_logical_routed_experts)
        sources = counts if self.ep_group is None else self._gather(counts)
        plan = split(self.placement, sources)
        rank = 0 if self.ep_group is None else self.ep_group.rank()

        def remap_part(part: NDArray[Any]) -> NDArray[Any]:
            core = self.placement._core
            remapped: NDArray[Any] = _core.remap_by_plan(core, plan._counts, plan._quota, part, rank, None)
            return remapped

        return wrap(with_padding("run", ids, num_valid_tokens, remap_part))

    def _on(self, device: torch.device) -> Any:
        """The part of this that is on a GPU, made at the first call there."""
        found = self._on_devices.get(device)
        if found is None:
            from ._planner_cuda import OnDevice

            found = self._on_devices.setdefault(device, OnDevice(self, device, self._max_ids))
        return found

    def _gather(self, counts: NDArray[np.int32]) -> NDArray[np.int32]:
        """The counts of all ranks of the group: [S, E]."""
        import torch

        own = to_torch(counts)
        everyone = torch.empty((self.ep_size, own.numel()), dtype=torch.int32)
        torch.distributed.all_gather(list(everyone), own, group=self.ep_group)
        gathered: NDArray[np.int32] = everyone.numpy()
        return gathered

    def _edges(self, per_slot: Any) -> tuple[Any, Any]:
        """For this class and its part on a GPU: views of what is given for each slot [P], by edge.

        First the originals that have a copy, then the redundant slots; both are
        [n_group, group_size, combined, num_redundants].
        """
        slots = per_slot.reshape(self.n_group, self.group_size, -1)
        num_copies = self.combined_redundant_experts * self.num_redundants
        shape = (self.n_group, self.group_size, self.combined_redundant_experts, self.num_redundants)
        first = self.n_local_logical_routed_experts
        return slots[:, :, :num_copies].reshape(shape), slots[:, :, first : first + num_copies].reshape(shape)

    def _r2o_index(self) -> NDArray[Any]:
        """For this class and its part on a GPU: r2o as an index along the group_size axis of edges."""
        r2o = self._topology._core.r2o().astype(np.int64)[np.newaxis, :, np.newaxis, :]
        shape = (self.n_group, self.group_size, self.combined_redundant_experts, self.num_redundants)
        return np.broadcast_to(r2o, shape)

    def _count_solved(self, avail_counter: Array | None, beside: Array) -> None:
        """Adds the groups of the last plan where `beside` is."""
        if avail_counter is None:
            return
        if on_gpu("run", "idx", beside):
            self._on(beside.device).count_solved(avail_counter)
        else:
            avail_counter += self.n_group

    def __repr__(self) -> str:
        return (
            f"Planner({self.n_logical_routed_experts} experts in {self.n_routed_experts} slots on {self.ep_size} ranks:"
            f" {self.n_group} groups of {self.group_size}, {self.num_redundants} columns)"
        )
