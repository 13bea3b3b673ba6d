"""What a run consists of, as tasks in the order of their priority: what takes long or is waited for comes first."""
import os
import platform
import subprocess
import sys
from dataclasses import dataclass

import programs
from task import Task

TSAN_PATTERNS = "engine_", "kafka_", "http_", "postgres_", "observability_", "resilience_"
FAULT_PROGRAMS = "omnibus", "omnibus-chat", "omnibus-relay", "omnibus-scheduler", "omnibus-telemetry"
# Has a cluster of its own: its migrations down take memberships from roles, which all databases of a cluster share.
ROLES = "postgres_pgtest"
# Without address randomisation: GCC 12's ThreadSanitizer does not know the memory maps of newer kernels.
FIXED_ADDRESSES = "setarch", platform.machine(), "-R"


@dataclass(frozen=True)
class Options:
    """What the command line and CI=true ask for."""
    pattern: str = ""
    minutes: int = 1
    tsan: bool = False
    tidy_all: bool = False
    ci: bool = False

    @property
    def everything(self):
        """With what only a run of everything in CI has."""
        return self.ci and not self.pattern and not self.tsan

    def wanted(self, name):
        return self.pattern in name

    def suite(self, suite, name):
        """Whether a program of a suite such as faults is asked for: by the suite's name, or by its own from its beginning."""
        return self.pattern in suite or (self.pattern.startswith(suite) and self.pattern in name)

    def asked(self, suite):
        """Whether what only CI runs by itself is to be run."""
        return self.everything or bool(self.pattern) and not self.tsan and (self.pattern in suite or self.pattern.startswith(suite))

    @property
    def tidy(self):
        return self.tidy_all or self.asked("tidy")

    def presets(self, root):
        """The builds that are configured before anything can be listed."""
        if self.tsan:
            return ["tsan"]
        ends = any(self.wanted(str(path)) for path in programs.scripts(root, "e2etest"))
        more = [("tsan", self.everything), ("release", ends), ("fuzz", self.asked("fuzz") or self.tidy)]
        return ["dev", *(preset for preset, needed in more if needed)]


class Plan:
    """Collects the tasks of a run."""

    def __init__(self, options, root, work):
        self.options, self.root, self.work = options, root, work
        self.missing = []  # the kinds of test that should be there and are not
        self.services, self.builds, self.tests = [], [], []

    def make(self):
        """All tasks, in order."""
        if self.options.tsan:
            self.sanitized(self.tsan_programs([""]))
            if self.options.pattern == "faults":
                self.sanitized_faults()
            return self.tasks()
        self.dev = programs.listed(self.folder("dev"))
        units, databases, brokers = (self.labelled(label) for label in ("test", "pgtest", "kafkatest"))
        known = {program.name for program in self.dev}
        scripts = [path for path in programs.scripts(self.root, "test", known) if self.options.wanted(str(path))]
        ends = [path for path in programs.scripts(self.root, "e2etest") if self.options.wanted(str(path))]
        self.present({"unit tests": units, "PostgreSQL tests": databases, "broker tests": brokers, "end-to-end tests": ends})
        self.checks()
        self.faults()
        self.end_to_end(ends)
        self.unit(units, scripts)
        self.on_postgres(databases)
        self.on_brokers(brokers)
        if self.options.everything:
            self.sanitized_faults()
            self.sanitized(self.tsan_programs(TSAN_PATTERNS))
        self.fuzz()
        if not self.options.pattern:
            self.build("dev", "rest", ["all"])  # what no test needs is to compile, too
        return self.tasks()

    def tasks(self):
        return self.services + self.builds + self.tests

    # What tests stand on:
    def folder(self, preset):
        return str(self.root / "build" / preset)

    def labelled(self, label):
        return [program for program in self.dev if program.label == label and self.options.wanted(program.name)]

    def present(self, kinds):
        """Without a pattern every kind of test must be there; none found would pass for all passed."""
        if not self.options.pattern:
            self.missing += [kind for kind, found in kinds.items() if not found]

    def build(self, preset, what, targets):
        """A step that builds these; its name."""
        name = f"build-{preset}-{what}"
        if not any(task.name == name for task in self.builds):
            self.builds.append(Task(name, "build", ["cmake", "--build", self.folder(preset), "--target", *targets], limit=7200,
                                    lane="build", weight=0, nice=True, step=True))
        return name

    def service(self, name, part, command, environment=None):
        if not any(task.name == name for task in self.services):
            self.services.append(Task(name, part, command, step=True, limit=300, environment=environment or {}))
        return name

    def output_of(self, *command, environment=None):
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, cwd=self.root,
                              env={**os.environ, **(environment or {})}).stdout.strip()

    def postgres(self):
        """The one PostgreSQL of the run, in which each test makes databases of its own; its task's name."""
        return self.service("postgres", "database", ["compose/postgres", "up"])

    def database(self, cluster=None):
        return {"OMNIBUS_TEST_DATABASE": self.output_of("compose/postgres", "url", environment=cluster)}

    def cluster_of(self, program, preset):
        """The service that a PostgreSQL test stands on, and its environment."""
        if program.name != ROLES:
            return self.postgres(), self.database
        own = self.run_folder(f"roles-{preset}")
        return self.service(f"postgres-roles-{preset}", "database", ["compose/postgres", "up"], own), lambda: self.database(own)

    def apache(self):
        return {"OMNIBUS_TEST_KAFKA": self.output_of("compose/kafka", "bootstrap"), "OMNIBUS_TEST_KAFKA_REAL": "1"}

    def run_folder(self, name):
        """A run folder of a program's own: it brings up what it needs. Its environment."""
        folder = self.work / f"run.{name}"
        folder.mkdir()
        return {"OMNIBUS_RUN_DIR": str(folder)}

    def binaries(self, preset):
        return {"OMNIBUS_BIN": f"{self.folder(preset)}/bin"}

    # The kinds of test:
    def checks(self):
        if self.options.wanted("format"):
            self.tests.append(Task("format", "lint", ["tests/lint/format"], one_case=True))
        if self.options.wanted("shellcheck"):
            self.tests.append(Task("shellcheck", "lint", ["tests/lint/shells"], one_case=True))
        if self.options.tidy:
            command = ["tests/lint/tidy", *(["--all"] if self.options.tidy_all else [])]
            self.tests.append(Task("tidy", "lint", command, limit=7200 if self.options.tidy_all else 1200, weight=2, nice=True,
                                   one_case=True))

    def programs_of_dev(self):
        return self.build("dev", "programs", programs.binaries(self.folder("dev")))

    def faults(self):
        for path in programs.scripts(self.root, "faulttest"):
            suite = path.stem.removesuffix("_faulttest")
            if self.options.suite("faults", f"faults_{suite}"):
                self.fault_task(f"faults_{suite}", "faults", "dev", 1200, self.programs_of_dev(), ["--suite", suite])

    def fault_task(self, name, part, preset, limit, build, arguments):
        environment = {**self.run_folder(name.replace(" ", "-")), **self.binaries(preset)}
        self.tests.append(Task(name, part, [*FIXED_ADDRESSES, "tests/faults/run", *arguments], limit=limit, after=(build,), lane="faults",
                               environment=environment))

    def end_to_end(self, scripts):
        if not scripts:
            return
        after = [self.build("release", "programs", programs.binaries(self.folder("release")))]
        for path in scripts:
            # It looks into the programs of both builds.
            needs = [*after, self.programs_of_dev()] if path.stem == "release_e2etest" else after
            environment = {**self.run_folder(path.stem), **self.binaries("release")}
            self.tests.append(Task(str(path), "end to end", [sys.executable, "-m", "unittest", path], limit=1500, after=tuple(needs),
                                   environment=environment))

    def ctest(self, found, part, limit, after, suffix="", **more):
        for program in found:
            self.tests.append(Task(program.name + suffix, part, list(program.command), limit=limit, after=tuple(after), **more))

    def targets(self, found):
        return sorted({target for program in found for target in program.targets})

    def unit(self, units, scripts):
        if units:
            self.ctest(units, "unit", 300, [self.build("dev", "unit", self.targets(units))])
        for path in scripts:  # these need nothing that is built
            self.tests.append(Task(str(path), "unit", [sys.executable, "-m", "unittest", path]))

    def on_postgres(self, databases):
        if databases:
            built = self.build("dev", "database", self.targets(databases))
            for program in databases:
                up, environment = self.cluster_of(program, "dev")
                self.ctest([program], "database", 1200, [built, up], environment=environment)

    def on_brokers(self, brokers):
        """Each on the embedded broker and on Apache Kafka, and the engine's there with classic groups, too."""
        if not brokers:
            return
        built = self.build("dev", "broker", self.targets(brokers))
        kafka = self.service("kafka", "broker", ["compose/kafka", "up"])
        self.ctest(brokers, "broker", 1200, [built, kafka], " (apache)", environment=self.apache)
        engine = [program for program in brokers if program.name == "engine_kafkatest"]
        self.ctest(engine, "broker", 300, [built, kafka], " (apache, classic groups)",
                   environment=lambda: {**self.apache(), "OMNIBUS_TEST_PROTOCOL": "classic"})
        self.ctest(brokers, "broker", 600, [built], " (embedded)")

    def tsan_programs(self, patterns):
        return [program for program in programs.listed(self.folder("tsan")) if program.label in ("test", "pgtest", "kafkatest") and
                self.options.wanted(program.name) and any(pattern in program.name for pattern in patterns)]

    def sanitized(self, found):
        """Unit, PostgreSQL and broker tests, built with ThreadSanitizer."""
        if not found:
            return
        built = self.build("tsan", "tests", self.targets(found))
        for program in sorted(found, key=lambda program: program.label):  # those on brokers first
            after, environment = (built,), {}
            if program.label == "pgtest":
                up, environment = self.cluster_of(program, "tsan")
                after = built, up
            self.tests.append(Task(f"{program.name} (tsan)", "sanitizers", [*FIXED_ADDRESSES, *program.command], limit=1200,
                                   after=after, environment=environment))

    def sanitized_faults(self):
        built = self.build("tsan", "programs", [f"bin/{name}" for name in FAULT_PROGRAMS])
        self.fault_task("faults (tsan)", "sanitizers", "tsan", 900, built, ["--short"])

    def fuzz(self):
        found = sorted(path.stem.removesuffix("_fuzz") for path in (self.root / "tests/fuzz").glob("*_fuzz.cpp"))
        if not self.options.asked("fuzz"):
            return
        for target in found:
            if not self.options.suite("fuzz", f"fuzz_{target}") and not self.options.everything:
                continue
            built = self.build("fuzz", "targets", [f"{each}_fuzz" for each in found])
            minutes = self.options.minutes
            self.tests.append(Task(f"fuzz_{target}", "fuzz", ["tests/fuzz/run", "--no-build", "--minutes", str(minutes), target],
                                   limit=minutes * 100 + 300, after=(built,), weight=2, nice=True, one_case=True))
