"""Tests of scheduler.py and summary.py, with shell commands for programs."""
import io
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import scheduler as under_test  # noqa: E402
from counts import Counts  # noqa: E402
from scheduler import Scheduler, StepFailed  # noqa: E402
from summary import Summary, covered  # noqa: E402
from task import Result, Task  # noqa: E402

PASSED = "echo 'Ran 2 tests in 0.1s'; echo; echo OK"


def shell(name, script, part="unit", **more):
    return Task(name, part, ["sh", "-c", script], **more)


class SchedulerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = io.StringIO()
        self.summary = Summary(self.out)

    def run_tasks(self, *tasks, slots=2):
        self.scheduler = Scheduler(slots, self.folder, self.summary.add)
        self.addCleanup(self.scheduler.stop)
        self.scheduler.run(tasks)
        return {result.task.name: result for result in self.summary.results}

    def overlap(self, first, second):
        return first.begun < second.ended and second.begun < first.ended

    def test_programs_run_beside_each_other_and_are_counted(self):
        found = self.run_tasks(shell("a", f"sleep 0.3; {PASSED}"), shell("b", f"sleep 0.3; {PASSED}"))
        self.assertTrue(self.overlap(found["a"], found["b"]))
        self.assertEqual(self.summary.counts, Counts(passed=4))

    def test_no_more_run_than_there_are_slots(self):
        found = self.run_tasks(*(shell(name, f"sleep 0.2; {PASSED}") for name in "abc"))
        self.assertFalse(self.overlap(found["a"], found["c"]) and self.overlap(found["b"], found["c"]))

    def test_a_heavy_program_runs_alone_and_is_not_overtaken(self):
        found = self.run_tasks(shell("a", f"sleep 0.2; {PASSED}"), shell("heavy", PASSED, weight=2), shell("b", PASSED))
        self.assertGreaterEqual(found["heavy"].begun, found["a"].ended - 0.1)
        self.assertGreaterEqual(found["b"].begun, found["heavy"].ended - 0.1)

    def test_a_weight_beyond_the_slots_is_all_of_them(self):
        self.assertEqual(self.run_tasks(shell("a", PASSED, weight=9))["a"].counts, Counts(passed=2))

    def test_builds_run_one_at_a_time_beside_the_programs(self):
        found = self.run_tasks(shell("one", "sleep 0.2", "build", lane="build", weight=0, nice=True, step=True),
                               shell("two", "sleep 0.1", "build", lane="build", weight=0, step=True),
                               shell("a", f"sleep 0.3; {PASSED}", weight=2))
        self.assertFalse(self.overlap(found["one"], found["two"]))
        self.assertTrue(self.overlap(found["one"], found["a"]))

    def test_a_lane_that_is_full_holds_up_no_other(self):
        found = self.run_tasks(*(shell(name, f"sleep 0.3; {PASSED}", lane="faults") for name in "abc"), shell("d", PASSED), slots=4)
        self.assertTrue(self.overlap(found["a"], found["b"]))
        self.assertFalse(self.overlap(found["a"], found["c"]) and self.overlap(found["b"], found["c"]))
        self.assertTrue(self.overlap(found["a"], found["d"]))

    def test_a_program_waits_for_what_it_needs(self):
        found = self.run_tasks(shell("server", "sleep 0.2", step=True), shell("a", PASSED, after=("server",)))
        self.assertGreaterEqual(found["a"].begun, found["server"].ended - 0.1)

    def test_a_name_that_is_waited_for_has_to_be_there(self):
        with self.assertRaisesRegex(ValueError, "a waits for nothing"):
            self.run_tasks(shell("a", PASSED, after=("nothing",)))

    def test_the_environment_is_asked_for_when_the_program_starts(self):
        address = self.folder / "address"
        found = self.run_tasks(shell("server", f"echo 7 >{address}", step=True),
                               shell("a", f"echo address $ADDRESS; {PASSED}", after=("server",),
                                     environment=lambda: {"ADDRESS": address.read_text().strip()}))
        self.assertIn("address 7", found["a"].log.read_text())

    def test_a_program_past_its_limit_fails(self):
        result = self.run_tasks(shell("a", "sleep 30", limit=0.2))["a"]
        self.assertEqual((result.status, result.counts), (124, Counts(failed=1)))
        self.assertIn("the time limit", self.out.getvalue())

    def test_a_program_that_ignores_the_end_is_killed(self):
        grace, under_test.GRACE = under_test.GRACE, 0.2
        self.addCleanup(setattr, under_test, "GRACE", grace)
        began = time.monotonic()
        self.run_tasks(shell("a", "trap '' TERM; sleep 30 & wait; sleep 30", limit=0.2))
        self.assertLess(time.monotonic() - began, 10)

    def test_what_a_program_leaves_behind_is_killed(self):
        result = self.run_tasks(shell("a", f"sleep 30 & echo left $!; {PASSED}"))["a"]
        pid = int(result.log.read_text().split()[1])
        self.assertRegex((pathlib.Path(f"/proc/{pid}/stat").read_text() if pathlib.Path(f"/proc/{pid}").exists() else "1 (x) Z"), r"\) Z")

    def test_a_step_that_fails_ends_the_run(self):
        with self.assertRaises(StepFailed):
            self.run_tasks(shell("a", "sleep 30"), shell("build", "echo no such header; exit 1", step=True))
        self.assertEqual(self.scheduler.running, [])
        self.assertEqual(self.summary.counts, Counts(failed=1))
        self.assertIn("no such header", self.out.getvalue())

    def test_a_program_that_fails_holds_up_no_other(self):
        self.run_tasks(shell("a", "exit 3"), shell("b", PASSED, after=("a",)))
        self.assertEqual(self.summary.counts, Counts(passed=2, failed=1))


class SummaryTest(unittest.TestCase):
    def result(self, name, begun, ended, part="unit", counts=Counts(passed=1), step=False):
        return Result(Task(name, part, [], step=step), 0, counts, pathlib.Path("/dev/null"), begun, ended, 1.5)

    def test_time_covered_counts_what_overlaps_once(self):
        self.assertEqual(covered([self.result("a", 0, 4), self.result("b", 2, 5), self.result("c", 8, 9)]), 6)

    def test_the_last_line_is_the_counts(self):
        out = io.StringIO()
        summary = Summary(out)
        summary.add(self.result("slow_test", 0, 9, "database", Counts(3, 0, 1)))
        summary.add(self.result("quick_test", 0, 1))
        self.assertTrue(summary.finish())
        lines = out.getvalue().splitlines()
        self.assertEqual(lines[-1], "4 passed, 0 failed, 1 skipped")
        self.assertIn("slow_test", lines[-3])
        self.assertTrue(any(line.startswith("database") for line in lines))

    def test_a_run_without_a_test_does_not_pass(self):
        summary = Summary(io.StringIO())
        summary.add(self.result("setup", 0, 1, "build", Counts(), step=True))
        self.assertFalse(summary.ran)
        self.assertFalse(summary.finish())

    def test_a_kind_of_test_that_is_missing_fails(self):
        out = io.StringIO()
        summary = Summary(out)
        summary.fail("broker tests", "no broker tests were found")
        self.assertTrue(summary.ran)
        self.assertFalse(summary.finish())
        self.assertTrue(out.getvalue().endswith("0 passed, 1 failed, 0 skipped\n"))


if __name__ == "__main__":
    unittest.main()
