"""People erased: one with many messages, then many at once beside live chat, whose latency is compared with that alone."""
import hashlib
import hmac
import os
import statistics
import subprocess
import time
import uuid

from rows.database import outcomes
from rows.measure import Failed, Result
from rows.stage import ROOT, new_group

import harness

SHOP = "shop.example"
SECRET = "0123456789abcdef0123456789abcdef"
MESSAGES_EACH = 10
RATE = 20          # chat turns a second of people who are not erased
LATENCY = 100      # ms of a model turn
ALONE = 30         # seconds of live traffic alone, before and again after the erasures
PATIENCE = 1_200
TABLES = ["conversations", "messages", "profiles", "message_delivery_log", "gdpr_requests", "gdpr_audit_log", "pipeline.erasures",
          "pipeline.inbox", "pipeline.outbox", "pipeline.llm_responses"]


def session_key(session):
    return hmac.digest(SECRET.encode(), f"{SHOP}\nsession:{session}".encode(), hashlib.sha256)[:16].hex()


def add_people(database, prefix, people, messages):
    """Visitors, each with a conversation of so many messages and a profile with as many in its log. Returns their sessions."""
    sessions = [f"{prefix}-{number}" for number in range(people)]
    values = ",".join(f"('{harness.conversation_id_of(SHOP, session)}'::uuid, '{session}', {number})"
                      for number, session in enumerate(sessions))
    database.execute(f"CREATE TEMP TABLE added (id, session, number) AS VALUES {values}")
    database.execute(f"INSERT INTO conversations (id, domain, session_id) SELECT id, '{SHOP}', session FROM added")
    database.execute("INSERT INTO messages (conversation_id, seq, role, content, source_event_id) SELECT id, n, 'user',"
                     f" repeat('When does it arrive? ', 5), gen_random_uuid() FROM added, generate_series(1, {messages}) AS n")
    database.execute("DROP TABLE added")
    return sessions


def ask(kafka, sessions):
    """Asks for the erasure of each. Returns the requests."""
    requests = {str(uuid.uuid4()): session for session in sessions}
    kafka.publish_all("gdpr.requests", [(session_key(session), harness.structured_event("omnibus.gdpr.deletion.requested.v1", {
        "request_id": request, "domain": SHOP, "subject_key": session_key(session),
        "identities": [harness.conversation_id_of(SHOP, session).replace("-", "")], "reason": "subject_request", "dry_run": False}))
        for request, session in requests.items()])
    return list(requests)


def await_erased(database, worker, requests):
    """Waits until all are completed. Returns the seconds from the first one's arrival."""
    among = f"id IN ({','.join(repr(request) for request in requests)})"
    deadline = time.monotonic() + PATIENCE
    while int(database.value(f"SELECT count(*) FROM gdpr_requests WHERE {among} AND status = 'completed'")) < len(requests):
        if not worker.alive() or time.monotonic() > deadline:
            raise Failed(f"not all of {len(requests)} people were erased; the log ends with {worker.text()[-1000:]}")
        time.sleep(0.1)
    return float(database.value(f"SELECT extract(epoch FROM max(completed_at) - min(created_at)) FROM gdpr_requests WHERE {among}"))


class LiveChat:
    """Chat messages of others at a steady rate until it is ended."""

    def __init__(self, stage, broker, seed):
        self.stage, self.broker, self.seed = stage, broker, seed
        self.process = subprocess.Popen([str(part) for part in (
            ROOT / "tests/bench/fill", "--kafka", stage.broker(broker), "--topic", "chat.messages", "--events", "messages", "--keys",
            "distinct", "--records", RATE * PATIENCE, "--rate", RATE, "--seed", seed)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)

    def end(self):
        """Returns the 99th percentile in ms, from a message's record to its reply's, and how many turns there were."""
        self.process.terminate()
        self.process.wait()
        kafka = self.stage.kafka(self.broker)
        asked = {record.headers["ce_id"]: record.time for record in kafka.consume("chat.messages")
                 if record.headers["ce_id"].startswith(f"{self.seed}-")}

        def answered():
            replies = {record.json["in_reply_to"]: record.time for record in kafka.consume("chat.replies")}
            return replies if set(asked) <= set(replies) else None
        replies = harness.eventually(answered, 60, "a reply to each message")
        return statistics.quantiles([(replies[each] - asked[each]) * 1000 for each in asked], n=100)[-1], len(asked)


def erasure(stage, broker, keys, progress):
    """A person with 10,000 messages, and 1,000 people at once (with --quick 1,000 and 20; --records N: people, the one has ten
    times as many messages)."""
    options = stage.options
    people = options.records or (20 if options.quick else 1_000)
    messages, alone_seconds = people * 10 if options.records or not options.quick else 1_000, 5 if options.quick else ALONE
    database = stage.database()
    if broker == "apache":
        stage.omnibus("topics", "apply", "--brokers", stage.broker(broker))
    kafka = stage.kafka(broker)
    database.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    common = {"KAFKA_BROKERS": stage.broker(broker), "METRICS_LISTEN": "127.0.0.1:0"}
    backlog = len(kafka.consume("chat.messages"))  # of other rows
    chat = stage.start("chat", [harness.binary("omnibus-chat")], {
        **common, "DATABASE_URL": stage.database_url("chat"), "KAFKA_GROUP": new_group(), "LLM_BASE_URL": stage.simulator(LATENCY),
        "LLM_API_KEY": "any"}, harness.Worker).await_ready()
    harness.eventually(lambda: sum(outcomes(chat).values()) >= backlog, 300, "the end of the backlog")
    gdpr = stage.start("gdpr", [harness.binary("omnibus-gdpr")], {
        **common, "DATABASE_URL": stage.database_url("gdpr"), "PROFILE_KEY_SECRET": SECRET}, harness.Worker).await_ready()
    one, many, alone, beside = [], [], [], []
    turns = 0
    for repeat in range(options.repeats):
        progress(f"one with {messages:,} messages, {repeat + 1} of {options.repeats}")
        sessions = add_people(database, f"one-{uuid.uuid4().hex}", 1, messages)
        one.append(await_erased(database, gdpr, ask(kafka, sessions)))
        sessions = add_people(database, f"many-{uuid.uuid4().hex}", people, MESSAGES_EACH)
        database.execute("VACUUM ANALYZE; CHECKPOINT")
        progress("live traffic alone")
        traffic = LiveChat(stage, broker, 10 * repeat + 1)
        time.sleep(alone_seconds)
        alone.append(traffic.end()[0])
        progress(f"{people:,} people at once")
        traffic = LiveChat(stage, broker, 10 * repeat + 2)
        time.sleep(1)
        try:
            many.append(await_erased(database, gdpr, ask(kafka, sessions)))
        finally:
            p99, turns = traffic.end()
        beside.append(p99)
    left = int(database.value("SELECT count(*) FROM conversations WHERE session_id ~ '^(one|many)-'"))
    if left:
        raise Failed(f"{left} conversations of erased people are left")
    for worker in (gdpr, chat):
        stage.stop(worker)
    yield Result(f"erasure of a person with {messages:,} messages", broker, keys, "s", [], one, "≤ 30", 30, smaller=True)
    yield Result(f"erasure of {people:,} people at once", broker, keys, "minutes", [], [each / 60 for each in many], "≤ 10", 10,
                 smaller=True)
    yield Result(f"chat beside the erasure of {people:,} people", broker, keys, "p99 ms of a turn", alone, beside, "≤ 1.1 × alone",
                 1 / 1.1, smaller=True, note=f"{RATE} turns/s, a model of {LATENCY} ms, {turns:,} turns; limit: no erasure")
