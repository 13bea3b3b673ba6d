#!/usr/bin/env python3
"""The commands a stranger begins with: compose/demo, compose/up and compose/down."""
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import ROOT, Database, Http, Kafka, binary, eventually  # noqa: E402

NAMES = ("OMNIBUS_KAFKA", "OMNIBUS_GATEWAY", "OMNIBUS_TOKEN", "OMNIBUS_DOMAIN", "OMNIBUS_TOKEN_OTHER", "OMNIBUS_DOMAIN_OTHER",
         "OMNIBUS_DATABASE", "OMNIBUS_METRICS", "OMNIBUS_LLM", "OMNIBUS_LOGS", "OMNIBUS_RUN_DIR")


class ComposeTest(unittest.TestCase):
    def setUp(self):
        self.run_folder = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-compose."))
        self.run_folder.chmod(0o755)
        self.environment = {**os.environ, "OMNIBUS_RUN_DIR": str(self.run_folder),
                            "OMNIBUS_BIN": str(pathlib.Path(binary("omnibus-chat")).parent)}
        self.addCleanup(shutil.rmtree, self.run_folder, ignore_errors=True)
        self.addCleanup(self.compose, "down")

    def compose(self, command, *arguments):
        return subprocess.run([str(ROOT / "compose" / command), *arguments], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)

    def begin(self, command, *arguments):
        return subprocess.Popen([str(ROOT / "compose" / command), *arguments], env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def process_id(self, name):
        return int((self.run_folder / "processes" / name).read_text().split()[0])

    def variables(self):
        """What a plain shell has after sourcing the environment file."""
        told = subprocess.run(["sh", "-c", '. "$1" && env -0', "sh", str(self.run_folder / "environment")], env={"PATH": os.environ["PATH"]},
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        return dict(line.split("=", 1) for line in told.split("\0") if line)

    def assert_nothing_runs(self):
        own = str(self.run_folder)

        def mentions(process):
            try:
                environment = (process / "environ").read_bytes().decode(errors="replace")
                return f"OMNIBUS_RUN_DIR={own}\0" in environment and (process / "stat").read_text().rsplit(") ", 1)[1][0] != "Z"
            except OSError:
                return False
        left = [process.name for process in pathlib.Path("/proc").iterdir()
                if process.name.isdigit() and process.name != str(os.getpid()) and mentions(process)]
        self.assertEqual(left, [])
        self.assertFalse((self.run_folder / "environment").exists())

    def test_the_demo_answers_the_sample_and_leaves_nothing_running(self):
        done = self.compose("demo")
        self.assertEqual(done.returncode, 0, done.stdout)
        rows = dict(re.findall(r"^  (\S[^\n]*?)  +\$?([\d.,]+)", done.stdout, re.M))
        self.assertEqual(rows["messages"], "60")
        self.assertEqual(rows["replies"], "60")
        self.assertEqual(rows["dead letters"], "0")
        self.assertGreater(int(rows["tokens in"].replace(",", "")), 0)
        self.assertGreater(float(rows["cost"]), 0)
        self.assertIn("user  Hi, is the walnut standing desk back in stock?", done.stdout)
        self.assertIn("assistant  ", done.stdout)
        self.assert_nothing_runs()

    def test_json_lines_and_quoted_csv_are_read_as_they_were_meant(self):
        lines = self.run_folder / "input.jsonl"
        lines.write_text('{"text": "first, \\"quoted\\""}\n\n{"text": "second\\nline", "other": 1}\n')
        done = self.compose("demo", "--input", str(lines))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn('user  first, "quoted"', done.stdout)
        table = self.run_folder / "input.csv"
        table.write_text('category,text\na,"one, ""two"""\nb,three\nc,four\n')
        done = self.compose("demo", "--input", str(table), "--limit", "2")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn('user  one, "two"', done.stdout)
        self.assertRegex(done.stdout, r"  messages +2  in 1 conversation\n")

    def test_input_that_cannot_be_read_is_said_before_anything_starts(self):
        table = self.run_folder / "input.csv"
        table.write_text("question\nWhere is it?\n")
        done = self.compose("demo", "--input", str(table))
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("no column named text", done.stdout)
        self.assertNotIn("bringing up", done.stdout)

    def test_a_worker_that_dies_fails_the_demo_with_its_last_words(self):
        questions = self.run_folder / "many.csv"
        questions.write_text("text\n" + "".join(f"Where is parcel {n}?\n" for n in range(20_000)))
        demo = self.begin("demo", "--input", str(questions))
        eventually(lambda: (self.run_folder / "environment").exists(), 90, "the demo bringing everything up")
        os.kill(self.process_id("chat"), signal.SIGKILL)
        said, _ = demo.communicate(timeout=120)
        self.assertEqual(demo.returncode, 1, said)
        self.assertIn("chat has ended; its whole log is", said)
        self.assert_nothing_runs()

    def test_an_interrupted_demo_leaves_nothing_running(self):
        questions = self.run_folder / "many.csv"
        questions.write_text("text\n" + "".join(f"Where is parcel {n}?\n" for n in range(20_000)))
        for delay in (0.5, 2, None):
            demo = self.begin("demo", "--input", str(questions))
            if delay is None:
                eventually(lambda: (self.run_folder / "environment").exists(), 90, "the demo bringing everything up")
            else:
                time.sleep(delay)  # somewhere on the way up, wherever that is
            demo.terminate()
            said, _ = demo.communicate(timeout=120)
            self.assertEqual(demo.returncode, 143, said)
            self.assert_nothing_runs()

    def test_calls_end_in_one_thread_across_the_channels_and_nobody_can_read_it_where_it_does_not_belong(self):
        canary = "canary-of-a-call"
        calls = self.run_folder / "calls.jsonl"
        said = [{"speaker": "user", "text": f"I want {canary}."}, {"speaker": "assistant", "text": "It is done."}]
        calls.write_text("".join(json.dumps({"conversation_id": f"c-{n}", "utterances": said}) + "\n" for n in range(5)))
        done = self.compose("demo", "--calls", str(calls), "--keep")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"taken by the providers +16 +16")
        for line in ("voice     < I want", "whatsapp  > ", "sms       < Change pick-up", "whatsapp  < Set name"):
            self.assertIn("    " + line, done.stdout)
        self.assertRegex(done.stdout, r"sms +> .*\[reply, delivered, 1 part\]")
        self.assertRegex(done.stdout, r"whatsapp +> .*\[reply, (delivered|read)\]")

        variables = self.variables()
        phones = [row[0] for row in Database(variables["OMNIBUS_DATABASE"]).execute("SELECT phone_number FROM profiles")]
        self.assertEqual(len(phones), 5)
        secrets = [variables[name] for name in ("OMNIBUS_TOKEN", "OMNIBUS_WEBHOOK_SECRET", "OMNIBUS_PROFILE_KEY_SECRET")]
        forbidden = [canary, "10 o'clock", "Amahoro", *secrets, *(phone[1:] for phone in phones)]
        places = {log.name: log.read_text(errors="replace") for log in (self.run_folder / "logs").glob("*.log")}
        self.assertGreater(len(places["notify.log"]), 0)
        for base in variables["OMNIBUS_METRICS"].split():
            places[base] = Http(base.removeprefix("http://")).get("/metrics").text
        kafka = Kafka(variables["OMNIBUS_KAFKA"])
        for topic in ("calls.terminated", "sms.inbound", "whatsapp.inbound", "notifications.requested", "notifications.results",
                      "delivery.receipts", "llm.calls"):
            records = kafka.consume(topic)
            self.assertGreater(len(records), 0, topic)
            places[topic] = "\n".join(f"{record.key} {record.header_list}" for record in records)
        for place, text in places.items():
            for secret in forbidden:
                self.assertFalse(secret in text, f"{place} has what nobody may read there: {forbidden.index(secret)}")

    def test_the_commands_of_the_readme_need_only_the_environment_file(self):
        """Each `omnibus` command line of README.md, as it stands there, in a shell that has sourced the file and nothing else."""
        up = self.compose("up")
        self.assertEqual(up.returncode, 0, up.stdout)
        self.assertEqual(self.compose("demo", "--limit", "5").returncode, 0)
        blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
        lines = [line for block in blocks for line in block.splitlines() if re.match(r"omnibus(-\w+)? |DATABASE_URL=", line)]
        for command in ("omnibus lag", "omnibus doctor"):  # in prose there
            self.assertIn(f"`{command}`", (ROOT / "README.md").read_text())
            lines.append(command)
        self.assertGreater(len(lines), 12)
        unknown = {"EFFECT_KEY": str(uuid.uuid4()), "CONVERSATION_ID": str(uuid.uuid4()), "3/17": "3/17"}
        for line in lines:
            line = re.sub(r"  +#.*", "", line)
            names_unknown = any(name in line for name in unknown)
            for name, value in unknown.items():
                line = line.replace(name, value)
            runs_on = line.startswith(("omnibus tail", "DATABASE_URL="))  # until it is interrupted
            with self.subTest(line):
                done = subprocess.run(["sh", "-c", '. "$1" && cd "$2" && eval "$3"', "sh", str(self.run_folder / "environment"), str(ROOT),
                                       f"timeout -s INT 2 env {line}" if runs_on else line],
                                      env={"PATH": os.environ["PATH"]},
                                      stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60)
                if names_unknown:
                    self.assertRegex(done.stderr, r"omnibus: (there is )?no ", done)
                else:
                    self.assertIn(done.returncode, (0, 124) if runs_on else (0,), done)

    def test_up_may_be_run_again_and_down_ends_it_all(self):
        first = self.compose("up")
        self.assertEqual(first.returncode, 0, first.stdout)
        variables = self.variables()
        self.assertEqual([name for name in NAMES if not variables.get(name)], [])
        self.assertEqual(variables["OMNIBUS_RUN_DIR"], str(self.run_folder.resolve()))  # compose/down finds the same pipeline
        self.assertEqual(stat.S_IMODE((self.run_folder / "environment").stat().st_mode), 0o600)
        for base in variables["OMNIBUS_METRICS"].split():
            self.assertEqual(Http(base.removeprefix("http://")).get("/readyz").status, 200)
        for domain, token in (("OMNIBUS_DOMAIN", "OMNIBUS_TOKEN"), ("OMNIBUS_DOMAIN_OTHER", "OMNIBUS_TOKEN_OTHER")):
            gateway = Http(variables["OMNIBUS_GATEWAY"].removeprefix("http://"), variables[token])
            answer = gateway.post("/v1/chat/messages", {"domain": variables[domain], "session_id": "s", "text": "Hello?"})
            self.assertEqual(answer.status, 202, answer)
            path = f"/v1/conversations/{json.loads(answer.text)['conversation_id']}"
            eventually(lambda: len(gateway.get(path).json["messages"]) == 2, 20, "the answer")
        refused = subprocess.run(["psql", variables["OMNIBUS_DATABASE"], "-c", "DELETE FROM messages"], capture_output=True, text=True)
        self.assertIn("permission denied", refused.stderr)

        os.kill(self.process_id("chat"), signal.SIGKILL)
        again = self.compose("up")
        self.assertEqual(again.returncode, 0, again.stdout)
        self.assertEqual(self.variables()["OMNIBUS_TOKEN"], variables["OMNIBUS_TOKEN"])
        self.assertEqual(self.variables()["OMNIBUS_GATEWAY"], variables["OMNIBUS_GATEWAY"])
        self.assertEqual(self.compose("up", "--kafka", "apache").returncode, 1)
        demo = self.compose("demo", "--limit", "5")
        self.assertEqual(demo.returncode, 0, demo.stdout)
        self.assertTrue((self.run_folder / "environment").exists(), "what compose/up started is left running")

        down = self.compose("down")
        self.assertEqual(down.returncode, 0, down.stdout)
        self.assert_nothing_runs()
        self.assertFalse((self.run_folder / "logs").exists())
        self.assertEqual(self.compose("down").returncode, 0)

    def test_a_node_of_kafka_that_ends_while_it_starts_is_told(self):
        shim = self.run_folder / "bin" / "java"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\ncase "$*" in *" kafka.Kafka "*/node-3/*) echo no port; exit 1 ;; esac\nexec {shutil.which("java")} "$@"\n')
        shim.chmod(0o755)
        self.environment["PATH"] = f"{shim.parent}:{self.environment['PATH']}"
        done = self.compose("kafka", "up", "--brokers", "3")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, "no port\nkafka: node 3 ended while starting")
        self.assertFalse((self.run_folder / "kafka").exists())


if __name__ == "__main__":
    unittest.main()
