#!/usr/bin/env python3
"""Follows the six steps of CONTRIBUTING.md to the letter, in a copy of the tree, and runs the worker they make.

Every code block of the steps that follows a line ending in a file's name is that file, or is added to its end. The copy is
built with the compiler cache: only what the steps add, and what depends on topics.yaml, is compiled anew.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import ROOT, Database, Kafka, binary, eventually  # noqa: E402

ALLOWED = ("workers/triage/", "schemas/", "migrations/", "tests/")
LISTS = {"topics.yaml", "workers/list.txt"}
TARGETS = ("omnibus", "omnibus-triage", "triage_test", "contract_dump")


def steps():
    """Pairs of file and text, in the order of the document."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = re.search(r"^## Add a worker in six steps\n(.*?)^##", text, re.M | re.S).group(1)
    blocks = re.finditer(r"`(?P<file>[\w./-]+)`:\n(?P<indent> *)```\w*\n(?P<text>.*?)^(?P=indent)```$", section, re.M | re.S)
    return [(block["file"], re.sub("^" + block["indent"], "", block["text"], flags=re.M)) for block in blocks]


def files_of(folder):
    """Every file's bytes by its name, without what is built."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.relative_to(folder).parts[0] != "build"}


class SixStepsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-six-steps."))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.folder.chmod(0o755)  # PostgreSQL may run as another user
        cls.tree = cls.folder / "omnibus"
        shutil.copytree(ROOT, cls.tree, ignore=shutil.ignore_patterns("build", ".git", ".run", "__pycache__"))
        cls.before = files_of(cls.tree)
        for name, text in steps():
            file = cls.tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with open(file, "a") as output:
                output.write(("\n" if file.suffix == ".yaml" else "") + text)
        cls.after = files_of(cls.tree)
        cls.build = cls.tree / "build/release"
        cls.environment = {**os.environ, "CCACHE_BASEDIR": str(cls.tree), "CCACHE_NOHASHDIR": "1",
                           "PYTHONDONTWRITEBYTECODE": "1", "OMNIBUS_BIN": str(cls.build / "bin"),
                           "OMNIBUS_RUN_DIR": os.environ.get("OMNIBUS_RUN_DIR") or str(cls.folder / "run")}
        cls.run_in_tree("cmake", "--preset", "release")
        cls.run_in_tree("cmake", "--build", cls.build, "--target", *TARGETS)
        for program in pathlib.Path(binary("omnibus")).parent.glob("omnibus-*"):
            if not (cls.build / "bin" / program.name).exists():
                (cls.build / "bin" / program.name).symlink_to(program.resolve())

    @classmethod
    def run_in_tree(cls, *command, **variables):
        ended = subprocess.run([str(part) for part in command], cwd=cls.tree, env={**cls.environment, **variables}, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1200)
        if ended.returncode:
            raise AssertionError(f"{command} ended with {ended.returncode}:\n{ended.stdout[-4000:]}")
        return ended.stdout

    def test_the_steps_touch_the_new_folder_and_the_lists_alone(self):
        touched = {name for name in self.before | self.after if self.before.get(name) != self.after.get(name)}
        self.assertTrue(LISTS < touched)
        self.assertEqual([name for name in touched - LISTS if not name.startswith(ALLOWED) or name in self.before], [])
        for name in LISTS:
            self.assertTrue(self.after[name].startswith(self.before[name]), f"{name} is only added to")
        self.assertEqual(self.after["workers/list.txt"].removeprefix(self.before["workers/list.txt"]), b"triage\n")

    def test_its_own_tests_and_those_that_hold_the_tree_together_pass(self):
        self.run_in_tree(self.build / "tests/triage_test")
        self.run_in_tree(sys.executable, "tests/contract/contract_test.py", self.build / "tests/contract_dump")
        self.run_in_tree(sys.executable, "-m", "unittest", "tests/contract/layers_test.py")

    @unittest.skipUnless(shutil.which("clang-format-14"), "no clang-format-14")
    def test_its_code_is_formatted(self):
        sources = [name for name in self.after if name not in self.before and name.endswith((".cpp", ".hpp"))]
        self.run_in_tree("clang-format-14", "--dry-run", "-Werror", *sources)

    def test_it_comes_up_with_the_others_and_handles_an_event(self):
        self.addCleanup(self.run_in_tree, "compose/down")
        self.run_in_tree(ROOT / "compose/postgres", "up")  # a cluster that is older than the worker
        self.run_in_tree("compose/up")
        self.assertEqual(self.run_in_tree("compose/up"), self.run_in_tree("compose/up"), "what runs is left running")
        environment = self.run_in_tree("sh", "-c", '. "$OMNIBUS_RUN_DIR/environment" && echo "$OMNIBUS_KAFKA" "$OMNIBUS_DOMAIN"')
        brokers, domain = environment.split()
        kafka = Kafka(brokers)
        url = self.run_in_tree("compose/postgres", "url").strip()
        database = Database(url)
        self.addCleanup(database.close)

        tickets = {"T-1": ("My card was stolen", "high"), "T-2": ("Where is my card?", "low")}
        for ticket, (subject, _) in tickets.items():
            event = {"domain": domain, "ticket_id": ticket, "subject": subject, "conversation_id": str(uuid.uuid4())}
            kafka.publish("tickets.opened", ticket, [("omnibus.ticket.opened.v1", event)])
        wanted = sorted([ticket, urgency] for ticket, (_, urgency) in tickets.items())
        eventually(lambda: database.execute("SELECT ticket_id, urgency FROM tickets ORDER BY 1") == wanted, 30, "the rows")
        published = eventually(lambda: len(records := kafka.consume("tickets.triaged")) == len(tickets) and records, 30, "the events")
        self.assertEqual(sorted([record.key, record.json["urgency"]] for record in published), wanted)
        self.assertEqual({record.headers["ce_type"] for record in published}, {"omnibus.ticket.triaged.v1"})

        self.assertIn("omnibus_triage", self.run_in_tree("compose/postgres", "url", "triage"), "it runs as its own role")
        self.assertIn("omnibus-triage", self.run_in_tree(self.build / "bin/omnibus", "lag", "--brokers", brokers))
        self.run_in_tree(self.build / "bin/omnibus", "migrate", "down", DATABASE_URL=url)
        self.run_in_tree(self.build / "bin/omnibus", "migrate", "up", DATABASE_URL=url)


if __name__ == "__main__":
    unittest.main(verbosity=2)
