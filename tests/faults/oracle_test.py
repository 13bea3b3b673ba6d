"""The oracle finds every kind of defect in every ledger, and nothing in a faultless run."""
import copy
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from oracle import Event, Ledgers, Reply, Row, judge  # noqa: E402


def faultless():
    """Two sessions of three questions each."""
    ledgers = Ledgers([], [], [], provider={})
    for turn in range(3):
        for session in "ab":
            event = Event(f"{session}{turn}", session, f"question {session}{turn}")
            ledgers.input.append(event)
            ledgers.database += [Row(session, 2 * turn + 1, "user", event.text, f"q-{event.id}"),
                                 Row(session, 2 * turn + 2, "assistant", f"answer {event.id}", f"r-{event.id}", f"q-{event.id}")]
            ledgers.topic.append(Reply(session, f"reply-{event.id}", event.id, f"answer {event.id}"))
            ledgers.provider[event.text] = 1
    return ledgers


class OracleTest(unittest.TestCase):
    def found(self, spoil):
        """The kinds of defect found once `spoil` has been at the ledgers."""
        ledgers = faultless()
        spoil(ledgers)
        verdict = judge(ledgers)
        self.assertEqual(verdict.clean, not any(vars(verdict).values()))
        return {kind for kind, sentences in vars(verdict).items() if sentences}

    def test_a_faultless_run_is_clean(self):
        self.assertEqual(self.found(lambda ledgers: None), set())

    def test_a_reply_that_is_published_again_under_its_id_is_no_defect(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.topic.append(copy.copy(ledgers.topic[0]))), set())

    def test_a_reply_that_no_fault_had_published_again_is_doubled(self):
        def spoil(ledgers):
            ledgers.topic.append(copy.copy(ledgers.topic[0]))
            ledgers.republished = 0
        self.assertEqual(self.found(spoil), {"doubled"})

    def test_an_event_that_left_no_trace_is_lost(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.input.append(Event("a3", "a", "question a3"))), {"lost"})

    def test_a_question_without_answer_is_lost(self):
        def spoil(ledgers):
            ledgers.database.remove(next(row for row in ledgers.database if row.id == "r-b2"))
            ledgers.topic.pop()
        self.assertEqual(self.found(spoil), {"lost"})

    def test_a_reply_that_is_missing_on_the_topic_is_lost(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.topic.pop(2)), {"lost"})

    def test_a_reply_left_in_the_outbox_is_lost(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.outbox.append("a1")), {"lost"})

    def test_an_event_that_was_parked_without_being_poison_is_lost(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.dead_letters.append("a1")), {"lost"})

    def test_a_question_stored_twice_is_doubled(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.database.append(Row("a", 7, "user", "question a2", "q"))), {"doubled"})

    def test_an_answer_stored_twice_is_doubled(self):
        again = Row("a", 7, "assistant", "answer a2", "r", "q-a2")
        self.assertEqual(self.found(lambda ledgers: ledgers.database.append(again)), {"doubled"})

    def test_a_reply_under_two_ids_is_doubled(self):
        again = Reply("b", "another", "b2", "answer b2")
        self.assertEqual(self.found(lambda ledgers: ledgers.topic.append(again)), {"doubled"})

    def test_two_replies_under_one_id_are_doubled(self):
        def spoil(ledgers):
            ledgers.topic[1].event_id = ledgers.topic[0].event_id
        self.assertEqual(self.found(spoil), {"doubled"})

    def test_a_model_asked_more_often_than_the_faults_explain_is_doubled(self):
        def spoil(ledgers):
            ledgers.provider["question a0"] += 2
            ledgers.repeats = 1
        self.assertEqual(self.found(spoil), {"doubled"})

    def test_a_model_asked_again_as_often_as_the_faults_explain_is_no_defect(self):
        def spoil(ledgers):
            ledgers.provider["question a0"] += 2
            ledgers.repeats = 2
        self.assertEqual(self.found(spoil), set())

    def test_questions_stored_in_another_order_are_reordered(self):
        def spoil(ledgers):
            rows = {row.id: row for row in ledgers.database}
            for kind in "qr":
                first, second = rows[f"{kind}-a0"], rows[f"{kind}-a1"]
                first.seq, second.seq = second.seq, first.seq
        self.assertEqual(self.found(spoil), {"reordered"})

    def test_answers_stored_in_another_order_are_reordered(self):
        def spoil(ledgers):
            rows = {row.id: row for row in ledgers.database}
            rows["r-a0"].seq, rows["r-a1"].seq = rows["r-a1"].seq, rows["r-a0"].seq
        self.assertEqual(self.found(spoil), {"reordered"})

    def test_replies_published_in_another_order_are_reordered(self):
        def spoil(ledgers):
            ledgers.topic[0], ledgers.topic[2] = ledgers.topic[2], ledgers.topic[0]
        self.assertEqual(self.found(spoil), {"reordered"})

    def test_a_session_nobody_began_is_a_phantom(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.database.append(Row("c", 1, "user", "hello", "q"))), {"phantom"})

    def test_a_question_nobody_asked_is_a_phantom(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.database.append(Row("a", 7, "user", "hello", "q"))), {"phantom"})

    def test_an_answer_to_nothing_is_a_phantom(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.database.append(Row("a", 7, "assistant", "yes", "r", "?"))), {"phantom"})

    def test_a_reply_to_nothing_is_a_phantom(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.topic.append(Reply("a", "x", "?", "yes"))), {"phantom"})

    def test_a_reply_that_the_database_has_not_is_a_phantom(self):
        def spoil(ledgers):
            ledgers.topic[0].text = "something else"
        self.assertEqual(self.found(spoil), {"phantom"})

    def test_a_reply_to_what_the_database_never_stored_is_a_phantom_and_lost(self):
        def spoil(ledgers):
            ledgers.database = [row for row in ledgers.database if row.id not in ("q-b2", "r-b2")]
        self.assertEqual(self.found(spoil), {"lost", "phantom"})

    def test_a_reply_under_another_key_is_a_phantom(self):
        def spoil(ledgers):
            ledgers.topic[0].session = "b"
        self.assertEqual(self.found(spoil), {"phantom"})

    def test_an_answer_that_no_model_gave_is_a_phantom(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.provider.pop("question a0")), {"phantom"})

    def test_a_question_that_only_the_model_saw_is_a_phantom(self):
        self.assertEqual(self.found(lambda ledgers: ledgers.provider.update({"hello": 1})), {"phantom"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
