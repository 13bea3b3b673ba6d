"""The suite can fail: with each guard turned off, its test goes red."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import declared  # noqa: E402
from scenarios import Scenarios  # noqa: E402


class MutationTest(Scenarios):
    def test_without_the_inbox_duplicates_are_found(self):
        load, *_ = self.with_duplicates(mutate="inbox", quiet=8)
        # A message is stored under a key that its event gives it, once; what else a turn does it does twice.
        verdict = self.judge(load, republished=0)
        self.assertTrue(verdict.doubled, "duplicates without an inbox, and nothing was found")

    def test_without_the_fence_the_zombie_writes(self):
        _, writer = self.woken_too_late("commit", mutate="fence")
        self.assertEqual(writer, "zombie")

    def test_without_the_frontier_what_was_stuck_is_lost(self):
        self.assertTrue(self.judge(self.killed_behind_a_stuck_key(mutate="frontier")).lost)

    def test_without_the_outbox_what_was_not_published_is_lost(self):
        self.assertTrue(self.judge(self.killed_before_it_publishes(mutate="outbox")).lost)

    def test_without_reading_back_a_commit_in_doubt_events_are_lost(self):
        load, *_ = self.in_doubt(mutate="in_doubt", quiet=8)
        self.assertTrue(self.judge(load).lost)

    def test_without_the_compare_and_set_two_operators_send_each_letter_twice(self):
        load, acted, copies = self.redriven_by_two(mutate="redrive_cas")
        self.assertEqual((acted, copies), ([len(load)] * 2, {3}))

    def test_without_the_question_who_was_erased_they_come_back(self):
        self.assertEqual(self.worked_off_after_an_erasure(mutate="erased"), (1, 1))

    def test_every_guard_that_can_be_turned_off_is_turned_off_here(self):
        shown = {"inbox", "fence", "frontier", "outbox", "in_doubt", "redrive_cas", "erased"}
        shown.add("dispatching")  # in notify_faulttest.py
        shown |= {"schedule_lock", "schedule_cas"}  # in scheduler_faulttest.py
        shown.add("dropped_letters")  # in gdpr_faulttest.py
        shown.add("database_age")  # in restore_faulttest.py
        self.assertEqual(set(declared("OMNIBUS_MUTATED")), shown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
