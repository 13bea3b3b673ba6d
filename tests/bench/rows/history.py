"""What long conversations cost the chat worker in memory."""
import json
import time

from rows.agents import peak_mb
from rows.database import PATIENCE, outcomes
from rows.measure import Failed, Result, alternate, values
from rows.neighbours import LARGEST, Writer, message
from rows.stage import new_group

import harness

DOMAIN = "shop.example"
LONGEST = "\U0001F4B3" * LARGEST  # what a visitor may write at most: 64 KB
MESSAGES = 200
TABLES = "conversations, messages, pipeline.llm_responses, pipeline.inbox, pipeline.outbox"
# The text is compressed once and copied as it is: 3 GB of words take some megabytes.
HISTORY = """
  CREATE TEMP TABLE longest AS SELECT '{text}' AS content;
  INSERT INTO conversations (domain, session_id) SELECT '{domain}', 'long ' || n FROM generate_series(1, {sessions}) AS n;
  INSERT INTO messages (conversation_id, seq, role, content)
  SELECT c.id, n, CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, l.content
  FROM conversations c, longest l, generate_series(1, {messages}) AS n;
  DROP TABLE longest; ANALYZE conversations, messages; CHECKPOINT"""


def reads_all(worker, writer):
    """Whether the worker has found the end of each partition: it parks what is no message, and asks no model about it."""
    def parked():
        return outcomes(worker).get("dead_lettered", 0)
    some, before, until = 60, parked(), time.monotonic() + 2
    for number in range(some):
        # Of the same tenant: while there is another, one has not all places in flight.
        event = harness.structured_event("omnibus.chat.message.received.v1", {"domain": DOMAIN, "number": number})
        writer.write_now(f"{number}\t{json.dumps(event)}\n".encode())
    while parked() < before + some and time.monotonic() < until:
        time.sleep(0.05)
    return parked() >= before + some


def run(stage, broker, sessions, latency):
    """The most memory of a worker that has a turn of every session at the model at the same time."""
    database = stage.database()
    database.execute(f"TRUNCATE {TABLES} CASCADE; {HISTORY.format(domain=DOMAIN, sessions=sessions, messages=MESSAGES, text=LONGEST)}")
    group = new_group()
    worker = stage.start("chat", [harness.binary("omnibus-chat")], {
        "KAFKA_BROKERS": stage.broker(broker), "DATABASE_URL": stage.database_url("chat"), "KAFKA_GROUP": group,
        "METRICS_LISTEN": "127.0.0.1:0", "LLM_BASE_URL": stage.simulator(latency), "LLM_API_KEY": "any",
        "KAFKA_OPTIONS": "auto.offset.reset=latest", "MAX_IN_FLIGHT": str(sessions)}, harness.Worker)
    writer = Writer(stage.broker(broker), 0)
    harness.eventually(lambda: reads_all(worker, writer), PATIENCE, "the chat worker reading every partition")
    began_mb, most = peak_mb(worker.pid), 0
    for number in range(1, sessions + 1):
        writer.write(message(DOMAIN, f"long {number}", LONGEST))
    writer.close()
    until = time.monotonic() + PATIENCE + latency / 1000
    while outcomes(worker).get("handled", 0) < sessions:
        most = max(most, int(worker.metric("omnibus_events_in_flight") or 0))
        if time.monotonic() > until:
            raise Failed(f"chat ended {outcomes(worker)} of {sessions} turns; its log ends with {worker.text()[-500:]}")
        time.sleep(0.05)
    figures = {"rss_mb": peak_mb(worker.pid), "began_mb": began_mb}
    stage.stop(worker)
    if most < sessions:
        raise Failed(f"only {most} of {sessions} turns were at the model at once")
    answered = int(database.value("SELECT count(*) FROM messages WHERE role = 'assistant' AND seq > 200"))
    if answered != sessions:
        raise Failed(f"{answered} answers of {sessions} turns are stored")
    return figures


def history(stage, broker, _, progress):
    """Most memory with 256 turns at the model, each of a session with 200 messages of 64 KB, and about one of 64 KB."""
    sessions, latency = (32, 3_000) if stage.options.quick else (256, 20_000)
    if broker == "apache":
        stage.omnibus("topics", "apply", "--brokers", stage.broker(broker))
    figures = alternate(stage.options.repeats, {"ours": lambda: run(stage, broker, sessions, latency)}, progress)["ours"]
    target, reach = ("", None) if stage.options.quick else ("≤ 400 MB", 400)
    yield Result(f"{sessions} turns at once of sessions with {MESSAGES} messages of 64 KB", broker, "distinct", "MB, most", [],
                 values(figures, "rss_mb"), target, reach, smaller=True,
                 note=f"before the first message {values(figures, 'began_mb')[0]:.0f} MB")
