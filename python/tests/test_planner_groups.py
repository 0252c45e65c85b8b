"""Planner over a torch.distributed group: every process has its own tokens, and all agree on one plan."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

import lplb


def topology(num_ranks):
    return lplb.Topology.cube() if num_ranks == 8 else lplb.Topology.ring(num_ranks)


def draw(rank):
    return torch.randint(-1, 64, (300 + 10 * rank, 4), generator=torch.Generator().manual_seed(rank))


def work(rank, num_ranks, file, results):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=num_ranks)
    try:
        found = topology(num_ranks)
        planner = lplb.Planner(
            torch.from_numpy(found.r2o), 64 + found.num_redundants * num_ranks, 64, group=dist.group.WORLD
        )
        idx = draw(rank)
        counter = torch.zeros((), dtype=torch.int32)
        physical = planner.run(idx, counter)
        workload, _ = planner.count_workload(idx, 4)
        probs, total = planner.solve_probs(workload, counter)
        with pytest.raises(ValueError, match="must be the size of group"):
            lplb.Planner(planner.r2o, 64, 64, ep_size=num_ranks + 1, group=dist.group.WORLD)
        results.put((rank, physical.numpy(), probs.numpy(), total.numpy(), int(counter)))
        dist.barrier()
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("num_ranks", [2, 4, 8])
def test_ranks_agree_and_loads_are_the_plan(num_ranks, tmp_path):
    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    processes = mp.spawn(work, (num_ranks, tmp_path / "store", results), nprocs=num_ranks, join=False)
    found = sorted((results.get() for _ in range(num_ranks)), key=lambda each: each[0])
    processes.join()

    ids = [draw(rank) for rank in range(num_ranks)]
    total = sum(torch.bincount(each[each >= 0], minlength=64) for each in ids)
    shape = topology(num_ranks)
    planner = lplb.Planner(torch.from_numpy(shape.r2o), 64 + shape.num_redundants * num_ranks, 64, ep_size=num_ranks)
    plan = lplb.split(planner.placement, total)
    achieved = torch.zeros(planner.n_routed_experts, dtype=torch.int64)
    for rank, array, probs, workload, counter in found:
        physical = torch.from_numpy(array)
        assert torch.equal(planner.phy2log[physical.clamp_min(0)][physical >= 0].long(), ids[rank][ids[rank] >= 0])
        achieved += torch.bincount(physical[physical >= 0], minlength=planner.n_routed_experts)
        assert workload.tolist() == total.float().tolist()
        assert probs.tolist() == found[0][2].tolist()
        assert counter == 2 * planner.n_group
    assert achieved.tolist() == plan.quota.tolist()
