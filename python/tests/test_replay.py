import numpy as np
import pytest
from conftest import ROOT

import lplb

BUNDLED = ROOT / "data" / "moe128.npz"


def test_traces_in_and_out(kind, tmp_path):
    counts = kind(np.arange(24).reshape(2, 3, 4), "int32")
    trace = lplb.Trace(counts, name="small")
    assert repr(trace) == "Trace(small: 2 steps, 3 layers, 4 experts)"
    assert isinstance(trace.counts, kind.type)
    for name in ("t.npz", "t.npy", "t.csv", "t.json"):
        trace.write(tmp_path / name)
        assert lplb.read_trace(tmp_path / name).counts[:, :, 0].tolist() == counts.tolist()
    with pytest.raises(ValueError, match="t.txt"):
        trace.write(tmp_path / "t.txt")
    with pytest.raises(lplb.DataError, match="absent.npz"):
        lplb.read_trace(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.ones((2, 3)), "counts has the shape|counts has the type"),
        (np.ones((2, 3, 4)), "counts has the type float64"),
        (-np.ones((2, 3, 4), dtype=int), r"counts\[0\] is -1"),
        (np.ones((0, 3, 4), dtype=int), "must hold something"),
    ],
)
def test_bad_counts_are_named(counts, message):
    with pytest.raises(ValueError, match=message):
        lplb.Trace(counts)


def test_synthetic_traces_repeat():
    first = lplb.Trace.synthesize(num_steps=2, num_experts=8, seed=3)
    assert first.counts.tolist() == lplb.Trace.synthesize(num_steps=2, num_experts=8, seed=3).counts.tolist()
    assert first.counts.sum() == 2 * 4096
    with pytest.raises(ValueError, match="skew"):
        lplb.Trace.synthesize(skew=-1)


def test_replay_of_the_bundled_trace(tmp_path):
    result = lplb.replay(BUNDLED, num_ranks=32, num_nodes=4)
    assert result.best.name == "torus"
    assert result["none"].imbalance.mean == pytest.approx(1.474, abs=5e-4)
    assert (result["none"].refreshes_made, result["torus"].refreshes_made) == (0, 3 * 7)  # refreshes of 7 layers
    assert f"{result!r}".startswith("strategy")
    assert result.to_dict()["results"][0]["strategy"] == "none"
    with pytest.raises(KeyError):
        result["no strategy"]
    page = lplb.report(result, tmp_path / "report.html", command="a command")
    assert page.read_text(encoding="utf-8").count("a command") >= 1
    with pytest.raises(lplb.DataError, match="cannot write"):
        lplb.report(result, tmp_path / "no" / "folder.html")


def test_arrays_can_be_replayed_and_options_are_checked(kind):
    counts = kind(np.random.default_rng(0).integers(0, 100, (6, 1, 16)), "int32")
    result = lplb.replay(counts, num_ranks=4, window=2, refresh=2, strategies=["none", "cube", "ring"])
    assert result["cube"].skipped
    assert "skipped" in repr(result)
    assert result["ring"].imbalance.mean < result["none"].imbalance.mean
    with pytest.raises(ValueError, match="window"):
        lplb.replay(counts, num_ranks=4, window=6)
    with pytest.raises(ValueError, match="no strategy"):
        lplb.replay(counts, num_ranks=4, window=2, strategies=["no strategy"])
