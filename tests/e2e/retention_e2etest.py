#!/usr/bin/env python3
"""Retention: the gdpr worker at its ticks, and `omnibus gdpr prune`, which is killed with -9 in the middle."""
import json
import os
import pathlib
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Stack, binary, eventually  # noqa: E402

SHOP = "shop.example"
SECRET = "0123456789abcdef0123456789abcdef"
ROWS = """INSERT INTO gdpr_audit_log (domain, actor, action, status, subject_key, created_at)
  SELECT 'shop.example', 'worker:gdpr', 'erasure.rows', 'done', md5(n::text), now() - interval '{age}' + n * interval '1 ms'
  FROM generate_series(1, {rows}) AS n"""


class RetentionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("embedded")
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_tenant(SHOP)
        cls.database = cls.stack.database

    def setUp(self):
        self.database.execute("TRUNCATE gdpr_audit_log, pipeline.maintenance_runs")

    def add(self, age, rows):
        self.database.execute(ROWS.format(age=age, rows=rows))

    def start_prune(self, *options):
        environment = {**os.environ, "DATABASE_URL": self.stack.database_url("gdpr")}
        return subprocess.Popen([binary("omnibus"), "gdpr", "prune", *options, "--json"], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def prune(self, *options):
        """Exit status and runs by name."""
        process = self.start_prune(*options)
        printed, _ = process.communicate(timeout=300)
        return process.returncode, {run["name"]: run for run in json.loads(printed)["runs"]} if printed else {}

    def left(self):
        return int(self.database.value("SELECT count(*) FROM gdpr_audit_log WHERE action = 'erasure.rows'"))

    def tick(self, name):
        self.stack.kafka.publish("ops.ticks", name, [(f"omnibus.{name}.v1", {"due_at": "2026-11-29T03:00:00Z", "missed": 0})])

    def test_a_prune_that_is_killed_goes_on_and_its_total_is_exact(self):
        self.add("3 years", 60_000)
        self.add("1 day", 70_000)
        done = "SELECT COALESCE(max(done), 0) FROM pipeline.maintenance_runs WHERE name = 'gdpr-audit'"
        for part in (10_000, 30_000):
            process = self.start_prune("gdpr-audit")
            eventually(lambda enough=part: int(self.database.value(done)) >= enough, 120, f"{part} rows pruned")
            process.kill()
            process.communicate()
            self.assertEqual(process.returncode, -9)
        so_far = int(self.database.value(done))
        self.assertEqual(self.left(), 130_000 - so_far)
        status, runs = self.prune("gdpr-audit")
        self.assertEqual((status, runs["gdpr-audit"]["done"], self.left()), (0, 60_000, 70_000))
        self.assertEqual(self.database.value("SELECT count(*) FROM pipeline.maintenance_runs"), "1")
        audited = self.database.value("SELECT payload -> 'rows' ->> 'gdpr_audit_log' FROM gdpr_audit_log WHERE action = 'audit.pruned'")
        self.assertEqual(audited, "60000")

    def test_a_run_that_is_stopped_says_so_and_runs_when_it_is_forced(self):
        self.add("3 years", 100)
        status, runs = self.prune("--dry-run")
        self.assertEqual((status, runs["gdpr-audit"]["state"], runs["gdpr-audit"]["due"]), (2, "counted", 100))
        status, runs = self.prune("gdpr-audit")
        self.assertEqual((status, runs["gdpr-audit"]["state"], runs["gdpr-audit"]["reason"]), (2, "stopped", "more_than_half"))
        self.assertEqual(self.left(), 100)
        status, runs = self.prune("gdpr-audit", "--force")
        self.assertEqual((status, runs["gdpr-audit"]["done"], self.left()), (0, 100, 0))

    def test_the_worker_prunes_at_its_ticks_and_publishes_what_it_did(self):
        self.add("3 years", 700)
        self.add("1 day", 1_000)
        id = uuid.uuid4()
        self.database.execute(
            "INSERT INTO conversations (id, domain, session_id, created_at, last_message_at) VALUES"
            f" ('{id}', '{SHOP}', 'old', now() - interval '400 days', now() - interval '400 days');"
            "INSERT INTO conversations (domain, session_id) VALUES ('shop.example', 'new');"
            "INSERT INTO messages (conversation_id, seq, role, content, created_at) SELECT id, 1, 'user', 'secret', created_at"
            " FROM conversations")
        worker = self.stack.start_worker("gdpr", PROFILE_KEY_SECRET=SECRET)
        self.addCleanup(worker.stop)
        for name in ("tick.prune.gdpr-audit", "tick.prune.messages", "tick.prune.pipeline"):
            self.tick(name)
        eventually(lambda: self.database.value("SELECT count(DISTINCT name) FROM pipeline.maintenance_runs WHERE state = 'finished'")
                   == "17", 120, "all runs finished")
        self.assertEqual(self.left(), 1_000)
        self.assertEqual(self.database.value("SELECT string_agg(session_id, ' ') FROM conversations"), "new")

        def published():
            return {(record.headers["ce_type"], record.key): record.json for record in self.stack.kafka.consume("gdpr.audit")}
        events = eventually(lambda: len(published()) >= 2 and published(), 60, "the events")
        self.assertEqual(events["omnibus.gdpr.audit.pruned.v1", SHOP]["rows"], 700)
        recorded = events["omnibus.gdpr.audit.recorded.v1", SHOP]
        self.assertEqual(recorded["action"], "retention.messages")
        self.assertEqual({each["name"]: each["count"] for each in recorded["counts"]}, {"conversations": 1, "messages": 1})


if __name__ == "__main__":
    unittest.main()
