"""What ends in PostgreSQL: model calls and chat turns, by the real workers beside the same tables written by less."""
import json
import os
import re
import time

from rows.least_sql import CONNECTIONS, TOGETHER, LeastSql, bytea
from rows.measure import Failed, Result, alternate, values
from rows.stage import new_group

import harness

POLL = 0.025
PATIENCE = 60
SAMPLES = 10      # of locks, between two looks at the workers' metrics
LEAST_SHARE, LEAST_SAMPLES = 0.2, 100  # of the calls by each of two workers, and of looks into a transaction: fewer show nothing
TURNS_EACH = 5    # of a conversation
LEAST_TURNS = CONNECTIONS * TURNS_EACH * TOGETHER  # a full statement for each connection and turn of its conversations
TENANTS = 20      # that calls are of
CALL_TABLES = ["chat_telemetry", "pipeline.telemetry_calls"]
ROLLUPS = ["chat_telemetry_rollups", "chat_telemetry_domain_rollups", "chat_telemetry_model_rollups"]
TURN_TABLES = ["conversations", "messages", "pipeline.llm_responses", "pipeline.inbox", "pipeline.outbox"]
# As long as the worker's are on average.
HEADERS, CALL, REPLY = 422, 434, 256
ANSWER = "You can freeze the card in the app at once and unfreeze it when you need it. " \
         "It usually arrives within three working days. Just write back here if that does not solve it."


def outcomes(worker):
    """How many events a worker has ended, by outcome."""
    try:
        text = harness.Http(worker.metrics_address).get("/metrics").text
    except OSError as error:
        raise Failed(f"{worker.name} is gone ({error}); its log ends with {worker.text()[-500:]}") from None
    found = re.findall(r'^omnibus_events_total\{outcome="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {outcome: int(float(count)) for outcome, count in found if float(count) > 0}


def handle_all(stage, name, broker, events, **settings):
    """A worker in a group of its own, from the beginning of its topic to the last of its events: its rate, and the CPU that it
    and PostgreSQL took from the worker's start, as a limit's is the whole process's."""
    environment = {"KAFKA_BROKERS": stage.broker(broker), "DATABASE_URL": stage.database_url(name), "KAFKA_GROUP": new_group(),
                   "METRICS_LISTEN": "127.0.0.1:0", **settings}
    postgres = stage.postgres_cpu()
    worker = stage.start(name, [harness.binary(f"omnibus-{name}")], environment, harness.Worker)
    begun = last = time.monotonic()
    handled = 0
    while handled < events:
        asked = time.monotonic()
        counted = outcomes(worker)
        if counted.get("handled", 0) > handled:
            handled, last = counted["handled"], asked
        elif handled == 0:  # the last look that saw none
            begun = asked
        if asked - last > PATIENCE or set(counted) - {"handled"}:
            raise Failed(f"{name} handled {handled} of {events} events: {counted}; its log ends with {worker.text()[-500:]}")
        time.sleep(POLL)
    figures = {"per_s": events / (last - begun), "cpu_s": stage.cpu(worker.pid), "events": events}
    stage.stop(worker)  # which publishes and removes what is in the outbox
    return {**figures, "postgres_s": stage.postgres_cpu() - postgres}


def lock_waits(stage, broker, calls):
    """Two telemetry workers of one group from the beginning of the topic to its end: how many samples saw a session of theirs in
    a transaction while both were at work, how many of these waited for a lock, and the smaller share of the calls."""
    environment = {"KAFKA_BROKERS": stage.broker(broker), "DATABASE_URL": stage.database_url("telemetry"),
                   "KAFKA_GROUP": new_group(), "METRICS_LISTEN": "127.0.0.1:0"}
    workers = [stage.start(name, [harness.binary("omnibus-telemetry")], environment, harness.Worker) for name in ("first", "second")]
    inside = waiting = 0
    counted, last = [0, 0], time.monotonic()
    while sum(counted) < calls:
        for _ in range(SAMPLES if all(counted) else 0):
            found = stage.database().execute("SELECT count(*), count(l.pid) FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid"
                                             " AND NOT l.granted WHERE a.usename = 'omnibus_telemetry' AND a.xact_start IS NOT NULL")[0]
            inside, waiting = inside + int(found[0]), waiting + int(found[1])
        before, counted = counted, [outcomes(worker).get("handled", 0) for worker in workers]
        if counted != before:
            last = time.monotonic()
        if time.monotonic() - last > PATIENCE:
            raise Failed(f"two workers handled {sum(counted)} of {calls} calls")
        if not all(counted):
            time.sleep(POLL)
    for worker in workers:
        stage.stop(worker)
    share = min(counted) / calls
    if not stage.options.quick and (share < LEAST_SHARE or inside < LEAST_SAMPLES):
        raise Failed(f"two workers handled {counted[0]:,} and {counted[1]:,} calls, and {inside} samples were in a transaction: take more"
                     " --records")
    return {"waiting": waiting, "inside": inside, "share": share}


def chat(stage, broker, _, progress):
    """Chat turns with the model at 0 ms, everything included, beside pgbench storing the same rows over as many connections."""
    options = stage.options
    turns = options.records or (LEAST_TURNS if options.quick else 12 * LEAST_TURNS)
    turns -= turns % LEAST_TURNS
    stage.worker_topic(broker, "chat.messages", turns, "--events", "messages", "--keys", "uniform", "--key-count",
                       turns // TURNS_EACH)
    least = LeastSql(stage, "chat", "chat_turn.sql", TURN_TABLES, turns, "SELECT count(*) FROM messages WHERE role = 'assistant'")

    def limit():
        return least.run({"turn": -TOGETHER, "conversations": turns // TURNS_EACH // CONNECTIONS, "text": ANSWER,
                          "answer": recorded_answer(), "headers": bytea(HEADERS), "call": bytea(CALL), "reply": bytea(REPLY)})

    def ours():
        least.begin()
        with stage.responder(0) as model:
            figures = handle_all(stage, "chat", broker, turns, LLM_BASE_URL=model.url, LLM_API_KEY="any")
        least.check("ours")
        left = int(stage.database().value("SELECT count(*) FROM pipeline.outbox"))
        if left:
            raise Failed(f"chat left {left} rows in the outbox")
        return figures

    figures = alternate(options.repeats, {"limit": limit, "ours": ours}, progress)
    row, note = "chat turn, model at 0 ms", f"limit: pgbench, {CONNECTIONS} connections, the same rows, {TOGETHER} turns in a statement"
    yield Result(row, broker, "uniform", "turns/s", values(figures["limit"], "per_s"), values(figures["ours"], "per_s"), "≥ 4,500",
                 4_500, absolute=True, note=note)
    yield Result(row, broker, "uniform", "µs CPU of PostgreSQL/turn", values(figures["limit"], "postgres_s", "events"),
                 values(figures["ours"], "postgres_s", "events"), "≤ 250 µs", 250, smaller=True, absolute=True, note=note)
    yield Result(row, broker, "uniform", "µs CPU of the worker/turn", [], values(figures["ours"], "cpu_s", "events"), "≤ 140 µs", 140,
                 smaller=True)


def recorded_answer():
    """What the worker records of an answer, as JSON."""
    call = {"call_id": "4c1fae5a-15e6-4dc7-a1a9-6b1a46cd5b43", "domain": "shop.example", "worker": "chat", "operation": "chat",
            "conversation_id": "4c1fae5a-15e6-5dc7-a1a9-6b1a46cd5b43", "provider": "openai", "request_model": "omnibus-small",
            "response_model": "omnibus-small", "input_tokens": 120, "output_tokens": 16, "cached_input_tokens": 0,
            "reasoning_tokens": 0, "usage_estimated": False, "cost_usd": "0.000000000", "duration_ms": 1, "ttft_ms": 1,
            "finish_reason": "stop"}
    return json.dumps({"text": ANSWER, "model": "omnibus-small", "call": call}, separators=(",", ":"))


def telemetry(stage, broker, keys, progress):
    """Model calls into rows and rollups: beside a drain that writes the rollups alone, and beside a COPY of the same rows and
    rollups."""
    options = stage.options
    database = stage.database()
    calls = stage.worker_topic(broker, "llm.calls", options.records or (20_000 if options.quick else 1_000_000), "--events", "calls",
                               "--tenants", TENANTS)
    address = stage.broker(broker)
    copies = {table: stage.folder / f"{table}.{broker}.copy" for table in CALL_TABLES + ROLLUPS}
    totals = []

    def begin():
        database.execute(f"TRUNCATE {', '.join(CALL_TABLES + ROLLUPS)}; CHECKPOINT")

    def check(who, *sums):
        """The sums of the tables, all of which must be the same, and the same after every run."""
        for each in sums:
            found = database.execute(each)[0]
            if int(found[0]) != calls:
                raise Failed(f"{who}: {found[0]} of {calls} calls were counted by {each}")
            totals.append(found)
            if found != totals[0]:
                raise Failed(f"{who}: {found} by {each}, {totals[0]} elsewhere")

    what = "sum(input_tokens), sum(output_tokens), sum(cost_usd), {}"
    rollup_sums = [f"SELECT sum(calls), {what.format('sum(duration_sum_ms)')} FROM {table} WHERE granularity = '{width}'"
                   for table in ROLLUPS for width in ("15m", "1d")]
    row_sums = f"SELECT count(*), {what.format('sum(duration_ms)')} FROM chat_telemetry"

    def ours():
        begin()
        figures = handle_all(stage, "telemetry", broker, calls)
        check("ours", *rollup_sums, row_sums)
        return figures

    def two():
        begin()
        figures = lock_waits(stage, broker, calls)
        check("two workers", *rollup_sums, row_sums)
        return figures

    def drain(work):
        begin()
        before = stage.postgres_cpu()
        figures = stage.limit("drain", "--kafka", address, "--topic", "llm.calls", "--group", new_group(), "--records", calls,
                              "--work", work, environment={**os.environ, "DATABASE_URL": stage.database_url("telemetry")})
        postgres_s = stage.postgres_cpu() - before
        if work == "rollups":
            check("limit", *rollup_sums)
        return {**figures, "postgres_s": postgres_s}

    def copy():
        begin()
        before = stage.postgres_cpu()
        statements = "".join(f"COPY {table} FROM '{file}' (FORMAT binary);\n" for table, file in copies.items())
        output = database.execute(f"\\timing on\nBEGIN;\n{statements}COMMIT;\n\\timing off")
        postgres_s = stage.postgres_cpu() - before
        check("COPY", *rollup_sums, row_sums)
        took = sum(float(re.fullmatch(r"Time: ([0-9.]+) ms.*", line[0])[1]) for line in output) / 1000
        return {"per_s": calls / took, "postgres_s": postgres_s, "events": calls}

    progress("rows and rollups to copy")
    ours()
    for table, file in copies.items():
        database.execute(f"\\copy (SELECT * FROM {table}) TO '{file}' (FORMAT binary)")
        file.chmod(0o644)  # the server reads it
    figures = alternate(options.repeats, {"hash": lambda: drain("hash"), "rollups": lambda: drain("rollups"), "copy": copy,
                                          "ours": ours, "two": two}, progress)
    for file in copies.values():
        file.unlink()
    rate, cpu, postgres = (values(figures["ours"], *each) for each in (("per_s",), ("cpu_s", "events"), ("postgres_s", "events")))
    row, note = "telemetry, rollups", "limit: drain, parse, hash, upsert; ours writes the rows as well"
    yield Result(row, broker, keys, "calls/s", values(figures["rollups"], "records_per_s"), rate, "≥ 70 %", 0.7, note=note)
    yield Result(row, broker, keys, "µs CPU of the worker/call", values(figures["rollups"], "cpu_s", "records"), cpu, "≤ 4 µs", 4,
                 smaller=True, absolute=True, note=note)
    yield Result(row, broker, keys, "calls/s, no database", values(figures["hash"], "records_per_s"), [],
                 note="the same without the upsert")
    row, note = "telemetry, rows and rollups", "limit: one binary COPY of the same rows, keys and rollups"
    yield Result(row, broker, keys, "rows/s", values(figures["copy"], "per_s"), rate, "≥ 70 %", 0.7, note=note)
    yield Result(row, broker, keys, "µs CPU of PostgreSQL/row", values(figures["copy"], "postgres_s", "events"), postgres, "≤ 7 µs", 7,
                 smaller=True, absolute=True, note=note)
    samples, share = sum(values(figures["two"], "inside")), min(values(figures["two"], "share"))
    yield Result("telemetry, two workers", broker, keys, "% of their transactions' time in which a lock is waited for", [],
                 [100 * each["waiting"] / max(each["inside"], 1) for each in figures["two"]], "≤ 20 %", 20, smaller=True,
                 note=f"{samples:,} samples, {share:.0%} of the calls or more by each; two workers reach 2 × the rest of one's rate:"
                      " 1.6 × at 20 %")
