"""What the rows stand on: release build, brokers, topics, PostgreSQL, simulators. Brought up when first asked for, and gone
when the stage is closed."""
import contextlib
import fcntl
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402

from rows.measure import Failed, figures_of, run_program, say  # noqa: E402

EVENT = "omnibus.bench.recorded.v1"
WORKER_TOPICS = [name + suffix for suffix in ("", ".dlq") for name in
                 ("chat.messages", "chat.replies", "llm.calls", "notifications.requested", "notifications.results", "delivery.receipts",
                  "people", "match.requests", "match.results", "agent.turns", "conversations.completed", "gdpr.requests", "gdpr.audit",
                  "ops.ticks")]
EMBEDDED_PARTITIONS = 256
EMBEDDED_CALLS = 48  # partitions of llm.calls on the embedded broker, of which each holds 5 MiB


class Stage:
    def __init__(self, options):
        self.options = options
        self.build = ROOT / "build/release"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-bench."))
        os.chmod(self.folder, 0o755)  # PostgreSQL may run as another user
        self.processes = []
        self.brokers = {}
        self.topics = {}
        self.simulators = {}
        self.composed = []
        self.fresh = 0
        self.postgres = None
        os.environ["OMNIBUS_RUN_DIR"] = str(self.folder)
        os.environ["OMNIBUS_BENCH_BIN"] = str(self.build / "bench")  # built once, not before each run
        os.environ["OMNIBUS_BIN"] = str(self.build / "bin")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.descriptors = most

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Takes down what was brought up, the last first."""
        for process in reversed(self.processes):
            with contextlib.suppress(Exception):
                process.stop(10)
            with contextlib.suppress(Exception):
                process.kill()
        for script in reversed(self.composed):
            subprocess.run([ROOT / "compose" / script, "down"], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self):
        """Set-up and release build."""
        say("setting up and building the release preset")
        log = self.folder / "build.log"
        self.build.mkdir(parents=True, exist_ok=True)
        targets = ["bench_engine", "bench_fill", "bench_limit", "bench_responder", "bench_sealing", "omnibus"]
        targets += [f"omnibus-{name}" for name in (ROOT / "workers/list.txt").read_text().split()]
        environment = {**os.environ, "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}
        with open(self.build / ".lock", "w") as lock, open(log, "wb") as output:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two builds in one folder would spoil each other
            for command in (["compose/setup", "--for", "tests"], ["cmake", "--preset", "release"],
                            ["cmake", "--build", self.build, "--target", *targets]):
                if subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, env=environment, check=False).returncode != 0:
                    raise Failed(f"{' '.join(map(str, command))}: {log.read_text(errors='replace')[-3000:]}")

    def start(self, name, arguments, environment=None, kind=harness.Process):
        log = self.folder / f"{name}-{len(self.processes)}.log"
        log.unlink(missing_ok=True)  # of one that was stopped: it would be read as this one's
        process = kind(name, arguments, log, environment)
        self.processes.append(process)
        return process

    def start_ready(self, name, arguments, kind=harness.Process):
        """Starts a program that writes its address to --ready-file. Returns the process and the address."""
        ready = self.folder / f"{name}-{len(self.processes)}.ready"
        ready.unlink(missing_ok=True)  # of one that was stopped
        process = self.start(name, [*arguments, "--ready-file", ready], kind=kind)
        harness.eventually(lambda: ready.exists() or not process.alive(), 30, f"{name} answering")
        if not ready.exists():
            raise Failed(f"{name} did not start: {process.text()[-1000:]}")
        return process, ready.read_text().strip()

    def stop(self, process, patience=20):
        process.stop(patience)
        self.processes.remove(process)

    def stop_workers(self):
        """Those that a row which failed has left: they would take part in the next one's figures."""
        for worker in [each for each in self.processes if isinstance(each, harness.Worker)]:
            worker.kill()
            self.processes.remove(worker)

    def compose(self, script, *arguments):
        if script not in self.composed:
            self.composed.append(script)
        done = subprocess.run([ROOT / "compose" / script, *arguments], text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(f"compose/{script} {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def simulator(self, latency):
        """Base URL of a model that answers after so many milliseconds."""
        if latency not in self.simulators:
            command = [harness.binary("omnibus"), "simulate", "--port", 0, "--latency", latency]
            self.simulators[latency] = self.start_ready("simulator", command)[1]
        return self.simulators[latency]

    @contextlib.contextmanager
    def responder(self, latency):
        """A model and an SMS provider that do nothing but answer after so many milliseconds, and are none of our code. For one
        run: for a minute after a connection has closed the system keeps its port, and to connect to the same address among
        thousands of them takes milliseconds."""
        process, url = self.start_ready("responder", [ROOT / "tests/bench/responder", "--latency", latency])
        responder = Responder(url, process)
        try:
            yield responder
        finally:
            self.stop(process)
            responder.most_waiting = int(figures_of(process.text()).get("most_waiting", 0))

    def database(self):
        """PostgreSQL with the schema and one tenant, as its superuser."""
        if self.postgres is None:
            self.compose("postgres", "up")
            self.postgres = harness.Database(self.database_url("admin"))
            self.omnibus("migrate", "up", "--dir", ROOT / "migrations")
            self.omnibus("tenant", "add", "shop.example")
        return self.postgres

    def database_url(self, role):
        return self.compose("postgres", "url", role)

    def omnibus(self, *arguments):
        """Runs the omnibus tool against the database and returns what it printed."""
        done = subprocess.run([harness.binary("omnibus"), *map(str, arguments)], text=True, capture_output=True, check=False,
                              timeout=120, env={**os.environ, "DATABASE_URL": self.database_url("admin")})
        if done.returncode != 0:
            raise Failed(f"omnibus {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    @staticmethod
    def cpu(pid, children=False):
        """Seconds of CPU a process has taken, or those of its that have ended."""
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
        return sum(map(int, fields[13:15] if children else fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def postgres_cpu(self):
        """Seconds of CPU all of PostgreSQL's processes have taken."""
        home = (self.folder / "postgres/home").read_text().strip()
        server = (pathlib.Path(home) / "data/postmaster.pid").read_text().split()[0]
        total = self.cpu(server) + self.cpu(server, children=True)
        for process in pathlib.Path(f"/proc/{server}/task/{server}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += self.cpu(process)
        return total

    def broker(self, name):
        """The address of `embedded`, `apache`, or of the cluster that this is the address of."""
        if name not in self.brokers:
            if name == "apache":
                self.brokers[name] = self.compose("kafka", "up")
            elif name == "embedded":
                self.brokers[name] = self.start_embedded()[1]
            else:
                self.brokers[name] = name
        return self.brokers[name]

    def start_embedded(self, partitions=None):
        """An embedded broker with all topics; of some, by name, with another number of partitions. Its process and address."""
        partitions = partitions or {}
        names = ["bench.distinct", "bench.zipf", "bench.turns.distinct", *(f"bench.fresh.{i}" for i in range(1, 25))]
        lines = ["topics:"]
        for name in names:  # an event type belongs to one topic, and a name is all that the broker takes from it
            number = partitions.get(name, 8 if ".fresh." in name else EMBEDDED_PARTITIONS)
            lines.append(f"  - {{name: {name}, key: any, partitions: {number}, pii: false, owner: bench, "
                         f"events: [omnibus.{name}.v1], consumers: [bench]}}")
        for name in WORKER_TOPICS:
            number = partitions.get(name, EMBEDDED_CALLS if name == "llm.calls" else 12)
            lines.append(f"  - {{name: {name}, key: any, partitions: {number}, pii: false, owner: bench, "
                         f"events: [omnibus.bench.{name}.v1], consumers: [bench]}}")
        (self.folder / "topics.yaml").write_text("\n".join(lines) + "\n")
        return self.start_ready("broker", [harness.binary("omnibus"), "broker", "--file", self.folder / "topics.yaml"])

    def kafka(self, name):
        return harness.Kafka(self.broker(name))

    def topic(self, broker, kind, keys, records, key_count=100_000):
        """A topic filled once, and then read by groups of their own."""
        if (broker, kind, keys) not in self.topics:
            name = f"bench.{kind}.{keys}" if kind else f"bench.{keys}"
            if broker not in ("embedded", "apache"):
                name = f"{name}.{uuid.uuid4().hex[:8]}"
            say(f"filling {name} on {broker} with {records:,} events")
            # A key's partition holds 5 MiB on the embedded broker: only compressed the hottest one fits.
            compression = "lz4" if broker == "embedded" and keys == "zipf" else "none"
            self.fill(broker, name, records, "--keys", keys, "--key-count", key_count, "--compression", compression)
            self.topics[broker, kind, keys] = name
        return self.topics[broker, kind, keys]

    def worker_topic(self, broker, topic, records, *options):
        """One of the topics that the workers know, filled once. Returns how many records it holds, whoever wrote them."""
        if broker not in ("embedded", "apache"):
            raise Failed("a worker takes its own topics: only on embedded or apache, which nobody else uses")
        if broker == "apache":
            self.omnibus("topics", "apply", "--brokers", self.broker(broker))
        if (broker, topic) not in self.topics:
            say(f"filling {topic} on {broker} with {records:,} events")
            self.topics[broker, topic] = int(self.fill(broker, topic, records, *options)["held"])
        return self.topics[broker, topic]

    def new_topic(self, broker):
        """A topic nobody has used: the embedded broker has some in store, of others the filler makes it."""
        self.fresh += 1
        return f"bench.fresh.{self.fresh}" if broker == "embedded" else f"bench.{uuid.uuid4().hex[:12]}"

    def fill(self, broker, name, records, *options):
        return run_program([ROOT / "tests/bench/fill", "--kafka", self.broker(broker), "--topic", name, "--records", records,
                            *options], 900)

    def engine(self, broker, topic, records, *options, timeout=300):
        """The engine on a topic, in a group of its own."""
        return run_program(self.engine_command(broker, topic, records, *options), timeout)

    def engine_command(self, broker, topic, records, *options, group=None):
        return [ROOT / "tests/bench/engine", "--kafka", self.broker(broker), "--topic", topic, "--group", group or new_group(),
                "--records", records, *options]

    def limit(self, *arguments, timeout=300, environment=None):
        return run_program([ROOT / "tests/bench/limit", *arguments], timeout, environment)


class Responder:
    """A running responder. `most_waiting`, the most requests that waited for answers at once, is known when it has ended."""

    def __init__(self, url, process):
        self.url, self.process, self.most_waiting = url, process, None

    def cpu(self):
        """Seconds of CPU that it has taken."""
        return Stage.cpu(self.process.pid)


def new_group():
    return f"bench-{uuid.uuid4().hex[:12]}"
