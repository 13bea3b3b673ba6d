"""Erasures killed at every edge: each ends completed, with each step audited once, each row counted once and no letter open.
And with a guard turned off, verify finds what should not be there. On the embedded broker: what is broken here is a worker."""
import atexit
import hashlib
import hmac
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import LONG, FaultCase, Stack, binary, declared, eventually  # noqa: E402
from harness import conversation_id_of, structured_event  # noqa: E402
from scenarios import EVENTS  # noqa: E402

SHOP = "shop.example"
SECRET = "0123456789abcdef0123456789abcdef"
POINTS = ["gdpr.begun", "gdpr.letters", "gdpr.outbox", "gdpr.rows", "gdpr.table", "gdpr.widened"]
STEPS = ["erasure.begun", "erasure.completed", "erasure.identities", "erasure.letters", "erasure.outbox", "erasure.received",
         "erasure.rows"]
MESSAGES = 1500  # two batches
KILLS = 50 if LONG else len(POINTS)


def failpoints():
    """Each point in turn, in later rounds at later tables."""
    for kill in range(KILLS):
        name = POINTS[kill % len(POINTS)]
        yield f"{name}:{1 + kill // len(POINTS)}" if name == "gdpr.table" else name


class Erased:
    """A visitor with messages, one that waits, and a dead letter."""

    def __init__(self, stack):
        self.session, self.word = uuid.uuid4().hex, f"canary-{uuid.uuid4().hex}"
        self.conversation = conversation_id_of(SHOP, self.session)
        self.key = hmac.digest(SECRET.encode(), f"{SHOP}\nsession:{self.session}".encode(), hashlib.sha256)[:16].hex()
        self.letter, self.request = str(uuid.uuid4()), str(uuid.uuid4())
        stack.database.execute(f"INSERT INTO conversations (id, domain, session_id) VALUES ('{self.conversation}', '{SHOP}',"
                               f" '{self.session}')")
        stack.database.execute("INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id) SELECT gen_random_uuid(),"
                               f" '{self.conversation}', n, 'user', '{self.word}', gen_random_uuid()"
                               f" FROM generate_series(1, {MESSAGES}) AS n")
        event = structured_event("omnibus.chat.message.received.v1", {"domain": SHOP, "session_id": self.session, "text": self.word})
        self.waiting = str(uuid.uuid4())
        stack.kafka.publish_all("chat.messages", [(self.conversation, {**event, "id": self.waiting})])
        stack.kafka.produce("chat.messages.dlq", self.conversation, json.dumps(event),
                            {"content-type": "application/cloudevents+json", "error.id": self.letter, "error.worker": "chat"})
        stack.kafka.publish_all("gdpr.requests", [(self.key, structured_event("omnibus.gdpr.deletion.requested.v1", {
            "request_id": self.request, "domain": SHOP, "subject_key": self.key, "identities": [], "reason": "subject_request",
            "dry_run": False}))])


class GdprFaultTest(FaultCase):
    @classmethod
    def make_stack(cls):
        if b"gdpr.begun" not in pathlib.Path(binary("omnibus-gdpr")).read_bytes():
            raise AssertionError(f"{binary('omnibus-gdpr')} has no failpoints: set OMNIBUS_BIN to a dev or tsan build's bin")
        stack = Stack("embedded")
        atexit.register(stack.close)
        stack.add_tenant(SHOP)
        return stack

    def gdpr(self, failpoint="", mutate="", wait=True):
        worker = self.stack.start_worker("gdpr", wait=wait, PROFILE_KEY_SECRET=SECRET, KAFKA_SESSION_TIMEOUT="2s", OMNIBUS_FAILPOINT=failpoint,
                                         OMNIBUS_MUTATE=mutate)
        self.addCleanup(worker.stop)
        return worker

    def column(self, sql):
        return [row[0] for row in self.stack.database.execute(sql)]

    def await_completed(self, erased):
        eventually(lambda: self.column(f"SELECT status FROM gdpr_requests WHERE id = '{erased.request}'") == ["completed"], 60,
                   "the end of the erasure")

    def is_dropped(self, erased):
        return self.column(f"SELECT action FROM pipeline.dead_letter_actions WHERE letter_id = '{erased.letter}'") == ["dropped"]

    def test_an_erasure_killed_at_each_point_goes_on_and_counts_and_audits_each_step_once(self):
        self.assertEqual([name for name in declared("OMNIBUS_FAILPOINT") if name.startswith("gdpr.")], POINTS)
        took = []
        for kill, name in enumerate(failpoints()):
            with self.subTest(name, kill=kill):
                erased = Erased(self.stack)
                worker = self.gdpr(failpoint=name, wait=False)
                self.dies(worker)
                died = time.monotonic()
                survivor = self.gdpr()
                self.await_completed(erased)
                took.append(time.monotonic() - died)
                survivor.stop()
                self.assertEqual(self.column(f"SELECT action FROM gdpr_audit_log WHERE request_id = '{erased.request}' ORDER BY 1"),
                                 STEPS)
                counts = json.loads(self.column(f"SELECT counts FROM gdpr_requests WHERE id = '{erased.request}'")[0])
                self.assertEqual(counts, {"messages": MESSAGES, "conversations": 1, "dead_letters": 1})
                self.assertEqual(self.column(f"SELECT id FROM conversations WHERE id = '{erased.conversation}'"), [])
                self.assertTrue(self.is_dropped(erased))
                self.assertEqual(self.verify(erased), [])
                self.assertEqual(self.column("SELECT subject_key FROM pipeline.erasures WHERE NOT for_good AND positions IS NULL"), [])
        # A record whose worker died before it had noted it is published twice, with one id.
        published = {record.headers["ce_id"] for record in self.stack.kafka.consume("gdpr.audit")}
        self.assertEqual(len(published), KILLS * len(STEPS))
        self.note(f"{KILLS} kills; from the kill to the end of the erasure {statistics.median(took):.1f} s, at most {max(took):.1f} s")

    def verify(self, erased):
        """Where the person's text should not be any more."""
        done = subprocess.run([binary("omnibus"), "gdpr", "verify", "--canary", erased.word, "--json"], text=True, capture_output=True,
                              timeout=60, env={**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers,
                                               "DATABASE_URL": self.stack.database_url()})
        wrong = [trace["place"].split("/")[0] for trace in json.loads(done.stdout)["traces"] if not trace.get("until")]
        self.assertEqual(done.returncode, 1 if wrong else 0, done.stderr)
        return wrong

    def test_without_dropping_letters_they_stay_open(self):
        erased = Erased(self.stack)
        self.gdpr(mutate="dropped_letters")
        self.await_completed(erased)
        self.assertFalse(self.is_dropped(erased))
        self.assertEqual(self.verify(erased), ["chat.messages.dlq"])

    def test_without_the_question_who_was_erased_the_backlog_brings_them_back(self):
        for mutate, comes_back in ("", False), ("erased", True):
            with self.subTest(mutate):
                erased = Erased(self.stack)
                self.gdpr()
                self.await_completed(erased)
                self.assertEqual(self.verify(erased), [])
                worker = self.worker(self.simulator(), mutate=mutate)
                row = f"SELECT 1 FROM pipeline.inbox WHERE event_id = '{uuid.uuid5(EVENTS, '/tests' + chr(0) + erased.waiting)}'"
                eventually(lambda: self.column(row), 60, "the message that waited")
                worker.stop()
                self.assertEqual("messages.content" in self.verify(erased), comes_back)


if __name__ == "__main__":
    unittest.main(verbosity=2)
