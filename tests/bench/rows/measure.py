"""Programs that print one line of figures, run in turns, and what comes of it."""
import dataclasses
import re
import statistics
import subprocess
import sys


class Failed(Exception):
    """A program of the benchmark did not do what it was to do."""


def figures_of(output):
    """The name=number pairs of the last line that has any."""
    for line in reversed(output.splitlines()):
        if found := re.findall(r"(\w+)=(-?[0-9.]+)(?=\s|$)", line):
            return {name: float(value) for name, value in found}
    return {}


def run_program(command, timeout, environment=None):
    """Runs a program to its end and returns its figures."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: not done within {timeout} s") from None
    figures = figures_of(done.stdout)
    if done.returncode != 0 or not figures:
        raise Failed(f"{' '.join(command)}: ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:]}")
    return figures


def check_order(figures):
    """A rate at which events are lost, doubled or overtaken is none."""
    wrong = {name: figures[name] for name in ("disorder", "duplicates", "missing") if figures.get(name)}
    if wrong:
        raise Failed(f"the order check found {wrong}")
    return figures


@dataclasses.dataclass
class Result:
    """One figure of one row: the limit's, ours, and how they relate, over all repeats."""
    row: str
    broker: str
    keys: str
    what: str             # what is measured, with its unit
    limit: list           # one value for each repeat; empty where the row has no limit but a target
    ours: list
    target: str = ""      # what DESIGN or the issue asks, in words
    reach: float = None   # the number in it, of the ratio, or of ours where there is no limit or `absolute`
    smaller: bool = False # smaller is better; the ratio is then limit / ours, so that 1 is always the limit
    note: str = ""
    absolute: bool = False  # the target is of ours, although there is a limit

    @property
    def ratios(self):
        if not self.limit:
            return []
        pairs = zip(self.limit, self.ours)
        return [(limit / ours if self.smaller else ours / limit) for limit, ours in pairs if limit > 0 and ours > 0]

    @property
    def reached(self):
        """Whether the target is met; None where there is none."""
        if self.reach is None:
            return None
        if self.ratios and not self.absolute:
            return statistics.median(self.ratios) >= self.reach
        value = statistics.median(self.ours)
        return value <= self.reach if self.smaller else value >= self.reach


def alternate(repeats, programs, progress):
    """Runs programs (name to function returning figures) in turns, the order turned round each time, so that what drifts
    drifts for all of them. Returns a list of figures for each name."""
    figures = {name: [] for name in programs}
    names = list(programs)
    for repeat in range(repeats):
        for name in names if repeat % 2 == 0 else reversed(names):
            progress(f"{name}, {repeat + 1} of {repeats}")
            figures[name].append(programs[name]())
    return figures


def values(figures, name, per=None):
    """One column of a program's figures, in millionths for each of `per`."""
    return [each[name] / each[per] * 1e6 if per else each[name] for each in figures]


def say(text):
    print(f"tests/bench/run: {text}", file=sys.stderr, flush=True)
