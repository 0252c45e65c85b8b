"""The command `lplb` from the wheel: the same program as the C++ executable, and .pt files besides."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import _core

EXIT_DATA = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `lplb ARGUMENTS...` and returns its exit code: 0 done, 2 wrong usage, 3 data, 4 device."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # While C++ computes, Python's own handler of Ctrl-C would wait until it has finished.
    previous = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with tempfile.TemporaryDirectory(prefix="lplb_") as folder:
            try:
                words = _translate_dumps(words, Path(folder))
            except _core.DataError as error:
                print(f"lplb: {error}", file=sys.stderr)
                return EXIT_DATA
            return _core.run_command(["lplb", *words])
    finally:
        signal.signal(signal.SIGINT, previous)


def _translate_dumps(words: list[str], folder: Path) -> list[str]:
    """`trace convert X.pt` as C++ understands it: the dump, which needs torch, becomes an .npz first."""
    if words[:2] != ["trace", "convert"]:
        return words
    return [_to_npz(word, folder / f"{i}.npz") if word.endswith(".pt") else word for i, word in enumerate(words)]


def _to_npz(dump: str, target: Path) -> str:
    from .sglang import read_dump

    read_dump(dump).write(target)
    return str(target)


if __name__ == "__main__":
    sys.exit(main())
