#!/usr/bin/env python3
"""The gateway's streams of replies: in parts, resumed on any instance, limited, and ended."""
import concurrent.futures
import pathlib
import re
import signal
import socket
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway_case import MESSAGES, SHOP, GatewayCase, message, new_session  # noqa: E402
from harness import Http, conversation_id_of, eventually  # noqa: E402


class GatewayStreamTest(GatewayCase):
    def test_a_reply_is_streamed_part_by_part(self):
        for client in (self.shop, self.shop_b):
            id = self.store(new_session())
            with client.stream(self.stream_path(id)) as stream:
                self.assertEqual(stream.status, 200)
                self.assertEqual(stream.headers["Content-Type"], "text/event-stream")
                turn = uuid.uuid4().hex
                self.reply(id, turn, ["Hel", "lo\n", "there"])
                events = stream.until("reply")
                self.assertEqual({event.json["in_reply_to"] for event in events}, {turn})
                self.assertEqual([event.name for event in events], ["delta"] * 3 + ["reply"])
                self.assertEqual("".join(event.json["text"] for event in events[:3]), "Hello\nthere")
                self.assertEqual(events[3].json["text"], "Hello\nthere")
                self.assertEqual([event.json["index"] for event in events[:3]], [0, 1, 2])
                self.assertTrue(all(re.fullmatch(r"\d+-\d+", event.id) for event in events))

    def test_a_stream_opened_after_the_answer_came_still_tells_it_once(self):
        answer = self.shop.post(MESSAGES, message(new_session())).json
        id, turn = answer["conversation_id"], answer["event_id"]
        self.reply(id, turn, ["a", "b"])
        with self.shop.stream(self.stream_path(id)) as stream:  # not stored yet, but posted to here
            self.assertEqual(len(stream.until("reply")), 3)
        time.sleep(0.2)
        with self.shop.stream(self.stream_path(id)) as stream:
            self.assertTrue(stream.nothing())

    def test_a_stream_resumes_where_it_left_on_any_gateway(self):
        id = self.store(new_session())
        with self.shop.stream(self.stream_path(id)) as stream:
            self.reply(id, "t1", ["a", "b", "c"], ended=False)
            first = [stream.next() for _ in range(2)]
        self.reply(id, "t1", ["d"], begin=3)
        late = self.stack.start_worker("gateway")  # knows from the log what was there before it
        self.addCleanup(late.stop)
        for client in (self.shop, self.shop_b, Http(late.address, self.token)):
            for headers, query in (({"Last-Event-ID": first[1].id}, ""), ({}, f"?last_event_id={first[1].id}")):
                with client.stream(self.stream_path(id) + query, headers) as stream:
                    events = stream.until("reply")
                    self.assertEqual([event.json["text"] for event in events[:-1]], ["c", "d"])
                    turn = uuid.uuid4().hex
                    self.reply(id, turn, ["live"])
                    self.assertEqual([event.name for event in stream.until("reply")], ["delta", "reply"])
            # What came live is history for the next one: leave it out by beginning anew.
            id = self.store(new_session())
            with client.stream(self.stream_path(id)) as stream:
                self.reply(id, "t1", ["a", "b", "c"], ended=False)
                first = [stream.next() for _ in range(2)]
            self.reply(id, "t1", ["d"], begin=3)

    def test_an_id_of_a_log_that_is_gone_does_not_silence_the_stream(self):
        id = self.store(new_session())
        for last in ("0-999999999", "999-0"):
            with self.shop.stream(self.stream_path(id), {"Last-Event-ID": last}) as stream:
                turn = uuid.uuid4().hex
                self.reply(id, turn, ["a"])
                eventually(lambda: stream.until("reply")[-1].json["in_reply_to"] == turn, 10, "the reply")

    def test_what_is_not_in_memory_any_more_is_named_a_gap_and_costs_no_scan(self):
        small = self.stack.start_worker("gateway", STREAM_RECENT="64KiB")
        self.addCleanup(small.stop)
        client = Http(small.address, self.token)
        mine, other = self.store(new_session()), self.store(new_session())
        with client.stream(self.stream_path(mine)) as stream:
            self.reply(mine, "t1", ["a"])
            last = stream.until("reply")[-1].id
        with client.stream(self.stream_path(other)) as stream:
            self.reply(other, "t2", ["x" * 1000] * 100)
            stream.until("reply")
        with client.stream(self.stream_path(mine), {"Last-Event-ID": last}) as stream:
            told = stream.next()
            self.assertEqual((told.name, told.json), ("gap", {"transcript": f"/v1/conversations/{mine}"}))
            self.assertEqual(client.get(told.json["transcript"]).status, 200)
            turn = uuid.uuid4().hex
            self.reply(mine, turn, ["b"])
            self.assertEqual([event.name for event in stream.until("reply")], ["delta", "reply"])

    def test_a_turn_that_is_tried_again_is_told_once(self):
        id = self.store(new_session())
        with self.shop.stream(self.stream_path(id)) as stream:
            self.reply(id, "t1", ["a", "b"], ended=False)
            self.reply(id, "t1", ["a", "b", "c"])
            self.reply(id, "t1", ["a", "b", "c"])
            self.assertEqual([event.json["text"] for event in stream.until("reply")], ["a", "b", "c", "abc"])
            self.assertTrue(stream.nothing())

    def test_a_stream_carries_its_own_conversation_only(self):
        mine, other = self.store(new_session()), self.store(new_session())
        with self.shop.stream(self.stream_path(mine)) as stream:
            self.reply(other, "t1", ["no"])
            self.reply(mine, "t2", ["yes"])
            self.assertEqual([event.json["text"] for event in stream.until("reply")], ["yes", "yes"])

    def test_a_quiet_stream_is_kept_alive(self):
        id = self.store(new_session())
        with self.shop.stream(self.stream_path(id)) as stream:
            eventually(lambda: stream.comments >= 2, 5, "heartbeats")

    def test_a_conversation_that_is_not_stored_yet_is_opened_by_its_session(self):
        session_id = new_session()
        id = conversation_id_of(SHOP, session_id)
        with self.shop.stream(self.stream_path(id) + f"?session_id={session_id}") as stream:
            self.reply(id, "t1", ["a"])
            self.assertEqual(len(stream.until("reply")), 2)
        refused = self.bank.stream(self.stream_path(id) + f"?session_id={session_id}")
        self.assertProblem(refused.refusal, 404)

    def test_a_stream_waits_a_little_for_its_conversation_to_be_stored(self):
        session_id = new_session()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            opening = pool.submit(lambda: self.shop_b.stream(self.stream_path(conversation_id_of(SHOP, session_id))))
            self.store(session_id)
            with opening.result() as stream:
                self.assertEqual(stream.status, 200)

    def test_an_id_that_is_none_of_a_stream_is_refused(self):
        id = self.store(new_session())
        for last in ("x", "1", "1-", "-1-2", "1-2-3"):
            self.assertProblem(self.shop.get(self.stream_path(id), {"Last-Event-ID": last}), 400, "Last-Event-ID")

    def test_a_tenant_has_so_many_streams_and_no_more(self):
        gateway = self.stack.start_worker("gateway", STREAM_PER_TENANT="2")
        self.addCleanup(gateway.stop)
        id, client = self.store(new_session()), Http(gateway.address, self.token)
        with client.stream(self.stream_path(id)), client.stream(self.stream_path(id)) as second:
            third = client.get(self.stream_path(id))
            self.assertProblem(third, 429)
            self.assertTrue(third.headers["Retry-After"])
            self.assertEqual(gateway.metric("omnibus_sse_streams"), 2)
            second.close()
            self.reply(id, "t1", ["a"])  # the gateway notices when it writes
            eventually(lambda: client.stream(self.stream_path(id)).status == 200, 10, "a place becoming free")

    def open_unread(self, gateway, path):
        """Opens a stream with little room and reads no more than that it was accepted; None when it was refused."""
        host, port = gateway.address.split(":")
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(10)
        reader.connect((host, int(port)))
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
        if reader.recv(12) == b"HTTP/1.1 200":
            return reader
        reader.close()  # a busy machine answers 503 when the database takes too long
        return None

    def test_a_reader_that_does_not_read_is_cut_off(self):
        gateway = self.stack.start_worker("gateway", STREAM_MAX_BUFFER="16KiB", WRITE_TIMEOUT="1s", STREAM_HEARTBEAT="200ms")
        self.addCleanup(gateway.stop)
        id = self.store(new_session())
        with eventually(lambda: self.open_unread(gateway, self.stream_path(id)), 20, "the stream being open"):
            for turn in range(12):
                self.reply(id, f"t{turn}", ["x" * 15_000] * 40)
            eventually(lambda: gateway.metric("omnibus_sse_streams") == 0, 20, "the stream being closed")

    def test_sigterm_ends_streams_and_finishes_what_runs(self):
        gateway = self.stack.start_worker("gateway")
        id, client = self.store(new_session()), Http(gateway.address, self.token)
        with client.stream(self.stream_path(id)) as stream:
            gateway.signal(signal.SIGTERM)
            self.assertIsNone(stream.next(10))
        self.assertEqual(gateway.wait(15), 0)
        self.assertTrue(any(line.get("msg") == "stopped" for line in gateway.lines()))


if __name__ == "__main__":
    unittest.main()
