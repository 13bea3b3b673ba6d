#!/usr/bin/env python3
"""What an operator asks: omnibus lag and omnibus doctor, on Apache Kafka, with each thing broken that the doctor looks at."""
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import ROOT, Stack, binary, conversation_id_of, eventually, free_port, structured_event  # noqa: E402

MESSAGES = "chat.messages"
RECEIVED = "omnibus.chat.message.received.v1"
GROUP = "omnibus-chat"
KEY = "sk-not-to-be-shown"


def serve(status, body, seen=None):
    """A model endpoint that always answers this, and notes what it was authorised with."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if seen is not None:
                seen.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class OperatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        cls.simulator = cls.stack.start_simulator()

    def run_tool(self, *arguments, through=(), **environment):
        return subprocess.run([*through, binary("omnibus"), *map(str, arguments)], text=True, capture_output=True, timeout=60,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers,
                                   "DATABASE_URL": self.stack.database_url(), "LLM_BASE_URL": self.simulator.url,
                                   "LLM_API_KEY": KEY, **environment})

    def lag(self, *arguments, status=0):
        done = self.run_tool("lag", "--json", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return {group["group"]: group for group in json.loads(done.stdout)["groups"]}

    def test_lag_tells_events_age_and_members_and_ends_as_it_is_told(self):
        domain = "shop.example"
        self.stack.omnibus("tenant", "add", domain)
        def publish(count):
            session = uuid.uuid4().hex
            self.stack.kafka.publish_all(MESSAGES, [
                (conversation_id_of(domain, session),
                 structured_event(RECEIVED, {"domain": domain, "session_id": session, "text": f"Question {number}?"}))
                for number in range(count)])
        worker = self.stack.start_worker("chat", LLM_BASE_URL=self.simulator.url, COMMIT_INTERVAL="100ms")
        publish(2)
        def all_done():
            group = self.lag().get(GROUP)
            return group if group and group["partitions"] and all(
                each["lag"] == 0 and each["committed"] >= 0 for each in group["partitions"] if each["end"] > 0) else None
        busy = eventually(all_done, 30, "no lag")
        self.assertEqual((busy["state"], busy["members"], busy["replay"]), ("Stable", 1, False))
        self.assertEqual(len({each["partition"] for each in busy["partitions"] if each["topic"] == MESSAGES}), 12)
        worker.stop()

        published = time.time()
        publish(5)
        empty = self.lag("--group", GROUP, "--topic", MESSAGES)[GROUP]
        self.assertEqual((empty["state"], empty["members"]), ("Empty", 0))
        self.assertEqual(sum(each["lag"] for each in empty["partitions"]), 5)
        behind, = [each for each in empty["partitions"] if each["lag"] > 0]
        self.assertAlmostEqual(behind["lag_seconds"], time.time() - published, delta=5)
        self.lag("--group", GROUP, "--fail-over", 5)
        self.lag("--group", GROUP, "--fail-over", 4, status=2)
        self.lag("--group", GROUP, "--fail-over", "1h")
        eventually(lambda: time.time() > published + 1, what="a second")
        self.lag("--group", GROUP, "--fail-over", "0s", status=2)
        self.assertIn("takes a number", self.run_tool("lag", "--fail-over", "lots").stderr)
        table = self.run_tool("lag", "--group", GROUP).stdout
        self.assertRegex(table, rf"{GROUP} +Empty +0 +all +5 ")

        self.assertEqual(self.run_tool("lag", "--brokers", f"127.0.0.1:{free_port()}", "--timeout", 2).returncode, 1)

    def doctor(self, *arguments, status=None, **environment):
        begun = time.monotonic()
        done = self.run_tool("doctor", "--json", "--timeout", 3, *arguments, **environment)
        self.assertLess(time.monotonic() - begun, 15)
        self.assertNotIn(KEY, done.stdout + done.stderr)
        for secret in [url.split(":")[2].split("@")[0] for url in [self.stack.database_url()]]:
            self.assertNotIn(secret, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["healthy"] else 2)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout)
        return {check["check"]: check for check in report["checks"]}

    def assertFinding(self, report, check, status, *words):
        self.assertEqual(report[check]["status"], status, report[check])
        for word in words:
            self.assertIn(word, report[check]["seen"] + " " + report[check]["advice"])

    def test_a_healthy_installation_has_no_failing_check(self):
        report = self.doctor(status=0)
        for check in ("kafka", "topics", "migrations", "outbox", "deferred", "deliveries", "retention", "clock (database)", "clock (records)",
                      "descriptors", "model"):
            self.assertFinding(report, check, "ok")
        self.assertFinding(report, "replication", "warn", "1 broker")
        self.assertFinding(report, "database", "warn", "superuser")
        text = self.run_tool("doctor").stdout
        self.assertRegex(text, r"kafka +ok +answers")
        self.assertFinding(self.doctor(DATABASE_URL=self.stack.database_url("operator")), "database", "ok", "omnibus_operator")

    def test_a_low_limit_of_descriptors(self):
        report = self.doctor(through=("prlimit", "--nofile=1024:1024"), status=0)
        self.assertFinding(report, "descriptors", "warn", "1024", "ulimit -Hn")

    def test_kafka_away(self):
        report = self.doctor(status=2, KAFKA_BROKERS=f"127.0.0.1:{free_port()}")
        for check in ("kafka", "replication", "topics", "clock (records)"):
            self.assertFinding(report, check, "fail", "KAFKA_BROKERS")
        self.assertFinding(report, "migrations", "ok")

    def test_database_away_or_not_told_or_empty(self):
        url = self.stack.database_url()
        closed = url[:url.rindex(":")] + f":{free_port()}/omnibus"
        for broken in (closed, "", url.replace("postgres:", "nobody:")):
            report = self.doctor(status=2, DATABASE_URL=broken)
            for check in ("database", "migrations", "outbox", "deliveries", "clock (database)"):
                self.assertFinding(report, check, "fail", "DATABASE_URL")
        report = self.doctor(status=2, DATABASE_URL=url[:url.rindex("/")] + "/postgres")
        self.assertFinding(report, "migrations", "fail", "omnibus migrate up")
        self.assertFinding(report, "outbox", "fail", "omnibus migrate up")
        self.assertFinding(report, "deliveries", "fail", "omnibus migrate up")

    def test_a_server_that_accepts_and_says_nothing_is_given_up(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(100)
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            report = self.doctor(status=2, KAFKA_BROKERS=address, DATABASE_URL=f"postgresql://u:p@{address}/d",
                                 LLM_BASE_URL=f"http://{address}/v1")
        for check in ("kafka", "database", "model"):
            self.assertFinding(report, check, "fail")

    def test_migrations_pending_and_changed(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "migrations", folder, dirs_exist_ok=True)
            (pathlib.Path(folder) / "29990101000000_later.sql").write_text("-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;\n")
            self.assertFinding(self.doctor("--dir", folder, status=2), "migrations", "fail", "later.sql", "omnibus migrate up")
            (pathlib.Path(folder) / "29990101000000_later.sql").unlink()
            first = sorted(pathlib.Path(folder).iterdir())[0]
            first.write_text(first.read_text() + "-- touched\n")
            self.assertFinding(self.doctor("--dir", folder, status=2), "migrations", "fail", first.name)
            first.unlink()
            self.assertFinding(self.doctor("--dir", folder, status=0), "migrations", "warn", "--dir")

    def test_topics_that_differ_and_a_dead_letter_topic_that_is_missing(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            text = (ROOT / "topics.yaml").read_text()
            file.write(text.replace("retention.ms: 604800000", "retention.ms: 604800001", 1))
            file.flush()
            self.assertFinding(self.doctor("--file", file.name, status=0), "topics", "warn", MESSAGES, "omnibus topics plan")
        self.stack.compose("kafka", "topics", "--delete", "--topic", "chat.replies.dlq")
        self.addCleanup(self.stack.omnibus, "topics", "apply")
        eventually(lambda: self.doctor()["topics"]["status"] == "fail", what="the topic being gone")
        self.assertFinding(self.doctor(status=2), "topics", "fail", "chat.replies.dlq", "omnibus topics apply")

    def test_outbox_that_nobody_empties(self):
        self.stack.database.execute(
            "INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, created_at)"
            " VALUES ('gone', 'a', 0, 'b', now() - interval '1 hour')")
        self.addCleanup(self.stack.database.execute, "DELETE FROM pipeline.outbox")
        self.assertFinding(self.doctor(status=0), "outbox", "warn", "omnibus-relay")

    def test_a_refused_row_a_table_over_its_retention_and_a_sender_without_an_active_tenant_are_named(self):
        execute = self.stack.database.execute
        self.stack.omnibus("tenant", "add", "gone.example")
        self.stack.omnibus("tenant", "sender", "add", "gone.example", "--provider", "twilio_sms", "--sender", "+15550009999",
                           "--account", "AC9", "--secret", "auth_token=gone-twilio")
        execute("INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, refused)"
                " VALUES ('chat', 'chat.messages', 0, 'chat.replies', 'Message size too large')")
        execute("INSERT INTO pipeline.spend (domain, day, spent) VALUES ('gone.example', current_date - 1000, 1)")
        execute("UPDATE tenants SET status = 'suspended' WHERE domain = 'gone.example'")
        for clean in ("DELETE FROM tenants WHERE domain = 'gone.example'", "DELETE FROM channel_senders WHERE domain = 'gone.example'",
                      "DELETE FROM pipeline.spend", "DELETE FROM pipeline.outbox"):
            self.addCleanup(execute, clean)
        report = self.doctor(status=0, DATABASE_URL=self.stack.database_url("operator"))
        self.assertFinding(report, "outbox", "warn", "chat.replies (1): Message size too large", "omnibus dlq redrive --refused")
        self.assertFinding(report, "retention", "warn", "pipeline.spend", "omnibus-gdpr")
        self.assertFinding(report, "senders", "warn", "+15550009999 of gone.example", "omnibus tenant sender remove")

    def deliveries(self, *rows):
        """The ledger of messages with these in it: state, and how long ago they were planned and last changed."""
        self.stack.database.execute("DELETE FROM pipeline.delivery")
        self.addCleanup(self.stack.database.execute, "DELETE FROM pipeline.delivery")
        for state, age in rows:
            self.stack.database.execute(
                "INSERT INTO pipeline.delivery (effect_key, event_key, request_source, request_id, domain, profile_id, channel, provider,"
                " kind, state, planned_at, updated_at) VALUES (gen_random_uuid(), gen_random_uuid(), '/tests', '1', 'shop.example',"
                f" gen_random_uuid(), 'sms', 'mtn_sms', 'reply', '{state}', now() - interval '{age}', now() - interval '{age}')")

    def test_deliveries_that_are_late_or_in_doubt(self):
        self.deliveries(("claimed", "14 minutes"), ("accepted", "16 minutes"))
        self.assertFinding(self.doctor(status=0), "deliveries", "ok")
        self.deliveries(*((state, "16 minutes") for state in ("planned", "claimed", "dispatching", "failed")))
        self.assertFinding(self.doctor(status=0), "deliveries", "warn", "3 open", "0 in doubt", "omnibus-notify")
        self.deliveries(("in_doubt", "40 days"), ("in_doubt", "1 second"))
        self.assertFinding(self.doctor(status=0), "deliveries", "warn", "0 open", "2 in doubt", "omnibus delivery resolve")
        listed = self.run_tool("delivery", "ls", "--json", "--state", "in_doubt", "--since", "90d")
        self.assertEqual(len(json.loads(listed.stdout)["deliveries"]), 2)
        self.assertFinding(self.doctor(DATABASE_URL=self.stack.database_url("operator")), "deliveries", "warn", "2 in doubt")

    def test_old_deliveries_are_dropped_when_they_have_ended(self):
        ended = ("accepted", "delivered", "read", "failed", "skipped")
        self.deliveries(*((state, "40 days") for state in (*ended, "planned", "claimed", "dispatching", "in_doubt")),
                        *((state, "34 days") for state in ended))
        operator = {"DATABASE_URL": self.stack.database_url("operator")}
        day = lambda ago: time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago * 86400))
        count = lambda: self.stack.database.value("SELECT count(*) FROM pipeline.delivery")
        drop = lambda *arguments, **environment: self.run_tool("delivery", "drop", "--before", *arguments, **{**operator, **environment})
        self.assertIn("last 30 days", drop(day(28)).stderr)
        self.assertIn("last 30 days", drop(day(28), "--dry-run").stderr)
        self.assertIn("omnibus_operator", drop(day(37), DATABASE_URL=self.stack.database_url("readonly")).stderr)
        self.assertEqual(drop(day(37), "--dry-run").stdout, "5 deliveries would be dropped; the log of messages stays\n")
        self.assertEqual(count(), "14")
        self.assertEqual(drop(day(37)).stdout, "5 deliveries dropped; the log of messages stays\n")
        self.assertEqual(count(), "9")
        self.assertEqual(drop(day(37)).stdout, "0 deliveries dropped; the log of messages stays\n")
        self.assertEqual(drop(day(31)).stdout, "5 deliveries dropped; the log of messages stays\n")
        self.assertEqual(self.stack.database.value("SELECT string_agg(state, ' ' ORDER BY state) FROM pipeline.delivery"),
                         "claimed dispatching in_doubt planned")

    def test_the_models_key_is_openais_where_none_of_ours_is_set(self):
        seen = []
        for given in ({"LLM_API_KEY": "", "OPENAI_API_KEY": KEY}, {"OPENAI_API_KEY": "another"}):
            server = serve(200, b'{"data": [{"id": "omnibus-small"}]}', seen)
            try:
                self.assertFinding(self.doctor(LLM_BASE_URL=f"http://127.0.0.1:{server.server_port}/v1", **given), "model", "ok")
            finally:
                server.shutdown()
                server.server_close()
        self.assertEqual(seen, [f"Bearer {KEY}"] * 2)

    def test_a_model_endpoint_that_refuses_the_key_or_is_none(self):
        for status, body, finding, word in ((401, b"{}", "fail", "LLM_API_KEY"), (503, b"", "fail", "503"),
                                            (404, b"", "warn", "LLM_BASE_URL"), (200, b"<html>", "warn", "LLM_BASE_URL"),
                                            (200, b'{"data": [{"id": "other"}]}', "warn", "LLM_MODEL")):
            server = serve(status, body)
            try:
                report = self.doctor(LLM_BASE_URL=f"http://127.0.0.1:{server.server_port}/v1")
            finally:
                server.shutdown()
                server.server_close()
            self.assertFinding(report, "model", finding, word)
        self.assertFinding(self.doctor(LLM_BASE_URL=f"http://127.0.0.1:{free_port()}/v1", status=2), "model", "fail", "LLM_BASE_URL")
        self.assertFinding(self.doctor(LLM_BASE_URL="nowhere", status=2), "model", "fail", "LLM_BASE_URL")


if __name__ == "__main__":
    unittest.main()
