"""Placements and batches that the tests of the GPU draw, and comparisons with the CPU in every field."""

import numpy as np
import torch

import lplb

SHAPES = [
    # experts, slots, ranks, nodes
    (16, 24, 8, 1),
    (256, 272, 8, 1),
    (256, 320, 32, 4),
    (60, 96, 12, 3),
    (256, 320, 64, 8),
]


def random_placement(rng, num_logical, num_physical, num_ranks, num_nodes):
    """Every expert once, then copies of experts drawn at random, and a few empty slots."""
    spare = num_physical - num_logical
    copies = rng.integers(0, num_logical, spare)
    copies[: spare // 8] = -1
    slots = rng.permutation(np.concatenate([np.arange(num_logical), copies]))
    return lplb.Placement(torch.from_numpy(slots), num_logical=num_logical, num_ranks=num_ranks, num_nodes=num_nodes)


def random_ids(rng, shape, num_logical, dtype=torch.int64):
    """Skewed choices of a router, with -1 among them."""
    popularity = rng.lognormal(0, 1, num_logical)
    ids = rng.choice(num_logical, shape, p=popularity / popularity.sum())
    ids[rng.random(shape) < 0.02] = -1
    return torch.from_numpy(ids).to(dtype)


def assert_same_plan(found, expected):
    """`found` on a GPU, `expected` on the CPU."""
    assert found.quota.is_cuda
    assert found.rank_load.is_cuda
    assert torch.equal(found.counts.cpu(), torch.as_tensor(expected.counts))
    assert torch.equal(found.quota.cpu(), torch.as_tensor(expected.quota))
    assert torch.equal(found.rank_load.cpu(), torch.as_tensor(expected.rank_load))
    assert (int(found.max_load), int(found.lower_bound)) == (expected.max_load, expected.lower_bound)
    host = found.cpu()
    host.check()
    for name in ("status", "digest", "bottleneck_ranks", "bottleneck_experts", "metrics"):
        assert getattr(host, name) == getattr(expected, name) == getattr(found, name)
