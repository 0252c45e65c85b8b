"""lplb place and lplb verify, one after the other as they are used."""

import json
import random
import unittest

from support import CliTestCase

POLICIES = ["none", "eplb", "eplb-distinct", "cube", "hypercube", "torus", "ring", "uniform", "torus:4x4"]


class Place(CliTestCase):
    def make_loads(self, layers=3, experts=64, code="f4"):
        rng = random.Random(3)
        values = [rng.lognormvariate(3, 1) for _ in range(layers * experts)]
        return self.write_npy("loads.npy", values, (layers, experts), code)

    def test_every_policy_gives_a_valid_placement(self):
        loads = self.make_loads()
        for policy in POLICIES:
            with self.subTest(policy=policy):
                self.ok("place", loads, "--policy", policy, "--ranks", 16, "--nodes", 2, "--out", "p.json")
                found = self.ok("verify", "p.json", "--json", "-").json()
                self.assertTrue(found["valid"])
                self.assertEqual(found["num_layers"], 3)
                self.assertEqual(found["num_ranks"], 16)
                self.assertEqual(found["num_nodes"], 2)
                self.assertEqual(found["num_physical_experts"], 64 if policy == "none" else 96)
                if policy in ("eplb-distinct", "cube", "torus", "uniform"):
                    self.assertEqual(found["colocations"], [])

    def test_eplb_by_hand(self):
        # The example of one layer, 4 experts, 8 replicas, 4 groups, 2 nodes, 4 GPUs.
        self.write_npy("w.npy", [200, 150, 100, 50], (1, 4))
        self.ok("place", "w.npy", "--policy", "eplb", "--ranks", 4, "--nodes", 2, "--groups", 4, "--replicas", 8,
                "--out", "p.json")
        placed = json.loads(self.read("p.json"))["physical_to_logical_map"]
        self.assertEqual(len(placed[0]), 8)
        self.assertEqual(set(placed[0]), {0, 1, 2, 3})

    def test_expected_balance_by_hand(self):
        # Two ranks, loads 3 1 1 1: in order 4 | 2; a cube is not needed to see that.
        self.write_npy("w.npy", [3, 1, 1, 1], (1, 4))
        found = self.ok("place", "w.npy", "--policy", "none", "--ranks", 2, "--json", "-").json()
        (layer,) = found["imbalance"]
        for key in ["no_copies", "even_division", "exact_split"]:
            self.assertAlmostEqual(layer[key], 4 / 3)

    def test_split_is_never_worse_than_even_division(self):
        loads = self.make_loads()
        for policy in POLICIES:
            for layer in self.ok("place", loads, "--policy", policy, "--ranks", 16, "--json", "-").json()["imbalance"]:
                self.assertLessEqual(layer["exact_split"], layer["even_division"] + 1e-6, policy)

    def test_tiny_and_huge_loads(self):
        for scale in [1e-12, 1e12]:
            self.write_npy("w.npy", [scale * (e + 1) for e in range(64)], (1, 64), "f8")
            for policy in ["eplb", "cube"]:
                (layer,) = self.ok("place", "w.npy", "--policy", policy, "--ranks", 8, "--json",
                                   "-").json()["imbalance"]
                self.assertLess(layer["exact_split"], 1.01)

    def test_no_load_at_all(self):
        self.write_npy("w.npy", [0] * 16, (1, 16))
        for policy in ["eplb", "cube"]:
            (layer,) = self.ok("place", "w.npy", "--policy", policy, "--ranks", 8, "--json", "-").json()["imbalance"]
            self.assertEqual(layer["exact_split"], 1)

    def test_out_to_stdout_is_the_placement_alone(self):
        loads = self.make_loads()
        placed = self.ok("place", loads, "--ranks", 16, "--out", "-").json()
        self.assertEqual(len(placed["physical_to_logical_map"]), 3)
        self.assertEqual(placed["num_ranks"], 16)

    def test_json_has_the_placement_too(self):
        loads = self.make_loads()
        found = self.ok("place", loads, "--ranks", 16, "--out", "p.json", "--json", "-").json()
        self.assertEqual(found["placement"], json.loads(self.read("p.json")))

    def test_without_out_says_that_nothing_was_written(self):
        self.assertIn("add --out", self.ok("place", self.make_loads(), "--ranks", 16).out)

    def test_a_trace_is_summed(self):
        self.write_npy("trace.npy", [1, 2, 3, 4, 5, 6, 7, 8], (2, 1, 4))
        self.write_npy("sum.npy", [6, 8, 10, 12], (1, 4))
        args = ["--ranks", 2, "--redundant", 1, "--out", "-"]
        self.assertEqual(self.ok("place", "trace.npy", *args).out, self.ok("place", "sum.npy", *args).out)

    def test_seed(self):
        loads = self.make_loads()

        def run(seed):
            return self.ok("place", loads, "--policy", "uniform", "--ranks", 16, "--seed", seed, "--out", "-").out
        self.assertEqual(run(1), run(1))
        self.assertNotEqual(run(1), run(2))

    def test_refuses(self):
        loads = self.make_loads()
        self.fails(2, r"policy \(\"best\"\) must be none, eplb", "place", loads, "--ranks", 16, "--policy", "best")
        self.fails(2, r"num_physical \(70\) must be a multiple of num_ranks \(16\)", "place", loads, "--ranks", 16,
                   "--replicas", 70)
        self.fails(2, r"num_physical \(32\) must be in num_logical \(64\)", "place", loads, "--ranks", 16,
                   "--replicas", 32)
        self.fails(2, r"--redundant", "place", loads, "--ranks", 16, "--replicas", 96, "--redundant", 2)
        self.fails(2, r"--redundant", "place", loads, "--ranks", 16, "--redundant", -1)
        self.fails(2, r"none makes no copies", "place", loads, "--ranks", 16, "--policy", "none", "--redundant", 1)
        self.fails(2, r"too many", "place", loads, "--ranks", 16, "--redundant", 2147483647)
        self.fails(2, r"too many", "place", loads, "--ranks", 2147483647)
        self.fails(2, r"--out - and --json -", "place", loads, "--ranks", 16, "--out", "-", "--json", "-")
        self.fails(2, r"12 ranks cannot be divided into cubes of 8", "place", loads, "--ranks", 12, "--policy", "cube")
        self.fails(2, r"num_ranks \(0\)", "place", loads, "--ranks", 0)
        self.fails(2, r"num_nodes \(0\)", "place", loads, "--ranks", 16, "--nodes", 0)
        self.fails(2, r"num_nodes \(0\)", "place", loads, "--ranks", 16, "--nodes", 0, "--policy", "torus")
        self.fails(3, r"no/p\.json", "place", loads, "--ranks", 16, "--out", "no/p.json")

    def test_bad_loads(self):
        for values, code in [([1, -1], "f4"), ([1, float("nan")], "f4"), ([1, float("inf")], "f8"), ([1, -1], "i4")]:
            self.write_npy("bad.npy", values, (1, 2), code)
            self.fails(3, r"bad\.npy", "place", "bad.npy", "--ranks", 2, "--redundant", 1)


class Verify(CliTestCase):
    def test_says_what_is_in_it(self):
        self.write_placement("p.json", [[0, 1, 2, 0, 3, 3, 2, -1]], 4, 2)
        found = self.ok("verify", "p.json", "--json", "-").json()
        self.assertEqual(found["experts_by_copies"], {"1": 1, "2": 3})
        self.assertEqual(found["colocations"],
                         [{"layer": 0, "expert": 0, "rank": 0, "num_copies": 2},
                          {"layer": 0, "expert": 3, "rank": 1, "num_copies": 2}])
        self.assertEqual(found["num_empty_slots"], 1)
        self.assertEqual(found["components"], [1])
        out = self.ok("verify", "p.json").out
        self.assertIn("p.json: valid", out)
        self.assertIn("colocations: 2", out)
        self.assertIn("layer 0: 2 copies of expert 3 on rank 1", out)

    def test_many_colocations_are_cut_short(self):
        self.write_placement("p.json", [[0, 0, 1, 1, 2, 2, 3, 3]] * 3, 4, 4)
        self.assertIn("and 7 more (--json lists them)", self.ok("verify", "p.json").out)

    def test_components(self):
        self.write_placement("p.json", [[0, 1, 1, 0, 2, 3, 3, 2]], 4, 4)
        self.assertEqual(self.ok("verify", "p.json", "--json", "-").json()["components"], [2])

    def test_invalid_files(self):
        good = {"physical_to_logical_map": [[0, 1, 0, 1]], "num_logical_experts": 2, "num_ranks": 2, "num_nodes": 1}

        def variant(**changes):
            return json.dumps(dict(good, **changes))
        for contents in ["", "{", "[]", "{}", "null", variant(num_ranks=3), variant(num_nodes=4), variant(num_ranks=0),
                         variant(num_logical_experts=3), variant(physical_to_logical_map=[[0, 5, 0, 1]]),
                         variant(physical_to_logical_map=[]), variant(physical_to_logical_map=[[]]),
                         variant(physical_to_logical_map=[[0, 1], [0, 1, 0, 1]]),
                         variant(physical_to_logical_map="x"), variant(num_ranks="2"), variant(num_ranks=-2),
                         variant(num_logical_experts=1 << 40), "\x00\xff"]:
            with self.subTest(contents=contents):
                self.write("p.json", contents.encode("latin-1"))
                self.fails(3, r"p\.json", "verify", "p.json")


if __name__ == "__main__":
    unittest.main()
