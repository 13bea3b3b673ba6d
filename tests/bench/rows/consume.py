"""Consume, keep the order, do nothing or decode, commit."""
from rows.measure import Result, alternate, check_order, values
from rows.stage import new_group

# ours, limit, what the limit does, and whether the row of DESIGN can be read so.
PAIRS = [
    ("none", "parse", "bare drain + simdjson", True),
    ("parse", "parse", "bare drain + simdjson", True),
    ("event", "event", "bare drain + the engine's own decoding", True),
]


def consume(stage, broker, keys, progress):
    """Events of 400 bytes through the engine, beside librdkafka drained by a program that does nothing else."""
    options = stage.options
    records = options.records or (20_000 if options.quick else 1_000_000)
    if broker == "embedded" and keys == "zipf":
        records = min(records, 300_000)  # what its hottest partition holds
    topic = stage.topic(broker, "", keys, records)
    address = stage.broker(broker)
    programs = {}
    for work in ("none", "parse", "event"):
        programs[f"limit {work}"] = lambda work=work: stage.limit("drain", "--kafka", address, "--topic", topic, "--group",
                                                                  new_group(), "--records", records, "--work", work)
    for work in ("none", "parse", "event"):
        programs[f"ours {work}"] = lambda work=work: check_order(stage.engine(broker, topic, records, "--work", work))
    figures = alternate(options.repeats, programs, progress)
    for ours, limit, name, design in PAIRS:
        row = f"consume, work {ours}"
        note = f"limit: {name}"
        yield Result(row, broker, keys, "events/s", values(figures[f"limit {limit}"], "records_per_s"),
                     values(figures[f"ours {ours}"], "records_per_s"), "≥ 80 %" if design else "", 0.8 if design else None,
                     note=note)
        yield Result(row, broker, keys, "µs CPU/event", values(figures[f"limit {limit}"], "cpu_s", "records"),
                     values(figures[f"ours {ours}"], "cpu_s", "records"), smaller=True, note=note)
    for work in ("none", "parse"):
        yield Result(f"consume, work {work}", broker, keys, "µs CPU/event", [], values(figures[f"ours {work}"], "cpu_s", "records"),
                     "≤ 1.0 µs", 1.0, smaller=True, note="CPU of the whole process")
    yield Result("consume, nothing read", broker, keys, "events/s", [], values(figures["limit none"], "records_per_s"),
                 note="for comparison: librdkafka alone")
