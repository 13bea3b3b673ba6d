#!/usr/bin/env python3
"""Events that a tenant publishes by POST /v1/events: on their topic, handled by their worker, or refused at the door."""
import hashlib
import hmac
import http.client
import json
import pathlib
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, conversation_id_of, eventually  # noqa: E402

SHOP, BANK = "shop.example", "bank.example"
EVENTS = "/v1/events"
CALL, SMS, WHATSAPP = "omnibus.call.terminated.v1", "omnibus.sms.message.received.v1", "omnibus.whatsapp.message.received.v1"
TOPICS = {CALL: "calls.terminated", SMS: "sms.inbound", WHATSAPP: "whatsapp.inbound"}
SECRET = "0123456789abcdef0123456789abcdef"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def profile_key(sender, domain=SHOP):
    return hmac.new(SECRET.encode(), f"{domain}\n{sender}".encode(), hashlib.sha256).digest()[:16].hex()


def new_phone():
    return f"+2507886{uuid.uuid4().int % 100000:05}"


def call(phone, **more):
    return {"domain": SHOP, "call_id": uuid.uuid4().hex, "phone_number": phone, **more}


def sms(phone, text, **more):
    return {"domain": SHOP, "provider": "own", "phone_number": phone, "recipient": "2500", "text": text,
            "received_at": "2026-11-20T10:00:00Z", **more}


def binary_mode(type, id=None):
    return {"ce-specversion": "1.0", "ce-id": id or uuid.uuid4().hex, "ce-source": "/telephony", "ce-type": type,
            "Content-Type": "application/json"}


class EventsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        tokens = [cls.stack.add_tenant(SHOP), cls.stack.add_tenant(BANK), cls.stack.add_token("operator")]
        cls.gateway = cls.stack.start_worker("gateway", PROFILE_KEY_SECRET=SECRET, MAX_BODY_BYTES="4MiB")
        cls.shop, cls.bank, cls.operator = [Http(cls.gateway.address, token) for token in tokens]
        cls.token = tokens[0]
        simulator = cls.stack.start_simulator(latency=1, latency_jitter=0)
        for worker in ("call", "sms", "chat"):
            cls.stack.start_worker(worker, LLM_BASE_URL=simulator.url)

    def records(self, topic, event_id):
        return [record for record in self.stack.kafka.consume(topic) if record.headers.get("ce_id") == event_id]

    def requests(self, phone):
        """What the person is to be told, once there is anything."""
        def look():
            found = self.stack.database.execute(f"SELECT id FROM profiles WHERE domain = '{SHOP}' AND phone_number = '{phone}'")
            return found and [record.json for record in self.stack.kafka.consume("notifications.requested") if record.key == found[0][0]]
        return eventually(look, 30, "a request")

    def assertProblem(self, answer, status, field=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json", answer)
        self.assertEqual(answer.json.get("field"), field, answer)

    def test_an_ended_call_is_on_its_topic_when_it_is_accepted_and_its_summary_is_requested_once(self):
        phone, headers = new_phone(), binary_mode(CALL)
        data = call(phone, summary="You ordered two mochas.")
        for _ in range(2):
            answer = self.shop.post(EVENTS, data, headers)
            self.assertEqual((answer.status, answer.json), (202, {"event_id": headers["ce-id"]}), answer)
            self.assertNotIn("Location", answer.headers)
        record, again = self.records("calls.terminated", headers["ce-id"])
        self.assertEqual(record.key, profile_key(phone))
        self.assertEqual(record.json, data)
        self.assertEqual(record.headers["ce_type"], CALL)
        self.assertEqual(record.headers["ce_source"], f"/tenants/{SHOP}/%2Ftelephony")
        self.assertEqual((again.key, again.json, again.headers["ce_source"]), (record.key, record.json, record.headers["ce_source"]))
        self.assertEqual(self.requests(phone)[0]["body"], "You ordered two mochas.")
        # The next call of the same person is behind both of the first on one partition, so both have been looked at.
        self.shop.post(EVENTS, call(phone, summary="You paid."), binary_mode(CALL))
        bodies = eventually(lambda: (lambda found: found if len(found) > 1 else None)([each["body"] for each in self.requests(phone)]), 30,
                            "the second summary")
        self.assertEqual(bodies, ["You ordered two mochas.", "You paid."])

    def raw(self, *headers, path=EVENTS, body=None):
        """A post with these header lines in this order, repeated ones too. Returns the status and the problem's field, if it has one."""
        body = json.dumps(body or call(new_phone())).encode()
        connection = http.client.HTTPConnection(self.gateway.address, timeout=20)
        self.addCleanup(connection.close)
        connection.putrequest("POST", path)
        for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers]:
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("field")

    def test_an_event_whose_headers_are_in_quotes_is_the_same_event_and_answered_once(self):
        """HTTP binding of CloudEvents 1.0.2, 3.1.3.2."""
        received, id, session = "omnibus.chat.message.received.v1", f"abc-{uuid.uuid4()}", uuid.uuid4().hex
        data = {"domain": SHOP, "session_id": session, "text": "Do you ship to Rwanda?"}
        plain = {"specversion": "1.0", "type": received, "source": "/my/shop", "id": id, "subject": "Euro%20%22zone%22"}
        quoted = {**{name: f'"{value}"' for name, value in plain.items()}, "subject": '"Euro \\"zone\\""'}
        authorization = ("Authorization", f"Bearer {self.token}")
        for attributes in (plain, quoted, quoted):
            headers = [(f"ce-{name}", value) for name, value in attributes.items()]
            self.assertEqual(self.raw(authorization, *headers, body=data), (202, None))
        records = self.records("chat.messages", id)
        self.assertEqual(len(records), 3)
        for record in records:
            self.assertEqual((record.headers["ce_source"], record.headers["ce_subject"], record.headers["ce_specversion"]),
                             (f"/tenants/{SHOP}/%2Fmy%2Fshop", 'Euro "zone"', "1.0"))
        # The next message of the same session is behind all three, so they have been looked at when it is answered.
        following = [(f"ce-{name}", value) for name, value in {**plain, "id": id + "-2"}.items()]
        self.assertEqual(self.raw(authorization, *following, body={**data, "text": "And to Kenya?"}), (202, None))
        conversation = conversation_id_of(SHOP, session)
        stored = eventually(lambda: len(rows := self.stack.database.execute(
            f"SELECT role FROM messages WHERE conversation_id = '{conversation}' ORDER BY seq")) >= 4 and rows, 30, "the answers")
        self.assertEqual([row[0] for row in stored], ["user", "assistant", "user", "assistant"])
        broken = [(f"ce-{name}", value) for name, value in {**plain, "id": '"abc'}.items()]
        self.assertEqual(self.raw(authorization, *broken, body=data), (400, "ce-id"))

    def test_a_header_that_says_who_asks_or_for_what_is_refused_when_it_comes_twice(self):
        event = [(name, value) for name, value in binary_mode(CALL).items() if name != "Content-Type"]
        good, other = ("Authorization", f"Bearer {self.token}"), ("Authorization", "Bearer another")
        self.assertEqual(self.raw(good, *event), (202, None))
        for pair in ((good, other), (other, good), (good, good)):
            self.assertEqual(self.raw(*pair, *event), (400, "Authorization"))
        for name, value in (("Idempotency-Key", "k"), ("Host", self.gateway.address), ("Content-Type", "application/json"),
                            ("ce-id", "another"), ("ce-source", "/other"), ("ce-mine", "x")):
            twice = [(name, value)] * (1 if name in ("Host", "Content-Type", "ce-id", "ce-source") else 2)
            self.assertEqual(self.raw(good, *event, *twice), (400, name))

    def test_an_sms_in_structured_mode_is_obeyed(self):
        phone = new_phone()
        event = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/modem", "type": SMS, "data": sms(phone, "STOP")}
        answer = self.shop.post(EVENTS, event, STRUCTURED)
        self.assertEqual((answer.status, answer.json), (202, {"event_id": event["id"]}), answer)
        record, = self.records("sms.inbound", event["id"])
        self.assertEqual((record.key, record.json), (profile_key(phone), event["data"]))
        self.assertEqual(self.requests(phone)[0]["kind"], "opt_out")

    def test_a_whatsapp_message_of_somebody_without_a_number_is_keyed_by_the_user_id(self):
        headers = binary_mode(WHATSAPP)
        data = {"domain": SHOP, "provider_message_id": uuid.uuid4().hex, "recipient": "1065", "kind": "text", "text": "STOP",
                "received_at": "2026-11-20T10:00:00Z", "whatsapp_user_id": "RW.abc123"}
        self.assertEqual(self.shop.post(EVENTS, data, headers).status, 202)
        record, = self.records("whatsapp.inbound", headers["ce-id"])
        self.assertEqual((record.key, record.json), (profile_key("RW.abc123"), data))

    def test_the_tenant_is_the_tokens_and_any_for_an_operator(self):
        for client, status in ((self.bank, 404), (self.shop, 202), (self.operator, 202)):
            answer = client.post(EVENTS, call(new_phone()), binary_mode(CALL))
            self.assertEqual(answer.status, status, answer)
        theirs = self.bank.post(EVENTS, call(new_phone()), binary_mode(CALL))
        nobodys = self.bank.post(EVENTS, call(new_phone(), domain="nobody.example"), binary_mode(CALL))
        self.assertProblem(theirs, 404, "domain")
        self.assertEqual(theirs.json, nobodys.json)
        self.assertProblem(self.operator.post(EVENTS, call(new_phone(), domain="nobody.example"), binary_mode(CALL)), 404, "domain")

    def test_what_tenants_may_not_publish_or_breaks_its_schema_is_refused_and_on_no_topic(self):
        phone = new_phone()
        good = call(phone)
        request = {"domain": SHOP, "profile_id": str(uuid.uuid4()), "kind": "help", "channels": ["sms"], "body": "Hello"}
        receipt = {"provider": "mtn_sms", "status": "delivered", "occurred_at": "2026-11-20T10:00:00Z", "provider_message_id": "1"}
        cases = [
            ("omnibus.notification.requested.v1", request, 403, "type"),
            ("omnibus.delivery.receipt.received.v1", receipt, 403, "type"),
            ("omnibus.no.such.v1", good, 400, "type"),
            (CALL, "{", 400, "data"),
            (CALL, [good], 400, "data"),
            (CALL, {**good, "call_id": ""}, 422, "data.call_id"),
            (CALL, {**good, "call_id": 7}, 422, "data.call_id"),
            (CALL, {**good, "phone_number": "+2507"}, 422, "data.phone_number"),
            (CALL, {**good, "sumary": "?"}, 422, "data.sumary"),
            (CALL, {**good, "transcript": [{"speaker": "user"}]}, 422, "data.transcript.0.text"),
            (SMS, sms(phone, "Hi", received_at="now"), 422, "data.received_at"),
            (CALL, {**good, "summary": " " * 2_000_000}, 413, None),
        ]
        before = {topic: len(self.stack.kafka.consume(topic)) for topic in (*TOPICS.values(), "delivery.receipts")}
        for type, data, status, field in cases:
            with self.subTest(type=type, field=field):
                self.assertProblem(self.shop.post(EVENTS, data, binary_mode(type)), status, field)
                if data != "{":
                    event = {"specversion": "1.0", "id": "1", "source": "/w", "type": type, "data": data}
                    self.assertProblem(self.shop.post(EVENTS, event, STRUCTURED), status, field)
        self.assertEqual({topic: len(self.stack.kafka.consume(topic)) for topic in before}, before)
        self.assertNotIn(phone[4:], self.gateway.text())

    def test_without_the_secret_of_its_key_an_event_is_503_and_the_log_names_the_setting(self):
        gateway = self.stack.start_worker("gateway")
        self.addCleanup(gateway.stop)
        self.assertProblem(Http(gateway.address, self.token).post(EVENTS, call(new_phone()), binary_mode(CALL)), 503)
        eventually(lambda: any(line.get("setting") == "PROFILE_KEY_SECRET" for line in gateway.lines()), 5, "the log line")


if __name__ == "__main__":
    unittest.main()
