"""No leaks: nanobind counts what is left at exit, and many calls run in constant memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eplb
import lplb

CALLS = 100_000
WARM_UP = 2_000


def resident_kib():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def functions():
    placement = lplb.Placement([0, 1, 1, 2], num_ranks=2)
    phy2log = np.array([0, 1, 1, 2])
    counts, ids = np.array([4, 6, 2]), np.array([0] * 4 + [1] * 6 + [2] * 2)
    weight = np.array([[4.0, 6.0, 2.0, 1.0]])
    plan = lplb.split(placement, counts)
    by_source = lplb.split(placement, [[4, 0, 1], [0, 6, 1]])
    topology = lplb.Topology.ring(2)
    planner = lplb.Planner(topology.r2o, 4, 2, 2)
    idx = np.array([0, 1, 1, -1])
    workload, by_sm = planner.count_workload(idx, 1)
    share, _ = planner.solve_probs(workload)
    trace = lplb.Trace(np.ones((3, 1, 4), dtype=np.int32))
    found = lplb.replay(trace, num_ranks=2, window=1, strategies=["none"], num_threads=1)
    return {
        "Placement": lambda: lplb.Placement(phy2log, num_ranks=2).log2phy,
        "place": lambda: lplb.place("eplb", weight[0], num_physical=4, num_ranks=2),
        "split": lambda: lplb.split(placement, counts).rank_load,
        "split_live": lambda: lplb.split(lplb.Placement([0, 0], num_ranks=2), counts[:1], live=[0, 1]),
        "split_refuses": lambda: refused(lplb.split, placement, -counts),
        "check": plan.check,
        "plan": lambda: (repr(plan), plan.bottleneck_experts, plan.source_table(0, counts), by_source.traffic()),
        "count": lambda: lplb.count(ids, 3),
        "count_refuses": lambda: refused(lplb.count, ids, 2),
        "remap": lambda: lplb.remap(ids, plan),
        "Metrics": lambda: lplb.Metrics.of(counts),
        "Topology": lambda: (topology.r2o, topology.o2r, topology.place(num_logical=2, num_physical=4, num_ranks=2)),
        "recommend_topology": lambda: lplb.recommend_topology(num_ranks=8, num_nodes=1, num_redundants=1),
        "rebalance_experts": lambda: lplb.rebalance_experts(weight, num_replicas=4, num_gpus=2, num_threads=1),
        "eplb.balanced_packing": lambda: eplb.balanced_packing(weight, 2),
        "eplb.replicate_experts": lambda: eplb.replicate_experts(weight, 5),
        "Planner.run": lambda: planner.run(idx),
        "Planner.solve_probs": lambda: planner.solve_probs(planner.count_workload(idx, 1)[0]),
        "Planner.weighted_select_target": lambda: planner.weighted_select_target(idx, share, by_sm, 1),
        "Planner.update_redundancy_mapping": planner.update_redundancy_mapping,
        "Trace": lambda: lplb.Trace(trace.counts).counts,
    } | {"replay": lambda: found.to_dict()}


def refused(function, *arguments):
    try:
        function(*arguments)
    except ValueError:
        return
    raise AssertionError("bad input was taken")


@pytest.mark.parametrize("name", list(functions()))
def test_constant_memory(name):
    function = functions()[name]
    for _ in range(WARM_UP):
        function()
    before = resident_kib()
    for _ in range(CALLS):
        function()
    # One leaked object of 16 bytes a call would be 1,600 KiB.
    assert resident_kib() - before < 1_000


def exit_report(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stderr


def test_nothing_is_left_at_exit():
    program = """
import lplb, eplb, numpy as np, pickle
placement = pickle.loads(pickle.dumps(lplb.Placement([0, 1, 1, 2], num_ranks=2)))
plan = lplb.split(placement, [4, 6, 2])
eplb.rebalance_experts(np.ones((1, 4)), 4, 1, 1, 2)
lplb.replay(np.ones((3, 1, 4), dtype=int), num_ranks=2, window=1)
try:
    lplb.split(placement, [1])
except ValueError:
    pass
"""
    assert exit_report(program) == ""


def test_the_check_at_exit_is_on():
    program = """
import ctypes, lplb
placement = lplb.Placement([0, 1, 1, 2], num_ranks=2)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(placement._core))
"""
    assert "leaked" in exit_report(program)
