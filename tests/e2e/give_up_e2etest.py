#!/usr/bin/env python3
"""Nobody waits longer for a model than LLM_GIVE_UP_AFTER, however its endpoint fails, and who needs no model waits for nothing."""
import contextlib
import pathlib
import socket
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from chat_case import FALLBACK, GENERATED, MESSAGES, SHOP, SUPPRESSED, ChatCase, Message  # noqa: E402
from harness import eventually, free_port, structured_event  # noqa: E402

SMS, REQUESTED = "omnibus.sms.message.received.v1", "notifications.requested"
GIVE_UP_AFTER = 10
BREAKER_OPEN = 60
SOON = 2  # for what does not wait; the machine is busy
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'


@contextlib.contextmanager
def dead(_):
    """An endpoint that refuses connections."""
    yield


class Stalling:
    """An endpoint that accepts connections, sends `said` to each request and then nothing."""

    def __init__(self, port, said=b""):
        self.said = said
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with contextlib.suppress(OSError):
            if connection.recv(1):
                connection.sendall(self.said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()


class GiveUpTest(ChatCase):
    def setUp(self):
        self.port = free_port()
        settings = {"LLM_BASE_URL": f"http://127.0.0.1:{self.port}/v1", "LLM_GIVE_UP_AFTER": f"{GIVE_UP_AFTER}s"}
        self.worker(settings.pop("LLM_BASE_URL"), **settings)
        texting = self.stack.start_worker("sms", LLM_BASE_URL=f"http://127.0.0.1:{self.port}/v1", **settings)
        self.addCleanup(texting.stop)
        # A conversation that a person has taken over, before the endpoint fails.
        self.taken_over = Message(uuid.uuid4().hex, "Let me talk to a person")
        with self.model():
            self.publish(self.taken_over)
            self.await_answers(self.taken_over.session, 1)
        self.stack.database.execute("UPDATE conversations SET owner_id = gen_random_uuid(), takeover_epoch = takeover_epoch + 1"
                                    f" WHERE id = '{self.taken_over.conversation}'")

    @contextlib.contextmanager
    def model(self):
        """A model that works."""
        simulator = self.stack.start_simulator(port=self.port, latency=1, latency_jitter=0)
        try:
            yield simulator
        finally:
            simulator.kill()

    def text(self, said):
        """An SMS of somebody new; the key of its answers."""
        phone = f"+2507{uuid.uuid4().int % 10**8:08}"
        event = structured_event(SMS, {"domain": SHOP, "provider": "mtn", "phone_number": phone, "recipient": "2500", "text": said,
                                       "received_at": "2026-11-20T10:00:00Z"})
        self.stack.kafka.publish_all("sms.inbound", [(uuid.uuid4().hex, event)])
        return phone

    def answer_to(self, phone, kind, timeout):
        """The request for the answer to this number."""
        def look():
            profile = self.stack.database.value(f"SELECT id FROM profiles WHERE phone_number = '{phone}'")
            return [record for record in self.stack.kafka.consume(REQUESTED) if record.key == profile and record.json["kind"] == kind]
        return eventually(look, timeout, f"{kind} for {phone}")[0]

    def waits(self, messages, begun, timeout):
        """Seconds until each of these had its one fallback text, ascending."""
        def look():
            found = self.replies(*messages, type=FALLBACK)
            return found if len({record.json["in_reply_to"] for record in found}) == len(messages) else None
        found = eventually(look, timeout, "a fallback for each")
        self.assertEqual(len(found), len(messages))
        return sorted(record.time - begun for record in found)

    def assert_nobody_waits_too_long(self, endpoint):
        """@return when the endpoint had failed for all of them, by time.time()."""
        sessions = [uuid.uuid4().hex for _ in range(30)]
        waves = [[Message(session, f"Is anybody there, {turn}?") for session in sessions] for turn in range(2)]
        with endpoint(self.port):
            for turn, visitors in enumerate(waves):
                begun = time.time()
                self.publish(*visitors)
                texting = self.text("Is anybody there?")
                spoken = Message(self.taken_over.session, f"Are you a person, {turn}?")
                stopping = self.text("STOP")
                self.publish(spoken)
                # What needs no model goes through at once, beside those who wait for one.
                begun_last = time.time()
                suppressed, = self.await_replies(spoken, type=SUPPRESSED)
                self.assertLess(suppressed.time - begun_last, SOON)
                self.assertLess(self.answer_to(stopping, "opt_out", 5).time - begun_last, SOON)
                waited = self.waits(visitors, begun, GIVE_UP_AFTER + 5)
                print(f"turn {turn}: waited {waited[0]:.2f} to {waited[-1]:.2f} s", file=sys.stderr)
                self.assertLess(waited[-1], GIVE_UP_AFTER + 1)
                if turn == 1:  # the breaker is open for longer than they would wait, which is clear
                    self.assertLess(waited[-1], SOON)
                reply = self.answer_to(texting, "reply", GIVE_UP_AFTER + 5)
                self.assertTrue(reply.json["body"].startswith("Sorry"))
                self.assertLess(reply.time - begun, GIVE_UP_AFTER + 1 + SOON)
        for session, *messages in zip(sessions, *waves):
            self.assertEqual([row[1:3] for row in self.transcript(session)], [["user", message.text] for message in messages])
            in_order = [record.json["in_reply_to"] for record in self.replies(*messages)]
            self.assertEqual(in_order, [message.id for message in messages])
        eventually(lambda: self.committed() == len(self.stack.kafka.consume(MESSAGES)), what="every offset being committed")

    def test_an_endpoint_that_is_dead(self):
        self.assert_nobody_waits_too_long(dead)

    def test_an_endpoint_that_accepts_and_never_answers(self):
        self.assert_nobody_waits_too_long(Stalling)

    def test_an_endpoint_that_stalls_behind_its_first_words_and_comes_back(self):
        self.assert_nobody_waits_too_long(lambda port: Stalling(port, HEAD + ROLE))
        with self.model():
            back = time.time()

            def answered():
                message = Message(uuid.uuid4().hex, "Is anybody there now?")
                self.publish(message)
                time.sleep(1)
                return self.replies(message, type=GENERATED)
            reply, = eventually(answered, BREAKER_OPEN + 5, "an answer of the model")
            self.assertLess(reply.time - back, BREAKER_OPEN)
            # And from then on everybody's.
            message = Message(uuid.uuid4().hex, "And now?")
            self.publish(message)
            self.await_replies(message, type=GENERATED)


if __name__ == "__main__":
    unittest.main(verbosity=2)
