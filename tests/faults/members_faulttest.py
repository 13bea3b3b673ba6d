"""Members come and go every few seconds: no stall, order kept."""
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import FaultCase, Feeder, LONG, Load, Progress, eventually  # noqa: E402

WORKERS, LONGEST_STALL = 8, 30


class MembersTest(FaultCase):
    def test_eight_members_that_come_and_go_keep_the_order_and_never_stall(self):
        simulator = self.simulator(latency=20, latency_jitter=80)
        members = [self.worker(simulator, wait=False) for _ in range(WORKERS)]
        for member in members:
            member.await_ready(60)
        load = Load(conversations=60, each=600 if LONG else 80)
        feeder = Feeder(self.stack.kafka, load, piece=20, interval=0.5)
        progress = Progress(self, load)
        self.addCleanup(progress.close)
        eventually(lambda: progress.done > 0, 30, "the first answer")
        progress.longest = 0.0
        end = time.monotonic() + (300 if LONG else 20)
        changes = 0
        while time.monotonic() < end:
            one = self.random.randrange(WORKERS)
            status = members[one].stop()
            # Until it says something, a process takes no signal: it is not a member yet.
            self.assertIn(status, (0,) if members[one].text() else (0, -signal.SIGTERM), "a clean stop failed")
            members[one] = self.worker(simulator, wait=False)
            changes += 1
            time.sleep(self.random.uniform(0.5, 2.5))
        feeder.close()
        self.settle(load, timeout=120)
        self.assertLess(progress.longest, LONGEST_STALL)
        self.assertClean(load, simulator, repeats=0)
        self.note(f"{changes} members replaced, {len(load)} events, longest time without an answer {progress.longest:.1f} s")


if __name__ == "__main__":
    unittest.main(verbosity=2)
