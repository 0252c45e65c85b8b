"""Tests of tools/sum_tests.py: files as ctest and pytest write them."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "sum_tests.py"
PASSED = '<testcase name="a" status="run"/>'
SKIPPED = '<testcase name="b"><skipped message="absent"/></testcase>'
DISABLED = '<testcase name="c" status="disabled"/>'
FAILED = '<testcase name="d"><failure message="no"/></testcase>'
ERROR = '<testcase name="e"><error message="fixture"/></testcase>'


def sum_of(*files):
    """Exit status and last line of the script on files that hold these cases."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"{i}.xml") for i in range(len(files))]
        for path, cases in zip(paths, files):
            path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPT, *paths], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class SumTests(unittest.TestCase):
    def test_files_are_added_up(self):
        self.assertEqual(sum_of(PASSED + SKIPPED, PASSED + DISABLED), (0, "2 passed, 0 failed, 2 skipped\n"))

    def test_failures_and_errors_count_as_failed(self):
        self.assertEqual(sum_of(PASSED + FAILED, PASSED + ERROR), (1, "2 passed, 2 failed, 0 skipped\n"))

    def test_no_passed_test_is_a_failure(self):
        self.assertEqual(sum_of(SKIPPED), (1, "0 passed, 0 failed, 1 skipped\n"))


if __name__ == "__main__":
    unittest.main()
