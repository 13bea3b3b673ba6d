"""Tests of plan.py and programs.py, on a made-up list of programs."""
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import programs  # noqa: E402
from plan import Options, Plan  # noqa: E402

LISTING = json.dumps({"tests": [
    {"name": name, "properties": [{"name": "LABELS", "value": [label]}], **more} for name, label, more in (
        ("json_test", "test", {}), ("engine_test", "test", {}), ("store_pgtest", "pgtest", {}),
        ("postgres_pgtest", "pgtest", {}), ("engine_kafkatest", "kafkatest", {}),
        ("contract_test", "test", {"command": ["python3", "/src/contract_test.py", "/build/tests/contract_dump"]}))]})


class ProgramsTest(unittest.TestCase):
    def test_a_program_that_is_not_built_has_its_place_in_the_build(self):
        first = programs.parse(LISTING, "/build")[0]
        self.assertEqual((first.command, first.targets), (("/build/tests/json_test",), ("tests/json_test",)))

    def test_a_script_needs_the_programs_that_its_command_names(self):
        last = programs.parse(LISTING, "/build")[-1]
        self.assertEqual(last.targets, ("tests/contract_dump",))
        self.assertEqual(last.command[0], "python3")


class PlanTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("runner/counts_test.py", "e2e/chat_e2etest.py", "e2e/release_e2etest.py", "faults/crashes_faulttest.py",
                     "faults/clocks_faulttest.py", "fuzz/sse_fuzz.cpp", "fuzz/topics_fuzz.cpp"):
            path = self.root / "tests" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for name, value in (("listed", lambda build: programs.parse(LISTING, build)), ("binaries", lambda build: ["bin/omnibus"])):
            patch = mock.patch.object(programs, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def plan(self, **options):
        work = pathlib.Path(tempfile.mkdtemp(dir=self.root))
        self.made = Plan(Options(**options), self.root, work)
        self.tasks = {task.name: task for task in self.made.make()}
        return [task.name for task in self.made.tests]

    def test_a_run_of_everything_has_every_kind(self):
        names = self.plan(ci=True)
        self.assertEqual(self.made.missing, [])
        for name in ("format", "shellcheck", "tidy", "faults_crashes", "tests/e2e/chat_e2etest.py", "json_test", "store_pgtest",
                     "tests/runner/counts_test.py", "engine_kafkatest (embedded)", "engine_kafkatest (apache)",
                     "engine_kafkatest (apache, classic groups)", "faults (tsan)", "engine_test (tsan)", "engine_kafkatest (tsan)",
                     "fuzz_sse", "fuzz_topics"):
            self.assertIn(name, names)
        self.assertNotIn("json_test (tsan)", names)

    def test_a_run_by_hand_leaves_out_what_only_ci_has(self):
        names = self.plan()
        self.assertIn("faults_clocks", names)
        self.assertFalse([name for name in names if "tsan" in name or "fuzz" in name or name == "tidy"])

    def test_all_that_a_task_waits_for_is_in_the_plan(self):
        self.plan(ci=True)
        for task in self.tasks.values():
            self.assertLessEqual(set(task.after), set(self.tasks), task.name)

    def test_a_pattern_takes_the_names_that_hold_it_and_builds_only_these(self):
        self.assertEqual(self.plan(pattern="json"), ["json_test"])
        self.assertEqual(self.tasks["build-dev-unit"].command[-1], "tests/json_test")
        self.assertNotIn("postgres", self.tasks)
        self.assertNotIn("build-dev-rest", self.tasks)

    def test_suites_are_asked_for_whole_or_one_by_one(self):
        self.assertEqual(self.plan(pattern="faults"), ["faults_clocks", "faults_crashes"])
        self.assertEqual(self.plan(pattern="faults_clocks"), ["faults_clocks"])
        self.assertEqual(self.plan(pattern="fuzz"), ["fuzz_sse", "fuzz_topics"])
        self.assertEqual(self.plan(pattern="fuzz_sse"), ["fuzz_sse"])
        self.assertEqual(self.plan(pattern="tidy"), ["tidy"])

    def test_a_suite_s_name_in_another_word_asks_for_nothing(self):
        self.assertEqual(self.plan(pattern="crashes"), [])

    def test_thread_sanitizer_replaces_the_rest(self):
        self.assertEqual(self.plan(pattern="engine", tsan=True), ["engine_kafkatest (tsan)", "engine_test (tsan)"])
        self.assertEqual(self.plan(pattern="faults", tsan=True), ["faults (tsan)"])

    def test_a_kind_that_is_not_there_is_missing(self):
        for path in (self.root / "tests/e2e").iterdir():
            path.unlink()
        self.plan()
        self.assertEqual(self.made.missing, ["end-to-end tests"])

    def test_each_program_that_brings_up_servers_has_its_own_run_folder(self):
        self.plan(ci=True)
        folders = [task.environment["OMNIBUS_RUN_DIR"] for task in self.made.tests
                   if isinstance(task.environment, dict) and "OMNIBUS_RUN_DIR" in task.environment]
        self.assertEqual(len(folders), len(set(folders)))
        self.assertEqual(len(folders), 5)

    def test_presets_are_those_that_are_needed(self):
        self.assertEqual(Options(pattern="json").presets(self.root), ["dev"])
        self.assertEqual(Options(pattern="e2e").presets(self.root), ["dev", "release"])
        self.assertEqual(Options(ci=True).presets(self.root), ["dev", "tsan", "release", "fuzz"])
        self.assertEqual(Options(tsan=True).presets(self.root), ["tsan"])

    def test_the_program_whose_migrations_go_down_has_a_cluster_of_its_own(self):
        self.plan()
        self.assertIn("postgres", self.tasks["store_pgtest"].after)
        self.assertIn("postgres-roles-dev", self.tasks["postgres_pgtest"].after)
        self.assertTrue(self.tasks["postgres-roles-dev"].environment["OMNIBUS_RUN_DIR"])


if __name__ == "__main__":
    unittest.main()
