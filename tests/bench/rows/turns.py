"""Model turns of 100 ms, key-ordered."""
from rows.measure import Result, alternate, check_order, values

LATENCY = 100
QUICK = 200


def turns(stage, broker, keys, progress):
    """One POST to the simulator for each event, 5,000 and 10,000 at once, beside the HTTP client alone."""
    options = stage.options
    for in_flight in (QUICK,) if options.quick else (5_000, 10_000):
        records = options.records or in_flight * 10
        topic = stage.topic(broker, "turns", "distinct", max(records, 100_000 if not options.quick else records))
        model = stage.simulator(LATENCY)
        figures = alternate(options.repeats, {
            "limit": lambda: stage.limit("http", "--llm-url", model, "--max-in-flight", in_flight, "--records", records),
            "ours": lambda: check_order(stage.engine(broker, topic, records, "--work", "http", "--llm-url", model,
                                                     "--max-in-flight", in_flight)),
        }, lambda text: progress(f"{in_flight:,} in flight: {text}"))
        row = f"model turns of {LATENCY} ms, {in_flight:,} in flight"
        yield Result(row, broker, keys, "turns/s", values(figures["limit"], "records_per_s"),
                     values(figures["ours"], "records_per_s"), "≥ 90 %", 0.9, note="limit: the HTTP client alone")
        yield Result(row, broker, keys, "turns/s, second half", values(figures["limit"], "steady_per_s"),
                     values(figures["ours"], "steady_per_s"), note="limit: the HTTP client alone")
        yield Result(row, broker, keys, "µs CPU/turn", values(figures["limit"], "cpu_s", "records"),
                     values(figures["ours"], "cpu_s", "records"), smaller=True, note="limit: the HTTP client alone")
        yield Result(row, broker, keys, "MB", values(figures["limit"], "rss_mb"), values(figures["ours"], "rss_mb"),
                     smaller=True, note="most memory ever resident")
