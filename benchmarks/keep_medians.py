#!/usr/bin/env python3
"""Makes a Google Benchmark JSON fit to be kept: medians and their coefficients of variation, without what tells of the
machine more than its processor.

  keep_medians.py RAW.json KEPT.json
"""

import json
import sys

PRIVATE = ("host_name", "executable")
KEPT_AGGREGATES = ("median", "cv")
NUM_DIGITS = 6


def round_numbers(entry):
    return {key: float(f"{value:.{NUM_DIGITS}g}") if isinstance(value, float) else value for key, value in entry.items()}


def keep_medians(results):
    context = {key: value for key, value in results["context"].items() if key not in PRIVATE}
    failed = [entry["name"] for entry in results["benchmarks"] if entry.get("error_occurred")]
    if failed:
        raise SystemExit(f"keep_medians.py: failed: {', '.join(failed)}")
    kept = [entry for entry in results["benchmarks"] if entry.get("aggregate_name") in KEPT_AGGREGATES]
    return {"context": context, "benchmarks": [round_numbers(entry) for entry in kept]}


def main(raw_path, kept_path):
    with open(raw_path, encoding="utf-8") as file:
        kept = keep_medians(json.load(file))
    with open(kept_path, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
