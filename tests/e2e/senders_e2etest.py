#!/usr/bin/env python3
"""Two tenants with senders of their own: each sends from its number, and what comes to the number is the tenant's."""
import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, binary, eventually  # noqa: E402

SHOP, BANK, OTHER = "shop.example", "bank.example", "other.example"
NUMBERS = {SHOP: "+15550001111", BANK: "+15550002222"}
PHONE_IDS = {SHOP: "1001", BANK: "1002"}
SMS, RECEIPTS, WHATSAPP = "/webhooks/sms", "/webhooks/sms/receipts", "/webhooks/whatsapp"
HOOKS = "https://hooks.example"
PERSON = "+250788654321"
REQUESTED = "omnibus.notification.requested.v1"


class SendersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        for domain in (SHOP, BANK, OTHER):
            cls.stack.add_tenant(domain)
        cls.secrets = cls.stack.folder / "secrets"
        cls.secrets.mkdir()
        for domain in NUMBERS:
            name = domain.split(".")[0]
            for role in ("token", "access", "app"):
                (cls.secrets / f"{name}-{role}").write_text(f"{name} {role}\n")
            cls.stack.omnibus("tenant", "sender", "add", domain, "--provider", "twilio_sms", "--account", "AC" + name,
                              "--sender", NUMBERS[domain], "--secret", f"auth_token={name}-token")
            cls.stack.omnibus("tenant", "sender", "add", domain, "--provider", "whatsapp_cloud", "--sender", PHONE_IDS[domain],
                              "--secret", f"access_token={name}-access", "--secret", f"app_secret={name}-app")
        cls.simulator = cls.stack.start_simulator(send_latency=1)
        base = "http://" + urllib.parse.urlsplit(cls.simulator.url).netloc
        common = {"SENDER_SECRETS": cls.secrets, "SENDER_REFRESH": "500ms", "PROFILE_KEY_SECRET": "0123456789abcdef0123456789abcdef"}
        cls.gateway = cls.stack.start_worker("gateway", TWILIO_WEBHOOK_BASE_URL=HOOKS, TWILIO_AUTH_TOKEN="default",
                                             WHATSAPP_APP_SECRET="default", MTN_WEBHOOK_SECRET="default", **common)
        cls.client = Http(cls.gateway.address)
        cls.notify = cls.stack.start_worker(
            "notify", TWILIO_BASE_URL=base, TWILIO_ACCOUNT_SID="ACdefault", TWILIO_AUTH_TOKEN="default", TWILIO_FROM="+15550009999",
            SMS_PROVIDER="twilio", SMS_RECIPIENT_INTERVAL="0", WHATSAPP_BASE_URL=base + "/v23.0", **common)
        cls.sms = cls.stack.start_worker("sms", LLM_BASE_URL=cls.simulator.url, PROFILE_KEY_SECRET=common["PROFILE_KEY_SECRET"])

    # --- what tests say often --------------------------------------------------------------------------------------------
    def post_twilio(self, path, token, **fields):
        text = HOOKS + path + "".join(name + fields[name] for name in sorted(fields))
        signature = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
        return self.client.post(path, urllib.parse.urlencode(fields),
                                {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature})

    def text(self, to, token, body="STOP"):
        return self.post_twilio(SMS, token, MessageSid="SM" + uuid.uuid4().hex, From=PERSON, To=to, Body=body)

    def post_whatsapp(self, secret, *numbers, at=None, text="Hello"):
        changes = [{"field": "messages", "value": {"metadata": {"phone_number_id": number}, "messages": [
            {"from": PERSON[1:], "id": "wamid." + uuid.uuid4().hex, "timestamp": str(int(at or time.time())), "type": "text",
             "text": {"body": text}}]}} for number in numbers]
        raw = json.dumps({"object": "whatsapp_business_account", "entry": [{"changes": changes}]})
        return self.client.post(WHATSAPP, raw, {"X-Hub-Signature-256": "sha256=" + hmac.new(
            secret.encode(), raw.encode(), hashlib.sha256).hexdigest()})

    def opted_out(self):
        return {domain for domain, in self.stack.database.execute(
            f"SELECT domain FROM profiles WHERE phone_number = '{PERSON}' AND sms_opt_out_at IS NOT NULL")}

    def send(self, domain):
        phone = f"+2507886{uuid.uuid4().int % 100000:05}"
        person = self.stack.database.value(
            f"INSERT INTO profiles (domain, phone_number) VALUES ('{domain}', '{phone}') RETURNING id")
        self.stack.kafka.publish("notifications.requested", person, [
            (REQUESTED, {"domain": domain, "profile_id": person, "kind": "message", "channels": ["sms"], "body": "Hello"})])
        row, = eventually(lambda: self.stack.database.execute(
            "SELECT effect_key, provider_message_id, COALESCE(sender_id::text, '') FROM pipeline.delivery"
            f" WHERE profile_id = '{person}' AND state = 'accepted'"), 30, "the message")
        return row

    # ---------------------------------------------------------------------------------------------------------------------
    def test_a_stop_to_a_number_counts_for_its_tenant_alone(self):
        self.assertEqual(self.text(NUMBERS[SHOP], "shop token").status, 204)
        eventually(lambda: self.opted_out() == {SHOP}, 20, "the opt-out")
        self.assertEqual(self.text(NUMBERS[BANK], "bank token").status, 204)
        eventually(lambda: self.opted_out() == {SHOP, BANK}, 20, "the other opt-out")

    def test_a_tenant_can_speak_for_its_own_numbers_only(self):
        for token in ("shop token", "default"):
            self.assertEqual(self.text(NUMBERS[BANK], token).status, 401)
        self.assertEqual(self.post_whatsapp("shop app", PHONE_IDS[BANK]).status, 401)
        both = self.post_whatsapp("shop app", PHONE_IDS[SHOP], PHONE_IDS[BANK])
        self.assertEqual((both.status, len(both.json["event_ids"]), both.json["passed_over"]), (200, 1, 1))
        event, = [record for record in self.stack.kafka.consume("whatsapp.inbound")
                  if record.headers["ce_id"] == both.json["event_ids"][0]]
        self.assertEqual((event.json["domain"], event.json["recipient"]), (SHOP, PHONE_IDS[SHOP]))

    def test_half_an_emoji_does_not_hide_whose_number_a_message_came_to(self):
        half = "Hello \ud83d"
        self.stack.omnibus("tenant", "add", "mtn.example")
        self.stack.omnibus("tenant", "sender", "add", "mtn.example", "--provider", "mtn_sms", "--sender", "+250788777777",
                           "--secret", "api_key=x", "--secret", "api_secret=y")
        raw = json.dumps({"from": PERSON, "to": "+250788777777", "message": half, "id": uuid.uuid4().hex})
        signature = hmac.new(b"default", raw.encode(), hashlib.sha256).hexdigest()
        def taken():
            return (answer := self.client.post(SMS, raw, {"X-Signature": signature})).status == 200 and answer
        posts = {"sms.inbound": (eventually(taken, 10, "the SMS"), "mtn.example"),
                 "whatsapp.inbound": (self.post_whatsapp("bank app", PHONE_IDS[BANK], text=half), BANK)}
        for topic, (answer, domain) in posts.items():
            with self.subTest(topic):
                self.assertEqual(answer.status, 200, answer)
                event, = [record for record in self.stack.kafka.consume(topic) if record.headers["ce_id"] in answer.json["event_ids"]]
                self.assertEqual((event.json["domain"], event.json["text"]), (domain, "Hello \ufffd"))

    def test_a_number_of_no_tenant_is_refused_until_it_has_one_and_the_log_says_what_to_do(self):
        self.assertEqual(self.text("+15550008888", "default").status, 503)
        self.assertEqual(self.post_whatsapp("default", "9").status, 503)
        line = eventually(lambda: next((line for line in self.gateway.lines() if line.get("number") == "...8888"), None), 5, "the line")
        self.assertEqual(line["command"], "omnibus tenant sender add")
        self.assertEqual(self.text("+15550008888", "wrong").status, 401)

    def test_each_tenant_sends_from_its_own_number_and_others_from_that_of_the_settings(self):
        senders = {domain: self.send(domain) for domain in (SHOP, BANK, OTHER)}
        self.assertEqual(len({row[2] for row in senders.values()}), 3)
        self.assertEqual(senders[OTHER][2], "")
        base = Http(urllib.parse.urlsplit(self.simulator.url).netloc)
        for domain, number in {**NUMBERS, OTHER: "+15550009999"}.items():
            listed = base.request("GET", "/2010-04-01/Accounts/AC/Messages.json?From=" + urllib.parse.quote(number),
                                  headers={"Authorization": "Basic eDp5"}).json
            self.assertIn(senders[domain][1], [message["sid"] for message in listed["messages"]])

    def test_a_receipt_counts_for_the_tenant_whose_number_it_came_to(self):
        key, sid, _ = self.send(BANK)
        path = f"{RECEIPTS}?effect_key={key}"
        forged = self.post_twilio(path, "shop token", MessageSid=sid, MessageStatus="undelivered", From=NUMBERS[SHOP], To=PERSON)
        self.assertEqual(forged.status, 200)
        told = self.post_twilio(path, "bank token", MessageSid=sid, MessageStatus="delivered", From=NUMBERS[BANK], To=PERSON)
        self.assertEqual(told.status, 200)
        eventually(lambda: self.stack.database.value(f"SELECT state FROM pipeline.delivery WHERE effect_key = '{key}'") == "delivered",
                   20, "the receipt")
        domains = {record.json["provider_message_id"]: record.json["domain"] for record in
                   self.stack.kafka.consume("delivery.receipts") if record.headers["ce_id"] == told.json["event_ids"][0]}
        self.assertEqual(domains, {sid: BANK})

    def test_what_is_repeated_is_published_once_and_what_is_too_old_not_at_all(self):
        sid = "SM" + uuid.uuid4().hex
        for _ in range(3):
            answer = self.post_twilio(SMS, "shop token", MessageSid=sid, From=PERSON, To=NUMBERS[SHOP], Body="Hello")
            self.assertEqual(answer.status, 204)
        published = [record for record in self.stack.kafka.consume("sms.inbound") if record.json["provider_message_id"] == sid]
        self.assertEqual(len(published), 1)
        old = self.post_whatsapp("shop app", PHONE_IDS[SHOP], at=time.time() - 9 * 86_400)
        self.assertEqual((old.status, old.json["passed_over"]), (200, 1))

    def test_the_tool_says_what_is_wrong_and_the_doctor_names_a_sender_without_a_tenant(self):
        done = subprocess.run([binary("omnibus"), "tenant", "sender", "add", OTHER, "--provider", "twilio_sms", "--account", "AC1",
                               "--sender", NUMBERS[SHOP], "--secret", "auth_token=x"], text=True, capture_output=True,
                              env={"DATABASE_URL": self.stack.database_url()})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("another tenant's sender", done.stderr)
        self.assertIn("shop-token", self.stack.omnibus("tenant", "sender", "list"))
        self.stack.database.execute("INSERT INTO tenants (domain, status) VALUES ('gone.example', 'suspended')")
        self.stack.omnibus("tenant", "sender", "add", "gone.example", "--provider", "mtn_sms", "--sender", "2345",
                           "--secret", "api_key=x", "--secret", "api_secret=y")
        report = subprocess.run([binary("omnibus"), "doctor", "--json", "--brokers", self.stack.kafka.brokers], text=True,
                                capture_output=True, env={"DATABASE_URL": self.stack.database_url()}).stdout
        finding, = [check for check in json.loads(report)["checks"] if check["check"] == "senders"]
        self.assertEqual(finding["status"], "warn")
        self.assertIn("2345 of gone.example", finding["seen"])


if __name__ == "__main__":
    unittest.main()
