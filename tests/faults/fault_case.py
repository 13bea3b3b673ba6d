"""What fault tests stand on: one cluster of three brokers for all of them, workers that fail where they are told, and the
ledgers of a load."""
import atexit
import os
import pathlib
import re
import signal
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests/e2e"), str(ROOT / "tests/faults")]
from chat_case import DEAD, GENERATED, MESSAGES, REPLIES, ChatCase, Load, Message  # noqa: E402, F401
from harness import Stack, binary, eventually  # noqa: E402
import oracle  # noqa: E402

LONG = bool(os.environ.get("OMNIBUS_FAULTS_LONG"))
SESSION_TIMEOUT = 2.0


def declared(macro):
    """The names that the sources give to failpoints or mutations."""
    names = set()
    for folder in "common", "workers":
        for path in (ROOT / folder).rglob("*.[ch]pp"):
            if path.parent.name != "faults":
                names |= set(re.findall(rf'{macro}\("([^"]+)"\)', path.read_text()))
    return sorted(names)


class Feeder(threading.Thread):
    """Publishes a load in pieces, one every `interval` seconds, until its end or until it is closed."""

    def __init__(self, kafka, load, piece, interval):
        super().__init__(daemon=True)
        self.kafka, self.load, self.piece, self.interval = kafka, load, piece, interval
        self.ended = threading.Event()
        self.error = None
        self.published = 0
        self.start()

    def run(self):
        try:
            while self.published < len(self.load) and not self.ended.is_set():
                end = min(self.published + self.piece, len(self.load))
                messages = self.load.messages[self.published:end]
                self.kafka.publish_all(MESSAGES, [(message.conversation, message.event) for message in messages])
                self.published = end
                self.ended.wait(self.interval)
        except Exception as error:  # told by close()
            self.error = error

    def close(self):
        """What was published is the load from now on."""
        self.ended.set()
        self.join(60)
        if self.error:
            raise self.error
        del self.load.messages[self.published:]
        self.load.sessions = list(dict.fromkeys(message.session for message in self.load.messages))


class Progress(threading.Thread):
    """Watches how many answers a load has, and remembers the longest time without a new one."""

    def __init__(self, case, load):
        super().__init__(daemon=True)
        self.case, self.load = case, load
        self.done, self.changed, self.longest = 0, time.monotonic(), 0.0
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.1):
            try:
                done = self.case.stored(self.load.name)
            except Exception:  # PostgreSQL may be what is away
                done = self.done
            now = time.monotonic()
            self.longest = max(self.longest, now - self.changed)
            if done > self.done:
                self.done, self.changed = done, now

    def stall(self):
        """The longest one so far, and the present one if that is longer."""
        return max(self.longest, time.monotonic() - self.changed)

    def since(self, moment, timeout):
        """Seconds from `moment` (of time.monotonic) to the first answer after it."""
        eventually(lambda: self.changed > moment, timeout, "an answer")
        return self.changed - moment

    def close(self):
        self.ended.set()
        self.join(10)


class FaultCase(ChatCase):
    """A ChatCase on three brokers; every process of a build with failpoints, all its sanitizers' reports failures."""

    shared = None

    @classmethod
    def make_stack(cls):
        if FaultCase.shared is None:
            if b"take_over.swept" not in pathlib.Path(binary("omnibus-chat")).read_bytes():
                raise AssertionError(f"{binary('omnibus-chat')} has no failpoints: set OMNIBUS_BIN to a dev or tsan build's bin")
            FaultCase.shared = Stack("apache", brokers=3)
            atexit.register(FaultCase.shared.close)
            cls.set_session_timeout(FaultCase.shared, int(SESSION_TIMEOUT * 1000))
        return FaultCase.shared

    def setUp(self):
        self.first_process = len(self.stack.processes)
        self.addCleanup(self.assertNoReports)

    def assertNoReports(self):
        """Runs when everything that the test started has been stopped."""
        for process in self.stack.processes[self.first_process:]:
            found = re.search(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|terminate called", process.text())
            self.assertFalse(found, f"{process.name}, {process.log}:\n{process.text()[found.start():][:4000] if found else str()}")

    def worker(self, simulator, wait=True, failpoint="", mutate="", **settings):
        settings = {"MAX_IN_FLIGHT": 8, "DATABASE_POOL": 2, "LOG_LEVEL": "info", **settings}
        return super().worker(simulator, wait, OMNIBUS_FAILPOINT=failpoint, OMNIBUS_MUTATE=mutate, **settings)

    def dies(self, process, timeout=60):
        """Waits until it has killed itself at its failpoint."""
        try:
            status = process.wait(timeout)
        except Exception:
            self.fail(f"{process.name} never came to its failpoint; its log ends with:\n{process.text()[-1500:]}")
        self.assertEqual(status, -signal.SIGKILL, process.text()[-3000:])

    def freezes(self, process, timeout=60):
        """Waits until it has stopped itself at its failpoint."""
        def stopped():
            return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        eventually(stopped, timeout, f"{process.name} stopping at its failpoint")

    def settle(self, load, timeout=90, quiet=None):
        """Waits until every message of a load has its answer and its reply; with `quiet`, or until nothing has changed for
        so many seconds."""
        deadline, changed, last = time.monotonic() + timeout, time.monotonic(), None
        wanted = {message.id for message in load.messages}
        while True:
            stored = self.stored(load.name)
            published = {reply.in_reply_to for reply in self.topic(load)} if stored >= len(load) or quiet else set()
            if stored >= len(load) and wanted <= published:
                return
            now = time.monotonic()
            if (stored, len(published)) != last:
                last, changed = (stored, len(published)), now
            if quiet and now - changed > quiet:
                return
            if now > deadline:
                return  # the oracle says what is missing
            time.sleep(0.2)

    def topic(self, load):
        """The replies to a load, as the oracle takes them."""
        sessions = {message.conversation: message.session for message in load.messages}
        return [oracle.Reply(sessions[record.key], record.headers["ce_id"], record.json["in_reply_to"], record.json["text"])
                for record in self.stack.kafka.consume(REPLIES)
                if record.key in sessions and record.headers.get("ce_type") == GENERATED]

    def judge(self, load, simulator=None, repeats=0, republished=None):
        """The oracle's verdict on a load. `repeats`: questions that the faults may have had asked again; `republished`:
        replies that they may have had published again, if that is counted."""
        events = [oracle.Event(message.id, message.session, message.text) for message in load.messages]
        rows = [oracle.Row(session, *row) for session, rows in self.transcripts(load.name).items() for row in rows]
        topic = self.topic(load)
        ids = {message.conversation: message.id for message in load.messages}
        waiting = self.stack.database.execute(f"SELECT encode(key, 'escape') FROM pipeline.outbox WHERE topic = '{REPLIES}'")
        sent_again = {id for id, in self.stack.database.execute("SELECT letter_id FROM pipeline.dead_letter_actions")}
        parked = [record.json.get("id", record.key) for record in self.stack.kafka.consume(DEAD)
                  if record.key in ids and record.headers["error.id"] not in sent_again]
        asked = None
        if simulator is not None:
            asked = {text: count for text in {message.text for message in load.messages} if (count := simulator.asked(text))}
        return oracle.judge(oracle.Ledgers(events, rows, topic, [ids[key] for key, in waiting if key in ids], parked, asked, repeats,
                                            republished))

    def assertClean(self, load, simulator=None, repeats=0, republished=None):
        # A removal follows its publication; it may be on its way.
        verdict = self.judge(load, simulator, repeats, republished)
        if verdict.lost:
            time.sleep(2)
            verdict = self.judge(load, simulator, repeats, republished)
        self.assertTrue(verdict.clean, verdict)

    def note(self, text):
        """A figure for whoever reads the run's output."""
        print(f"  {self._testMethodName}: {text}", file=sys.stderr, flush=True)
