#!/usr/bin/env python3
"""From a completed conversation of agents to its outcome, the morning's report, its e-mail, and the click that ends e-mail."""
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, eventually  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOP = "shop.example"
COMPLETED, TICK = "omnibus.conversation.completed.v1", "omnibus.tick.report.v1"
TURNS = ["I build timber bridges and look for tests.", "I run a lab that tests timber joints.",
         "Could we test two joints in March?", "Yes, in the first week of March."]


class MailServer:
    """A real SMTP server, and the messages that it took."""

    def __init__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", ROOT / "tests/workers/report/smtp_server.py"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"smtp://127.0.0.1:{int(self.process.stdout.readline())}"

    def take(self):
        """The next message; waits for it."""
        return json.loads(self.process.stdout.readline())

    def close(self):
        """Ends the server. Returns the messages that nobody has taken."""
        rest, _ = self.process.communicate(timeout=30)
        return [json.loads(line) for line in rest.splitlines()]


class OutcomeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_tenant(SHOP)
        cls.database = cls.stack.database

    def start(self, name, **settings):
        worker = self.stack.start_worker(name, **settings)
        self.addCleanup(worker.stop)
        return worker

    def held_conversation(self):
        """Two new people whose agents have talked. Returns the ids of the match and the conversation, and the handles."""
        match, conversation, *people = (str(uuid.uuid4()) for _ in range(4))
        a, b = sorted(people)
        handles = f"ann-{a[:8]}", f"bob-{b[:8]}"
        for person, handle in zip((a, b), handles):
            self.database.execute(f"INSERT INTO users (id, domain, handle, status, email) VALUES ('{person}', '{SHOP}', "
                                  f"'{handle}', 'APPROVED', '{handle}@example.org')")
        self.database.execute(
            f"INSERT INTO omniscient_matches (id, user_a_id, user_b_id, status, domain, predicted_outcome, predicted_probabilities) "
            f"VALUES ('{match}', '{a}', '{b}', 'active', '{SHOP}', 'EXPLORATORY', "
            "'{\"STRONG_MATCH\": 0.25, \"EXPLORATORY\": 0.45, \"FUTURE_POTENTIAL\": 0.2, \"NO_MATCH\": 0.1}')")
        self.database.execute(f"INSERT INTO omniscient_conversations (id, match_id, domain, status, stop_reason, completed_at) "
                              f"VALUES ('{conversation}', '{match}', '{SHOP}', 'completed', 'agreed_end', now())")
        for number, message in enumerate([f"I am {handles[0]}.", *TURNS], 1):  # no two conversations are the same
            self.database.execute(
                "INSERT INTO omniscient_turns (conversation_id, turn_number, speaker_user_id, speaker_role, message) VALUES "
                f"('{conversation}', {number}, '{(b, a)[number % 2]}', 'agent_{'ba'[number % 2]}', '{message}')")
        return match, conversation, handles

    def complete(self, match, conversation, times=1):
        data = {"domain": SHOP, "match_id": match, "conversation_id": conversation, "stop_reason": "agreed_end", "turns": 5}
        self.stack.kafka.publish("conversations.completed", match, [(COMPLETED, data)] * times)

    def outcomes(self, conversation):
        return int(self.database.value(f"SELECT count(*) FROM omniscient_outcomes WHERE conversation_id = '{conversation}'"))

    def test_a_conversation_is_judged_once_and_told_in_the_morning(self):
        simulator = self.stack.start_simulator()
        server = MailServer()
        self.start("outcome", LLM_BASE_URL=simulator.url)
        self.start("report", SMTP_URL=server.url, SMTP_FROM="reports@omnibus.example", PUBLIC_URL="https://omnibus.example",
                   UNSUBSCRIBE_SECRET="secret")
        gateway = self.start("gateway", UNSUBSCRIBE_SECRET="secret")
        match, conversation, handles = self.held_conversation()
        self.complete(match, conversation, times=3)
        eventually(lambda: self.outcomes(conversation) == 1, 60, "the outcome")
        outcome = self.database.value(f"SELECT actual_outcome FROM omniscient_conversations WHERE id = '{conversation}'")
        scored = [record.json for record in self.stack.kafka.consume("outcomes.scored")
                  if record.headers.get("ce_type") == "omnibus.outcome.scored.v1"]
        self.assertEqual([(event["conversation_id"], event["actual_outcome"]) for event in scored], [(conversation, outcome)])

        # Tomorrow at eight: both people are told, once, however often the clock ticks.
        due_at = self.database.value("SELECT to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYY-MM-DD') || 'T08:00:00Z'")
        self.stack.kafka.publish("ops.ticks", "tick.report", [(TICK, {"due_at": due_at, "missed": 0})] * 2)
        mails = {mail["recipients"][0]: mail for mail in (server.take(), server.take())}
        self.assertEqual(set(mails), {f"{handle}@example.org" for handle in handles})
        mail = mails[f"{handles[0]}@example.org"]
        self.assertIn(f"With {handles[1]}: ", mail["text"])
        self.assertIn(f"With {handles[1]}: ", mail["html"])
        eventually(lambda: self.database.value("SELECT count(*) FROM omniscient_reports WHERE send_state = 'sent'") == "2", 60,
                   "both reports")

        # One click ends the mail of one person. Nobody else's address does.
        address = urllib.parse.urlsplit(mail["unsubscribe"].strip("<>"))
        client = Http(gateway.address)
        path = f"{address.path}?{address.query}"
        self.assertEqual(client.get(path).status, 200)  # to read it changes nothing
        self.assertEqual(client.post(path[:-1] + ("0" if path[-1] != "0" else "1"), "").status, 403)
        self.assertEqual(self.database.value("SELECT count(*) FROM omniscient_report_unsubscriptions"), "0")
        self.assertEqual(client.post(path, "List-Unsubscribe=One-Click").status, 200)
        self.assertEqual(self.database.value("SELECT handle FROM omniscient_report_unsubscriptions JOIN users ON id = user_id"),
                         handles[0])
        self.assertEqual(server.close(), [])

    def test_a_worker_that_is_killed_leaves_no_conversation_without_its_one_outcome(self):
        simulator = self.stack.start_simulator(latency=100)
        settings = {"LLM_BASE_URL": simulator.url, "LLM_CONNECTIONS": 1}
        held = [self.held_conversation() for _ in range(20)]
        for match, conversation, _ in held:
            self.complete(match, conversation)
        for number in range(3):
            worker = self.start("outcome", **settings)
            eventually(lambda: sum(self.outcomes(conversation) for _, conversation, _ in held) > 4 * number, 60, "an outcome")
            worker.kill()
        self.start("outcome", **settings)
        eventually(lambda: all(self.outcomes(conversation) == 1 for _, conversation, _ in held), 60, "all outcomes")
        # A kill after the commit may publish an event again, then with its id.
        scored = {(record.headers["ce_id"], record.json["conversation_id"]) for record in self.stack.kafka.consume("outcomes.scored")
                  if record.headers.get("ce_type") == "omnibus.outcome.scored.v1"}
        told = [conversation for _, conversation in scored]
        for _, conversation, _ in held:
            self.assertEqual(told.count(conversation), 1)
        # What was in flight at a kill may be asked again, and nothing else.
        self.assertLessEqual(simulator.stats()["answered_again"], 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
