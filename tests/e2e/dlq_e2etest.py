#!/usr/bin/env python3
"""Dead letters on Apache Kafka: looked at, sent again once what was wrong is mended, by several at once, and with kill -9."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Stack, binary, conversation_id_of, eventually, structured_event  # noqa: E402

MESSAGES, DEAD = "chat.messages", "chat.messages.dlq"
RECEIVED = "omnibus.chat.message.received.v1"
GROUP = "omnibus-chat"
SECRET_WORDS = "my card is"


class Visit:
    """Messages of some conversations at a shop that is no tenant yet, in the order in which they are published."""

    def __init__(self, conversations, each):
        self.name = uuid.uuid4().hex[:8]
        self.domain = f"shop-{self.name}.example"
        self.texts = {f"{self.name}-{number}": [f"{SECRET_WORDS} {number} {turn}" for turn in range(each)]
                      for number in range(conversations)}
        self.records = []
        for turn in range(each):
            for session, texts in self.texts.items():
                event = structured_event(RECEIVED, {"domain": self.domain, "session_id": session, "text": texts[turn]})
                self.records.append((conversation_id_of(self.domain, session), event))
        self.ids = {event["id"] for _, event in self.records}

    def __len__(self):
        return len(self.records)


def id_of(record):
    """Of the event a record is; what is no event has none."""
    try:
        return record.json["id"]
    except (ValueError, KeyError, TypeError):
        return None


class DlqTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        cls.stack.compose("kafka", "configs", "--alter", "--entity-type", "groups", "--entity-name", GROUP, "--add-config",
                          "consumer.session.timeout.ms=4000,consumer.heartbeat.interval.ms=500")
        cls.simulator = cls.stack.start_simulator()
        cls.worker = cls.stack.start_worker("chat", LLM_BASE_URL=cls.simulator.url)

    def environment(self):
        return {**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers, "DATABASE_URL": self.stack.database_url("operator"),
                "USER": "tester"}

    def dlq(self, *arguments, status=0):
        done = subprocess.run([binary("omnibus"), "dlq", *map(str, arguments)], text=True, capture_output=True, timeout=120,
                              env=self.environment(), stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def redrive(self, *arguments, status=0):
        return json.loads(self.dlq("redrive", "--topic", MESSAGES, "--yes", "--json", *arguments, status=status).stdout)

    def letters(self, visit):
        return [record for record in self.stack.kafka.consume(DEAD) if id_of(record) in visit.ids]

    def park(self, visit):
        """Publishes a visit, and waits for all of it to be parked."""
        self.stack.kafka.publish_all(MESSAGES, visit.records)
        eventually(lambda: len(self.letters(visit)) == len(visit), 60, "all letters")

    def mend(self, visit):
        self.stack.omnibus("tenant", "add", visit.domain)

    def assertHandledOnce(self, visit):
        """Each message once, in order, answered once; each event twice on its topic: as it was published, and redriven."""
        count = ("SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                 f" WHERE c.domain = '{visit.domain}' AND m.role = 'assistant'")
        eventually(lambda: int(self.stack.database.value(count)) >= len(visit), 60, "all answers")
        rows = self.stack.database.execute(
            "SELECT c.session_id, m.content FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            f" WHERE c.domain = '{visit.domain}' AND m.role = 'user' ORDER BY c.session_id, m.seq")
        found = {}
        for session, text in rows:
            found.setdefault(session, []).append(text)
        self.assertEqual(found, visit.texts)
        self.assertEqual(int(self.stack.database.value(count)), len(visit))
        published = [record for record in self.stack.kafka.consume(MESSAGES) if id_of(record) in visit.ids]
        self.assertEqual(set(collections.Counter(id_of(record) for record in published).values()), {2})
        self.assertEqual([record.headers.get("omnibus-redrive") for record in published].count("1"), len(visit))
        eventually(lambda: self.stack.database.value("SELECT count(*) FROM pipeline.outbox") == "0", what="an empty outbox")

    def test_what_failed_is_looked_at_mended_and_redriven_once_in_order(self):
        visit = Visit(conversations=4, each=5)
        self.park(visit)
        listing = json.loads(self.dlq("ls", "--json", "--state", "open", "--limit", 1000).stdout)
        self.assertIn({"topic": DEAD, "error_class": "unknown_tenant", "worker": "chat", "open": len(visit), "redriven": 0,
                       "dropped": 0}, listing["classes"])
        mine = [letter for letter in listing["letters"] if letter["event_id"] in visit.ids]
        self.assertEqual(len(mine), len(visit))
        self.assertEqual(len({letter["key_hash"] for letter in mine}), 4)

        place = f"{mine[0]['partition']}/{mine[0]['offset']}"
        shown = self.dlq("show", "--topic", MESSAGES, place).stdout
        for word in ("unknown_tenant", "chat", mine[0]["event_id"], mine[0]["key_hash"]):
            self.assertIn(word, shown)
        for output in (json.dumps(listing), self.dlq("ls").stdout, shown):
            self.assertNotIn(SECRET_WORDS, output)
            for key, _ in visit.records:
                self.assertNotIn(key, output)
        with_payload = self.dlq("show", "--topic", MESSAGES, place, "--payload")
        self.assertIn(SECRET_WORDS, with_payload.stdout)
        self.assertIn("personal data", with_payload.stderr)

        dry = self.redrive("--dry-run", "--class", "unknown_tenant")
        self.assertEqual((dry["acted"], dry["dry_run"]), (len(visit), True))
        self.assertIn("--yes", self.dlq("redrive", "--topic", MESSAGES, status=1).stderr)
        self.assertEqual(len([record for record in self.stack.kafka.consume(MESSAGES) if id_of(record) in visit.ids]),
                         len(visit))

        self.mend(visit)
        self.assertEqual(self.redrive("--class", "unknown_tenant", "--rate", "100/s")["acted"], len(visit))
        self.assertHandledOnce(visit)
        again = self.redrive()
        self.assertEqual((again["acted"], again["already_taken"] >= len(visit)), (0, True))
        actions = self.stack.database.execute(
            f"SELECT DISTINCT action, actor LIKE 'tester@%', role FROM pipeline.dead_letter_actions WHERE topic = '{DEAD}'")
        self.assertIn(["redriven", "t", "omnibus_operator"], actions)
        self.assertHandledOnce(visit)

    def test_a_terminal_is_not_moved_by_what_is_in_a_letter(self):
        key = uuid.uuid4().hex
        self.stack.kafka.produce(MESSAGES, key, "no event \x1b[31m", {"ce_type": "\x1b[2Jevil", "x": "\x9b\x07"})
        letter, = eventually(lambda: [record for record in self.stack.kafka.consume(DEAD) if record.key == key], what="a letter")
        output = self.dlq("show", "--topic", DEAD, f"{letter.partition}/{letter.offset}", "--payload").stdout + self.dlq("ls").stdout
        self.assertIn("\\x1b[2Jevil", output)
        self.assertEqual({c for c in output if ord(c) < 32 or 127 <= ord(c) < 160}, {"\n"})
        self.dlq("drop", "--topic", MESSAGES, "--partition", letter.partition, "--offset", letter.offset, "--yes")
        self.dlq("show", "--topic", MESSAGES, "99/1", status=1)

    def test_two_operators_at_once_send_each_letter_once(self):
        visit = Visit(conversations=8, each=6)
        self.park(visit)
        self.mend(visit)
        both = [subprocess.Popen([binary("omnibus"), "dlq", "redrive", "--topic", MESSAGES, "--yes", "--json"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()) for _ in range(2)]
        outputs = [process.communicate(timeout=120) for process in both]
        self.assertEqual([process.returncode for process in both], [0, 0], outputs)
        self.assertEqual(sum(json.loads(output)["acted"] for output, _ in outputs), len(visit))
        self.assertHandledOnce(visit)

    def test_a_redrive_killed_between_commit_and_publish_loses_nothing_and_sends_nothing_twice(self):
        visit = Visit(conversations=1, each=12)
        self.park(visit)
        self.mend(visit)
        killed = subprocess.Popen([binary("omnibus"), "dlq", "redrive", "--topic", MESSAGES, "--yes", "--rate", "1/s"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment())
        self.addCleanup(killed.kill)
        first = visit.records[0][1]["id"]
        eventually(lambda: [record for record in self.stack.kafka.consume(MESSAGES)
                            if id_of(record) == first and "omnibus-redrive" in record.headers], what="the first letter sent")
        waiting = "SELECT count(*) FROM pipeline.outbox WHERE consumer = 'omnibus dlq'"
        self.stack.break_broker()
        eventually(lambda: self.stack.database.value(waiting) == "1", what="a letter taken and not sent")
        self.assertIsNone(killed.poll(), "it ended before it could be killed")
        killed.kill()
        killed.wait()
        self.stack.mend_broker()
        report = eventually(lambda: self.redrive(), 60, "the redrive after it")
        self.assertEqual(report["left_over"], 1)
        self.assertGreater(report["acted"], 0)
        self.assertHandledOnce(visit)

    def test_a_letter_left_by_a_killed_redrive_is_sent_by_the_relay_as_well(self):
        visit = Visit(conversations=1, each=3)
        self.park(visit)
        self.mend(visit)
        killed = subprocess.Popen([binary("omnibus"), "dlq", "redrive", "--topic", MESSAGES, "--yes", "--rate", "0.2/s"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment())
        self.addCleanup(killed.kill)
        first = visit.records[0][1]["id"]
        eventually(lambda: [record for record in self.stack.kafka.consume(MESSAGES)
                            if id_of(record) == first and "omnibus-redrive" in record.headers], what="the first letter sent")
        self.stack.break_broker()
        waiting = "SELECT count(*) FROM pipeline.outbox WHERE consumer = 'omnibus dlq'"
        eventually(lambda: self.stack.database.value(waiting) == "1", what="a letter taken and not sent")
        killed.kill()
        killed.wait()
        self.stack.mend_broker()
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)
        eventually(lambda: self.stack.database.value(waiting) == "0", 60, "the relay sending it")
        report = eventually(lambda: self.redrive(), 60, "the redrive after it")
        self.assertEqual((report["left_over"], report["acted"]), (0, 1))
        self.assertHandledOnce(visit)


if __name__ == "__main__":
    unittest.main()
