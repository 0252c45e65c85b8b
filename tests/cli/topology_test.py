"""lplb topology."""

import json
import unittest

from support import CliTestCase


class Show(CliTestCase):
    def test_torus_as_the_help_shows_it(self):
        out = self.ok("topology", "show", "torus:8x4").out
        self.assertIn("torus:8x4: 32 ranks, 2 redundant slots a rank", out)
        self.assertIn("connected, diameter 6, degree 4", out)
        self.assertRegex(out, r"\n0 +0 +4 +1 +1 3 4 28\n")

    def test_numbers_agree_with_the_matrix(self):
        for name, size in [("cube", 8), ("hypercube", 16), ("hypercube:32", 32), ("torus:4x4", 16), ("ring:5", 5)]:
            with self.subTest(name=name):
                shown = self.ok("topology", "show", name, "--ranks-per-node", 4, "--json", "-").json()
                self.assertEqual(len(shown["r2o"]), size)
                neighbours = [set() for _ in range(size)]
                crossing = 0
                for rank, row in enumerate(shown["r2o"]):
                    for source in row:
                        neighbours[rank].add(source)
                        neighbours[source].add(rank)
                        crossing += rank // 4 != source // 4
                self.assertEqual(shown["neighbours"], [sorted(n) for n in neighbours])
                self.assertEqual(shown["degrees"], [len(n) for n in neighbours])
                self.assertEqual(shown["cross_node_edges"], crossing)
                self.assertTrue(shown["connected"])

    def test_own_matrix_both_ways(self):
        rows = [[1], [0], [3], [2]]
        self.write("rows.json", json.dumps(rows))
        self.write("object.json", json.dumps({"r2o": rows, "comment": "two pairs"}))
        for name in ["rows.json", "object.json"]:
            shown = self.ok("topology", "show", name, "--json", "-").json()
            self.assertEqual(shown["r2o"], rows)
            self.assertFalse(shown["connected"])
            self.assertEqual(shown["diameter"], -1)
        self.assertIn("not connected", self.ok("topology", "show", "rows.json").out)

    def test_bad_matrices(self):
        for contents, pattern in [("[[1],[1]]", r"r2o\[1\]\[0\]"), ("[[1,0],[0]]", r"row 1 of r2o has 1 entries"),
                                  ("[[1],[7]]", r"0\.\.1"), ("[[1],[4294967296]]", r"0\.\.1"), ("{}", r"must be JSON"),
                                  ("[[1.5],[0.2]]", r"must be JSON"),
                                  ("[[18446744073709551615],[0]]", r"0\.\.1"), ("[1, 0]", r"must be JSON"),
                                  ("not json", r"must be JSON"), ("", r"must be JSON"),
                                  ("[]", r"group_size"), ('["x"]', r"must be JSON"), ("[" * 100000, r"must be JSON")]:
            with self.subTest(contents=contents[:20]):
                self.write("bad.json", contents)
                self.fails(3, pattern, "topology", "show", "bad.json")

    def test_bad_names(self):
        for name in ["klein-bottle", "torus:8", "torus:1x4", "ring:1", "hypercube:24", "torus:99999x99999", "cube:9"]:
            with self.subTest(name=name):
                self.fails(2, r"\[Topology", "topology", "show", name)
        self.fails(2, r"--ranks-per-node", "topology", "show", "cube", "--ranks-per-node", 0)


class Recommend(CliTestCase):
    def test_says_what_and_why(self):
        found = self.ok("topology", "recommend", "--ranks", 64, "--nodes", 8, "--json", "-").json()
        self.assertEqual(found["group_size"] * found["num_groups"], 64)
        self.assertTrue(found["reason"].endswith("."))
        out = self.ok("topology", "recommend", "--ranks", 64, "--nodes", 8, "--redundant", 2).out
        self.assertTrue(out.startswith(found["name"]))
        self.assertIn(found["reason"], out)

    def test_name_is_one_that_show_takes(self):
        for ranks, nodes, redundant in [(8, 1, 2), (16, 2, 2), (32, 4, 2), (12, 1, 1), (7, 1, 2)]:
            name = self.ok("topology", "recommend", "--ranks", ranks, "--nodes", nodes, "--redundant", redundant,
                           "--json", "-").json()["name"]
            self.ok("topology", "show", name)

    def test_refuses(self):
        self.fails(2, r"num_ranks \(1\)", "topology", "recommend", "--ranks", 1)
        self.fails(2, r"num_nodes \(3\)", "topology", "recommend", "--ranks", 8, "--nodes", 3)
        self.fails(2, r"num_nodes \(0\)", "topology", "recommend", "--ranks", 8, "--nodes", 0)
        self.fails(2, r"num_redundants \(0\)", "topology", "recommend", "--ranks", 8, "--redundant", 0)


if __name__ == "__main__":
    unittest.main()
