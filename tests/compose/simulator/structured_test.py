"""The simulated model's structured answers fit their schemas, as another implementation of JSON Schema sees it."""
import json
import random
import subprocess
import sys
import unittest

from jsonschema import Draft202012Validator, FormatChecker

DUMP = sys.argv.pop()
QUESTION = "Ada builds compilers in Kigali. Grace wants weekly meetings, 30 minutes each; größere Runden mag sie nicht. 你好吗?"

LEAVES = [
    {"type": "string"},
    {"type": "string", "minLength": 3, "maxLength": 12},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "uuid"},
    {"type": "string", "format": "email"},
    {"type": "integer"},
    {"type": "integer", "minimum": -7, "maximum": -5},
    {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 4},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
    {"type": "number", "multipleOf": 0.25, "minimum": 1},
    {"type": "boolean"},
    {"type": ["string", "null"], "maxLength": 5},
    {"enum": ["low", "high", 3, None]},
    {"const": {"a": [1]}},
    {"$ref": "#/$defs/person"},
    {"allOf": [{"$ref": "#/$defs/person"}, {"type": "object", "required": ["mail"]}]},
]
DEFINITIONS = {"person": {
    "type": "object", "required": ["name", "friends"], "additionalProperties": False,
    "properties": {"name": {"type": "string", "minLength": 1}, "mail": {"type": "string", "format": "email"},
                   "friends": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/person"}}}}}
NAMES = ["score", "summary", "title", "steps", "owner", "größe", "a b", "x/y", "~t", ""]


def schema(dice, depth):
    kind = dice.randrange(8) if depth else 0
    if kind < 3:
        return dice.choice(LEAVES)
    if kind == 3:
        least = dice.randrange(3)
        return {"type": "array", "items": schema(dice, depth - 1), "minItems": least, "maxItems": least + dice.randrange(3)}
    if kind == 4:
        return {"anyOf": [schema(dice, depth - 1), {"type": "null"}, schema(dice, depth - 1)]}
    if kind == 5:
        return {"type": "array", "prefixItems": [schema(dice, depth - 1), {"type": "boolean"}], "items": False, "minItems": 2}
    if kind == 6:
        return {"type": "object", "additionalProperties": schema(dice, depth - 1), "minProperties": dice.randrange(4)}
    properties = {name: schema(dice, depth - 1) for name in dice.sample(NAMES, dice.randrange(1, 5))}
    return {"type": "object", "properties": properties, "additionalProperties": dice.random() < 0.5,
            "required": [name for name in properties if dice.random() < 0.6]}


class StructuredTest(unittest.TestCase):
    def test_every_answer_fits_its_schema(self):
        dice = random.Random(15)
        schemas = [{**each, "$defs": DEFINITIONS} for each in LEAVES]
        schemas += [{**schema(dice, 5), "$defs": DEFINITIONS} for _ in range(500)]
        asked = "".join(json.dumps({"schema": each, "question": QUESTION, "seed": seed}) + "\n"
                        for seed, each in enumerate(schemas))
        done = subprocess.run([DUMP], input=asked, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = done.stdout.splitlines()
        self.assertEqual(len(answers), len(schemas))
        for each, answer in zip(schemas, answers):
            Draft202012Validator.check_schema(each)
            with self.subTest(schema=each, answer=answer):
                Draft202012Validator(each, format_checker=FormatChecker()).validate(json.loads(answer))


if __name__ == "__main__":
    unittest.main()
