"""Consume, keep the order, do nothing or decode, commit."""
import statistics

from rows.measure import Result, alternate, check_order, values
from rows.stage import new_group

# Row, ours, the limit and what it does, and whether it has DESIGN's targets.
PAIRS = [
    ("consume, work none", "none", "none", "drain that reads nothing", False),
    ("consume, work parse", "parse", "parse", "drain + simdjson", True),
    ("consume, work event", "event", "parse", "drain + simdjson", False),
    ("consume, work event, decoded alike", "event", "event", "drain + the engine's own decoding", False),
]
WORKS = "none", "parse", "event"
AHEAD = 1024, 8  # MiB that the limit may hold ahead: as much as it can get, and what the engine takes. Which is faster differs


def consume(stage, broker, keys, progress):
    """Events of 400 bytes through the engine, beside librdkafka drained by a program that does nothing else."""
    options = stage.options
    records = options.records or (20_000 if options.quick else 1_000_000)
    if broker == "embedded" and keys == "zipf":
        records = min(records, 300_000)  # what its hottest partition holds
    topic = stage.topic(broker, "", keys, records)
    address = stage.broker(broker)

    def limit(work, ahead):
        return stage.limit("drain", "--kafka", address, "--topic", topic, "--group", new_group(), "--records", records, "--work", work,
                           "--prefetch-mib", ahead)

    programs = {name_of(work, ahead): lambda work=work, ahead=ahead: limit(work, ahead) for work in WORKS for ahead in AHEAD}
    for work in WORKS:
        programs[f"ours {work}"] = lambda work=work: check_order(stage.engine(broker, topic, records, "--work", work))
    figures = alternate(options.repeats, programs, progress)
    for row, ours, work, what, design in PAIRS:
        ahead = faster({each: figures[name_of(work, each)] for each in AHEAD})
        limits, own, note = figures[name_of(work, ahead)], figures[f"ours {ours}"], f"limit: {what}, {ahead:,} MiB ahead"
        yield Result(row, broker, keys, "events/s", values(limits, "records_per_s"), values(own, "records_per_s"),
                     "≥ 80 %" if design else "", 0.8 if design else None, note=note)
        yield Result(row, broker, keys, "µs CPU/event", values(limits, "cpu_s", "records"), values(own, "cpu_s", "records"),
                     "≤ 1.0 µs" if design else "", 1.0 if design else None, smaller=True, absolute=True, note=note)


def name_of(work, ahead):
    return f"limit {work}, {ahead:,} MiB ahead"


def faster(settings):
    """The setting whose runs have the highest rate by their medians."""
    return max(settings, key=lambda each: statistics.median(values(settings[each], "records_per_s")))
