"""Brokers, PostgreSQL and the network between fail under load: work pauses and goes on in time, nothing is lost, nothing
dead-lettered."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import LONG, Load, Message, MESSAGES, Progress, SESSION_TIMEOUT, eventually  # noqa: E402
from scenarios import Scenarios  # noqa: E402

BROKER_LIMIT, DATABASE_LIMIT = 30, 5  # seconds to be back at work
AWAY = 20 if LONG else 3  # seconds that what fails stays away


class OutageTest(Scenarios):
    def under_load(self, each=6, **settings):
        """Two workers at work on a load that outlives the fault; its answers come at some fifty a second."""
        self.model = self.simulator(latency=100, latency_jitter=100)
        self.workers = [self.worker(self.model, MAX_ATTEMPTS=2, **settings) for _ in range(2)]
        load = Load(conversations=60, each=each * (4 if LONG else 1))
        self.stack.kafka.publish_all(MESSAGES, load.records)
        self.progress = Progress(self, load)
        self.addCleanup(self.progress.close)
        eventually(lambda: self.progress.done >= 40, 30, "load on the workers")
        return load

    def assertBack(self, load, since, limit):
        """Work went on within the limit, and the load comes out whole. MAX_ATTEMPTS is 2: an outage that counted as failed
        attempts would have dead-lettered."""
        self.assertLess(self.progress.done, len(load), "the load ended before the fault")
        took = self.progress.since(since, 2 * limit + 30)
        self.note(f"back at work {took:.1f} s after the fault was over, the longest pause {self.progress.stall():.1f} s")
        self.assertLess(took, limit)
        self.assertWhole(load)

    def assertWhole(self, load):
        self.settle(load, timeout=120)
        # What was published right before a crash of PostgreSQL may be back in the outbox: the relay clears it away.
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)
        eventually(lambda: self.stack.database.value("SELECT count(*) FROM pipeline.outbox") == "0", 20, "an empty outbox")
        self.assertClean(load, self.model, repeats=len(load))
        self.assertTrue(all(worker.alive() for worker in self.workers))

    def assertReadAgain(self, load, since):
        """What is published from now on, to every partition, is answered within the limit; the load comes out whole."""
        probes = Load(conversations=36, each=1)
        self.stack.kafka.publish_all(MESSAGES, probes.records)
        self.await_answers(probes.name, len(probes), 2 * BROKER_LIMIT)
        took = time.monotonic() - since
        self.note(f"every partition answered {took:.1f} s after the fault")
        self.assertLess(took, BROKER_LIMIT)
        self.settle(probes)
        self.assertClean(probes)
        self.assertWhole(load)

    def lose_broker(self, name):
        load = self.under_load()
        node = self.stack.compose("kafka", *name)
        self.stack.compose("kafka", "kill", node)
        self.addCleanup(self.stack.compose, "kafka", "start", node)
        self.assertReadAgain(load, time.monotonic())

    def test_the_leader_of_a_partition_may_die(self):
        self.lose_broker(["leader", MESSAGES, "0"])

    def test_the_controller_may_die(self):
        self.lose_broker(["controller"])

    def test_all_brokers_may_die_and_come_back(self):
        load = self.under_load()
        for node in "123":
            self.stack.compose("kafka", "kill", node)
        time.sleep(AWAY)
        self.stack.compose("kafka", "up")  # starts what is down, all at once, and waits until they answer
        self.assertReadAgain(load, time.monotonic())

    def test_a_log_that_loses_its_end_is_read_again_from_what_was_not_finished(self):
        """As after a power failure of all brokers: the last record is gone, one before it still waits for the model."""
        self.set_session_timeout(self.stack, 60_000)  # the worker stays a member meanwhile: nobody reads from the commit
        self.addCleanup(self.set_session_timeout, self.stack, int(SESSION_TIMEOUT * 1000))
        waits, lost, after = (Message(f"{name}-{uuid.uuid4().hex[:8]}", f"Is this what {name}?")
                              for name in ("waits", "is-lost", "comes-after"))
        model = self.simulator()
        model.set_faults({"kind": "latency", "ms": 900_000, "match": waits.text})
        worker = self.worker(model, LLM_DEADLINE="15m")
        self.publish(waits)
        partition = next(record.partition for record in self.stack.kafka.consume(MESSAGES) if record.json["id"] == waits.id)

        def publish(message):
            self.stack.kafka.produce(MESSAGES, message.conversation, json.dumps(message.event),
                                     {"content-type": "application/cloudevents+json"}, partition)
        publish(lost)
        self.await_answers(lost.session, 1)
        for node in "123":
            self.stack.compose("kafka", "kill", node)
        for node in "123":
            segments = sorted((self.stack.folder / f"kafka/node-{node}/data/{MESSAGES}-{partition}").glob("*.log"))
            os.truncate(segments[-1], segments[-1].stat().st_size - 1)  # the broker drops a batch that is not whole
        self.stack.compose("kafka", "up")
        publish(after)
        worker.logged("a partition begins again before the position that was read: its log was cut off, or its topic made anew", 60)
        self.await_answers(after.session, 1)
        self.assertEqual(self.stored(waits.session), 0, "its first call is not over")
        model.kill()  # with that call
        self.simulator(port=urllib.parse.urlsplit(model.url).port)
        self.await_answers(waits.session, 1)
        self.assertNotIn(lost.id, {record.json["id"] for record in self.stack.kafka.consume(MESSAGES)})
        self.assertEqual([self.stored(message.session) for message in (waits, lost, after)], [1, 1, 1])

    def test_postgresql_may_be_stopped_and_started(self):
        load = self.under_load()
        self.stack.compose("postgres", "stop")
        time.sleep(AWAY)
        self.stack.compose("postgres", "up")
        self.assertBack(load, time.monotonic(), DATABASE_LIMIT)

    def test_postgresql_may_be_killed_in_the_middle_of_commits(self):
        load = self.under_load(each=8)
        for _ in range(10 if LONG else 2):
            done = self.progress.done
            eventually(lambda: self.progress.done > done + 20, 20, "commits")
            self.stack.compose("postgres", "restart", "immediate")  # every server process is gone at once, as in a crash
            back = time.monotonic()
            self.assertLess(self.progress.since(back, 30), DATABASE_LIMIT)
        self.assertLess(self.progress.done, len(load), "the load ended before the faults")
        self.assertWhole(load)

    def test_postgresql_may_run_out_of_connections(self):
        load = self.under_load()
        refuse = "ALTER ROLE omnibus_chat CONNECTION LIMIT 0"  # too many connections for role: 53300, as the server's own limit
        allow = "ALTER ROLE omnibus_chat CONNECTION LIMIT -1"
        self.addCleanup(self.stack.database.execute, allow)
        self.stack.database.execute(f"{refuse}; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'omnibus_chat'")
        time.sleep(AWAY)
        self.assertIn("too many connections", self.workers[0].text())
        self.stack.database.execute(allow)
        self.assertBack(load, time.monotonic(), DATABASE_LIMIT)

    def test_postgresql_may_have_a_full_disk(self):
        disk = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-disk.", dir="/var/tmp"))
        self.addCleanup(disk.rmdir)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0777", "tmpfs", disk], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        (disk / "tables").mkdir(mode=0o777)
        (disk / "tables").chmod(0o777)
        data = self.stack.database.value("SHOW data_directory")
        subprocess.run(["chown", f"--reference={data}", disk / "tables"], check=True)
        self.stack.database.execute(f"CREATE TABLESPACE small LOCATION '{disk}/tables'")
        load = self.under_load()
        moved = "messages", "pipeline.outbox"
        for table in moved:
            self.stack.database.execute(f"ALTER TABLE {table} SET TABLESPACE small")
        self.addCleanup(self.stack.database.execute, "; ".join(
            [f"ALTER TABLE {table} SET TABLESPACE pg_default" for table in moved] + ["DROP TABLESPACE small"]))
        filler = disk / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        for worker in self.workers:
            worker.said("No space left on device|could not extend file", 30)
        time.sleep(AWAY)
        filler.unlink()
        self.assertBack(load, time.monotonic(), DATABASE_LIMIT)

    def test_commits_in_doubt_are_resolved_by_what_the_inbox_says(self):
        load, worker, planned = self.in_doubt()
        found = worker.metric("omnibus_database_transaction_duration_seconds_count", outcome="in_doubt")
        self.assertGreaterEqual(found, planned / 2, "the worker was not in doubt")
        self.assertClean(load)


if __name__ == "__main__":
    unittest.main(verbosity=2)
