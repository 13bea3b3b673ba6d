"""Faults with what comes of them, for the test that wants it clean and for the one that turns a guard off and wants it
not."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fault_case import DEAD, FaultCase, LONG, Load, Message, MESSAGES, eventually  # noqa: E402
from harness import as_bytes, binary  # noqa: E402
from proxy import Proxy  # noqa: E402

EVENTS = uuid.UUID("6f6d6e69-6275-5000-8000-6576656e7400")  # the namespace of the keys in inboxes


class Scenarios(FaultCase):
    def answer_of(self, simulator, text):
        """What this model says to it."""
        answer = simulator.client.post("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": text}]})
        return answer.json["choices"][0]["message"]["content"]

    def woken_too_late(self, failpoint, mutate=""):
        """A worker is frozen at this failpoint until another has its partition and works on the same event; the two ask
        models that answer differently. Returns the load, and who wrote: "owner", or "zombie" if it wrote anything."""
        load = Load(conversations=1, each=2)
        first, second = load.messages
        models = [self.simulator(seed=1)]
        answers = [self.answer_of(models[0], first.text)]
        for seed in range(2, 20):  # the first that says something else; two may say the same
            model = self.simulator(seed=seed)
            if (answer := self.answer_of(model, first.text)) != answers[0]:
                models, answers = [*models, model], [*answers, answer]
                break
        zombie = self.worker(models[0], wait=False, failpoint=f"{failpoint}:1:stop", mutate=mutate)
        self.publish(first)
        self.freezes(zombie)
        models[1].set_faults({"kind": "latency", "ms": 3000, "match": first.text})
        owner = self.worker(models[1], wait=False, mutate=mutate)
        owner.logged("partitions assigned", 30)
        eventually(lambda: models[1].asked(first.text) > 1 or self.stored(first.session), 40, "the owner working on the event")
        zombie.resume()
        self.await_answers(first.session, 1)
        self.publish(second)
        self.settle(load, quiet=15)
        self.assertTrue(owner.alive() and zombie.alive())
        # The answer is written down with the turn, or before it: whose is either?
        written = self.stack.database.execute("SELECT response::jsonb ->> 'text' FROM pipeline.llm_responses")
        stored = self.transcript(first.session)[1][2]
        return load, "zombie" if [answers[0]] in written or stored != answers[1] else "owner"

    def killed_behind_a_stuck_key(self, mutate=""):
        """A worker dies while one event takes long and everything behind it is done and committed."""
        simulator = self.simulator()
        load = Load(conversations=100, each=1)
        load.messages.insert(0, stuck := Message(f"{load.name}-stuck", "Will this take long?"))
        simulator.set_faults({"kind": "latency", "ms": 900000, "match": stuck.text})
        worker = self.worker(simulator, MAX_IN_FLIGHT=64, COMMIT_INTERVAL="50ms", LLM_DEADLINE="15m", LLM_GIVE_UP_AFTER="1h",
                             mutate=mutate)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        self.await_answers(load.name, len(load) - 1)
        records = self.stack.kafka.consume(MESSAGES)
        first = next(record for record in records if as_bytes(record.key) == stuck.conversation.encode())
        behind = sum(record.partition == first.partition and record.offset >= first.offset for record in records)
        self.assertGreater(behind, 1, "others wait behind it in its partition")
        done = len(records) - (0 if mutate == "frontier" else behind)
        eventually(lambda: self.committed() == done, 30, "the commit of all that may be committed")
        self.assertEqual(self.stored(stuck.session), 0, "it is stuck")
        worker.kill()
        simulator.clear_faults()
        self.worker(simulator, mutate=mutate)
        self.settle(load, quiet=10)
        return load

    def killed_before_it_publishes(self, mutate=""):
        """A worker dies right after the commit of its answer; another takes over."""
        simulator = self.simulator()
        load = Load(conversations=1, each=1)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        self.dies(self.worker(simulator, wait=False, failpoint="publish", mutate=mutate))
        self.worker(simulator, mutate=mutate)
        self.settle(load, quiet=10)
        return load

    def in_doubt(self, mutate="", quiet=None):
        """A load whose commits lose now their request, now their answer, with the connection. Returns it, the worker, and
        how many were lost."""
        network = Proxy(self.stack.database_url("chat"))
        self.addCleanup(network.close)
        worker = self.worker(self.simulator(latency=20), MAX_ATTEMPTS=2, DATABASE_URL=network.url, mutate=mutate)
        load = Load(conversations=20, each=4)
        network.lose(*["request", "answer"] * (40 if LONG and not mutate else 6))
        planned = len(network.plan)
        self.stack.kafka.publish_all(MESSAGES, load.records)
        self.settle(load, quiet=quiet)
        self.assertEqual(network.lost, planned)
        return load, worker, planned

    def with_duplicates(self, mutate="", quiet=None):
        """Three in ten events come twice and deliveries are shuffled across keys. Returns the load, the model, and how
        many events came again."""
        simulator = self.simulator(latency=30, latency_jitter=50)
        for _ in range(2):
            self.worker(simulator, mutate=mutate)
        load = Load(conversations=30, each=8)
        left = {session: [message for message in load.messages if message.session == session] for session in load.sessions}
        published, again = [], 0
        while left:  # the order within a session stays
            session = self.random.choice(list(left))
            message = left[session].pop(0)
            published.append((message.conversation, message.event))
            if self.random.random() < 0.3:
                earlier = [event for key, event in published if key == message.conversation]
                published.append((message.conversation, self.random.choice(earlier)))
                again += 1
            if not left[session]:
                del left[session]
        # Another producer may use another key: then both are worked on at once. Of sessions of one message, whose order
        # that cannot change.
        for number in range(40):
            load.messages.append(one := Message(f"{load.name}-one-{number}", f"{load.name} asks once: number {number}?"))
            published += [(one.conversation, one.event), (f"another key {one.id}", one.event)]
            again += 1
        self.stack.kafka.publish_all(MESSAGES, published)
        self.settle(load, quiet=quiet)
        eventually(lambda: self.committed() == len(self.stack.kafka.consume(MESSAGES)), 60, "every delivery being through")
        return load, simulator, again

    def redriven_by_two(self, mutate=""):
        """Letters redriven by two operators who both have seen all of them open. Returns the load, how many letters each
        operator says it sent, and how often each event of the load is on its topic: the inbox, and the key that a message
        has by its event, would hide from everyone else what is sent twice."""
        domain = f"{uuid.uuid4().hex[:8]}.example"  # no tenant yet
        begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())  # other tests leave letters of this class
        load = Load(conversations=12, each=4, domain=domain)
        self.worker(self.simulator())
        self.stack.kafka.publish_all(MESSAGES, load.records)
        keys = {message.conversation for message in load.messages}
        eventually(lambda: sum(record.key in keys for record in self.stack.kafka.consume(DEAD)) == len(load), 60, "all letters")
        self.stack.add_tenant(domain)

        environment = {**os.environ, "KAFKA_BROKERS": self.stack.kafka.brokers, "OMNIBUS_MUTATE": mutate,
                       "DATABASE_URL": self.stack.database_url("operator")}
        redrive = [binary("omnibus"), "dlq", "redrive", "--topic", MESSAGES, "--class", "unknown_tenant", "--since", begun,
                   "--yes", "--json"]
        with self.stack.database.held("LOCK TABLE pipeline.dead_letter_actions IN EXCLUSIVE MODE"):
            operators = [subprocess.Popen(redrive, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          stdin=subprocess.DEVNULL, env=environment) for _ in range(2)]
            for operator in operators:
                self.addCleanup(operator.kill)
            # One is about to take its first letter, the other waits for its turn: both have read what is open.
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'omnibus_operator' AND wait_event_type = 'Lock'"
            eventually(lambda: self.stack.database.value(waiting) == "2", 60, "both operators at work")
        outputs = [operator.communicate(timeout=120) for operator in operators]
        self.assertEqual([operator.returncode for operator in operators], [0, 0], outputs)
        self.settle(load)
        ids = {message.id for message in load.messages}
        copies = collections.Counter(record.json["id"] for record in self.stack.kafka.consume(MESSAGES) if record.key in keys)
        self.assertEqual(copies.keys(), ids)
        return load, [json.loads(output)["acted"] for output, _ in outputs], set(copies.values())

    def worked_off_after_an_erasure(self, mutate=""):
        """Two visitors' messages wait in the log, and one of the visitors is erased before a worker comes. Returns how often
        a model was asked for the erased one, and how many answers were stored for that one."""
        simulator = self.simulator()
        load = Load(conversations=2, each=1)
        gone, other = load.messages
        self.publish(gone, other)
        self.stack.database.execute(
            "INSERT INTO pipeline.erasures (subject_key, domain, request_id, positions) "
            f"SELECT '{gone.conversation.replace('-', '')}', '{gone.domain}', gen_random_uuid(), "
            f"jsonb_build_object('{MESSAGES}', jsonb_object_agg(p, 1000000)) FROM generate_series(0, 11) AS p")
        self.worker(simulator, mutate=mutate)
        self.await_answers(other.session, 1)
        row = f"pipeline.inbox WHERE consumer = 'chat' AND event_id = '{uuid.uuid5(EVENTS, '/tests' + chr(0) + gone.id)}'"
        eventually(lambda: int(self.stack.database.value(f"SELECT count(*) FROM {row}")) == 1, 30, "the inbox row")
        return simulator.asked(gone.text), self.stored(gone.session)
