"""The command from the wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HAS_TORCH, ROOT

import lplb
from lplb.__main__ import main

SCRIPT = shutil.which("lplb", path=str(Path(sys.executable).parent))


def run(command, *arguments):
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(params=["module", "script"])
def command(request):
    if request.param == "module":
        return [sys.executable, "-m", "lplb"]
    if SCRIPT is None:
        pytest.skip("the package is not installed as a wheel, so there is no script")
    return [SCRIPT]


def test_it_is_the_cpp_program(command):
    done = run(command, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lplb ")
    done = run(command, "repaly")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lplb: unknown command repaly; did you mean replay?; see lplb --help\n"


def test_replay_prints_the_table(command):
    done = run(command, "replay", ROOT / "data" / "moe128.npz", "--ranks", 32, "--nodes", 4, "--strategy", "none")
    assert done.returncode == 0, done.stderr
    assert "1.474" in done.stdout


def test_convert_of_what_cpp_reads(tmp_path):
    trace = lplb.Trace.synthesize(num_steps=2, num_experts=8)
    trace.write(tmp_path / "in.csv")
    assert main(["trace", "convert", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out.npz")]) == 0
    assert lplb.read_trace(tmp_path / "out.npz").counts.tolist() == trace.counts.tolist()
    assert main(["trace", "convert", str(tmp_path / "absent.csv"), "--out", str(tmp_path / "out.npz")]) == 3


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed: test_sglang.py has the rest")
def test_dumps_without_torch(capsys):
    assert main(["trace", "convert", "dump.pt", "--out", "out.npz"]) == 3
    assert capsys.readouterr().err == "lplb: dump.pt: reading .pt needs torch, which is not installed\n"
