#!/usr/bin/env python3
"""Adds up JUnit files and prints "N passed, N failed, N skipped". Exits 1 on a failure, or when no test passed.

Usage: sum_tests.py FILE.xml...
"""

import sys
import xml.etree.ElementTree


def count_file(path):
    """Passed, failed and skipped tests of one file of ctest's or pytest's."""
    cases = xml.etree.ElementTree.parse(path).getroot().findall(".//testcase")
    skipped = sum(case.find("skipped") is not None or case.get("status") in ("notrun", "disabled") for case in cases)
    failed = sum(
        case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"
        for case in cases
    )
    return len(cases) - failed - skipped, failed, skipped


def main(paths):
    passed, failed, skipped = (sum(column) for column in zip(*map(count_file, paths)))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
