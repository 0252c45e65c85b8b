"""Tests of tools/cuda_resources.py: what ptxas -v prints, demangled, becomes rows."""

import pathlib
import subprocess
import sys
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "cuda_resources.py"

OUTPUT = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'void lplb::cuda::(anonymous namespace)::b_kernel<(int)8, long>(lplb::P<T1>)' for 'sm_90'
ptxas info    : Function properties for b_kernel
    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 32 bytes smem
ptxas info    : Compiling entry function 'lplb::cuda::a_kernel()' for 'sm_90'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 4 registers, used 0 barriers
"""


class CudaResources(unittest.TestCase):
    def test_rows_by_name(self):
        done = subprocess.run([sys.executable, SCRIPT], input=OUTPUT, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "| `a_kernel` | 4 | 0 | 0 | 0 |\n| `b_kernel<8, long>` | 40 | 32 | 16 | 12 |\n")

    def test_nothing_to_say(self):
        done = subprocess.run([sys.executable, SCRIPT], input="", capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
