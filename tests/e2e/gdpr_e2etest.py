#!/usr/bin/env python3
"""A person is erased: from every table at once, from the topics by a date that is told; and nothing that is done again
afterwards (a replay of any topic, a redrive, work that waited, a restored backup, the person's next message) brings anything
of before back, however often workers are killed meanwhile."""
import hashlib
import hmac
import io
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tarfile
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import ROOT, Http, Stack, binary, conversation_id_of, eventually, structured_event  # noqa: E402,F401

SHOP = "shop.example"
SECRET = "0123456789abcdef0123456789abcdef"
RECEIVED, REPLIED = "omnibus.chat.message.received.v1", "omnibus.chat.reply.generated.v1"
DELETION, EXPORT = "omnibus.gdpr.deletion.requested.v1", "omnibus.gdpr.export.requested.v1"
STEPS = ["erasure.begun", "erasure.completed", "erasure.identities", "erasure.letters", "erasure.outbox", "erasure.received",
         "erasure.rows"]
TOPICS = (ROOT / "topics.yaml").read_text()
# Whoever consumes a topic replays it. The gateway shows replies as they come and stores nothing.
REPLAYED = sorted({name.strip() for names in re.findall(r"consumers: \[(.+)\]", TOPICS) for name in names.split(",")} - {"gateway"})
WITH_LETTERS = [topic.split("\n")[0] for topic in TOPICS.split("- name: ")[1:] if "\n    dead_letters:" in topic]
BACKLOG = 60  # messages of somebody else


def subject_key(identity):
    return hmac.digest(SECRET.encode(), f"{SHOP}\n{identity}".encode(), hashlib.sha256)[:16].hex()


def alias(identifier):
    return str(identifier).replace("-", "")


def stored_headers(headers):
    """As pipeline.outbox has them."""
    out = struct.pack(">i", len(headers))
    for name, value in headers.items():
        for each in (name.encode(), value.encode()):
            out += struct.pack(">i", len(each)) + each
    return out


class Person:
    """Somebody whose name stands in each of their texts."""

    def __init__(self, number):
        self.mark = uuid.uuid4().hex[:10]
        self.word = f"Zoé-\"{self.mark}\""
        self.phone = f"+2507881234{number:02}"
        self.session = f"session-{uuid.uuid4().hex}"
        self.conversation = conversation_id_of(SHOP, self.session)
        self.user = str(uuid.uuid4())
        self.call = f"call-{uuid.uuid4().hex}"

    @property
    def key(self):
        return subject_key(self.phone)

    @property
    def identities(self):
        return [subject_key(f"session:{self.session}"), alias(self.conversation), alias(self.user)]


class GdprTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("apache")  # whose ends and timestamps count; other suites erase on the embedded broker
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_tenant(SHOP)
        cls.simulator = cls.stack.start_simulator(latency=1, latency_jitter=0, send_latency=1)
        model = {"LLM_BASE_URL": cls.simulator.url}
        base = "http://" + urllib.parse.urlsplit(cls.simulator.url).netloc
        sending = {"WHATSAPP_BASE_URL": base + "/v23.0", "WHATSAPP_ACCESS_TOKEN": "t", "WHATSAPP_PHONE_NUMBER_ID": "1001",
                   "MTN_SMS_BASE_URL": base, "MTN_SMS_API_KEY": "k", "MTN_SMS_API_SECRET": "s",
                   "WHATSAPP_RECIPIENT_INTERVAL": "0", "SMS_RECIPIENT_INTERVAL": "0"}
        cls.settings = {**{name: model for name in REPLAYED}, "notify": sending, "gdpr": {"PROFILE_KEY_SECRET": SECRET},
                        "relay": {"INTERVAL": "200ms"}, "telemetry": {}, "report": {}}
        cls.workers = {}
        cls.start("chat", "sms", "call", "match", "notify", "gdpr")

    @classmethod
    def start(cls, *names):
        for name in names:
            cls.workers[name] = cls.stack.start_worker(name, **cls.settings[name])

    def kill(self, *names):
        """With SIGKILL; others take their places."""
        for name in names:
            self.assertEqual(self.workers[name].kill(), -signal.SIGKILL)
        self.start(*names)

    def publish(self, topic, key, type, data):
        event = structured_event(type, {"domain": SHOP, **data})
        self.stack.kafka.publish_all(topic, [(key, event)])
        return event["id"]

    def say(self, person, text, **data):
        return self.publish("chat.messages", person.conversation, RECEIVED, {"session_id": person.session, "text": text, **data})

    def count(self, sql):
        return int(self.stack.database.value(f"SELECT count(*) FROM {sql}"))

    def make(self, person):
        """The person on every road."""
        word, at = person.word, {"received_at": "2026-11-20T10:00:00Z"}
        self.say(person, word)
        self.publish("sms.inbound", person.key, "omnibus.sms.message.received.v1",
                     {"provider": "mtn", "phone_number": person.phone, "recipient": "2500", "text": word, **at})
        self.publish("whatsapp.inbound", person.key, "omnibus.whatsapp.message.received.v1",
                     {"provider_message_id": "wamid." + word, "recipient": "1", "kind": "text", "text": word,
                      "phone_number": person.phone, "whatsapp_user_id": "RW." + person.call, **at})
        for number, said in enumerate(({"transcript": [{"speaker": "user", "text": word}]}, {"summary": word})):
            self.publish("calls.terminated", person.key, "omnibus.call.terminated.v1",
                         {"call_id": f"{person.call}-{number}", "phone_number": person.phone, **said})
            self.stack.database.execute(f"INSERT INTO call_summaries (domain, call_id, summary) VALUES"
                                        f" ('{SHOP}', '{person.call}-{number}', '{word}')")
        self.publish("people", person.user, "omnibus.person.recorded.v1",
                     {"user_id": person.user, "handle": word, "narrative": word, "email": "zoe@mail.example", "status": "APPROVED",
                      "timezone": "UTC", "seeking_connections": [word], "offering_expertise": [word], "blocked_user_ids": []})
        profile = f"(SELECT id FROM profiles WHERE phone_number = '{person.phone}')"
        eventually(lambda: self.count(f"messages WHERE conversation_id = '{person.conversation}'") == 2, 40, "the answer")
        eventually(lambda: self.count(f"message_delivery_log WHERE direction = 'outbound' AND profile_id = {profile}") >= 4, 40,
                   "messages to the person")
        eventually(lambda: self.count(f"users WHERE id = '{person.user}'") == 1, 20, "the person of matches")
        # A message that cannot be handled: a dead letter.
        self.publish("chat.messages", person.conversation, RECEIVED,
                     {"session_id": "of-somebody-else", "conversation_id": person.conversation, "text": word})
        eventually(lambda: any(person.conversation == record.key for record in self.stack.kafka.consume("chat.messages.dlq")), 20,
                   "the letter")
        # Work that waits, an answer to it that was paid for, and a record that a dead worker left behind.
        self.workers["chat"].stop()
        waiting = self.say(person, word)
        answer = json.dumps({"text": word, "model": "m", "call": {"conversation_id": person.conversation}})
        self.stack.database.execute("INSERT INTO pipeline.llm_responses (request_key, event_id, model, response) VALUES"
                                    f" (gen_random_uuid(), gen_random_uuid(), 'm', '{answer}')")
        reply = json.dumps(structured_event(REPLIED, {"domain": SHOP, "conversation_id": person.conversation, "in_reply_to": waiting,
                                                      "text": word, "model": "m"}))
        headers = stored_headers({"content-type": "application/cloudevents+json"}).hex()
        self.stack.database.execute(
            "INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, key, headers, value, created_at) VALUES"
            f" ('chat', 'chat.messages', 0, 'chat.replies', '{person.conversation}', '\\x{headers}', '\\x{reply.encode().hex()}',"
            " now() - interval '1 minute')")

    def ask(self, key, identities, type=DELETION):
        """Asks for an erasure or an export. @return the request"""
        request = str(uuid.uuid4())
        self.publish("gdpr.requests", key, type, {"request_id": request, "subject_key": key, "identities": identities,
                                                      "reason": "subject_request", "dry_run": False})
        return request

    def await_completed(self, *requests):
        for request in requests:
            eventually(lambda: self.status(request) == "completed", 60, "the erasure")

    def delete(self, person):
        """Has the person erased. @return the request"""
        request = self.ask(person.key, person.identities)
        self.await_completed(request)
        return request

    def export(self, person):
        """The lines of the person's archive by file, whose sums are true."""
        request = self.ask(person.key, person.identities, EXPORT)
        self.await_completed(request)
        gateway = self.stack.start_worker("gateway", **self.settings["gdpr"])
        archive = Http(gateway.address, self.stack.add_token("admin", SHOP)).get(f"/v1/gdpr/requests/{request}/archive")
        self.assertEqual(archive.status, 200, archive)
        gateway.stop()
        with tarfile.open(fileobj=io.BytesIO(archive.body), mode="r:gz") as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}
        manifest = json.loads(files.pop("manifest.json"))
        self.assertEqual({each["name"]: (each["sha256"], each["lines"]) for each in manifest["files"]},
                         {name: (hashlib.sha256(content).hexdigest(), content.count(b"\n")) for name, content in files.items()})
        lines = {}
        for name, content in files.items():
            lines.setdefault(name.rsplit(".", 2)[0], []).extend(json.loads(line) for line in content.splitlines())
        return lines

    def assertHolds(self, archive, person, traces):
        """Each table row and each record that holds the person's word is in the archive."""
        records = {f"{topic}/{row['partition']}/{row['offset']}" for topic, rows in archive.items() for row in rows if "offset" in row}
        self.assertEqual({trace["place"] for trace in traces if trace["form"] != "row"} - records, set())
        for table in {trace["place"].rsplit(".", 1)[0] for trace in traces if trace["form"] == "row"}:
            with self.subTest(table):
                text = "convert_from(value, 'UTF8')" if table == "pipeline.outbox" else "t::text"
                held = sum(person.mark in json.dumps(row) for row in archive.get(table.split(".")[-1], []))
                self.assertEqual(held, self.count(f"{table} AS t WHERE {text} LIKE '%{person.mark}%'"))

    def status(self, request):
        rows = self.stack.database.execute(f"SELECT status FROM gdpr_requests WHERE id = '{request}'")
        return rows[0][0] if rows else None

    def verify(self, text, status=0, by="--canary"):
        """What is left of a text, or with --subject of a person."""
        logs = [f"--logs={path}" for path in self.stack.logs.iterdir() if "simulator" not in path.name and by == "--canary"]
        done = subprocess.run([binary("omnibus"), "gdpr", "verify", by, text, "--json", *logs], text=True, capture_output=True,
                              timeout=60, env={**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers,
                                               "DATABASE_URL": self.stack.database_url()})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)["traces"]

    def start_replay(self, worker, run):
        command = [binary(f"omnibus-{worker}"), "--replay", run, "--from", "earliest", "--to", "now"]
        return self.stack.start("replay", command, {
            "KAFKA_BROKERS": self.stack.kafka.brokers, "METRICS_LISTEN": "127.0.0.1:0",
            "REPLAY_DATABASE_URL": self.stack.database_url("replay"), **self.settings[worker]})

    def replay_all(self):
        """Replays all topics of all workers. The first process of each is killed with records in its hands, which it could not
        commit; a second one goes on. What has no records is done at once, and gdpr may be: its records are about people who
        are erased, and a replay passes over those without a write."""
        run = uuid.uuid4().hex[:8]
        with self.stack.database.held("LOCK TABLE pipeline.inbox IN EXCLUSIVE MODE"):
            first = [self.start_replay(worker, f"{worker}-{run}") for worker in REPLAYED]
            for process in first:
                eventually(lambda: not process.alive() or process.said("partitions assigned", 0), 20, "the replay")
            for process in first:
                process.kill()
        killed = {worker for worker, process in zip(REPLAYED, first) if process.popen.returncode == -signal.SIGKILL}
        ended = {worker: (process.popen.returncode, process.text()[-2000:]) for worker, process in zip(REPLAYED, first) if worker not in killed}
        self.assertGreaterEqual(killed, {"chat", "sms", "call", "match", "notify"}, ended)
        for process in [self.start_replay(worker, f"{worker}-{run}") for worker in REPLAYED]:
            self.assertEqual(process.wait(60), 0, process.text()[-2000:])

    def do_all_again(self, bob):
        """Work that waits, every letter and every topic, while the workers are killed."""
        for turn in range(BACKLOG):
            self.say(bob, f"{bob.word} {turn}")
        done = f"messages WHERE conversation_id = '{bob.conversation}'"
        before = self.count(done)
        self.start("chat")
        eventually(lambda: self.count(done) > before, 40, "the backlog being worked off")
        self.kill("chat")
        for topic in WITH_LETTERS:
            redriven = json.loads(self.stack.omnibus("dlq", "redrive", "--topic", topic, "--yes", "--json"))
            self.assertEqual(redriven["acted"], 0, topic)
        self.kill("sms", "call", "match", "notify", "gdpr")
        self.replay_all()
        eventually(lambda: self.count(done) >= before + 2 * BACKLOG, 60, "another one's answers")

    def restore(self, dump, request):
        """PostgreSQL is as it was before the erasure, which is then done again as the runbook says."""
        eventually(lambda: self.count("pipeline.ledger WHERE published_at IS NULL") == 0, 20, "the ledger")
        for worker in self.workers.values():
            worker.stop()
        self.stack.restore_database(dump)
        self.assertIsNone(self.status(request))

    def test_a_person_on_every_road_is_erased_and_stays_erased(self):
        anna, bob = Person(1), Person(2)
        self.say(bob, bob.word)
        self.make(anna)
        before = self.verify(anna.word, status=1)
        self.assertGreater(len(before), 15)
        self.assertHolds(self.export(anna), anna, before)
        dump = self.stack.dump_database()
        request = self.delete(anna)

        # Nothing in any table or log; in the topics what stands before the erasure, with the date by which it is gone.
        traces = self.verify(anna.word)
        self.assertGreaterEqual({trace["place"].split("/")[0] for trace in traces},
                                {"chat.messages", "chat.messages.dlq", "sms.inbound", "whatsapp.inbound", "calls.terminated", "people"})
        clear = self.stack.database.value(f"SELECT log_clear_at > now() + interval '14 days' FROM gdpr_requests WHERE id = '{request}'")
        self.assertEqual(clear, "t")
        audited = self.stack.database.execute(f"SELECT action FROM gdpr_audit_log WHERE request_id = '{request}' ORDER BY action")
        self.assertEqual([row[0] for row in audited], STEPS)
        counts = json.loads(self.stack.database.value(f"SELECT counts FROM gdpr_requests WHERE id = '{request}'"))
        for table in ("messages", "conversations", "profiles", "users", "call_summaries", "dead_letters", "pipeline.outbox"):
            self.assertGreater(counts.get(table, 0), 0, table)

        of_subject = {trace["place"].split("/")[0] for trace in self.verify(anna.key, by="--subject")}
        self.assertGreaterEqual(of_subject, {"chat.messages", "chat.messages.dlq", "sms.inbound", "people"})

        places = {trace["place"] for trace in traces}
        self.start("relay")
        self.do_all_again(bob)
        self.assertEqual({trace["place"] for trace in self.verify(anna.word)}, places)

        # The backup has the person again, until the erasure is done again.
        self.restore(dump, request)
        self.assertIn("messages.content", {trace["place"] for trace in self.verify(anna.word, status=1)})
        self.stack.omnibus("gdpr", "reapply")
        self.start("gdpr")
        self.await_completed(request)
        self.start("sms", "call", "match", "notify", "relay")
        self.do_all_again(bob)
        self.assertEqual({trace["place"] for trace in self.verify(anna.word)}, places)
        self.assertEqual(self.count(f"messages WHERE conversation_id = '{anna.conversation}'"), 0)

        # The person may come back, as a new one.
        self.say(anna, "Hello, it is me.")
        eventually(lambda: self.count(f"messages WHERE conversation_id = '{anna.conversation}'") == 2, 20, "the new person's answer")
        self.assertEqual({trace["place"] for trace in self.verify(anna.word)}, places)

    def test_a_person_who_writes_while_they_are_erased_and_is_erased_three_times(self):
        anna, bob = Person(3), Person(4)
        self.say(anna, anna.word)
        eventually(lambda: self.count(f"messages WHERE conversation_id = '{anna.conversation}'") == 2, 20, "the answer")
        requests = [self.ask(subject_key(f"session:{anna.session}"), [alias(anna.conversation)])]
        for turn in range(10):
            self.say(anna, f"{anna.word} {turn}")
        requests.append(self.ask(alias(anna.conversation), []))
        self.await_completed(*requests)
        requests.append(self.ask(subject_key(f"session:{anna.session}"), [alias(anna.conversation)]))
        self.await_completed(*requests)
        self.say(bob, "Is anybody there?")
        eventually(lambda: self.count(f"messages WHERE conversation_id = '{bob.conversation}'") == 2, 20, "another one's answer")
        eventually(lambda: self.count("pipeline.erasures WHERE NOT for_good AND positions IS NULL") == 0, 5, "the ends of all erasures")
        self.assertEqual(self.count(f"conversations WHERE id = '{anna.conversation}'"), 0)
        self.verify(anna.word)
        self.assertEqual(self.stack.database.value(f"SELECT counts FROM gdpr_requests WHERE id = '{self.ask_again(anna)}'"), "{}")

    def ask_again(self, person):
        """Asks for somebody who is not there any more."""
        request = self.ask(person.key, person.identities)
        self.await_completed(request)
        return request


if __name__ == "__main__":
    unittest.main()
