"""Decode and look whom each event is about, with many people erased."""
from rows.measure import Result, alternate, check_order, values

ERASED = 100_000


def guard(stage, broker, keys, progress):
    """Events of 400 bytes through the engine, with and without the guard against erased people."""
    options = stage.options
    records = options.records or (20_000 if options.quick else 1_000_000)
    topic = stage.topic(broker, "", keys, records)

    def run(*arguments):
        return lambda: check_order(stage.engine(broker, topic, records, *arguments))
    figures = alternate(options.repeats, {
        "without": run("--work", "event"),
        "live": run("--work", "typed", "--erased", ERASED),
        "backlog": run("--work", "typed", "--erased", ERASED, "--erased-later"),
    }, progress)
    without = {"records_per_s": values(figures["without"], "records_per_s"), "cpu": values(figures["without"], "cpu_s", "records")}
    for name, what, reach in (("live", "records behind the erasures", 0.97), ("backlog", "records before them", None)):
        note = f"{ERASED:,} erased, {what}; limit: no guard"
        yield Result(f"guard, {name}", broker, keys, "events/s", without["records_per_s"], values(figures[name], "records_per_s"),
                     "≥ 97 %" if reach else "", reach, note=note)
        yield Result(f"guard, {name}", broker, keys, "µs CPU/event", without["cpu"], values(figures[name], "cpu_s", "records"),
                     smaller=True, note=note)
