"""Runs tasks beside each other, in as many slots as the run has."""
import os
import re
import signal
import subprocess
import time

from counts import Counts, TIMED_OUT, outcome
from task import Result

LANES = {"build": 1, "faults": 2}  # two builds in one folder would spoil each other; a fault suite has three brokers
GRACE = 10  # seconds between SIGTERM and SIGKILL for a task past its limit
# Where sessions share these, not processes, the session is niced as well.
NICE = ["bash", "-c", 'echo 10 2>/dev/null >/proc/self/autogroup; exec nice -n 10 "$@"', "build"]


class StepFailed(Exception):
    """A step failed that the run needs."""


class Running:
    """A task that runs, the leader of a process group."""

    def __init__(self, task, log):
        self.task, self.log = task, log
        given = task.environment() if callable(task.environment) else task.environment
        with open(log, "wb") as output:
            self.process = subprocess.Popen([*(NICE if task.nice else []), *map(str, task.command)], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                                            env={**os.environ, **given})
        self.begun = time.monotonic()
        self.timed_out = False
        self.usage = None

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def ended(self):
        """Whether it has ended; if so it is reaped, and what it left of its group is killed."""
        if self.process.returncode is not None:
            return True
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.usage = usage
        if not self.task.step:  # which may have started a server
            self.signal(signal.SIGKILL)
        return True

    def enforce_limit(self):
        over = time.monotonic() - self.begun - self.task.limit
        if over > GRACE:
            self.signal(signal.SIGKILL)
        elif over > 0 and not self.timed_out:
            self.timed_out = True
            self.signal(signal.SIGTERM)

    def result(self):
        status = TIMED_OUT if self.timed_out else self.process.returncode
        if self.timed_out:
            self.remark(f"ended after {self.task.limit:.0f} s, the time limit")
        if self.task.step:
            found = Counts(failed=int(status != 0))
        else:
            found, remark = outcome(status, self.log.read_text(errors="replace"), self.task.one_case)
            if remark:
                self.remark(remark)
        cpu = self.usage.ru_utime + self.usage.ru_stime
        return Result(self.task, status, found, self.log, self.begun, time.monotonic(), cpu)

    def remark(self, text):
        with open(self.log, "a") as log:
            log.write(f"\n{text}\n")


class Scheduler:
    """Runs tasks in `slots`; `report` is called with each Result as it comes.

    A task waits until those of its `after` have ended, then for its lane, then for its slots. The order of the tasks is their priority: one that waits
    for slots is not overtaken by a later one, so that a heavy task comes to its turn.
    """

    def __init__(self, slots, logs, report):
        self.slots, self.logs, self.report = slots, logs, report
        self.running = []
        self.done = set()

    def run(self, tasks):
        """Returns when all have ended.

        @raises StepFailed when a step has failed; what still ran has been ended.
        """
        waiting = list(tasks)
        names = {task.name for task in waiting} | self.done
        for task in waiting:
            if missing := set(task.after) - names:
                raise ValueError(f"{task.name} waits for {', '.join(sorted(missing))}, which no task is called")
        while waiting or self.running:
            for task in self.startable(waiting):
                waiting.remove(task)
                self.running.append(Running(task, self.log_of(task)))
            for running in [each for each in self.running if each.ended()]:
                self.running.remove(running)
                self.take(running.result())
            for running in self.running:
                running.enforce_limit()
            if waiting and not self.running and not self.startable(waiting):
                raise ValueError(f"these wait for each other: {', '.join(task.name for task in waiting)}")
            time.sleep(0.02)

    def take(self, result):
        self.report(result)
        if result.task.step and result.failed:
            self.stop()
            raise StepFailed(result.task.name)
        self.done.add(result.task.name)

    def startable(self, waiting):
        """Those that can start now, in their order."""
        free = self.slots - sum(self.weight_of(each.task) for each in self.running)
        places = {lane: width - sum(each.task.lane == lane for each in self.running) for lane, width in LANES.items()}
        chosen = []
        for task in waiting:
            if not self.done.issuperset(task.after) or places.get(task.lane, 1) == 0:
                continue
            if self.weight_of(task) > free:
                free = 0
                continue
            free -= self.weight_of(task)
            if task.lane:
                places[task.lane] -= 1
            chosen.append(task)
        return chosen

    def weight_of(self, task):
        return min(task.weight, self.slots)

    def stop(self):
        """Ends all that runs: SIGTERM, and SIGKILL after a second."""
        for running in self.running:
            running.signal(signal.SIGTERM)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and not all([running.ended() for running in self.running]):
            time.sleep(0.02)
        for running in self.running:
            if not running.ended():
                running.signal(signal.SIGKILL)
                running.process.wait()
        self.running.clear()

    def log_of(self, task):
        return self.logs / (re.sub(r"[^A-Za-z0-9_.-]", "_", task.name) + ".log")
