#!/usr/bin/env python3
"""Installs a torch that computes on the CPU into the environment of the Python that runs this, from PyPI alone.

PyPI's torch for Linux on x86-64 is the CUDA build. With the CUDA libraries that it depends on, that is 3 GB to download
and 5.4 GB on disk, none of which a CPU uses; but torch does not load without them. This installs the torch wheel (0.54
GB, 1.4 GB on disk) without them, and beside it one small library for each that is missing: the functions that torch
looks for are there, and each returns "no device" (CUDA error 100). So torch finds no GPU and works as a CPU build does.
Needs gcc and binutils. For tests: an environment of this kind must not be used with a GPU.

Does nothing where the right torch imports already. Elsewhere than on Linux x86-64, plain pip is right.
"""

import collections
import importlib.metadata
import pathlib
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile

TORCH = "torch==2.15.0"
# What torch imports, pinned; its other dependencies are CUDA's.
DEPENDENCIES = [
    "filelock==4.2.12", "fsspec==2026.9.0", "jinja2==3.1.6", "markupsafe==3.0.4", "mpmath==1.3.0",
    "networkx==3.4.2", "setuptools==84.2.1", "sympy==1.14.0", "typing-extensions==4.16.0",
]  # fmt: skip
CUDA_LIBRARY = re.compile(r"lib(cu|nv|nccl)\w*\.so\.\d+$")
CUDA_FUNCTION = re.compile(r"UND ((?:cu|nccl|nvshmem)\w+)$", re.MULTILINE)
DRIVER = "libcuda.so.1"  # loaded on demand alone
NO_DEVICE = 100


def pip_install(*arguments):
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", *arguments],
        check=True,
    )


def read_elf(library):
    """readelf's view of a library: what it needs, which versions from which file, which symbols it lacks."""
    done = subprocess.run(["readelf", "-W", "-d", "-V", "--dyn-syms", library], check=True, capture_output=True)
    return done.stdout.decode()


def missing_functions(folder):
    """{library: {function: version or ""}} of the CUDA libraries that torch's own libraries in `folder` need."""
    missing = collections.defaultdict(dict)
    without_version = set()
    for path in sorted(folder.glob("lib*.so")):
        text = read_elf(path)
        for name in re.findall(r"\(NEEDED\).*\[(.*?)\]", text):
            if CUDA_LIBRARY.match(name) and name != DRIVER:
                missing[name]  # noqa: B018  # a library from which nothing is taken must exist, too
        file_of_version, file = {}, None
        for line in text.splitlines():
            if found := re.search(r"Version: \d+\s+File: (\S+)", line):
                file = found[1]
            elif file and (found := re.search(r"Name: (\S+)\s+Flags: .*Version: \d+", line)):
                file_of_version[found[1]] = file
        for function, version in re.findall(r"UND (\w+)@(\S+)", text):
            file = file_of_version.get(version, "")
            if CUDA_LIBRARY.match(file) and file != DRIVER:
                missing[file][function] = version
        if path.name.startswith("libtorch"):
            without_version.update(CUDA_FUNCTION.findall(text))
    # The loader looks for these in all libraries, so that any may hold them.
    min(missing.items())[1].update(dict.fromkeys(without_version - {f for each in missing.values() for f in each}, ""))
    return missing


def build_stub(path, functions, folder):
    """A shared library in which each function returns NO_DEVICE."""
    options = []
    versions = sorted(set(functions.values()) - {""})
    if versions:
        script = pathlib.Path(folder, "versions.map")
        script.write_text("".join(f"{version} {{ global: *; }};\n" for version in versions), encoding="utf-8")
        options = [f"-Wl,--version-script={script}"]
    code = "".join(f"int {function}(void) {{ return {NO_DEVICE}; }}\n" for function in sorted(functions))
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{path.name}", *options, "-o", path]
        + ["-x", "c", "-"],
        input=code.encode(),
        check=True,
    )


def torch_works():
    done = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False)
    try:
        return done.returncode == 0 and importlib.metadata.version("torch") == TORCH.partition("==")[2]
    except importlib.metadata.PackageNotFoundError:
        return False


def main():
    if torch_works():
        return 0
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pip_install(TORCH)
        return 0
    pip_install("--no-deps", TORCH, *DEPENDENCIES)
    libraries = pathlib.Path(sysconfig.get_path("platlib"), "torch", "lib")
    with tempfile.TemporaryDirectory() as folder:
        for name, functions in missing_functions(libraries).items():
            build_stub(libraries / name, functions, folder)
    if not torch_works():
        print(f"install_torch_cpu: {TORCH} does not import", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
