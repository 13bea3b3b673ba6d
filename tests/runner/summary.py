"""What a run prints: a line for each program, where the time went, and the one line at the end."""
import sys
import time

from counts import Counts

PARTS = "build", "lint", "unit", "database", "broker", "end to end", "faults", "sanitizers", "fuzz"
SLOWEST = 10
SAID = 200  # lines of a failing program


class Summary:
    """Collects results and prints each as it comes."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.results = []
        self.extra = Counts()
        self.begun = time.monotonic()

    def say(self, line):
        print(line, file=self.out, flush=True)

    @property
    def counts(self):
        return sum((result.counts for result in self.results), self.extra)

    @property
    def ran(self):
        """Whether any test program, or what stands for one, was there."""
        return self.extra.failed > 0 or any(not result.task.step or result.failed for result in self.results)

    def add(self, result):
        self.results.append(result)
        if result.task.step and not result.failed:
            self.say(f"       {result.task.name:<44} {result.seconds:7.1f} s")
            return
        word = "FAILED" if result.failed else "ok"
        self.say(f"{word:<6} {result.task.name:<44} {result.seconds:7.1f} s   {result.counts}")
        if result.failed:
            said = result.log.read_text(errors="replace").splitlines()[-SAID:]
            self.say("\n".join([f"--- {result.task.name} ended with status {result.status}; the end of what it said:", *said,
                                f"--- end of {result.task.name}"]))

    def fail(self, name, reason):
        """A failure that no program stands for."""
        self.extra += Counts(failed=1)
        self.say(f"FAILED {name:<44} {0:7.1f} s   {Counts(failed=1)}\n       {reason}")

    def table(self):
        """Where the time went, as lines. What ran beside each other is counted for each."""
        lines = [f"{'part':<14} {'programs':>8} {'wall s':>8} {'sum s':>8} {'CPU s':>8}"]
        for part in PARTS:
            if not (found := [result for result in self.results if result.task.part == part]):
                continue
            lines.append(f"{part:<14} {len(found):>8} {covered(found):>8.0f} {sum(result.seconds for result in found):>8.0f} "
                         f"{sum(result.cpu for result in found):>8.0f}")
        lines.append(f"{'whole run':<14} {len(self.results):>8} {time.monotonic() - self.begun:>8.0f} "
                     f"{sum(result.seconds for result in self.results):>8.0f} {sum(result.cpu for result in self.results):>8.0f}")
        ended = [result for result in self.results if not result.task.step]
        if ended:
            lines.append("slowest programs:")
        for result in sorted(ended, key=lambda result: -result.seconds)[:SLOWEST]:
            lines.append(f"  {result.seconds:7.1f} s  {result.task.name}")
        return lines

    def finish(self):
        """Prints the table and the last line; whether all went well."""
        if len(self.results) > 1:
            self.say("\n" + "\n".join(self.table()))
        self.say(str(self.counts))
        return self.counts.failed == 0 and self.counts.passed > 0


def covered(results):
    """Seconds in which at least one of these ran."""
    total, end = 0.0, float("-inf")
    for result in sorted(results, key=lambda each: each.begun):
        total += max(0.0, result.ended - max(result.begun, end))
        end = max(end, result.ended)
    return total
