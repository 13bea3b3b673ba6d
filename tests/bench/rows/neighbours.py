"""A tenant that sends little beside one that floods the chat worker."""
import json
import re
import statistics
import subprocess
import time
import uuid

from rows.database import PATIENCE, outcomes
from rows.measure import Failed, Result, alternate, values
from rows.stage import new_group

import harness

LATENCIES = 100, 1000  # of the model, in ms: one that keeps the machine busy with the flood, and one as models are
FLOOD, NEIGHBOUR = "flood.example", "neighbour.example"
SMALL = "My card was declined twice while I was abroad, and nobody at the desk knew why. "
LARGEST = 16_000  # characters of a message
TABLES = "conversations, messages, pipeline.llm_responses, pipeline.inbox, pipeline.outbox"
TYPE = "omnibus.chat.message.received.v1"
ANSWER = "omnibus.chat.reply.generated.v1"


def message(domain, session, text, id=None):
    event = harness.structured_event(TYPE, {"domain": domain, "session_id": session, "text": text}, id=id)
    return f"{session}\t{json.dumps(event, ensure_ascii=False)}\n".encode()


class Answers:
    """The answers that are published from now on, written to a file as they come, so that reading them costs little."""

    def __init__(self, brokers, path):
        self.path = path
        with open(path, "wb") as file:
            self.process = subprocess.Popen(["kcat", "-C", "-q", "-u", "-b", brokers, "-t", "chat.replies", "-o", "end",
                                             "-f", "%T %h %s\n"], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL)

    def times(self, messages):
        """When each of these messages was answered, in ms since 1970, by its id."""
        with open(self.path, encoding="utf-8") as file:
            answers = [line for line in file if ANSWER in line and line.endswith("}\n")]
        found = {re.search('"in_reply_to":"([^"]+)"', line)[1]: int(line.split(" ", 1)[0]) for line in answers}
        return {id: found[id] for id in messages if id in found}

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.path.unlink()


class Writer:
    """A producer that stays connected, so that its start is in no figure. Compressed, for the embedded broker keeps 5 MiB
    of a partition."""

    def __init__(self, brokers, linger_ms, input=subprocess.PIPE, niceness=0):
        command = ["nice", "-n", str(niceness), "kcat", "-P", "-b", brokers, "-t", "chat.messages", "-K", "\t", "-z", "lz4",
                   "-X", "topic.partitioner=murmur2_random", "-X", f"linger.ms={linger_ms}",
                   "-H", "content-type=application/cloudevents+json"]
        self.process = subprocess.Popen(command, stdin=input, stderr=subprocess.DEVNULL, bufsize=0)

    def write(self, line):
        """All of it: the pipe has no buffer and may take a part only."""
        left = memoryview(line)
        while left:
            left = left[self.process.stdin.write(left):]

    def write_now(self, line):
        """Not only with the next ones: kcat reads its input by the KiB, and leaves out empty lines."""
        self.write(line + b"\n" * 2048)

    def close(self):
        if self.process.stdin:
            self.process.stdin.close()
        if self.process.wait(PATIENCE) != 0:
            raise Failed("kcat did not write all of its records")


class Flood:
    """Sessions with a message each, and one session of messages as long as may be, mixed: made before anything is measured, and
    written by a program that gives way to others, as if it ran on another machine. The embedded broker hands out a batch of
    each partition at a time, so that the batches are those of a client that has much to write."""

    def __init__(self, path, small, large):
        self.path, self.writer = path, None
        every = max(1, small // max(1, large))
        with open(path, "wb") as file:
            for number in range(small):
                file.write(message(FLOOD, str(uuid.uuid4()), SMALL))
                if number % every == 0 and number // every < large:
                    file.write(message(FLOOD, "one long session", "\U0001F4B3" * LARGEST))

    def start(self, brokers):
        with open(self.path, "rb") as file:
            self.writer = Writer(brokers, 5, input=file, niceness=19)

    def end(self):
        self.writer.close()
        self.path.unlink()


def run(stage, broker, latency, seconds, small, large):
    """The neighbour's times in ms from a message to its answer, one message a second, while the worker has the flood."""
    database = stage.database()
    database.execute(f"TRUNCATE {TABLES} CASCADE")
    brokers = stage.broker(broker)
    environment = {"KAFKA_BROKERS": brokers, "DATABASE_URL": stage.database_url("chat"), "KAFKA_GROUP": new_group(),
                   "METRICS_LISTEN": "127.0.0.1:0", "LLM_BASE_URL": stage.simulator(latency), "LLM_API_KEY": "any",
                   "KAFKA_OPTIONS": "auto.offset.reset=latest"}
    worker = stage.start("chat", [harness.binary("omnibus-chat")], environment, harness.Worker)
    answers = Answers(brokers, stage.folder / "answers")
    flood = Flood(stage.folder / "flood", small, large) if small else None
    writer = Writer(brokers, 0)
    sent = {}

    def send():
        id = str(uuid.uuid4())
        sent[id] = time.time()
        writer.write_now(message(NEIGHBOUR, id, SMALL, id))

    def warm():
        send()
        return answers.times(sent)

    def all_answered():
        sessions = ", ".join(f"'{id}'" for id in sent)
        return len(sent) == int(database.value("SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id"
                                               f" WHERE m.role = 'assistant' AND c.domain = '{NEIGHBOUR}'"
                                               f" AND c.session_id IN ({sessions})"))

    harness.eventually(warm, PATIENCE, "the chat worker's first answer")
    sent.clear()
    if flood:
        flood.start(brokers)
        harness.eventually(lambda: outcomes(worker).get("handled", 0) > 100, PATIENCE, "the flood's first answers")
    begun = time.monotonic()
    for number in range(seconds):
        time.sleep(max(0, begun + number - time.monotonic()))
        send()
    if flood:
        flood.end()
    harness.eventually(all_answered, PATIENCE, "all of the neighbour's answers")
    harness.eventually(lambda: len(answers.times(sent)) == len(sent), PATIENCE, "all of them on chat.replies")
    left = small + large + seconds - outcomes(worker).get("handled", 0)
    times = [at - 1000 * sent[id] for id, at in answers.times(sent).items()]
    writer.close()
    answers.close()
    stage.stop(worker, PATIENCE)
    if flood and left < small / 10:
        raise Failed(f"the flood was over too soon: only {left} of {small + large} messages were left")
    return {"p99": statistics.quantiles(times, n=100, method="inclusive")[98], "p50": statistics.median(times), "left": left}


def neighbours(stage, broker, keys, progress):
    """One tenant posts 100,000 messages and in one session 2,000 of 64 KB, another one message a second."""
    quick = stage.options.quick
    seconds, small, large = (5, 20_000, 200) if quick else (60, stage.options.records or 100_000, 2_000)
    stage.database()
    for domain in (FLOOD, NEIGHBOUR):
        if not int(stage.database().value(f"SELECT count(*) FROM tenants WHERE domain = '{domain}'")):
            stage.omnibus("tenant", "add", domain)
    if broker == "apache":
        stage.omnibus("topics", "apply", "--brokers", stage.broker(broker))
    for latency in LATENCIES[:1] if quick else LATENCIES:
        figures = alternate(stage.options.repeats, {
            "alone": lambda: run(stage, broker, latency, seconds, 0, 0),
            "beside": lambda: run(stage, broker, latency, seconds, small, large)}, progress)
        row = f"a message a second beside a flood of {small:,} and {large:,} of 64 KB, model of {latency} ms"
        for quantile, target, reach in (("p50", "", None), ("p99", "≤ 1.2 × alone", 1 / 1.2)):
            yield Result(row, broker, keys, f"ms, {quantile} from message to answer", values(figures["alone"], quantile),
                         values(figures["beside"], quantile), target, reach, smaller=True, note="limit: without the flood")
