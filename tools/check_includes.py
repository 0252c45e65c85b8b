#!/usr/bin/env python3
"""Checks that includes point one way.

base <- model <- stages <- planner <- cli, python, benchmarks, examples; trace and report see base and model.

A public header belongs to a part of the project as a source file does; PUBLIC_HEADERS says to which. A part may
include itself and the parts that MAY_INCLUDE gives it; no stage includes another. Public headers and the core may
include the C++ standard library and nothing else from outside. The CUDA side of a stage, its .cu and .cuh files, may
also include CUDA's headers and the part cuda; src/cuda/no_cuda.cpp, the stub of the whole CUDA interface, may include
the whole core.

Usage: check_includes.py [ROOT]. Prints one line a violation and exits 1 when there is one.
"""

import pathlib
import re
import sys

STAGES = ["count", "exchange", "solve", "apportion", "remap", "eplb", "optimize", "metrics", "weighted"]
CORE = ["base", "model", *STAGES, "planner", "cuda"]
TOP = ["cli", "python", "benchmarks", "examples"]

PUBLIC_HEADERS = {
    "base": ["error", "types"],
    "model": [
        "certificate",
        "move_limit",
        "placement",
        "placement_limits",
        "plan",
        "replay_result",
        "source_table",
        "topology",
        "trace",
        "trace_suite",
    ],
    "cuda": ["cuda", "cuda_placement", "cuda_routing"],
    "count": ["count", "cuda_count"],
    "exchange": ["exchange"],
    "solve": ["solve", "cuda_solve"],
    "apportion": ["apportion", "cuda_apportion"],
    "remap": ["remap", "cuda_remap"],
    "eplb": ["eplb"],
    "optimize": ["optimize"],
    "metrics": ["metrics"],
    "weighted": ["weighted", "cuda_weighted"],
    "planner": ["planner", "policy", "replay", "cuda_planner", "cuda_optimize", "placement_bench"],
    "trace": ["trace_io"],
    "report": ["report"],
}
PART_OF_HEADER = {f"{name}.h": part for part, names in PUBLIC_HEADERS.items() for name in names}

MAY_INCLUDE = {
    "base": [],
    "model": ["base"],
    "cuda": ["base", "model"],
    **{stage: ["base", "model"] for stage in STAGES},
    "planner": ["base", "model", *STAGES],
    "no_cuda": CORE,
    "trace": ["base", "model"],
    "report": ["base", "model"],
    **{part: [*CORE, "trace", "report"] for part in TOP},
}

# Outside the standard library; the parts on top may use what they like.
THIRD_PARTY = {"trace": ["zlib.h", "nlohmann/"], "report": ["nlohmann/"]}
CUDA_SUFFIXES = (".cu", ".cuh")
CUDA_THIRD_PARTY = ["cuda", "cooperative_groups", "cub/"]
CUDA_STUB = pathlib.PurePath("src/cuda/no_cuda.cpp")

STANDARD = set(
    """algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef
    cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list
    fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map
    memory memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view
    strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
    valarray variant vector version""".split()
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
SOURCES = ("*.h", "*.cpp", "*.cu", "*.cuh")


def part_of_file(path):
    """The part that a file of the project belongs to, None where the rules say nothing about it."""
    if path.parts[:2] == ("include", "lplb"):
        return PART_OF_HEADER.get(path.name)
    if path == CUDA_STUB:
        return "no_cuda"
    if path.parts[0] == "src":
        return path.parts[1]
    return path.parts[0] if path.parts[0] in TOP else None


def part_of_include(name):
    """The part that an include of the form "part/file.h" or "lplb/file.h" names, None for a file beside."""
    folder, _, rest = name.partition("/")
    if folder == "lplb":
        return PART_OF_HEADER.get(rest, f"unlisted public header {rest}")
    return folder if rest and folder in MAY_INCLUDE else None


def third_party_of(path, part):
    """Beginnings of what the file may include from outside the standard library."""
    return CUDA_THIRD_PARTY if path.suffix in CUDA_SUFFIXES else THIRD_PARTY.get(part, [])


def parts_for(path, part):
    """The other parts that a file may include."""
    public_cuda = path.parts[0] == "include" and path.name.startswith("cuda_")
    return [*MAY_INCLUDE[part], "cuda"] if public_cuda or path.suffix in CUDA_SUFFIXES else MAY_INCLUDE[part]


def check_include(path, quote, name):
    """What is wrong with one include of one file, or None."""
    part = part_of_file(path)
    is_public = path.parts[0] == "include"
    if quote == "<":
        allowed = [] if is_public else third_party_of(path, part)
        if name.startswith("lplb/"):
            return f'includes <{name}>: the project\'s own headers take quotes, "{name}"'
        if part not in TOP and name not in STANDARD and not name.startswith(tuple(allowed)):
            return f"includes <{name}>: {'public headers' if is_public else part} may use the standard library" + (
                f" and {', '.join(allowed)}" if allowed else " alone"
            )
        return None
    if is_public and not name.startswith("lplb/"):
        return f'includes "{name}": public headers may include public headers alone'
    target = part_of_include(name)
    if target in (None, part) or target in parts_for(path, part):
        return None
    return f'includes "{name}" ({target}): {part} may include {", ".join([*parts_for(path, part), "itself"])}'


def check_file(root, path):
    part = part_of_file(path)
    if part not in MAY_INCLUDE:
        return [f"{path}: belongs to no known part; add it to the tables of tools/check_includes.py"]
    text = (root / path).read_text(encoding="utf-8")
    problems = [check_include(path, quote, name) for quote, name in INCLUDE.findall(text)]
    return [f"{path}: {problem}" for problem in problems if problem]


def check_tree(root):
    """All violations under root, one sentence each, by path; and the number of files that were read."""
    folders = [root / "include" / "lplb", root / "src", *(root / part for part in TOP)]
    files = sorted(file for folder in folders for pattern in SOURCES for file in folder.rglob(pattern))
    paths = [file.relative_to(root) for file in files]
    return [problem for path in paths for problem in check_file(root, path)], len(paths)


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    problems, num_files = check_tree(root)
    for problem in problems:
        print(problem)
    print(f"check_includes: {num_files} files, {len(problems)} includes against the rules")
    return 1 if problems or num_files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
