"""The model's endpoint is down, slow or lies: no false answer, no storm of retries, no other conversation harmed."""
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import Feeder, LONG, Load, Message, MESSAGES, eventually  # noqa: E402
from scenarios import Scenarios  # noqa: E402

PATIENT = {"MAX_ATTEMPTS": 1000, "LLM_MAX_ATTEMPTS": 1000, "LLM_GIVE_UP_AFTER": "1h"}


class ModelTest(Scenarios):
    def delays(self, load):
        """Seconds from the question's record to its stored answer, ascending."""
        rows = self.stack.database.execute(
            "SELECT extract(epoch FROM a.created_at - q.created_at) FROM messages a JOIN messages q ON q.id = a.in_reply_to"
            f" JOIN conversations c ON c.id = a.conversation_id WHERE c.session_id LIKE '{load.name}-%' ORDER BY 1")
        return [float(delay) for delay, in rows]

    def test_a_model_that_lies_to_some_is_asked_again_and_the_others_notice_nothing(self):
        simulator = self.simulator(latency=50)
        self.worker(simulator, MAX_IN_FLIGHT=32, LLM_DEADLINE="2s", LLM_MAX_RESPONSE=65536, RETRY_BASE_DELAY="100ms",
                    RETRY_LONGEST_DELAY="1s", **PATIENT)
        lies = ["truncated", "endless", "wrong_type", "stream_error", "reset", "error", "rate_limit", "latency"]
        faultless, load = (Load(conversations=24, each=len(lies)) for _ in range(2))
        # What cannot be read is asked for once more, and then no more; everything else is asked for until it is answered.
        times = {lie: 1 if lie in ("truncated", "endless", "wrong_type") else 3 for lie in lies}
        lied = [Message(f"{load.name}x{lie}", f"{load.name} {lie}: what is it?") for lie in lies]
        simulator.set_faults(*({"kind": lie, "match": f"{load.name} {lie}:", "times": times[lie], "ms": 4000} for lie in lies))
        # One lie after the other: the breaker is the endpoint's, and opens for all when five answers in a row are lies.
        for one, extra in (faultless, [None] * len(lies)), (load, lied):
            for turn, message in enumerate(extra):
                records = one.records[24 * turn:24 * (turn + 1)]
                if message:
                    records.insert(len(records) // 2, (message.conversation, message.event))
                self.stack.kafka.publish_all(MESSAGES, records)
                if message:
                    self.await_answers(message.session, 1)
                self.await_answers(one.name, 24 * (turn + 1))
            self.settle(one)
        for message in lied:
            with self.subTest(message.text):
                self.assertTranscript([message], self.transcript(message.session))
                self.assertEqual(self.transcript(message.session)[1][2], self.answer_of(simulator, message.text))
        self.assertClean(load, simulator)
        # The slow answer that nobody waited for is counted when it comes.
        eventually(lambda: {lie: simulator.stats()["outcomes"].get(lie) for lie in lies} == times, what="all lies of each kind")
        before, during = ([delays[int(len(delays) * 0.99)] for delays in [self.delays(each)]][0] for each in (faultless, load))
        self.note(f"p99 of the other conversations {during:.2f} s, without faults {before:.2f} s")
        self.assertLess(during, 1.5 * before + 1)  # one that waited for a lie waited for its deadline: 2 s

    def asked_per_second(self, simulator, seconds):
        before, begun = simulator.stats()["requests"], time.monotonic()
        time.sleep(seconds)
        return (simulator.stats()["requests"] - before) / (time.monotonic() - begun)

    def test_an_endpoint_in_an_outage_gets_no_storm_of_retries(self):
        window = 30 if LONG else 4
        simulator = self.simulator(latency=20)
        settings = {"MAX_IN_FLIGHT": 32, "LLM_DEADLINE": "1s", "RETRY_BASE_DELAY": "100ms", **PATIENT}
        load = Load(conversations=200, each=100 if LONG else 20)
        feeder = Feeder(self.stack.kafka, load, piece=8, interval=0.5)
        worker = self.worker(simulator, **settings)
        eventually(lambda: self.stored(load.name) > 40, 30, "load")
        normal = self.asked_per_second(simulator, window)
        rates = {}
        outages = {"all of it fails": {"kind": "error", "status": 503}, "it hangs": {"kind": "latency", "ms": 60000}}
        if LONG:
            outages["half of it fails"] = {"kind": "error", "status": 503, "probability": 0.5}
        for name, fault in outages.items():
            worker.stop(60)  # the next has a breaker that is closed
            simulator.clear_faults()
            worker = self.worker(simulator, **settings)
            eventually(lambda: feeder.published - self.stored(load.name) < 60, 90, "the backlog being worked off")
            simulator.set_faults(fault)
            rates[name] = self.asked_per_second(simulator, window)
        feeder.close()
        self.note(f"asked {normal:.0f}/s; " + ", ".join(f"when {name} {rate:.0f}/s" for name, rate in rates.items()))
        for name, rate in rates.items():
            self.assertLess(rate, 1.2 * normal, name)
        worker.stop(60)
        simulator.clear_faults()
        self.worker(simulator, **settings)
        self.settle(load, timeout=120)
        self.assertClean(load)


if __name__ == "__main__":
    unittest.main(verbosity=2)
