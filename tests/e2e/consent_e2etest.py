#!/usr/bin/env python3
"""Consent from the visitor to the worker: asked for by a tenant, given, taken back, with messages in the backlog."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway_case import BANK, MESSAGES, SHOP, GatewayCase, message, new_session  # noqa: E402
from harness import Http, eventually  # noqa: E402

CONSENTS = "/v1/chat/consents"
WAIT = {"Prefer": "wait=20"}
SUPPRESSED, GENERATED = "omnibus.chat.reply.suppressed.v1", "omnibus.chat.reply.generated.v1"


class ConsentTest(GatewayCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.stack.start_simulator()
        cls.chat = cls.start_chat()
        cls.stack.omnibus("tenant", "privacy", SHOP, "--consent-required")

    @classmethod
    def start_chat(cls):
        return cls.stack.start_worker("chat", LLM_BASE_URL=cls.model.url, LLM_API_KEY="any")

    def say(self, session, text="Hello?"):
        return self.shop.post(MESSAGES, message(session, text))

    def record(self, session, headers=None, **purposes):
        answer = self.shop.post(CONSENTS, {"session_id": session, "purposes": purposes, "text_version": "2026-11"}, headers)
        self.assertEqual(answer.status, 200 if headers else 202, answer)
        return answer

    def await_reply(self, event_id):
        def ended():
            return [record.headers["ce_type"] for record in self.stack.kafka.consume("chat.replies")
                    if record.json["in_reply_to"] == event_id and record.headers["ce_type"] in (SUPPRESSED, GENERATED)]
        return eventually(ended, 30, "an end of the reply")[0]

    def stored(self, session):
        return int(self.stack.database.value("SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                                             f" WHERE c.session_id = '{session}'"))

    def test_a_chat_is_refused_until_the_visitor_consents_and_again_once_that_is_taken_back(self):
        session = new_session()
        problem = self.assertProblem(self.say(session), 403)
        self.assertEqual(problem["title"], "consent_required")
        self.assertEqual(self.shop.post(MESSAGES, message(session), {"Idempotency-Key": session}).status, 403)
        self.record(session, WAIT, processing=True, analytics=True)
        answer = self.say(session)
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(self.await_reply(answer.json["event_id"]), GENERATED)
        consented = f"SELECT count(*) FROM consented_conversations WHERE session_id = '{session}'"
        self.assertEqual(self.stack.database.value(consented), "1")
        self.record(session, WAIT, processing=False)
        self.assertProblem(self.say(session), 403)
        self.assertEqual(self.stack.database.value(consented), "1")
        self.record(session, WAIT, analytics=False)  # accepted although processing is gone
        self.assertEqual(self.stack.database.value(consented), "0")
        self.assertEqual(self.bank.post(MESSAGES, message(session, domain=BANK)).status, 202)  # which asks for none

    def test_a_message_in_the_backlog_behind_a_withdrawal_is_neither_answered_nor_stored(self):
        session = new_session()
        self.record(session, WAIT, processing=True)
        self.chat.stop()
        before = self.say(session, "Before").json["event_id"]
        self.record(session, processing=False)
        # The gateway does not know of it yet.
        after = self.say(session, "After").json["event_id"]
        type(self).chat = self.start_chat()
        self.assertEqual(self.await_reply(before), GENERATED)
        self.assertEqual(self.await_reply(after), SUPPRESSED)
        self.assertEqual(self.stored(session), 2)  # the first message and its answer

    def test_consents_that_are_not_valid_are_refused_with_the_field(self):
        good = {"session_id": new_session(), "purposes": {"processing": True}}
        for body, field in (({**good, "purposes": {}}, "purposes"), ({**good, "purposes": {"profiling": True}}, "purposes"),
                            ({**good, "purposes": {"processing": "yes"}}, "purposes.processing"),
                            ({**good, "session_id": ""}, "session_id"), ({"session_id": "s"}, "purposes"),
                            ({**good, "text_version": "v" * 65}, "text_version")):
            with self.subTest(body=body):
                self.assertProblem(self.shop.post(CONSENTS, body), 400, field)
        self.assertProblem(self.shop.post(CONSENTS, {**good, "domain": BANK}), 404, "domain")
        self.assertProblem(self.operator.post(CONSENTS, good), 400, "domain")
        self.assertProblem(Http(self.addresses[0], self.stack.add_token("agent", SHOP)).post(CONSENTS, good), 403)

    def test_what_a_person_of_the_team_records_is_audited(self):
        session = new_session()
        operator = Http(self.addresses[0], self.stack.add_token("operator", SHOP))
        self.assertEqual(operator.post(CONSENTS, {"session_id": session, "purposes": {"processing": True}}, WAIT).status, 200)
        self.assertEqual(self.stack.database.value(
            "SELECT count(*) FROM gdpr_audit_log a JOIN principals p ON p.id::text = a.actor WHERE a.action = 'consent.recorded'"), "1")


if __name__ == "__main__":
    unittest.main()
