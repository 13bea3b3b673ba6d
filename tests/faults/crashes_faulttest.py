"""Workers killed and frozen at the edges of every step and at random: nothing lost, doubled, reordered or made up."""
import contextlib
import json
import pathlib
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import Feeder, LONG, Load, Message, MESSAGES, declared, eventually  # noqa: E402
from harness import structured_event  # noqa: E402
from chat_case import DEAD, RECEIVED, REPLIES, REPLY, SHOP  # noqa: E402
from scenarios import Scenarios  # noqa: E402

# Reached once per event or oftener: any of the first ones will do.
PER_EVENT = {"handle", "commit", "unit.admitted", "unit.commit", "unit.committed", "publish", "publishing"}
# Need more than load.
ON_REBALANCE = ["revoked", "drained", "release"]
ON_LEFT_ROWS = ["take_over.swept", "take_over.published"]
IN_RELAY = ["relay.swept", "relay.published", "relay.removed", "relay.ledger"]
ON_POISON = ["dead_letter"]
FAILED = REPLY + "failed.v1"
PARTITIONS = 12  # of chat.messages


class CrashTest(Scenarios):
    def killed_at(self, simulator, name):
        """A worker that works until it dies at this failpoint."""
        most = 3 if name.startswith("unit.") else 6  # a wave's turns share transactions
        nth = self.random.randint(1, most) if name in PER_EVENT else 1
        self.dies(self.worker(simulator, wait=False, failpoint=f"{name}:{nth}"))

    @staticmethod
    def owned(worker):
        """How many partitions all its event loops have."""
        sign = {"partitions assigned": 1, "partitions revoked": -1, "partitions lost: another member has them already": -1}
        return sum(sign.get(line.get("msg"), 0) * line.get("count", 0) for line in worker.lines())

    def test_a_worker_killed_at_any_edge_of_a_step_loses_doubles_and_reorders_nothing(self):
        simulator = self.simulator(latency=5, latency_jitter=20)
        # In notify_faulttest.py, scheduler_faulttest.py, gdpr_faulttest.py and deferrals_pgtest.cpp.
        elsewhere = "notify.", "scheduler.", "gdpr.", "deferred."
        points = [name for name in declared("OMNIBUS_FAILPOINT") if not name.startswith(elsewhere)]
        special = ON_REBALANCE + ON_LEFT_ROWS + IN_RELAY + ON_POISON
        self.assertLessEqual(set(special) | PER_EVENT, set(points), "the sources have other names")
        plain = [name for name in points if name not in special]
        self.random.shuffle(plain)
        load = Load(conversations=20, each=len(points) + len(special))
        wave = iter([load.records[i:i + 20] for i in range(0, len(load), 20)])
        kills = 0

        for name in plain:
            self.stack.kafka.publish_all(MESSAGES, next(wave))
            with self.subTest(name):
                self.killed_at(simulator, name)
                kills += 1
        for name in ON_LEFT_ROWS:
            self.stack.kafka.publish_all(MESSAGES, next(wave))
            with self.subTest(name):
                self.killed_at(simulator, "publish")  # leaves rows
                self.killed_at(simulator, name)
                kills += 2
        poison = Message(f"{load.name}poison", "Never stored")
        bad = structured_event(RECEIVED, {"domain": SHOP, "session_id": poison.session, "number": 1})
        for name in ON_POISON:
            self.stack.kafka.publish_all(MESSAGES, [(poison.conversation, bad), *next(wave)])
            with self.subTest(name):
                self.killed_at(simulator, name)
                kills += 1
        for name in ON_REBALANCE:
            self.stack.kafka.publish_all(MESSAGES, next(wave))
            with self.subTest(name):
                going = self.worker(simulator, failpoint=name)
                # Those of the dead come to it first, or the one that comes is given those and nothing is revoked.
                eventually(lambda: self.owned(going) == PARTITIONS, 60, "all partitions")
                coming = self.worker(simulator, wait=False)
                self.dies(going)
                coming.kill()
                kills += 2
        self.stack.kafka.publish_all(MESSAGES, next(wave))
        self.killed_at(simulator, "publish")
        self.stack.database.execute(
            f"INSERT INTO suppressions VALUES ('{SHOP}', 'sms', '{uuid.uuid4().hex}', now(), 'stop')")  # an entry of the ledger
        for name in IN_RELAY:
            with self.subTest(name):
                self.dies(self.stack.start_worker("relay", wait=False, INTERVAL="100ms", AGE="0s", OMNIBUS_FAILPOINT=name))
                kills += 1

        published = len(load) - sum(map(len, wave))
        del load.messages[published:]
        self.worker(simulator)
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)
        self.settle(load)
        self.assertClean(load, simulator, repeats=kills * 8)
        eventually(lambda: self.stack.database.value("SELECT count(*) FROM pipeline.ledger WHERE published_at IS NULL") == "0",
                   what="the ledger being published")
        letters = [record for record in self.stack.kafka.consume(DEAD) if record.key == poison.conversation]
        self.assertEqual({json.loads(letter.value)["id"] for letter in letters}, {bad["id"]})
        self.note(f"{kills} kills at {len(points)} failpoints, {len(load)} events, {simulator.stats()['answered_again']} answers paid twice")

    def test_a_dead_letter_and_the_end_of_its_stream_come_together_wherever_the_worker_dies(self):
        simulator = self.simulator()
        points = ON_POISON + ["commit", "unit.admitted", "unit.commit", "unit.committed", "publish", "publishing"]
        parked = {}
        for name in points:
            message = Message(f"parked-{uuid.uuid4().hex[:8]}", f"Parked while its worker dies at {name}")
            event = structured_event(RECEIVED, {"domain": "nobody.example", "session_id": message.session, "text": message.text})
            parked[event["id"]] = name
            self.stack.kafka.publish_all(MESSAGES, [(message.conversation, event)])
            with self.subTest(name):
                self.dies(self.worker(simulator, wait=False, failpoint=f"{name}:1"))
        self.worker(simulator)
        relay = self.stack.start_worker("relay", INTERVAL="100ms", AGE="0s")
        self.addCleanup(relay.stop)

        def letters():
            return [id for record in self.stack.kafka.consume(DEAD) if (id := json.loads(record.value).get("id")) in parked]

        def ends():
            """The ids of the records that end a stream, by the message that they answer."""
            found = {}
            for record in self.stack.kafka.consume(REPLIES):
                if record.headers.get("ce_type") == FAILED:
                    found.setdefault(record.json["in_reply_to"], set()).add(record.headers["ce_id"])
            return {id: ids for id, ids in found.items() if id in parked}

        eventually(lambda: set(letters()) == set(parked) and set(ends()) == set(parked), 60, "letters and ends of streams")
        self.assertEqual({id: len(ids) for id, ids in ends().items()}, dict.fromkeys(parked, 1))

    def test_workers_killed_at_random_under_load_lose_double_and_reorder_nothing(self):
        self.killed_at_random(200 if LONG else 20, Load(conversations=60, each=400 if LONG else 60))

    def test_workers_of_two_event_loops_killed_at_random_lose_double_and_reorder_nothing(self):
        self.killed_at_random(100 if LONG else 5, Load(conversations=60, each=200 if LONG else 10), LOOPS=2)

    def killed_at_random(self, kills, load, **settings):
        simulator = self.simulator(latency=20, latency_jitter=60)
        workers = [self.worker(simulator, **settings) for _ in range(3)]
        feeder = Feeder(self.stack.kafka, load, piece=30, interval=1.0)
        begun = time.monotonic()
        for _ in range(kills):
            before = simulator.stats()["requests"]
            asked = before + self.random.randint(1, 25)
            with contextlib.suppress(AssertionError):  # with most of the workers dead it takes a session timeout
                eventually(lambda: simulator.stats()["requests"] >= asked, 1.5)
            time.sleep(self.random.uniform(0, 0.05))  # any point of a turn
            victim = self.random.randrange(len(workers))
            workers[victim].kill()
            workers[victim] = self.worker(simulator, wait=False, **settings)
        took = time.monotonic() - begun
        feeder.close()
        self.settle(load, timeout=180)
        self.assertClean(load, simulator, repeats=kills * 8)
        self.note(f"{kills} kills in {took:.0f} s, {len(load)} events, {simulator.stats()['answered_again']} answers paid twice")

    def test_an_event_that_takes_long_is_not_lost_with_a_worker_that_did_everything_behind_it(self):
        self.assertClean(self.killed_behind_a_stuck_key())

    def test_a_worker_that_dies_before_it_publishes_leaves_that_to_the_next(self):
        self.assertClean(self.killed_before_it_publishes())

    def test_a_worker_that_sleeps_past_its_session_writes_nothing_when_it_wakes(self):
        load, writer = self.woken_too_late("commit")
        self.assertEqual(writer, "owner", "the zombie's write was let in")
        self.assertClean(load)

    def test_a_worker_that_sleeps_in_a_transaction_or_before_it_publishes_spoils_nothing(self):
        for failpoint in "unit.admitted", "publish", *(["unit.commit", "unit.committed", "handle", "offsets.commit"] if LONG else []):
            with self.subTest(failpoint):
                simulator = self.simulator(latency=20)
                load = Load(conversations=20, each=3)
                latest = 2 if failpoint == "offsets.commit" else 6  # there may be no more, for one commit covers many turns
                zombie = self.worker(simulator, wait=False, failpoint=f"{failpoint}:{self.random.randint(1, latest)}:stop")
                self.stack.kafka.publish_all(MESSAGES, load.records)
                self.freezes(zombie)
                owner = self.worker(simulator, wait=False)
                # PostgreSQL ends a transaction that idles after 15 s; only then can the partition change hands.
                eventually(lambda: owner.ready() and self.stored(load.name) > 30, 60, "the partitions being taken over")
                zombie.resume()
                self.settle(load, timeout=60)
                self.assertTrue(zombie.alive())
                self.assertClean(load, simulator, repeats=20)  # a turn of each conversation may have been in flight
                for worker in zombie, owner:
                    worker.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
