"""What end-to-end tests stand on: processes, a broker, PostgreSQL, tenants, HTTP, server-sent events, kcat.

Binaries are taken from OMNIBUS_BIN, else from build/release/bin, else from build/dev/bin. What a test brings up lives
in the run folder OMNIBUS_RUN_DIR, else in a temporary one, and is gone when its Stack is closed. Standard library only.
"""
import contextlib
import http.client
import json
import os
import pathlib
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONVERSATIONS = uuid.UUID("6f6d6e69-6275-5000-8000-636f6e766572")


def conversation_id_of(domain, session_id):
    """The id every part of Omnibus gives a session's conversation."""
    return str(uuid.uuid5(CONVERSATIONS, f"{domain}\0{session_id}"))


def binary(name):
    """The path of a program of the build."""
    folders = [os.environ["OMNIBUS_BIN"]] if os.environ.get("OMNIBUS_BIN") else [ROOT / "build/release/bin", ROOT / "build/dev/bin"]
    for folder in folders:
        if (path := pathlib.Path(folder) / name).exists():
            return str(path)
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, folders))}: build it, or set OMNIBUS_BIN")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Ended(AssertionError):
    """A process is gone that was waited for: no use waiting on."""


def eventually(condition, timeout=20, what="the condition"):
    """Waits until condition() is true and returns what it gave; what it raises counts as not yet."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            if value := condition():
                return value
            last = value
        except Ended:
            raise
        except Exception as error:  # judged at the deadline
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s; last: {last!r}")
        time.sleep(0.05)


class Process:
    """A program with its log in a file."""

    def __init__(self, name, arguments, log, environment=None):
        self.name = name
        self.log = pathlib.Path(log)
        self.arguments = [str(argument) for argument in arguments]
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                          env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")

    def lines(self):
        """The JSON lines of the log."""
        for line in self.text().splitlines():
            with contextlib.suppress(ValueError):
                if isinstance(entry := json.loads(line), dict):
                    yield entry

    def logged(self, message, timeout=20):
        """Waits for the log line with this msg and returns it."""
        def look():
            for line in self.lines():
                if line.get("msg") == message:
                    return line
            if not self.alive():
                raise Ended(f"{self.name} ended with {self.popen.returncode}:\n{self.text()[-2000:]}")
            return None
        return eventually(look, timeout, f"{self.name} logging {message!r}")

    def said(self, pattern, timeout=20):
        """Waits until the log matches a regular expression and returns the match."""
        return eventually(lambda: re.search(pattern, self.text()), timeout, f"{self.name} saying {pattern!r}")

    def signal(self, number):
        self.popen.send_signal(number)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def wait(self, timeout=30):
        return self.popen.wait(timeout)

    def stop(self, timeout=30):
        """SIGTERM, and SIGKILL for what does not go in time. Returns the exit status."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                self.resume()
                self.signal(signal.SIGTERM)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not stop within {timeout} s of SIGTERM")
        return self.popen.returncode

    def kill(self):
        """SIGKILL, as the out-of-memory killer does it."""
        if self.alive():
            self.signal(signal.SIGKILL)
        return self.wait()


class Worker(Process):
    """A worker's process, with its addresses read from its log."""

    @property
    def metrics_address(self):
        return self.logged("metrics listening")["address"]

    @property
    def address(self):
        """Of the gateway's API."""
        return self.logged("http listening")["address"]

    def ready(self):
        return Http(self.metrics_address).get("/readyz").status == 200

    def await_ready(self, timeout=30):
        def look():
            if not self.alive():
                raise Ended(f"{self.name} ended with {self.popen.returncode}:\n{self.text()[-2000:]}")
            return self.ready()
        try:
            eventually(look, timeout, f"{self.name} being ready")
        except Ended:
            raise
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends with:\n{self.text()[-2000:]}") from None
        return self

    def metric(self, name, **labels):
        """Sum of a metric over the series that have these labels."""
        total = 0.0
        for line in Http(self.metrics_address).get("/metrics").text.splitlines():
            found = re.match(r"([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$", line)
            if found and found[1] == name and all(f'{key}="{value}"' in (found[2] or "") for key, value in labels.items()):
                total += float(found[3])
        return total


class Simulator(Process):
    """The model that is made up, with its routes for tests."""

    url = None  # base URL of the API

    @property
    def client(self):
        return Http(urllib.parse.urlsplit(self.url).netloc)

    def stats(self, query=""):
        return self.client.get(f"/_simulator/stats?{query}").json

    def asked(self, text):
        """How often it was asked with this as the visitor's last message."""
        return self.stats("text=" + urllib.parse.quote(text))["text"]["asked"]

    def set_faults(self, *rules):
        answer = self.client.post("/_simulator/faults", {"rules": list(rules)})
        if answer.status != 200:
            raise AssertionError(f"the simulator refused {rules}: {answer}")

    def clear_faults(self):
        self.client.request("DELETE", "/_simulator/faults")


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Http:
    """A client of one address; a connection for each request, so any thread may use it."""

    def __init__(self, address, token=None, timeout=30):
        self.address = address
        self.token = token
        self.timeout = timeout

    def request(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        all_headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})
        connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        try:
            connection.request(method, path, body, {key: value for key, value in all_headers.items() if value is not None})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, None, headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def stream(self, path, headers=None, timeout=20):
        return EventStream(self, path, headers, timeout)


class Event:
    """A server-sent event."""

    def __init__(self, name, data, id):
        self.name, self.data, self.id = name, data, id

    @property
    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"<{self.id} {self.name} {self.data[:200]}>"


class EventStream:
    """A stream of server-sent events, read by a thread of its own. Use it in a with statement."""

    END = object()

    def __init__(self, client, path, headers=None, timeout=20):
        self.timeout = timeout
        self.comments = 0
        self.last_id = ""
        self.events = queue.Queue()
        self.connection = http.client.HTTPConnection(client.address, timeout=timeout)
        all_headers = {"Accept": "text/event-stream", **(headers or {})}
        if client.token:
            all_headers.setdefault("Authorization", f"Bearer {client.token}")
        self.connection.request("GET", path, headers=all_headers)
        self.socket = self.connection.sock  # getresponse() gives it away when the server closes afterwards
        response = self.connection.getresponse()
        self.status, self.headers = response.status, response.headers
        if self.status != 200:
            self.refusal = Answer(self.status, self.headers, response.read())
            self.close()
            self.events.put(self.END)
            return
        self.response = response
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name, data, last_id = "message", [], ""
        try:
            while line := self.response.readline():
                line = line.decode().rstrip("\r\n")
                if not line:
                    self.last_id = last_id
                    if data:
                        self.events.put(Event(name, "\n".join(data), last_id))
                    name, data = "message", []
                    continue
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if not field:
                    self.comments += 1
                elif field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    last_id = value
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.events.put(self.END)

    def next(self, timeout=None):
        """The next event; None once the stream has ended."""
        try:
            event = self.events.get(timeout=timeout or self.timeout)
        except queue.Empty:
            raise AssertionError(f"no event came within {timeout or self.timeout} s") from None
        if event is self.END:
            self.events.put(self.END)
            return None
        return event

    def until(self, name, timeout=None):
        """The events up to the first of that name, it included."""
        events = []
        while not events or events[-1].name != name:
            event = self.next(timeout)
            if event is None:
                raise AssertionError(f"the stream ended before {name!r}; it had {events}")
            events.append(event)
        return events

    def nothing(self, seconds=0.5):
        """Whether no event comes for a while."""
        try:
            return self.events.get(timeout=seconds) is self.END
        except queue.Empty:
            return True

    def close(self):
        with contextlib.suppress(OSError):
            if self.socket:
                self.socket.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        if thread := getattr(self, "thread", None):
            thread.join(5)
            self.response.close()
        if self.socket:
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def as_bytes(text):
    """The bytes of a key, value or header that kcat showed, whether they are UTF-8 or not."""
    return None if text is None else text.encode(errors="surrogateescape")


class Record:
    """A Kafka record as kcat shows it."""

    def __init__(self, entry):
        self.topic, self.partition, self.offset = entry["topic"], entry["partition"], entry["offset"]
        self.key, self.value = entry.get("key"), entry.get("payload")
        names = entry.get("headers") or []
        self.header_list = list(zip(names[::2], names[1::2]))
        self.headers = dict(self.header_list)

    @property
    def json(self):
        return json.loads(self.value)

    def __repr__(self):
        return f"<{self.topic}/{self.partition}@{self.offset} {self.key} {self.headers} {self.value}>"


def structured_event(type, data, source="/tests", id=None):
    """A CloudEvent in JSON event format."""
    return {"specversion": "1.0", "id": id or str(uuid.uuid4()), "source": source, "type": type,
            "datacontenttype": "application/json", "data": data}


class Kafka:
    """A cluster seen through kcat, a client that is not ours."""

    def __init__(self, brokers):
        self.brokers = brokers

    def consume(self, topic, timeout=30):
        """Everything that is on the topic now, by partition and offset."""
        output = subprocess.run(["kcat", "-C", "-q", "-b", self.brokers, "-t", topic, "-o", "beginning", "-e", "-J",
                                 "-X", "fetch.wait.max.ms=20"], check=True, capture_output=True, timeout=timeout).stdout
        records = [Record(json.loads(line)) for line in output.decode(errors="surrogateescape").split("\n") if line]
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def produce(self, topic, key, value, headers=None, partition=None):
        """One record; value None is a tombstone. Key and headers (a dict, or pairs) may be bytes without NUL; an empty value
        and a tombstone need a key. The size is the broker's to judge: refused there, this raises CalledProcessError."""
        command = ["kcat", "-P", "-b", self.brokers, "-t", topic, "-X", "topic.partitioner=murmur2_random",
                   "-X", "message.max.bytes=16000000"]
        if isinstance(value, str):
            value = value.encode()
        if partition is not None:
            command += ["-p", str(partition)]
        for name, text in headers.items() if isinstance(headers, dict) else headers or []:
            command += ["-H", name.encode() + b"=" + (text if isinstance(text, bytes) else text.encode())]
        if not value:  # kcat drops an empty file and an empty line, but not a line of a key alone
            command += ["-K", "\t"] + (["-Z"] if value is None else [])
            line = (key if isinstance(key, bytes) else key.encode()) + b"\t\n"
            subprocess.run(command, check=True, capture_output=True, timeout=30, input=line)
            return
        if key is not None:
            command += ["-k", key]
        with tempfile.NamedTemporaryFile() as file:  # a whole file is one record, line breaks and all
            file.write(value)
            file.flush()
            subprocess.run(command + [file.name], check=True, capture_output=True, timeout=30)

    def publish(self, topic, key, events, source="/tests"):
        """CloudEvents of one key in structured mode, in order: pairs of type and data. Returns their ids."""
        structured = [structured_event(type, data, source) for type, data in events]
        self.publish_all(topic, [(key, event) for event in structured])
        return [event["id"] for event in structured]

    def publish_all(self, topic, events):
        """Pairs of key and structured event, in order."""
        lines = [f"{key}\t{json.dumps(event)}\n" for key, event in events]
        subprocess.run(["kcat", "-P", "-b", self.brokers, "-t", topic, "-K", "\t", "-X", "topic.partitioner=murmur2_random",
                        "-X", "enable.idempotence=true", "-H", "content-type=application/cloudevents+json"],
                       check=True, capture_output=True, timeout=30, input="".join(lines).encode())


class Database:
    """PostgreSQL through psql, as the superuser of the private cluster. One psql is kept and asked everything: to start it
    costs a hundred times what a question costs."""

    END = "\x1e"  # a line of its own after what a question gave

    def __init__(self, url):
        self.url = url
        self.lock = threading.Lock()
        self.psql = None

    def execute(self, sql):
        """Runs SQL and returns what it prints, a list of fields for each row."""
        with self.lock:
            reused = self.psql is not None
            try:
                try:
                    printed = self._ask(sql)
                except ConnectionError:
                    if not reused:
                        raise
                    printed = self._ask(sql)  # the server was away since the last question
            except ConnectionError as error:
                raise AssertionError(f"psql: {error}") from None
        return [line.split("\x1f") for line in printed.splitlines()]

    def value(self, sql):
        return self.execute(sql)[0][0]

    def close(self):
        if self.psql is not None:
            self.psql.kill()
            self.psql.communicate()
            self.psql = None

    def _ask(self, sql, timeout=60):
        if self.psql is None:
            self.psql = subprocess.Popen(["psql", "-XAtq", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", self.url], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline, output = time.monotonic() + timeout, {self.psql.stdout: b"", self.psql.stderr: b""}
        with contextlib.suppress(BrokenPipeError):
            self.psql.stdin.write(f"{sql}\n;\n\\echo {self.END}\n".encode())
            self.psql.stdin.flush()
        open_pipes = set(output)
        while open_pipes and not output[self.psql.stdout].endswith(f"{self.END}\n".encode()):
            readable, _, _ = select.select(open_pipes, [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                self.close()
                raise AssertionError(f"psql: no answer within {timeout} s to {sql}")
            for pipe in readable:
                if piece := os.read(pipe.fileno(), 1 << 16):
                    output[pipe] += piece
                else:
                    open_pipes.discard(pipe)
        if open_pipes:
            return output[self.psql.stdout].decode().removesuffix(f"{self.END}\n")
        psql, self.psql = self.psql, None
        psql.communicate()
        error = output[psql.stderr].decode()
        raise ConnectionError(error) if psql.returncode == 2 else AssertionError(f"psql: {error}")

    @contextlib.contextmanager
    def held(self, sql):
        """What this takes, such as a lock, is held in a transaction that is rolled back in the end."""
        with subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as psql:
            psql.stdin.write(f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; {sql}; SELECT 'held';\n")
            psql.stdin.flush()
            if psql.stdout.readline() != "held\n":
                raise AssertionError(f"psql could not {sql}")
            yield


class Stack:
    """A broker, PostgreSQL with the schema, and whatever workers a test starts; closed, nothing of it is left.

    kafka: "embedded" (each stack has its own), "apache" (compose/kafka, in the run folder) or the address of a cluster that
    is there already; OMNIBUS_E2E_KAFKA says it for all stacks.
    brokers: 1 or 3, of Apache Kafka.
    """

    def __init__(self, kafka=None, brokers=1):
        kafka = kafka or os.environ.get("OMNIBUS_E2E_KAFKA") or "embedded"
        self.processes = []
        self.owns_folder = "OMNIBUS_RUN_DIR" not in os.environ
        self.folder = pathlib.Path(os.environ.get("OMNIBUS_RUN_DIR") or tempfile.mkdtemp(prefix="omnibus-e2e."))
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
        done = subprocess.run([ROOT / "compose" / script, *arguments], text=True, capture_output=True, timeout=180,
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

    def add_tenant(self, domain, role="tenant"):
        """Adds a tenant, if it is not there yet, and returns a new token of it."""
        self.omnibus("tenant", "add", domain)
        return self.omnibus("token", "create", "--domain", domain, "--role", role).splitlines()[-1]
