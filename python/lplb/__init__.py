"""Exact load balancing for Mixture-of-Experts models under expert parallelism.

Placement (which experts get copies, and where), split (how this batch's tokens are divided over the copies, with a
proof that no division does better) and remapping, for torch, NumPy and whatever has DLPack. `Planner` is DeepSeek's
LPLB class with its signatures; the package `eplb` beside this one is DeepSeek's EPLB.
"""

import sys as _sys

from ._core import CudaError, DataError, Error, InvalidArgument, StrategyResult
from .balancer import rebalance_experts
from .metrics import Metrics, Traffic
from .placement import Colocation, Placement, place, policies, read_placements, write_placements
from .plan import Plan, Status, split
from .planner import Planner
from .replay import ReplayResult, replay, report
from .routing import count, remap, saw_bad_ids
from .topology import Recommendation, Topology, recommend_topology
from .trace import Trace, read_trace

for _error in (Error, InvalidArgument, DataError, CudaError):
    _error.__module__ = "lplb"  # where users find them, and what tracebacks should say

if "torch" in _sys.modules:
    from . import _torch_ops as _torch_ops

__all__ = [
    "Colocation",
    "CudaError",
    "DataError",
    "Error",
    "InvalidArgument",
    "Metrics",
    "Placement",
    "Plan",
    "Planner",
    "Recommendation",
    "ReplayResult",
    "Status",
    "StrategyResult",
    "Topology",
    "Trace",
    "Traffic",
    "count",
    "place",
    "policies",
    "read_placements",
    "read_trace",
    "rebalance_experts",
    "recommend_topology",
    "remap",
    "replay",
    "report",
    "saw_bad_ids",
    "split",
    "write_placements",
]
