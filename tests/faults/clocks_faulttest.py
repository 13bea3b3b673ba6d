"""Clocks an hour ahead and an hour behind, of producers and workers, mixed within each conversation: what was published
first stays first, and a time is only ever shown or counted."""
import collections
import datetime
import os
import pathlib
import subprocess
import sys
import time
import unittest
import uuid
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import FaultCase, LONG, Load, MESSAGES, eventually  # noqa: E402

HOUR = 3600
CALLS, QUARTER = "llm.calls", 900


def rfc3339(moment):
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()


class ClocksTest(FaultCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.library = cls.stack.folder / "clock.so"
        subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-O1", "-shared", "-fPIC", "-o", cls.library,
                        pathlib.Path(__file__).with_name("clock.c")], check=True)

    def clock(self, offset):
        """The environment of a process whose wall clock is off by so many seconds."""
        sanitizer = [os.environ["ASAN_OPTIONS"]] if os.environ.get("ASAN_OPTIONS") else []
        return {"LD_PRELOAD": str(self.library), "CLOCK_OFFSET": str(offset),
                "ASAN_OPTIONS": ":".join([*sanitizer, "verify_asan_link_order=0"])}

    def publish_wave(self, messages):
        """A message of each conversation, from three producers: the time of a record is its producer's, that of the event
        in it has another error."""
        by_clock = collections.defaultdict(list)
        for message in messages:
            event = {**message.event, "time": rfc3339(time.time() + self.random.choice([-HOUR, 0, HOUR]))}
            by_clock[self.random.choice([-HOUR, 0, HOUR])].append((message.conversation, event))
        for offset, events in by_clock.items():
            with mock.patch.dict(os.environ, self.clock(offset)):
                self.stack.kafka.publish_all(MESSAGES, events)

    def calls_by_quarter(self, domain):
        """The calls of models that this domain's topic tells of, each once, by their own times."""
        times = {}
        for record in self.stack.kafka.consume(CALLS):
            if record.json["domain"] == domain:
                at = datetime.datetime.fromisoformat(record.headers["ce_time"].replace("Z", "+00:00")).timestamp()
                times.setdefault(record.json["call_id"], int(at) // QUARTER * QUARTER)
        return collections.Counter(times.values())

    def kept_by_quarter(self, domain):
        return {int(bucket): int(calls) for bucket, calls in self.stack.database.execute(
            "SELECT extract(epoch FROM bucket_start)::bigint, calls FROM chat_telemetry_domain_rollups"
            f" WHERE granularity = '15m' AND domain = '{domain}'")}

    def test_clocks_an_hour_off_lose_double_and_reorder_nothing(self):
        domain = f"{uuid.uuid4().hex[:8]}.example"
        self.stack.add_tenant(domain)
        load = Load(conversations=24, each=60 if LONG else 12, domain=domain)
        begun = time.monotonic()
        for begin in range(0, len(load), 24):
            self.publish_wave(load.messages[begin:begin + 24])
        simulator = self.simulator(latency=200, latency_jitter=200)
        workers = [self.worker(simulator, wait=False, **self.clock(offset)) for offset in (HOUR, -HOUR, HOUR)]
        others = [self.stack.start_worker("telemetry", wait=False, **self.clock(-HOUR)),
                  self.stack.start_worker("relay", wait=False, INTERVAL="100ms", **self.clock(HOUR))]
        for other in others:
            self.addCleanup(other.stop)
        for each in workers + others:
            each.await_ready(90)  # three members join one after another, beside other suites

        oldest, killed = [], False

        def answered():
            nonlocal killed
            oldest.extend(worker.metric("omnibus_oldest_unprocessed_seconds") for worker in workers)
            stored = self.stored(load.name)
            if stored > len(load) // 3 and not killed:  # what it leaves is taken over by a clock two hours behind
                workers[0].kill()
                workers[0] = self.worker(simulator, wait=False, **self.clock(-HOUR)).await_ready()
                killed = True
            return stored >= len(load)
        eventually(answered, 90, f"answers to {len(load)} messages")
        self.settle(load)
        self.assertClean(load, simulator, repeats=8)
        self.assertTrue(killed and all(each.alive() for each in workers + others))

        # The clocks were off: a worker an hour ahead had records that were an hour behind. And no further off than that.
        self.assertGreaterEqual(min(oldest), 0)
        self.assertGreater(max(oldest), 2 * HOUR - 60)
        self.assertLess(max(oldest), 2 * HOUR + time.monotonic() - begun + 1)
        eventually(lambda: {worker.metric("omnibus_oldest_unprocessed_seconds") for worker in workers} == {0.0}, 20,
                   "nothing unprocessed")
        behind, ahead = self.stack.database.execute(
            "SELECT count(*) FILTER (WHERE m.created_at < now() - interval '50 minutes'), count(*) FILTER (WHERE m.created_at > now())"
            f" FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.domain = '{domain}'")[0]
        self.assertGreater(int(behind), 0)
        self.assertEqual(int(ahead), 0, "the database has messages of the future")

        told = self.calls_by_quarter(domain)
        self.assertGreaterEqual(sum(told.values()), len(load))
        self.assertGreaterEqual(max(told) - min(told), 2 * HOUR - QUARTER, "the calls have the times of their workers' clocks")
        eventually(lambda: self.kept_by_quarter(domain) == told, 20, f"the calls being counted as {dict(told)}")
        self.note(f"{len(load)} events, oldest unprocessed {min(oldest):.0f} to {max(oldest):.0f} s, {sum(told.values())} calls"
                  f" in {len(told)} quarters of an hour")


if __name__ == "__main__":
    unittest.main(verbosity=2)
