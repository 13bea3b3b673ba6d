"""Agents that talk and pairs that are analysed, by the real workers, beside the HTTP client alone with the same requests."""
import collections
import re
import time
import uuid

from rows.database import PATIENCE
from rows.measure import Failed, Result, alternate, values
from rows.recorder import Recorder

import harness

LATENCY = 100
LONG = 20_000  # milliseconds: all conversations have their request at the model at the same time
DOMAIN = "shop.example"
POLL = 0.1
RECORDED_AT_ONCE = 50
CLEAN = ["users", "omniscient_conversations", "omniscient_processing_logs", "pipeline.llm_responses", "pipeline.inbox", "pipeline.outbox"]
FILLED = "users, personal_stories, omniscient_matches, omniscient_insights, omniscient_match_insights"

# Pair n: two people with stories as long as three questions to a bank. The ids are the same in every run, so that the
# prompts are.
PEOPLE = """
  INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at)
  SELECT md5(n || side)::uuid, '{domain}', 'person ' || n || side, 'APPROVED', now()
  FROM generate_series(1, {pairs}) AS n, unnest(ARRAY['a', 'b']) AS side;
  INSERT INTO personal_stories (user_id, narrative, current_focus, seeking_connections, offering_expertise)
  SELECT md5(n || side)::uuid,
         'I am person ' || n || side || '. My card was declined twice while I was abroad, and nobody at the desk knew why. '
         'Since then I ask every bank what it does when a payment hangs between two systems. I would rather build the '
         'part that tells people what happens to their money, and I know some who tried it in field ' || n % 77 || '.',
         'payments that hang', ARRAY['field ' || n % 77], ARRAY['field ' || (n + 1) % 77]
  FROM generate_series(1, {pairs}) AS n, unnest(ARRAY['a', 'b']) AS side"""
MATCHES = """
  INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, status)
  SELECT md5('match' || n)::uuid, '{domain}', least(md5(n || 'a')::uuid, md5(n || 'b')::uuid),
         greatest(md5(n || 'a')::uuid, md5(n || 'b')::uuid), 'active'
  FROM generate_series(1, {pairs}) AS n;
  INSERT INTO omniscient_insights (id, domain, insight_type, title, description, score)
  SELECT md5('insight' || n || kind)::uuid, '{domain}', kind::omniscient_insight_type, 'A ' || kind || ' of pair ' || n,
         'Both want people to see where their money is; one knows the systems, the other those who would pay for it.', 0.5
  FROM generate_series(1, {pairs}) AS n, unnest(ARRAY['synergy', 'opportunity', 'next_step']) AS kind;
  INSERT INTO omniscient_match_insights (match_id, insight_id, relevance_score)
  SELECT md5('match' || n)::uuid, md5('insight' || n || kind)::uuid, 0.8
  FROM generate_series(1, {pairs}) AS n, unnest(ARRAY['synergy', 'opportunity', 'next_step']) AS kind"""


def peak_mb(pid):
    """The most memory that a process had."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


class Agents:
    """What the rows of one worker have in common: people, and runs in the worker's own group, which has read what earlier runs wrote."""

    def __init__(self, stage, broker, worker, topic, pairs):
        self.stage, self.broker, self.worker, self.topic, self.pairs = stage, broker, worker, topic, pairs
        self.database = stage.database()
        self.model = stage.simulator(LATENCY)
        if broker == "apache":
            stage.omnibus("topics", "apply", "--brokers", stage.broker(broker))

    def begin(self):
        tables = PEOPLE if self.worker == "match" else f"{PEOPLE};{MATCHES}"
        # Not the tables that are empty: their statistics would say that they stay so.
        self.database.execute(f"TRUNCATE {', '.join(CLEAN)} CASCADE; {tables.format(domain=DOMAIN, pairs=self.pairs)}; ANALYZE {FILLED};"
                              " CHECKPOINT")

    def run(self, events, done, span, model=None, **settings):
        """A worker from its start until `done` counts as many as there are pairs; `span` gives the seconds it took."""
        self.begin()
        self.stage.kafka(self.broker).publish_all(self.topic, events)
        environment = {"KAFKA_BROKERS": self.stage.broker(self.broker), "DATABASE_URL": self.stage.database_url(self.worker),
                       "METRICS_LISTEN": "127.0.0.1:0", "LLM_BASE_URL": model or self.model,
                       "LLM_API_KEY": "any", **{name: str(value) for name, value in settings.items()}}
        postgres = self.stage.postgres_cpu()
        worker = self.stage.start(self.worker, [harness.binary(f"omnibus-{self.worker}")], environment, harness.Worker)
        moved, before = time.monotonic(), 0
        while (now := int(self.database.value(done))) < self.pairs:
            if now != before:
                moved, before = time.monotonic(), now
            if time.monotonic() - moved > PATIENCE or not worker.alive():
                raise Failed(f"{self.worker}: {now} of {self.pairs}; its log ends with {worker.text()[-500:]}")
            time.sleep(POLL)
        figures = {"cpu_s": self.stage.cpu(worker.pid), "rss_mb": peak_mb(worker.pid)}
        self.stage.stop(worker)  # which publishes and removes what is in the outbox
        calls = int(self.database.value("SELECT count(*) FROM pipeline.llm_responses"))
        return {**figures, "calls": calls, "per_s": calls / float(self.database.value(span)),
                "postgres_s": self.stage.postgres_cpu() - postgres}

    def record(self, run, progress):
        """The requests of a run, as a file of chains: those about one pair each need the answer before."""
        progress("recording the requests")
        with Recorder(self.model) as recorder:
            figures = run(RECORDED_AT_ONCE, recorder.url)
        chains = collections.defaultdict(list)
        for body in recorder.bodies:
            chains[re.search(r"person (\d+)[ab]", body)[1]].append(body)
        if len(recorder.bodies) != figures["calls"]:
            raise Failed(f"{len(recorder.bodies)} requests were recorded of {figures['calls']} calls")
        file = self.stage.folder / f"{self.worker}.{self.broker}.bodies"
        file.write_text("\n\n".join("\n".join(chain) for chain in chains.values()) + "\n", encoding="utf-8")
        return file, len(recorder.bodies)

    def beside_the_client(self, run, at_once, row, what, progress):
        """Rows of runs beside the HTTP client alone, which sends the same requests."""
        file, calls = self.record(run, progress)

        def ours(count):
            figures = run(count)
            if figures["calls"] != calls:
                raise Failed(f"{figures['calls']} calls were made, {calls} recorded")
            return figures

        for count in at_once:
            figures = alternate(self.stage.options.repeats, {
                "limit": lambda: self.stage.limit("requests", "--llm-url", self.model, "--max-in-flight", count, "--bodies", file),
                "ours": lambda: ours(count)}, lambda text: progress(f"{count:,} at once: {text}"))
            name, note = f"{row}, {count:,} at once", "limit: the HTTP client alone, the same requests"
            yield Result(name, self.broker, "distinct", f"{what}s/s", values(figures["limit"], "records_per_s"),
                         values(figures["ours"], "per_s"), "≥ 90 %", 0.9, note=note)
            yield Result(name, self.broker, "distinct", f"µs CPU of the worker/{what}", values(figures["limit"], "cpu_s", "records"),
                         values(figures["ours"], "cpu_s", "calls"), smaller=True, note=note)
            yield Result(name, self.broker, "distinct", f"µs CPU of PostgreSQL/{what}", [], values(figures["ours"], "postgres_s", "calls"),
                         smaller=True)


def conversation_run(agents):
    """A run of the conversation worker, given how many requests at once."""
    def run(at_once, model=None, **settings):
        events = [(conversation := str(uuid.uuid4()), harness.structured_event("omnibus.conversation.requested.v1", {
            "domain": DOMAIN, "conversation_id": conversation, "match_id": match})) for match in agents.matches]
        figures = agents.run(events, "SELECT count(*) FROM omniscient_conversations WHERE status IN ('completed', 'failed')",
                             "SELECT extract(epoch FROM max(completed_at) - min(started_at)) FROM omniscient_conversations", model,
                             MAX_IN_FLIGHT=max(agents.pairs, at_once), LLM_CONNECTIONS=at_once, PREFETCH_BYTES="2MiB", **settings)
        wrong = agents.database.value("SELECT count(*) FROM omniscient_conversations c WHERE status <> 'completed' OR"
                                      " (SELECT count(*) FROM omniscient_turns WHERE conversation_id = c.id) < 2")
        if wrong != "0":
            raise Failed(f"{wrong} conversations were not held")
        return figures
    agents.matches = [str(uuid.UUID(row[0])) for row in agents.database.execute(
        f"SELECT md5('match' || n) FROM generate_series(1, {agents.pairs}) AS n")]
    return run


def agent_turns(stage, broker, _, progress):
    """Turns of conversations with a model of 100 ms, and the memory of 5,000 conversations at once."""
    options = stage.options
    count = 100 if options.quick else options.records or 1_000
    agents = Agents(stage, broker, "conversation", "agent.turns", count)
    yield from agents.beside_the_client(conversation_run(agents), (50, count), f"turns of {count:,} conversations, {LATENCY} ms a call",
                                        "turn", progress)
    many = 200 if options.quick else 5_000
    agents = Agents(stage, broker, "conversation", "agent.turns", many)
    run = conversation_run(agents)
    model = stage.simulator(1_000 if options.quick else LONG)
    figures = alternate(options.repeats, {"ours": lambda: run(many, model, CONVERSATION_MAX_TURNS=2)},
                        lambda text: progress(f"{many:,} conversations at once: {text}"))
    yield Result(f"{many:,} conversations at once, in flight at the model", broker, "distinct", "MB, most", [], values(figures["ours"], "rss_mb"), "≤ 250 MB", 250,
                 smaller=True)


def pair_run(agents):
    """A run of the match worker, given how many requests at once."""
    def run(at_once, model=None):
        batch = str(uuid.uuid4())
        events = [(":".join(sorted(both)), harness.structured_event("omnibus.match.pair.requested.v1", {
            "domain": DOMAIN, "user_a_id": both[0], "user_b_id": both[1], "batch_id": batch})) for both in people]
        of_pairs = "FROM omniscient_processing_logs WHERE action = 'analyze_pair'"
        figures = agents.run(events, f"SELECT count(*) {of_pairs} AND status <> 'started'",
                             f"SELECT extract(epoch FROM max(completed_at) - min(created_at)) {of_pairs}", model,
                             MAX_IN_FLIGHT=max(agents.pairs, at_once), LLM_CONNECTIONS=at_once)
        analysed = agents.database.value("SELECT count(*) FROM omniscient_matches WHERE status IN ('analyzed', 'scheduled')")
        if int(analysed) != agents.pairs:
            raise Failed(f"{analysed} of {agents.pairs} pairs were analysed")
        return figures
    people = [[str(uuid.UUID(each)) for each in row] for row in agents.database.execute(
        f"SELECT md5(n || 'a'), md5(n || 'b') FROM generate_series(1, {agents.pairs}) AS n")]
    return run


def pairs(stage, broker, _, progress):
    """Pairs analysed with a model of 100 ms."""
    count = 50 if stage.options.quick else stage.options.records or 200
    agents = Agents(stage, broker, "match", "match.requests", count)
    yield from agents.beside_the_client(pair_run(agents), (10, count), f"{count:,} pairs analysed, {LATENCY} ms a call", "pair", progress)
