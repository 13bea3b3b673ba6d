"""What comes twice, and in another order across keys."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from scenarios import Scenarios  # noqa: E402


class DeliveriesTest(Scenarios):
    def test_duplicates_and_deliveries_shuffled_across_keys_change_nothing(self):
        load, simulator, again = self.with_duplicates()
        self.assertClean(load, simulator, repeats=again)
        self.note(f"{again} of {len(load)} events came twice")


if __name__ == "__main__":
    unittest.main(verbosity=2)
