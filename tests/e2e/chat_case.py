"""What tests of conversations stand on: messages, loads of them, a chat worker and its model, and what became of each."""
import json
import os
import random
import re
import sys
import unittest
import uuid

from harness import Stack, as_bytes, conversation_id_of, eventually, structured_event

SHOP = "shop.example"
MESSAGES, DEAD, REPLIES = "chat.messages", "chat.messages.dlq", "chat.replies"
RECEIVED = "omnibus.chat.message.received.v1"
REPLY = "omnibus.chat.reply."
GENERATED, FALLBACK, SUPPRESSED = REPLY + "generated.v1", REPLY + "fallback.v1", REPLY + "suppressed.v1"
GROUP = "omnibus-chat"


class Message:
    """A visitor's message and the event that carries it."""

    def __init__(self, session, text, domain=SHOP):
        self.session, self.text, self.domain = session, text, domain
        self.id = str(uuid.uuid4())
        self.conversation = conversation_id_of(domain, session)

    @property
    def data(self):
        return {"domain": self.domain, "session_id": self.session, "text": self.text}

    @property
    def event(self):
        return structured_event(RECEIVED, self.data, id=self.id)

    @property
    def headers(self):
        """Of the event in binary mode."""
        return {"ce_specversion": "1.0", "ce_id": self.id, "ce_source": "/tests", "ce_type": RECEIVED,
                "content-type": "application/json"}


class Load:
    """Messages of many conversations, each text its own, in the order in which they are published."""

    def __init__(self, conversations, each, domain=SHOP):
        self.name = uuid.uuid4().hex[:8]
        self.sessions = [f"{self.name}-{number}" for number in range(conversations)]
        self.messages = [Message(session, f"{session} asks: where is order {turn}?", domain)
                         for turn in range(each) for session in self.sessions]

    def __len__(self):
        return len(self.messages)

    @property
    def records(self):
        return [(message.conversation, message.event) for message in self.messages]


class ChatCase(unittest.TestCase):
    """A test of the chat worker on `cls.stack`. What is random comes of a seed that is printed; OMNIBUS_SEED repeats it."""

    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(seed := int(os.environ.get("OMNIBUS_SEED") or random.randrange(2**32)))
        print(f"OMNIBUS_SEED={seed}", file=sys.stderr)
        cls.stack = cls.make_stack()
        cls.token = cls.stack.add_tenant(SHOP)

    @classmethod
    def make_stack(cls):
        stack = Stack("apache")
        cls.addClassCleanup(stack.close)
        cls.set_session_timeout(stack, 4000)
        return stack

    @staticmethod
    def set_session_timeout(stack, ms):
        """The group puts a killed member out after this long, so that the tests need not wait longer for its partitions."""
        stack.compose("kafka", "configs", "--alter", "--entity-type", "groups", "--entity-name", GROUP, "--add-config",
                      f"consumer.session.timeout.ms={ms},consumer.heartbeat.interval.ms=500")

    def simulator(self, **options):
        simulator = self.stack.start_simulator(**options)
        self.addCleanup(simulator.stop)
        return simulator

    def worker(self, simulator, wait=True, **settings):
        url = simulator if isinstance(simulator, str) else simulator.url
        worker = self.stack.start_worker("chat", wait=False, LLM_BASE_URL=url, **settings)
        self.addCleanup(worker.stop)
        return worker.await_ready() if wait else worker

    def publish(self, *messages):
        self.stack.kafka.publish_all(MESSAGES, [(message.conversation, message.event) for message in messages])

    def transcript(self, session):
        """Rows of a session's messages: seq, role, content, id, in_reply_to."""
        return self.transcripts(session).get(session, [])

    def transcripts(self, name):
        """The transcripts of all sessions of this name or that begin with it and a dash."""
        rows = json.loads(self.stack.database.value(
            "SELECT coalesce(jsonb_agg(jsonb_build_array(c.session_id, m.seq, m.role, m.content, m.id, m.in_reply_to)"
            " ORDER BY c.id, m.seq), '[]') FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            f" WHERE c.session_id = '{name}' OR c.session_id LIKE '{name}-%'"))
        sessions = {}
        for session, *row in rows:
            sessions.setdefault(session, []).append(row)
        return sessions

    def stored(self, name, role="assistant"):
        """How many messages of this role the sessions of this name have."""
        return int(self.stack.database.value(
            "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
            f" WHERE m.role = '{role}' AND (c.session_id = '{name}' OR c.session_id LIKE '{name}-%')"))

    def await_answers(self, name, count, timeout=60):
        eventually(lambda: self.stored(name) >= count, timeout, f"{count} answers for {name}")

    def replies(self, *messages, type=None):
        """What is on chat.replies in answer to these."""
        ids = {message.id for message in messages}
        return [record for record in self.stack.kafka.consume(REPLIES)
                if record.json["in_reply_to"] in ids and type in (None, record.headers["ce_type"])]

    def await_replies(self, *messages, type, timeout=20):
        return eventually(lambda: self.replies(*messages, type=type), timeout, f"a {type} for {[m.text for m in messages]}")

    def committed(self):
        """The group's offsets, as Kafka's own tool has them, summed up."""
        table = self.stack.compose("kafka", "groups", "--describe", "--group", GROUP)
        rows = re.findall(rf"^{GROUP}\s+{re.escape(MESSAGES)}\s+\d+\s+(\d+)\s", table, re.MULTILINE)
        return sum(map(int, rows))

    def dead_letters(self, key):
        return [record for record in self.stack.kafka.consume(DEAD) if as_bytes(record.key) == key]

    def assertTranscript(self, messages, rows):
        """Each message once, in the order of publication, each answered by the row after it."""
        self.assertEqual([row[0] for row in rows], list(range(1, 2 * len(messages) + 1)))
        self.assertEqual([row[1] for row in rows], ["user", "assistant"] * len(messages))
        self.assertEqual([row[2] for row in rows[::2]], [message.text for message in messages])
        self.assertEqual([row[4] for row in rows[1::2]], [row[3] for row in rows[::2]], "answers point to what they answer")
        self.assertEqual({row[4] for row in rows[::2]}, {None})

    def assertExact(self, load):
        """Every message has its one answer, in order, in the database; chat.replies has it under one id, in order."""
        sessions = self.transcripts(load.name)
        self.assertEqual(sorted(sessions), sorted(load.sessions))
        for session, rows in sessions.items():
            self.assertTranscript([message for message in load.messages if message.session == session], rows)
        answers = {(session, question[2]): answer[2]
                   for session, rows in sessions.items() for question, answer in zip(rows[::2], rows[1::2])}

        by_id = {message.id: message for message in load.messages}
        def all_published():
            found = self.replies(*load.messages, type=GENERATED)
            return found if {record.json["in_reply_to"] for record in found} == set(by_id) else None
        published = eventually(all_published, 30, "every reply being on the topic")
        ids, order = {}, {}
        for record in published:
            message = by_id[record.json["in_reply_to"]]
            self.assertEqual(record.key, message.conversation)
            self.assertEqual(record.headers["ce_causationid"], message.id)
            self.assertEqual(record.json["text"], answers[message.session, message.text])
            self.assertEqual(ids.setdefault(message.id, record.headers["ce_id"]), record.headers["ce_id"])
            order.setdefault(message.session, {}).setdefault(message.text)
        self.assertEqual(len(set(ids.values())), len(load))
        for session, texts in order.items():
            self.assertEqual(list(texts), [message.text for message in load.messages if message.session == session])
        conversations = {message.conversation for message in load.messages}
        self.assertEqual([record for record in self.stack.kafka.consume(DEAD) if record.key in conversations], [])

    def assertOutboxEmpties(self):
        eventually(lambda: self.stack.database.value("SELECT count(*) FROM pipeline.outbox") == "0", what="an empty outbox")
