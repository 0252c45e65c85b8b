#!/usr/bin/env python3
"""Tests of benchmarks/keep_medians.py."""

import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import keep_medians  # noqa: E402

RAW = {
    "context": {"date": "today", "host_name": "secret", "executable": "/home/somebody/bench", "num_cpus": 2},
    "benchmarks": [
        {"name": "a", "cpu_time": 1.0},
        {"name": "a_mean", "aggregate_name": "mean", "cpu_time": 1.0},
        {"name": "a_median", "aggregate_name": "median", "cpu_time": 1.23456789, "iterations": 5},
        {"name": "a_cv", "aggregate_name": "cv", "cpu_time": 0.01},
    ],
}


class KeepMediansTest(unittest.TestCase):
    def test_keeps_medians_and_their_spread_without_the_machine(self):
        with tempfile.TemporaryDirectory() as folder:
            raw, kept = pathlib.Path(folder) / "raw.json", pathlib.Path(folder) / "kept.json"
            raw.write_text(json.dumps(RAW), encoding="utf-8")
            keep_medians.main(str(raw), str(kept))
            result = json.loads(kept.read_text(encoding="utf-8"))
        self.assertEqual(result["context"], {"date": "today", "num_cpus": 2})
        self.assertEqual([entry["name"] for entry in result["benchmarks"]], ["a_median", "a_cv"])
        self.assertEqual(result["benchmarks"][0], {**RAW["benchmarks"][2], "cpu_time": 1.23457})

    def test_refuses_results_of_which_one_failed(self):
        failed = {"name": "b", "error_occurred": True}
        with self.assertRaisesRegex(SystemExit, "failed: b"):
            keep_medians.keep_medians({"context": {}, "benchmarks": [failed]})


if __name__ == "__main__":
    unittest.main()
