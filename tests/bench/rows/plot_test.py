"""What the plot of `growth` says, and by which law costs are judged."""
import math
import pathlib
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows import complexity, growth, plot  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
STEPS = [1, 10, 100, 1000]


def drawing(curves, **more):
    panel = plot.Panel(**{"title": "Chat turn", "x": "tenants", "y": "µs CPU/turn", "curves": curves, **more})
    return ElementTree.fromstring(plot.svg([panel]))


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


class ComplexityTest(unittest.TestCase):
    def test_the_exponent_of_a_power_is_found(self):
        for power in (0, 0.5, 1, 2):
            self.assertAlmostEqual(complexity.slope([(n, 3 * n ** power) for n in STEPS]), power)

    def test_one_of_constant_cost_makes_n_linear(self):
        self.assertAlmostEqual(complexity.exponent([(n, 7) for n in STEPS], each=True), 1)
        self.assertAlmostEqual(complexity.exponent([(n, 7) for n in STEPS], each=False), 0)

    def test_n_log_n_is_reached_and_a_square_is_above_it(self):
        for steps in (STEPS, [12, 100, 1000], [10 ** 5, 10 ** 6, 10 ** 7]):
            bound = complexity.bound(steps)
            self.assertAlmostEqual(complexity.exponent([(n, math.log(n + 1)) for n in steps], each=True), bound)
            self.assertGreater(complexity.exponent([(n, n) for n in steps], each=True), bound)

    def test_the_step_that_outgrows_n_log_n_most_is_found(self):
        costs = [(1, 5), (10, 5.2), (100, 5.8), (1000, 21)]
        exponent, allowed, before, after = complexity.worst_step(costs, each=True)
        self.assertAlmostEqual(exponent, 1 + math.log10(21 / 5.8))
        self.assertAlmostEqual(allowed, complexity.bound([100, 1000]))
        self.assertEqual((before, after), (100, 1000))

    def test_what_is_allowed_begins_at_the_first_point_and_ends_at_the_last_n(self):
        each = complexity.allowed([(12, 2.0), (1000, 5.0)], each=True)
        self.assertEqual(each[0], (12, 2.0))
        self.assertAlmostEqual(each[-1][0], 1000)
        self.assertAlmostEqual(each[-1][1], 2 * math.log(1001) / math.log(13))
        whole = complexity.allowed([(12, 2.0), (1000, 5.0)], each=False)
        self.assertAlmostEqual(whole[-1][1], each[-1][1] * 1000 / 12)


class PlotTest(unittest.TestCase):
    def test_axes_have_their_units_and_every_step_its_tick(self):
        found = texts(drawing([plot.Curve("worker", [(n, 120) for n in STEPS])]))
        for expected in ("Chat turn", "tenants", "µs CPU/turn", "worker", "1", "10", "100", "1,000"):
            self.assertIn(expected, found)

    def test_steps_of_one_factor_are_equally_far_apart(self):
        at = [float(each.get("cx")) for each in drawing([plot.Curve("a", [(n, 1) for n in STEPS])]).iter(f"{SVG}circle")]
        gaps = [round(after - before, 0) for before, after in zip(at, at[1:])]
        self.assertEqual(len(set(gaps)), 1)

    def test_the_y_axis_begins_at_nothing_and_holds_every_point(self):
        for most in (0.004, 0.87, 3, 99, 1083, 250_000):
            marks = plot.ticks(most)
            self.assertEqual(marks[0], 0)
            self.assertGreaterEqual(marks[-1], most)
            self.assertLessEqual(len(marks), 6)

    def test_large_powers_of_ten_are_written_as_such(self):
        self.assertEqual([plot.number(value) for value in (12, 1000, 100_000, 10_000_000, 0.87, 250.4)],
                         ["12", "1,000", "10⁵", "10⁷", "0.87", "250"])

    def test_numbers_at_the_ends_do_not_cover_each_other(self):
        self.assertEqual(plot.spread_out([50, 48, 90], 13), [61, 48, 90])

    def test_what_is_written_is_escaped(self):
        self.assertIn("a < b & c", texts(drawing([plot.Curve("a < b & c", [(1, 1), (2, 1)])])))

    def test_light_and_dark_pages_each_have_colours(self):
        style = drawing([plot.Curve("a", [(1, 1), (2, 1)])]).find(f"{SVG}style").text
        light, dark = style.split("prefers-color-scheme: dark")
        for name in (".page", "text", *(f".{each}" for each in plot.COLOURS)):
            self.assertIn(f"{name} {{", light)
            self.assertIn(f"{name} {{", dark)

    def test_the_steps_of_a_run_become_the_curves_of_its_panels(self):
        panel = "Chat turn", "tenants", "µs CPU a turn"
        results = [each for label, cost in (("PostgreSQL", 250), ("worker", 160))
                   for each in growth.curve(panel, "embedded", "distinct", label, {n: [cost, cost, 900] for n in STEPS})]
        exponents = [each for each in results if "exponent" in each.what]
        self.assertEqual([each.reached for each in exponents], [True, True])
        self.assertFalse(any("(!)" in each.note for each in exponents))
        found = texts(ElementTree.fromstring(growth.drawing(results)))
        for expected in (*panel, "PostgreSQL", "worker", "250", "160", growth.NOTE):
            self.assertIn(expected, found)


    def test_a_single_step_above_n_log_n_is_marked_and_does_not_fail(self):
        figures = {1: [5], 10: [5.2], 100: [5.8], 1000: [21]}
        found = list(growth.curve(("Call", "tenants", "µs CPU a call"), "embedded", "distinct", "PostgreSQL", figures))[-1]
        self.assertIn("worst step 1.56 from 100 to 1,000 > 1.18 (n log n) (!)", found.note)
        self.assertTrue(found.reached)


if __name__ == "__main__":
    unittest.main()
