"""Model turns of 100 ms, key-ordered."""
from rows.measure import Failed, Result, alternate, check_order, values

LATENCY = 100
QUICK = 200
REACH = {5_000: 0.95, 10_000: 0.85, 19_000: 0.95}
MOST_MB = {19_000: 150}
MOST_CPU = {10_000: 10}
NOTE = "limit: bare sockets and epoll, the same responder"


def bare(stage, in_flight, records):
    """The limit: bare sockets, and what the responder took of the same cores meanwhile."""
    with stage.responder(LATENCY) as model:
        figures = stage.limit("http", "--client", "sockets", "--llm-url", model.url, "--max-in-flight", in_flight, "--records", records)
        return {**figures, "responder_s": model.cpu()}


def responder(stage, broker, _, progress):
    """What the responder serves to bare sockets: the limit of `turns` must not be bound by it."""
    options = stage.options
    in_flight = QUICK if options.quick else 10_000
    records = options.records or in_flight * 30
    figures = alternate(options.repeats, {"bare": lambda: bare(stage, in_flight, records)}, progress)["bare"]
    row = f"responder of {LATENCY} ms, {in_flight:,} in flight"
    target, reach = ("", None) if options.quick else ("≥ 90,000", 90_000)
    yield Result(row, broker, "", "requests/s, second half", [], values(figures, "steady_per_s"), target, reach)
    yield Result(row, broker, "", "µs CPU/request of the responder", [], values(figures, "responder_s", "records"), smaller=True)
    yield Result(row, broker, "", "µs CPU/request of the bare sockets", [], values(figures, "cpu_s", "records"), smaller=True)


def old_limit(stage, broker, keys, progress):
    """Beside the limit of today that of before, our own client at our own simulator, so that the step is seen."""
    in_flight = QUICK if stage.options.quick else 10_000
    progress("the limit of before and the limit of today")
    try:
        old = stage.limit("http", "--llm-url", stage.simulator(LATENCY), "--max-in-flight", in_flight, "--records", in_flight * 10)
    except Failed as error:  # on a busy machine the simulator does not accept so many connections in time
        progress(f"no old limit: {error}")
        return
    new = bare(stage, in_flight, in_flight * 10)
    row, note = f"limits of {in_flight:,} in flight", "limit: our client at the simulator, the limit of before; ours: bare sockets"
    yield Result(row, broker, keys, "turns/s", values([old], "records_per_s"), values([new], "records_per_s"), note=note)
    yield Result(row, broker, keys, "µs CPU/turn", values([old], "cpu_s", "records"), values([new], "cpu_s", "records"),
                 smaller=True, note=note)


def turns(stage, broker, keys, progress):
    """One POST for each event, thousands at once, beside bare sockets at the same responder."""
    options = stage.options
    yield from old_limit(stage, broker, keys, progress)
    for in_flight in (QUICK,) if options.quick else REACH:
        if in_flight + 100 > stage.descriptors:
            progress(f"{in_flight:,} in flight need as many descriptors")
            continue
        records = options.records or in_flight * 20
        topic = stage.topic(broker, "turns", "distinct", max(records, 400_000 if not options.quick else records))

        def engine(loops):
            with stage.responder(LATENCY) as model:
                return check_order(stage.engine(broker, topic, records, "--work", "http", "--llm-url", model.url,
                                                "--max-in-flight", in_flight, "--loops", loops))

        programs = {"limit": lambda: bare(stage, in_flight, records), "ours": lambda: engine(1)}
        if options.loops > 1:
            programs["loops"] = lambda: engine(options.loops)
        figures = alternate(options.repeats, programs, lambda text: progress(f"{in_flight:,} in flight: {text}"))
        row = f"model turns of {LATENCY} ms, {in_flight:,} in flight"
        if options.loops > 1:
            several = f"{row}, {options.loops} loops"
            for what, name, *over in (("turns/s", "records_per_s"), ("turns/s, second half", "steady_per_s"),
                                      ("µs CPU/turn", "cpu_s", "records"), ("MB", "rss_mb")):
                yield Result(several, broker, keys, what, values(figures["limit"], name, *over),
                             values(figures["loops"], name, *over), smaller=name in ("cpu_s", "rss_mb"), note=NOTE)
        reach = REACH.get(in_flight)
        yield Result(row, broker, keys, "turns/s", values(figures["limit"], "records_per_s"),
                     values(figures["ours"], "records_per_s"), f"≥ {reach:.0%}" if reach else "", reach, note=NOTE)
        yield Result(row, broker, keys, "turns/s, second half", values(figures["limit"], "steady_per_s"),
                     values(figures["ours"], "steady_per_s"), note=NOTE)
        cpu = MOST_CPU.get(in_flight)
        yield Result(row, broker, keys, "µs CPU/turn", values(figures["limit"], "cpu_s", "records"),
                     values(figures["ours"], "cpu_s", "records"), f"≤ {cpu} µs" if cpu else "", cpu, smaller=True,
                     absolute=True, note=NOTE)
        yield Result(row, broker, keys, "µs CPU/request of the responder", [], values(figures["limit"], "responder_s", "records"),
                     smaller=True, note="on the same cores, beside the limit")
        most = MOST_MB.get(in_flight)
        yield Result(row, broker, keys, "MB", values(figures["limit"], "rss_mb"), values(figures["ours"], "rss_mb"),
                     f"≤ {most} MB" if most else "", most, smaller=True, absolute=True, note="most memory ever resident")
