#!/usr/bin/env python3
"""Replays on Apache Kafka: whatever window is gone through, however often, with kills and beside the live worker, leaves
the same state; nothing is published, no model is asked, and what was deleted does not come back.
"""
import json
import pathlib
import re
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Stack, binary, conversation_id_of, eventually, structured_event  # noqa: E402

SHOP = "shop.example"
MESSAGES = "chat.messages"
RECEIVED = "omnibus.chat.message.received.v1"
DONE, FAILED, STOPPED, UNUSABLE, WRONG = 0, 3, 4, 1, 2

# Everything in the projections, and what of it comes from the events alone (all but when a row was last touched).
ALL = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM (%s) AS t"
STATE = ALL % "SELECT c::text FROM conversations c UNION ALL SELECT m::text FROM messages m"
REBUILT = ALL % ("SELECT m::text FROM messages m UNION ALL SELECT row(id, domain, session_id, channel, status, owner_id,"
                 " unread_count, takeover_epoch, last_message_at, created_at)::text FROM conversations")


def now_ms():
    return int(time.time() * 1000)


class ReplayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        cls.stack.compose("kafka", "configs", "--alter", "--entity-type", "groups", "--entity-name", "omnibus-chat",
                          "--add-config", "consumer.session.timeout.ms=4000,consumer.heartbeat.interval.ms=500")
        cls.stack.add_tenant(SHOP)
        cls.simulator = cls.stack.start_simulator()

    def setUp(self):
        self.runs = 0
        self.name = uuid.uuid4().hex[:8]
        self.stack.database.execute("TRUNCATE conversations, messages")

    def live(self):
        worker = self.stack.start_worker("chat", LLM_BASE_URL=self.simulator.url)
        self.addCleanup(worker.stop)
        return worker

    def publish(self, conversations, turns, first=0):
        """Messages of many conversations. Returns the window [before, after) they were written in."""
        time.sleep(0.002)  # the edges of windows are milliseconds
        begun = now_ms()
        events = []
        for turn in range(first, first + turns):
            for number in range(conversations):
                session = f"{self.name}-{number}"
                events.append((conversation_id_of(SHOP, session), structured_event(
                    RECEIVED, {"domain": SHOP, "session_id": session, "text": f"{session} asks {turn}"})))
        self.stack.kafka.publish_all(MESSAGES, events)
        time.sleep(0.002)
        return begun, now_ms()

    def stored(self):
        return int(self.stack.database.value("SELECT count(*) FROM messages"))

    def answered(self, conversations, turns):
        """Publishes and has all of it answered by a live worker, which is gone afterwards."""
        window = self.publish(conversations, turns)
        worker = self.live()
        eventually(lambda: self.stored() == 2 * conversations * turns, 60, "every message being answered")
        self.assertEqual(worker.stop(), 0)
        return window

    def start_replay(self, run, *arguments, role="replay", worker="chat", **settings):
        environment = {"KAFKA_BROKERS": self.stack.kafka.brokers, "REPLAY_DATABASE_URL": self.stack.database_url(role),
                       "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "LLM_BASE_URL": self.simulator.url,
                       "METRICS_LISTEN": "127.0.0.1:0", **settings}
        process = self.stack.start("replay", [binary(f"omnibus-{worker}"), "--replay", run, *map(str, arguments)], environment)
        self.addCleanup(process.kill)
        return process

    def replay(self, window=None, expect=DONE, run=None, arguments=(), **settings):
        """Replays a window to its end and returns the run's status."""
        self.runs += 1
        run = run or f"{self.name}-{self.runs}"
        times = ("--from", window[0], "--to", window[1]) if window else ()
        process = self.start_replay(run, *times, *arguments, **settings)
        self.assertEqual(process.wait(60), expect, process.text()[-3000:])
        return self.status(run) if expect in (DONE, FAILED, STOPPED) else process.text()

    def status(self, run):
        return json.loads(self.stack.omnibus("replay", "status", run, "--json"))

    def state(self):
        return self.stack.database.value(STATE)

    def rebuilt(self):
        return self.stack.database.value(REBUILT)

    def published(self):
        """How many records the worker's own topics hold."""
        return {topic: len(self.stack.kafka.consume(topic)) for topic in ("chat.replies", "llm.calls", "chat.messages.dlq")}

    def asked(self):
        return self.simulator.stats()["requests"]

    def test_any_window_however_often_leaves_the_same_state_publishes_nothing_and_asks_no_model(self):
        first = self.publish(20, 2)
        second = self.publish(20, 2, first=2)
        worker = self.live()
        eventually(lambda: self.stored() == 160, 60, "every message being answered")
        worker.stop()
        state, published, asked = self.state(), self.published(), self.asked()
        whole = (first[0], second[1])
        for window, events in (whole, 80), (whole, 80), (first, 40), (second, 40), (second, 40), ((first[0], "now"), 80):
            status = self.replay(window)
            self.assertEqual((status["events"], status["done"], status["handled"]), (events, events, events))
            self.assertEqual(status["state"], "ended")
            self.assertEqual(status["failed"], 0)
            self.assertEqual(self.state(), state)
        self.assertEqual(self.published(), published)
        self.assertEqual(self.asked(), asked)
        self.assertEqual(self.stack.database.value("SELECT count(*) FROM pipeline.outbox"), "0")

    def test_what_was_lost_is_the_same_again_with_the_recorded_answers(self):
        window = self.answered(20, 3)
        state, published, asked = self.rebuilt(), self.published(), self.asked()
        for _ in range(2):
            self.stack.database.execute("TRUNCATE conversations, messages")
            status = self.replay(window)
            self.assertEqual(self.rebuilt(), state)
            self.assertEqual((status["handled"], status["suppressed"]), (60, 60))
        self.assertEqual(self.published(), published)
        self.assertEqual(self.asked(), asked)

    def test_a_message_without_a_recorded_answer_is_passed_over_and_none_is_made_up(self):
        window = self.answered(5, 1)
        asked = self.asked()
        self.stack.database.execute(
            "DELETE FROM pipeline.llm_responses WHERE request_key IN (SELECT source_event_id FROM messages JOIN conversations c"
            f" ON c.id = conversation_id WHERE c.session_id = '{self.name}-0'); TRUNCATE conversations, messages")
        status = self.replay(window)
        self.assertEqual((status["handled"], status["skipped"]), (4, 1))
        self.assertIn({"outcome": "skipped", "reason": "no recorded answer", "events": 1}, status["outcomes"])
        self.assertEqual(self.stored(), 8)
        self.assertEqual(self.asked(), asked)

    def test_what_was_deleted_or_purged_does_not_come_back(self):
        window = self.answered(4, 2)
        self.stack.database.execute(
            f"DELETE FROM conversations WHERE session_id = '{self.name}-0';"
            "UPDATE messages SET content = NULL, purged_at = now() WHERE conversation_id ="
            f" '{conversation_id_of(SHOP, self.name + '-1')}';"
            "DELETE FROM messages WHERE role = 'user' AND seq = 3 AND conversation_id ="
            f" '{conversation_id_of(SHOP, self.name + '-2')}'")
        state = self.state()
        status = self.replay(window)
        self.assertEqual(self.state(), state)
        self.assertIn({"outcome": "skipped", "reason": "deleted", "events": 3}, status["outcomes"])

    def test_a_replay_that_is_killed_goes_on_where_it_was_with_any_number_of_processes(self):
        window = self.answered(300, 4)
        state = self.rebuilt()
        self.stack.database.execute("TRUNCATE conversations, messages")
        run, times = f"{self.name}-killed", ("--from", window[0], "--to", window[1])
        for kill in range(3):
            process = self.start_replay(run, *times, MAX_IN_FLIGHT="2")
            begun = self.stored()
            eventually(lambda: self.stored() >= begun + 100 or process.popen.poll() is not None, 60, "the replay going on")
            self.assertTrue(process.alive(), "it ended before it could be killed")
            process.kill()
        self.assertLess(self.stored(), 2400)
        self.assertIn(self.status(run)["state"], ("running", "interrupted"))
        stopped = self.start_replay(run, MAX_IN_FLIGHT="2")
        begun = self.stored()
        eventually(lambda: self.stored() >= begun + 50, 60, "the replay going on")
        self.assertEqual(stopped.stop(), STOPPED)
        # Partitions that one process has read to their end and handed over unfinished come back to it when the other leaves.
        stays, leaves = (self.start_replay(run, MAX_IN_FLIGHT="1") for _ in range(2))
        eventually(lambda: any(line.get("count", 0) > 0 for line in leaves.lines() if line.get("msg") == "partitions assigned"),
                   30, "the second process having partitions")
        leaves.stop()
        begun = self.stored()
        eventually(lambda: self.stored() >= begun + 50 or not stays.alive(), 30, "the first process going on")
        stays.kill()
        together = [self.start_replay(run, *times) for _ in range(3)]
        for process in together:
            self.assertEqual(process.wait(90), DONE, process.text()[-2000:])
        self.assertEqual(self.rebuilt(), state)
        status = self.status(run)
        self.assertEqual((status["state"], status["events"], status["done"]), ("ended", 1200, 1200))
        self.assertTrue(all(each["position"] == each["to"] for each in status["partitions"]))
        # The same command once more finds it done, and the same name for anything else is refused.
        self.assertEqual(self.start_replay(run, *times).wait(30), DONE)
        refused = self.replay(("earliest", "now"), UNUSABLE, run=run)
        self.assertIn("take another name", refused)

    def test_a_replay_beside_the_live_worker_doubles_and_loses_nothing(self):
        window = self.answered(30, 2)
        worker = self.live()
        self.publish(30, 4, first=2)
        for _ in range(3):
            self.replay((window[0], "now"))
        eventually(lambda: self.stored() == 360, 60, "every message being answered")
        # The live worker keeps its partitions: a replay does not fence it.
        self.assertNotIn("fenced", worker.text())
        state = self.state()
        self.replay((window[0], "now"))
        self.assertEqual(self.state(), state)
        rows = self.stack.database.execute(
            "SELECT c.session_id, string_agg(m.role, ',' ORDER BY m.seq), string_agg(m.content, '|' ORDER BY m.seq)"
            " FILTER (WHERE m.role = 'user') FROM messages m JOIN conversations c ON c.id = conversation_id GROUP BY 1")
        self.assertEqual(len(rows), 30)
        for session, roles, texts in rows:
            self.assertEqual(roles, ",".join(["user,assistant"] * 6))
            self.assertEqual(texts, "|".join(f"{session} asks {turn}" for turn in range(6)))
        replies = [record.json["conversation_id"] for record in self.stack.kafka.consume("chat.replies")
                   if record.headers["ce_type"] == "omnibus.chat.reply.generated.v1"]
        for session, _, _ in rows:
            self.assertEqual(replies.count(conversation_id_of(SHOP, session)), 6)

    def test_an_event_that_cannot_be_handled_is_counted_and_parked_nowhere(self):
        window = self.answered(3, 1)
        self.stack.kafka.produce(MESSAGES, "poison", "{}", {"content-type": "application/json"})
        worker = self.live()
        eventually(lambda: "dead letter" in worker.text(), 30, "the dead letter")
        worker.stop()
        state, published = self.state(), self.published()
        status = self.replay((window[0], "now"), FAILED)
        self.assertEqual((status["state"], status["handled"], status["failed"]), ("ended", 3, 1))
        self.assertIn({"outcome": "failed", "reason": "invalid_event", "events": 1}, status["outcomes"])
        self.assertEqual(self.state(), state)
        self.assertEqual(self.published(), published)

    def test_a_dry_run_and_a_plan_tell_the_window_and_write_nothing(self):
        window = self.publish(10, 1)
        def everything():
            return self.stack.compose("kafka", "groups", "--list"), self.stack.database.execute(
                "SELECT (SELECT count(*) FROM pipeline.replay_runs), (SELECT count(*) FROM pipeline.fence),"
                " (SELECT count(*) FROM pipeline.inbox)")
        before = everything()
        dry = self.start_replay("dry", "--from", window[0], "--to", window[1], "--dry-run")
        self.assertEqual(dry.wait(30), 0, dry.text())
        self.assertRegex(dry.text(), r"chat from \S+ to \S+: 10 events, about [1-9][0-9.]* (B|KiB)")
        plan = json.loads(self.stack.omnibus("replay", "plan", "--worker", "chat", "--from", window[0], "--to", window[1],
                                             "--json"))
        self.assertEqual((plan["events"], len(plan["partitions"])), (10, 12))
        self.assertGreater(plan["bytes"], 1000)
        self.assertEqual(everything(), before)
        listed = [replay["run"] for replay in json.loads(self.stack.omnibus("replay", "ls", "--json"))["replays"]]
        self.assertNotIn("dry", listed)
        worker = self.live()  # what was published is answered, for the tests after this one
        eventually(lambda: self.stored() == 20, 60, "every message being answered")
        worker.stop()

    def test_a_replay_has_a_group_of_its_own_and_the_workers_stays_where_it_is(self):
        window = self.answered(5, 2)
        def offsets(group):
            shown = self.stack.compose("kafka", "groups", "--describe", "--group", group, "--offsets")
            return sorted(re.findall(r"^\S+\s+chat\.messages\s+(\d+)\s+(\d+)", shown, re.M))
        before = offsets("omnibus-chat")
        self.replay(window, run=f"{self.name}-own")
        self.assertEqual(offsets("omnibus-chat"), before)
        self.assertEqual(self.status(f"{self.name}-own")["group"], f"omnibus-chat-replay-{self.name}-own")
        self.assertTrue(offsets(f"omnibus-chat-replay-{self.name}-own"))

    def test_the_telemetry_worker_replays_in_batches_and_counts_no_call_twice(self):
        self.answered(20, 3)
        calls = sum(record.headers["ce_type"] == "omnibus.llm.call.completed.v1" for record in self.stack.kafka.consume("llm.calls"))
        worker = self.stack.start_worker("telemetry")
        self.addCleanup(worker.stop)
        eventually(lambda: int(self.stack.database.value("SELECT count(*) FROM chat_telemetry")) == calls, 30, "every call")
        worker.stop()
        tables = ("chat_telemetry", "chat_telemetry_rollups", "chat_telemetry_domain_rollups", "chat_telemetry_model_rollups")
        hashes = " UNION ALL ".join(f"SELECT '{table} ' || t::text FROM {table} t" for table in tables)
        state = self.stack.database.value(ALL % hashes)
        for _ in range(2):
            status = self.replay(("earliest", "now"), worker="telemetry")
            self.assertEqual((status["worker"], status["handled"], status["failed"]), ("telemetry", calls, 0))
            self.assertEqual(self.stack.database.value(ALL % hashes), state)

    def test_what_cannot_be_replayed_is_refused_with_the_setting_to_change(self):
        window = self.answered(1, 1)
        refusal = self.replay(window, UNUSABLE, role="chat")
        self.assertIn("may insert into pipeline.outbox", refusal)
        self.assertIn("REPLAY_DATABASE_URL", refusal)
        self.assertIn("may insert into", self.replay(window, UNUSABLE, role="admin"))
        self.assertIn("there is no run", self.replay(None, UNUSABLE))
        for arguments, reason in (
                (("--from", "yesterday", "--to", "now"), "--from: 'yesterday' is no time"),
                (("--from", "1700000000", "--to", "now"), "milliseconds"),
                (("--from", window[1], "--to", window[0]), "does not lie before"),
                (("--from", "earliest"), "takes --from and --to"),
                (("--from", "earliest", "--to", "now", "--topic", "llm.calls"), "chat does not read llm.calls")):
            self.assertIn(reason, self.replay(None, WRONG, arguments=arguments))
        without = subprocess.run([binary("omnibus-chat"), "--from", "earliest"], capture_output=True, text=True)
        self.assertEqual(without.returncode, WRONG)
        self.assertIn("--replay RUN", without.stderr)

    def test_the_database_refuses_what_a_replay_must_not_do(self):
        self.answered(1, 1)
        url = self.stack.database_url("replay")
        for statement in (
                "INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic) VALUES ('chat', 't', 0, 't')",
                "INSERT INTO pipeline.llm_responses (request_key, event_id, model, response)"
                " VALUES (gen_random_uuid(), gen_random_uuid(), 'm', '{}')",
                "UPDATE conversations SET takeover_epoch = takeover_epoch + 1",
                "DELETE FROM messages"):
            refused = subprocess.run(["psql", "-Xqc", statement, url], capture_output=True, text=True)
            self.assertIn("permission denied", refused.stderr, statement)
        self.stack.database.execute("DELETE FROM conversations")
        back = subprocess.run(["psql", "-Xqc", "INSERT INTO conversations (id, domain, session_id) VALUES"
                               f" ('{conversation_id_of(SHOP, self.name + '-0')}', '{SHOP}', 'x')", url],
                              capture_output=True, text=True)
        self.assertIn("row-level security", back.stderr)


if __name__ == "__main__":
    unittest.main()
