"""Pruning of the audit log while others write and read it, with a kill -9 in the middle."""
import json
import os
import subprocess
import threading
import time

from rows.measure import Failed, Result

import harness

YOUNG = 20_000      # rows that must stay
MOST_MS = 100       # a batch may take, and a reader or writer may wait
ROWS = """INSERT INTO gdpr_audit_log (domain, actor, action, status, subject_key, request_id, created_at)
  SELECT 'shop.example', 'worker:gdpr', 'erasure.rows', 'done', md5((n / 7)::text), gen_random_uuid(),
         now() - interval '{age}' + n * interval '1 second' FROM generate_series({first}, {last}) AS n"""
AT_ONCE = 500_000   # rows added by one statement, which may take a minute
WRITE = "INSERT INTO gdpr_audit_log (domain, actor, action, status) VALUES ('shop.example', 'bench', 'written', 'done')"
# The age of the batch that a pruning process, whichever, has open: one that is killed says no longest batch.
BATCH = """SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) * 1000 FROM pg_stat_activity
  WHERE usename = 'omnibus_gdpr' AND state <> 'idle' AND query ~ '(DELETE FROM gdpr_audit_log|UPDATE pipeline.maintenance_runs)'"""
READ = "SELECT action FROM gdpr_audit_log WHERE domain = 'shop.example' ORDER BY created_at DESC LIMIT 50"


class Neighbour:
    """Asks the same over and over, on a connection of its own, and knows its longest wait in ms."""

    def __init__(self, url, sql):
        self.database, self.sql, self.longest, self.times = harness.Database(url), sql, 0, 0
        self.database.value("SELECT 1")
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ask, daemon=True)
        self.thread.start()

    def ask(self):
        while not self.ended.wait(0.005):
            self.longest = max(self.longest, self.ms())
            self.times += 1

    def ms(self):
        begun = time.monotonic()
        self.database.execute(self.sql)
        return (time.monotonic() - begun) * 1000

    def end(self):
        self.ended.set()
        self.thread.join()
        self.database.close()
        return self.longest


class BatchWatcher(Neighbour):
    """Knows the longest batch of all processes, as PostgreSQL shows it every few ms."""

    def ms(self):
        return float(self.database.value(self.sql))


def command(*options):
    return [harness.binary("omnibus"), "gdpr", "prune", "gdpr-audit", *options, "--json"]


def prune_killed_once(url, database):
    """Prunes in two processes: the first is killed with -9 in the middle. Returns what the second one says, and how long
    both took."""
    environment = {**os.environ, "DATABASE_URL": url}
    total = int(database.value("SELECT count(*) FROM gdpr_audit_log WHERE created_at < pipeline.two_years_before(now())"))
    begun = time.monotonic()
    with subprocess.Popen(command("--force"), env=environment, stdout=subprocess.DEVNULL) as first:
        done = "SELECT COALESCE(max(done), 0) FROM pipeline.maintenance_runs WHERE name = 'gdpr-audit'"
        harness.eventually(lambda: int(database.value(done)) > total // 2, 900, "half of the rows pruned")
        first.kill()
        if first.wait() != -9:
            raise Failed("the first process ended before it was killed")
    second = subprocess.run(command(), env=environment, capture_output=True, text=True, check=False, timeout=900)
    if second.returncode != 0:
        raise Failed(f"omnibus gdpr prune: {second.stderr}")
    run = json.loads(second.stdout)["runs"][0]
    if run["done"] != total or run["state"] != "finished":
        raise Failed(f"{total} rows were too old, and the run says {run}")
    return run, time.monotonic() - begun


def pruning(stage, broker, keys, progress):
    """Five million rows (200,000 with --quick)."""
    options = stage.options
    if broker != options.kafka[0]:
        return  # none takes part
    rows = options.records or (200_000 if options.quick else 5_000_000)
    database, url = stage.database(), stage.database_url("gdpr")
    progress(f"{rows} rows to prune")
    database.execute("TRUNCATE gdpr_audit_log, pipeline.maintenance_runs")
    for first in range(1, rows + 1, AT_ONCE):
        database.execute(ROWS.format(age="10 years", first=first, last=min(first + AT_ONCE - 1, rows)))
    database.execute(ROWS.format(age="1 year", first=1, last=YOUNG))
    for maintenance in ("VACUUM ANALYZE gdpr_audit_log", "CHECKPOINT"):
        database.execute(maintenance)
    neighbours = [Neighbour(stage.database_url("admin"), sql) for sql in (WRITE, READ)]
    neighbours.append(BatchWatcher(stage.database_url("admin"), BATCH))
    progress("alone")
    time.sleep(5)
    alone = [each.longest for each in neighbours]
    for each in neighbours:
        each.longest = 0
    progress("pruning")
    try:
        run, took = prune_killed_once(url, database)
    finally:
        waits = [each.end() for each in neighbours]
    kept = int(database.value("SELECT count(*) FROM gdpr_audit_log WHERE action = 'erasure.rows'"))
    if kept != YOUNG:
        raise Failed(f"{kept} of {YOUNG} young rows are left")
    row = f"pruning {rows:,} audit rows"
    yield Result(row, "none", keys, "longest batch, ms", [], [max(run["longest_batch_ms"], waits[2])], f"≤ {MOST_MS}", MOST_MS,
                 smaller=True)
    yield Result(row, "none", keys, "longest wait of a writer, ms", [], [waits[0]], f"≤ {MOST_MS}", MOST_MS, smaller=True,
                 note=f"without pruning {alone[0]:.0f} ms")
    yield Result(row, "none", keys, "longest wait of a reader, ms", [], [waits[1]], f"≤ {MOST_MS}", MOST_MS, smaller=True,
                 note=f"without pruning {alone[1]:.0f} ms")
    yield Result(row, "none", keys, "minutes, one kill -9 included", [], [took / 60], "≤ 15", 15, smaller=True)
