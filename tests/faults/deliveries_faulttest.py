"""What comes twice, in another order across keys, or again from among the dead letters."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from scenarios import Scenarios  # noqa: E402


class DeliveriesTest(Scenarios):
    def test_duplicates_and_deliveries_shuffled_across_keys_change_nothing(self):
        load, simulator, again = self.with_duplicates()
        self.assertClean(load, simulator, repeats=again, republished=0)
        self.note(f"{again} of {len(load)} events came twice")

    def test_what_waits_about_an_erased_visitor_is_neither_answered_nor_asked(self):
        self.assertEqual(self.worked_off_after_an_erasure(), (0, 0))

    def test_letters_that_two_operators_redrive_at_once_are_sent_once(self):
        load, acted, copies = self.redriven_by_two()
        self.assertEqual((sum(acted), copies), (len(load), {2}))  # as it was published, and redriven
        self.assertClean(load)


if __name__ == "__main__":
    unittest.main(verbosity=2)
