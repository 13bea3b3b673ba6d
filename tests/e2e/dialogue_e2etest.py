#!/usr/bin/env python3
"""Ended calls, SMS and WhatsApp messages on Apache Kafka: one session across the channels, and what people are told."""
import json
import pathlib
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, binary, eventually, structured_event  # noqa: E402

CALL, SMS, WHATSAPP = "omnibus.call.terminated.v1", "omnibus.sms.message.received.v1", "omnibus.whatsapp.message.received.v1"
TOPICS = {CALL: "calls.terminated", SMS: "sms.inbound", WHATSAPP: "whatsapp.inbound"}
REQUESTED = "notifications.requested"
DOMAIN = "shop.example"
WORKERS = ("call", "sms")
REPLIES = 5  # an hour
EVENTS = uuid.UUID("6f6d6e69-6275-5000-8000-6576656e7400")


def event_key(event_id, source="/tests"):
    """What the inbox and the delivery log know an event by, the tests' or another one's."""
    return uuid.uuid5(EVENTS, f"{source}\0{event_id}")


class DialogueTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        cls.stack.omnibus("tenant", "add", DOMAIN)
        cls.simulator = cls.stack.start_simulator(latency=1, latency_jitter=0)
        cls.workers = {name: cls.stack.start_worker(name, LLM_BASE_URL=cls.simulator.url, CALL_SUMMARY_WAIT="3s", REPLIES_PER_HOUR=REPLIES)
                       for name in WORKERS}
        cls.last_phone = 250788000000

    def setUp(self):
        type(self).last_phone += 1
        self.phone = f"+{self.last_phone}"
        self.key = uuid.uuid4().hex  # as the gateway's keyed hash of the person

    # --- what tests say often --------------------------------------------------------------------------------------------
    def publish(self, type, times=1, **data):
        event = structured_event(type, {"domain": DOMAIN, **data})
        self.stack.kafka.publish_all(TOPICS[type], [(self.key, event)] * times)
        return event["id"]

    def call(self, **data):
        return self.publish(CALL, **{"call_id": f"call-{self.phone}", "phone_number": self.phone, **data})

    def sms(self, text, **data):
        return self.publish(SMS, **{"provider": "mtn", "phone_number": self.phone, "recipient": "2500", "text": text,
                                    "received_at": "2026-11-20T10:00:00Z", **data})

    def rows(self, sql):
        return self.stack.database.execute(sql.replace("$phone", f"'{self.phone}'"))

    def session(self):
        """The person's sessions, newest first, as rows of status and context."""
        return [(status, json.loads(context)) for status, context in self.rows(
            "SELECT s.status, s.context FROM omnichannel_sessions s JOIN profiles p ON p.id = s.profile_id"
            " WHERE p.phone_number = $phone ORDER BY s.created_at DESC")]

    def requests(self, least=1):
        """What the person is to be told, once there are that many."""
        profile = eventually(lambda: self.rows("SELECT id FROM profiles WHERE phone_number = $phone"), 30, "a profile")[0][0]

        def look():
            found = [json.loads(record.value) for record in self.stack.kafka.consume(REQUESTED) if record.key == profile]
            return found if len(found) >= least else None
        return eventually(look, 30, f"{least} requests")

    def handled(self, worker, event_id):
        return eventually(lambda: self.rows(
            f"SELECT 1 FROM pipeline.inbox WHERE consumer = '{worker}' AND event_id = '{event_key(event_id)}'"), 30, "the event's end")

    # --- calls -----------------------------------------------------------------------------------------------------------
    def test_a_call_with_a_summary_is_told_of_by_both_channels(self):
        self.call(summary="You ordered two mochas.")
        [request] = self.requests()
        self.assertEqual((request["kind"], request["channels"], request["body"]),
                         ("call_summary", ["whatsapp", "sms"], "You ordered two mochas."))
        [(status, context)] = self.session()
        self.assertEqual((status, context["call_summary"]), ("follow_up", "You ordered two mochas."))
        self.assertEqual(self.rows("SELECT allows_sms, last_active_channel FROM profiles WHERE phone_number = $phone"), [["t", "voice"]])

    def test_a_transcript_is_summarised_by_the_model_once(self):
        words = f"I would like a latte number {self.phone[-4:]}."
        self.call(transcript=[{"speaker": "user", "text": words}, {"speaker": "assistant", "text": "It will be ready."}])
        [request] = self.requests()
        self.assertEqual(self.simulator.asked(f"user: {words}\nassistant: It will be ready.\n"), 1)
        self.assertEqual(self.session()[0][1]["call_summary"], request["body"])

    def test_a_summary_that_is_written_later_is_waited_for(self):
        event = self.call()
        self.workers["call"].said(event)  # it was tried, and its summary is not there
        self.stack.database.execute(f"INSERT INTO call_summaries VALUES ('{DOMAIN}', 'call-{self.phone}', 'Written later.')")
        self.assertEqual(self.requests()[0]["body"], "Written later.")

    def test_a_call_that_nobody_summarises_is_told_of_in_general_words(self):
        self.call()
        self.assertTrue(self.requests()[0]["body"].startswith("Thank you for your call."))
        self.assertIsNone(self.session()[0][1]["call_summary"])

    def test_a_call_told_of_twice_is_one_session_and_one_summary(self):
        event = self.publish(CALL, times=3, call_id="twice", phone_number=self.phone, summary="Once.")
        self.handled("call", event)
        last = self.call(call_id="other", summary="Another call.")
        self.handled("call", last)
        self.assertEqual([request["body"] for request in self.requests(2)], ["Once.", "Another call."])
        self.assertEqual(len(self.session()), 1)

    def test_what_is_to_be_sent_is_written_down_as_planned_by_the_keys_of_its_deliveries(self):
        self.call(summary="You ordered two mochas.")
        self.requests()
        self.sms("Change size to large")
        self.requests(2)
        profile = self.rows("SELECT id FROM profiles WHERE phone_number = $phone")[0][0]
        summary, reply = [event_key(record.headers["ce_id"], record.headers["ce_source"])
                          for record in self.stack.kafka.consume(REQUESTED) if record.key == profile]
        self.assertEqual(self.rows("SELECT effect_key, status FROM message_delivery_log l JOIN profiles p ON p.id = l.profile_id"
                                   " WHERE p.phone_number = $phone AND direction = 'outbound' ORDER BY l.created_at, l.channel"),
                         [[str(uuid.uuid5(request, channel)), "planned"]
                          for request, channel in ((summary, "sms"), (summary, "whatsapp"), (reply, "sms"))])

    # --- messages --------------------------------------------------------------------------------------------------------
    def test_an_sms_goes_on_with_the_calls_session_and_changes_the_price(self):
        self.call(summary="You offered your house at 300k.")
        self.requests()
        event = self.sms("Change price to 250k")
        reply = self.requests(2)[-1]
        self.assertEqual((reply["kind"], reply["channels"], reply["body"]), ("reply", ["sms"], "Done: price is now 250k."))
        [(status, context)] = self.session()
        self.assertEqual((status, context["price"], context["call_summary"]), ("active", "250k", "You offered your house at 300k."))
        self.assertEqual(self.rows(f"SELECT direction, channel, status, content FROM message_delivery_log WHERE effect_key = '{event_key(event)}'"),
                         [["inbound", "sms", "received", "Change price to 250k"]])

    def test_somebody_new_who_writes_by_sms_gets_a_profile_and_an_answer(self):
        self.sms("When do you open?")
        [request] = self.requests()
        self.assertEqual((request["kind"], request["channels"]), ("reply", ["sms"]))
        self.assertEqual(self.rows("SELECT allows_sms FROM profiles WHERE phone_number = $phone"), [["t"]])

    def test_whatsapp_takes_the_same_road_and_opens_the_window(self):
        self.sms("Hello")
        self.requests()
        self.publish(WHATSAPP, provider_message_id=f"wamid.{self.key}", recipient="1", kind="text", text="Set colour to red",
                     received_at="2026-11-20T10:00:00Z", phone_number=self.phone, whatsapp_user_id=f"RW.{self.key}")
        self.assertEqual(self.requests(2)[-1]["channels"], ["whatsapp"])
        [(_, context)] = self.session()
        self.assertEqual(context["colour"], "red")
        self.assertEqual(self.rows("SELECT has_whatsapp, last_whatsapp_inbound_at IS NOT NULL, last_active_channel FROM profiles"
                                   " WHERE phone_number = $phone"), [["t", "t", "whatsapp"]])

    def test_an_sms_that_comes_five_times_is_answered_and_logged_once(self):
        event = self.publish(SMS, times=5, provider="mtn", phone_number=self.phone, recipient="2500", text="Change size to large",
                             received_at="2026-11-20T10:00:00Z")
        self.handled("sms", event)
        self.sms("Are you there?")
        self.assertEqual(len(self.requests(2)), 2)
        self.assertEqual(self.rows("SELECT direction, count(*) FROM message_delivery_log l JOIN profiles p ON p.id = l.profile_id"
                                   " WHERE p.phone_number = $phone GROUP BY direction ORDER BY direction"), [["inbound", "2"], ["outbound", "2"]])
        self.assertEqual(self.simulator.asked("Change size to large"), 2)  # the tool call, and the answer

    def test_stop_ends_the_answers_and_start_begins_them_again(self):
        self.sms("STOP")
        self.assertEqual([request["kind"] for request in self.requests()], ["opt_out"])
        silent = self.sms("Is anybody there?")
        self.handled("sms", silent)
        self.sms("help")
        self.sms("Start!")
        self.sms("Is anybody there now?")
        self.assertEqual([request["kind"] for request in self.requests(4)], ["opt_out", "help", "opt_in", "reply"])
        self.assertEqual(self.rows("SELECT allows_sms, sms_opt_out_at IS NULL FROM profiles WHERE phone_number = $phone"), [["t", "t"]])

    def test_a_second_stop_is_obeyed_without_another_answer(self):
        for word in ("STOP", "stop", "Arrêt", "help"):
            self.sms(word)
        self.assertEqual([request["kind"] for request in self.requests(2)], ["opt_out", "help"])

    def test_who_had_enough_answers_within_an_hour_is_heard_and_not_answered(self):
        self.call(summary="What is told of calls is no answer.")
        for number in range(REPLIES - 1):
            self.sms(f"Automatic reply {number} of {self.phone}")
        self.sms("help")
        asked = f"Automatic reply to all of {self.phone}"
        self.sms(asked)
        self.sms("help")
        self.sms("Start")
        last = self.sms("STOP")
        self.handled("sms", last)
        self.assertEqual(self.rows("SELECT kind, count(*) FROM message_delivery_log l JOIN profiles p ON p.id = l.profile_id"
                                   " WHERE p.phone_number = $phone AND direction = 'outbound' GROUP BY kind ORDER BY kind"),
                         [["call_summary", "2"], ["help", "1"], ["reply", str(REPLIES - 1)]])
        self.assertEqual(self.simulator.asked(asked), 0)
        self.assertEqual(self.rows("SELECT count(*) FROM message_delivery_log l JOIN profiles p ON p.id = l.profile_id"
                                   " WHERE p.phone_number = $phone AND direction = 'inbound'"), [[str(REPLIES + 4)]])
        self.assertEqual(self.rows("SELECT allows_sms FROM profiles WHERE phone_number = $phone"), [["f"]])
        metrics = Http(self.workers["sms"].metrics_address).get("/metrics").text
        self.assertIn("omnibus_replies_withheld_total 4", metrics)
        self.assertIn("REPLIES_PER_HOUR", self.workers["sms"].text())

    def test_a_model_that_is_down_leaves_a_word_of_ours_and_nothing_lost(self):
        self.simulator.set_faults({"kind": "error", "status": 400, "match": "Is the model there?"})
        try:
            self.sms("Is the model there?")
            self.assertTrue(self.requests()[0]["body"].startswith("Sorry"))
        finally:
            self.simulator.clear_faults()

    # --- replays, and what nobody may read --------------------------------------------------------------------------------
    def test_a_replay_tells_nobody_anything_again(self):
        self.call(summary="To be replayed.")
        self.sms("Change floor to ground")
        before = self.requests(2)
        kept = ("SELECT (SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM omnichannel_sessions s),"
                " (SELECT md5(string_agg(l::text, '' ORDER BY id)) FROM message_delivery_log l)")
        state = self.rows(kept)
        for name in WORKERS:
            replay = self.stack.start(f"replay-{name}", [binary(f"omnibus-{name}"), "--replay", f"again-{name}", "--from", "earliest",
                                                         "--to", "now"],
                                      {"KAFKA_BROKERS": self.stack.kafka.brokers, "DATABASE_URL": self.stack.database_url("replay"),
                                       "LLM_BASE_URL": "http://127.0.0.1:9/v1", "METRICS_LISTEN": "127.0.0.1:0"})
            self.assertEqual(replay.wait(120), 0, replay.text()[-2000:])
        self.assertEqual(self.requests(2), before)
        self.assertEqual(self.rows(kept), state)

    def test_no_log_line_key_or_header_has_a_number_or_a_body(self):
        self.call(summary="canary-summary")
        self.sms("canary-text, change canary-name to canary-value")
        self.requests(2)
        forbidden = (self.phone, self.phone[1:], "canary-summary", "canary-text", "canary-value")
        for name, worker in self.workers.items():
            for text in forbidden:
                self.assertNotIn(text, worker.text(), f"the log of {name}")
        for record in self.stack.kafka.consume(REQUESTED):
            for text in forbidden:
                self.assertNotIn(text, str(record.key) + str(record.header_list))


if __name__ == "__main__":
    unittest.main()
