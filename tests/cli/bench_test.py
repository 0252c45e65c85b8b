"""lplb bench placement: a small suite, the tables against the JSON."""

import json
import random
import unittest

from support import CliTestCase

STRATEGIES = ["none", "eplb", "eplb+split", "eplb-distinct+split", "cube", "hypercube", "torus", "ring", "uniform",
              "optimize"]


class BenchPlacement(CliTestCase):
    def make_suite(self):
        rng = random.Random(5)
        popularity = [rng.lognormvariate(2, 1) for _ in range(2 * 16)]
        steps = []
        for _ in range(16):
            popularity = [p * rng.lognormvariate(0, 0.3) for p in popularity]
            steps += [int(10 * p) + 1 for p in popularity]
        self.write_npy("steady.npy", [int(10 * p) + 1 for p in popularity] * 6, (6, 2, 16))
        self.write_npy("drift.npy", steps, (16, 2, 16))
        return self.write("suite.json", json.dumps({"traces": [
            {"name": "steady", "file": "steady.npy"},
            {"name": "moving", "file": "drift.npy", "drifts": True, "changes": True}]}))

    def bench(self, *args):
        return self.ok("bench", "placement", self.make_suite(), "--ranks", "4,8", "--copies", 1, "--window", 4, "--refresh",
                       4, "--effort", 300, *args)

    def test_tables_and_json_agree(self):
        out = self.bench("--json", "b.json").out
        found = json.loads(self.read("b.json"))
        self.assertEqual([(c["trace"], c["ranks"], c["copies"]) for c in found["cells"]],
                         [("steady", 4, 1), ("steady", 8, 1), ("moving", 4, 1), ("moving", 8, 1)])
        for cell in found["cells"]:
            self.assertEqual(list(cell["imbalance"]), STRATEGIES)
            others = {s: x for s, x in cell["imbalance"].items() if s != "optimize" and x is not None}
            self.assertEqual(cell["imbalance"]["hypercube"], None)
            self.assertEqual(others[cell["best_other"]], min(others.values()))
            self.assertAlmostEqual(cell["ratio"], cell["imbalance"]["optimize"] / min(others.values()))
            self.assertEqual(cell["limit"], 1.015 if cell["trace"] == "moving" else 1.005)
            self.assertEqual(cell["holds"], cell["ratio"] <= cell["limit"])
            line = "%s, %d + %d " % (cell["trace"], cell["ranks"], cell["copies"])
            (row,) = [text for text in out.split("\n") if text.startswith(line) and text.rstrip().endswith(("yes", "NO"))]
            wanted = ["-" if x is None else "%.3f" % x for x in cell["imbalance"].values()]
            self.assertEqual(row[len(line):].split(), wanted + ["%.4f" % cell["ratio"], "%.3f" % cell["limit"],
                                                                "yes" if cell["holds"] else "NO"])
        self.assertEqual(found["num_held"], sum(c["holds"] for c in found["cells"]))
        self.assertIn("The limit holds in %d of 4 rows" % found["num_held"], out)
        self.assertEqual([(m["trace"], m["ranks"]) for m in found["moves"]], [("moving", 4), ("moving", 8)])
        for move in found["moves"]:
            self.assertLessEqual(move["limited_moved"], 0.05)
            if move["gain_kept"] is not None:
                self.assertAlmostEqual(move["gain_kept"],
                                       (move["stay"] - move["limited"]) / (move["stay"] - move["free"]))

    def test_best_single_applies_everywhere(self):
        found = self.bench("--json", "-").json()
        means = {m["strategy"]: m for m in found["geometric_means"]}
        everywhere = {s: m for s, m in means.items() if m["cells"] == 4 and s != "optimize"}
        self.assertEqual(means[found["best_single"]]["mean"], min(m["mean"] for m in everywhere.values()))
        self.assertAlmostEqual(found["optimize_over_best_single"],
                               means["optimize"]["mean"] / means[found["best_single"]]["mean"])

    def test_refuses(self):
        suite = self.make_suite()
        bench = ["bench", "placement", suite, "--effort", 10]
        self.fails(2, r"trace steady has 6 steps; it must have more than the window \(8\)", *bench)
        self.fails(2, r"no trace has experts that the numbers of ranks divide", *bench, "--window", 4, "--ranks", 5)
        self.fails(2, r"--traces is where the files of a SUITE are", "bench", "placement", "--traces", "x")
        self.fails(3, r"data/moe128\.npz", "bench", "placement")  # not the root of the repository
        self.fails(3, r"steady\.npy", *bench, "--traces", "x")
        self.fails(2, r"limit of optimize \(\"x\"\)", *bench, "--window", 4, "--ranks", 4, "--max-moved", "x")


if __name__ == "__main__":
    unittest.main()
