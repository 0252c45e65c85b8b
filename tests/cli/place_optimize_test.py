"""lplb place --policy optimize: the rules are kept, moves are limited, and the table says what the JSON says."""

import json
import random
import unittest

from support import CliTestCase

SCENARIOS = ["window", "noise", "drift", "shift"]


class PlaceOptimize(CliTestCase):
    def make_trace(self, steps=6, layers=2, experts=32, name="t.npy"):
        rng = random.Random(11)
        popularity = [rng.lognormvariate(3, 1) for _ in range(layers * experts)]
        values = [int(popularity[i] * rng.uniform(0.7, 1.3)) + 1 for _ in range(steps) for i in range(layers * experts)]
        return self.write_npy(name, values, (steps, layers, experts))

    def place(self, *args, ranks=8, effort=400):
        return self.ok("place", *args, "--policy", "optimize", "--ranks", ranks, "--effort", effort, "--json", "-").json()

    def placed(self, found):
        """Experts of each rank, by layer."""
        ranks = found["num_ranks"]
        return [[row[g * len(row) // ranks:(g + 1) * len(row) // ranks] for g in range(ranks)]
                for row in found["placement"]["physical_to_logical_map"]]

    def test_better_than_eplb_and_its_start(self):
        found = self.place(self.make_trace())
        expected = found["expected"]
        self.assertEqual(list(expected), ["in order, no copies", "EPLB + split", "start of the search", "this placement"])
        for layer in range(2):
            best, start = expected["this placement"][layer], expected["start of the search"][layer]
            self.assertLessEqual(best["objective"], start["objective"])
            self.assertLess(best["window"], expected["in order, no copies"][layer]["window"])
            self.assertLessEqual(best["objective"], found["layers"][layer]["best_start_objective"])
            self.assertEqual(best["objective"], found["layers"][layer]["objective"])
        self.assertEqual(found["num_batches"], 6)
        self.assertEqual(found["num_colocations"], 0)
        self.assertEqual(found["num_physical_experts"], 48)
        for key in ("no_copies", "even_division", "exact_split"):
            self.assertGreaterEqual(found["imbalance"][0][key], 1)

    def test_table_equals_json(self):
        trace = self.make_trace()
        out = self.ok("place", trace, "--policy", "optimize", "--ranks", 8, "--effort", 200, "--json", "p.json").out
        found = json.loads(self.read("p.json"))
        for name, layers in found["expected"].items():
            (line,) = [line for line in out.split("\n") if line.startswith(name + " ")]
            means = ["%.3f" % (sum(layer[s] for layer in layers) / len(layers)) for s in SCENARIOS]
            worst = max(range(len(layers)), key=lambda i: layers[i]["window"])
            self.assertEqual(line[len(name):].split(), means + ["%.3f" % layers[worst]["window"], str(worst)])
        limits = found["limits"]
        self.assertIn("What limits layer %d over the window (imbalance %.3f)" % (limits["layer"], limits["imbalance"]), out)
        self.assertTrue(limits["experts"])
        for limit in limits["experts"]:
            if limit["gain"] < 5e-5:
                continue
            self.assertRegex(out, r"(?m)^%d +%.0f%% +.* %d +%.4f$" %
                             (limit["expert"], 100 * limit["frequency"], limit["copy_on"], limit["gain"]))

    def test_window(self):
        trace = self.make_trace()
        self.assertEqual(self.place(trace, "--window", 2)["num_batches"], 2)
        self.assertEqual(self.place(trace, "--window", 0)["num_batches"], 6)
        # The last steps count: a trace whose first steps are others gives the same.
        self.write_npy("late.npy", [7] * 64 + [*range(1, 129)], (3, 2, 32))
        self.write_npy("end.npy", [*range(1, 129)], (2, 2, 32))
        self.assertEqual(self.place("late.npy", "--window", 2)["placement"], self.place("end.npy")["placement"])

    def test_loads_without_steps_are_one_batch(self):
        self.write_npy("w.npy", [0.5 + e for e in range(32)], (2, 16), "f4")
        found = self.place("w.npy", ranks=4)
        self.assertEqual((found["num_layers"], found["num_batches"]), (2, 1))

    def test_steps_and_layers_without_tokens(self):
        self.write_npy("t.npy", [0] * 16 + [0] * 8 + [8, 7, 6, 5, 4, 3, 2, 1], (2, 2, 8))
        found = self.place("t.npy", ranks=4)
        self.assertEqual((found["num_layers"], found["num_batches"]), (2, 2))

    def test_slots_that_differ(self):
        trace = self.make_trace(experts=16)
        self.write_npy("slots.npy", [7, 5, 5, 3], (4,))
        for slots in ("7,5,5,3", "slots.npy"):
            found = self.place(trace, "--slots", slots, ranks=4)
            for layer in self.placed(found):
                self.assertEqual([sum(e >= 0 for e in rank) <= n for rank, n in zip(layer, (7, 5, 5, 3))], [True] * 4)
            self.assertIn("as many slots", found["expected"]["EPLB + split"]["obstacle"])

    def test_copies_within_and_groups(self):
        trace = self.make_trace(experts=16)
        found = self.place(trace, "--nodes", 2, "--copies-within", 4, "--redundant", 2)
        for layer in self.placed(found):
            for expert in range(16):
                self.assertEqual(len({g // 4 for g, rank in enumerate(layer) if expert in rank}), 1)
        found = self.place(trace, "--nodes", 2, "--groups", 4, "--redundant", 2)
        for layer in self.placed(found):
            for group in range(4):
                members = set(range(4 * group, 4 * group + 4))
                self.assertEqual(len({g // 4 for g, rank in enumerate(layer) if members & set(rank)}), 1)

    def test_dead_ranks_and_back(self):
        trace = self.make_trace(experts=16)
        self.place(trace, "--redundant", 2, "--out", "p.json")
        found = self.place(trace, "--redundant", 2, "--dead", "1,6", "--current", "p.json", "--out", "q.json")
        for layer in self.placed(found):
            self.assertEqual([g for g, rank in enumerate(layer) if max(rank) < 0], [1, 6])
        self.assertFalse({1, 6} & {limit["copy_on"] for limit in found["limits"]["experts"]})
        self.assertNotIn("in order, no copies", found["expected"])
        back = self.place(trace, "--redundant", 2, "--current", "q.json")
        for layer in self.placed(back):
            self.assertGreater(sum(e >= 0 for e in layer[1]), 0)

    def test_moves_from_the_current_placement(self):
        trace = self.make_trace()
        self.ok("place", trace, "--policy", "eplb-distinct", "--ranks", 8, "--redundant", 2, "--out", "p.json")
        free = self.place(trace, "--current", "p.json")
        few = self.place(trace, "--current", "p.json", "--max-moved", 2)
        part = self.place(trace, "--current", "p.json", "--max-moved", "10%")
        dear = self.place(trace, "--current", "p.json", "--move-price", 1000)
        self.assertEqual([layer["copies_moved"] <= 2 for layer in few["layers"]], [True, True])
        self.assertEqual([layer["copies_moved"] <= 4 for layer in part["layers"]], [True, True])
        self.assertEqual([layer["copies_moved"] for layer in dear["layers"]], [0, 0])
        before = self.placed({"num_ranks": 8, "placement": json.loads(self.read("p.json"))})
        for layer in range(2):
            moved = sum(len(set(now) - set(then) - {-1}) for now, then in zip(self.placed(free)[layer], before[layer]))
            self.assertEqual(moved, free["layers"][layer]["copies_moved"])
            self.assertLessEqual(few["expected"]["this placement"][layer]["objective"],
                                 few["expected"]["current placement"][layer]["objective"])

    def test_trade_off(self):
        trace = self.make_trace()
        self.ok("place", trace, "--policy", "eplb-distinct", "--ranks", 8, "--redundant", 2, "--out", "p.json")
        found = self.place(trace, "--current", "p.json", "--trade-off", "--max-moved", 3)
        curve = found["trade_off"]
        self.assertEqual(curve[0]["copies_moved"], 0)
        self.assertIsNone(curve[-1]["limit"])
        self.assertIn("3 copies", [point["limit"] for point in curve])
        self.assertEqual([layer["copies_moved"] <= 3 for layer in found["layers"]], [True, True])
        out = self.ok("place", trace, "--policy", "optimize", "--ranks", 8, "--effort", 100, "--current", "p.json",
                      "--trade-off").out
        self.assertRegex(out, r"(?m)^any number \* ")

    def test_total_slots(self):
        trace = self.make_trace(layers=3, experts=16)
        found = self.place(trace, "--total-slots", 60, "--out", "p.json", ranks=4)
        self.assertEqual(sum(layer["num_slots"] for layer in found["layers"]), 60)
        for layer, row in zip(found["layers"], found["placement"]["physical_to_logical_map"]):
            self.assertLessEqual(sum(e >= 0 for e in row), layer["num_slots"])
        self.assertTrue(self.ok("verify", "p.json", "--json", "-").json()["valid"])

    def test_same_on_every_run_and_thread_count(self):
        trace = self.make_trace()
        first = self.place(trace, "--seed", 3, "--threads", 1)
        self.assertEqual(first, self.place(trace, "--seed", 3, "--threads", 4))
        self.assertNotEqual(first["placement"], self.place(trace, "--seed", 4)["placement"])

    def test_time_limit(self):
        found = self.place(self.make_trace(), "--time-limit", 0.05, effort=100_000_000)
        self.assertLess(found["layers"][0]["moves_tried"], 200_000_000)

    def test_refuses(self):
        trace = self.make_trace()
        place = ["place", trace, "--ranks", 8, "--policy", "optimize"]
        self.fails(2, r"--dead is for --policy optimize", "place", trace, "--ranks", 8, "--dead", 1)
        self.fails(2, r"are about moves from a --current placement", *place, "--max-moved", 3)
        self.fails(2, r"--trade-off requires --current", *place, "--trade-off")
        self.fails(2, r"--max-moved \(\"x\"\) must be a number", *place, "--max-moved", "x")
        self.fails(2, r"--slots has 3 numbers; it must have one for each of the 8 ranks", *place, "--slots", "4,4,4")
        self.fails(3, r"no\.npy", *place, "--slots", "no.npy")
        self.fails(2, r"copies_within \(3\) must divide num_ranks \(8\)", *place, "--copies-within", 3)
        self.fails(2, r"--dead \(8\) must be ranks in 0\.\.7", *place, "--dead", 8)
        self.fails(2, r"total_slots \(63\) must be at least 2 layers of 32 experts", *place, "--total-slots", 63)
        self.fails(2, r"8 slots on live ranks do not hold 32 experts", *place, "--slots", "1,1,1,1,1,1,1,1")
        self.fails(2, r"--ranks \(0\)", "place", trace, "--ranks", 0, "--policy", "optimize")
        self.write_placement("one.json", [[*range(32)]], 32, 8)
        self.fails(2, r"one\.json places 1 layers, t\.npy has 2", *place, "--current", "one.json")
        self.fails(3, r"nowhere", "place", "nowhere.npy", "--ranks", 8, "--policy", "optimize")


if __name__ == "__main__":
    unittest.main()
