#!/usr/bin/env python3
"""What Omnibus promises, kept on Apache Kafka while processes, the broker, PostgreSQL and the model fail.

The seed of what is random is printed; OMNIBUS_SEED repeats a run.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, as_bytes, conversation_id_of, eventually, free_port, structured_event  # noqa: E402

SHOP = "shop.example"
MESSAGES, DEAD, REPLIES = "chat.messages", "chat.messages.dlq", "chat.replies"
RECEIVED = "omnibus.chat.message.received.v1"
REPLY = "omnibus.chat.reply."
GENERATED, FALLBACK, SUPPRESSED = REPLY + "generated.v1", REPLY + "fallback.v1", REPLY + "suppressed.v1"
GROUP = "omnibus-chat"
BATCH_LIMIT = 1048576  # max.message.bytes of the topic


class Message:
    """A visitor's message and the event that carries it."""

    def __init__(self, session, text):
        self.session, self.text = session, text
        self.id = str(uuid.uuid4())
        self.conversation = conversation_id_of(SHOP, session)

    @property
    def data(self):
        return {"domain": SHOP, "session_id": self.session, "text": self.text}

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

    def __init__(self, conversations, each):
        self.name = uuid.uuid4().hex[:8]
        self.sessions = [f"{self.name}-{number}" for number in range(conversations)]
        self.messages = [Message(session, f"{session} asks: where is order {turn}?")
                         for turn in range(each) for session in self.sessions]

    def __len__(self):
        return len(self.messages)

    @property
    def records(self):
        return [(message.conversation, message.event) for message in self.messages]


def record_size(key, value, headers):
    """Bytes of a batch that holds this one record, as Kafka's message format v2 has it."""
    def varint(number):
        number, size = number * 2, 1
        while number >= 128:
            number, size = number >> 7, size + 1
        return size
    body = 1 + varint(0) + varint(0) + varint(len(key)) + len(key) + varint(len(value)) + len(value) + varint(len(headers))
    body += sum(varint(len(name)) + len(name) + varint(len(text)) + len(text) for name, text in headers)
    return 61 + varint(body) + body


class PromisesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(seed := int(os.environ.get("OMNIBUS_SEED") or random.randrange(2**32)))
        print(f"OMNIBUS_SEED={seed}", file=sys.stderr)
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        # The group puts a killed member out after 4 s, so that the tests need not wait longer for its partitions.
        cls.stack.compose("kafka", "configs", "--alter", "--entity-type", "groups", "--entity-name", GROUP, "--add-config",
                          "consumer.session.timeout.ms=4000,consumer.heartbeat.interval.ms=500")
        cls.token = cls.stack.add_tenant(SHOP)

    # --- what tests say often --------------------------------------------------------------------------------------------
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

    # --- crashes ---------------------------------------------------------------------------------------------------------
    def test_workers_killed_at_random_under_load_lose_nothing_and_double_nothing(self):
        in_flight, kills = 4, 6
        simulator = self.simulator(latency=20, latency_jitter=30)
        settings = {"MAX_IN_FLIGHT": in_flight, "DATABASE_POOL": 2}
        workers = [self.worker(simulator, **settings) for _ in range(2)]
        load = Load(conversations=60, each=10)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        asked = 0
        for _ in range(kills):
            asked += self.random.randint(30, 90)
            eventually(lambda: simulator.stats()["requests"] >= asked, 60, f"{asked} requests to the model")
            time.sleep(self.random.uniform(0, 0.05))  # any point of a turn
            self.assertLess(self.stored(load.name), len(load), "the load ended before the kills")
            victim = self.random.randrange(2)
            workers[victim].kill()
            workers[victim] = self.worker(simulator, wait=False, **settings)
        self.await_answers(load.name, len(load), 90)
        self.assertExact(load)
        self.assertOutboxEmpties()
        # An answer is paid for again only where the worker died before it could write it down.
        self.assertLessEqual(simulator.stats()["answered_again"], kills * in_flight)

    def test_a_reply_that_was_committed_and_not_published_is_published_by_the_next_owner(self):
        message = Message(uuid.uuid4().hex, "Are you there?")
        simulator = self.simulator(latency=1500)
        worker = self.worker(simulator)
        self.publish(message)
        eventually(lambda: simulator.asked(message.text), what="the model being asked")
        self.stack.break_broker()
        self.await_answers(message.session, 1)
        waiting = "SELECT count(*) FROM pipeline.outbox WHERE topic = 'chat.replies'"
        self.assertEqual(self.stack.database.value(waiting), "1")
        worker.kill()
        self.stack.mend_broker()
        self.worker(simulator)
        self.await_replies(message, type=GENERATED)
        eventually(lambda: self.stack.database.value(waiting) == "0", what="the row leaving the outbox")
        later = Message(message.session, "Still there?")  # behind it nothing of the first can be left to come
        self.publish(later)
        self.await_replies(later, type=GENERATED)
        self.assertTranscript([message, later], self.transcript(message.session))
        self.assertEqual(len(self.replies(message, type=GENERATED)), 1)
        self.assertEqual(simulator.asked(message.text), 1, "the answer was paid for twice")

    def leave_in_outbox(self, marker):
        """A row as a worker leaves it that dies between commit and publish."""
        name, value = b"ce_id", marker.encode()
        headers = struct.pack(">ii", 1, len(name)) + name + struct.pack(">i", len(value)) + value
        body = json.dumps({"conversation_id": str(uuid.uuid4()), "in_reply_to": marker, "text": "Left behind"})
        self.stack.database.execute(
            "INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, key, headers, value) VALUES"
            f" ('chat', '{MESSAGES}', 7, '{REPLIES}', '{marker}', '\\x{headers.hex()}', convert_to('{body}', 'UTF8'))")

    def left_behind(self, marker):
        return [record for record in self.stack.kafka.consume(REPLIES) if record.headers.get("ce_id") == marker]

    def test_rows_left_in_the_outbox_go_out_on_take_over(self):
        self.leave_in_outbox(marker := uuid.uuid4().hex)
        self.worker(self.simulator())
        record, = eventually(lambda: self.left_behind(marker), what="the row on the topic")
        self.assertEqual((record.key, record.json["text"]), (marker, "Left behind"))
        self.assertOutboxEmpties()

    def test_rows_that_nobody_comes_back_for_are_published_by_the_relay(self):
        self.leave_in_outbox(marker := uuid.uuid4().hex)
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)
        eventually(lambda: self.left_behind(marker), what="the row on the topic")
        self.assertOutboxEmpties()
        self.assertEqual(len(self.left_behind(marker)), 1)

    # --- a clean stop ----------------------------------------------------------------------------------------------------
    def committed(self):
        """The group's offsets, as Kafka's own tool has them, summed up."""
        table = self.stack.compose("kafka", "groups", "--describe", "--group", GROUP)
        rows = re.findall(rf"^{GROUP}\s+{re.escape(MESSAGES)}\s+\d+\s+(\d+)\s", table, re.MULTILINE)
        return sum(map(int, rows))

    def test_a_stop_under_load_redelivers_nothing_and_loses_nothing(self):
        simulator = self.simulator(latency=20, latency_jitter=30)
        settings = {"MAX_IN_FLIGHT": 8, "DATABASE_POOL": 2, "DRAIN_DEADLINE": "10s"}
        first = self.worker(simulator, **settings)
        before = self.committed()
        load = Load(conversations=60, each=8)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        eventually(lambda: simulator.stats()["requests"] >= 60, what="load on the first worker")
        second = self.worker(simulator, wait=False, **settings)
        second.logged("partitions assigned")
        begun = time.monotonic()
        first.signal(signal.SIGTERM)
        self.assertEqual(first.wait(10), 0)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertLess(self.stored(load.name), len(load), "the load ended before the stop")
        self.await_answers(load.name, len(load))
        self.assertEqual(second.stop(10), 0)
        self.assertExact(load)
        self.assertOutboxEmpties()
        prompts = simulator.stats("prompts=1")["prompts"].values()
        self.assertEqual([prompt["asked"] for prompt in prompts], [1] * len(load))
        ends = [worker.logged("stopped") for worker in (first, second)]
        self.assertEqual(sum(end["handled"] for end in ends), len(load), "an event was delivered twice")
        self.assertTrue(all(end["clean"] for end in ends), ends)
        self.assertEqual(self.committed() - before, len(load), "offsets are not where the work ended")

    # --- poison ----------------------------------------------------------------------------------------------------------
    def test_a_key_that_keeps_failing_and_poison_on_it_hold_up_nobody_else(self):
        simulator = self.simulator(latency=5, seed=self.random.randrange(2**31))
        worker = self.worker(simulator, MAX_ATTEMPTS=1000, LLM_MAX_ATTEMPTS=1000, LLM_GIVE_UP_AFTER="1h",
                             RETRY_BASE_DELAY="1s", RETRY_LONGEST_DELAY="2s")
        load = Load(conversations=40, each=12)
        hot = [Message(f"{load.name}hot", f"hot {turn}") for turn in range(12)]
        poison, records = [], []
        for turn, message in enumerate(hot):
            records += load.records[turn * 40:(turn + 1) * 40]
            bad = structured_event(RECEIVED, {"domain": SHOP, "session_id": message.session, "number": turn})
            poison.append(bad["id"])
            records += [(message.conversation, message.event), (message.conversation, bad)]
        simulator.set_faults({"kind": "error", "status": 500, "match": "hot 0"}, {"kind": "error", "probability": 0.01},
                             {"kind": "rate_limit", "retry_after": 1, "probability": 0.01})
        self.stack.kafka.publish_all(MESSAGES, records)
        self.await_answers(load.name, len(load))
        self.assertEqual(self.stored(hot[0].session), 0)
        key = hot[0].conversation.encode()
        self.assertEqual(self.dead_letters(key), [], "poison has overtaken what is before it")
        simulator.clear_faults()
        self.await_answers(hot[0].session, len(hot))
        self.assertTranscript(hot, self.transcript(hot[0].session))
        self.assertExact(load)
        letters = eventually(lambda: found if len(found := self.dead_letters(key)) >= len(poison) else None, what="dead letters")
        self.assertEqual([letter.json["id"] for letter in letters], poison)
        self.assertEqual({letter.headers["error.class"] for letter in letters}, {"invalid_event"})
        self.assertTrue(worker.alive())

    def test_a_dead_letter_carries_the_original_byte_for_byte_up_to_the_topics_limit(self):
        self.worker(self.simulator())
        key = b"key \xff\xfe " + uuid.uuid4().hex.encode()
        headers = [(b"ce_id", b"1"), (b"ce_type", RECEIVED.encode()), (b"x-binary", bytes(range(1, 256))), (b"x-twice", b"1"),
                   (b"x-twice", b"2"), (b"x-empty", b"")]
        room = BATCH_LIMIT - record_size(key, b"", headers)
        value = self.random.randbytes(room)
        value = value[:room - (record_size(key, value, headers) - BATCH_LIMIT)]
        self.assertEqual(record_size(key, value, headers), BATCH_LIMIT)
        text_headers = [(name.decode(), text) for name, text in headers]
        with self.assertRaises(subprocess.CalledProcessError, msg="this is not the limit"):
            self.stack.kafka.produce(MESSAGES, key, value + b"!", text_headers)
        self.stack.kafka.produce(MESSAGES, key, value, text_headers)
        letter, = eventually(lambda: self.dead_letters(key), what="the dead letter")
        self.assertEqual(as_bytes(letter.key), key)
        self.assertTrue(as_bytes(letter.value) == value, "the value is another")
        self.assertEqual([(as_bytes(name), as_bytes(text)) for name, text in letter.header_list[:len(headers)]], headers)
        self.assertEqual([name for name, _ in letter.header_list[len(headers):]],
                         ["error.id", "error.class", "error.message", "error.attempts", "error.worker", "error.group",
                          "error.first_seen", "error.topic", "error.partition", "error.offset", "error.timestamp"])

    def test_what_cannot_be_handled_is_parked_with_a_reason_and_the_next_of_its_key_is_answered(self):
        simulator = self.simulator()
        worker = self.worker(simulator)
        closed = Message(f"closed-{uuid.uuid4().hex}", "Hello?")
        self.publish(closed)
        self.await_answers(closed.session, 1)
        self.stack.database.execute(f"UPDATE conversations SET status = 'resolved' WHERE id = '{closed.conversation}'")

        def with_headers(value, **changes):
            headers = {**Message("", "").headers, **changes}
            return value, {name.replace("content_type", "content-type"): text for name, text in headers.items() if text is not None}
        def body(**changes):
            data = {**Message("a-session", "Hello?").data, **changes}
            return json.dumps({name: value for name, value in data.items() if value is not None}).encode()
        deep = b'{"domain":"shop.example","session_id":"s","text":"t","more":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
        cases = {  # the record, and what its dead letter must say
            "malformed JSON": (with_headers(b'{"domain": "shop.example", '), "invalid_event", "JSON"),
            "not JSON at all": (with_headers(b"\x00\x01\x02"), "invalid_event", "JSON"),
            "an empty value": (with_headers(b""), "invalid_event", ""),
            "a null value": (with_headers(None), "invalid_event", ""),
            "a wrong type": (with_headers(body(text=5)), "invalid_event", "text"),
            "an object for a string": (with_headers(body(domain={})), "invalid_event", "domain"),
            "a missing field": (with_headers(body(session_id=None)), "invalid_event", "session_id"),
            "an id that is no UUID": (with_headers(body(conversation_id="1")), "invalid_event", "conversation_id"),
            "a list for an object": (with_headers(b"[]"), "invalid_event", ""),
            "depth 10,000": (with_headers(deep), "invalid_event", "deep"),
            "invalid UTF-8": (with_headers(body().replace(b"Hello", b"Hell\xff")), "invalid_event", "UTF-8"),
            "a lone surrogate": (with_headers(body().replace(b"Hello", b"\\ud800")), "invalid_event", ""),
            "NUL in the text": (with_headers(body(text="a\0b")), "invalid_event", ""),
            "a key twice": (with_headers(body()[:-1] + b', "text": "again"}'), "invalid_event", "text"),
            "an unknown type": (with_headers(body(), ce_type="omnibus.chat.message.whispered.v1"), "unknown_type", "type"),
            "no headers": ((body(), {}), "invalid_event", ""),
            "no ce_id": (with_headers(body(), ce_id=None), "invalid_event", "id"),
            "no ce_type": (with_headers(body(), ce_type=None), "invalid_event", "type"),
            "another version": (with_headers(body(), ce_specversion="3.0"), "invalid_event", "specversion"),
            "a structured event cut short": ((b'{"specversion":"1.0",', {"content-type": "application/cloudevents+json"}),
                                             "invalid_event", "JSON"),
            "an unknown tenant": (with_headers(body(domain="nobody.example")), "unknown_tenant", "domain"),
            "a closed conversation": (with_headers(json.dumps(closed.data).encode()), "closed_conversation", "closed"),
        }
        run = uuid.uuid4().hex[:8]
        good = {case: Message(f"{run}-{number}", f"Good after {case}?") for number, case in enumerate(cases)}
        for case, ((value, headers), _, _) in cases.items():
            key = f"{run} {case}"
            self.stack.kafka.produce(MESSAGES, key, value, headers)
            self.stack.kafka.produce(MESSAGES, key, json.dumps(good[case].data), good[case].headers)
        self.await_answers(run, len(cases))
        for case, message in good.items():
            with self.subTest(case):
                self.assertTranscript([message], self.transcript(message.session))
        letters = {}
        for record in self.stack.kafka.consume(DEAD):
            letters.setdefault(record.key, []).append(record)
        for case, ((value, headers), error_class, reason) in cases.items():
            with self.subTest(case):
                letter, = letters[f"{run} {case}"]
                self.assertEqual(as_bytes(letter.value), value)
                self.assertEqual(letter.header_list[:len(headers)], list(headers.items()))
                self.assertEqual(letter.headers["error.class"], error_class, letter)
                self.assertIn(reason.lower(), letter.headers["error.message"].lower())
                self.assertTrue(letter.headers["error.message"])
                self.assertEqual((letter.headers["error.attempts"], letter.headers["error.topic"]), ("1", MESSAGES))
        self.assertEqual(len(self.transcript(closed.session)), 2)
        self.assertTrue(worker.alive())

    # --- the same event again --------------------------------------------------------------------------------------------
    def test_an_event_published_five_times_by_two_producers_is_answered_once(self):
        workers = [self.worker(simulator := self.simulator(latency=100)), self.worker(simulator)]
        message = Message(uuid.uuid4().hex, "Anyone?")
        def binary(key):
            self.stack.kafka.produce(MESSAGES, key, json.dumps(message.data), message.headers)
        with concurrent.futures.ThreadPoolExecutor(5) as pool:  # two encodings; of two keys, so that two partitions have it
            list(pool.map(lambda send: send(), [lambda: self.publish(message), lambda: self.publish(message),
                                                lambda: binary(message.conversation), lambda: binary("k1"), lambda: binary("k2")]))
        later = [Message(f"{message.session}-{number}", "After it?") for number in range(3)]
        for key, each in zip([message.conversation, "k1", "k2"], later):  # behind all five
            self.stack.kafka.publish_all(MESSAGES, [(key, each.event)])
        self.await_answers(message.session, 4)
        self.assertTranscript([message], self.transcript(message.session))
        self.assertEqual(len(self.replies(message, type=GENERATED)), 1)
        self.assertEqual([record for record in self.stack.kafka.consume(DEAD) if record.key in (message.conversation, "k1", "k2")], [])
        self.assertEqual([worker.stop() for worker in workers], [0, 0])

    def test_fifty_posts_with_one_key_are_one_event_and_one_answer(self):
        self.worker(self.simulator())
        gateway = self.stack.start_worker("gateway")
        self.addCleanup(gateway.stop)
        client = Http(gateway.address, self.token)
        message = Message(uuid.uuid4().hex, "Fifty times?")
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: client.post("/v1/chat/messages", message.data, headers), range(50)))
        self.assertEqual({answer.status for answer in answers}, {202})
        message.id, = {answer.json["event_id"] for answer in answers}
        self.await_answers(message.session, 1)
        later = Message(message.session, "And now?")
        self.publish(later)
        self.await_answers(message.session, 2)
        self.assertTranscript([message, later], self.transcript(message.session))
        self.assertEqual(len([r for r in self.stack.kafka.consume(MESSAGES) if r.headers.get("ce_id") == message.id]), 1)
        self.assertEqual(len(self.await_replies(message, type=GENERATED)), 1)

    # --- people and models -----------------------------------------------------------------------------------------------
    def test_a_person_who_takes_over_while_the_model_answers_has_the_last_word(self):
        simulator = self.simulator()
        self.worker(simulator)
        first = Message(uuid.uuid4().hex, "A first question?")
        self.publish(first)
        self.await_answers(first.session, 1)
        during, after = [Message(first.session, text) for text in ("Let me talk to a person", "Are you a person?")]
        simulator.set_faults({"kind": "latency", "ms": 2000, "match": during.text})
        self.publish(during)
        eventually(lambda: simulator.asked(during.text), what="the model being asked")
        self.stack.database.execute("UPDATE conversations SET owner_id = gen_random_uuid(), takeover_epoch = takeover_epoch + 1"
                                    f" WHERE id = '{first.conversation}'")
        suppressed, = self.await_replies(during, type=SUPPRESSED)
        self.assertEqual(suppressed.json["conversation_id"], first.conversation)
        self.publish(after)
        self.await_replies(after, type=SUPPRESSED)
        self.assertEqual(simulator.asked(after.text), 0, "the model was asked in a person's conversation")
        self.assertEqual(self.replies(during, after, type=GENERATED), [])
        rows = self.transcript(first.session)
        self.assertEqual([row[1] for row in rows], ["user", "assistant", "user", "user"])
        self.assertEqual([row[2] for row in rows[2:]], [during.text, after.text])

    def test_a_visitor_hears_a_fallback_that_is_never_stored_as_an_answer_when_no_model_answers(self):
        self.worker(f"http://127.0.0.1:{free_port()}/v1", LLM_GIVE_UP_AFTER="2s", FALLBACK_TEXT="Later, sorry.")
        message = Message(uuid.uuid4().hex, "Nobody there?")
        begun = time.monotonic()
        self.publish(message)
        fallback, = self.await_replies(message, type=FALLBACK)
        self.assertGreater(time.monotonic() - begun, 2)
        self.assertEqual(fallback.json["text"], "Later, sorry.")
        self.assertTrue(fallback.json["reason"])
        self.assertEqual([row[1:3] for row in self.transcript(message.session)], [["user", message.text]])
        self.assertEqual(self.replies(message, type=GENERATED), [])
        self.assertEqual(self.dead_letters(message.conversation.encode()), [])

    def test_work_waits_for_a_model_that_is_down_and_goes_on_when_it_is_back(self):
        port = free_port()
        worker = self.worker(f"http://127.0.0.1:{port}/v1", LLM_GIVE_UP_AFTER="1h", MAX_ATTEMPTS=2, LLM_MAX_ATTEMPTS=100)
        load = Load(conversations=10, each=3)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        worker.logged("paused by an outage")
        self.simulator(port=port)
        self.await_answers(load.name, len(load), 90)  # the breaker lets its first probe through after a minute
        self.assertExact(load)
        self.assertEqual(self.replies(*load.messages, type=FALLBACK), [])

    # --- PostgreSQL ------------------------------------------------------------------------------------------------------
    def test_postgresql_may_crash_and_be_restarted_under_load(self):
        simulator = self.simulator(latency=20, latency_jitter=30)
        worker = self.worker(simulator, MAX_IN_FLIGHT=8, DATABASE_POOL=4, MAX_ATTEMPTS=2)
        load = Load(conversations=60, each=8)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        for requests, mode in (60, "immediate"), (200, "fast"):
            eventually(lambda: simulator.stats()["requests"] >= requests, what="load")
            self.assertLess(self.stored(load.name), len(load), "the load ended before the restart")
            self.stack.compose("postgres", "restart", mode)
        self.await_answers(load.name, len(load))
        self.assertExact(load)
        self.assertTrue(worker.alive())
        # What left the outbox right before the crash may be back in it, for the relay to publish again under its id.
        self.addCleanup(self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s").stop)
        self.assertOutboxEmpties()
        self.assertExact(load)


if __name__ == "__main__":
    unittest.main(verbosity=2)
