#!/usr/bin/env python3
"""Messages to people through the notify worker: each channel as it is with the person, what receipts and operators say of
them, and nothing of the person in logs, metrics or keys."""
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, binary, eventually  # noqa: E402

SHOP = "shop.example"
BODY = "The *canary* sings at noon."
REQUESTED, RECEIPT = "omnibus.notification.requested.v1", "omnibus.delivery.receipt.received.v1"


class NotifyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_tenant(SHOP)
        cls.simulator = cls.stack.start_simulator(send_latency=1, no_whatsapp="*99")
        base = "http://" + urllib.parse.urlsplit(cls.simulator.url).netloc
        cls.settings = {
            "WHATSAPP_BASE_URL": base + "/v23.0", "WHATSAPP_ACCESS_TOKEN": "secret-token", "WHATSAPP_PHONE_NUMBER_ID": "1001",
            "WHATSAPP_RECIPIENT_INTERVAL": "0", "MTN_SMS_BASE_URL": base, "MTN_SMS_API_KEY": "secret-key",
            "MTN_SMS_API_SECRET": "secret-secret", "SMS_RECIPIENT_INTERVAL": "0", "SEND_DEADLINE": "2s",
            "SEND_MAX_ATTEMPTS": "3"}
        cls.worker = cls.stack.start_worker("notify", **cls.settings)
        cls.number = 0

    def setUp(self):
        self.addCleanup(self.simulator.client.request, "DELETE", "/_simulator/send-faults")

    def person(self, ending="00", domain=SHOP, **columns):
        """A new person who wrote over WhatsApp just now, unless said otherwise."""
        NotifyTest.number += 1
        columns = {"last_whatsapp_inbound_at": "now()", **columns}
        return self.stack.database.value(
            f"INSERT INTO profiles (domain, phone_number, {', '.join(columns)})"
            f" VALUES ('{domain}', '+25078812{self.number:02}{ending}', {', '.join(map(str, columns.values()))}) RETURNING id")

    def request(self, person, channels=("whatsapp", "sms"), kind="message", **more):
        return self.stack.kafka.publish("notifications.requested", person, [
            (REQUESTED, {"domain": SHOP, "profile_id": person, "kind": kind, "channels": list(channels), "body": BODY, **more})])[0]

    def ends(self, request, channels=2):
        """What became of a request: state, reason or error code, and how often its provider took it, by channel."""
        def look():
            rows = self.stack.database.execute(
                "SELECT channel, state, COALESCE(error_code, reason, ''), effect_key FROM pipeline.delivery"
                f" WHERE request_id = '{request}' AND state IN ('accepted', 'delivered', 'read', 'failed', 'skipped', 'in_doubt')")
            return rows if len(rows) == channels else None
        return {channel: (state, why, self.taken(key)) for channel, state, why, key in eventually(look, 30, "every delivery's end")}

    def taken(self, key):
        return self.simulator.client.get(f"/_simulator/sends?key={key}").json["key"]["accepted"]

    def faults(self, *rules):
        answer = self.simulator.client.post("/_simulator/send-faults", {"rules": list(rules)})
        self.assertLess(answer.status, 300, answer)

    def results(self, request):
        return [(record.headers["ce_type"].split(".")[2], record.json["channel"]) for record in
                self.stack.kafka.consume("notifications.results") if record.json["request_id"] == request]

    def key_of(self, request, channel):
        return self.stack.database.value(
            f"SELECT effect_key FROM pipeline.delivery WHERE request_id = '{request}' AND channel = '{channel}'")

    def test_both_channels_get_it_and_the_session_knows(self):
        person = self.person()
        session = self.stack.database.value(f"SELECT id FROM get_or_create_omnichannel_session('{person}', 'voice', 'follow_up')")
        request = self.request(person, kind="call_summary", session_id=session)
        self.assertEqual(self.ends(request), {"whatsapp": ("accepted", "", 1), "sms": ("accepted", "", 1)})
        self.assertEqual(sorted(eventually(lambda: len(r := self.results(request)) == 2 and r)), [("sent", "sms"), ("sent", "whatsapp")])
        self.assertEqual(self.stack.database.execute(
            f"SELECT whatsapp_summary_sent, sms_summary_sent FROM omnichannel_sessions WHERE id = '{session}'"), [["t", "t"]])
        logged = self.stack.database.execute(
            f"SELECT channel, status, content FROM message_delivery_log WHERE profile_id = '{person}' ORDER BY channel")
        self.assertEqual([row[:2] for row in logged], [["sms", "sent"], ["whatsapp", "sent"]])
        self.assertEqual(logged[0][2], "The canary sings at noon.")
        self.assertIn("canary", logged[1][2])

    def test_who_has_no_whatsapp_is_found_out_once_and_gets_the_sms(self):
        person = self.person(ending="99")
        self.assertEqual(self.ends(self.request(person)), {"whatsapp": ("failed", "131026", 0), "sms": ("accepted", "", 1)})
        self.assertEqual(self.ends(self.request(person)), {"whatsapp": ("skipped", "no_whatsapp", 0), "sms": ("accepted", "", 1)})

    def test_who_opted_out_gets_nothing_whatever_a_request_calls_itself(self):
        person = self.person(allows_sms="false", sms_opt_out_at="now()")
        self.assertEqual(self.ends(self.request(person)), {"whatsapp": ("accepted", "", 1), "sms": ("skipped", "opted_out", 0)})
        for kind in ("opt_out", "opt_in", "help"):  # the SMS worker's own answers are in dialogue_e2etest.py
            self.assertEqual(self.ends(self.request(person, ["sms"], kind), 1), {"sms": ("skipped", "opted_out", 0)})

    def test_outside_the_window_there_is_the_sms_alone(self):
        person = self.person(last_whatsapp_inbound_at="now() - interval '25 hours'")
        request = self.request(person)
        self.assertEqual(self.ends(request), {"whatsapp": ("skipped", "outside_window", 0), "sms": ("accepted", "", 1)})
        self.assertIn(("skipped", "whatsapp"), eventually(lambda: len(r := self.results(request)) == 2 and r))

    def test_what_has_expired_is_not_sent(self):
        request = self.request(self.person(), expires_at="2020-01-01T00:00:00Z")
        self.assertEqual(self.ends(request), {"whatsapp": ("skipped", "expired", 0), "sms": ("skipped", "expired", 0)})

    def test_both_channels_may_fail(self):
        self.faults({"kind": "error", "status": 400})
        ends = self.ends(self.request(self.person()))
        self.assertEqual({channel: (state, taken) for channel, (state, _, taken) in ends.items()},
                         {"whatsapp": ("failed", 0), "sms": ("failed", 0)})

    def test_a_channel_that_is_tried_again_does_not_touch_the_other(self):
        self.faults({"kind": "rate_limit", "provider": "mtn", "times": 2, "retry_after": 0})
        request = self.request(self.person())
        self.assertEqual(self.ends(request), {"whatsapp": ("accepted", "", 1), "sms": ("accepted", "", 1)})
        self.assertEqual(self.stack.database.value(
            f"SELECT attempt FROM pipeline.delivery WHERE request_id = '{request}' AND channel = 'sms'"), "3")

    def test_a_provider_that_is_away_for_longer_than_all_attempts_costs_no_message(self):
        self.faults({"kind": "error", "status": 404, "provider": "mtn", "times": 4})
        held, other = self.person(), self.person()
        request = self.request(held)
        self.assertEqual(self.ends(self.request(other, ["whatsapp"]), 1), {"whatsapp": ("accepted", "", 1)})
        self.assertEqual(self.ends(request), {"whatsapp": ("accepted", "", 1), "sms": ("accepted", "", 1)})
        self.assertEqual(self.stack.database.value(
            f"SELECT attempt FROM pipeline.delivery WHERE request_id = '{request}' AND channel = 'sms'"), "5")
        self.assertGreaterEqual(self.worker.metric("omnibus_deferrals_total"), 4)

    def test_a_receipt_moves_it_on_and_settles_what_was_in_doubt(self):
        self.faults({"kind": "accept_reset", "provider": "mtn", "times": 1})
        person = self.person()
        request = self.request(person, ["sms"])
        self.assertEqual(self.ends(request, 1)["sms"][::2], ("in_doubt", 1))
        receipt = {"provider": "mtn_sms", "occurred_at": "2026-11-20T12:00:00Z", "effect_key": self.key_of(request, "sms")}
        for status in "delivered", "accepted":
            self.stack.kafka.publish("delivery.receipts", receipt["effect_key"], [(RECEIPT, {**receipt, "status": status})])
        eventually(lambda: self.ends(request, 1)["sms"][0] == "delivered")
        told = eventually(lambda: len(r := self.results(request)) == 3 and r)
        self.assertEqual(sorted(state for state, _ in told), ["delivered", "in_doubt", "sent"])

    def test_an_operator_has_one_in_doubt_sent_again(self):
        self.faults({"kind": "reset", "provider": "mtn", "times": 1})
        request = self.request(self.person(), ["sms"])
        self.assertEqual(self.ends(request, 1)["sms"][::2], ("in_doubt", 0))
        key = self.key_of(request, "sms")
        shown = self.stack.omnibus("delivery", "show", key)
        self.assertIn("+2507******00", shown)
        self.assertNotIn("canary", shown)
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)
        self.stack.omnibus("delivery", "resolve", key, "resend")
        eventually(lambda: self.ends(request, 1)["sms"] == ("accepted", "", 1), 20, "the message being sent")

    def test_what_is_given_up_fails_and_is_sent_once_its_letter_is_redriven(self):
        domain = "closing.example"
        self.stack.add_tenant(domain)
        self.faults({"kind": "rate_limit", "provider": "mtn", "retry_after": 0})
        request = self.request(self.person(domain=domain), domain=domain)
        state = f"SELECT state || COALESCE(error_code, '') FROM pipeline.delivery WHERE request_id = '{request}' AND channel = 'sms'"
        eventually(lambda: self.stack.database.value(state).startswith("planned"), 20, "the refusal")
        self.stack.database.execute(f"UPDATE tenants SET status = 'suspended' WHERE domain = '{domain}'")
        self.assertEqual(self.ends(request), {"whatsapp": ("accepted", "", 1), "sms": ("failed", "given_up", 0)})
        key = self.key_of(request, "sms")
        logged = f"SELECT status || COALESCE(error_class, '') FROM message_delivery_log WHERE effect_key = '{key}'"
        self.assertEqual(self.stack.database.value(logged), "failedinactive_tenant")
        self.assertIn(("failed", "sms"), eventually(lambda: len(r := self.results(request)) == 2 and r))
        self.stack.database.execute(f"UPDATE tenants SET status = 'active' WHERE domain = '{domain}'")
        self.simulator.client.request("DELETE", "/_simulator/send-faults")
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)
        self.stack.omnibus("dlq", "redrive", "--topic", "notifications.requested", "--class", "inactive_tenant", "--yes")
        eventually(lambda: self.ends(request) == {"whatsapp": ("accepted", "", 1), "sms": ("accepted", "", 1)}, 30, "its sending")
        self.assertEqual(self.stack.database.value(logged), "sent")

    def test_a_replay_sends_nothing(self):
        request = self.request(self.person())
        self.ends(request)
        before = self.simulator.client.get("/_simulator/sends").json["acceptances"]
        rows = self.stack.database.execute("SELECT count(*), sum(attempt) FROM pipeline.delivery")
        done = subprocess.run(
            [binary("omnibus-notify"), "--replay", "run-" + uuid.uuid4().hex[:6], "--from", "earliest", "--to", "now"],
            env={**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers, **self.settings,
                 "REPLAY_DATABASE_URL": self.stack.database_url("replay")}, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:])
        self.assertEqual(self.simulator.client.get("/_simulator/sends").json["acceptances"], before)
        self.assertEqual(self.stack.database.execute("SELECT count(*), sum(attempt) FROM pipeline.delivery"), rows)

    def test_nothing_of_a_person_is_in_logs_metrics_or_keys(self):
        request = self.request(self.person())
        self.ends(request)
        eventually(lambda: len(self.results(request)) == 2)
        metrics = Http(self.worker.metrics_address).get("/metrics").text
        self.assertIn('notifications_total{channel="sms",status="sent"}', metrics)
        self.assertIn("SMS_MESSAGE_SENT", self.worker.text())
        self.assertIn("DUAL_CHANNEL_SEND_COMPLETE", self.worker.text())
        results = self.stack.kafka.consume("notifications.results")
        said = self.worker.text() + metrics + "".join(f"{record.key}{record.headers}{record.value}" for record in results)
        for canary in "25078812", "canary", "secret-token", "secret-key", "secret-secret":
            self.assertNotIn(canary, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
