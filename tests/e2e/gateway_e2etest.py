#!/usr/bin/env python3
"""The gateway as its callers meet it: two instances, a broker, PostgreSQL, two tenants."""
import concurrent.futures
import json
import pathlib
import socket
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway_case import BANK, GENERATED, MESSAGES, SHOP, GatewayCase, message, new_session  # noqa: E402
from harness import Database, Http, binary, conversation_id_of, eventually  # noqa: E402

RECEIVED = "omnibus.chat.message.received.v1"
CANARY = "canary-text-5551234567"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class GatewayTest(GatewayCase):
    def test_a_message_is_on_the_topic_when_it_is_accepted(self):
        session_id = new_session()
        answer = self.shop.post(MESSAGES, message(session_id, "Où est ma carte? 🙂"), {"traceparent": TRACEPARENT})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(sorted(answer.json), ["conversation_id", "event_id"])
        self.assertEqual(answer.json["conversation_id"], conversation_id_of(SHOP, session_id))
        record, = self.records(answer.json["event_id"])
        self.assertEqual(record.key, answer.json["conversation_id"])
        self.assertEqual(record.json, {**message(session_id, "Où est ma carte? 🙂"), "conversation_id": record.key})
        self.assertEqual(record.headers["ce_type"], RECEIVED)
        self.assertEqual(record.headers["ce_source"], "/omnibus/gateway")
        self.assertEqual(record.headers["ce_specversion"], "1.0")
        self.assertEqual(record.headers["content-type"], "application/json")
        self.assertRegex(record.headers["ce_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        _, trace, span, _ = record.headers["traceparent"].split("-")
        self.assertEqual(trace, TRACEPARENT.split("-")[1])
        self.assertNotEqual(span, TRACEPARENT.split("-")[2])

    def test_a_trace_is_begun_where_none_came(self):
        answer = self.shop.post(MESSAGES, message(new_session()), {"traceparent": "nonsense"})
        record, = self.records(answer.json["event_id"])
        self.assertRegex(record.headers["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")

    def test_two_posts_without_a_key_are_two_events(self):
        body = message(new_session())
        self.assertNotEqual(self.shop.post(MESSAGES, body).json["event_id"], self.shop.post(MESSAGES, body).json["event_id"])

    def test_fifty_posts_with_one_key_to_two_gateways_are_one_event(self):
        body, headers = message(new_session()), {"Idempotency-Key": uuid.uuid4().hex}
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda n: [self.shop, self.shop_b][n % 2].post(MESSAGES, body, headers), range(50)))
        self.assertEqual({answer.status for answer in answers}, {202}, answers[:3])
        event_id, = {answer.json["event_id"] for answer in answers}
        self.assertEqual(len(self.records(event_id)), 1)
        self.assertEqual(self.shop_b.post(MESSAGES, body, headers).json["event_id"], event_id)
        self.assertEqual(len(self.records(event_id)), 1)

    def test_a_key_that_comes_with_another_body_is_refused(self):
        session_id, headers = new_session(), {"Idempotency-Key": uuid.uuid4().hex}
        self.assertEqual(self.shop.post(MESSAGES, message(session_id), headers).status, 202)
        self.assertProblem(self.shop_b.post(MESSAGES, message(session_id, "Other"), headers), 422, "Idempotency-Key")

    def test_one_key_of_two_tenants_is_two_events(self):
        headers = {"Idempotency-Key": "the-same"}
        session_id = new_session()
        ours = self.shop.post(MESSAGES, message(session_id), headers)
        theirs = self.bank.post(MESSAGES, message(session_id, domain=BANK), headers)
        self.assertEqual((ours.status, theirs.status), (202, 202), theirs)
        self.assertNotEqual(ours.json["event_id"], theirs.json["event_id"])

    def test_a_key_whose_claimant_died_is_taken_over_under_the_same_event_id(self):
        key, body = uuid.uuid4().hex, message(new_session())
        first = self.shop.post(MESSAGES, body, {"Idempotency-Key": key})
        # As if the gateway had died between its claim and Kafka's acknowledgement.
        self.stack.database.execute(
            "UPDATE pipeline.idempotency_keys SET state = 'pending', created_at = now() - interval '1 hour' "
            f"WHERE event_id = '{first.json['event_id']}'")
        again = self.shop_b.post(MESSAGES, body, {"Idempotency-Key": key})
        self.assertEqual(again.status, 202, again)
        self.assertEqual(again.json, first.json)
        self.assertEqual(len(self.records(first.json["event_id"])), 2)

    def test_a_key_that_is_no_key_is_refused(self):
        for key in ("", "a b", "k" * 256):
            self.assertProblem(self.shop.post(MESSAGES, message(new_session()), {"Idempotency-Key": key}), 400, "Idempotency-Key")

    def test_a_closed_conversation_takes_no_message(self):
        session_id = new_session()
        self.store(session_id, status="resolved")
        self.assertProblem(self.shop.post(MESSAGES, message(session_id)), 409, "session_id")
        self.assertProblem(self.shop.post(MESSAGES, message(session_id), {"Idempotency-Key": uuid.uuid4().hex}), 409, "session_id")

    def test_every_malformed_body_is_a_problem_that_names_the_field(self):
        deep = "[" * 10_000 + "]" * 10_000
        good = json.dumps(message("s"))
        cases = [
            ("", None), ("{", None), ("[]", None), ("null", None), ('"text"', None), (good + "x", None), (good[:-1], None),
            ('{"session_id":"s","text":"t"}', "domain"),
            ('{"domain":"shop.example","text":"t"}', "session_id"),
            ('{"domain":"shop.example","session_id":"s"}', "text"),
            ('{"domain":"shop.example","session_id":"s","text":null}', "text"),
            ('{"domain":"shop.example","session_id":"s","text":7}', "text"),
            ('{"domain":"shop.example","session_id":["s"],"text":"t"}', "session_id"),
            ('{"domain":{},"session_id":"s","text":"t"}', "domain"),
            ('{"domain":"shop.example","session_id":"s","text":""}', "text"),
            ('{"domain":"shop.example","session_id":"","text":"t"}', "session_id"),
            ('{"domain":"Not A Host","session_id":"s","text":"t"}', "domain"),
            ('{"domain":"shop.example","session_id":"s","text":"a\\u0000b"}', "text"),
            ('{"domain":"shop.example","session_id":"s","text":"\\ud800"}', "text"),
            ('{"domain":"shop.example","session_id":"s","text":"t","text":"u"}', "text"),
            (json.dumps(message("s", "x" * 16_001)), "text"),
            (deep, None), ('{"domain":"shop.example","session_id":"s","text":"t","more":' + deep + "}", None),
            (b'{"domain":"shop.example","session_id":"s","text":"\xff\xfe"}', None),
            (b"\xff\xfe\x00", None),
        ]
        for body, field in cases:
            with self.subTest(body=body[:80]):
                problem = self.assertProblem(self.shop.post(MESSAGES, body), 400, field)
                self.assertTrue(problem["detail"])
        self.assertServes()

    def test_bodies_and_headers_without_end_are_refused(self):
        self.assertProblem(self.shop.post(MESSAGES, message("s", "x" * 10_000_000)), 413)
        self.assertEqual(self.shop.get("/v1/conversations/x", {"X-Long": "x" * 100_000}).status, 431)
        self.assertServes()

    def test_another_media_type_is_refused(self):
        self.assertProblem(self.shop.post(MESSAGES, "a=b", {"Content-Type": "application/x-www-form-urlencoded"}), 415, "Content-Type")

    def test_paths_and_methods_that_are_not_there(self):
        self.assertProblem(self.shop.get("/nowhere"), 404)
        answer = self.shop.get(MESSAGES)
        self.assertProblem(answer, 405)
        self.assertIn("POST", answer.headers["Allow"])

    def test_garbage_instead_of_http_harms_nobody(self):
        host, port = self.addresses[0].split(":")
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\0" * 1000, b"POST / HTTP/9.9\r\n\r\n"):
            with socket.create_connection((host, int(port)), timeout=20) as peer:
                peer.sendall(garbage)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass
        self.assertServes()

    def test_without_a_good_token_nothing_is_answered(self):
        bodies = {"POST": message(new_session()), "GET": None}
        id = str(uuid.uuid4())
        for method, path in (("POST", MESSAGES), ("POST", "/v1/events"), ("GET", f"/v1/conversations/{id}"),
                             ("GET", f"/v1/conversations/{id}/events")):
            for authorization in (None, "Bearer wrong", "Bearer", "Basic " + self.token, self.token):
                with self.subTest(path=path, authorization=(authorization or "")[:12]):
                    answer = Http(self.addresses[0]).request(method, path, bodies[method], {"Authorization": authorization})
                    self.assertProblem(answer, 401, "Authorization")
                    self.assertIn("Bearer", answer.headers["WWW-Authenticate"])

    def test_a_revoked_token_stops_working_within_its_time(self):
        token = self.stack.add_tenant(SHOP)
        client = Http(self.addresses[0], token)
        self.assertEqual(client.post(MESSAGES, message(new_session())).status, 202)
        self.stack.omnibus("token", "revoke", token)
        eventually(lambda: client.post(MESSAGES, message(new_session())).status == 401, 3, "the token being refused")

    def test_another_tenant_and_one_nobody_knows_look_the_same(self):
        theirs = self.shop.post(MESSAGES, message(new_session(), domain=BANK))
        unknown = self.shop.post(MESSAGES, message(new_session(), domain="nobody.example"))
        self.assertProblem(theirs, 404, "domain")
        self.assertEqual(theirs.json, unknown.json)

    def test_another_tenants_conversation_looks_like_one_that_is_not(self):
        id = self.store(new_session(), ["a"], BANK)
        theirs, unknown = self.shop.get(f"/v1/conversations/{id}"), self.shop.get(f"/v1/conversations/{uuid.uuid4()}")
        self.assertProblem(theirs, 404)
        self.assertEqual(theirs.json, unknown.json)
        self.assertProblem(self.shop.get(f"/v1/conversations/{id}?domain={BANK}"), 404)
        self.assertProblem(self.shop.get(f"/v1/conversations/{id}/events"), 404)
        self.assertProblem(self.shop.get("/v1/conversations/not-a-uuid"), 404)
        self.assertEqual(self.bank.get(f"/v1/conversations/{id}").status, 200)

    def test_an_operator_acts_for_any_tenant_there_is(self):
        session_id = new_session()
        self.assertEqual(self.operator.post(MESSAGES, message(session_id)).status, 202)
        self.assertProblem(self.operator.post(MESSAGES, message(session_id, domain="nobody.example")), 404, "domain")
        id = self.store(session_id, ["a"])
        self.assertEqual(self.operator.get(f"/v1/conversations/{id}?domain={SHOP}").json["domain"], SHOP)

    def test_who_asks_too_often_is_told_when_to_come_back(self):
        gateway = self.stack.start_worker("gateway", RATE_LIMIT_PER_SECOND="0.5", RATE_LIMIT_BURST="3")
        self.addCleanup(gateway.stop)
        shop, bank = Http(gateway.address, self.token), Http(gateway.address, self.other_token)
        statuses = [shop.post(MESSAGES, message(new_session())).status for _ in range(3)]
        self.assertEqual(statuses, [202] * 3)
        answer = shop.post(MESSAGES, message(new_session()))
        self.assertProblem(answer, 429)
        self.assertIn(answer.headers["Retry-After"], ("1", "2"))
        self.assertEqual(bank.post(MESSAGES, message(new_session(), domain=BANK)).status, 202)
        self.assertEqual(gateway.metric("omnibus_rate_limited_total"), 1)

    def event_headers(self, **changes):
        headers = {"ce-specversion": "1.0", "ce-id": uuid.uuid4().hex, "ce-source": "/widget", "ce-type": RECEIVED,
                   "Content-Type": "application/json"}
        headers.update({f"ce-{name}": value for name, value in changes.items()})
        return headers

    def test_a_cloud_event_in_binary_mode_is_published_with_its_id(self):
        headers = self.event_headers(correlationid="c-1", tenantnote="x")
        session_id = new_session()
        answer = self.shop.post("/v1/events", message(session_id), {**headers, "traceparent": TRACEPARENT})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.json, {"event_id": headers["ce-id"], "conversation_id": conversation_id_of(SHOP, session_id)})
        record, = self.records(headers["ce-id"])
        self.assertEqual(record.key, conversation_id_of(SHOP, session_id))
        self.assertEqual(record.json["text"], "Hello?")
        self.assertEqual(record.headers["ce_type"], RECEIVED)
        self.assertEqual(record.headers["ce_correlationid"], "c-1")
        self.assertEqual(record.headers["ce_tenantnote"], "x")
        self.assertTrue(record.headers["ce_source"].startswith(f"/tenants/{SHOP}/"))
        self.assertEqual(record.headers["traceparent"].split("-")[1], TRACEPARENT.split("-")[1])

    def test_a_cloud_event_in_structured_mode_is_published_with_its_id(self):
        event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "https://widget.example/1", "type": RECEIVED,
                 "data": message(new_session())}
        answer = self.shop.post("/v1/events", event, {"Content-Type": "application/cloudevents+json; charset=utf-8"})
        self.assertEqual(answer.status, 202, answer)
        record, = self.records(event["id"])
        self.assertEqual(record.json["text"], "Hello?")

    def test_no_tenant_can_speak_as_another_or_as_the_gateway(self):
        for source in ("/omnibus/gateway", f"/tenants/{BANK}/x"):
            headers = self.event_headers(source=source)
            self.assertEqual(self.shop.post("/v1/events", message(new_session()), headers).status, 202)
            record, = self.records(headers["ce-id"])
            self.assertTrue(record.headers["ce_source"].startswith(f"/tenants/{SHOP}/"), record)
        self.assertProblem(self.shop.post("/v1/events", message(new_session(), domain=BANK), self.event_headers()), 404, "domain")
        theirs = self.store(new_session(), [], BANK)
        body = {**message(new_session()), "conversation_id": theirs}
        self.assertProblem(self.shop.post("/v1/events", body, self.event_headers()), 404, "data.conversation_id")

    def test_an_event_that_cannot_be_taken_is_refused_by_its_attribute(self):
        structured = {"Content-Type": "application/cloudevents+json"}
        good = {"specversion": "1.0", "id": "1", "source": "/w", "type": RECEIVED, "data": message("s")}
        cases = [
            (message("s"), self.event_headers(id=None), 400, "ce-id"),
            (message("s"), self.event_headers(source=None), 400, "ce-source"),
            (message("s"), self.event_headers(type=None), 400, "ce-type"),
            (message("s"), self.event_headers(specversion="0.3"), 400, "ce-specversion"),
            (message("s"), self.event_headers(type="omnibus.no.such.v1"), 400, "type"),
            (message("s"), self.event_headers(type=GENERATED), 403, "type"),
            (message("s"), {**self.event_headers(), "Content-Type": "text/plain"}, 415, "datacontenttype"),
            ("{", self.event_headers(), 400, "data"),
            ({"domain": SHOP, "session_id": "s"}, self.event_headers(), 422, "data.text"),
            (message("s", ""), self.event_headers(), 422, "data.text"),
            ({**message("s"), "txt": "?"}, self.event_headers(), 422, "data.txt"),
            ("[]", {"Content-Type": "application/cloudevents-batch+json"}, 415, "Content-Type"),
            ({**good, "id": 7}, structured, 400, "id"),
            ({key: value for key, value in good.items() if key != "source"}, structured, 400, "source"),
            ({**good, "data": {**message("s"), "text": 1}}, structured, 422, "data.text"),
            ("nonsense", structured, 400, None),
        ]
        for body, headers, status, field in cases:
            with self.subTest(field=field, status=status):
                self.assertProblem(self.shop.post("/v1/events", body, headers), status, field)

    def test_a_transcript_comes_whole_or_in_pages(self):
        session_id = new_session()
        id = self.store(session_id, [f"text {number}" for number in range(1, 6)])
        transcript = self.shop.get(f"/v1/conversations/{id}").json
        self.assertEqual({key: transcript[key] for key in ("id", "domain", "session_id", "status")},
                         {"id": id, "domain": SHOP, "session_id": session_id, "status": "open"})
        self.assertEqual([entry["seq"] for entry in transcript["messages"]], [1, 2, 3, 4, 5])
        self.assertEqual(sorted(transcript["messages"][0]), ["content", "created_at", "role", "seq"])
        self.assertEqual([entry["role"] for entry in transcript["messages"][:2]], ["user", "assistant"])
        self.assertNotIn("next_after_seq", transcript)
        page = self.shop_b.get(f"/v1/conversations/{id}?after_seq=1&limit=2").json
        self.assertEqual([entry["seq"] for entry in page["messages"]], [2, 3])
        self.assertEqual(page["next_after_seq"], 3)
        for query, field in (("limit=0", "limit"), ("limit=x", "limit"), ("after_seq=-1", "after_seq")):
            self.assertProblem(self.shop.get(f"/v1/conversations/{id}?{query}"), 400, field)

    def test_answers_carry_a_request_id_and_security_headers(self):
        for answer in (self.shop.post(MESSAGES, message(new_session()), {"X-Request-Id": "r-1"}),
                       self.shop.get(f"/v1/conversations/{uuid.uuid4()}", {"X-Request-Id": "r-1"})):
            self.assertEqual(answer.headers["X-Request-Id"], "r-1")
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(answer.headers["Cache-Control"], "no-store")

    def test_nothing_that_was_said_and_no_token_is_in_the_log(self):
        self.shop.post(MESSAGES, message(new_session(), CANARY))
        self.shop.post(MESSAGES, message(new_session(), CANARY), {"Idempotency-Key": "key-" + CANARY})
        self.shop.post("/v1/events", message(new_session(), CANARY), self.event_headers())
        self.shop.post(MESSAGES, '{"text":"' + CANARY)
        self.shop.get(f"/v1/conversations/{uuid.uuid4()}?session_id={CANARY}")
        for gateway in self.gateways:
            log = gateway.text()
            for secret in (CANARY, self.token, self.other_token):
                self.assertNotIn(secret, log)
            for line in log.splitlines():
                json.loads(line)

    def test_metrics_say_what_was_served(self):
        def served():
            return self.gateways[0].metric("omnibus_http_requests_total", route=MESSAGES, status="202")
        before = served()
        self.assertServes()
        eventually(lambda: served() > before, 5, "the request being counted")
        metrics = Http(self.gateways[0].metrics_address).get("/metrics").text
        self.assertNotIn(SHOP, metrics)
        for address in (self.addresses[0], self.gateways[0].metrics_address):
            self.assertEqual([Http(address).get(path).status for path in ("/livez", "/readyz")], [200, 200])

    def test_help_and_effective_settings(self):
        program = binary("omnibus-gateway")
        help = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
        for name in ("HTTP_LISTEN", "KAFKA_BROKERS", "DATABASE_URL", "RATE_LIMIT_PER_SECOND", "STREAM_HEARTBEAT"):
            self.assertIn(name, help)
        shown = subprocess.run([program, "--print-config"], capture_output=True, text=True, check=True,
                               env={"DATABASE_URL": "postgresql://u:hush@h/d", "RATE_LIMIT_BURST": "7"}).stdout
        self.assertIn("RATE_LIMIT_BURST=7", shown)
        self.assertNotIn("hush", shown)
        wrong = subprocess.run([program], capture_output=True, text=True, env={"PUBLISH_TIMEOUT": "soon"}, timeout=30)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("PUBLISH_TIMEOUT", wrong.stderr)

    def test_an_address_that_is_taken_ends_the_gateway_with_a_reason(self):
        gateway = self.stack.start_worker("gateway", wait=False, HTTP_LISTEN=self.addresses[0])
        self.assertEqual(gateway.wait(15), 1)
        self.assertIn(self.addresses[0], gateway.text())

    def test_a_broker_that_does_not_answer_is_a_503_in_time_and_a_retry_succeeds(self):
        gateway = self.gateways[0]
        body, headers = message(new_session()), {"Idempotency-Key": uuid.uuid4().hex}
        self.stack.break_broker()
        try:
            for more in ({}, headers):
                began = time.monotonic()
                answer = self.shop.post(MESSAGES, body, more)
                self.assertProblem(answer, 503)
                self.assertTrue(answer.headers["Retry-After"])
                self.assertLess(time.monotonic() - began, 8)
        finally:
            self.stack.mend_broker()
        answer = eventually(lambda: (lambda a: a if a.status == 202 else None)(self.shop_b.post(MESSAGES, body, headers)), 30,
                            "the message being taken")
        self.assertEqual(self.shop.post(MESSAGES, body, headers).json, answer.json)
        # Its fate was unknown: it may be there twice, under one id, which is one event to whoever reads it.
        self.assertGreaterEqual(len(self.records(answer.json["event_id"])), 1)
        eventually(gateway.ready, 30, "the gateway being ready again")

    def test_without_a_broker_a_gateway_is_not_ready_and_says_503(self):
        gateway = self.stack.start_worker("gateway", wait=False, KAFKA_BROKERS="127.0.0.1:1", PUBLISH_TIMEOUT="1s")
        self.addCleanup(gateway.stop)
        client = Http(gateway.address, self.token)
        key = uuid.uuid4().hex
        self.assertProblem(client.post(MESSAGES, message("s-503"), {"Idempotency-Key": key}), 503)
        self.assertEqual(Http(gateway.metrics_address).get("/readyz").status, 503)
        self.assertEqual(client.get("/readyz").status, 503)
        self.assertProblem(client.get(self.stream_path(self.store(new_session()))), 503)
        # Nothing is half-done: the key is free, and the one event is published by whoever can.
        answer = self.shop.post(MESSAGES, message("s-503"), {"Idempotency-Key": key})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(len(self.records(answer.json["event_id"])), 1)

    def test_without_the_database_only_what_needs_none_is_served(self):
        gateway = self.stack.start_worker("gateway", TOKEN_CACHE="60s")
        self.addCleanup(gateway.stop)
        client = Http(gateway.address, self.token)
        self.assertEqual(client.post(MESSAGES, message(new_session())).status, 202)
        self.stack.compose("postgres", "stop")
        try:
            self.assertEqual(client.post(MESSAGES, message(new_session())).status, 202)
            for answer in (client.post(MESSAGES, message(new_session()), {"Idempotency-Key": uuid.uuid4().hex}),
                           client.get(f"/v1/conversations/{uuid.uuid4()}"),
                           Http(gateway.address, "not-cached").post(MESSAGES, message(new_session()))):
                self.assertProblem(answer, 503)
                self.assertTrue(answer.headers["Retry-After"])
            eventually(lambda: not gateway.ready(), 10, "the gateway not being ready")
        finally:
            self.stack.compose("postgres", "up")
            self.stack.database.close()
            self.stack.database = Database(self.stack.database_url())
        eventually(lambda: client.post(MESSAGES, message(new_session()), {"Idempotency-Key": uuid.uuid4().hex}).status == 202, 15,
                   "the database being used again")
        for one in (*self.gateways, gateway):
            eventually(one.ready, 15, "the gateways being ready again")


if __name__ == "__main__":
    unittest.main()
