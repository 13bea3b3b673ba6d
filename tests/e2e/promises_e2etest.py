#!/usr/bin/env python3
"""What Omnibus promises, kept on Apache Kafka while processes, the broker, PostgreSQL and the model fail.

The seed of what is random is printed; OMNIBUS_SEED repeats a run.
"""
import concurrent.futures
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from chat_case import (DEAD, FALLBACK, GENERATED, MESSAGES, RECEIVED, REPLIES, SHOP, SUPPRESSED, ChatCase, Load, Message)  # noqa: E402
from harness import Http, as_bytes, binary, eventually, free_port, structured_event  # noqa: E402

BATCH_LIMIT = 1048576  # max.message.bytes of the topic


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


class PromisesTest(ChatCase):
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

    def test_turns_in_long_conversations_take_memory_for_their_prompts_alone(self):
        def peak_mb():
            status = pathlib.Path(f"/proc/{worker.pid}/status").read_text(encoding="utf-8")
            return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
        text = "\U0001F4B3" * 16_000  # 64 KB, the most a visitor may write
        name = uuid.uuid4().hex
        messages = [Message(f"{name}-{number}", text) for number in range(32)]
        conversations = ", ".join(f"('{message.conversation}', '{SHOP}', '{message.session}')" for message in messages)
        self.stack.database.execute(f"""
            CREATE TEMP TABLE long_text AS SELECT '{text}' AS content;
            INSERT INTO conversations (id, domain, session_id) VALUES {conversations};
            INSERT INTO messages (conversation_id, seq, role, content)
            SELECT c.id, n, CASE n % 2 WHEN 1 THEN 'user' ELSE 'agent' END, l.content
            FROM conversations c, long_text l, generate_series(1, 200) AS n WHERE c.session_id LIKE '{name}-%';
            DROP TABLE long_text""")
        worker = self.worker(self.simulator(latency=5_000), MAX_IN_FLIGHT=len(messages))
        before = peak_mb()
        self.publish(*messages)
        eventually(lambda: worker.metric("omnibus_events_in_flight") == len(messages), 30, "all turns at the model")
        self.await_answers(name, len(messages))
        self.assertLess(peak_mb() - before, len(messages) * 400 / 256)  # 256 such turns take less than 400 MB

    def test_a_log_that_nobody_reads_holds_up_no_event(self):
        poison = [(str(number), structured_event(RECEIVED, {"domain": SHOP, "number": number})) for number in range(600)]
        environment = {**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers, "DATABASE_URL": self.stack.database_url("chat"),
                       "LLM_BASE_URL": self.simulator().url}
        worker = subprocess.Popen([binary("omnibus-chat")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment)
        self.addCleanup(worker.stdout.close)
        self.addCleanup(worker.wait)
        self.addCleanup(worker.kill)
        self.stack.kafka.publish_all(MESSAGES, poison)  # a line each: more than a pipe holds
        message = Message(uuid.uuid4().hex, "Is anybody reading?")
        self.publish(message)
        self.await_answers(message.session, 1)
        worker.terminate()
        self.assertEqual(worker.wait(30), 0)

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
        self.stack.kafka.produce(MESSAGES, f"{run} nothing", *with_headers(None))
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
        self.assertNotIn(f"{run} nothing", letters)  # without a value there is nothing to handle or to keep
        eventually(lambda: worker.metric("omnibus_tombstones_total") == 1, 10, "the record without a value being counted")
        self.assertTrue(worker.alive())

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
        give_up_after = 2
        self.worker(f"http://127.0.0.1:{free_port()}/v1", LLM_GIVE_UP_AFTER=f"{give_up_after}s", FALLBACK_TEXT="Later, sorry.")
        message = Message(uuid.uuid4().hex, "Nobody there?")
        begun = time.time()
        self.publish(message)
        fallback, = self.await_replies(message, type=FALLBACK)
        self.assertLess(fallback.time - begun, give_up_after + 1)
        self.assertEqual(fallback.json["text"], "Later, sorry.")
        self.assertTrue(fallback.json["reason"])
        self.assertEqual([row[1:3] for row in self.transcript(message.session)], [["user", message.text]])
        self.assertEqual(self.replies(message, type=GENERATED), [])
        self.assertEqual(self.dead_letters(message.conversation.encode()), [])

    def test_work_waits_for_a_model_that_is_down_and_goes_on_when_it_is_back(self):
        # Five failed calls, whosever they are, open the breaker. From then on each conversation is deferred by itself, which
        # counts as no attempt.
        port = free_port()
        worker = self.worker(f"http://127.0.0.1:{port}/v1", LLM_GIVE_UP_AFTER="1h", MAX_ATTEMPTS=6, LLM_MAX_ATTEMPTS=100)
        load = Load(conversations=3, each=4)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        deferred = eventually(lambda: [found for found in [{line["key_hash"]: line["in_ms"] for line in worker.lines()
                                                            if line.get("msg") == "deferred"}] if len(found) == 3], what="deferrals")[0]
        self.assertGreater(min(deferred.values()), 50_000)
        self.simulator(port=port)
        self.await_answers(load.name, len(load), 90)  # the breaker lets its first probe through after a minute
        self.assertFalse([line for line in worker.lines() if line.get("msg") == "paused by an outage"])
        self.assertExact(load)
        self.assertEqual(self.replies(*load.messages, type=FALLBACK), [])

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
