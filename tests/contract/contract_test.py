#!/usr/bin/env python3
"""Holds structs, schemas, examples and topics.yaml together, with a JSON Schema validator that is not ours.

contract_test.py PATH_OF_CONTRACT_DUMP
"""
import functools
import json
import pathlib
import subprocess
import sys
import unittest

import yaml
from jsonschema import Draft202012Validator, FormatChecker

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
EXAMPLES = SCHEMAS / "examples"
PREFIX = "omnibus."
DUMP = None  # set from the command line

# Members that stand for one person, or for what two share. Whoever names one is about them.
STAND_FOR_PEOPLE = {"conversation_id", "profile_id", "user_id", "user_a_id", "user_b_id", "match_id"}
# Numbers of calls to models, which outlive the conversation: they say nothing about the person.
KEPT = {"omnibus.llm.call.completed.v1", "omnibus.llm.call.failed.v1"}
# Asks for the whole tenant.
ABOUT_NOBODY = {"omnibus.match.batch.requested.v1"}
# Free texts that do not come from people and are not about them.
NOT_PERSONAL = {"domain", "session_id", "in_reply_to", "reason", "call_id", "provider", "recipient", "kind", "timezone",
                "request_id", "channel", "error_code", "effect_key", "predicted_outcome", "ticket_id", "occurred_at", "source", "text_version"}
RECORD_KEYS = {"profile_key": "0123456789abcdef0123456789abcdef", "message_hash": "01234567-89ab-cdef-0123-456789abcdef"}

JSON_TYPES = {"string": "string", "uuid": "string", "boolean": "boolean", "int32": "integer", "int64": "integer",
              "number": "number", "object": "object", "array": "array"}


def struct_types():
    return json.loads(subprocess.run([DUMP], check=True, capture_output=True).stdout)


def schema_of(event_type):
    return json.loads((SCHEMAS / f"{event_type.removeprefix(PREFIX)}.json").read_text())


def validator_of(event_type):
    return Draft202012Validator(schema_of(event_type), format_checker=FormatChecker())


def examples(kind):
    """Pairs of event type and file."""
    for file in sorted((EXAMPLES / kind).glob("*/*.json")):
        yield PREFIX + file.parent.name, file


def strings_of(schema):
    """Pairs of name and schema of each text in it, those within objects and arrays included."""
    for name, member in schema["properties"].items():
        while "items" in member:
            member = member["items"]
        if "properties" in member:
            yield from strings_of(member)
        elif "string" in member["type"]:
            yield name, member


@functools.cache
def subjects(event_type, file):
    """Whom the engine takes the event for."""
    topics = yaml.safe_load((ROOT / "topics.yaml").read_text())["topics"]
    key = next(RECORD_KEYS.get(topic.get("key"), "") for topic in topics if event_type in topic["events"])
    ended = subprocess.run([DUMP, "--subjects", event_type, key], input=file.read_bytes(), check=True, capture_output=True)
    return set(ended.stdout.decode().split())


def seal(event_type, text):
    return subprocess.run([DUMP, "--seal", event_type], input=text, check=True, capture_output=True).stdout


def texts_in(schema, value):
    """Triples of each string in the value: whether it is personal, its schema, and itself."""
    if isinstance(value, str):
        yield schema.get("x-pii", False), schema, value
    elif isinstance(value, list):
        for element in value:
            yield from texts_in(schema.get("items", {}), element)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from texts_in(schema.get("properties", {}).get(name, {}), member)


def decode(event_type, text):
    return subprocess.run([DUMP, event_type], input=text, capture_output=True)


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.structs = struct_types()
        cls.topics = yaml.safe_load((ROOT / "topics.yaml").read_text())["topics"]

    def test_topics_structs_and_schemas_name_the_same_events(self):
        in_topics = [event for topic in self.topics for event in topic.get("events", [])]
        in_schemas = [PREFIX + file.name.removesuffix(".json") for file in SCHEMAS.glob("*.json")]
        self.assertEqual(len(in_topics), len(set(in_topics)), "an event type belongs to one topic")
        self.assertEqual(sorted(in_topics), sorted(self.structs))
        self.assertEqual(sorted(in_topics), sorted(in_schemas))

    def test_what_tenants_may_publish_has_a_tenant_and_a_key(self):
        """The gateway needs both, and does not start without; so it is said here first, with the event's name."""
        listed = [(topic, event) for topic in self.topics for event in topic.get("from_outside", [])]
        self.assertTrue(listed)
        for topic, event in listed:
            with self.subTest(event):
                self.assertIn(event, topic["events"])
                members = self.structs[event]["members"]
                self.assertEqual(members["domain"]["kind"], "string")
                self.assertIn("phone_number" if topic["key"] == "profile_key" else topic["key"], members)

    def test_schemas_are_schemas_and_named_by_their_type_and_version(self):
        for event_type in self.structs:
            with self.subTest(event_type):
                schema = schema_of(event_type)
                name, version = event_type.removeprefix(PREFIX).rsplit(".", 1)
                self.assertRegex(version, r"^v[1-9][0-9]*$")
                self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
                self.assertEqual(schema["$id"], f"urn:omnibus:schema:{name}:{version}")
                Draft202012Validator.check_schema(schema)

    def test_forms_of_answers_are_schemas_and_named_by_their_file(self):
        for file in SCHEMAS.glob("answers/*.json"):
            with self.subTest(file.name):
                schema = json.loads(file.read_text())
                name, version = file.stem.rsplit(".", 1)
                self.assertRegex(version, r"^v[1-9][0-9]*$")
                self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
                self.assertEqual(schema["$id"], f"urn:omnibus:schema:answers:{name}:{version}")
                Draft202012Validator.check_schema(schema)

    def test_schemas_have_the_members_of_the_structs(self):
        for event_type, struct in self.structs.items():
            self.compare(event_type, struct, schema_of(event_type))

    def compare(self, path, struct, schema):
        with self.subTest(path):
            members = struct["members"]
            self.assertEqual(set(schema["properties"]), set(members))
            required = {name for name, member in members.items() if member["kind"] != "optional"}
            self.assertEqual(set(schema["required"]), required)
            # Consumers tolerate what they do not know, so that a producer may add to a version.
            self.assertNotIn("additionalProperties", schema)
            self.assertNotIn("unevaluatedProperties", schema)
            for name, member in members.items():
                self.compare_member(f"{path}.{name}", member, schema["properties"][name])

    def compare_member(self, path, member, schema):
        with self.subTest(path):
            if member["kind"] == "raw":
                return
            optional = member["kind"] == "optional"
            inner = member["element"] if optional else member
            json_type = JSON_TYPES[inner["kind"]]
            self.assertEqual(schema["type"], [json_type, "null"] if optional else json_type)
            self.assertEqual(schema.get("format") == "uuid", inner["kind"] == "uuid")
            if inner["kind"] == "object":
                self.compare(path, inner, schema)
            if inner["kind"] == "array":
                self.compare_member(path + "[]", inner["element"], schema["items"])

    def test_events_of_topics_with_personal_data_say_whom_they_are_about(self):
        named = {}
        for event_type, file in examples("valid"):
            named.setdefault(event_type, set()).update(subjects(event_type, file))
        for topic in self.topics:
            for event_type in topic["events"] if topic["pii"] else []:
                with self.subTest(event_type):
                    self.assertEqual(bool(named[event_type]), event_type not in ABOUT_NOBODY,
                                     "give it a `subjects_of` beside its struct, so that an erasure refuses it")

    def test_events_name_everybody_whose_id_they_have(self):
        for event_type, file in examples("valid"):
            with self.subTest(str(file.relative_to(EXAMPLES))):
                event = json.loads(file.read_text())
                ids = {event[name].replace("-", "").lower() for name in STAND_FOR_PEOPLE & event.keys() if event[name]}
                named = subjects(event_type, file)
                self.assertEqual(ids - named, ids if event_type in KEPT else set())

    def test_personal_fields_are_marked(self):
        for topic in self.topics:
            for event_type in topic["events"]:
                with self.subTest(event_type):
                    schema = schema_of(event_type)
                    strings = list(strings_of(schema))
                    marked = {name for name, member in strings if member.get("x-pii")}
                    if not topic["pii"]:
                        self.assertEqual((marked, schema.get("x-pii")), (set(), None), "its topic has `pii: false`")
                        continue
                    self.assertEqual(schema.get("x-pii"), None if marked else False,
                                     'mark its personal fields with "x-pii": true, or the schema with false')
                    free = {name for name, member in strings if not {"enum", "const", "format", "x-pii"} & member.keys()}
                    self.assertEqual(free - NOT_PERSONAL, set(), "are these personal?")

    def test_sealed_events_are_valid_and_hold_no_personal_text(self):
        seen = set()
        for event_type, file in examples("valid"):
            with self.subTest(str(file.relative_to(EXAMPLES))):
                text = file.read_bytes()
                schema = schema_of(event_type)
                sealed = json.loads(seal(event_type, text))
                validator_of(event_type).validate(sealed)
                before, after = (list(texts_in(schema, document)) for document in (json.loads(text), sealed))
                for (personal, _, clear), (_, _, stored) in zip(before, after, strict=True):
                    seen |= {event_type} if personal else set()
                    self.assertEqual(stored.startswith("sealed:v1:"), personal)
                    self.assertEqual(stored == clear, not personal)
        marked = {event_type for event_type in self.structs if '"x-pii": true' in json.dumps(schema_of(event_type))}
        self.assertEqual(seen, marked, "give it an example with a text in a personal field")

    def test_limits_of_personal_texts_do_not_bind_sealed_ones(self):
        sealed = "sealed:v1:0190b5e8-5a6c-7cc5-a4f4-0f6f7e2b1a11:" + "A" * 100_000
        for event_type in self.structs:
            for name, member in strings_of(schema_of(event_type)):
                if not member.get("x-pii"):
                    continue
                with self.subTest(f"{event_type} {name}"):
                    self.assertTrue(Draft202012Validator(member).is_valid(sealed), "put its limits into an anyOf")

    def test_every_event_has_examples_of_both_kinds(self):
        for kind in ("valid", "invalid"):
            self.assertEqual({event_type for event_type, _ in examples(kind)}, set(self.structs), kind)

    def test_valid_examples_validate_and_decode_and_encode_to_valid_ones(self):
        for event_type, file in examples("valid"):
            with self.subTest(str(file.relative_to(EXAMPLES))):
                text = file.read_bytes()
                validator = validator_of(event_type)
                validator.validate(json.loads(text))
                decoded = decode(event_type, text)
                self.assertEqual(decoded.returncode, 0, decoded.stderr)
                written = json.loads(decoded.stdout)
                validator.validate(written)
                for name, value in written.items():
                    expected = json.loads(text)[name]
                    is_uuid = validator.schema["properties"][name].get("format") == "uuid"
                    self.assertEqual(value, expected.lower() if is_uuid else expected)

    def test_invalid_examples_are_refused_by_the_schema_and_by_the_decoder(self):
        for event_type, file in examples("invalid"):
            with self.subTest(str(file.relative_to(EXAMPLES))):
                text = file.read_bytes()
                self.assertFalse(validator_of(event_type).is_valid(json.loads(text)))
                decoded = decode(event_type, text)
                self.assertEqual(decoded.returncode, 1, "the decoder takes what the schema refuses")
                self.assertNotEqual(decoded.stderr, b"")


if __name__ == "__main__":
    DUMP = sys.argv.pop(1)
    unittest.main()
