"""One thing that a run starts: a test program, a check, or a step such as a build."""
import pathlib
from dataclasses import dataclass, field
from typing import Callable

from counts import Counts


@dataclass
class Task:
    """A command in a process group of its own.

    part: the row of the closing table. limit: seconds. after: names of the tasks that must have ended before.
    weight: how many of the run's slots it takes; lane: of a lane only so many run at a time, see LANES.
    environment: what is set for it; a function is called when it starts. nice: others get the processors first.
    step: the run needs it and ends when it fails; a step that succeeds counts as no case.
    one_case: a check, not a test program: it counts as one case.
    """
    name: str
    part: str
    command: list
    limit: float = 300
    after: tuple = ()
    weight: int = 1
    environment: dict | Callable[[], dict] = field(default_factory=dict)
    lane: str = ""
    nice: bool = False
    step: bool = False
    one_case: bool = False


@dataclass
class Result:
    """How a task ended. cpu: seconds of its processes, but not of servers that have left its process group."""
    task: Task
    status: int
    counts: Counts
    log: pathlib.Path
    begun: float
    ended: float
    cpu: float

    @property
    def seconds(self):
        return self.ended - self.begun

    @property
    def failed(self):
        return self.counts.failed > 0
