"""Programs of the build, as processes with their logs."""
import contextlib
import functools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import urllib.parse

from .http import Http
from .waiting import Ended, eventually

ROOT = pathlib.Path(__file__).resolve().parents[3]


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

    @functools.cached_property  # the log may be long
    def metrics_address(self):
        return self.logged("metrics listening")["address"]

    @functools.cached_property
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
