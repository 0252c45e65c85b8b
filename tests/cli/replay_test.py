"""lplb replay: the table, the JSON and the page say the same, and are right on instances done by hand."""

import json
import os
import random
import re
import unittest

from support import BUNDLED_TRACE, SOURCE_DIR, CliTestCase

ALL = ["none", "eplb", "eplb+split", "cube", "hypercube", "torus", "ring", "uniform"]


def table_rows(out):
    """Name -> cells of the table."""
    rows = {}
    for line in out.split("\n"):
        cells = line.replace(" * ", " ").split()
        if cells and cells[0] in ALL and len(cells) >= 2 and (cells[1] == "skipped" or len(cells) == 12):
            rows[cells[0]] = cells[1:]
    return rows


class Replay(CliTestCase):
    def make_trace(self, steps=12, layers=2, sources=16, experts=32):
        rng = random.Random(7)
        popularity = [rng.lognormvariate(0, 1) for _ in range(layers * experts)]
        values = [int(20 * popularity[layer * experts + e] * rng.random())
                  for _ in range(steps) for layer in range(layers) for _ in range(sources) for e in range(experts)]
        return self.write_npz("t.npz", counts=(values, (steps, layers, sources, experts), "u2"))

    def test_by_hand(self):
        # 2 ranks, 4 experts, no copies: loads 30 and 70 after the first step.
        self.write_npy("t.npy", [9, 9, 9, 9, 10, 20, 30, 40], (2, 1, 4))
        result = self.ok("replay", "t.npy", "--ranks", 2, "--redundant", 1, "--window", 1, "--strategy", "none",
                         "--json", "-").json()
        (none,) = result["results"]
        self.assertAlmostEqual(none["imbalance"]["mean"], 1.4)
        self.assertAlmostEqual(none["imbalance"]["max"], 1.4)
        self.assertAlmostEqual(none["balancedness"]["mean"], 50 / 70)
        self.assertIsNone(none["cross_node_fraction"])

    def test_table_equals_json(self):
        trace = self.make_trace()
        out = self.ok("replay", trace, "--ranks", 16, "--nodes", 2, "--redundant", 2, "--window", 4, "--refresh", 3,
                      "--json", "r.json").out
        rows = table_rows(out)
        results = {r["strategy"]: r for r in json.loads(self.read("r.json"))["results"]}
        self.assertEqual(list(results), ALL)
        self.assertEqual(sorted(rows), sorted(ALL))
        for name, row in rows.items():
            result = results[name]
            with self.subTest(strategy=name):
                if "skipped" in result and result["skipped"]:
                    self.assertEqual(row, ["skipped"])
                    continue
                wanted = [result["imbalance"][q] for q in ["mean", "p50", "p99", "max"]]
                wanted.append(result["balancedness"]["mean"])
                self.assertEqual(row[:5], ["%.3f" % value for value in wanted])
                self.assertEqual(row[6], "%.1f%%" % (100 * result["cross_node_fraction"]))
                self.assertEqual(row[7], "%d/4" % result["refreshes_made"])
                self.assertEqual(row[8], "%.1f" % (result["copies_moved"] / 2))
                if name in ("none", "eplb"):
                    self.assertEqual(row[9:], ["-", "-"])
                else:
                    self.assertEqual(row[9], "%.1f" % result["plan_us"]["p50"])
                    self.assertGreater(result["plan_us"]["p50"], 0)

    def test_skipped_strategies_say_why(self):
        trace = self.make_trace()
        out = self.ok("replay", trace, "--ranks", 8, "--window", 4).out
        self.assertIn("hypercube skipped: 8 ranks cannot be divided into hypercubes of 16", out)
        self.assertEqual(table_rows(out)["hypercube"], ["skipped"])

    def test_best_is_marked_once(self):
        trace = self.make_trace()
        out = self.ok("replay", trace, "--ranks", 8, "--window", 4, "--json", "r.json").out
        marked = re.findall(r"\n(\S+) \* ", out)
        self.assertEqual(len(marked), 1)
        results = [r for r in json.loads(self.read("r.json"))["results"] if not r.get("skipped")]
        best = min(results, key=lambda r: (r["imbalance"]["mean"], r["imbalance"]["p99"], r["copies_moved"]))
        self.assertEqual(marked[0], best["strategy"])
        self.assertIn("* lowest mean imbalance: " + marked[0], out)

    def test_strategies_in_the_order_given_and_by_comma(self):
        trace = self.make_trace()
        for args in (["--strategy", "ring", "--strategy", "none"], ["--strategy", "ring,none"]):
            result = self.ok("replay", *args, trace, "--ranks", 8, "--window", 4, "--json", "-").json()
            self.assertEqual([r["strategy"] for r in result["results"]], ["ring", "none"])

    def test_layers(self):
        trace = self.make_trace(layers=6, steps=6, sources=1)
        result = self.ok("replay", trace, "--ranks", 8, "--window", 4, "--layers", "0,3-5", "--strategy", "none",
                         "--json", "-").json()
        self.assertIn([0, 3, 4, 5], [result["trace"].get("layers"), result["config"].get("layers")])
        for bad in ["6", "3-1", "x", "1,,2", "-1", "0-99999999999", "1-", "0x2", ","]:
            with self.subTest(layers=bad):
                self.fails(2, r"layer", "replay", trace, "--ranks", 8, "--window", 4, "--layers=" + bad)

    def test_same_numbers_on_every_run_and_thread_count(self):
        trace = self.make_trace()

        def run(threads):
            result = self.ok("replay", trace, "--ranks", 16, "--nodes", 2, "--window", 4, "--threads", threads,
                             "--json", "-").json()
            for row in result["results"]:
                row.pop("plan_us", None)
                row.pop("place_us", None)
            return result["results"]
        first = run(1)
        self.assertEqual(first, run(1))
        self.assertEqual(first, run(4))

    def replay_optimize(self, *args):
        trace = self.make_trace(steps=14, experts=24)
        results = self.ok("replay", trace, "--ranks", 8, "--redundant", 1, "--window", 4, "--refresh", 3, "--effort",
                          300, *args, "--json", "-").json()["results"]
        return {r["strategy"]: r for r in results}

    def test_optimize_is_judged_when_named(self):
        found = self.replay_optimize("--strategy", "none,eplb+split,optimize")
        self.assertLess(found["optimize"]["imbalance"]["mean"], found["none"]["imbalance"]["mean"])
        self.assertIn("chosen for the split", found["optimize"]["description"])
        self.assertGreater(found["optimize"]["copies_moved"], 0)
        self.assertLessEqual(found["optimize"]["refreshes_made"], 3 * 2)
        self.assertTrue(found["optimize"]["limits"]["experts"])
        self.assertNotIn("limits", found["eplb+split"])

    def test_optimize_keeps_to_its_limit(self):
        # 32 slots: 25% are 8 copies, of 2 layers at each of 3 refreshes.
        found = self.replay_optimize("--strategy", "optimize,optimize:1,optimize:0", "--max-moved", "25%")
        self.assertLessEqual(found["optimize"]["copies_moved"], 8 * 2 * 3)
        self.assertLessEqual(found["optimize:1"]["copies_moved"], 2 * 3)
        self.assertEqual(found["optimize:0"]["copies_moved"], 0)
        self.assertEqual(found["optimize:0"]["refreshes_made"], 0)
        self.assertIn("at most 25% of the copies moved", found["optimize"]["description"])
        self.assertIn("at most 1 copy moved", found["optimize:1"]["description"])

    def test_refreshes_that_are_not_worth_it_are_left_out(self):
        free = self.replay_optimize("--strategy", "optimize")["optimize"]
        dear = self.replay_optimize("--strategy", "optimize", "--refresh-if-worth", 100)["optimize"]
        self.assertGreater(free["refreshes_made"], 0)
        self.assertEqual((dear["refreshes_made"], dear["copies_moved"]), (0, 0))
        self.assertIn("only where that is worth its moves", dear["description"])

    def test_optimize_refuses(self):
        trace = self.make_trace()
        args = ["replay", trace, "--ranks", 8, "--strategy"]
        self.fails(2, r"the limit of optimize \(\"5x\"\) must be a number of copies", *args, "optimize:5x")
        self.fails(2, r"--max-moved \(\"101%\"\) must be", *args, "optimize", "--max-moved", "101%")
        self.fails(2, r"--hysteresis requires --refresh-if-worth", *args, "optimize", "--hysteresis", 2)
        self.fails(2, r"--effort", *args, "optimize", "--effort", -1)

    def test_report_is_written_with_the_command(self):
        trace = self.make_trace()
        out = self.ok("replay", trace, "--ranks", 8, "--window", 4, "--strategy", "none", "--strategy", "eplb+split",
                      "--report", "a page.html").out
        self.assertIn("Report: a page.html", out)
        page = self.read("a page.html")
        self.assertIn("--strategy eplb+split", page)
        self.assertRegex(page, r"--report (&#0?39;|&#x27;|&apos;|'|\\u0027)a page\.html")
        self.assertNotRegex(page, r"(src|href)=\"https?://")

    def test_report_that_cannot_be_written(self):
        self.fails(3, r"cannot write no/dir\.html", "replay", self.make_trace(), "--ranks", 8, "--window", 4,
                   "--strategy", "none", "--report", "no/dir.html")

    def test_refuses(self):
        trace = self.make_trace()
        self.fails(2, r"strategy \(\"magic\"\) must be one of", "replay", trace, "--ranks", 8, "--strategy", "magic")
        self.fails(2, r"window \(12\) must be .* less than the steps of the trace \(12\)", "replay", trace,
                   "--ranks", 8, "--window", 12)
        self.fails(2, r"num_ranks \(0\)", "replay", trace, "--ranks", 0)
        self.fails(2, r"num_ranks \(-8\)", "replay", trace, "--ranks", -8)
        self.fails(2, r"num_ranks \(2000\)", "replay", trace, "--ranks", 2000)
        self.fails(2, r"num_nodes \(3\) must divide", "replay", trace, "--ranks", 8, "--nodes", 3)
        self.fails(2, r"num_redundant", "replay", trace, "--ranks", 8, "--redundant", 2147483647)
        self.fails(2, r"refresh \(0\)", "replay", trace, "--ranks", 8, "--refresh", 0)
        self.fails(2, r"--threads", "replay", trace, "--ranks", 8, "--threads", -1)

    def test_numbers_at_the_edge_of_their_type(self):
        trace = self.make_trace()
        self.ok("replay", trace, "--ranks", 8, "--window", 4, "--refresh", 2147483647, "--strategy", "eplb",
                "--seed", 18446744073709551615, "--groups", 2147483647)

    def test_files_that_are_no_traces(self):
        for name, contents in [("empty.npz", b""), ("text.npy", b"hello"), ("short.npy", b"\x93NUMPY\x01\x00"),
                               ("bad.json", b"{"), ("bad.csv", b"1,2\nx,3\n"), ("what.xyz", b"1")]:
            with self.subTest(name=name):
                self.write(name, contents)
                self.fails(3, name.replace(".", r"\."), "replay", name, "--ranks", 8)


@unittest.skipUnless(os.path.exists(BUNDLED_TRACE), "the bundled trace is not there")
class BundledTrace(CliTestCase):
    def test_split_never_loses_against_even_division(self):
        result = self.ok("replay", BUNDLED_TRACE, "--ranks", 32, "--nodes", 4, "--redundant", 2, "--layers", "0,3",
                         "--json", "-").json()
        by_name = {r["strategy"]: r for r in result["results"]}
        self.assertEqual(list(by_name), ALL)
        self.assertLess(by_name["eplb+split"]["imbalance"]["mean"], by_name["eplb"]["imbalance"]["mean"])
        for name in ALL:
            self.assertFalse(by_name[name].get("skipped"), name)
            self.assertLess(by_name[name]["cross_node_fraction"], 1)

    def test_the_example_of_the_help_runs(self):
        text = self.ok("replay", "--help").out
        example = re.search(r"EXAMPLES?\n\s+lplb (replay [^\n]*)", text).group(1)
        words = [os.path.join(SOURCE_DIR, w) if w.startswith("data/") else w for w in example.split()]
        self.ok(*words)
        self.assertTrue(os.path.exists(self.path("report.html")))


if __name__ == "__main__":
    unittest.main()
