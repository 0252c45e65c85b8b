"""lplb split: against brute force over all sets of ranks, and the certificate in words."""

import itertools
import json
import random
import re
import unittest

from support import CliTestCase


def optimum(placement, counts, num_ranks, base=None, dead=()):
    """max over sets S of live ranks of ceil((base(S) + tokens of experts with all live copies in S) / |S|)."""
    slots = len(placement) // num_ranks
    homes = [{p // slots for p, held in enumerate(placement) if held == e and p // slots not in dead}
             for e in range(len(counts))]
    live = [g for g in range(num_ranks) if g not in dead]
    best = 0
    for size in range(1, len(live) + 1):
        for ranks in itertools.combinations(live, size):
            inside = sum(w for w, home in zip(counts, homes) if home <= set(ranks))
            inside += sum(base[g] for g in ranks) if base else 0
            best = max(best, -(-inside // size))
    return best


class Split(CliTestCase):
    def setUp(self):
        super().setUp()
        # Rank 0: experts 0, 1; rank 1: 0, 2; rank 2: 2, 3.
        self.write_placement("p.json", [[0, 1, 0, 2, 2, 3]], 4, 3)

    def split(self, *args):
        return self.ok("split", "--placement", "p.json", *args, "--json", "-").json()

    def test_by_hand(self):
        # The 12 tokens of expert 3 cannot leave rank 2.
        self.write_npy("c.npy", [6, 2, 4, 12], (1, 4))
        found = self.split("--counts", "c.npy")
        self.assertEqual(found["status"], "optimal")
        self.assertEqual(found["max_load"], 12)
        self.assertEqual(found["lower_bound"], 12)
        self.assertEqual(sum(found["rank_load"]), 24)
        self.assertEqual(found["certificate"]["ranks"], [2])
        self.assertEqual(found["certificate"]["experts"], [3])
        self.assertEqual(found["certificate"]["tokens"], 12)
        self.assertAlmostEqual(found["imbalance"], 1.5)
        out = self.ok("split", "--placement", "p.json", "--counts", "c.npy").out
        self.assertIn("rank 2 holds all copies of expert 3: 12 tokens that cannot leave; "
                      "no split can do better than 12 tokens", out)
        self.assertIn("status: optimal; largest rank load 12 = lower bound 12", out)
        self.assertRegex(out, r"expert 0 +6 tokens +rank 0: \d; rank 1: \d")

    def test_all_ranks_are_the_certificate_of_a_perfect_split(self):
        self.write_npy("c.npy", [6, 2, 6, 2], (1, 4))
        out = self.ok("split", "--placement", "p.json", "--counts", "c.npy").out
        self.assertIn("all 3 ranks together have 16 tokens; no split can do better than 6 tokens, their mean", out)

    def test_long_lists_are_cut(self):
        # Rank 0 holds experts 0..5 alone, rank 1 experts 6 and 7 with room.
        self.write_placement("q.json", [[0, 1, 2, 3, 4, 5, 6, 7, -1, -1, -1, -1]], 8, 2)
        self.write_npy("c.npy", [2, 1, 9, 7, 8, 3, 1, 1], (1, 8))
        out = self.ok("split", "--placement", "q.json", "--counts", "c.npy").out
        self.assertIn("rank 0 holds all copies of experts 2, 4, 3 and 3 more: 30 tokens", out)

    def test_random_instances_against_brute_force(self):
        rng = random.Random(11)
        for trial in range(30):
            num_ranks, num_logical = rng.randint(2, 6), rng.randint(4, 12)
            slots = -(-num_logical // num_ranks) + rng.randint(0, 2)
            placement = list(range(num_logical))
            placement += [rng.randrange(num_logical) for _ in range(num_ranks * slots - num_logical)]
            rng.shuffle(placement)
            counts = [rng.choice([0, rng.randint(0, 20), rng.randint(0, 1000)]) for _ in range(num_logical)]
            base = [rng.randint(0, 200) for _ in range(num_ranks)] if trial % 2 else None
            self.write_placement("r.json", [placement], num_logical, num_ranks)
            self.write_npy("c.npy", counts, (1, num_logical))
            args = ["split", "--placement", "r.json", "--counts", "c.npy", "--json", "-"]
            if base:
                self.write_npy("b.npy", base, (1, num_ranks))
                args += ["--base-load", "b.npy"]
            found = self.ok(*args).json()
            with self.subTest(placement=placement, counts=counts, base=base):
                self.assertEqual(found["max_load"], optimum(placement, counts, num_ranks, base))
                self.assertEqual(found["lower_bound"], found["max_load"])
                loads = list(base or [0] * num_ranks)
                given = [0] * num_logical
                for slot, tokens in enumerate(found["quota"]):
                    self.assertGreaterEqual(tokens, 0)
                    loads[slot // slots] += tokens
                    given[placement[slot]] += tokens
                self.assertEqual(given, counts)
                self.assertEqual(loads, found["rank_load"])
                self.assertEqual(self.ok(*args).json(), found)

    def test_dead_ranks(self):
        self.write_npy("c.npy", [6, 2, 4, 12], (1, 4))
        found = self.split("--counts", "c.npy", "--dead", "1")
        self.assertEqual(found["rank_load"], [8, 0, 16])
        self.assertEqual(found["dead_ranks"], [1])
        self.assertAlmostEqual(found["imbalance"], 16 / 12)  # over live ranks
        out = self.ok("split", "--placement", "p.json", "--counts", "c.npy", "--dead", "1").out
        self.assertIn("rank 2 holds all live copies of experts 3 and 2", out)
        self.fails(2, r"expert 3", "split", "--placement", "p.json", "--counts", "c.npy", "--dead", "2")
        self.fails(2, r"--dead \(3\) must be ranks in 0\.\.2", "split", "--placement", "p.json", "--counts", "c.npy",
                   "--dead", "3")
        self.fails(2, r"names every rank", "split", "--placement", "p.json", "--counts", "c.npy", "--dead", "0-2")
        self.fails(2, r"--dead", "split", "--placement", "p.json", "--counts", "c.npy", "--dead", "x")

    def test_base_load_in_words(self):
        self.write_npy("c.npy", [1, 1, 1, 1], (1, 4))
        self.write_npy("b.npy", [0, 0, 50], (1, 3))
        out = self.ok("split", "--placement", "p.json", "--counts", "c.npy", "--base-load", "b.npy").out
        self.assertIn("rank 2 holds all copies of expert 3, and has base load: 51 tokens that cannot leave", out)
        self.write_npy("b.npy", [0, 0], (1, 2))
        self.fails(3, r"has 2 numbers; it must have 3", "split", "--placement", "p.json", "--counts", "c.npy",
                   "--base-load", "b.npy")

    def test_layers_and_steps(self):
        self.write_placement("two.json", [[0, 1], [1, 0]], 2, 2)
        self.write_npy("c.npy", [1, 2, 3, 4, 5, 6, 7, 8], (2, 2, 2))  # steps, layers, experts
        args = ["split", "--placement", "two.json", "--counts", "c.npy", "--json", "-"]
        self.assertEqual(self.ok(*args).json()["rank_load"], [1, 2])
        self.assertEqual(self.ok(*args, "--layer", 1).json()["rank_load"], [4, 3])
        self.assertEqual(self.ok(*args, "--layer", 1, "--step", 1).json()["rank_load"], [8, 7])
        self.fails(2, r"--layer \(2\) must be in 0\.\.1", *args, "--layer", 2)
        self.fails(2, r"--layer \(-1\) must be in 0\.\.1", *args, "--layer", -1)
        self.fails(2, r"--step \(2\) must be in 0\.\.1", *args, "--step", 2)

    def test_one_layer_of_counts_serves_every_layer(self):
        self.write_placement("two.json", [[0, 1], [1, 0]], 2, 2)
        self.write_npy("c.npy", [5, 9], (1, 2))
        found = self.ok("split", "--placement", "two.json", "--counts", "c.npy", "--layer", 1, "--json", "-").json()
        self.assertEqual(found["rank_load"], [9, 5])

    def test_a_single_row(self):
        self.write_npy("c.npy", [6, 2, 4, 12], (4,))
        self.assertEqual(self.split("--counts", "c.npy")["max_load"], 12)

    def test_source_ranks(self):
        rows = [1, 0, 0, 1, 3, 1, 2, 5, 2, 1, 2, 6]
        self.write_npy("c.npy", rows, (3, 4))
        found = self.split("--counts", "c.npy", "--rows", "sources")
        self.assertEqual(found["max_load"], 12)
        self.assertEqual(found["traffic"]["total"], 24)
        self.assertIsNone(self.split("--counts", "c.npy", "--rows", "layers", "--layer", 1)["traffic"])
        self.write_npy("d.npy", rows, (1, 1, 3, 4))
        self.assertEqual(self.split("--counts", "d.npy")["traffic"], found["traffic"])
        out = self.ok("split", "--placement", "p.json", "--counts", "d.npy").out
        self.assertRegex(out, r"% of the pairs leave their rank, 0\.0% their node")
        self.fails(2, r"--rows sources is for a file", "split", "--placement", "p.json", "--counts", "d.npy",
                   "--rows", "sources")
        self.fails(2, r"--rows", "split", "--placement", "p.json", "--counts", "c.npy", "--rows", "columns")

    def test_quotas_are_cut_unless_all_are_asked_for(self):
        self.write_placement("many.json", [list(range(32)) * 2], 32, 8)
        self.write_npy("c.npy", list(range(32)), (1, 32))
        args = ["split", "--placement", "many.json", "--counts", "c.npy"]
        short, full = self.ok(*args).out, self.ok(*args, "--all").out
        self.assertIn("and 20 more (--all shows them)", short)
        self.assertEqual(len(re.findall(r"\n  expert ", short)), 12)
        self.assertEqual(len(re.findall(r"\n  expert ", full)), 32)

    def test_refuses(self):
        self.write_npy("c.npy", [1, 2, 3], (1, 3))
        self.fails(2, r"counts 3 experts, the placement has 4", "split", "--placement", "p.json", "--counts", "c.npy")
        self.write_npy("c.npy", [1, -2, 3, 4], (1, 4))
        self.fails(3, r"c\.npy", "split", "--placement", "p.json", "--counts", "c.npy")
        self.write_npy("c.npy", [2000000000] * 4, (1, 4))
        self.fails(3, r"below 2\^31", "split", "--placement", "p.json", "--counts", "c.npy")
        self.write("p2.json", json.dumps({"physical_to_logical_map": []}))
        self.fails(3, r"p2\.json", "split", "--placement", "p2.json", "--counts", "c.npy")
        self.write_npy("c.npy", [0, 0, 0, 0], (1, 4))
        self.assertEqual(self.split("--counts", "c.npy")["max_load"], 0)


if __name__ == "__main__":
    unittest.main()
