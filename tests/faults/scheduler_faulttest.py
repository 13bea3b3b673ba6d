"""Schedulers killed and frozen at every edge: each due time ticks once, whoever was active. On the embedded broker: what is broken
here is a scheduler and its session in PostgreSQL."""
import atexit
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import FaultCase, Stack, binary, declared, eventually  # noqa: E402

TICKS = "ops.ticks"
NAME = "tick.qa"  # daily, half a day away: it ticks when the test says so
PATIENCE = 2.0  # seconds of silence after which an active scheduler is replaced


class SchedulerFaultTest(FaultCase):
    @classmethod
    def make_stack(cls):
        if b"scheduler.claimed" not in pathlib.Path(binary("omnibus-scheduler")).read_bytes():
            raise AssertionError(f"{binary('omnibus-scheduler')} has no failpoints: set OMNIBUS_BIN to a dev or tsan build's bin")
        stack = Stack("embedded")
        atexit.register(stack.close)
        return stack

    def setUp(self):
        super().setUp()
        self.stack.database.execute(f"UPDATE pipeline.schedules SET enabled = name = '{NAME}', next_at = NULL, last_at = NULL")
        self.stack.database.execute("UPDATE pipeline.schedules SET at = to_char((now() + interval '12 hours') AT TIME ZONE 'UTC', 'HH24:MI')"
                                    f" WHERE name = '{NAME}'")
        self.before = len(self.records())

    def records(self):
        return [record for record in self.stack.kafka.consume(TICKS) if record.key == NAME]

    def ids(self):
        """The ids of the records that this test caused, in their order."""
        return [record.headers["ce_id"] for record in self.records()[self.before:]]

    def scheduler(self, failpoint="", mutate="", wait=True, patience=PATIENCE):
        scheduler = self.stack.start_worker("scheduler", wait=wait, INTERVAL="50ms", TAKEOVER_AFTER=f"{int(patience * 1000)}ms",
                                            OMNIBUS_FAILPOINT=failpoint, OMNIBUS_MUTATE=mutate)
        self.addCleanup(scheduler.stop)
        return scheduler

    def is_active(self, scheduler):
        return scheduler.metric("omnibus_scheduler_active") == 1

    def await_planned(self):
        eventually(lambda: self.stack.database.value(f"SELECT next_at > now() FROM pipeline.schedules WHERE name = '{NAME}'") == "t", 10,
                   "the next due time")

    def due(self):
        self.stack.database.execute(f"UPDATE pipeline.schedules SET next_at = now() WHERE name = '{NAME}'")

    def await_settled(self):
        self.await_planned()
        eventually(lambda: self.stack.database.value("SELECT count(*) FROM pipeline.outbox") == "0", 20, "an empty outbox")

    def test_a_scheduler_killed_at_any_edge_of_a_tick_neither_loses_nor_doubles_it(self):
        points = [name for name in declared("OMNIBUS_FAILPOINT") if name.startswith("scheduler.")]
        self.assertEqual(points, ["scheduler.claimed", "scheduler.due", "scheduler.published"])
        self.scheduler().stop()  # the due times are there
        for count, name in enumerate(points, 1):
            with self.subTest(name):
                before = self.ids()
                self.due()
                self.dies(self.scheduler(failpoint=name, wait=False))
                begun = time.monotonic()
                survivor = self.scheduler(patience=10)  # or it publishes again when the machine is slow to answer
                self.await_settled()
                took = time.monotonic() - begun
                survivor.stop()
                self.assertLess(took, 10)
                new = self.ids()[len(before):]
                self.assertEqual(len(set(new)), 1, "one tick")
                self.assertLessEqual(len(new), 2 if name == "scheduler.published" else 1, "published again only if it was not noted")

    def paused(self, failpoint):
        """The active one stops within a tick, another one takes over and ticks, and then the first one goes on."""
        self.scheduler().stop()
        self.due()
        first = self.scheduler(failpoint=f"{failpoint}:1:stop", wait=False)
        self.freezes(first)
        second = self.scheduler()
        eventually(lambda: self.is_active(second), 20, "the other one being active")
        self.await_settled()
        first.resume()
        first.logged("the schedules could not be served: check DATABASE_URL and KAFKA_BROKERS")
        first.await_ready()
        self.assertFalse(self.is_active(first))
        self.assertTrue(self.is_active(second))
        time.sleep(0.3)
        return self.ids()

    def test_one_that_was_paused_within_its_claim_claims_nothing_when_it_goes_on(self):
        self.assertEqual(len(self.paused("scheduler.due")), 1)

    def test_one_that_was_paused_before_it_published_publishes_nothing_when_it_goes_on(self):
        self.assertEqual(len(self.paused("scheduler.claimed")), 1)

    def test_one_that_was_paused_between_two_looks_stands_by_when_it_goes_on(self):
        first = self.scheduler()
        self.await_planned()
        first.pause()
        second = self.scheduler()
        eventually(lambda: self.is_active(second), 20, "the other one being active")
        self.due()
        self.await_settled()
        first.resume()
        eventually(lambda: not self.is_active(first) and first.ready(), 20, "the first one standing by")
        self.assertEqual(len(self.ids()), 1)

    def two_without_the_lock(self, mutate):
        """Two that both think they are active read the same due schedule; the second claims it first."""
        self.scheduler().stop()
        self.due()
        first = self.scheduler(failpoint="scheduler.due:1:stop", mutate=mutate, wait=False, patience=60)
        self.freezes(first)
        self.scheduler(mutate=mutate, patience=60)
        self.await_settled()
        first.resume()
        first.await_ready()
        self.await_settled()
        return self.ids()

    def test_even_without_the_lock_the_compare_and_set_lets_one_claim(self):
        self.assertEqual(len(self.two_without_the_lock("schedule_lock")), 1)

    def test_without_the_lock_and_the_compare_and_set_a_tick_is_published_again_under_one_id(self):
        ids = self.two_without_the_lock("schedule_lock,schedule_cas")
        self.assertGreater(len(ids), 1)
        self.assertEqual(len(set(ids)), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
