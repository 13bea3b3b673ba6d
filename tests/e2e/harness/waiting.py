"""Waiting for what a test expects."""
import time


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
