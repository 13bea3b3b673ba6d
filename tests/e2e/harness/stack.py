"""Everything that a test needs, started and stopped together."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse

from .database import Database
from .kafka import Kafka
from .programs import ROOT, Process, Simulator, Worker, binary
from .waiting import eventually


class Stack:
    """A broker, PostgreSQL with the schema, and whatever workers a test starts; closed, nothing of it is left.

    kafka: "embedded" (each stack has its own), "apache" (compose/kafka, in the run folder) or the address of a cluster that
    is there already; OMNIBUS_E2E_KAFKA says it for all stacks.
    brokers: 1 or 3, of Apache Kafka.
    """

    def __init__(self, kafka=None, brokers=1):
        kafka = kafka or os.environ.get("OMNIBUS_E2E_KAFKA") or "embedded"
        self.processes = []
        given = os.environ.get("OMNIBUS_RUN_DIR")
        if given and pathlib.Path(given, "environment").exists():  # of a pipeline whose environment this shell has sourced
            given = None
        self.owns_folder = given is None
        self.folder = pathlib.Path(given or tempfile.mkdtemp(prefix="omnibus-e2e."))
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o755)  # PostgreSQL may run as another user
        self.logs = self.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        try:
            self.broker = None
            self.apache = kafka == "apache"
            if kafka == "embedded":
                kafka = self.start_broker()
            elif self.apache:
                kafka = self.compose("kafka", "up", "--brokers", str(brokers))
            self.kafka = Kafka(kafka)
            self.compose("postgres", "up")
            self.database = Database(self.database_url())
            self.omnibus("migrate", "up", "--dir", ROOT / "migrations")
            if not self.broker:
                self.omnibus("topics", "apply", "--brokers", self.kafka.brokers)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stops everything, the last started first."""
        for process in reversed(self.processes):
            with contextlib.suppress(Exception):
                process.stop(15)
            process.kill()
        if getattr(self, "database", None):
            self.database.close()
        with contextlib.suppress(Exception):
            self.compose("postgres", "down")
        if getattr(self, "apache", False):
            with contextlib.suppress(Exception):
                self.compose("kafka", "down")
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def compose(self, script, *arguments):
        """Runs compose/<script> for this stack's run folder and returns what it printed."""
        done = subprocess.run([ROOT / "compose" / script, *arguments], text=True, capture_output=True, timeout=400,
                              env={**os.environ, "OMNIBUS_RUN_DIR": str(self.folder)})
        if done.returncode != 0:
            raise AssertionError(f"compose/{script} {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def database_url(self, role="admin"):
        return self.compose("postgres", "url", role)

    def omnibus(self, *arguments):
        """Runs the omnibus tool against this stack's database and broker, and returns what it printed."""
        environment = {**os.environ, "DATABASE_URL": self.database_url()}
        if getattr(self, "kafka", None):
            environment["KAFKA_BROKERS"] = self.kafka.brokers
        done = subprocess.run([binary("omnibus"), *map(str, arguments)], text=True, capture_output=True, timeout=120,
                              env=environment)
        if done.returncode != 0:
            raise AssertionError(f"omnibus {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def dump_database(self):
        """Returns the file of a backup."""
        file = self.folder / "omnibus.dump"
        subprocess.run(["pg_dump", "--format=custom", f"--file={file}", self.database_url()], check=True, timeout=60)
        return file

    def restore_database(self, file):
        """Puts a backup in the place of the database; whoever is connected loses the connection."""
        url = urllib.parse.urlsplit(self.database_url())
        maintenance = url._replace(path="/postgres").geturl()
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", maintenance, "-c", f"DROP DATABASE {url.path[1:]} WITH (FORCE)"],
                       check=True, timeout=60)
        subprocess.run(["pg_restore", "--create", "--exit-on-error", f"--dbname={maintenance}", file], check=True, timeout=60)

    def start_broker(self):
        """Starts the embedded broker and returns its address."""
        ready = self.folder / f"broker-{len(self.processes)}.ready"
        self.broker = self.start("broker", [binary("omnibus"), "broker", "--ready-file", ready])
        eventually(lambda: ready.exists() or not self.broker.alive(), 20, "the broker")
        return ready.read_text().strip()

    def break_broker(self):
        """The broker stops answering: the embedded one hangs, Apache Kafka dies without warning."""
        if self.broker:
            self.broker.pause()
        else:
            self.compose("kafka", "kill", "1")

    def mend_broker(self):
        if self.broker:
            self.broker.resume()
        else:
            self.compose("kafka", "start", "1")

    def start(self, name, arguments, environment=None, kind=Process):
        log = self.logs / f"{name}-{len(self.processes)}.log"
        log.unlink(missing_ok=True)  # of an earlier run in this folder: it would be read as this one's
        process = kind(name, arguments, log, environment)
        self.processes.append(process)
        return process

    def start_worker(self, name, role=None, wait=True, arguments=(), **settings):
        """Starts omnibus-<name>, its settings by their names, and waits until it is ready."""
        environment = {"KAFKA_BROKERS": self.kafka.brokers, "DATABASE_URL": self.database_url(role or name),
                       "HTTP_LISTEN": "127.0.0.1:0", "METRICS_LISTEN": "127.0.0.1:0", "LOG_LEVEL": "debug",
                       **{key: str(value) for key, value in settings.items()}}
        worker = self.start(name, [binary(f"omnibus-{name}"), *arguments], environment, Worker)
        return worker.await_ready() if wait else worker

    def start_simulator(self, port=0, **options):
        """Starts omnibus simulate with these options by their names and waits until it answers."""
        ready = self.folder / f"simulator-{len(self.processes)}.ready"
        arguments = [binary("omnibus"), "simulate", "--port", port, "--ready-file", ready]
        for name, value in options.items():
            arguments += ["--" + name.replace("_", "-"), value]
        simulator = self.start("simulator", arguments, kind=Simulator)
        eventually(lambda: ready.exists() or not simulator.alive(), 20, "the simulator")
        simulator.url = ready.read_text().strip()
        return simulator

    def add_tenant(self, domain, role="service"):
        """Adds a tenant, if it is not there yet, and returns a new token of it."""
        self.omnibus("tenant", "add", domain)
        return self.add_token(role, domain)

    def add_token(self, role, domain=None):
        """Returns a new token; without a domain it acts for all tenants, which only operators and admins may."""
        of_tenant = ("--domain", domain) if domain else ()
        return self.omnibus("token", "create", "--role", role, *of_tenant).splitlines()[-1]
