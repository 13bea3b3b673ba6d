#!/usr/bin/env python3
"""Holds our SMS segments against calculators that are not ours, over messages in many scripts.

segments_test.py PATH_OF_SEGMENTS_DUMP

They are the packages smsutil (counts and divides) and gsm0338 (the alphabet as a codec), from PyPI into a virtual
environment under OMNIBUS_CACHE (default ~/.cache/omnibus), once.
"""
import json
import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from pypi import python_with  # noqa: E402

CORPUS = pathlib.Path(__file__).with_name("sms_corpus.txt")
CALCULATORS = ("smsutil==1.1.3", "gsm0338==1.1.0")
ROOM = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
DUMP = None  # set from the command line

# Theirs, run by the Python that has the packages: for each text its encoding, units and parts.
CALCULATE = r"""
import json, sys
import gsm0338, smsutil
codec = gsm0338.Codec()
def measure(text):
    counted = smsutil.split(text)
    gsm = counted.encoding == "gsm0338"
    units = counted.total_bytes if gsm else counted.total_bytes // 2
    # Two calculators that disagree are no measure.
    assert units == (len(codec.encode(text)[0]) if gsm else len(text.encode("utf-16-be")) // 2), text
    return {"encoding": "GSM-7" if gsm else "UCS-2", "units": units, "segments": len(counted.parts)}
def septets(unit):
    try:
        return len(codec.encode(chr(unit))[0])
    except ValueError:
        return 0
texts = json.load(sys.stdin)
alphabet = {unit: septets(unit) for unit in range(0x10000) if not 0xD800 <= unit < 0xE000}
json.dump({"texts": [measure(text) for text in texts],
           "alphabet": {unit: count for unit, count in alphabet.items() if count}}, sys.stdout)
"""


def corpus():
    for line in CORPUS.read_text().rstrip("\n").split("\n"):
        if not line.startswith("#"):
            name, text = line.split(": ", 1)
            yield name, text.replace("\\n", "\n")


def around_the_limits(messages):
    """Texts whose lengths lie around every limit, of one character, with another at the limit, and of whole messages."""
    limits = [n * m + d for n, m in ((1, 160), (1, 153), (2, 153), (3, 153), (1, 70), (1, 67), (2, 67), (3, 67)) for d in (-2, -1, 0, 1, 2)]
    for length in limits:
        for filling in ("a", "é", "€", "ж", "中", "न"):
            yield filling * length
        for filling in ("😀", "👨‍👩‍👧", "🇷🇼", "e\u0301", "[]"):
            yield (filling * length)[:length]
        for one in ("€", "ж", "😀", "👨‍👩‍👧", "’"):
            for at in (length - 2, length - 1, length):
                yield "a" * at + one + "b" * 3
                yield "ж" * at + one + "ж" * 3
        for _, message in messages:
            yield (message + " ") * (length // len(message)) + message[:length % len(message)]


def mixtures(messages, count):
    pieces = [character for _, message in messages for character in message] + ["€", "😀", "\n", " ", "|"]
    dice = random.Random(459)
    for _ in range(count):
        few = dice.sample(pieces, 6)
        yield "".join(dice.choices(few, k=dice.randint(1, 500)))


class Segments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        messages = list(corpus())
        generated = [*around_the_limits(messages), *mixtures(messages, 500)]
        cls.texts = [text for _, text in messages] + [text for text in generated if text]
        asked = "".join(text + "\0" for text in cls.texts)
        done = subprocess.run([DUMP], input=asked.encode(), capture_output=True, timeout=240, check=True)
        cls.ours = [json.loads(line) for line in done.stdout.splitlines()]
        cls.python = python_with(*CALCULATORS)
        sent = [ours["sent"]["text"] for ours in cls.ours if ours["sent"]["text"]]
        cls.sent = dict(zip(sent, cls.calculate(sent)["texts"]))
        answer = cls.calculate(cls.texts)
        cls.theirs, cls.alphabet = answer["texts"], answer["alphabet"]

    @classmethod
    def calculate(cls, texts):
        done = subprocess.run([cls.python, "-c", CALCULATE], input=json.dumps(texts), capture_output=True, text=True, timeout=240)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def test_the_corpus_has_both_encodings_and_every_number_of_parts(self):
        self.assertEqual(len(self.ours), len(self.texts))
        self.assertGreater(len(self.texts), 3000)
        for encoding in ROOM:
            counts = {theirs["segments"] for theirs in self.theirs if theirs["encoding"] == encoding}
            self.assertLessEqual({1, 2, 3, 4}, counts, encoding)

    def test_texts_as_they_stand_are_counted_alike(self):
        for text, ours, theirs in zip(self.texts, self.ours, self.theirs):
            with self.subTest(text):
                self.assertEqual(ours["as_is"]["text"], text)
                self.assertEqual({name: ours["as_is"][name] for name in theirs}, theirs)

    def test_texts_as_they_are_sent_are_counted_alike_and_fit(self):
        for ours in self.ours:
            if text := ours["sent"]["text"]:
                with self.subTest(text):
                    theirs = self.sent[text]
                    self.assertEqual({name: ours["sent"][name] for name in theirs}, theirs)
                    self.assertLessEqual(theirs["segments"], 3)

    def test_a_message_costs_no_more_than_it_would_as_it_stands(self):
        for text, ours, theirs in zip(self.texts, self.ours, self.theirs):
            with self.subTest(text):
                if not ours["cut"]:
                    self.assertLessEqual(ours["sent"]["segments"], theirs["segments"])

    def test_parts_joined_are_the_text_and_each_fits(self):
        for ours in self.ours:
            for counted in (ours["as_is"], ours["sent"]):
                with self.subTest(counted["text"]):
                    parts = counted["parts"]
                    self.assertEqual("".join(part["text"] for part in parts), counted["text"])
                    self.assertEqual(len(parts), counted["segments"])
                    self.assertEqual(sum(part["units"] for part in parts), counted["units"])
                    alone, in_parts = ROOM[counted["encoding"]]
                    room = alone if len(parts) == 1 else in_parts
                    for part in parts:
                        self.assertEqual(part["units"], self.units(part["text"], counted["encoding"]))
                        self.assertEqual(part["units"] + part["left"], room)
                        self.assertGreaterEqual(part["left"], 0)

    def units(self, text, encoding):
        if encoding == "UCS-2":
            return len(text.encode("utf-16-be")) // 2
        return sum(self.alphabet[str(ord(character))] for character in text)

    def test_the_alphabet_is_the_codecs(self):
        done = subprocess.run([DUMP, "alphabet"], capture_output=True, timeout=60, check=True)
        theirs = {unit: septets for unit, septets in self.alphabet.items() if unit != str(0x1B)}  # the escape is no character
        self.assertEqual(json.loads(done.stdout), theirs)


if __name__ == "__main__":
    DUMP = sys.argv.pop(1)
    unittest.main()
