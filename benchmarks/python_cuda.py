#!/usr/bin/env python3
"""The planner on a GPU from Python: one run inside a replayed graph, one replay, and what a call costs the host.

Ids and plan of every instance are compared with the CPU's before it is timed. `graph` is one replay of a graph that
holds the run 100 times, divided by 100, as bench_cuda_stages measures; `replay` is one replay of a graph that holds it
once, between two events on the stream; `host` is the time until a call returns, with nothing to wait for.

Usage: python_cuda.py [OUT.json]
"""

import json
import platform
import statistics
import sys
import time

import numpy as np
import torch

import lplb
import lplb.cuda

TOKENS, TOP_K, EXPERTS = 4096, 8, 256
INSTANCES, REPLAYS, REPEATS = 200, 5, 100
ROUNDS, CALLS = 101, 100
TARGETS = {"cube_8x2": 8, "256_320_64": 14}


def placements(rng):
    """The cube, and EP64 with 64 copies placed by EPLB, each from a history of log-normal loads."""
    history = (1e5 * rng.lognormal(-0.5, 1, EXPERTS)).astype(np.int64)
    cube = lplb.Topology.cube().place(history, num_logical=EXPERTS, num_physical=272, num_ranks=8)
    (flat,) = lplb.rebalance_experts(history, num_replicas=320, num_gpus=64)
    ep64 = lplb.Placement(flat.phy2log, num_logical=EXPERTS, num_ranks=64, num_nodes=8)
    return {"cube_8x2": cube, "256_320_64": ep64}


def draw(rng, dtype):
    """Ids whose density falls linearly to zero, as in bench_cuda_stages."""
    ids = rng.integers(0, EXPERTS, (2, INSTANCES, TOKENS, TOP_K)).min(0)
    return torch.from_numpy(ids).to(dtype)


def capture(call, times):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            call()
    return graph


def replay_us(graph):
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    graph.replay()
    end.record()
    end.synchronize()
    return 1e3 * begin.elapsed_time(end)


def verify(planner, batch, physical):
    expected = lplb.split(planner.placement, lplb.count(batch, EXPERTS))
    if planner.read_plan().digest != expected.digest or not torch.equal(physical.cpu(), lplb.remap(batch, expected)):
        sys.exit("python_cuda: wrong result")


def time_graphs(placement, batches):
    """Samples in microseconds: a run among 100 in a graph, and a replay of a graph with one."""
    planner = lplb.cuda.Planner(placement, max_ids=TOKENS * TOP_K)
    ids = batches[0].cuda()
    physical = torch.empty_like(ids)
    many, one = (capture(lambda: planner.run(ids, out=physical), times) for times in (REPEATS, 1))
    samples = {"graph": [], "replay": []}
    for batch in batches:
        ids.copy_(batch)
        physical.fill_(-2)
        one.replay()
        verify(planner, batch, physical)
        many.replay()
        for _ in range(REPLAYS):
            samples["graph"].append(replay_us(many) / REPEATS)
            samples["replay"].append(replay_us(one))
    return samples


def host_calls(placement, batch):
    """(name, call) of what users call per batch, on a cube."""
    planner = lplb.cuda.Planner(placement, max_ids=TOKENS * TOP_K)
    upstream = lplb.Planner(torch.from_numpy(lplb.Topology.cube().r2o).cuda(), 272, EXPERTS, 8)
    ids = batch.cuda()
    out = torch.empty_like(ids)
    counts = lplb.count(ids, EXPERTS)
    plan = lplb.split(placement, counts)
    graph = capture(lambda: planner.run(ids, out=out), 1)
    yield "graph.replay", graph.replay
    yield "cuda.Planner.run_out", lambda: planner.run(ids, out=out)
    yield "cuda.Planner.run", lambda: planner.run(ids)
    yield "Planner.run", lambda: upstream.run(ids)
    yield "count", lambda: lplb.count(ids, EXPERTS)
    yield "split", lambda: lplb.split(placement, counts)
    yield "remap", lambda: lplb.remap(ids, plan)
    yield "torch.add", lambda: ids + 1


def host_us(call):
    rounds = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - begin) / CALLS * 1e6)
    return rounds


def entry(name, samples, target=0):
    ordered = sorted(samples)
    p50, p99 = statistics.median(ordered), ordered[len(ordered) * 99 // 100]
    print(f"{name:<56} p50 {p50:7.2f}  p99 {p99:7.2f}  target {target:5.1f} us")
    times = {"cpu_time": round(p50, 3), "p99": round(p99, 3), "target": target, "time_unit": "us"}
    return {"name": name, "run_name": name, **times}


def main(arguments):
    rng = np.random.default_rng(7)
    entries = []
    placed = placements(rng)
    for dtype in (torch.int32, torch.int64):
        width = str(dtype).removeprefix("torch.")
        batches = draw(rng, dtype)
        for case, placement in placed.items():
            for what, samples in time_graphs(placement, batches).items():
                name = f"python_run_{what}/cuda/lplb/{TOKENS}x{TOP_K}_{width}/{case}"
                entries.append(entry(name, samples, TARGETS[case] if what == "graph" else 0))
    for call, function in host_calls(placed["cube_8x2"], batches[0]):
        entries.append(entry(f"python_host/cuda/lplb/{call}/{TOKENS}x{TOP_K}_int64/cube_8x2", host_us(function)))
    context = {
        "command": "python benchmarks/python_cuda.py benchmarks/results/python_cuda.json",
        "card": torch.cuda.get_device_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "num_instances": INSTANCES,
        "replays_per_instance": REPLAYS,
        "repeats_per_graph": REPEATS,
        "host_rounds_of_calls": [ROUNDS, CALLS],
    }
    if arguments:
        with open(arguments[0], "w", encoding="utf-8") as file:
            json.dump({"context": context, "benchmarks": entries}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
