#!/usr/bin/env python3
"""Other people's tools: kcat, Apache Kafka's own, and the CloudEvents SDK for Python publish, read and watch.

The SDK comes from PyPI into a virtual environment under OMNIBUS_CACHE (default ~/.cache/omnibus), once.
"""
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest
import uuid

sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[:2])
from harness import Http, Stack, as_bytes, conversation_id_of, eventually, structured_event  # noqa: E402
from pypi import python_with  # noqa: E402

SHOP = "shop.example"
MESSAGES, REPLIES = "chat.messages", "chat.replies"
RECEIVED, GENERATED = "omnibus.chat.message.received.v1", "omnibus.chat.reply.generated.v1"
GROUP = "omnibus-chat"
SDK = "cloudevents==2.2.0"

PUBLISH = r"""
import base64, json, sys
from datetime import datetime, timezone
from cloudevents.core.bindings.kafka import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
wanted = json.load(sys.stdin)
event = CloudEvent({"id": wanted["id"], "source": "https://partner.example/widget", "type": wanted["type"], "specversion": "1.0",
                    "time": datetime.now(timezone.utc), "datacontenttype": "application/json", "subject": "a visitor",
                    "partitionkey": wanted["key"]}, wanted["data"])
message = {"binary": to_binary, "structured": to_structured}[wanted["mode"]](event, JSONFormat())
text = lambda some: base64.b64encode(some.encode() if isinstance(some, str) else some).decode()
print(json.dumps({"key": text(message.key), "value": text(message.value),
                  "headers": {name: text(value) for name, value in message.headers.items()}}))
"""

READ = r"""
import base64, json, sys
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat
record = json.load(sys.stdin)
event = from_kafka(KafkaMessage({name: base64.b64decode(value) for name, value in record["headers"].items()},
                                base64.b64decode(record["key"]), base64.b64decode(record["value"])), JSONFormat())
print(json.dumps({"id": event.get_id(), "source": event.get_source(), "type": event.get_type(), "time": str(event.get_time()),
                  "causationid": event.get_extension("causationid"), "data": event.get_data()}))
"""


class Visitor:
    """A message of a session of its own."""

    def __init__(self, text):
        self.session = uuid.uuid4().hex
        self.text = text
        self.id = str(uuid.uuid4())
        self.conversation = conversation_id_of(SHOP, self.session)
        self.data = {"domain": SHOP, "session_id": self.session, "text": text}

    @property
    def headers(self):
        return {"ce_specversion": "1.0", "ce_id": self.id, "ce_source": "https://partner.example/widget", "ce_type": RECEIVED,
                "ce_time": "2026-02-03T04:05:06.789Z", "content-type": "application/json; charset=utf-8"}


class InteropTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        cls.kafka = cls.stack.kafka
        cls.token = cls.stack.add_tenant(SHOP)
        cls.simulator = cls.stack.start_simulator()
        cls.worker = cls.stack.start_worker("chat", LLM_BASE_URL=cls.simulator.url)

    def tool(self, name, *arguments, input=None, timeout=60):
        """One of Kafka's own programs on this cluster."""
        done = subprocess.run([pathlib.Path(__file__).resolve().parents[2] / "compose/kafka", name, *arguments], input=input,
                              capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, "OMNIBUS_RUN_DIR": str(self.stack.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def record(self, event_id, topic=MESSAGES):
        found, = [record for record in self.kafka.consume(topic)
                  if event_id in (record.headers.get("ce_id"), record.json.get("id"))]
        return found

    def reply_to(self, visitor):
        def look():
            return [record for record in self.kafka.consume(REPLIES)
                    if record.json["in_reply_to"] == visitor.id and record.headers["ce_type"] == GENERATED]
        reply, = eventually(look, what=f"an answer to {visitor.text!r}")
        return reply

    def assertAnswered(self, visitor):
        """One answer on the topic and in the database, and it says the same."""
        reply = self.reply_to(visitor)
        self.assertEqual(reply.key, visitor.conversation)
        rows = json.loads(self.stack.database.value("SELECT jsonb_agg(jsonb_build_array(role, content) ORDER BY seq) FROM messages"
                                                    f" WHERE conversation_id = '{visitor.conversation}'"))
        self.assertEqual(rows, [["user", visitor.text], ["assistant", reply.json["text"]]])
        return reply

    def test_kcat_publishes_in_binary_mode(self):
        visitor = Visitor("Où est ma commande? 🙂")
        self.kafka.produce(MESSAGES, visitor.conversation, json.dumps(visitor.data), visitor.headers)
        self.assertAnswered(visitor)

    def test_kcat_publishes_in_structured_mode(self):
        visitor = Visitor("Where is it?")
        event = structured_event(RECEIVED, visitor.data, id=visitor.id)
        self.kafka.produce(MESSAGES, "a key of their own", json.dumps(event, indent=2),
                           {"content-type": "Application/CloudEvents+json; charset=UTF-8"})
        self.assertAnswered(visitor)

    def test_kafkas_console_producer_publishes(self):
        binary, structured = Visitor("Is the shop open?"), Visitor("And on Sunday?")
        headers = ",".join(f"{name}:{value}" for name, value in binary.headers.items())
        event = structured_event(RECEIVED, structured.data, id=structured.id)
        lines = [(headers, binary.conversation, binary.data), ("content-type:application/cloudevents+json", structured.conversation, event)]
        self.tool("console-producer", "--topic", MESSAGES, "--reader-property", "parse.headers=true", "--reader-property", "parse.key=true",
                  input="".join(f"{headers}\t{key}\t{json.dumps(value)}\n" for headers, key, value in lines))
        self.assertAnswered(binary)
        self.assertAnswered(structured)

    def test_kafkas_java_clients_and_ours_place_a_key_in_the_same_partition(self):
        gateway = self.stack.start_worker("gateway")
        self.addCleanup(gateway.stop)
        for number in range(5):
            visitor = Visitor(f"First {number}")
            posted = Http(gateway.address, self.token).post("/v1/chat/messages", visitor.data).json
            self.assertEqual(posted["conversation_id"], visitor.conversation)
            ours, theirs = self.record(posted["event_id"]), Visitor(f"Second {number}")
            headers = ",".join(f"{name}:{value}" for name, value in theirs.headers.items())
            self.tool("console-producer", "--topic", MESSAGES, "--reader-property", "parse.headers=true", "--reader-property", "parse.key=true",
                      input=f"{headers}\t{visitor.conversation}\t{json.dumps(theirs.data)}\n")
            self.assertEqual(self.record(theirs.id).partition, ours.partition)

    def test_the_cloudevents_sdk_for_python_publishes_and_reads(self):
        python = python_with(SDK)
        def run(program, argument):
            done = subprocess.run([python, "-c", program], input=json.dumps(argument), capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)
        for mode in "binary", "structured":
            with self.subTest(mode):
                visitor = Visitor(f"From the SDK, {mode}?")
                made = run(PUBLISH, {"id": visitor.id, "type": RECEIVED, "key": visitor.conversation, "data": visitor.data, "mode": mode})
                key, value = [base64.b64decode(made[name]) for name in ("key", "value")]
                headers = {name: base64.b64decode(text) for name, text in made["headers"].items()}
                self.kafka.produce(MESSAGES, key, value, headers)
                reply = self.assertAnswered(visitor)
                encode = lambda text: base64.b64encode(as_bytes(text)).decode()  # noqa: E731
                read = run(READ, {"key": encode(reply.key), "value": encode(reply.value),
                                  "headers": {name: encode(text) for name, text in reply.headers.items()}})
                self.assertEqual((read["type"], read["source"], read["causationid"]), (GENERATED, "/omnibus/chat", visitor.id))
                self.assertEqual(read["data"], reply.json)
                self.assertEqual(read["id"], reply.headers["ce_id"])

    def test_kcat_and_kafkas_tools_see_the_topics_as_topics_yaml_has_them(self):
        listed = json.loads(subprocess.run(["kcat", "-L", "-J", "-b", self.kafka.brokers], check=True, capture_output=True).stdout)
        partitions = {topic["topic"]: len(topic["partitions"]) for topic in listed["topics"]}
        for topic in MESSAGES, MESSAGES + ".dlq", REPLIES, REPLIES + ".dlq", "llm.calls", "llm.calls.dlq":
            self.assertEqual(partitions.get(topic), 12, topic)
        described = self.tool("topics", "--describe", "--topic", MESSAGES)
        self.assertIn("max.message.bytes=1048576", described)
        self.assertIn("PartitionCount: 12", described)

    def test_kafkas_console_consumer_reads_our_replies(self):
        visitor = Visitor("Who reads this?")
        self.kafka.produce(MESSAGES, visitor.conversation, json.dumps(visitor.data), visitor.headers)
        reply = self.assertAnswered(visitor)
        read = self.tool("console-consumer", "--topic", REPLIES, "--partition", str(reply.partition), "--offset", str(reply.offset),
                         "--max-messages", "1", "--timeout-ms", "20000", "--formatter-property", "print.headers=true", "--formatter-property", "print.key=true")
        headers, key, value = read.rstrip("\n").split("\t")
        self.assertEqual((key, value), (reply.key, reply.value))
        self.assertEqual(dict(pair.split(":", 1) for pair in headers.split(",")), reply.headers)
        self.assertRegex(headers, f"ce_type:{re.escape(GENERATED)}")
        self.assertRegex(headers, "ce_specversion:1.0")

    def lag(self):
        """Of the chat worker's group, as Kafka's own tool counts it."""
        table = self.tool("groups", "--describe", "--group", GROUP)
        rows = re.findall(rf"^{GROUP}\s+{re.escape(MESSAGES)}\s+(\d+)\s+(\S+)\s+(\d+)\s+(\S+)", table, re.MULTILINE)
        self.assertTrue(rows, table)
        return sum(int(end) - (int(position) if position != "-" else 0) for _, position, end, _ in rows)

    def test_kafkas_tools_see_our_lag_and_our_members(self):
        for partition in range(12):  # the tool shows a stopped group only where it has committed
            visitor = Visitor(f"Into {partition}")
            self.kafka.produce(MESSAGES, visitor.conversation, json.dumps(visitor.data), visitor.headers, partition)
        members = self.tool("groups", "--describe", "--group", GROUP, "--members")
        self.assertRegex(members, rf"{GROUP}\s+\S+\s+\S+\s+omnibus-chat\S*\s+12")
        eventually(lambda: self.lag() == 0, 30, "no lag")
        try:
            self.assertEqual(self.worker.stop(), 0)
            visitors = [Visitor(f"Waiting {number}") for number in range(7)]
            for visitor in visitors:
                self.kafka.produce(MESSAGES, visitor.conversation, json.dumps(visitor.data), visitor.headers)
            self.assertEqual(self.lag(), len(visitors))
        finally:
            type(self).worker = self.stack.start_worker("chat", LLM_BASE_URL=self.simulator.url)
        eventually(lambda: self.lag() == 0, 30, "no lag")
        for visitor in visitors:
            self.assertAnswered(visitor)


if __name__ == "__main__":
    unittest.main(verbosity=2)
