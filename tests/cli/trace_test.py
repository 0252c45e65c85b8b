"""lplb trace info, lplb trace convert and lplb trace synth."""

import json
import unittest

from support import CliTestCase


class Info(CliTestCase):
    def test_by_hand(self):
        # Two steps of 8 experts: the second is the first doubled, so the correlation is 1.
        first = [10, 0, 0, 0, 0, 0, 0, 6]
        self.write_npy("t.npy", first + [2 * n for n in first], (2, 1, 8))
        found = self.ok("trace", "info", "t.npy", "--json", "-").json()
        self.assertEqual([found[k] for k in ["num_steps", "num_layers", "num_sources", "num_experts"]], [2, 1, 1, 8])
        self.assertEqual(found["total_tokens"], 48)
        self.assertEqual(found["tokens_per_step"], 24)
        self.assertAlmostEqual(found["hottest_over_mean"], 5)
        self.assertAlmostEqual(found["idle_share"], 0.75)
        self.assertEqual(found["contiguous_imbalance"], [{"num_ranks": 8, "mean": 5.0, "max": 5.0}])
        self.assertAlmostEqual(found["step_correlation"], 1)
        out = self.ok("trace", "info", "t.npy").out
        self.assertIn("steps 2, layers 1, source ranks unknown, experts 8", out)
        self.assertRegex(out, r"8 ranks +5\.000 +5\.000")

    def test_sources_are_summed(self):
        self.write_npy("t.npy", [1, 2, 3, 4] * 4, (2, 1, 2, 4))
        found = self.ok("trace", "info", "t.npy", "--json", "-").json()
        self.assertEqual(found["num_sources"], 2)
        self.assertEqual(found["total_tokens"], 40)
        self.assertEqual(found["contiguous_imbalance"], [])
        self.assertIn("do not divide", self.ok("trace", "info", "t.npy").out)

    def test_one_flat_step_has_no_correlation(self):
        self.write_npy("t.npy", [5] * 16, (2, 1, 8))
        self.assertIsNone(self.ok("trace", "info", "t.npy", "--json", "-").json()["step_correlation"])
        self.write_npy("t.npy", [0] * 8, (1, 1, 8))
        found = self.ok("trace", "info", "t.npy", "--json", "-").json()
        self.assertEqual(found["contiguous_imbalance"][0]["mean"], 1)

    def test_token_level_options(self):
        ids = [0, 1, 1, 2, 3, 0, 1, 3]  # four tokens, one layer, two choices each
        self.write_npz("t.npz", topk=(ids, (4, 1, 2), "i4"))
        found = self.ok("trace", "info", "t.npz", "--tokens-per-step", 2, "--experts", 8, "--json", "-").json()
        self.assertEqual([found[k] for k in ["num_steps", "num_layers", "num_experts"]], [2, 1, 8])
        self.assertEqual(found["total_tokens"], 8)
        self.fails(2, r"--tokens-per-step", "trace", "info", "t.npz", "--tokens-per-step", 0)
        self.fails(2, r"--experts", "trace", "info", "t.npz", "--experts", -1)
        self.fails(3, r"nothing", "trace", "info", "t.npz", "--array", "nothing")


class Convert(CliTestCase):
    def test_another_format_holds_the_same(self):
        self.write_npy("t.npy", list(range(24)), (2, 3, 4))
        out = self.ok("trace", "convert", "t.npy", "--out", "t.csv").out
        self.assertEqual(out, "t.csv: 2 steps, 3 layers, 1 sources, 4 experts\n")
        found = self.ok("trace", "convert", "t.csv", "--out", "t.json", "--json", "-").json()
        self.assertEqual(found, {"file": "t.json", "num_steps": 2, "num_layers": 3, "num_sources": 1, "num_experts": 4})
        with open(self.path("t.json")) as file:
            self.assertEqual(json.load(file)["counts"][1][2], [20, 21, 22, 23])

    def test_what_only_torch_can_read_is_said(self):
        self.fails(2, r"dump\.pt: only torch can read \.pt; use the command lplb of the Python package",
                   "trace", "convert", "dump.pt", "--out", "t.npz")

    def test_bad_files(self):
        self.fails(3, r"absent\.npz", "trace", "convert", "absent.npz", "--out", "t.npz")
        self.write_npy("t.npy", [1, 2], (1, 1, 2))
        self.fails(2, r"t\.txt", "trace", "convert", "t.npy", "--out", "t.txt")


class Synth(CliTestCase):
    def test_shape_in_every_format(self):
        for name in ["t.npz", "t.npy", "t.csv", "t.json"]:
            with self.subTest(name=name):
                self.ok("trace", "synth", "--steps", 3, "--layers", 2, "--experts", 16, "--tokens", 500, "--out", name)
                found = self.ok("trace", "info", name, "--json", "-").json()
                self.assertEqual([found[k] for k in ["num_steps", "num_layers", "num_experts"]], [3, 2, 16])
                self.assertEqual(found["total_tokens"], 3 * 2 * 500)

    def test_seed(self):
        def info(seed, name):
            self.ok("trace", "synth", "--steps", 3, "--experts", 16, "--seed", seed, "--out", name)
            return self.read(name)
        self.assertEqual(info(1, "a.json"), info(1, "b.json"))
        self.assertNotEqual(info(1, "a.json"), info(2, "c.json"))

    def test_skew_and_drift_do_what_they_say(self):
        def info(**args):
            words = [word for key, value in args.items() for word in ("--" + key, value)]
            self.ok("trace", "synth", "--steps", 16, "--experts", 64, "--tokens", 100000, *words, "--out", "t.npz")
            return self.ok("trace", "info", "t.npz", "--json", "-").json()
        flat, skewed = info(skew=0), info(skew=1)
        self.assertLess(flat["hottest_over_mean"], 1.2)
        self.assertGreater(skewed["hottest_over_mean"], 3)
        self.assertGreater(skewed["step_correlation"], 0.99)
        self.assertLess(info(skew=1, drift=1)["step_correlation"], 0.5)

    def test_refuses(self):
        self.fails(2, r"--out is required", "trace", "synth")
        for option, value in [("--steps", 0), ("--layers", -1), ("--experts", 0), ("--experts", 100000),
                              ("--sources", 0), ("--tokens", -5), ("--skew", -1), ("--skew", "nan"), ("--drift", 2)]:
            with self.subTest(option=option, value=value):
                self.fails(2, option.strip("-"), "trace", "synth", option, value, "--out", "t.npz")
        self.fails(2, r"t\.xyz", "trace", "synth", "--experts", 8, "--out", "t.xyz")
        self.fails(3, r"no/t\.npz", "trace", "synth", "--experts", 8, "--out", "no/t.npz")

    def test_more_than_memory_is_refused_at_once(self):
        for steps in [2000000000, 16777216]:
            self.fails(2, r"\[synthesize_trace\]|memory", "trace", "synth", "--steps", steps, "--layers", 1000,
                       "--experts", 4096, "--out", "t.npz")


if __name__ == "__main__":
    unittest.main()
