#!/usr/bin/env python3
"""A server of the OpenAI wire that is not ours: compose/demo --llm-url against LiteLLM's proxy, which makes up its answers.

The proxy comes from PyPI into a virtual environment under OMNIBUS_CACHE (default ~/.cache/omnibus), once: half a minute, 520 MB.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[:2])
from harness import ROOT, Ended, Http, Kafka, Process, binary, eventually, free_port  # noqa: E402
from pypi import python_with  # noqa: E402

LITELLM = "litellm[proxy]==1.80.9"
KEY = "sk-of-the-test"
ANSWER = "Yes, we ship to Rwanda 🇷🇼, “tomorrow” at 9 h. It costs 250 000 F."
CONFIG = {
    "model_list": [{"model_name": "shop-model", "litellm_params": {"model": "openai/gpt-4.1-mini", "api_key": "none", "mock_response": ANSWER}}],
    "general_settings": {"master_key": KEY},
}
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "NO_DOCS": "True"}


class LiteLlmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = pathlib.Path(python_with(LITELLM)).with_name("litellm")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-litellm."))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        config, port = cls.folder / "config.yaml", free_port()
        config.write_text(json.dumps(CONFIG, ensure_ascii=False))  # JSON is YAML, but for its escapes of surrogates
        proxy = Process("litellm", [program, "--config", config, "--host", "127.0.0.1", "--port", port], cls.folder / "log", OFFLINE)
        cls.addClassCleanup(proxy.stop)
        cls.address = f"127.0.0.1:{port}"

        def answers():
            if not proxy.alive():
                raise Ended(f"LiteLLM's proxy ended:\n{proxy.text()[-2000:]}")
            return Http(cls.address).get("/health/liveliness").status == 200
        eventually(answers, 120, "LiteLLM's proxy")

    def setUp(self):
        self.run_folder = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-compose."))
        self.run_folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.run_folder, ignore_errors=True)
        self.addCleanup(self.compose, "down")

    def compose(self, command, *arguments, **environment):
        return subprocess.run([str(ROOT / "compose" / command), *arguments], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env={**os.environ, "OMNIBUS_RUN_DIR": str(self.run_folder),
                                   "OMNIBUS_BIN": str(pathlib.Path(binary("omnibus-chat")).parent), **environment})

    def replies(self, kind):
        environment = (self.run_folder / "environment").read_text()
        brokers = re.search(r"^OMNIBUS_KAFKA='(.*)'$", environment, re.M)[1]
        return [record.json for record in Kafka(brokers).consume("chat.replies") if record.headers["ce_type"] == f"omnibus.chat.reply.{kind}.v1"]

    def test_the_demo_answers_with_a_model_behind_litellms_proxy(self):
        done = self.compose("demo", "--limit", "12", "--keep", "--llm-url", f"http://{self.address}/v1", LLM_API_KEY=KEY, LLM_MODEL="shop-model")
        self.assertEqual(done.returncode, 0, done.stdout)
        rows = dict(re.findall(r"^  (\S[^\n]*?)  +\$?([\d.,]+)", done.stdout, re.M))
        self.assertEqual([rows[name] for name in ("messages", "replies", "retries", "dead letters")], ["12", "12", "0", "0"], done.stdout)
        self.assertGreater(int(rows["tokens out"].replace(",", "")), 0, done.stdout)
        answers = self.replies("generated")
        self.assertEqual({answer["text"] for answer in answers}, {ANSWER})
        parts = {}
        for part in self.replies("delta"):
            parts.setdefault(part["in_reply_to"], []).append((part["index"], part["text"]))
        self.assertEqual(len(parts), len(answers), "each answer was streamed")
        for part in parts.values():
            self.assertEqual("".join(text for _, text in sorted(part)), ANSWER)


if __name__ == "__main__":
    unittest.main(verbosity=2)
