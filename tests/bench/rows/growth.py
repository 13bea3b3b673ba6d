"""How the cost of a turn, a call, an event and an idle worker grows with tenants, stored messages and partitions."""
import contextlib
import dataclasses
import itertools
import json
import re
import statistics
import subprocess
import time

from rows import complexity, plot
from rows.database import ANSWER, CALL_TABLES, ROLLUPS, TURN_TABLES, TURNS_EACH, handle_all
from rows.measure import Failed, Result, alternate, check_order, values
from rows.stage import ROOT, new_group

import harness

TEMPLATE = "growth"   # the schema, of which each step's database is a copy
EACH_STORED = 10      # messages of a stored conversation
CHUNK = 50_000        # stored conversations added by one statement
SETTLED = 5           # seconds after which a worker that is ready is idle
IDLE = 20             # seconds for which it is watched
PATIENCE = 900        # seconds for a statement of the filling
TENANTS, STORED, PARTITIONS = (1, 10, 100, 1_000), (10 ** 5, 10 ** 6, 10 ** 7), (12, 100, 1_000)
QUICK_TENANTS, QUICK_STORED, QUICK_PARTITIONS = (1, 10), (1_000, 10_000), (12, 100)

# A factor that has nothing in common with powers of ten makes neighbours in the topic strangers in the tables.
CONVERSATIONS = """
  INSERT INTO conversations (id, domain, session_id, created_at, last_message_at)
  SELECT md5('c' || g)::uuid, 'shop.example', 'visitor-' || g::bigint * 736879 % {count}, at, at
  FROM (SELECT g, now() - interval '20 days' * (1 - g / {count}::float8) AS at FROM generate_series({first}, {last}) AS g) AS each"""
MESSAGES = """
  INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id, in_reply_to, created_at)
  SELECT CASE WHEN n % 2 = 1 THEN event ELSE md5('a' || event)::uuid END, md5('c' || g)::uuid, n,
         CASE WHEN n % 2 = 1 THEN 'user' ELSE 'assistant' END,
         CASE WHEN n % 2 = 1 THEN 'When will the card that I ordered last week arrive?' ELSE '{answer}' END,
         CASE WHEN n % 2 = 1 THEN event END, CASE WHEN n % 2 = 0 THEN event END, at
  FROM (SELECT g, n, md5('e' || g || ' ' || (n + 1) / 2)::uuid AS event, now() - interval '20 days' * (1 - g / {count}::float8) AS at
        FROM generate_series({first}, {last}) AS g, generate_series(1, {each}) AS n) AS each"""
# What their turns have left besides.
ANSWERS = """
  INSERT INTO pipeline.llm_responses (request_key, event_id, model, response, created_at)
  SELECT id, id, 'omnibus-small', '{response}', created_at FROM messages WHERE role = 'user'"""
INBOX = """
  INSERT INTO pipeline.inbox (consumer, event_id, processed_at) SELECT 'chat', id, created_at FROM messages WHERE role = 'user'"""
FILLED = "conversations", "messages", "pipeline.llm_responses", "pipeline.inbox"

# The title of a panel of the plot, and the labels of its axes.
MEMORY_PANEL = "Most memory, consuming and of an idle worker", "partitions", "MB"
IDLE_PANEL = "An idle worker, and an idle engine", "partitions", "ms CPU a second"
START_PANEL = "From a worker's start until it is ready", "partitions", "ms CPU"
NOTE = "Dashed: what n log n allows, from the first step on. Medians; embedded broker where nothing else is said."


@dataclasses.dataclass
class Step(Result):
    """A cost at one n, which is a point of the plot."""
    panel: tuple = ()  # title, label of x, label of y
    curve: str = ""
    n: int = 0


def growth(stage, broker, keys, progress):
    """All of it on the first broker, consuming on each: on Apache Kafka the workers' own topics stay as they are."""
    runs = [consume, idle_engine]
    if broker == "embedded":
        runs = [tenants, stored, partitions, calls, *runs, idle]
    for run in runs:
        yield from run(stage, broker, keys, lambda text, name=run.__name__: progress(f"{name}: {text}"))


def steps(options, full, quick):
    return quick if options.quick else full


def curve(panel, broker, keys, label, figures, each=True):
    """The points of one curve (n to the values of all repeats), and how fast it grows."""
    for n, found in figures.items():
        yield Step(f"growth, {panel[0]}", broker, keys, f"{panel[2]}, {label}, {n:,} {panel[1]}", [], found, smaller=True,
                   panel=panel, curve=label, n=n)
    points = [(n, max(statistics.median(found), 1e-3)) for n, found in figures.items()]
    most = complexity.bound(figures)
    yield Result(f"growth, {panel[0]}", broker, keys, f"exponent of n {panel[1]}, {label}", [], [complexity.exponent(points, each)],
                 f"≤ {most:.2f} (n log n)", most, smaller=True,
                 note=f"of the {'cost of n times as many' if each else 'whole'}; {worst_step(points, each)}")


def worst_step(points, each):
    """In words, with a mark where one step alone outgrows n log n, as the slope over all of them may hide it."""
    exponent, allowed, before, after = complexity.worst_step(points, each)
    mark = f" > {allowed:.2f} (n log n) (!)" if exponent > allowed else ""
    return f"worst step {exponent:.2f} from {before:,} to {after:,}{mark}"


def worker_curves(panel, broker, keys, figures):
    """The CPU that the worker and PostgreSQL took for each event."""
    for label, column in (("PostgreSQL", "postgres_s"), ("worker", "cpu_s")):
        yield from curve(panel, broker, keys, label, {n: values(found, column, "events") for n, found in figures.items()})


def drawing(results):
    """The plot of these rows' steps, as SVG."""
    panels = {}
    for each in results:
        if isinstance(each, Step):
            panels.setdefault(each.panel, {}).setdefault(each.curve, []).append((each.n, statistics.median(each.ours)))
    return plot.svg([plot.Panel(*panel, [plot.Curve(label, points, complexity.allowed(points, is_of_one(panel)))
                                         for label, points in curves.items()]) for panel, curves in panels.items()], NOTE)


def is_of_one(panel):
    """Whether its costs are those of one event."""
    return panel[2].startswith("µs CPU")


class Databases:
    """Databases of one step each, in the stage's cluster."""

    def __init__(self, stage):
        self.stage, self.opened = stage, []
        stage.database()
        self.server = harness.Database(self.url("postgres", "admin"))
        if self.server.value(f"SELECT count(*) FROM pg_database WHERE datname = '{TEMPLATE}'") == "0":
            self.server.execute(f"CREATE DATABASE {TEMPLATE}")
            stage.omnibus("migrate", "up", "--dir", ROOT / "migrations", "--database", self.url(TEMPLATE, "admin"))

    def url(self, name, role):
        return self.stage.database_url(role).rsplit("/", 1)[0] + f"/{name}"

    def add(self, name):
        """A new database, as its superuser."""
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        database = harness.Database(self.url(name, "admin"))
        self.opened.append((name, database))
        return database

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name, database in self.opened:
            database.close()
            self.server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        self.server.close()


@contextlib.contextmanager
def brokers(stage, names, **settings):
    """An embedded broker for each of these names, for as long as that lasts."""
    processes = []
    try:
        for name in names:
            process, stage.brokers[name] = stage.start_embedded(**settings.get(name, {}))
            processes.append(process)
        yield
    finally:
        for name, process in zip(names, processes):
            stage.stop(process)
            del stage.brokers[name]


def fill_messages(stage, broker, turns, *options):
    stage.fill(broker, "chat.messages", turns, "--events", "messages", "--keys", "uniform", "--key-count", turns // TURNS_EACH, *options)


def turns_of(stage, broker, database, url, turns):
    """The chat worker on all of a topic."""
    stored = "SELECT count(*) FROM messages WHERE role = 'assistant' AND created_at >= '{}'"
    begun = database.value("SELECT clock_timestamp()")
    with stage.responder(0) as model:
        figures = handle_all(stage, "chat", broker, turns, LLM_BASE_URL=model.url, LLM_API_KEY="any", DATABASE_URL=url)
    found = int(database.value(stored.format(begun)))
    if found != turns:
        raise Failed(f"{found} answers of {turns} turns are stored")
    return figures


def turn_count(options):
    return options.records or (1_000 if options.quick else 10_000)


def chat_steps(stage, databases, names, turns, progress):
    """Turns into empty tables, for each n: the name of its broker."""
    found = {n: databases.add(f"growth_{name.replace(' ', '_')}") for n, name in names.items()}
    for n, name in names.items():
        if name.startswith("tenants"):
            found[n].execute(f"INSERT INTO tenants (domain) SELECT 'shop-' || n || '.example' FROM generate_series(1, {n - 1}) AS n")
        found[n].execute("INSERT INTO tenants (domain) VALUES ('shop.example')")

    def run(n):
        found[n].execute(f"TRUNCATE {', '.join(TURN_TABLES)}; ANALYZE; CHECKPOINT")
        return turns_of(stage, names[n], found[n], databases.url(f"growth_{names[n].replace(' ', '_')}", "chat"), turns)

    return alternate(stage.options.repeats, {n: lambda n=n: run(n) for n in names}, progress)


def tenants(stage, broker, keys, progress):
    """Chat turns of so many tenants, each of which is in the table of tenants."""
    turns = turn_count(stage.options)
    names = {n: f"tenants {n}" for n in steps(stage.options, TENANTS, QUICK_TENANTS)}
    with Databases(stage) as databases, brokers(stage, names.values()):
        for n, name in names.items():
            fill_messages(stage, name, turns, "--tenants", n)
        figures = chat_steps(stage, databases, names, turns, progress)
    yield from worker_curves(("Chat turn", "tenants", "µs CPU a turn"), broker, keys, figures)


def partitions(stage, broker, keys, progress):
    """Chat turns of a topic of so many partitions, all of them the worker's."""
    turns = turn_count(stage.options)
    names = {n: f"partitions {n}" for n in steps(stage.options, PARTITIONS, QUICK_PARTITIONS)}
    settings = {name: {"partitions": {"chat.messages": n}} for n, name in names.items()}
    with Databases(stage) as databases, brokers(stage, names.values(), **settings):
        for name in names.values():
            fill_messages(stage, name, turns)
        figures = chat_steps(stage, databases, names, turns, progress)
    yield from worker_curves(("Chat turn", "partitions", "µs CPU a turn"), broker, keys, figures)


def store(database, messages, progress):
    """Adds conversations with so many messages, and what their turns have left. Foreign keys hold by the way it is made, so
    they are not checked; indexes are built at the end."""
    count = messages // EACH_STORED
    response = json.dumps({"text": ANSWER})
    database.execute("INSERT INTO tenants (domain) VALUES ('shop.example'); SET session_replication_role = replica;"
                     " SET maintenance_work_mem = '512MB'; SET synchronous_commit = off")
    indexes = ",".join(f"'{table}'::regclass" for table in FILLED)
    database.execute(f"UPDATE pg_index SET indisready = false WHERE indrelid IN ({indexes})")
    for first in range(1, count + 1, CHUNK):
        part = {"first": first, "last": min(first + CHUNK - 1, count), "count": count, "each": EACH_STORED, "answer": ANSWER}
        for statement in (CONVERSATIONS, MESSAGES):
            database.execute(statement.format(**part), PATIENCE)
        if first // CHUNK % 4 == 0:
            progress(f"{part['last'] * EACH_STORED:,} of {messages:,} messages stored")
    for statement in (ANSWERS.format(response=response), INBOX, *(f"REINDEX TABLE {table}" for table in FILLED), "VACUUM ANALYZE",
                      "CHECKPOINT"):
        progress(" ".join(statement.split()[:3]))
        database.execute(statement, PATIENCE)
    database.execute("RESET ALL")


def stored(stage, broker, keys, progress):
    """Chat turns that go on with conversations among so many stored messages. Each run has events that no
    run before had, and conversations too, while there are enough; a first run warms up and does not count."""
    turns = turn_count(stage.options)
    sizes = steps(stage.options, STORED, QUICK_STORED)
    runs = range(stage.options.repeats + 1)
    with Databases(stage) as databases, brokers(stage, [f"stored {run}" for run in runs]):
        for run in runs:
            fill_messages(stage, f"stored {run}", turns, "--seed", run + 1, "--first-key",
                          run * turns // TURNS_EACH % (sizes[0] // EACH_STORED))
        found = {n: databases.add(f"growth_stored_{n}") for n in sizes}
        for n, database in found.items():
            store(database, n, progress)
        next_run = {n: itertools.count() for n in sizes}

        def run(n):
            found[n].execute("CHECKPOINT", PATIENCE)
            return turns_of(stage, f"stored {next(next_run[n])}", found[n], databases.url(f"growth_stored_{n}", "chat"), turns)

        figures = alternate(stage.options.repeats + 1, {n: lambda n=n: run(n) for n in sizes}, progress)
        for n, database in found.items():
            size = database.value("SELECT pg_size_pretty(pg_database_size(current_database()))")
            progress(f"{n:,} messages, the database has {size}")
    yield from worker_curves(("Chat turn", "stored messages", "µs CPU a turn"), broker, keys, {n: each[1:] for n, each in figures.items()})


def calls(stage, broker, keys, progress):
    """Model calls of so many tenants into rows and rollups."""
    count = stage.options.records or (20_000 if stage.options.quick else 200_000)
    names = {n: f"calls {n}" for n in steps(stage.options, TENANTS, QUICK_TENANTS)}
    with Databases(stage) as databases, brokers(stage, names.values()):
        found = {n: databases.add(f"growth_calls_{n}") for n in names}
        for n, name in names.items():
            stage.fill(name, "llm.calls", count, "--events", "calls", "--tenants", n)

        def run(n):
            found[n].execute(f"TRUNCATE {', '.join(CALL_TABLES + ROLLUPS)}; CHECKPOINT")
            figures = handle_all(stage, "telemetry", names[n], count, DATABASE_URL=databases.url(f"growth_calls_{n}", "telemetry"))
            counted, domains = found[n].execute("SELECT sum(calls), count(DISTINCT domain) FROM chat_telemetry_domain_rollups"
                                                " WHERE granularity = '1d'")[0]
            if (int(counted), int(domains)) != (count, n):
                raise Failed(f"{counted} calls of {domains} tenants were counted, not {count} of {n}")
            return figures

        figures = alternate(stage.options.repeats, {n: lambda n=n: run(n) for n in names}, progress)
    yield from worker_curves(("Model call, its row and rollups", "tenants", "µs CPU a call"), broker, keys, figures)


def short(broker):
    return {"embedded": "embedded", "apache": "Apache Kafka"}.get(broker, broker)


def consume(stage, broker, keys, progress):
    """The engine alone on topics of so many partitions, and the most memory it had."""
    records = stage.options.records or (20_000 if stage.options.quick else 200_000)
    numbers = steps(stage.options, PARTITIONS, QUICK_PARTITIONS)
    topics, names = {}, {n: f"consume {n}" if broker == "embedded" else broker for n in numbers}
    embedded = {name: {"partitions": {"bench.distinct": n}} for n, name in names.items()} if broker == "embedded" else {}
    with brokers(stage, list(embedded), **embedded):
        for n in numbers:
            topics[n] = "bench.distinct" if broker == "embedded" else stage.new_topic(broker)
            progress(f"filling {n:,} partitions")
            stage.fill(names[n], topics[n], records, "--partitions", n, "--compression", "lz4")
        figures = alternate(stage.options.repeats, {
            n: lambda n=n: check_order(stage.engine(names[n], topics[n], records, "--work", "event")) for n in numbers}, progress)
    yield from curve(("An event consumed, envelope and data read", "partitions", "µs CPU an event"), broker, keys, short(broker),
                     {n: values(found, "cpu_s", "records") for n, found in figures.items()})
    yield from curve(MEMORY_PANEL, broker, keys, short(broker),
                     {n: values(found, "rss_mb") for n, found in figures.items()}, each=False)


def idle_engine(stage, broker, keys, progress):
    """The engine with nothing to do on Apache Kafka, where a worker's own topics stay as they are."""
    if broker == "embedded":
        return
    topics = {}
    for n in steps(stage.options, PARTITIONS, QUICK_PARTITIONS):
        topics[n] = stage.new_topic(broker)
        stage.fill(broker, topics[n], 1, "--partitions", n)

    def run(n):
        command = [str(part) for part in stage.engine_command(broker, topics[n], 2, "--work", "none")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
            try:
                time.sleep(2 * SETTLED)
                before = stage.cpu(engine.pid)
                time.sleep(IDLE)
                return {"idle": (stage.cpu(engine.pid) - before) / IDLE * 1000}
            finally:
                engine.kill()

    figures = alternate(stage.options.repeats, {n: lambda n=n: run(n) for n in topics}, progress)
    yield from curve(IDLE_PANEL, broker, keys, "engine, Apache" if broker == "apache" else "engine",
                     {n: values(each, "idle") for n, each in figures.items()}, each=False)




def most_memory(pid):
    """The most memory a process has had, in MB."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024


def idle(stage, broker, keys, progress):
    """A chat worker that takes over so many partitions, on which nothing comes."""
    names = {n: f"idle {n}" for n in steps(stage.options, PARTITIONS, QUICK_PARTITIONS)}
    settings = {name: {"partitions": {"chat.messages": n}} for n, name in names.items()}
    with Databases(stage) as databases, brokers(stage, names.values(), **settings):
        database = databases.add("growth_idle")
        database.execute("INSERT INTO tenants (domain) VALUES ('shop.example')")

        def run(n):
            with stage.responder(0) as model:
                return watch(n, model.url)

        def watch(n, model):
            before = stage.postgres_cpu()
            environment = {"KAFKA_BROKERS": stage.broker(names[n]), "DATABASE_URL": databases.url("growth_idle", "chat"),
                           "KAFKA_GROUP": new_group(), "METRICS_LISTEN": "127.0.0.1:0", "LLM_BASE_URL": model,
                           "LLM_API_KEY": "any", "KAFKA_OPTIONS": "auto.offset.reset=latest"}
            worker = stage.start("chat", [harness.binary("omnibus-chat")], environment, harness.Worker)
            harness.eventually(lambda: any(line.get("owned") == n for line in worker.lines()), 60, "all partitions assigned")
            worker.await_ready(60)
            figures = {"start": stage.cpu(worker.pid) * 1000, "start_postgres": (stage.postgres_cpu() - before) * 1000}
            time.sleep(SETTLED)
            cpu, postgres = stage.cpu(worker.pid), stage.postgres_cpu()
            time.sleep(IDLE)
            figures |= {"idle": (stage.cpu(worker.pid) - cpu) / IDLE * 1000,
                        "idle_postgres": (stage.postgres_cpu() - postgres) / IDLE * 1000, "mb": most_memory(worker.pid)}
            stage.stop(worker)
            return figures

        figures = alternate(stage.options.repeats, {n: lambda n=n: run(n) for n in names}, progress)
    for panel, label, column in ((MEMORY_PANEL, "idle worker", "mb"), (START_PANEL, "PostgreSQL", "start_postgres"),
                                 (START_PANEL, "worker", "start"), (IDLE_PANEL, "PostgreSQL", "idle_postgres"),
                                 (IDLE_PANEL, "worker", "idle")):
        yield from curve(panel, broker, keys, label, {n: values(each, column) for n, each in figures.items()}, each=False)
