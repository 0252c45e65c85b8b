#!/usr/bin/env python3
"""Reads Google Benchmark's JSON and prints ratios.

  compare.py RESULTS.json                 every case: our time, each peer's, and how often we are faster than the fastest
  compare.py RESULTS.json --at-least 10   the same; exits 1 when a case is below 10 times
  compare.py OLD.json NEW.json            every benchmark that both have: old time, new time, old / new

Benchmarks are named stage/device/solver/case; the solver "lplb" is ours. Times are CPU time; of repetitions, the median.
Several files can be given at once, joined by commas.
"""

import argparse
import json
import sys

OURS = "lplb"
US_PER_UNIT = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}


class ResultsError(Exception):
    """The file does not hold what it should."""


def read_times(paths):
    """Benchmark name -> microseconds, from one file or several joined by commas."""
    times = {}
    for path in paths.split(","):
        try:
            with open(path, encoding="utf-8") as file:
                times.update(times_of(json.load(file)))
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ResultsError(f"{path}: not Google Benchmark's JSON ({error!r})") from error
    return times


def times_of(results):
    """Benchmark name -> microseconds: medians where there are any, else the single runs."""
    medians, singles = {}, {}
    for entry in results["benchmarks"]:
        if entry.get("error_occurred"):
            raise ResultsError(f"{entry['name']}: {entry.get('error_message', 'failed')}")
        kind = entry.get("aggregate_name")
        time_us = entry["cpu_time"] * US_PER_UNIT[entry["time_unit"]] if kind != "cv" else None
        if kind == "median":
            medians[entry["run_name"]] = time_us
        elif kind is None:
            singles.setdefault(entry["run_name"], time_us)
    return {**singles, **medians}


def split_name(name):
    """"stage/device/solver/case/..." -> (("stage", "device", "case/..."), "solver"), None when it has no solver."""
    parts = name.split("/")
    if len(parts) < 4:
        return None
    return (parts[0], parts[1], "/".join(parts[3:])), parts[2]


def against_peers(times):
    """Rows (case, our time, {peer: time}) of the cases that have a peer, in the order of the file."""
    cases = {}
    for name, time_us in times.items():
        parsed = split_name(name)
        if parsed:
            cases.setdefault(parsed[0], {})[parsed[1]] = time_us
    rows = []
    for case, solvers in cases.items():
        peers = {solver: time_us for solver, time_us in solvers.items() if solver != OURS}
        if OURS in solvers and peers:
            rows.append(("/".join(case), solvers[OURS], peers))
    return rows


def print_table(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def number(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def compare_peers(times, at_least):
    """Prints the table; returns the cases in which we are less than `at_least` times faster than the fastest peer."""
    rows = against_peers(times)
    if not rows:
        raise ResultsError("no benchmark has a peer")
    solvers = sorted({solver for _, _, peers in rows for solver in peers})
    table, slow = [], []
    for case, ours, peers in rows:
        fastest = min(peers, key=peers.get)
        ratio = peers[fastest] / ours
        if at_least and ratio < at_least:
            slow.append(f"{case}: {ratio:.2f} times faster than {fastest}, not {at_least:g}")
        times_of_peers = [number(peers[solver]) if solver in peers else "-" for solver in solvers]
        table.append([case, number(ours), *times_of_peers, f"{ratio:.1f}x {fastest}"])
    print_table(["case (us)", OURS, *solvers, "faster than"], table)
    return slow


def compare_files(old, new):
    """Prints old and new time of every benchmark that both have."""
    common = [name for name in old if name in new]
    if not common:
        raise ResultsError("the files have no benchmark in common")
    rows = [[name, number(old[name]), number(new[name]), f"{old[name] / new[name]:.2f}x"] for name in common]
    print_table(["benchmark (us)", "old", "new", "old/new"], rows)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="file, or files joined by commas")
    parser.add_argument("new", nargs="?", help="compare with this file instead of with the peers")
    parser.add_argument("--at-least", type=float, metavar="RATIO", help="exit 1 when we are not this much faster")
    args = parser.parse_args(argv)
    try:
        if args.new:
            compare_files(read_times(args.results), read_times(args.new))
            return 0
        slow = compare_peers(read_times(args.results), args.at_least)
    except ResultsError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 3
    for line in slow:
        print(line, file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
