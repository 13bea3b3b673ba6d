#!/usr/bin/env python3
"""Which database a command of `omnibus` uses: the option's, else that of the environment. Needs no database: the ports in
the errors tell."""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import binary  # noqa: E402

READING = (("telemetry",), ("telemetry", "prices", "ls"), ("delivery", "ls"), ("schedule", "ls"), ("tenant", "ls"), ("token", "ls"),
           ("migrate", "status"), ("replay", "ls"), ("replay", "status", "x"))
ACTING = (("schedule", "run", "tick.qa"), ("schedule", "enable", "tick.qa"), ("schedule", "disable", "tick.qa"),
          ("delivery", "resolve", "x", "failed"), ("delivery", "drop", "--before", "2026-01-01"))
OWNING = (("migrate", "up"), ("tenant", "add", "a.example"), ("token", "create", "--domain", "a.example"),
          ("telemetry", "rebuild", "--from", "2026-01-01", "--to", "2026-01-02"), ("telemetry", "drop", "--before", "2026-01-01"))
OPTION, READER, OPERATOR = 1, 2, 3


def url(port):
    return f"postgresql://x:y@127.0.0.1:{port}/omnibus"


class OptionsTest(unittest.TestCase):
    def assert_uses(self, port, command, *options):
        done = subprocess.run([binary("omnibus"), *command, *options], text=True, timeout=60, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, "DATABASE_URL": url(READER), "OPERATOR_DATABASE_URL": url(OPERATOR)})
        self.assertNotEqual(done.returncode, 0, command)
        self.assertIn(f"port {port} failed", done.stdout, command)

    def test_the_option_comes_before_the_environment(self):
        for command in (*READING, *ACTING, *OWNING):
            self.assert_uses(OPTION, command, "--database", url(OPTION))

    def test_commands_that_act_use_the_operators_database_and_others_do_not(self):
        for command in (*READING, *OWNING):
            self.assert_uses(READER, command)
        for command in ACTING:
            self.assert_uses(OPERATOR, command)


if __name__ == "__main__":
    unittest.main()
