"""PostgreSQL seen through psql."""
import contextlib
import os
import select
import subprocess
import threading
import time


class Database:
    """PostgreSQL through psql, as the superuser of the private cluster. One psql is kept and asked everything: to start it
    costs a hundred times what a question costs."""

    END = "\x1e"  # a line of its own after what a question gave

    def __init__(self, url):
        self.url = url
        self.lock = threading.Lock()
        self.psql = None

    def execute(self, sql, timeout=60):
        """Runs SQL and returns what it prints, a list of fields for each row. Gives up after so many seconds."""
        with self.lock:
            reused = self.psql is not None
            try:
                try:
                    printed = self._ask(sql, timeout)
                except ConnectionError:
                    if not reused:
                        raise
                    printed = self._ask(sql, timeout)  # the server was away since the last question
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

    def _ask(self, sql, timeout):
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
