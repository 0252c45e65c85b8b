"""SGLang's expert-distribution dumps."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import lplb
from lplb.__main__ import main

COUNTS = np.arange(2 * 3 * 4).reshape(2, 3, 4)


def save(tmp_path, dump):
    path = tmp_path / "dump.pt"
    torch.save(dump, path)
    return path


def records(*passes, **more):
    return {"records": [{"rank": 0, "topk_ids_of_layer": torch.tensor(each)} for each in passes], **more}


def test_stat_modes(tmp_path):
    path = save(tmp_path, {"rank": 0, "logical_count": torch.from_numpy(COUNTS), "average_utilization_rate": 0.5})
    trace = lplb.read_trace(path)
    assert trace.counts[:, :, 0].tolist() == COUNTS.tolist()
    assert trace.name == "dump"


def test_per_token_mode_maps_physical_ids_to_experts(tmp_path):
    # Two layers of 3 experts in 4 slots; slot 3 holds a copy of expert 0, or of 2.
    dump = records(
        [[[0, 3], [1, -1]], [[3, 2], [0, 0]]],
        [[[2, 2]], [[-1, -1]]],
        last_physical_to_logical_map=torch.tensor([[0, 1, 2, 0], [0, 1, 2, 2]]),
    )
    trace = lplb.read_trace(save(tmp_path, dump))
    assert trace.counts[:, :, 0].tolist() == [[[2, 1, 0], [2, 0, 2]], [[0, 0, 2], [0, 0, 0]]]


def test_per_token_mode_without_a_map(tmp_path):
    path = save(tmp_path, records([[[0, 3], [1, -1]]]))
    assert lplb.read_trace(path).counts.tolist() == [[[[1, 1, 0, 1]]]]
    assert lplb.read_trace(path, num_experts=6).num_experts == 6


def test_convert_command(tmp_path):
    path = save(tmp_path, {"logical_count": torch.from_numpy(COUNTS)})
    out = tmp_path / "counts.npz"
    done = run("trace", "convert", path, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{out}: 2 steps, 3 layers, 1 sources, 4 experts\n"
    assert np.load(out)["counts"].tolist() == COUNTS.tolist()


class Harmful:
    def __reduce__(self):
        return print, ("this code must not run",)


@pytest.mark.parametrize(
    ("dump", "message"),
    [
        ({"counts": torch.zeros(1)}, r"holds \['counts'\]; it must hold logical_count or records"),
        ([1, 2], "holds a list"),
        ({"logical_count": torch.zeros(2, 2)}, r"logical_count has the shape \[2, 2\]; it must have 3 axes"),
        ({"logical_count": torch.full((1, 1, 2), float("nan"))}, "logical_count has the type float32"),
        ({"logical_count": torch.full((1, 1, 2), -1)}, "a count is -1"),
        ({"logical_count": torch.zeros(0, 3, 4, dtype=torch.int64)}, "holds no step"),
        ({"records": []}, "must have layers, and the same number each"),
        ({"records": [1]}, "records must be a list of dicts"),
        ({"records": [{"rank": 0}]}, "topk_ids_of_layer"),
        (records([[[7]]], last_physical_to_logical_map=torch.tensor([[0, 1]])), r"ids outside -1..1"),
        (records([[[0]]], last_physical_to_logical_map=torch.tensor([0, 1])), "must have 2 axes"),
        ({"logical_count": Harmful()}, "torch cannot load it"),
    ],
)
def test_what_is_no_dump_is_refused(tmp_path, dump, message, capsys):
    path = save(tmp_path, dump)
    with pytest.raises(lplb.DataError, match=message):
        lplb.read_trace(path)
    assert main(["trace", "convert", str(path), "--out", str(tmp_path / "counts.npz")]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""  # in particular, no code of the file has run
    assert printed.err.startswith(f"lplb: {path}: ")
    assert printed.err.count("\n") == 1


def test_files_that_torch_cannot_load(tmp_path):
    (tmp_path / "text.pt").write_text("not a dump")
    for path in (tmp_path / "text.pt", tmp_path / "absent.pt"):
        with pytest.raises(lplb.DataError, match="torch cannot load it"):
            lplb.read_trace(path)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lplb", *map(str, arguments)], capture_output=True, text=True, check=False
    )
