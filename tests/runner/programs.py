"""The test programs that there are: those that CMake declares, and the Python scripts."""
import json
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """A test of ctest: label is test, pgtest or kafkatest; targets are the files of the build that its command names."""
    name: str
    label: str
    command: tuple
    targets: tuple


def parse(listing, build):
    """The programs in what `ctest --show-only=json-v1` prints for a build folder."""
    found = []
    for test in json.loads(listing)["tests"]:
        properties = {each["name"]: each["value"] for each in test.get("properties", [])}
        # ctest leaves the command out while the program is not built.
        command = tuple(test.get("command") or [f"{build}/tests/{test['name']}"])
        targets = tuple(part.removeprefix(f"{build}/") for part in command if part.startswith(f"{build}/"))
        found += [Program(test["name"], label, command, targets) for label in properties.get("LABELS", [])]
    return found


def listed(build):
    """The programs of a configured build folder."""
    done = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True)
    return parse(done.stdout, build)


def binaries(build):
    """The targets bin/NAME of a configured build folder."""
    done = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], capture_output=True, text=True, check=True)
    return sorted(line.split(": ")[0] for line in done.stdout.splitlines() if line.startswith("bin/"))


def scripts(root, suffix, known=()):
    """The Python scripts tests/**/*_SUFFIX.py, but those that ctest knows by name."""
    found = sorted(path.relative_to(root) for path in (root / "tests").rglob(f"*_{suffix}.py"))
    return [path for path in found if path.stem not in known and not any(part.startswith(".") for part in path.parts)]


