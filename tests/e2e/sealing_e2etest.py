#!/usr/bin/env python3
"""A tenant whose log is sealed: its chat works as anybody's, and no tool reads in the log what people wrote."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import unittest
import uuid

from jsonschema import Draft202012Validator, FormatChecker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway_case import BANK, MESSAGES, SHOP, message, new_session  # noqa: E402
from harness import Http, Stack, binary, conversation_id_of, eventually, structured_event  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CANARY = "Wanjiru asks for parcel 4410"
OLD, NEW = "the first master key", "the second master key"
SEAL = "UPDATE tenants SET settings = settings || '{\"privacy_preferences\": {\"log\": \"sealed\"}}' WHERE domain = "
RECEIVED = "omnibus.chat.message.received.v1"
TOPICS = ("chat.messages", "chat.messages.dlq", "chat.replies", "chat.replies.dlq")


def forms(text):
    """How a text may stand somewhere."""
    yield text.encode()
    yield json.dumps(text)[1:-1].encode()
    yield text.encode().hex().encode()
    for shift in range(3):  # in base64 whatever stands before it
        yield base64.b64encode(b"x" * shift + text.encode())[4:-4]


class SealingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.tokens = {domain: cls.stack.add_tenant(domain) for domain in (SHOP, BANK)}
        cls.stack.database.execute(SEAL + f"'{SHOP}'")
        cls.simulator = cls.stack.start_simulator()
        cls.gateway = cls.start("gateway")
        cls.chat = cls.start("chat", LLM_BASE_URL=cls.simulator.url)

    @classmethod
    def start(cls, name, key=OLD, **settings):
        return cls.stack.start_worker(name, PII_MASTER_KEY=key, **settings)

    def http(self, domain, gateway=None):
        return Http((gateway or self.gateway).address, self.tokens[domain])

    def chat_once(self, domain, text=CANARY, gateway=None):
        """Posts a message and waits for the reply on its stream. @return session, conversation, and the reply"""
        session, http = new_session(), self.http(domain, gateway)
        posted = http.post(MESSAGES, message(session, text, domain))
        self.assertEqual(posted.status, 202, posted)
        conversation = posted.json["conversation_id"]
        with http.stream(f"/v1/conversations/{conversation}/events?domain={domain}&session_id={session}") as stream:
            events = list(stream.until("reply"))
        return session, conversation, events

    def park_once(self, session, conversation, text):
        """Posts a message that is parked. @return its dead letter"""
        self.chat.stop()
        self.assertEqual(self.http(SHOP).post(MESSAGES, message(session, text)).status, 202)
        self.stack.database.execute(f"UPDATE conversations SET status = 'resolved' WHERE id = '{conversation}'")
        type(self).chat = self.start("chat", LLM_BASE_URL=self.simulator.url)
        letters = eventually(lambda: [record for record in self.stack.kafka.consume("chat.messages.dlq") if record.key == conversation],
                             30, "the letter")
        self.assertEqual(letters[0].headers["error.class"], "closed_conversation")
        return letters[0]

    def verify(self, text):
        """@return the exit code, and the places where it stands"""
        done = subprocess.run([binary("omnibus"), "gdpr", "verify", "--canary", text, "--json"], text=True, capture_output=True,
                              timeout=60, env={**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers,
                                               "DATABASE_URL": self.stack.database_url()})
        return done.returncode, {trace["place"] for trace in json.loads(done.stdout)["traces"]}

    def records(self, conversation):
        return [record for topic in TOPICS for record in self.stack.kafka.consume(topic) if record.key == conversation]

    def omnibus(self, *arguments, timeout=None, **settings):
        environment = {**os.environ, "DATABASE_URL": self.stack.database_url("readonly"), "USER": "Ada",
                       "OPERATOR_DATABASE_URL": self.stack.database_url("operator"),
                       "KAFKA_BROKERS": self.stack.kafka.brokers, **settings}
        try:
            return subprocess.run([binary("omnibus"), *map(str, arguments)], text=True, capture_output=True,
                                  timeout=timeout or 60, env=environment).stdout
        except subprocess.TimeoutExpired as ended:
            return (ended.stdout or b"").decode()

    def test_a_chat_of_a_sealed_tenant_is_answered_and_nothing_of_it_is_readable_in_the_log(self):
        session, conversation, events = self.chat_once(SHOP)
        self.assertTrue(events[-1].json["text"])
        self.assertEqual(self.stack.database.value(
            f"SELECT content FROM messages WHERE conversation_id = '{conversation}' AND role = 'user'"), CANARY)
        reply = self.stack.database.value(
            f"SELECT content FROM messages WHERE conversation_id = '{conversation}' AND role = 'assistant'")
        self.assertEqual(events[-1].json["text"], reply)
        records = self.records(conversation)
        self.assertIn("omnibus.chat.message.received.v1", {record.headers["ce_type"] for record in records})
        self.assertIn("omnibus.chat.reply.generated.v1", {record.headers["ce_type"] for record in records})
        for record in records:
            with self.subTest(record.headers["ce_type"]):
                self.assertEqual(record.headers["ce_sealed"], "v1")
                whole = json.dumps([record.json, record.headers, record.key]).encode()
                for text in (CANARY, reply):
                    for form in forms(text):
                        self.assertNotIn(form, whole)
                self.assertTrue(record.json["text"].startswith("sealed:v1:"))
                # What tools need is there.
                self.assertEqual(record.key, conversation)
                self.assertTrue(record.headers["ce_id"] and record.headers["ce_time"])
                if "received" in record.headers["ce_type"]:
                    self.assertEqual((record.json["domain"], record.json["session_id"]), (SHOP, session))
                schema = ROOT / "schemas" / (record.headers["ce_type"].removeprefix("omnibus.") + ".json")
                Draft202012Validator(json.loads(schema.read_text()), format_checker=FormatChecker()).validate(record.json)
        self.assertRegex(self.omnibus("lag", "--group", "omnibus-chat"), r"chat\.messages")

    def test_a_clear_tenant_stays_readable_beside_it(self):
        _, conversation, _ = self.chat_once(BANK)
        records = self.records(conversation)
        self.assertTrue(any(record.json["text"] == CANARY for record in records))
        self.assertFalse(any("ce_sealed" in record.headers for record in records))

    def test_who_posts_an_event_cannot_call_it_sealed(self):
        session = new_session()
        event = structured_event(RECEIVED, {"domain": BANK, "session_id": session, "text": "sealed:v1:" + CANARY})
        posted = self.http(BANK).post("/v1/events", {**event, "sealed": "v1"},
                                      headers={"Content-Type": "application/cloudevents+json"})
        self.assertEqual(posted.status, 202, posted)
        conversation = conversation_id_of(BANK, session)
        record = eventually(lambda: self.records(conversation), 20, "the record")[0]
        self.assertNotIn("ce_sealed", record.headers)
        eventually(lambda: self.stack.database.value(
            f"SELECT count(*) FROM messages WHERE conversation_id = '{conversation}'") == "2", 30, "the answer")

    def test_a_stream_is_resumed_at_a_gateway_that_has_no_keys_in_memory(self):
        session, conversation, events = self.chat_once(SHOP)
        fresh = self.start("gateway")
        self.addCleanup(fresh.stop)
        path = f"/v1/conversations/{conversation}/events?domain={SHOP}&session_id={session}"
        first = events[0]
        with self.http(SHOP, fresh).stream(path, headers={"Last-Event-ID": first.id}) as stream:
            resumed = list(stream.until("reply"))
        self.assertEqual(resumed[-1].json, events[-1].json)

    def test_a_worker_without_the_key_says_which_setting_and_ends(self):
        for settings in ({}, {"PII_MASTER_KEY": "short"}):
            for name in ("chat", "gateway"):
                with self.subTest(f"{name} {settings}"):
                    process = self.stack.start_worker(name, wait=False, LLM_BASE_URL=self.simulator.url, **settings)
                    eventually(lambda: not process.alive(), 30, "the end of the process")
                    self.assertIn("PII_MASTER_KEY", process.log.read_text())

    def test_an_operator_opens_what_is_sealed_and_the_audit_says_so(self):
        _, conversation, _ = self.chat_once(SHOP)
        audited = "SELECT count(*) FROM gdpr_audit_log WHERE action = 'sealing.opened' AND actor = 'operator:ada'"
        before = int(self.stack.database.value(audited))
        tail = ("tail", "chat.messages", "--from-beginning")
        self.assertNotIn(CANARY, "".join(line for line in self.omnibus(*tail, timeout=5).splitlines() if conversation in line))
        self.assertEqual(int(self.stack.database.value(audited)), before)
        opened = self.omnibus(*tail, "--open", timeout=8, PII_MASTER_KEY=OLD)
        self.assertIn(CANARY, "".join(line for line in opened.splitlines() if conversation in line))
        self.assertEqual(int(self.stack.database.value(audited)), before + 1)

    def test_a_sealed_letter_is_opened_by_an_operator_and_the_audit_says_which(self):
        session, conversation, _ = self.chat_once(SHOP)
        letter = self.park_once(session, conversation, CANARY)
        show = ("dlq", "show", "--topic", "chat.messages", f"{letter.partition}/{letter.offset}", "--payload")
        opened_letters = ("SELECT count(*) FROM gdpr_audit_log WHERE action = 'sealing.opened' AND actor = 'operator:ada' AND"
                          f" payload ->> 'letter_id' = '{letter.headers['error.id']}'")
        closed = self.omnibus(*show)
        self.assertIn("sealed:v1:", closed)
        self.assertNotIn(CANARY, closed)
        self.assertEqual(self.stack.database.value(opened_letters), "0")
        self.assertIn(CANARY, self.omnibus(*show, "--open", PII_MASTER_KEY=OLD))
        self.assertEqual(self.stack.database.value(opened_letters), "1")

    def test_after_an_erasure_nothing_of_the_person_is_readable_anywhere(self):
        canary = "Zawadi lives at 12 Lake Road"
        session, conversation, _ = self.chat_once(SHOP, canary)
        self.park_once(session, conversation, canary)
        status, places = self.verify(canary)
        self.assertEqual((status, {place.split("/")[0] for place in places} & set(TOPICS)), (1, set()))
        self.assertIn("messages.content", places)
        self.start("gdpr", PROFILE_KEY_SECRET="0123456789abcdef0123456789abcdef")
        request, key = str(uuid.uuid4()), conversation.replace("-", "")
        self.stack.kafka.publish_all("gdpr.requests", [(key, structured_event("omnibus.gdpr.deletion.requested.v1", {
            "request_id": request, "domain": SHOP, "subject_key": key, "identities": [], "reason": "subject_request",
            "dry_run": False}))])
        eventually(lambda: self.stack.database.value(
            f"SELECT count(*) FROM gdpr_requests WHERE id = '{request}' AND status = 'completed'") == "1", 60, "the erasure")
        self.assertEqual(self.verify(canary), (0, set()))
        # The records are there, and nobody opens them any more.
        self.assertGreater(len(self.records(conversation)), 2)
        opened = self.omnibus("tail", "chat.messages", "--from-beginning", "--open", timeout=8, PII_MASTER_KEY=OLD)
        self.assertNotIn(canary, opened)
        self.assertEqual(self.stack.database.value(
            "SELECT count(*) FROM pipeline.subject_keys WHERE destroyed_at IS NOT NULL AND wrapped_key IS NULL") != "0", True)

    def test_keys_are_wrapped_again_while_all_goes_on(self):
        _, conversation, _ = self.chat_once(SHOP)
        said = self.omnibus("gdpr", "rekey", PII_MASTER_KEY=NEW, PII_MASTER_KEY_PREVIOUS=OLD)
        self.addCleanup(self.omnibus, "gdpr", "rekey", PII_MASTER_KEY=OLD, PII_MASTER_KEY_PREVIOUS=NEW)
        self.assertIn("no longer needed", said)
        opened = self.omnibus("tail", "chat.messages", "--from-beginning", "--open", timeout=8, PII_MASTER_KEY=NEW)
        self.assertIn(CANARY, "".join(line for line in opened.splitlines() if conversation in line))
        self.assertGreater(int(self.stack.database.value(
            "SELECT sum((payload->>'keys')::int) FROM gdpr_audit_log WHERE action = 'sealing.rekeyed'")), 0)


if __name__ == "__main__":
    unittest.main()
