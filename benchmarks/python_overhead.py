#!/usr/bin/env python3
"""What a call from Python costs beyond the C++ function: a small split, and counting and remapping a few ids.

Each function is called through the package and, for comparison, directly in lplb._core, whose own cost of crossing into
C++ (below a microsecond) counts as C++ here; both in turn, and the median over rounds is kept.

Usage: python_overhead.py [OUT.json]
"""

import json
import os
import platform
import statistics
import sys
import time

import numpy as np

import lplb
from lplb import _core

ROUNDS = 201
CALLS = 100


def cases():
    """(name, the call through the package, the same in C++) on a cube of 8 ranks with 64 experts."""
    topology = lplb.Topology.cube()
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 100, 64).astype(np.int32)
    ids = np.repeat(np.arange(64), 8)
    few = lplb.count(ids, 64)
    placement = topology.place(num_logical=64, num_physical=80, num_ranks=8)
    plan = lplb.split(placement, few)
    graph = _core.SplitGraph.make(placement._core, None)
    yield "split/numpy", lambda: lplb.split(placement, counts), lambda: _core.split(graph, counts, None)
    direct_remap = (placement._core, few, plan.quota, ids, 0, None)
    yield "count/numpy", lambda: lplb.count(ids, 64), lambda: _core.count(ids, 64)
    yield "remap/numpy", lambda: lplb.remap(ids, plan), lambda: _core.remap_by_plan(*direct_remap)
    try:
        import torch
    except ImportError:
        return
    tensor, id_tensor = torch.from_numpy(counts), torch.from_numpy(ids)
    over = lplb.Topology.from_r2o(torch.from_numpy(topology.r2o)).place(num_logical=64, num_physical=80, num_ranks=8)
    tensor_plan = lplb.split(over, torch.from_numpy(few))
    yield "split/torch", lambda: lplb.split(over, tensor), lambda: _core.split(graph, counts, None)
    yield "count/torch", lambda: lplb.count(id_tensor, 64), lambda: _core.count(ids, 64)
    yield "remap/torch", lambda: lplb.remap(id_tensor, tensor_plan), lambda: _core.remap_by_plan(*direct_remap)


def time_us(function):
    begin = time.perf_counter()
    for _ in range(CALLS):
        function()
    return (time.perf_counter() - begin) / CALLS * 1e6


def measure(through_package, direct):
    pairs = [(time_us(through_package), time_us(direct)) for _ in range(ROUNDS)]
    package_us, direct_us = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {"package_us": round(package_us, 2), "cpp_us": round(direct_us, 2),
            "overhead_us": round(package_us - direct_us, 2)}  # fmt: skip


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(": ")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main(arguments):
    results = {name: measure(*calls) for name, *calls in cases()}
    for name, times in results.items():
        print(f"{name:<12} {times['package_us']:8.2f} us, of which C++ {times['cpp_us']:6.2f}")
    report = {
        "command": "tools/bench.sh python",
        "context": {"cpu": cpu_name(), "python": platform.python_version(), "cores": os.cpu_count()},
        "median_of": ROUNDS,
        "results": results,
    }
    if arguments:
        with open(arguments[0], "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
