"""Clients of the running pipeline: PostgreSQL through psql, the gateway, the topic of model calls, the metrics."""
import atexit
import collections
import decimal
import http.client
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid


class Trouble(Exception):
    """An error that ends the run, as text for the user."""


class Database:
    """Runs queries through one open psql. The password goes through its environment, not its command line."""

    END = "-- end of answer --"

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        environment = {
            **os.environ,
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port or 5432),
            "PGUSER": urllib.parse.unquote(parts.username or ""),
            "PGPASSWORD": urllib.parse.unquote(parts.password or ""),
            "PGDATABASE": parts.path.lstrip("/"),
            "PGCLIENTENCODING": "UTF8",
        }
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def rows(self, query):
        """The rows of a query that returns one JSON value per row."""
        try:
            self.process.stdin.write(f"{query};\n\\echo {self.END}\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Trouble("psql has ended") from error
        values = []
        while line := self.process.stdout.readline():
            line = line.rstrip("\n")
            if line == self.END:
                return values
            try:
                values.append(json.loads(line))
            except ValueError as error:
                raise Trouble(f"the database says: {line}") from error
        raise Trouble("psql has ended")

    def close(self):
        self.process.stdin.close()
        self.process.wait(5)


class Gateway:
    """One keep-alive connection."""

    def __init__(self, base, token):
        self.address = urllib.parse.urlsplit(base).netloc
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connection = None

    def request(self, method, path, body=None, headers=None):
        if not self.connection:
            self.connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            self.connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def post(self, message, give_up_at):
        """Publishes; retries a temporary rejection with the same key, so that it stays one event."""
        body = json.dumps(message).encode()
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        while True:
            wait, reason = 0.2, ""
            try:
                status, answer_headers, answer = self.request("POST", "/v1/chat/messages", body, headers)
                if status == 202:
                    return json.loads(answer)
                reason = f"{status} {answer.decode(errors='replace')[:300]}"
                if status not in (408, 429, 503):
                    raise Trouble(f"the gateway refused a message: {reason}")
                wait = float(answer_headers.get("Retry-After") or wait)
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
            if time.time() + wait > give_up_at:
                raise Trouble(f"the gateway takes no messages: {reason}")
            time.sleep(wait)


class ModelCalls:
    """The events of the topic llm.calls, from now on: usage and cost of every model call."""

    def __init__(self, brokers):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        omnibus = os.path.join(os.environ.get("OMNIBUS_BIN") or os.path.join(root, "build/release/bin"), "omnibus")
        self.process = subprocess.Popen([omnibus, "tail", "llm.calls", "--brokers", brokers], text=True, encoding="utf-8",
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        atexit.register(self.stop)
        said = self.process.stderr.readline()
        if not said.startswith("following"):
            raise Trouble(f"the topic llm.calls cannot be read: {said.strip()}")
        self.calls = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if "data" in event:
                self.calls.append((event["type"], event["data"]))

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def spent(self, visitors, replies):
        """Sums over the calls for these visitors. They are published right after each reply is stored, so the last ones
        may still be on their way."""
        ids = {visitor.conversation_id for visitor in visitors}
        give_up_at = time.time() + 5
        while True:
            own = [(kind, call) for kind, call in list(self.calls) if call["conversation_id"] in ids]
            completed = [call for kind, call in own if ".completed." in kind]
            if len(completed) >= replies or time.time() > give_up_at:
                break
            time.sleep(0.05)
        self.stop()
        return {
            "completed": len(completed),
            "failed": len(own) - len(completed),
            "input": sum(call["input_tokens"] for _, call in own),
            "output": sum(call["output_tokens"] for _, call in own),
            "cost": sum((decimal.Decimal(call["cost_usd"]) for _, call in own), decimal.Decimal(0)),
            "estimated": any(call["usage_estimated"] for _, call in own),
            "models": sorted({call["response_model"] or call["request_model"] for call in completed}),
        }


def read_counters(bases):
    """Sums over all workers and labels, by metric name."""
    sums = collections.Counter()
    for base in bases.split():
        try:
            with urllib.request.urlopen(f"{base}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError as error:
            raise Trouble(f"no metrics from {base}: {error}") from error
        for line in lines:
            if found := re.match(r"(\w+_total)(\{.*\})? (\S+)$", line):
                sums[found[1]] += float(found[3])
    return sums
