"""How much memory the engine takes, and what a kill costs."""
import statistics
import subprocess
import time

from rows.measure import Failed, Result, check_order, figures_of
from rows.stage import new_group

LONG = 2_000  # ms of a turn in flight: with one of 100 ms the first are answered before the last are sent
ROUNDS = 20   # of as many turns as are in flight


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0  # it is ending


def backlog(stage, broker, keys, progress):
    """Resident memory over a backlog of ten million events: what comes after the first tenth adds nothing."""
    options = stage.options
    records = options.records or (100_000 if options.quick else 10_000_000)
    topic = stage.new_topic(broker)
    progress(f"filling {records:,} events")
    stage.fill(broker, topic, records, "--keys", "uniform", "--key-count", 100_000, "--compression", "lz4")
    engine = subprocess.Popen([str(part) for part in stage.engine_command(broker, topic, records, "--work", "event")],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    sampled = []
    try:
        while engine.poll() is None:
            sampled.append(resident_mb(engine.pid))
            time.sleep(0.02 if options.quick else 0.25)
        said, errors = engine.communicate()
    finally:
        engine.kill()
    if engine.returncode != 0:
        raise Failed(f"tests/bench/engine ended with {engine.returncode}: {said}{errors}")
    figures = check_order(figures_of(said))
    sampled = [each for each in sampled if each > 0]
    tenth = max(1, len(sampled) // 10)
    early, late = sampled[tenth:2 * tenth] or sampled, sampled[-tenth - 1:-1] or sampled
    step = max(1, len(sampled) // 20)
    progress("resident MB over the run: " + " ".join(f"{each:.0f}" for each in sampled[::step]))
    yield Result(f"backlog of {records:,}", broker, "uniform", "MB, last tenth against second", [statistics.median(early)],
                 [statistics.median(late)], "flat (≤ 1.1 ×)", 1 / 1.1, smaller=True,
                 note=f"{figures['records_per_s']:,.0f} events/s, work event")
    yield Result(f"backlog of {records:,}", broker, "uniform", "MB, most", [], [figures["rss_mb"]], smaller=True)


def in_flight(stage, broker, keys, progress):
    """Most memory with 20,000 turns in flight, or as many as there may be connections, all of them at the model at once."""
    options = stage.options
    most = 200 if options.quick else min(20_000, stage.descriptors - 100)  # each has a connection of its own
    records = options.records or most * ROUNDS
    topic = stage.topic(broker, "turns", "distinct", max(records, 400_000 if not options.quick else records))
    progress(f"{most:,} in flight")
    with stage.responder(LONG) as model:
        ours = check_order(stage.engine(broker, topic, records, "--work", "http", "--llm-url", model.url, "--max-in-flight", most))
    if model.most_waiting < most and not options.quick:
        raise Failed(f"only {model.most_waiting:,} of {most:,} requests were at the model at once")
    with stage.responder(LONG) as client_model:
        limit = stage.limit("http", "--llm-url", client_model.url, "--max-in-flight", most, "--records", records)
    yield Result(f"{most:,} turns in flight", broker, keys, "MB", [], [ours["rss_mb"]], "≤ 150 MB", 150, smaller=True,
                 note=f"{model.most_waiting:,} at the model at once; the HTTP client alone: {limit['rss_mb']:.0f} MB;"
                      f" {stage.descriptors:,} descriptors allowed")


def redelivery(stage, broker, keys, progress):
    """kill -9 with one record that does not end and 100,000 done behind it: how many come again."""
    done = 2_000 if stage.options.quick else 100_000
    topic, group = stage.new_topic(broker), new_group()
    stage.fill(broker, topic, done + 1, "--keys", "distinct", "--partitions", 1, "--compression", "lz4")
    command = [str(part) for part in stage.engine_command(broker, topic, done + 1, "--work", "none", group=group)]
    stuck = subprocess.Popen([*command, "--stuck"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        progress(f"waiting for {done:,} records behind the stuck one")
        said = stuck.stdout.readline()
    finally:
        stuck.kill()
        stuck.wait()
    if not said.startswith("stuck"):
        raise Failed(f"the engine with a stuck record said {said!r}")
    progress("killed; its successor reads what comes again")
    # Behind the last record nothing comes: the successor gives up, and says how many it had.
    again = subprocess.run([*command, "--patience", "20"], capture_output=True, text=True, check=False, timeout=300)
    figures = figures_of(again.stdout)
    if not figures or figures["records"] == 0:
        raise Failed(f"the successor handled nothing: {again.stdout}{again.stderr}")
    yield Result(f"kill -9, one record stuck, {done:,} done behind it", broker, keys, "records redelivered", [],
                 [figures["records"] - 1], "≤ 1,000", 1000, smaller=True)
