"""Builds and runs the tests: see tests/run, which starts this."""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from counts import Counts
from plan import Options, Plan
from scheduler import Scheduler, StepFailed
from summary import Summary
from task import Task

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENDING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class Interrupted(Exception):
    """A signal asks for the end."""


def interrupt(number, frame):
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted


def arguments():
    parser = argparse.ArgumentParser(prog="tests/run", add_help=False, allow_abbrev=False)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--tsan", action="store_true")
    parser.add_argument("--minutes", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--tidy-all", action="store_true")
    given = parser.parse_args()
    if not 1 <= given.minutes <= 9999:
        parser.error(f"--minutes takes a whole number from 1 to 9999, not {given.minutes}")
    if given.jobs < 1:
        parser.error(f"--jobs takes a number from 1, not {given.jobs}")
    return given


def set_environment(work):
    """What all tasks inherit."""
    os.chdir(ROOT)
    os.environ.update(OMNIBUS_RUN_DIR=str(work / "run"), PYTHONDONTWRITEBYTECODE="1",
                      CCACHE_BASEDIR=str(ROOT), CCACHE_NOHASHDIR="1")  # clones of one machine share what was compiled
    for name in "OMNIBUS_TEST_DATABASE", "OMNIBUS_TEST_KAFKA", "OMNIBUS_TEST_KAFKA_REAL", "OMNIBUS_TEST_PROTOCOL":
        os.environ.pop(name, None)
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    os.environ.setdefault("TSAN_OPTIONS", f"suppressions={ROOT}/tests/tsan.supp")


def clean(work):
    """Takes down what servers and workers of this run are left, and removes its folder."""
    with open(work / "logs/cleanup.log", "ab") as log:
        def compose(script, folder, *arguments):
            subprocess.run([ROOT / "compose" / script, *arguments], env={**os.environ, "OMNIBUS_RUN_DIR": str(folder)}, stdout=log,
                           stderr=log, stdin=subprocess.DEVNULL, check=False)
        for folder in work.glob("run.*"):
            if any(folder.iterdir()):
                compose("down", folder)
        for folder in work.glob("run*"):
            for server in "postgres", "kafka":
                if (folder / server).exists():
                    compose(server, folder, "down")
    shutil.rmtree(work, ignore_errors=True)


def configure(preset):
    """The step that configures a build folder."""
    environment = {}
    if preset == "fuzz":
        compiler = shutil.which("clang++-14") or shutil.which("clang++-19") or "clang++"
        environment = {"CXX": compiler, "CC": compiler.replace("++", "")}
    return Task(f"configure-{preset}", "build", ["cmake", "--preset", preset], after=("setup",), environment=environment, step=True)


def run(options, slots, work, summary):
    """All of it; its end is an exception where it does not come to its own."""
    scheduler = Scheduler(slots, work / "logs", summary.add)
    try:
        setup = Task("setup", "build", ["compose/setup", "--for", "tests"], limit=3600, step=True)
        scheduler.run([setup, *map(configure, options.presets(ROOT))])
        plan = Plan(options, ROOT, work)
        tasks = plan.make()
        for kind in plan.missing:
            summary.fail(kind, f"no {kind} were found")
        scheduler.run(tasks)
    except BaseException:
        scheduler.stop()
        raise
    if not summary.ran:
        print(f"tests/run: no test program's name holds '{options.pattern}'", file=sys.stderr)
        summary.extra += Counts(failed=1)


def main():
    given = arguments()
    options = Options(given.pattern, given.minutes, given.tsan, given.tidy_all, os.environ.get("CI") == "true")
    summary = Summary()
    for each in ENDING:
        signal.signal(each, interrupt)
    work = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-tests."))
    try:
        work.chmod(0o755)  # PostgreSQL may run as another user
        (work / "logs").mkdir()
        set_environment(work)
        run(options, given.jobs, work, summary)
    except Interrupted:
        print("tests/run: interrupted", file=sys.stderr)
        summary.extra += Counts(failed=1)
    except StepFailed:
        pass  # the summary has its line
    finally:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        clean(work)
    return 0 if summary.finish() else 1


if __name__ == "__main__":
    sys.exit(main())
