"""The interpreter runs on while the library computes."""

import threading
import time

import numpy as np
import pytest

import lplb


def measure(function):
    """Seconds of the call, and how often another thread of Python got on meanwhile."""
    ticks, running, started = 0, True, threading.Event()

    def tick():
        nonlocal ticks
        started.set()
        while running:
            ticks += 1
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    started.wait()
    before, begin = ticks, time.perf_counter()
    function()
    seconds, during = time.perf_counter() - begin, ticks - before
    running = False
    ticker.join()
    return seconds, during


def calls():
    rng = np.random.default_rng(0)
    weight = rng.random((400, 256), dtype=np.float32)
    trace = lplb.Trace.synthesize(num_steps=256, num_layers=8, num_experts=128)
    ids = rng.integers(0, 256, 20_000_000)
    return {
        "rebalance_experts": lambda: lplb.rebalance_experts(weight, num_replicas=512, num_gpus=32, num_threads=1),
        "replay": lambda: lplb.replay(trace, num_ranks=32, num_threads=1),
        "count": lambda: lplb.count(ids, 256),
        "optimize_placement": lambda: lplb.optimize_placement(
            trace.counts[:8, 0], num_ranks=32, slots_per_rank=5, num_threads=1
        ),
    }


@pytest.mark.parametrize("name", ["rebalance_experts", "replay", "count", "optimize_placement"])
def test_the_gil_is_released(name):
    seconds, ticks = measure(calls()[name])
    assert seconds > 0.01  # long enough to tell
    # With the lock held, the other thread would come to one tick before or after the call.
    assert ticks >= 5


def test_threads_split_at_the_same_time_and_agree():
    placement = lplb.Topology.torus(8, 4).place(num_logical=256, num_physical=320, num_ranks=32)
    batches = np.random.default_rng(0).integers(0, 200, (200, 256))
    expected = [lplb.split(placement, batch).digest for batch in batches]
    found = [[] for _ in range(4)]

    def work(mine):
        for batch in batches:
            mine.append(lplb.split(placement, batch).digest)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
