"""Running the command and making its input files, with the standard library alone."""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
import zipfile

CLI = os.environ["LPLB_CLI"]
SOURCE_DIR = os.environ["LPLB_SOURCE_DIR"]
BUNDLED_TRACE = os.path.join(SOURCE_DIR, "data", "moe128.npz")


def npy_bytes(values, shape, code="i4"):
    """An .npy of little-endian numbers. `values` is flat, row-major."""
    letters = {"i4": "i", "i8": "q", "u2": "H", "f4": "f", "f8": "d"}
    shape_text = "(" + ", ".join(str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
    header = "{'descr': '<%s', 'fortran_order': False, 'shape': %s, }" % (code, shape_text)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
            struct.pack("<%d%s" % (len(values), letters[code]), *values))


class Result:
    def __init__(self, completed):
        self.code = completed.returncode
        self.out = completed.stdout.decode()
        self.err = completed.stderr.decode()

    def json(self):
        return json.loads(self.out)


class CliTestCase(unittest.TestCase):
    """Each test has a folder of its own, self.dir, in which commands run."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="lplb_cli_")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, contents):
        with open(self.path(name), "wb") as file:
            file.write(contents if isinstance(contents, bytes) else contents.encode())
        return name

    def write_npy(self, name, values, shape, code="i4"):
        return self.write(name, npy_bytes(values, shape, code))

    def write_npz(self, name, **arrays):
        with zipfile.ZipFile(self.path(name), "w", zipfile.ZIP_DEFLATED) as archive:
            for array, (values, shape, code) in arrays.items():
                archive.writestr(array + ".npy", npy_bytes(values, shape, code))
        return name

    def write_placement(self, name, layers, num_logical, num_ranks, num_nodes=1):
        return self.write(name, json.dumps({"physical_to_logical_map": layers, "num_logical_experts": num_logical,
                                            "num_ranks": num_ranks, "num_nodes": num_nodes}))

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read().decode()

    def lplb(self, *args, env=None, stdout=subprocess.PIPE):
        full_env = dict(os.environ, **(env or {}))
        completed = subprocess.run([CLI, *map(str, args)], cwd=self.dir, env=full_env, stdin=subprocess.DEVNULL,
                                   stdout=stdout, stderr=subprocess.PIPE, timeout=120, check=False)
        completed.stdout = completed.stdout or b""
        return Result(completed)

    def ok(self, *args, **kwargs):
        result = self.lplb(*args, **kwargs)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(result.err, "")
        return result

    def fails(self, code, pattern, *args, **kwargs):
        """One line on stderr that starts with "lplb: ", nothing on stdout."""
        result = self.lplb(*args, **kwargs)
        self.assertEqual(result.code, code, result.out + result.err)
        self.assertRegex(result.err, r"\Alplb: [^\n]+\n\Z")
        self.assertRegex(result.err, pattern)
        self.assertEqual(result.out, "")
        return result
