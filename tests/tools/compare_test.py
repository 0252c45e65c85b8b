#!/usr/bin/env python3
"""Tests of benchmarks/compare.py."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import compare  # noqa: E402


def entry(name, cpu_time, aggregate=None, unit="us"):
    result = {"name": name, "run_name": name, "cpu_time": cpu_time, "real_time": 99.0, "time_unit": unit}
    return {**result, "name": f"{name}_{aggregate}", "aggregate_name": aggregate} if aggregate else result


class CompareTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, content):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(content if isinstance(content, str) else json.dumps({"benchmarks": content}), encoding="utf-8")
        return str(path)

    def run_main(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = compare.main(list(argv))
        return code, out.getvalue(), err.getvalue()

    def test_median_is_preferred_and_units_are_converted(self):
        results = {
            "benchmarks": [
                entry("s/cpu/lplb/a", 7.0),
                entry("s/cpu/lplb/a", 2.0, "median", "ms"),
                entry("s/cpu/lplb/a", 0.1, "cv", "ms"),
                entry("s/cpu/lplb/b", 500.0, unit="ns"),
            ]
        }
        self.assertEqual(compare.times_of(results), {"s/cpu/lplb/a": 2000.0, "s/cpu/lplb/b": 0.5})

    def test_ratio_is_against_the_fastest_peer(self):
        path = self.write(
            "r.json",
            [entry("s/cpu/lplb/a", 2.0), entry("s/cpu/slow/a", 900.0), entry("s/cpu/fast/a", 30.0)],
        )
        code, out, err = self.run_main(path)
        self.assertEqual((code, err), (0, ""))
        header, row = out.splitlines()
        self.assertEqual(header.split(), ["case", "(us)", "lplb", "fast", "slow", "faster", "than"])
        self.assertEqual(row.split(), ["s/cpu/a", "2.00", "30.00", "900", "15.0x", "fast"])

    def test_a_case_below_the_threshold_fails(self):
        path = self.write("r.json", [entry("s/cpu/lplb/a/x", 2.0), entry("s/cpu/peer/a/x", 19.0)])
        self.assertEqual(self.run_main(path, "--at-least", "9")[0], 0)
        code, _, err = self.run_main(path, "--at-least", "10")
        self.assertEqual((code, err), (1, "s/cpu/a/x: 9.50 times faster than peer, not 10\n"))

    def test_cases_without_peer_and_peers_without_us_are_left_out(self):
        path = self.write(
            "r.json",
            [
                entry("s/cpu/lplb/alone", 1.0),
                entry("s/cpu/peer/only", 1.0),
                entry("short/name", 1.0),
                entry("s/cpu/lplb/a", 1.0),
                entry("s/cpu/x/a", 20.0),
                entry("s/cpu/lplb/b", 1.0),
                entry("s/cpu/y/b", 30.0),
            ],
        )
        rows = [line.split() for line in self.run_main(path)[1].splitlines()[1:]]
        self.assertEqual(rows, [["s/cpu/a", "1.00", "20.00", "-", "20.0x", "x"],
                                ["s/cpu/b", "1.00", "-", "30.00", "30.0x", "y"]])

    def test_two_files(self):
        old = self.write("old.json", [entry("a", 10.0), entry("gone", 1.0)])
        new = self.write("new.json", [entry("a", 4.0), entry("added", 1.0)])
        code, out, _ = self.run_main(old, new)
        self.assertEqual(code, 0)
        self.assertEqual([line.split() for line in out.splitlines()[1:]], [["a", "10.00", "4.00", "2.50x"]])

    def test_files_joined_by_commas(self):
        first = self.write("1.json", [entry("s/cpu/lplb/a", 1.0)])
        second = self.write("2.json", [entry("s/cpu/peer/a", 12.0)])
        self.assertIn("12.0x peer", self.run_main(f"{first},{second}")[1])

    def test_what_is_wrong_is_said_in_one_line(self):
        cases = [
            (str(pathlib.Path(self.folder.name) / "none.json"), "No such file"),
            (self.write("bad.json", "{"), "bad.json: "),
            (self.write("list.json", "[]"), "not Google Benchmark's JSON"),
            (self.write("empty.json", []), "no benchmark has a peer"),
            (
                self.write("failed.json", [{**entry("a", 1.0), "error_occurred": True, "error_message": "differs"}]),
                "a: differs",
            ),
        ]
        for path, expected in cases:
            code, _, err = self.run_main(path)
            self.assertEqual(code, 3)
            self.assertIn(expected, err)
            self.assertEqual(err.count("\n"), 1)
        disjoint = self.write("x.json", [entry("x", 1.0)]), self.write("y.json", [entry("y", 1.0)])
        self.assertIn("no benchmark in common", self.run_main(*disjoint)[2])


if __name__ == "__main__":
    unittest.main()
