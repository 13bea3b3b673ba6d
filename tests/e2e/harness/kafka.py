"""A Kafka cluster seen through kcat, and the events in it."""
import json
import subprocess
import tempfile
import uuid

CONVERSATIONS = uuid.UUID("6f6d6e69-6275-5000-8000-636f6e766572")


def conversation_id_of(domain, session_id):
    """The id every part of Omnibus gives a session's conversation."""
    return str(uuid.uuid5(CONVERSATIONS, f"{domain}\0{session_id}"))


def as_bytes(text):
    """The bytes of a key, value or header that kcat showed, whether they are UTF-8 or not."""
    return None if text is None else text.encode(errors="surrogateescape")


class Record:
    """A Kafka record as kcat shows it."""

    def __init__(self, entry):
        self.topic, self.partition, self.offset = entry["topic"], entry["partition"], entry["offset"]
        self.key, self.value = entry.get("key"), entry.get("payload")
        self.time = entry["ts"] / 1000  # in seconds, as of time.time()
        names = entry.get("headers") or []
        self.header_list = list(zip(names[::2], names[1::2]))
        self.headers = dict(self.header_list)

    @property
    def json(self):
        return json.loads(self.value)

    def __repr__(self):
        return f"<{self.topic}/{self.partition}@{self.offset} {self.key} {self.headers} {self.value}>"


def structured_event(type, data, source="/tests", id=None):
    """A CloudEvent in JSON event format."""
    return {"specversion": "1.0", "id": id or str(uuid.uuid4()), "source": source, "type": type,
            "datacontenttype": "application/json", "data": data}


class Kafka:
    """A cluster seen through kcat, a client that is not ours."""

    def __init__(self, brokers):
        self.brokers = brokers

    def consume(self, topic, timeout=30):
        """Everything that is on the topic now, by partition and offset."""
        output = subprocess.run(["kcat", "-C", "-q", "-b", self.brokers, "-t", topic, "-o", "beginning", "-e", "-J",
                                 "-X", "fetch.wait.max.ms=20"], check=True, capture_output=True, timeout=timeout).stdout
        records = [Record(json.loads(line)) for line in output.decode(errors="surrogateescape").split("\n") if line]
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def produce(self, topic, key, value, headers=None, partition=None):
        """One record; value None is a tombstone. Key and headers (a dict, or pairs) may be bytes without NUL; an empty value
        and a tombstone need a key. The size is the broker's to judge: refused there, this raises CalledProcessError."""
        command = ["kcat", "-P", "-b", self.brokers, "-t", topic, "-X", "topic.partitioner=murmur2_random",
                   "-X", "message.max.bytes=16000000"]
        if isinstance(value, str):
            value = value.encode()
        if partition is not None:
            command += ["-p", str(partition)]
        for name, text in headers.items() if isinstance(headers, dict) else headers or []:
            command += ["-H", name.encode() + b"=" + (text if isinstance(text, bytes) else text.encode())]
        if not value:  # kcat drops an empty file and an empty line, but not a line of a key alone
            command += ["-K", "\t"] + (["-Z"] if value is None else [])
            line = (key if isinstance(key, bytes) else key.encode()) + b"\t\n"
            subprocess.run(command, check=True, capture_output=True, timeout=30, input=line)
            return
        if key is not None:
            command += ["-k", key]
        with tempfile.NamedTemporaryFile() as file:  # a whole file is one record, line breaks and all
            file.write(value)
            file.flush()
            subprocess.run(command + [file.name], check=True, capture_output=True, timeout=30)

    def publish(self, topic, key, events, source="/tests"):
        """CloudEvents of one key in structured mode, in order: pairs of type and data. Returns their ids."""
        structured = [structured_event(type, data, source) for type, data in events]
        self.publish_all(topic, [(key, event) for event in structured])
        return [event["id"] for event in structured]

    def publish_all(self, topic, events):
        """Pairs of key and structured event, in order."""
        lines = [f"{key}\t{json.dumps(event)}\n" for key, event in events]
        subprocess.run(["kcat", "-P", "-b", self.brokers, "-t", topic, "-K", "\t", "-X", "topic.partitioner=murmur2_random",
                        "-X", "enable.idempotence=true", "-H", "content-type=application/cloudevents+json"],
                       check=True, capture_output=True, timeout=30, input="".join(lines).encode())
