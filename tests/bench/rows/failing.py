"""One key in a hundred fails, and the keys are Zipf's: what it costs the others, and what the hottest key allows."""
import subprocess

from rows.measure import Failed, Result, alternate, check_order, figures_of, values

LATENCY = 10     # ms of a model turn
RATE = 500       # events a second; the hottest of 10,000 keys has a tenth of them, so its chain is half busy
KEYS = 10_000


def failing(stage, broker, keys, progress):
    """Latency of the keys that do not fail, with 1 % of keys failing and without, while events come in at a steady rate."""
    options = stage.options
    seconds = 2 if options.quick else 15
    records = options.records or RATE * seconds
    model = stage.simulator(LATENCY)

    def run(failing_keys):
        topic = stage.new_topic(broker)
        engine = subprocess.Popen([str(part) for part in stage.engine_command(
            broker, topic, records, "--work", "http", "--llm-url", model, "--max-in-flight", 1000, "--latency", "--failing-keys",
            failing_keys)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            stage.fill(broker, topic, records, "--keys", "zipf", "--key-count", KEYS, "--rate", RATE)
            said, errors = engine.communicate(timeout=120)
        finally:
            engine.kill()
        if engine.returncode != 0:
            raise Failed(f"tests/bench/engine ended with {engine.returncode}: {said}{errors}")
        return check_order(figures_of(said))

    figures = alternate(options.repeats, {"without": lambda: run(0), "with": lambda: run(10)}, progress)
    for quantile, target in (("p99_ms", True), ("p50_ms", False)):
        yield Result("1 % of keys failing", broker, keys, f"{quantile[:3]} ms of the others", values(figures["without"], quantile),
                     values(figures["with"], quantile), "≤ 1.1 × fault-free" if target else "", 1 / 1.1 if target else None,
                     smaller=True, note="limit: no key fails; order checked")


def chain(stage, broker, keys, progress):
    """A backlog of Zipf's keys: no order by key can be faster than the hottest key's own chain of turns."""
    options = stage.options
    records = options.records or (1_000 if options.quick else 10_000)
    topic = stage.new_topic(broker)
    hottest = int(stage.fill(broker, topic, records, "--keys", "zipf", "--key-count", KEYS)["hottest"])

    def limit():
        """One request at a time, as many as the hottest key has: its chain and nothing else."""
        with stage.responder(LATENCY) as model:
            return stage.limit("http", "--client", "sockets", "--llm-url", model.url, "--max-in-flight", 1, "--records", hottest)

    def engine(*more):
        with stage.responder(LATENCY) as model:
            return check_order(stage.engine(broker, topic, records, "--work", "http", "--llm-url", model.url, "--max-in-flight", 1000,
                                            *more))

    figures = alternate(options.repeats, {"limit": limit, "ours": engine,
                                          "failing": lambda: engine("--latency", "--failing-keys", 10)}, progress)
    limit = [records / (hottest / each["records_per_s"]) for each in figures["limit"]]
    note = f"limit: the {hottest:,} turns of the hottest key, one after the other, by a bare socket"
    yield Result(f"backlog of turns of {LATENCY} ms", broker, keys, "turns/s", limit, values(figures["ours"], "records_per_s"),
                 "≥ 90 %", 0.9, note=note)
    yield Result(f"backlog of turns of {LATENCY} ms, 1 % of keys failing", broker, keys, "turns/s", limit,
                 values(figures["failing"], "records_per_s"), note=note)
