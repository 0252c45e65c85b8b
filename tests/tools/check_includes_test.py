"""Tests of tools/check_includes.py: trees made to break each rule once, and the repository itself."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "check_includes.py"


def run_on(files):
    """Exit status and output of the script on a tree with these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return run_script(folder)


def run_script(*arguments):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


class CheckIncludes(unittest.TestCase):
    def refuses(self, name, text, expected):
        status, output = run_on({name: text})
        self.assertEqual(status, 1, output)
        self.assertIn(name, output)
        self.assertIn(expected, output)

    def accepts(self, name, text):
        self.assertEqual(run_on({name: text}), (0, "check_includes: 1 files, 0 includes against the rules\n"))

    def test_a_stage_includes_another(self):
        self.refuses("src/solve/a.cpp", '#include "remap/interleave.h"', '"remap/interleave.h" (remap): solve may')
        self.refuses("src/solve/a.cpp", '#include "lplb/remap.h"', '"lplb/remap.h" (remap): solve may')
        self.refuses("include/lplb/remap.h", '#include "lplb/apportion.h"', "(apportion): remap may")

    def test_a_lower_part_includes_a_higher_one(self):
        self.refuses("src/base/a.h", '#include "lplb/placement.h"', "(model): base may")
        self.refuses("src/model/a.cpp", '#include "lplb/eplb.h"', "(eplb): model may")
        self.refuses("src/eplb/a.cpp", '#include "lplb/planner.h"', "(planner): eplb may")
        self.refuses("src/planner/a.cpp", '#include "lplb/trace_io.h"', "(trace): planner may")
        self.refuses("src/report/a.cpp", '#include "lplb/metrics.h"', "(metrics): report may")
        self.refuses("src/trace/a.cpp", '#include "lplb/solve.h"', "(solve): trace may")

    def test_third_party_code(self):
        self.refuses("src/solve/a.cpp", "#include <lemon/preflow.h>", "solve may use the standard library alone")
        self.refuses("src/report/a.cpp", "#include <zlib.h>", "report may use the standard library and nlohmann/")
        self.refuses("include/lplb/solve.h", "#include <cuda_runtime.h>", "public headers may use the standard library")
        self.refuses("include/lplb/trace_io.h", "#include <nlohmann/json.hpp>", "public headers may use")
        self.refuses("include/lplb/plan.h", '#include "base/check.h"', "public headers may include public headers")
        self.accepts("src/trace/a.cpp", "#include <zlib.h>\n#include <nlohmann/json.hpp>\n#include <vector>\n")
        self.accepts("cli/a.cpp", "#include <fmt/format.h>\n")

    def test_the_cuda_side(self):
        self.accepts("src/count/a.cu", '#include <cuda_runtime.h>\n#include "cuda/launch.cuh"\n')
        self.accepts("src/cuda/a.cuh", "#include <cooperative_groups.h>\n#include <cub/cub.cuh>\n")
        self.accepts("include/lplb/cuda_count.h", '#include "lplb/cuda.h"\n')
        self.accepts("src/cuda/no_cuda.cpp", '#include "lplb/cuda_planner.h"\n')
        self.refuses("src/count/a.cpp", '#include "cuda/launch.cuh"', '"cuda/launch.cuh" (cuda): count may')
        self.refuses("src/count/a.cpp", "#include <cuda_runtime.h>", "count may use the standard library alone")
        self.refuses("src/count/a.cu", "#include <zlib.h>", "count may use the standard library and cuda")
        self.refuses("src/count/a.cu", '#include "remap/remap.cuh"', "(remap): count may")
        self.refuses("src/cuda/a.cu", '#include "lplb/cuda_planner.h"', "(planner): cuda may")
        self.refuses("include/lplb/count.h", '#include "lplb/cuda.h"', "(cuda): count may")
        self.refuses("include/lplb/cuda_count.h", "#include <cuda_runtime.h>", "public headers may use the standard")

    def test_own_headers_take_quotes(self):
        self.refuses("cli/a.cpp", "#include <lplb/solve.h>", "take quotes")

    def test_what_no_table_knows(self):
        self.refuses("include/lplb/novel.h", "", "belongs to no known part")
        self.refuses("src/novel/a.cpp", "", "belongs to no known part")
        self.refuses("cli/a.cpp", '#include "lplb/novel.h"', "unlisted public header novel.h")

    def test_the_allowed_direction(self):
        self.accepts("src/solve/a.cpp", '#include "solve/state.h"\n#include "base/check.h"\n#include "lplb/plan.h"\n')
        self.accepts("src/planner/a.cpp", '#include "lplb/remap.h"\n#include "lplb/planner.h"\n')
        self.accepts("src/planner/a.cpp", '#include "lplb/replay.h"\n#include "lplb/trace.h"\n')
        self.accepts("cli/a.cpp", '#include "commands.h"\n#include "lplb/report.h"\n')

    def test_spellings_of_include(self):
        self.refuses("src/base/a.h", '  #  include "lplb/plan.h" // why', "(model): base may")
        self.accepts("src/base/a.h", '// #include "lplb/plan.h"\n')

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(run_on({})[0], 1)

    def test_the_repository(self):
        status, output = run_script(ROOT)
        self.assertEqual(status, 0, output)


if __name__ == "__main__":
    unittest.main()
