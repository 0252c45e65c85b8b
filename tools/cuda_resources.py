#!/usr/bin/env python3
"""Rows of a Markdown table from the output of ptxas -v, demangled, on standard input: one a kernel, by name.

Fields: kernel with its template arguments, registers, static shared memory, stack, spilled (stores + loads).
"""

import re
import sys

ENTRY = re.compile(r"Compiling entry function '(.+)' for")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def kernel_name(entry):
    """"void ns::(anonymous namespace)::kernel<(int)8, int>(Params)" -> "kernel<8, int>"."""
    text = entry.removeprefix("void ")
    for noise in ("(anonymous namespace)::", "(int)", "(bool)", "lplb::cuda::"):
        text = text.replace(noise, "")
    text = text.replace("> >", ">>")
    head = text[: text.index("(")] if "(" in text else text
    name, _, arguments = head.partition("<")
    return name.rsplit("::", 1)[-1] + (f"<{arguments}" if arguments else "")


def rows_of(lines):
    """(kernel, registers, shared, stack, spilled) of every entry function."""
    rows, name, stack, spilled = [], None, 0, 0
    for line in lines:
        if match := ENTRY.search(line):
            name = kernel_name(match.group(1))
        elif match := STACK.search(line):
            stack, spilled = int(match.group(1)), int(match.group(2)) + int(match.group(3))
        elif (match := REGISTERS.search(line)) and name:
            shared = SHARED.search(line)
            rows.append((name, int(match.group(1)), int(shared.group(1)) if shared else 0, stack, spilled))
            name = None
    return sorted(set(rows))  # a kernel of a header is in several files


if __name__ == "__main__":
    for row in rows_of(sys.stdin):
        print("| `{}` | {} | {} | {} | {} |".format(*row))
