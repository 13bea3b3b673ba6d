"""What a test program counted: read from its output, and corrected by how it ended."""
import re
from dataclasses import dataclass

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
DOCTEST = re.compile(r"^\[doctest\] test cases: *\d+ \| *(\d+) passed \| *(\d+) failed \| *(\d+) skipped", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n+(OK|FAILED)(?: \((.*)\))?$", re.M)
TIMED_OUT = 124
SKIPPED = 77  # how a check says that it cannot run here


@dataclass(frozen=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def counts(output):
    """The program's own summary, of doctest or unittest; None when it did not come to it."""
    output = COLOURS.sub("", output)
    if found := list(DOCTEST.finditer(output)):
        return Counts(*map(int, found[-1].groups()))
    if found := list(UNITTEST.finditer(output)):
        ran, _, details = found[-1].groups()
        numbers = dict(part.rsplit("=", 1) for part in (details or "").split(", ") if "=" in part)
        failed = sum(int(numbers.get(word, 0)) for word in ("failures", "errors", "unexpected successes"))
        skipped = int(numbers.get("skipped", 0))
        return Counts(max(0, int(ran) - failed - skipped), failed, skipped)
    return None


def outcome(status, output, one_case=False):
    """The counts of a program that ended with `status`, and a remark for its log where the counts are not its own.

    one_case: it is no test program but a check, and counts as one case.
    """
    if one_case:
        if status == SKIPPED:
            return Counts(skipped=1), ""
        return (Counts(passed=1) if status == 0 else Counts(failed=1)), ""
    found = counts(output)
    if found is None:
        return Counts(failed=1), "it did not come to a summary of its tests"
    if status != 0 and found.failed == 0:
        return found + Counts(failed=1), "its tests passed, but it ended with an error: a leak, a crash on exit"
    if found == Counts():
        return Counts(failed=1), "no test case ran"
    return found, ""
