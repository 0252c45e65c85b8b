"""Exact load balancing for Mixture-of-Experts models under expert parallelism.

Placement (which experts get copies, and where), split (how this batch's tokens are divided over the copies, with a
proof that no division does better) and remapping, for torch, NumPy and whatever has DLPack. `Planner` is DeepSeek's
LPLB class with its signatures; the package `eplb` beside this one is DeepSeek's EPLB.
"""

import sys as _sys

from ._core import CudaError, DataError, Error, InvalidArgument, StrategyResult
from .balancer import rebalance_experts
from .limits import ExpertLimit, PlacementLimits, RankLimit, find_limits
from .metrics import Metrics, Traffic
from .objective import ByScenario, PlacementObjective, PlacementScore, score_placement
from .optimize import LayersResult, OptimizeResult, optimize_layers, optimize_placement, optimize_trade_off
from .placement import Colocation, Placement, place, policies, read_placements, write_placements
from .plan import Plan, Status, split
from .planner import Planner
from .refresh import RefreshDecision, RefreshPolicy, decide_refresh
from .replay import ReplayResult, replay, report
from .routing import count, remap, saw_bad_ids
from .topology import Recommendation, Topology, recommend_topology
from .trace import Trace, read_trace

for _error in (Error, InvalidArgument, DataError, CudaError):
    _error.__module__ = "lplb"  # where users find them, and what tracebacks should say

if "torch" in _sys.modules:
    from . import _torch_ops as _torch_ops

__all__ = [
    "ByScenario",
    "Colocation",
    "CudaError",
    "DataError",
    "Error",
    "ExpertLimit",
    "InvalidArgument",
    "LayersResult",
    "Metrics",
    "OptimizeResult",
    "Placement",
    "PlacementLimits",
    "PlacementObjective",
    "PlacementScore",
    "Plan",
    "Planner",
    "RankLimit",
    "Recommendation",
    "RefreshDecision",
    "RefreshPolicy",
    "ReplayResult",
    "Status",
    "StrategyResult",
    "Topology",
    "Trace",
    "Traffic",
    "count",
    "decide_refresh",
    "find_limits",
    "optimize_layers",
    "optimize_placement",
    "optimize_trade_off",
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
    "score_placement",
    "split",
    "write_placements",
]
