#!/usr/bin/env python3
"""The gateway's webhooks as providers meet them: signed posts in, events on a broker out."""
import base64
import concurrent.futures
import hashlib
import hmac
import json
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Database, Http, Stack, binary, eventually  # noqa: E402

SHOP = "shop.example"
CALLS, SMS, RECEIPTS, WHATSAPP = "/webhooks/calls", "/webhooks/sms", "/webhooks/sms/receipts", "/webhooks/whatsapp"
SECRETS = {"MTN_WEBHOOK_SECRET": "mtn-secret-1", "MTN_WEBHOOK_SECRET_PREVIOUS": "mtn-secret-0", "CALLS_WEBHOOK_SECRET": "calls-secret",
           "CALLS_WEBHOOK_SIGNATURE_HEADER": "X-Call-Signature", "CALLS_WEBHOOK_SIGNATURE_PREFIX": "v1=",
           "CALLS_WEBHOOK_SIGNATURE_ENCODING": "base64", "CALLS_WEBHOOK_TIMESTAMP_HEADER": "X-Call-Time", "CALLS_WEBHOOK_TOLERANCE": "60s",
           "WHATSAPP_APP_SECRET": "app-secret", "WHATSAPP_VERIFY_TOKEN": "verify-me-7", "TWILIO_AUTH_TOKEN": "twilio-token",
           "TWILIO_WEBHOOK_BASE_URL": "https://hooks.shop.example", "PROFILE_KEY_SECRET": "0123456789abcdef0123456789abcdef"}
SETTINGS = {**SECRETS, "WEBHOOK_DOMAIN": SHOP, "PUBLISH_TIMEOUT": "3s"}
PERSON, CANARY, YESTERDAY = "+250788654321", "canary-words-788", time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))


def hmac256(secret, data):
    return hmac.new(secret.encode(), data, hashlib.sha256)


def profile_key(sender, domain=SHOP):
    return hmac256(SECRETS["PROFILE_KEY_SECRET"], f"{domain}\n{sender}".encode()).digest()[:16].hex()


def new_phone():
    return f"+2507886{uuid.uuid4().int % 100000:05}"


def sms(text="Change price to 250k", sender=PERSON, **more):
    return {"from": sender, "to": "+250788000000", "message": text, **more}


def whatsapp(messages=(), statuses=(), contacts=()):
    value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "250788000000", "phone_number_id": "1065"},
             "contacts": list(contacts), "messages": list(messages), "statuses": list(statuses)}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"value": value, "field": "messages"}]}]}


def wamid(phone):
    """As WhatsApp makes them: with the person's number inside."""
    return "wamid." + base64.b64encode(b"\x1d\x04" + phone[1:].encode() + uuid.uuid4().bytes).decode()


def read_base64(text):
    """Whatever long words of it stand for, should they be base64."""
    words = re.findall(r"[A-Za-z0-9+/]{12,}", text)
    return " ".join(base64.b64decode(word[begin:begin + (len(word) - begin) // 4 * 4]).decode("latin1") for word in words for begin in range(4))


def text_message(phone, text="Hello", **more):
    return {"from": phone[1:], "id": wamid(phone), "timestamp": str(int(time.time())), "type": "text", "text": {"body": text}, **more}


class WebhooksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.token = cls.stack.add_tenant(SHOP)
        cls.gateways = [cls.stack.start_worker("gateway", **SETTINGS) for _ in range(2)]
        cls.clients = [Http(gateway.address) for gateway in cls.gateways]
        cls.client = cls.clients[0]

    # --- what tests say often --------------------------------------------------------------------------------------------
    def post_sms(self, body, path=SMS, secret="mtn-secret-1", client=None, **headers):
        raw = body if isinstance(body, str) else json.dumps(body)
        return (client or self.client).post(path, raw, {"X-Signature": hmac256(secret, raw.encode()).hexdigest(), **headers})

    def post_call(self, body, at=None, secret="calls-secret"):
        raw, at = json.dumps(body), str(int(time.time() if at is None else at))
        signature = base64.b64encode(hmac256(secret, f"{at}.{raw}".encode()).digest()).decode()
        return self.client.post(CALLS, raw, {"X-Call-Signature": "v1=" + signature, "X-Call-Time": at})

    def post_whatsapp(self, body, client=None):
        raw = json.dumps(body)
        return (client or self.client).post(
            WHATSAPP, raw, {"X-Hub-Signature-256": "sha256=" + hmac256("app-secret", raw.encode()).hexdigest()})

    def post_twilio(self, path, token="twilio-token", **fields):
        text = "https://hooks.shop.example" + path + "".join(name + fields[name] for name in sorted(fields))
        signature = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
        return self.client.post(path, urllib.parse.urlencode(fields),
                                {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature})

    def taken(self, answer, count=1):
        """The ids of the events that an answer says were taken."""
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json["event_ids"]), count, answer)
        return answer.json["event_ids"]

    def record(self, topic, event_id):
        """The one event of that id, however often it was published."""
        records = [record for record in self.stack.kafka.consume(topic) if record.headers.get("ce_id") == event_id]
        self.assertTrue(records)
        self.assertEqual(len({record.key for record in records}), 1)
        told = [{name: value for name, value in record.json.items() if name != "received_at"} for record in records]
        self.assertTrue(all(each == told[0] for each in told), told)
        return records[0]

    def assertProblem(self, answer, status, field=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json", answer)
        if field is not None:
            self.assertEqual(answer.json.get("field"), field, answer)

    def assertPublishedNothing(self, topic, act):
        before = len(self.stack.kafka.consume(topic))
        act()
        self.assertEqual(len(self.stack.kafka.consume(topic)), before)

    # --- calls -----------------------------------------------------------------------------------------------------------
    def test_a_call_that_ended_is_on_its_topic_when_it_is_answered(self):
        call = {"call_id": uuid.uuid4().hex, "phone_number": "0788 654 321", "summary": "The price is 200k.",
                "transcript": [{"speaker": "user", "text": "Sell it for 200k"}]}
        event_id, = self.taken(self.post_call(call))
        record = self.record("calls.terminated", event_id)
        self.assertEqual(record.key, profile_key(PERSON))
        self.assertEqual(record.json, {"domain": SHOP, **call, "phone_number": PERSON})
        self.assertEqual(record.headers["ce_type"], "omnibus.call.terminated.v1")
        self.assertEqual(record.headers["ce_source"], "/omnibus/gateway")
        self.assertEqual(record.headers["content-type"], "application/json")
        self.assertEqual(self.taken(self.post_call({key: call[key] for key in ("call_id", "phone_number")})), [event_id])

    def test_a_signature_that_is_replayed_later_is_refused(self):
        call = {"call_id": uuid.uuid4().hex, "phone_number": PERSON}
        for at in (time.time() - 61, time.time() + 90):
            self.assertPublishedNothing("calls.terminated", lambda at=at: self.assertProblem(self.post_call(call, at), 401))
        self.taken(self.post_call(call, time.time() - 30))
        before = self.gateways[0].metric("omnibus_webhook_refusals_total", webhook="calls", reason="stale")
        self.post_call(call, 0)
        self.assertEqual(self.gateways[0].metric("omnibus_webhook_refusals_total", webhook="calls", reason="stale"), before + 1)

    # --- SMS -------------------------------------------------------------------------------------------------------------
    def test_an_sms_is_on_its_topic_when_it_is_answered(self):
        message_id = uuid.uuid4().hex
        event_id, = self.taken(self.post_sms(sms("Où est-ce? 🙂", id=message_id, timestamp=f"{YESTERDAY}T10:00:00+02:00"),
                                             traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        record = self.record("sms.inbound", event_id)
        self.assertEqual(record.key, profile_key(PERSON))
        self.assertEqual(record.json, {"domain": SHOP, "provider": "mtn_sms", "phone_number": PERSON, "recipient": "+250788000000",
                                       "text": "Où est-ce? 🙂", "received_at": f"{YESTERDAY}T08:00:00Z", "provider_message_id": message_id})
        self.assertEqual(record.headers["traceparent"].split("-")[1], "0af7651916cd43dd8448eb211c80319c")

    def test_a_provider_that_tells_it_again_tells_the_same_event(self):
        body = sms(id=uuid.uuid4().hex)
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            ids = list(pool.map(lambda n: self.taken(self.post_sms(body, client=self.clients[n % 2]))[0], range(20)))
        self.assertEqual(len(set(ids)), 1)
        self.record("sms.inbound", ids[0])
        self.assertNotEqual(self.taken(self.post_sms({**body, "id": "another"})), ids[:1])

    def test_without_an_id_the_same_words_in_the_same_minute_are_one_event(self):
        body = sms("Yes", new_phone(), timestamp=f"{YESTERDAY}T10:00:01Z")
        first, again, later = [self.taken(self.post_sms({**body, "timestamp": f"{YESTERDAY}T10:0{minute}:59Z"})) for minute in (0, 0, 1)]
        self.assertEqual(self.taken(self.post_sms(body)), first)
        self.assertEqual(first, again)
        self.assertNotEqual(first, later)

    def test_without_an_id_and_a_time_of_its_own_the_header_with_the_time_says_which_minute(self):
        minute = int(time.time()) // 60 * 60 - 600
        for checked in ({}, {"MTN_WEBHOOK_UNSIGNED_ALLOWED": "true"}):
            gateway = self.stack.start_worker("gateway", **{**SETTINGS, **checked, "MTN_WEBHOOK_TIMESTAMP_HEADER": "X-Time",
                                                            "MTN_WEBHOOK_TOLERANCE": "1h"})
            self.addCleanup(gateway.stop)
            raw = json.dumps(sms("Yes", new_phone()))
            first, signed_anew, later = [
                self.taken(Http(gateway.address).post(SMS, raw, {
                    "X-Time": str(at), "X-Signature": hmac256("mtn-secret-1", f"{at}.{raw}".encode()).hexdigest()}))
                for at in (minute + 1, minute + 59, minute + 61)]
            self.assertEqual(first, signed_anew)
            self.assertNotEqual(first, later)

    def test_both_secrets_are_good_while_one_is_replaced(self):
        for secret in ("mtn-secret-0", "mtn-secret-1"):
            self.taken(self.post_sms(sms(), secret=secret))

    def test_what_is_not_signed_is_refused_and_published_nowhere(self):
        raw = json.dumps(sms(CANARY))
        good = hmac256("mtn-secret-1", raw.encode()).hexdigest()
        cases = {"missing": {}, "wrong": {"X-Signature": hmac256("mtn-secret-2", raw.encode()).hexdigest()},
                 "malformed": {"X-Signature": "sha256=" + good}}

        def act():
            for path in (SMS, RECEIPTS):
                for headers in cases.values():
                    self.assertProblem(self.client.post(path, raw, headers), 401)
                self.assertProblem(self.client.post(path, raw + " ", {"X-Signature": good}), 401)
                self.assertProblem(self.client.post(path, raw, {"Authorization": f"Bearer {self.token}"}), 401)
            self.assertProblem(self.client.post(WHATSAPP, raw, {"X-Hub-Signature-256": "sha256=" + good}), 401)
            self.assertProblem(self.client.post(CALLS, raw, {"X-Signature": good}), 401)
        self.assertPublishedNothing("sms.inbound", act)
        refused = [line for line in self.gateways[0].lines() if line.get("event") == "MTN_SIGNATURE_VERIFICATION_ERROR"]
        self.assertEqual({line["reason"] for line in refused}, set(cases))
        self.assertGreater(self.gateways[0].metric("omnibus_webhook_refusals_total", webhook="sms", reason="wrong"), 0)

    def test_a_sender_that_is_no_phone_number_is_422_and_not_echoed(self):
        answer = self.post_sms(sms(sender="+" + CANARY))
        self.assertProblem(answer, 422, "from")
        self.assertNotIn(CANARY, answer.text)
        self.assertProblem(self.post_call({"call_id": "c", "phone_number": "anonymous"}), 422, "phone_number")

    def test_what_is_no_well_formed_text_costs_no_message(self):
        """Half an emoji, a NUL, too many words, and an event whose sender is a name."""
        for posted, kept in (("Thank you \ud83d", "Thank you \ufffd"), ("Thanks\0, see you", "Thanks, see you"), ("x" * 16_001, "x" * 16_000)):
            event_id, = self.taken(self.post_sms(json.dumps(sms(posted))))
            self.assertEqual(self.record("sms.inbound", event_id).json["text"], kept)
        event_id, = self.taken(self.post_sms(sms(sender="EasyMO")))
        record = self.record("sms.inbound", event_id)
        self.assertEqual((record.json["sender"], record.key), ("EasyMO", profile_key("EasyMO")))
        self.assertNotIn("phone_number", record.json)

    def test_a_person_whose_number_has_two_spellings_has_one_key(self):
        subscriber = f"9{uuid.uuid4().int % 10**7:07}"
        dialled, wa_id = "+55419" + subscriber, "5541" + subscriber
        call, = self.taken(self.post_call({"call_id": uuid.uuid4().hex, "phone_number": dialled}))
        message, = self.taken(self.post_whatsapp(whatsapp([text_message("+" + wa_id, "Oi")])))
        record = self.record("whatsapp.inbound", message)
        self.assertEqual(record.key, self.record("calls.terminated", call).key)
        self.assertEqual((record.json["phone_number"], record.json["wa_id"]), (dialled, wa_id))

    def test_hostile_bodies_are_refused(self):
        for body in ("", "[]", "{", '{"from":"+250788654321"}', "[" * 100_000):
            self.assertProblem(self.post_sms(body), 400)
        self.assertProblem(self.post_sms(json.dumps(sms("x" * 300_000))), 413)
        self.assertEqual(self.client.request("PUT", SMS, "{}").status, 405)

    def test_a_receipt_is_keyed_by_its_message_and_says_what_became_of_it(self):
        effect = str(uuid.uuid4())
        keys = set()
        for theirs, ours in (("ACCEPTD", "accepted"), ("DELIVERED", "delivered"), ("EXPIRED", "failed")):
            body = {"clientCorrelatorId": effect, "deliveryStatus": theirs, "completedDate": f"{YESTERDAY}T10:00:00Z",
                    "receiverAddress": PERSON[1:]}
            event_id, = self.taken(self.post_sms(body, RECEIPTS))
            self.assertEqual(self.taken(self.post_sms(body, RECEIPTS, client=self.clients[1])), [event_id])
            record = self.record("delivery.receipts", event_id)
            keys.add(record.key)
            expected = {"provider": "mtn_sms", "status": ours, "occurred_at": f"{YESTERDAY}T10:00:00Z", "effect_key": effect}
            self.assertEqual(record.json, expected | ({"error_code": "EXPIRED"} if ours == "failed" else {}))
        self.assertEqual(len(keys), 1)

    def test_twilio_posts_forms_and_signs_its_own_way(self):
        sid = "SM" + uuid.uuid4().hex
        answer = self.post_twilio(SMS, MessageSid=sid, From=PERSON, To="+250788000000", Body="Change price to 250k & go")
        self.assertEqual((answer.status, answer.body), (204, b""))
        record, = [record for record in self.stack.kafka.consume("sms.inbound") if record.json.get("provider_message_id") == sid]
        self.assertEqual((record.key, record.json["provider"], record.json["text"]),
                         (profile_key(PERSON), "twilio_sms", "Change price to 250k & go"))
        event_id, = self.taken(self.post_twilio(RECEIPTS, MessageSid=sid, MessageStatus="undelivered", ErrorCode="30003", To=PERSON))
        receipt = self.record("delivery.receipts", event_id).json
        self.assertEqual((receipt["status"], receipt["error_code"], receipt["provider_message_id"]), ("failed", "30003", sid))
        self.assertProblem(self.post_twilio(RECEIPTS, "other", MessageSid=sid, MessageStatus="sent"), 401)

    # --- WhatsApp --------------------------------------------------------------------------------------------------------
    def test_the_handshake_echoes_the_challenge_to_whom_knows_the_token(self):
        def ask(**parameters):
            query = {"hub.mode": "subscribe", "hub.verify_token": "verify-me-7", "hub.challenge": "1158201444"}
            query.update({name.replace("_", ".", 1): value for name, value in parameters.items()})
            return self.client.get(WHATSAPP + "?" + urllib.parse.urlencode(query))
        answer = ask()
        self.assertEqual((answer.status, answer.text), (200, "1158201444"))
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
        for token in ("verify-me-8", "", "verify-me-77"):
            self.assertProblem(ask(hub_verify_token=token), 403)
        for challenge in ("", "<script>", "1" * 257):
            self.assertProblem(ask(hub_challenge=challenge), 400)
        self.assertProblem(ask(hub_mode="unsubscribe"), 400)

    def test_messages_and_statuses_of_one_payload_become_events_each_on_its_topic(self):
        phone, effect = new_phone(), str(uuid.uuid4())
        messages = [text_message(phone, f"message {number}") for number in range(20)]
        nameless = text_message(phone, "no number")
        del nameless["from"]
        statuses = [{"id": wamid(phone), "status": status, "timestamp": str(int(time.time())), "recipient_id": phone[1:],
                     "biz_opaque_callback_data": effect} for status in ("sent", "delivered", "read")]
        body = whatsapp([*messages, {**messages[0], "type": "reaction"}, {**nameless, "from_user_id": "RW.13491208655302741918"}], statuses)
        answer = self.post_whatsapp(body)
        ids = self.taken(answer, 24)
        self.assertEqual(answer.json["passed_over"], 1)
        self.assertEqual(self.post_whatsapp(body, self.clients[1]).json, answer.json)

        inbound = [record for record in self.stack.kafka.consume("whatsapp.inbound") if record.headers["ce_id"] in ids[:20]]
        self.assertEqual({record.key for record in inbound}, {profile_key(phone)})
        self.assertEqual([record.json["text"] for record in inbound[:20]], [f"message {number}" for number in range(20)])
        person = self.record("whatsapp.inbound", ids[20])
        self.assertEqual(person.key, profile_key("RW.13491208655302741918"))
        self.assertEqual(person.json["whatsapp_user_id"], "RW.13491208655302741918")
        self.assertNotIn("phone_number", person.json)
        receipts = [self.record("delivery.receipts", event_id) for event_id in ids[21:]]
        self.assertEqual([record.json["status"] for record in receipts], ["sent", "delivered", "read"])
        self.assertEqual({record.json["effect_key"] for record in receipts}, {effect})
        self.assertEqual([record.json["provider_message_id"] for record in receipts], [status["id"] for status in statuses])

    def test_a_payload_that_concerns_nobody_is_answered_so_that_it_does_not_come_again(self):
        self.taken(self.post_whatsapp({"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "account_update"}]}]}), 0)
        self.assertProblem(self.post_whatsapp({"object": "page", "entry": []}), 400)

    # --- what must hold for all ------------------------------------------------------------------------------------------
    def test_no_phone_number_no_words_and_no_secret_is_in_keys_headers_logs_or_metrics(self):
        phone = new_phone()
        self.taken(self.post_sms(sms(CANARY, phone)))
        self.taken(self.post_call({"call_id": uuid.uuid4().hex, "phone_number": phone, "summary": CANARY}))
        status = {"id": wamid(phone), "status": "failed", "recipient_id": phone[1:], "errors": [{"code": 131026, "title": CANARY}]}
        self.taken(self.post_whatsapp(whatsapp([text_message(phone, CANARY)], [status])), 2)
        self.assertProblem(self.post_sms(json.dumps(sms(CANARY, phone))[:-1]), 400)
        self.assertProblem(self.post_sms(sms(CANARY, phone), secret="no"), 401)
        national, hidden = phone[4:], [CANARY, *(value for name, value in SECRETS.items() if name.endswith(("SECRET", "TOKEN", "PREVIOUS")))]
        for topic in ("sms.inbound", "calls.terminated", "whatsapp.inbound", "delivery.receipts"):
            for record in self.stack.kafka.consume(topic):
                outside = f"{record.key} {record.header_list}"
                for text in (*hidden, "wamid."):
                    self.assertNotIn(text, outside)
                self.assertNotIn(national, outside + read_base64(outside))
        seen = self.gateways[0].text() + Http(self.gateways[0].metrics_address).get("/metrics").text
        for text in (*hidden, national, "wamid."):
            self.assertNotIn(text, seen)
        self.assertTrue(any(line.get("event") == "SMS_INBOUND_RECEIVED" for line in self.gateways[0].lines()))

    def test_secrets_are_masked_and_a_key_secret_that_is_too_short_is_refused(self):
        program = binary("omnibus-gateway")
        shown = subprocess.run([program, "--print-config"], capture_output=True, text=True, check=True, env=SETTINGS).stdout
        for name in ("MTN_WEBHOOK_SECRET", "WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN", "PROFILE_KEY_SECRET", "TWILIO_AUTH_TOKEN"):
            self.assertIn(f"{name}=********", shown)
            self.assertNotIn(SECRETS[name], shown)
        for settings, name in (({"PROFILE_KEY_SECRET": "short"}, "PROFILE_KEY_SECRET"), ({"WEBHOOK_REGION": "XX"}, "WEBHOOK_REGION"),
                               ({"WEBHOOK_DOMAIN": "Shop"}, "WEBHOOK_DOMAIN")):
            gateway = self.stack.start_worker("gateway", wait=False, **{**SETTINGS, **settings})
            self.assertEqual(gateway.wait(15), 1)
            self.assertIn(name, gateway.text())

    def test_a_webhook_without_its_settings_is_503_and_the_log_names_the_setting(self):
        gateway = self.stack.start_worker("gateway", WEBHOOK_DOMAIN=SHOP, PROFILE_KEY_SECRET=SECRETS["PROFILE_KEY_SECRET"])
        self.addCleanup(gateway.stop)
        client = Http(gateway.address)
        for path, setting in ((CALLS, "CALLS_WEBHOOK_SECRET"), (SMS, "MTN_WEBHOOK_SECRET"), (WHATSAPP, "WHATSAPP_APP_SECRET")):
            self.assertProblem(client.post(path, sms()), 503)
            eventually(lambda setting=setting: any(line.get("setting") == setting for line in gateway.lines()), 5, "the log line")
        self.assertProblem(client.get(WHATSAPP + "?hub.mode=subscribe&hub.challenge=1&hub.verify_token="), 503)
        self.assertProblem(client.post(SMS, "a=b", {"Content-Type": "application/x-www-form-urlencoded"}), 503)

    def test_signatures_are_left_out_only_where_that_is_asked_for(self):
        gateway = self.stack.start_worker("gateway", **{**SETTINGS, "MTN_WEBHOOK_UNSIGNED_ALLOWED": "true"})
        self.addCleanup(gateway.stop)
        self.taken(Http(gateway.address).post(SMS, sms()))
        self.assertProblem(Http(gateway.address).post(CALLS, {"call_id": "c", "phone_number": PERSON}), 401)

    def test_webhooks_keep_to_the_rate_of_their_tenant(self):
        gateway = self.stack.start_worker("gateway", **{**SETTINGS, "RATE_LIMIT_PER_SECOND": "0.01", "RATE_LIMIT_BURST": "2"})
        self.addCleanup(gateway.stop)
        client = Http(gateway.address)
        for _ in range(5):  # strangers use up nothing
            self.assertProblem(self.post_sms(sms(), secret="no", client=client), 401)
        for _ in range(2):
            self.taken(self.post_sms(sms(), client=client))
        answer = self.post_sms(sms(), client=client)
        self.assertProblem(answer, 429)
        self.assertTrue(answer.headers["Retry-After"])

    def test_a_broker_that_does_not_answer_is_a_503_in_time_and_a_retry_is_the_same_event(self):
        body, batch = sms(id=uuid.uuid4().hex), whatsapp([text_message(PERSON), text_message(PERSON)])
        self.stack.break_broker()
        try:
            for post in (lambda: self.post_sms(body), lambda: self.post_whatsapp(batch)):
                began = time.monotonic()
                answer = post()
                self.assertProblem(answer, 503)
                self.assertTrue(answer.headers["Retry-After"])
                self.assertLess(time.monotonic() - began, 8)
        finally:
            self.stack.mend_broker()
        answer = eventually(lambda: (lambda a: a if a.status == 200 else None)(self.post_sms(body, client=self.clients[1])), 30, "the SMS taken")
        self.record("sms.inbound", *answer.json["event_ids"])
        eventually(lambda: self.post_whatsapp(batch).status == 200, 30, "the payload taken")
        eventually(lambda: all(gateway.ready() for gateway in self.gateways), 30, "the gateways being ready again")

    def test_without_the_database_webhooks_are_served(self):
        self.stack.compose("postgres", "stop")
        try:
            self.taken(self.post_sms(sms()))
        finally:
            self.stack.compose("postgres", "up")
            self.stack.database = Database(self.stack.database_url())
        eventually(lambda: all(gateway.ready() for gateway in self.gateways), 15, "the gateways being ready again")


if __name__ == "__main__":
    unittest.main()
