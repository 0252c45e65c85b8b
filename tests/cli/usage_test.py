"""Help, version, exit codes, hints, and what goes to which stream."""

import os
import pty
import subprocess
import unittest

from support import CLI, CliTestCase

COMMANDS = [["replay"], ["place"], ["split"], ["topology"], ["topology", "show"], ["topology", "recommend"],
            ["trace"], ["trace", "info"], ["trace", "convert"], ["trace", "synth"], ["verify"],
            ["bench"], ["bench", "placement"]]


class Help(CliTestCase):
    def test_version(self):
        self.assertEqual(self.ok("--version").out, "lplb %s\n" % os.environ["LPLB_VERSION"])

    def test_main_help_names_commands_and_exit_codes(self):
        out = self.ok("--help").out
        for command in ["replay", "place", "split", "topology", "trace", "verify", "bench"]:
            self.assertIn("\n  %s " % command, out)
        self.assertIn("Exit codes:", out)
        self.assertIn("lplb replay", out)

    def test_every_command_has_help(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                out = self.ok(*command, "--help").out
                self.assertIn("Usage: lplb " + " ".join(command), out)

    def test_every_working_command_has_an_example_and_explains_its_output(self):
        for command in COMMANDS:
            if command in (["topology"], ["trace"], ["bench"]):
                continue  # they only lead to others
            with self.subTest(command=command):
                out = self.ok(*command, "--help").out
                self.assertIn("EXAMPLE", out)
                self.assertIn("  lplb " + " ".join(command), out)
                self.assertIn("--json", out)

    def test_help_fits_a_wide_terminal(self):
        for command in [[]] + COMMANDS:
            out = self.ok(*command, "--help").out
            footer = out[out.find("EXAMPLE"):] if "EXAMPLE" in out else ""
            self.assertLessEqual(max(map(len, footer.split("\n"))), 120, command)


class Mistakes(CliTestCase):
    def test_no_command(self):
        self.fails(2, r"subcommand is required.*see lplb --help")

    def test_unknown_command_gets_a_hint(self):
        self.fails(2, r"unknown command repaly; did you mean replay\?; see lplb --help", "repaly", "t.npz")

    def test_unknown_nested_command_gets_a_hint(self):
        self.fails(2, r"unknown command shwo; did you mean show\?; see lplb topology --help", "topology", "shwo")

    def test_unknown_option_gets_a_hint_even_when_the_right_one_is_missing(self):
        self.fails(2, r"unknown option --rank; did you mean --ranks\?; see lplb replay --help",
                   "replay", "t.npz", "--rank", 8)

    def test_unknown_option_that_resembles_nothing(self):
        self.fails(2, r"unknown option --frobnicate; see lplb verify --help", "verify", "p.json", "--frobnicate")

    def test_unknown_option_with_a_value_behind_an_equals_sign(self):
        self.fails(2, r"unknown option --rnaks; did you mean --ranks\?", "place", "l.npy", "--rnaks=8")

    def test_missing_option(self):
        self.fails(2, r"--ranks is required; see lplb replay --help", "replay", "t.npz")

    def test_missing_positional(self):
        self.fails(2, r"PLACEMENT is required", "verify")

    def test_superfluous_argument(self):
        self.fails(2, r"unexpected argument extra", "verify", "p.json", "extra")

    def test_values_that_are_no_numbers(self):
        for value in ["abc", "8x", "99999999999999999999", "1.5", "0x"]:
            with self.subTest(value=value):
                self.fails(2, r"--ranks", "replay", "t.npz", "--ranks", value)

    def test_file_that_is_not_there(self):
        self.fails(3, r"nowhere", "replay", "nowhere.npz", "--ranks", 8)
        self.fails(3, r"nowhere", "place", "nowhere.npy", "--ranks", 8)
        self.fails(3, r"nowhere", "trace", "info", "nowhere.csv")
        self.fails(3, r"nowhere", "verify", "nowhere.json")
        self.fails(3, r"nowhere", "topology", "show", "nowhere.json")

    def test_directories_are_no_files(self):
        os.mkdir(self.path("d.json"))
        self.fails(3, r"d\.json", "verify", "d.json")
        self.fails(3, r"d\.json", "topology", "show", "d.json")

    def test_a_newline_in_a_name_stays_on_the_one_line(self):
        self.fails(3, r"two lines", "verify", "two\nlines.json")


class Streams(CliTestCase):
    def test_json_alone_on_stdout(self):
        result = self.ok("topology", "show", "cube", "--json", "-")
        self.assertEqual(result.json()["name"], "cube")

    def test_json_to_a_file_keeps_the_text(self):
        result = self.ok("topology", "show", "cube", "--json", "cube.json")
        self.assertIn("cube: 8 ranks", result.out)
        self.assertIn('"group_size": 8', self.read("cube.json"))
        self.assertTrue(self.read("cube.json").endswith("}\n"))

    def test_json_to_a_place_that_cannot_be_written(self):
        self.fails(3, r"cannot write no/such/dir\.json", "topology", "show", "cube", "--json", "no/such/dir.json")

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            self.fails(3, r"cannot write to standard output", "topology", "show", "cube", stdout=full)

    def run_in_terminal(self, *args, env=None):
        """Stdout and stderr as a terminal shows them."""
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal to be had here: {error}")
        full_env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        full_env.update(env or {})
        process = subprocess.Popen([CLI, *args], cwd=self.dir, stdout=slave, stderr=slave, env=full_env)
        os.close(slave)
        out = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            out += chunk
        os.close(master)
        self.assertEqual(process.wait(), 0, out)
        return out.decode()

    def test_color_and_progress_only_in_a_terminal(self):
        self.ok("trace", "synth", "--experts", 32, "--steps", 12, "--out", "t.npz")
        args = ["replay", "t.npz", "--ranks", "8", "--window", "4", "--strategy", "none", "--strategy", "eplb"]
        shown = self.run_in_terminal(*args)
        self.assertIn("\x1b[1;32m", shown)
        self.assertIn("replay 100%", shown)
        plain = self.run_in_terminal(*args, env={"NO_COLOR": "1"})
        self.assertNotIn("\x1b[1;32m", plain)
        self.assertNotIn("\x1b", self.ok(*args).out)


if __name__ == "__main__":
    unittest.main()
