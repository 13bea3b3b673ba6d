"""Chat turns of a tenant whose log is sealed, beside those of one whose log is clear; and a message beside the bare cipher."""
import json
import os

from rows.database import TURN_TABLES, TURNS_EACH, handle_all
from rows.least_sql import CONNECTIONS
from rows.measure import Failed, Result, alternate, run_program, values
from rows.stage import ROOT

import harness

MASTER_KEY = "a master key of the benchmark"
TEXT = 400  # bytes of a message that is sealed alone


def set_log(database, log):
    """Whether the tenant's log is clear or sealed."""
    preferences = json.dumps({"privacy_preferences": {"log": log}})
    database.execute(f"UPDATE tenants SET settings = settings || '{preferences}' WHERE domain = 'shop.example'")


def cipher(stage, broker, keys, progress):
    """One message sealed and opened as the engine does, beside AES-256-GCM of OpenSSL on the same bytes."""
    options = stage.options
    if broker != options.kafka[0]:
        return  # none takes part
    messages = 20_000 if options.quick else 200_000
    runs = []
    for repeat in range(options.repeats):
        progress(f"{repeat + 1} of {options.repeats}")
        runs.append(run_program([ROOT / "tests/bench/sealing", "--messages", messages, "--bytes", TEXT], 300))
    note = "limit: AES-256-GCM of OpenSSL; ours reads the JSON, makes the nonce and writes base64 as well"
    for what in ("seal", "open"):
        yield Result(f"a message of {TEXT} bytes", "none", keys, f"µs CPU to {what}", values(runs, f"bare_{what}_us"),
                     values(runs, f"{what}_us"), smaller=True, note=note)


def turns(stage, broker, progress):
    """Chat turns with the model at 0 ms. Each log has a broker of its own, since a worker reads all of its topic."""
    options = stage.options
    count = options.records or (1_000 if options.quick else 10_000)
    database = stage.database()
    environment = {"PII_MASTER_KEY": MASTER_KEY, "DATABASE_URL": stage.database_url("chat")}
    database.execute("TRUNCATE pipeline.subject_keys")
    for log in ("clear", "sealed"):
        stage.brokers[log] = stage.start_embedded()[1]
        set_log(database, log)
        progress(f"filling a log that is {log}")
        run_program([ROOT / "tests/bench/fill", "--kafka", stage.brokers[log], "--topic", "chat.messages", "--records", count, "--events",
                     "messages", "--keys", "uniform", "--key-count", count // TURNS_EACH, *(["--seal"] if log == "sealed" else [])],
                    300, {**os.environ, **environment})

    def run(log):
        set_log(database, log)
        database.execute(f"TRUNCATE {', '.join(TURN_TABLES)}; CHECKPOINT")
        with stage.responder(0) as model:
            figures = handle_all(stage, "chat", log, count, LLM_BASE_URL=model.url, LLM_API_KEY="any", PII_MASTER_KEY=MASTER_KEY)
        stored = int(database.value("SELECT count(*) FROM messages WHERE role = 'user' AND content LIKE 'When will%'"))
        if stored != count:
            raise Failed(f"{stored} of {count} messages are stored as they were written")
        return figures

    try:
        figures = alternate(options.repeats, {"clear": lambda: run("clear"), "sealed": lambda: run("sealed")}, progress)
        replies = harness.Kafka(stage.brokers["sealed"]).consume("chat.replies")
        if not replies or any(not record.json["text"].startswith("sealed:v1:") for record in replies):
            raise Failed("a reply of the sealed tenant is in clear")
    finally:
        set_log(database, "clear")
    row, note = "chat turn, sealed, model at 0 ms", f"limit: the same in clear; {CONNECTIONS} connections"
    yield Result(row, broker, "uniform", "turns/s", values(figures["clear"], "per_s"), values(figures["sealed"], "per_s"), "≥ 85 %", 0.85,
                 note=note)
    for who, column in (("the worker", "cpu_s"), ("PostgreSQL", "postgres_s")):
        yield Result(row, broker, "uniform", f"µs CPU of {who}/turn", values(figures["clear"], column, "events"),
                     values(figures["sealed"], column, "events"), smaller=True, note=note)


def sealing(stage, broker, keys, progress):
    """A message alone, then chat turns."""
    yield from cipher(stage, broker, keys, progress)
    yield from turns(stage, broker, progress)
