"""PostgreSQL is restored from a dump that is older than an erasure and a STOP: no worker starts with it, and after
`omnibus gdpr reapply` the person is erased again and the STOP holds."""
import json
import os
import pathlib
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import Stack, binary, eventually  # noqa: E402
from gdpr_e2etest import DELETION, RECEIVED, SECRET, SHOP, Person  # noqa: E402
from harness import structured_event  # noqa: E402

REAPPLY = "run omnibus gdpr reapply"


class RestoreTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_tenant(SHOP)
        cls.model = {"LLM_BASE_URL": cls.stack.start_simulator(latency=1, latency_jitter=0).url}

    def start(self, name, **options):
        settings = {"chat": self.model, "gdpr": {"PROFILE_KEY_SECRET": SECRET}, "sms": {"PROFILE_KEY_SECRET": SECRET, **self.model},
                    "relay": {"INTERVAL": "200ms"}}
        return self.stack.start_worker(name, **settings.get(name, {}), **options)

    def publish(self, topic, key, type, data):
        self.stack.kafka.publish_all(topic, [(key, structured_event(type, {"domain": SHOP, **data}))])

    def say(self, person, text):
        self.publish("chat.messages", person.conversation, RECEIVED, {"session_id": person.session, "text": text})

    def send_sms(self, person, text):
        self.publish("sms.inbound", person.key, "omnibus.sms.message.received.v1",
                     {"provider": "mtn", "phone_number": person.phone, "recipient": "2500", "text": text,
                      "received_at": "2026-11-20T10:00:00Z"})

    def count(self, sql):
        return int(self.stack.database.value(f"SELECT count(*) FROM {sql}"))

    def messages_of(self, person):
        return self.count(f"messages WHERE conversation_id = '{person.conversation}'")

    def opted_out(self, person):
        return self.count(f"suppressions WHERE channel = 'sms' AND subject_key = '{person.key}'") == 1

    def delete(self, person):
        request = str(uuid.uuid4())
        self.publish("gdpr.requests", person.key, DELETION,
                     {"request_id": request, "subject_key": person.key, "identities": person.identities,
                      "reason": "subject_request", "dry_run": False})
        self.await_completed(request)
        return request

    def await_completed(self, request):
        eventually(lambda: self.count(f"gdpr_requests WHERE id = '{request}' AND status = 'completed'") == 1, 60, "the erasure")

    def verify(self, text, status):
        done = subprocess.run([binary("omnibus"), "gdpr", "verify", "--canary", text, "--json"], text=True, capture_output=True,
                              timeout=60, env={**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers,
                                               "DATABASE_URL": self.stack.database_url()})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return {trace["place"] for trace in json.loads(done.stdout)["traces"]}

    def refusal(self, name):
        """The last line of a worker that does not start."""
        worker = self.start(name, wait=False)
        self.assertEqual(worker.wait(30), 1, worker.text()[-2000:])
        return list(worker.lines())[-1]["reason"]

    def test_a_restored_database_is_refused_until_its_erasures_and_opt_outs_are_done_again(self):
        anna, bob = Person(1), Person(2)
        workers = {name: self.start(name) for name in ("chat", "sms", "gdpr", "relay")}
        for person in (anna, bob):
            self.say(person, person.word)
            self.send_sms(person, person.word)
            eventually(lambda: self.messages_of(person) == 2, 40, "the answer")
            eventually(lambda: self.count(f"profiles WHERE phone_number = '{person.phone}'") == 1, 40, "the profile")
        dump = self.stack.dump_database()
        request = self.delete(anna)
        self.send_sms(bob, "STOP")
        eventually(lambda: self.opted_out(bob), 20, "the STOP")
        self.verify(anna.word, 0)
        eventually(lambda: self.count("pipeline.ledger WHERE published_at IS NULL") == 0, 20, "the ledger")
        self.assertGreater(len(self.stack.kafka.consume("gdpr.ledger")), 2)

        # Who runs notices, who starts is refused; the backup has the person, and no STOP.
        for name in ("chat", "gdpr", "relay"):
            workers[name].stop()
        self.stack.restore_database(dump)
        self.assertEqual(workers["sms"].wait(30), 1)
        self.assertIn(REAPPLY, list(workers["sms"].lines())[-1]["reason"])
        for name in ("chat", "relay", "gdpr", "gateway", "scheduler"):
            with self.subTest(name):
                self.assertIn(REAPPLY, self.refusal(name))
        self.start("chat", OMNIBUS_MUTATE="database_age").stop()  # without the guard it starts
        self.assertIn("messages.content", self.verify(anna.word, 1))
        self.assertFalse(self.opted_out(bob))

        told = json.loads(self.stack.omnibus("gdpr", "reapply", "--dry-run", "--json"))
        self.assertEqual({each["table"] for each in told["forgotten"]} & {"erasures", "gdpr_requests", "suppressions"},
                         {"erasures", "gdpr_requests", "suppressions"})
        self.assertIn(REAPPLY, self.refusal("chat"))  # a dry run has changed nothing
        done = json.loads(self.stack.omnibus("gdpr", "reapply", "--json"))
        self.assertEqual((done["reapplied"], done["erasures"]), (True, 1))
        self.assertTrue(self.opted_out(bob))
        self.assertIn("done again", self.refusal("relay"))

        self.start("gdpr")
        self.await_completed(request)
        self.verify(anna.word, 0)
        for name in ("chat", "sms", "relay"):
            self.start(name)
        replay = self.stack.start("replay", [binary("omnibus-chat"), "--replay", "all", "--from", "earliest", "--to", "now"],
                                  {"KAFKA_BROKERS": self.stack.kafka.brokers, "METRICS_LISTEN": "127.0.0.1:0",
                                   "REPLAY_DATABASE_URL": self.stack.database_url("replay"), **self.model})
        self.assertEqual(replay.wait(60), 0, replay.text()[-2000:])
        self.assertEqual((self.messages_of(anna), self.messages_of(bob)), (0, 2))
        self.verify(anna.word, 0)
        self.assertTrue(self.opted_out(bob))
        # The person may come back, as a new one.
        self.say(anna, "Hello, it is me.")
        eventually(lambda: self.messages_of(anna) == 2, 20, "the new person's answer")
        self.assertEqual(json.loads(self.stack.omnibus("gdpr", "reapply", "--dry-run", "--json"))["forgotten"], [])


if __name__ == "__main__":
    unittest.main()
