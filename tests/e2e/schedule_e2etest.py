#!/usr/bin/env python3
"""The clock: two schedulers, what they publish after downtime and after a kill, the operator's commands, and the sessions that a
tick closes."""
import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Stack, binary, eventually  # noqa: E402

TICKS = "ops.ticks"
CLEANUP = "tick.sessions.cleanup"
QUICK = {"INTERVAL": "100ms", "TAKEOVER_AFTER": "2s"}
# What is due when: seconds of a period, or weekday (Monday is 0, None is every day), hour and minute in UTC.
SCHEDULES = {
    "tick.midnight": 900, "tick.report": 900, "tick.monitor": 60, "tick.snooze": 60, CLEANUP: 900, "tick.prune.pipeline": 3600,
    "tick.prune.messages": (None, 2, 0), "tick.qa": (None, 2, 30), "tick.knowledge": (None, 3, 0),
    "tick.prune.gdpr-audit": (6, 3, 0), "tick.tune.weekly": (0, 4, 0)}
UTC = datetime.timezone.utc


def due_times(name, begin, end):
    """The due times of a schedule after `begin` and until `end`, told by Python's calendar."""
    rule = SCHEDULES[name]
    if isinstance(rule, int):
        first = int(begin.timestamp()) // rule * rule + rule
        return [datetime.datetime.fromtimestamp(at, UTC) for at in range(first, int(end.timestamp()) + 1, rule)]
    weekday, hour, minute = rule
    days = (begin.date() + datetime.timedelta(days=number) for number in range((end - begin).days + 2))
    times = (datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) for day in days)
    return [at for at in times if begin < at <= end and weekday in (None, at.weekday())]


class ScheduleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("embedded")
        cls.addClassCleanup(cls.stack.close)

    def setUp(self):
        self.stack.database.execute("UPDATE pipeline.schedules SET enabled = true, next_at = NULL, last_at = NULL")

    def scheduler(self, **settings):
        scheduler = self.stack.start_worker("scheduler", **{**QUICK, **settings})
        self.addCleanup(scheduler.stop)
        return scheduler

    def run_tool(self, *arguments, role="operator"):
        return subprocess.run([binary("omnibus"), "schedule", *map(str, arguments)], text=True, capture_output=True, timeout=60,
                              env={**os.environ, "DATABASE_URL": self.stack.database_url(role)})

    def schedule(self, *arguments):
        done = self.run_tool(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def published(self):
        """Where each tick lies: a weekly one may be published again with the same due time and id."""
        return {(record.partition, record.offset) for record in self.stack.kafka.consume(TICKS)}

    def ticks(self, before, name=None):
        """The ids of each that came after those in `before`, by schedule, due time and the number missed."""
        found = collections.defaultdict(list)
        for record in self.stack.kafka.consume(TICKS):
            if (record.partition, record.offset) not in before and name in (None, record.key):
                self.assertEqual(record.headers["ce_type"], f"omnibus.{record.key}.v1")
                found[record.key, record.json["due_at"], record.json["missed"]].append(record.headers["ce_id"])
        return found

    def active(self, *schedulers):
        return [scheduler for scheduler in schedulers if scheduler.metric("omnibus_scheduler_active") == 1]

    def test_after_days_of_downtime_two_schedulers_tick_once_per_schedule_and_say_how_many_were_missed(self):
        for days in 3, 9:  # within nine days the weekly ones are due, too
            with self.subTest(days=days):
                now = datetime.datetime.fromisoformat(self.stack.database.value("SELECT now()::timestamptz(0)") + ":00").astimezone(UTC)
                stopped = now - datetime.timedelta(days=days)
                missed = {name: due_times(name, stopped, now) for name in SCHEDULES}
                before = self.published()
                for name in SCHEDULES:  # as a scheduler that stopped then left it
                    following = due_times(name, stopped, now + datetime.timedelta(days=8))[0]
                    self.stack.database.execute(f"UPDATE pipeline.schedules SET next_at = '{following.isoformat()}' WHERE name = '{name}'")
                both = [self.scheduler(), self.scheduler()]
                expected = {name: times for name, times in missed.items() if times}
                self.assertGreaterEqual(len(expected), 9 if days == 3 else 11)

                def late():
                    found = self.ticks(before)
                    return found if {name for name, *_ in found} >= set(expected) else None
                found = eventually(late, 20, "a tick of each schedule")
                time.sleep(0.5)  # a second one would have come by now
                found = late()
                for name, times in expected.items():
                    mine = sorted((due, missed, len(ids)) for (key, due, missed), ids in found.items() if key == name)
                    # One more may have come due since the table was read.
                    later = datetime.datetime.fromisoformat(mine[0][0].replace("Z", "+00:00"))
                    self.assertLessEqual(len(due_times(name, times[-1], later)), 1, name)
                    self.assertEqual(mine[0][1], len(due_times(name, stopped, later)) - 1, name)
                    self.assertEqual(mine[0][2], 1, name)
                    self.assertTrue(all(missed == 0 and count == 1 for _, missed, count in mine[1:]), mine)
                self.assertEqual(len(self.active(*both)), 1)
                for each in both:
                    each.stop()

    def test_when_the_active_scheduler_is_killed_the_other_one_takes_over_within_seconds(self):
        first = self.scheduler()
        eventually(lambda: self.active(first), 10, "an active scheduler")
        second = self.scheduler()
        self.assertEqual(self.active(second), [])
        self.assertTrue(second.ready(), "one that stands by is ready")
        first.kill()
        begun = time.monotonic()
        eventually(lambda: self.active(second), 10, "the other one being active")
        self.assertLess(time.monotonic() - begun, 5)
        self.schedule("run", "tick.qa")

    def test_a_scheduler_whose_connection_is_cut_comes_back_or_is_replaced(self):
        both = [self.scheduler(), self.scheduler()]
        eventually(lambda: len(self.active(*both)) == 1, 10, "an active scheduler")
        self.stack.database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'omnibus_scheduler'")
        self.schedule("run", "tick.qa", "--wait", 10)
        eventually(lambda: len(self.active(*both)) == 1 and all(each.ready() for each in both), 10, "one active, both ready")

    def test_an_expired_session_is_closed_by_a_tick_and_its_age_is_counted(self):
        self.stack.omnibus("tenant", "add", "shop.example")
        self.stack.database.execute(
            "WITH p AS (INSERT INTO profiles (domain, phone_number) SELECT 'shop.example', '+25078800000' || n"
            " FROM generate_series(1, 3) n RETURNING id, phone_number)"
            " INSERT INTO omnichannel_sessions (domain, profile_id, primary_channel, last_channel, created_at, expires_at)"
            " SELECT 'shop.example', id, 'sms', 'sms', now() - interval '26 hours',"
            " CASE WHEN phone_number LIKE '%3' THEN now() + interval '1 hour' ELSE now() - interval '1 hour' END FROM p")
        simulator = self.stack.start_simulator()
        self.addCleanup(simulator.stop)
        sms = self.stack.start_worker("sms", LLM_BASE_URL=simulator.url, LLM_API_KEY="any")
        self.addCleanup(sms.stop)
        self.scheduler()
        self.schedule("run", CLEANUP)
        closed = "SELECT string_agg(phone_number || ' ' || s.status, ', ' ORDER BY phone_number) FROM omnichannel_sessions s JOIN profiles p ON p.id = profile_id"
        eventually(lambda: self.stack.database.value(closed) ==
                   "+250788000001 closed, +250788000002 closed, +250788000003 active", 30, "the expired ones being closed")
        eventually(lambda: sms.metric("session_duration_seconds_count") == 2, 10, "their ages being counted")
        self.assertAlmostEqual(sms.metric("session_duration_seconds_sum"), 2 * 25 * 3600, delta=1)

    def test_an_operator_lists_runs_disables_and_enables_schedules(self):
        listed = json.loads(self.schedule("ls", "--json"))["schedules"]
        self.assertEqual({each["name"] for each in listed}, set(SCHEDULES))
        self.assertIn("Sun 03:00 UTC", self.schedule("ls"))
        self.assertEqual(json.loads(self.run_tool("ls", "--json", role="readonly").stdout)["schedules"], listed)

        self.schedule("disable", "tick.qa")
        self.assertIn("already disabled", self.schedule("disable", "tick.qa"))
        refused = self.run_tool("run", "tick.qa")
        self.assertEqual((refused.returncode, refused.stderr), (1, "omnibus: tick.qa is disabled: run omnibus schedule enable tick.qa first\n"))
        self.scheduler()
        eventually(lambda: self.stack.database.value("SELECT count(*) FROM pipeline.schedules WHERE next_at IS NULL") == "1", 10, "due times")
        enabled = json.loads(self.schedule("enable", "tick.qa", "--json"))
        self.assertEqual((enabled["name"], enabled["enabled"]), ("tick.qa", True))
        before = self.published()
        ran = json.loads(self.schedule("run", "tick.qa", "--json"))
        self.assertTrue(ran["claimed"])
        found = eventually(lambda: self.ticks(before, "tick.qa"), 10, "the tick")
        self.assertEqual([(missed, len(ids)) for (_, _, missed), ids in found.items()], [(0, 1)])
        self.assertEqual(self.stack.database.value("SELECT to_char(next_at AT TIME ZONE 'UTC', 'HH24:MI:SS') FROM pipeline.schedules"
                                                   " WHERE name = 'tick.qa'"), "02:30:00")

    def test_what_an_operator_cannot_do_is_refused_with_what_to_do(self):
        for arguments, role, status, text in (
                (("run", "tick.noon"), "operator", 1, "there is no schedule tick.noon: omnibus schedule ls shows them"),
                (("disable", "tick.noon"), "operator", 1, "there is no schedule tick.noon"),
                (("disable", "tick.qa"), "readonly", 1, "omnibus_operator"),
                (("run", "tick.qa"), "readonly", 1, "omnibus_operator"),
                (("ls",), "gateway", 1, "omnibus_operator"),
                (("run", "tick.qa", "--wait", "1"), "operator", 1, "start omnibus-scheduler"),
                (("run", "tick.qa", "--wait", "-1"), "operator", 64, "--wait"),
                (("run",), "operator", 64, "name"),
                (("jump", "tick.qa"), "operator", 64, "there is no command jump")):
            with self.subTest(arguments=arguments, role=role):
                done = self.run_tool(*arguments, role=role)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                self.assertIn(text, done.stderr)

    def test_the_scheduler_shows_its_settings_and_stops_when_told(self):
        def shown(option):
            done = subprocess.run([binary("omnibus-scheduler"), option], text=True, capture_output=True, timeout=10)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        self.assertIn("TAKEOVER_AFTER", shown("--help").upper())
        self.assertIn("TAKEOVER_AFTER", shown("--print-config").upper())
        self.assertEqual(self.scheduler().stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
