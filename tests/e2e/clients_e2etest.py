#!/usr/bin/env python3
"""The Kafka clients that other teams have: each publishes a visitor's message, and reads the answers, the results of messages to
people, the model calls and the dead letters as they come, without a codec or package of its own.

kafkajs comes from npm, kafka-python and confluent-kafka from PyPI, once, into OMNIBUS_CACHE (default ~/.cache/omnibus).
"""
import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

sys.path[:0] = map(str, pathlib.Path(__file__).resolve().parents[:2])
from harness import ROOT, Stack, conversation_id_of, eventually  # noqa: E402
from npm import node_path_with  # noqa: E402
from pypi import python_with  # noqa: E402

SHOP = "shop.example"
MESSAGES, REPLIES, CALLS, RESULTS, DEAD = "chat.messages", "chat.replies", "llm.calls", "notifications.results", "chat.messages.dlq"
FOR_OUTSIDERS = (REPLIES, CALLS, RESULTS, DEAD)
RECEIVED, GENERATED = "omnibus.chat.message.received.v1", "omnibus.chat.reply.generated.v1"
REQUESTED = "omnibus.notification.requested.v1"

# Each takes the brokers, then `publish KEY VALUE HEADERS` or `read TOPICS COUNT`, which reads that many records of the topics; a
# record read is a line of JSON: [topic, partition, offset, key, value, headers].
KAFKAJS = ("kafkajs", "2.2.4", "sha512-j/YeapB1vfPT2iOIUn/vxdyKEuhuY2PxMBvf5JWux6iSaukAccrMtXEY/Lb7OvavDhOWME589bpLrEdnVHjfjA==")
KAFKAJS_PROGRAM = r"""
const { Kafka, logLevel } = require("kafkajs");
const [brokers, command, ...rest] = process.argv.slice(1);
const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });
async function publish(key, value, headers) {
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "chat.messages", messages: [{ key, value, headers: JSON.parse(headers) }] });
  await producer.disconnect();
}
async function read(topics, count) {
  const consumer = kafka.consumer({ groupId: "kafkajs", maxWaitTimeInMs: 100, retry: { retries: 0 } });
  await consumer.connect();
  await consumer.subscribe({ topics: topics.split(","), fromBeginning: true });
  await new Promise((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
    let left = Number(count);
    consumer.run({ eachMessage: async ({ topic, partition, message }) => {
      const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.toString()]));
      console.log(JSON.stringify([topic, partition, Number(message.offset), message.key.toString(), message.value.toString(), headers]));
      if (--left === 0) done();
    } });
  });
  await consumer.disconnect();
}
({ publish, read })[command](...rest).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
"""
KAFKA_PYTHON = "kafka-python==3.0.12"
KAFKA_PYTHON_PROGRAM = r"""
import json, os, sys
from kafka import KafkaConsumer, KafkaProducer
brokers, command, *rest = sys.argv[1:]
more = {name: tuple(value) for name, value in json.loads(os.environ["MORE"]).items()}
if command == "publish":
    key, value, headers = rest
    producer = KafkaProducer(bootstrap_servers=brokers, **more)
    producer.send("chat.messages", value.encode(), key.encode(), [(name, text.encode()) for name, text in json.loads(headers).items()]).get(20)
    producer.close()
else:
    topics, count = rest
    consumer = KafkaConsumer(*topics.split(","), bootstrap_servers=brokers, group_id=None, auto_offset_reset="earliest",
                             consumer_timeout_ms=20000, **more)
    for _ in range(int(count)):
        record = next(consumer)
        headers = {name: text.decode() for name, text in record.headers}
        print(json.dumps([record.topic, record.partition, record.offset, record.key.decode(), record.value.decode(), headers]))
    consumer.close()
"""
CONFLUENT = "confluent-kafka==2.16.1"
CONFLUENT_PROGRAM = r"""
import json, sys
from confluent_kafka import Consumer, Producer
brokers, command, *rest = sys.argv[1:]
if command == "publish":
    key, value, headers = rest
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
    producer.produce("chat.messages", value, key, headers=json.loads(headers))
    assert producer.flush(20) == 0
else:
    topics, count = rest
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "confluent", "auto.offset.reset": "earliest"})
    consumer.subscribe(topics.split(","))
    for _ in range(int(count)):
        record = consumer.poll(20)
        assert record is not None and record.error() is None, record and record.error()
        headers = {name: text.decode() for name, text in record.headers()}
        print(json.dumps([record.topic(), record.partition(), record.offset(), record.key().decode(), record.value().decode(), headers]))
    consumer.close()
"""


class ClientsCase:
    """What each broker has to show; the classes below say which it is."""

    @classmethod
    def setUpClass(cls):
        cls.programs = {
            "kafkajs": ["env", f"NODE_PATH={node_path_with(*KAFKAJS)}", "node", "-e", KAFKAJS_PROGRAM, "--"],
            "kafka-python": ["env", f"MORE={json.dumps(cls.kafka_python)}", python_with(KAFKA_PYTHON), "-c", KAFKA_PYTHON_PROGRAM],
            "confluent-kafka": [python_with(CONFLUENT), "-c", CONFLUENT_PROGRAM]}
        cls.stack = Stack(cls.broker)
        cls.addClassCleanup(cls.stack.close)
        cls.kafka = cls.stack.kafka
        cls.stack.add_tenant(SHOP)
        simulator = cls.stack.start_simulator(latency=1, latency_jitter=0, send_latency=1)
        base = "http://" + urllib.parse.urlsplit(simulator.url).netloc
        cls.stack.start_worker("chat", LLM_BASE_URL=simulator.url)
        cls.stack.start_worker("notify", MTN_SMS_BASE_URL=base, MTN_SMS_API_KEY="key", MTN_SMS_API_SECRET="secret")
        cls.fill()

    @classmethod
    def fill(cls):
        """Lets every client publish a question, and waits until each topic for outsiders has what must come."""
        cls.questions = {name: f"Question of {name}: où est ma commande? 🙂" for name in cls.programs}
        def ask(name):
            headers = {"ce_specversion": "1.0", "ce_id": str(uuid.uuid4()), "ce_source": f"/{name}", "ce_type": RECEIVED,
                       "content-type": "application/json"}
            data = {"domain": SHOP, "session_id": name, "text": cls.questions[name]}
            cls.run_client(name, "publish", name, json.dumps(data), json.dumps(headers))
        with ThreadPoolExecutor() as pool:
            list(pool.map(ask, cls.questions))
        for name in cls.questions:  # kcat's, with the same key, says where it belongs; it is no message, so it is parked
            cls.kafka.publish(MESSAGES, name, [(RECEIVED, {"domain": "nobody.example"})])
        person = cls.stack.database.value(
            f"INSERT INTO profiles (domain, phone_number) VALUES ('{SHOP}', '+250788123456') RETURNING id")
        for number in range(3):
            cls.kafka.publish("notifications.requested", person, [
                (REQUESTED, {"domain": SHOP, "profile_id": person, "kind": "message", "channels": ["sms"], "body": f"Parcel {number}"})])
        counts = {DEAD: len(cls.questions), RESULTS: 3, CALLS: len(cls.questions)}
        for topic, count in counts.items():
            eventually(lambda: len(cls.kafka.consume(topic)) == count, 30, f"{count} records on {topic}")
        eventually(lambda: len(cls.answers()) == len(cls.questions), 30, "every answer")

    @classmethod
    def answers(cls):
        return [record for record in cls.kafka.consume(REPLIES) if record.headers["ce_type"] == GENERATED]

    @classmethod
    def run_client(cls, name, *arguments):
        done = subprocess.run([*cls.programs[name], cls.kafka.brokers, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{name} {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def test_a_message_that_a_client_publishes_is_answered_and_is_where_its_key_belongs(self):
        records = self.kafka.consume(MESSAGES)
        answered = {record.key for record in self.answers()}
        for name in self.programs:
            ours, kcats = [record for record in records if record.key == name]
            self.assertEqual(ours.partition, kcats.partition, name)
            self.assertEqual(ours.json["text"], self.questions[name])
            self.assertIn(conversation_id_of(SHOP, name), answered)

    def test_each_client_reads_every_topic_for_outsiders(self):
        there = []
        for topic in FOR_OUTSIDERS:
            records = self.kafka.consume(topic)
            self.assertGreaterEqual(len(records), 3, topic)
            there += [[topic, record.partition, record.offset, record.key, record.value, record.headers] for record in records]
        with ThreadPoolExecutor() as pool:
            readings = {name: pool.submit(self.run_client, name, "read", ",".join(FOR_OUTSIDERS), str(len(there))) for name in self.programs}
        for name, reading in readings.items():
            with self.subTest(name):
                read = [json.loads(line) for line in reading.result().splitlines()]
                self.assertEqual(sorted(read, key=lambda record: record[:3]), sorted(there, key=lambda record: record[:3]))


class EmbeddedBrokerTest(ClientsCase, unittest.TestCase):
    """This broker stores a batch as its producer wrote it: the codec is ours."""
    broker = "embedded"
    kafka_python = {"api_version": [2, 0]}  # else it asks this broker for a version of its list of versions that it answers wrongly


class ApacheKafkaTest(ClientsCase, unittest.TestCase):
    broker = "apache"
    kafka_python = {}

    def tool(self, name, *arguments):
        done = subprocess.run([ROOT / "compose/kafka", name, *arguments], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "OMNIBUS_RUN_DIR": str(self.stack.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_kafkas_console_consumer_reads_every_topic_for_outsiders(self):
        there = [(record.key, record.value) for topic in FOR_OUTSIDERS for record in self.kafka.consume(topic)]
        read = self.tool("console-consumer", "--include", "|".join(FOR_OUTSIDERS), "--from-beginning", "--max-messages", str(len(there)),
                         "--timeout-ms", "20000", "--formatter-property", "print.key=true")
        self.assertEqual(sorted(tuple(line.split("\t", 1)) for line in read.splitlines()), sorted(there))

    def test_the_topics_for_outsiders_are_stored_in_a_codec_that_every_client_has(self):
        described = self.tool("topics", "--describe", "--topic", "|".join(FOR_OUTSIDERS))
        self.assertEqual(described.count("compression.type=gzip"), len(FOR_OUTSIDERS), described)


if __name__ == "__main__":
    unittest.main(verbosity=2)
