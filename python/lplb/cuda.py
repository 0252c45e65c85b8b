"""The planner on a GPU, for a build with CUDA; needs torch.

`lplb.count`, `lplb.split`, `lplb.remap` and `lplb.Planner` take tensors on a GPU as they take all others. `Planner`
here is for the critical path of a batch: any placement, everything allocated at construction, three launches a batch,
and graphs that follow when the placement, the live ranks or the base loads are replaced.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import _core
from ._arrays import Array, take, take_optional, to_torch
from ._backend import check_device, check_not_capturing, compiling
from ._core import CudaError, InvalidArgument
from ._stages import Ids, launch, memory, to_tokens
from ._torch_ops import register_planner, run_op, to_scalar
from .placement import Placement
from .plan import Given, Plan, from_core

__all__ = ["Planner", "device_count", "is_built"]


def is_built() -> bool:
    """Whether this build of lplb has the CUDA stages."""
    return _core.cuda_is_built()


def device_count() -> int:
    """GPUs that the CUDA stages can use; 0 in a build without them."""
    return _core.cuda_device_count()


class Planner:
    """Count, split and remap of each batch on one GPU, on torch's current stream, for one layer and one stream.

    Args:
        placement: where the copies are. Up to 1,024 experts, 2,048 slots, and 128 ranks that share experts.
        max_ids: the largest number of ids (tokens times top_k) of one batch; 1.3 kB a thousand ids at 256 experts.
        source_rank: the rank whose tokens `remap` sends.
        checks: notice ids outside -1..E-1 (`saw_bad_ids`); they become -1 in any case.
        device: a CUDA device; torch's current one when left out.

    Attributes:
        placement, max_ids, source_rank, device: as given.
        counts: [E] int32, of the last `count` or `run`.
        quota, rank_load, in_bottleneck: [P] int32, [G] int32, [G] uint8, of the last plan.
        max_load, lower_bound: int32 tensors without an axis, of the last plan.

    The tensors are the planner's own memory: each plan overwrites them, also one in a replayed graph. A planner must
    live as long as the graphs that hold its calls. `count`, `plan`, `remap` and `run` never wait for the device and
    allocate at most what they return.

    Raises:
        CudaError: this build has no CUDA, or there is no such device.
        ValueError: a size is out of range.
    """

    def __init__(
        self,
        placement: Placement,
        *,
        max_ids: int = 2**19,
        source_rank: int = 0,
        checks: bool = True,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = gpu("Planner", "cuda" if device is None else device)
        self.max_ids = max_ids
        self.source_rank = source_rank
        self.placement = placement
        check_not_capturing("Planner", "it allocates, and cannot be made")
        with torch.cuda.device(self.device):
            self._core = _core.CudaPlanner(placement._core, max_ids, source_rank, checks)
            views = {name: _view(self._core, name, *each) for name, each in self._core.views().items()}
        self.counts: Tensor = views["counts"]
        self.quota: Tensor = views["quota"]
        self.rank_load: Tensor = views["rank_load"]
        self.in_bottleneck: Tensor = views["in_bottleneck"]
        self.max_load, self.lower_bound, self._status = views["summary"][:3].unbind()
        self._planned: Tensor = self.counts
        self._given_base: Any = None
        self._live: Any = None
        self._number = register_planner(self)

    def set_placement(self, placement: Placement) -> None:
        """Replaces the placement for all that comes later on the stream; a captured graph follows when replayed.

        Raises:
            ValueError: a size differs, or an expert has no live copy; nothing changes then.
        """
        for size in ("num_logical", "num_physical", "num_ranks", "num_nodes"):
            given, expected = getattr(placement, size), getattr(self.placement, size)
            if given != expected:
                raise InvalidArgument(f"[set_placement] {size} ({given}) must stay {expected}")
        self._replace("set_placement", placement._core)
        self.placement = placement

    def set_live_ranks(self, live: Array | None) -> None:
        """Replaces the flags of the live ranks, [G]; None = all live. As `set_placement` otherwise."""
        flags = take_optional("set_live_ranks", "live", live)
        self._replace("set_live_ranks", flags)
        self._live = flags

    def set_base_load(self, base_load: Array | None) -> None:
        """Replaces the tokens that cannot move, [G]; None = none. As `set_placement` otherwise.

        Raises:
            ValueError: the length or the type is wrong, or one is negative.
        """
        base = np.zeros(0, np.int32) if base_load is None else take("set_base_load", "base_load", base_load)[0]
        if base.size > 0 and base.min() < 0:
            raise InvalidArgument(f"[set_base_load] base_load holds {base.min()}; it must not be negative")
        self._replace("set_base_load", base)
        self._given_base = None if base_load is None else base

    def count(self, topk_idx: Tensor, num_valid_tokens: Array | None = None) -> Tensor:
        """Counts this rank's ids into `counts`, which is returned; ranks exchange it as they like.

        Args:
            topk_idx: int32 or int64 ids [T, K] on the planner's device; -1 = no expert.
            num_valid_tokens: one integer, or a tensor of one on the device, which a graph reads at each replay: rows
                from there on are padding.
        """
        ids = self._ids("count", topk_idx, num_valid_tokens)
        self._launch(self._core.count, ids.core)
        return self.counts

    def plan(self, counts: Tensor) -> Tensor:
        """Splits counts [E] of the whole batch, or [S, E] of all source ranks; returns `quota`."""
        tokens = to_tokens("plan", "counts", counts, self.device)
        self._launch(self._core.plan, memory(tokens))
        self._planned = tokens
        return self.quota

    def remap(
        self,
        topk_idx: Tensor,
        source_counts: Tensor | None = None,
        num_valid_tokens: Array | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Physical ids under the last plan, of the ids that were counted last.

        Args:
            topk_idx: as `count` took it.
            source_counts: what `plan` was given, where that was [S, E]; left out, this source's tokens are divided in
                the proportion of the quotas, off by less than one token a copy.
            num_valid_tokens: as `count` took it.
            out: where to put the result, of the shape and type of topk_idx; a new tensor when left out.
        """
        ids = self._ids("remap", topk_idx, num_valid_tokens)
        physical = self._output("remap", ids, out)
        sources = self.counts if source_counts is None else to_tokens("remap", "counts", source_counts, self.device)
        self._launch(self._core.remap, ids.core, memory(sources), physical.data_ptr())
        return physical

    def run(self, topk_idx: Tensor, num_valid_tokens: Array | None = None, out: Tensor | None = None) -> Tensor:
        """Counts, splits and remaps a batch that this one source holds whole: physical ids, -1 kept.

        Works inside torch.compile(fullgraph=True), there without `out`; `quota` and the other tensors must then be read
        outside of what is compiled.
        """
        if compiling():
            return run_op(topk_idx, self._number, to_scalar(num_valid_tokens, topk_idx))
        return self._run(topk_idx, num_valid_tokens, out)

    def _run(self, topk_idx: Tensor, num_valid_tokens: Array | None, out: Tensor | None = None) -> Tensor:
        ids = self._ids("run", topk_idx, num_valid_tokens)
        physical = self._output("run", ids, out)
        self._launch(self._core.run, ids.core, physical.data_ptr())
        self._planned = self.counts
        return physical

    def remap_by_table(self, topk_idx: Tensor, table: Tensor, num_valid_tokens: Array | None = None) -> Tensor:
        """Physical ids by the caller's own tokens for each physical expert [P], of the ids that were counted last."""
        ids = self._ids("remap_by_table", topk_idx, num_valid_tokens)
        physical = ids.empty_like()
        tokens = to_tokens("remap_by_table", "table", table, self.device)
        self._launch(self._core.remap_by_table, ids.core, memory(tokens), physical.data_ptr())
        return physical

    def read_plan(self) -> Plan:
        """The last plan, on the host; waits for the stream."""
        check_not_capturing("read_plan", "it waits for the device, and cannot be called")
        core = self._launch(self._core.read_plan)
        given = Given(self._planned.cpu().numpy(), self._given_base, self._live)
        return from_core(self.placement, core, given, to_torch)

    def is_optimal(self) -> Tensor:
        """Whether the last plan is optimal, a tensor without an axis; it is not where counts were bad."""
        return self._status == 0

    def saw_bad_ids(self) -> bool:
        """Whether `count` or `run` met an id outside -1..E-1 since the last call; waits for the stream."""
        check_not_capturing("saw_bad_ids", "it waits for the device, and cannot be called")
        return bool(self._launch(self._core.read_status))

    def _ids(self, function: str, topk_idx: Tensor, num_valid_tokens: Array | None) -> Ids:
        if not isinstance(topk_idx, Tensor) or topk_idx.device != self.device:
            where = f"on {topk_idx.device}" if isinstance(topk_idx, Tensor) else f"a {type(topk_idx).__name__}"
            raise InvalidArgument(f"[{function}] topk_idx is {where}; it must be a tensor on {self.device}")
        return Ids(function, "topk_idx", topk_idx, num_valid_tokens)

    def _output(self, function: str, ids: Ids, out: Tensor | None) -> Tensor:
        if out is None:
            return ids.empty_like()
        given = ids.tensor
        if (out.shape, out.dtype, out.device) != (given.shape, given.dtype, given.device) or not out.is_contiguous():
            raise InvalidArgument(
                f"[{function}] out is {list(out.shape)} {out.dtype} on {out.device}; it must be contiguous and as "
                f"topk_idx: {list(given.shape)} {given.dtype} on {given.device}"
            )
        return out

    def _launch(self, call: Any, *arguments: Any) -> Any:
        return launch(self.device, call, *arguments)

    def _replace(self, function: str, argument: Any) -> None:
        check_not_capturing(function, "it cannot be called")
        self._launch(getattr(self._core, function), argument)

    def __repr__(self) -> str:
        return f"Planner({self.placement!r} on {self.device}, up to {self.max_ids} ids)"


class _View:
    """The planner's memory as torch takes it; keeps the planner alive."""

    def __init__(self, owner: object, **interface: Any) -> None:
        self._owner = owner
        self.__cuda_array_interface__ = {**interface, "version": 3}


def _view(owner: object, name: str, address: int, size: int) -> Tensor:
    typestr = "|u1" if name == "in_bottleneck" else "<i4"
    return torch.as_tensor(_View(owner, shape=(size,), typestr=typestr, data=(address, False)), device="cuda")


def gpu(function: str, device: torch.device | str) -> torch.device:
    """The CUDA device with its index.

    Raises:
        CudaError: this build has no CUDA, or there is no such device.
        ValueError: it is another kind of device.
    """
    found = torch.device(device)
    if found.type != "cuda":
        raise InvalidArgument(f"[{function}] device is {found}; it must be a CUDA device")
    check_device(function, "device", found.type, found.index)
    if device_count() == 0 or not torch.cuda.is_available():
        raise CudaError(f"[{function}] device is {found}, but there is no GPU that CUDA can use")
    return torch.device("cuda", torch.cuda.current_device() if found.index is None else found.index)
