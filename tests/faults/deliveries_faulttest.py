"""What comes twice, in another order across keys, or with a clock that is wrong."""
import datetime
import os
import pathlib
import subprocess
import sys
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import Load, MESSAGES, RELEASE  # noqa: E402
from scenarios import Scenarios  # noqa: E402

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class DeliveriesTest(Scenarios):
    def test_duplicates_and_deliveries_shuffled_across_keys_change_nothing(self):
        load, simulator, again = self.with_duplicates()
        self.assertClean(load, simulator, repeats=again)
        self.note(f"{again} of {len(load)} events came twice")

    def test_clocks_may_be_off_by_an_hour(self):
        for needed in FAKETIME, RELEASE / "omnibus-chat":  # AddressSanitizer and libfaketime do not go together
            if not os.path.exists(needed):
                self.skipTest(f"{needed} is not there: compose/setup --for tests, and build release")
        simulator = self.simulator(latency=20)

        def clock(off):
            return {"LD_PRELOAD": FAKETIME, "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with unittest.mock.patch.dict(os.environ, OMNIBUS_BIN=str(RELEASE)):
            workers = [self.worker(simulator, **clock(off)) for off in ("-1h", "+1h")]
        load = Load(conversations=40, each=4)
        piece = len(load) // 4
        for number, off in enumerate(("+1h", "-1h", "+0", "+1h")):
            with unittest.mock.patch.dict(os.environ, clock(off)):  # of the producer
                self.stack.kafka.publish_all(MESSAGES, load.records[number * piece:(number + 1) * piece])
        self.settle(load)
        self.assertClean(load, simulator)
        began = [datetime.datetime.fromisoformat(next(worker.lines())["ts"].rstrip("Z")) for worker in workers]
        self.assertAlmostEqual((began[1] - began[0]).total_seconds(), 7200, delta=120, msg="the workers' clocks were not off")


if __name__ == "__main__":
    unittest.main(verbosity=2)
