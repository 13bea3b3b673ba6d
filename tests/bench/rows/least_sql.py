"""The least SQL that stores what a worker stores, run by pgbench: a limit of what the worker can reach."""
import glob
import os
import re
import subprocess

from rows.measure import Failed
from rows.stage import ROOT

CONNECTIONS = 8  # a worker's DATABASE_POOL
TOGETHER = 64    # events in one statement, as many as the workers store together


def pgbench():
    """The newest there is; Debian keeps it out of the path."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/pgbench"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise Failed("there is no pgbench: run compose/setup")
    return found[-1]


class LeastSql:
    """A worker's tables, and a script of this folder that writes as many rows into each of them as the worker does."""

    def __init__(self, stage, worker, script, tables, events, stored):
        """`stored` is a query that counts the events whose rows are there."""
        self.stage, self.worker, self.script = stage, worker, script
        self.tables, self.events, self.stored = tables, events, stored
        self.written = {}

    def begin(self):
        """Before each run, also the worker's."""
        self.stage.database().execute(f"TRUNCATE {', '.join(self.tables)}; CHECKPOINT; SELECT pg_stat_reset()")

    def check(self, who):
        """After each run, `who` being `limit` or `ours`: all is stored, and both have written the same."""
        database = self.stage.database()
        stored = int(database.value(self.stored))
        if stored != self.events:
            raise Failed(f"{who}: {stored} of {self.events} are stored")
        names = ",".join(f"'{table.split('.')[-1]}'" for table in self.tables)
        rows = database.execute(f"SELECT relname, n_tup_ins, n_tup_upd FROM pg_stat_user_tables WHERE relname IN ({names}) ORDER BY 1")
        self.written[who] = {name: (round(int(inserted) / self.events, 1), round(int(updated) / self.events, 1))
                             for name, inserted, updated in rows}
        if len(self.written) == 2 and self.written["limit"] != self.written["ours"]:
            raise Failed(f"{self.script} does not write what the worker writes, (inserted, updated) for each event: {self.written}")

    def run(self, variables, options=""):
        """The script over all connections, in prepared statements, as the worker's role."""
        self.begin()
        before = self.stage.postgres_cpu()
        command = [pgbench(), "-n", "-f", ROOT / "tests/bench/rows" / self.script, "-c", CONNECTIONS, "-j", "2", "-M", "prepared",
                   "-t", self.events // CONNECTIONS // TOGETHER, "-D", f"batch={TOGETHER}"]
        for name, value in variables.items():
            command += ["-D", f"{name}={value}"]
        done = subprocess.run([*map(str, command), self.stage.database_url(self.worker)], capture_output=True, text=True, check=False,
                              timeout=600, env={**os.environ, "PGOPTIONS": options})
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        if done.returncode != 0 or not found:
            raise Failed(f"pgbench: {(done.stdout + done.stderr)[-1000:]}")
        postgres_s = self.stage.postgres_cpu() - before
        self.check("limit")
        return {"per_s": float(found[1]) * TOGETHER, "postgres_s": postgres_s, "events": self.events}


def bytea(length):
    """Bytes of that length, as a variable of a script."""
    return f"\\x{'68' * length}"
