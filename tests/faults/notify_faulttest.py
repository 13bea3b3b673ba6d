"""Messages to people: providers that take them and do not say so, workers killed and frozen at every edge and at random.
Nothing is sent twice where the channel says at most once, nothing is lost where it says at least once, and neither where
the provider recognises a repetition."""
import datetime
import os
import pathlib
import sys
import time
import unittest
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from notify_case import NotifyCase, Requests, eventually  # noqa: E402
from fault_case import LONG  # noqa: E402

SENDS = int(os.environ.get("OMNIBUS_SENDS") or (20_000 if LONG else 600))
# Five of a hundred: taken and then silence or nonsense, or an error or a break of which nobody can tell.
AMBIGUOUS = ";".join(f"{kind}:probability=0.01" for kind in
                     ("accept_reset", "accept_error", "accept_garbage", "reset", "error"))


class NotifyTest(NotifyCase):
    def killed_at_random(self, channels, honour_key=False, **settings):
        """Two workers, of which one is killed every now and then, until all is sent. Every delivery, and the kills."""
        simulator = self.providers(honour_key, AMBIGUOUS)
        requests = Requests(self.stack, SENDS // len(channels), channels)
        requests.publish(self.stack)
        workers = [self.notify(simulator, wait=False, **settings) for _ in range(2)]
        kills, deadline = 0, time.monotonic() + 60 + len(requests) / 20
        while (done := self.settled(requests)) < len(requests) * 0.9 and time.monotonic() < deadline:
            time.sleep(self.random.uniform(0.3, 1.5))
            if self.settled(requests) > done:  # dead workers' partitions wait for their sessions' end
                victim = self.random.randrange(2)
                workers[victim].kill()
                workers[victim] = self.notify(simulator, wait=False, **settings)
                kills += 1
        self.await_settled(requests, 90)
        self.assertTold(requests)
        sent = self.sent(simulator, requests)
        self.note(f"{len(sent)} sends, {kills} kills, "
                  f"{simulator.client.get('/_simulator/sends').json['outcomes']}, states {dict(Counter(s.state for s in sent))}")
        self.assertEqual(len(sent), len(requests))
        self.assertGreater(kills, 0)
        return sent

    def assertTrue_to_the_provider(self, sent):
        """What the ledger is sure of is so."""
        wrong = [s for s in sent if s.state == "accepted" and s.taken == 0 or s.state in ("failed", "skipped") and s.taken]
        self.assertEqual(wrong, [])

    def test_at_most_once_nothing_is_sent_twice_and_what_nobody_knows_is_in_doubt(self):
        sent = self.killed_at_random(["sms", "whatsapp"])
        self.assertEqual([s for s in sent if s.taken > 1], [])
        self.assertTrue_to_the_provider(sent)
        self.assertEqual([s for s in sent if s.taken == 0 and s.state != "in_doubt"], [])
        self.assertGreater(sum(s.state == "in_doubt" for s in sent), len(sent) * 0.02)

    def test_at_least_once_nothing_is_lost(self):
        policy = "at_least_once"
        sent = self.killed_at_random(["sms", "whatsapp"], SMS_DELIVERY_POLICY=policy, WHATSAPP_DELIVERY_POLICY=policy)
        self.assertEqual([s for s in sent if s.taken == 0], [])
        self.assertTrue_to_the_provider(sent)

    def test_with_a_provider_that_honours_the_key_nothing_is_lost_or_sent_twice(self):
        sent = self.killed_at_random(["sms"], honour_key=True, MTN_SMS_HONOURS_KEY="true")
        self.assertEqual([s for s in sent if s.taken != 1 or s.state != "accepted"], [])

    def killed_at(self, failpoint, mutate=""):
        """One message, whose worker dies at an edge; another one takes over."""
        simulator = self.providers()
        requests = Requests(self.stack, 1, ["sms"])
        requests.publish(self.stack)
        self.dies(self.notify(simulator, wait=False, failpoint=failpoint, mutate=mutate))
        heir = self.notify(simulator, mutate=mutate)
        self.await_settled(requests)
        heir.stop()
        return self.sent(simulator, requests)[0]

    def test_a_worker_killed_before_anything_could_leave_has_it_sent_by_another(self):
        sent = self.killed_at("notify.ready")
        self.assertEqual((sent.state, sent.taken), ("accepted", 1), sent)

    def test_a_worker_killed_once_anything_could_have_left_leaves_it_in_doubt(self):
        for failpoint, taken in (("notify.dispatched", 0), ("notify.sent", 1)):
            with self.subTest(failpoint):
                sent = self.killed_at(failpoint)
                self.assertEqual((sent.state, sent.taken), ("in_doubt", taken), sent)

    def test_without_dispatching_it_is_sent_twice(self):
        self.assertEqual(self.killed_at("notify.sent", mutate="dispatching").taken, 2)

    def test_what_is_being_sent_when_its_partition_goes_to_another_is_neither_sent_again_nor_in_doubt(self):
        slow = {"SEND_DEADLINE": "25s", "CLAIM_LEASE": "27s", "DRAIN_DEADLINE": "200ms", "WHATSAPP_DELIVERY_POLICY": "at_least_once",
                "MAX_IN_FLIGHT": 100}
        simulator = self.providers(latency=20_000)  # longer than another takes to come, on a machine that does more
        requests = Requests(self.stack, 40, ["sms", "whatsapp"])
        sender = self.notify(simulator, **slow)
        requests.publish(self.stack)
        listed = "', '".join(requests.ids)
        count = f"SELECT count(*) FROM pipeline.delivery WHERE request_id IN ('{listed}') AND "
        eventually(lambda: self.stack.database.value(count + "state = 'dispatching'") == str(len(requests)), 20, "all on their way")
        # Of three members none has more than 8 of its topics' 24 partitions: some of these 12 must go.
        heirs = [self.notify(simulator, **slow) for _ in range(2)]
        eventually(lambda: "handed over before their last events ended" in sender.text(), 20, "the partitions going")
        self.await_settled(requests)
        self.assertTold(requests)
        self.assertEqual([s for s in self.sent(simulator, requests) if s.state != "accepted" or s.taken != 1], [])
        self.assertGreater(int(self.stack.database.value(count + "answer IS NOT NULL")), 0)
        for worker in [sender, *heirs]:
            worker.stop()

    def woken_too_late(self, failpoint):
        """One message, whose worker freezes at an edge and wakes up when another one has taken over."""
        simulator = self.providers()
        requests = Requests(self.stack, 1, ["sms"])
        requests.publish(self.stack)
        zombie = self.notify(simulator, wait=False, failpoint=f"{failpoint}:1:stop")
        self.freezes(zombie)
        heir = self.notify(simulator)
        self.await_settled(requests)
        woken = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")[:-len("+00:00")]
        zombie.resume()
        # A line of before may be written only now: see LineWriter.
        eventually(lambda: any(line["ts"] > woken for line in zombie.lines()), 30, "the zombie waking up")
        zombie.stop()
        heir.stop()
        return self.sent(simulator, requests)[0]

    def test_a_worker_that_slept_through_its_claim_sends_nothing(self):
        sent = self.woken_too_late("notify.ready")
        self.assertEqual((sent.state, sent.taken), ("accepted", 1), sent)

    def test_a_worker_that_slept_before_it_sent_sends_nothing(self):
        sent = self.woken_too_late("notify.dispatched")
        self.assertEqual((sent.state, sent.taken), ("in_doubt", 0), sent)


if __name__ == "__main__":
    unittest.main(verbosity=2)
