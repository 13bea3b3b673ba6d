#!/usr/bin/env python3
"""The next midnights of people, told by Python's time zones: over a year of days and 20 zones, with every change of a clock."""
import datetime
import pathlib
import sys
import unittest
import zoneinfo

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Stack  # noqa: E402

UTC = datetime.timezone.utc
ZONES = ("UTC", "Africa/Kigali", "Africa/Cairo", "Africa/Casablanca", "America/Havana", "America/Santiago", "America/Asuncion",
         "America/New_York", "America/St_Johns", "America/Scoresbysund", "Atlantic/Azores", "Asia/Beirut", "Asia/Kathmandu",
         "Asia/Tehran", "Australia/Lord_Howe", "Europe/Lisbon", "Europe/Chisinau", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati")
HOURS = (0, 4, 9, 13, 18, 23)  # of the moments asked about, in turn


def next_midnight(moment, name):
    """The later of the instants that the next local midnight may be."""
    zone = zoneinfo.ZoneInfo(name)
    day = moment.astimezone(zone).date() + datetime.timedelta(days=1)
    return max(datetime.datetime(day.year, day.month, day.day, tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


class MidnightTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("embedded")
        cls.addClassCleanup(cls.stack.close)

    def test_the_next_midnight_is_the_later_one_of_two_people(self):
        begin = datetime.datetime(2027, 1, 1, tzinfo=UTC)
        asked = []
        for day in range(365):
            moment = begin + datetime.timedelta(days=day, hours=HOURS[day % len(HOURS)], minutes=7)
            asked += [(zone, ZONES[(place + day) % len(ZONES)], moment) for place, zone in enumerate(ZONES)]
        values = ", ".join(f"({number}, '{a}', '{b}', '{moment.isoformat()}'::timestamptz)"
                           for number, (a, b, moment) in enumerate(asked))
        told = self.stack.database.execute(
            "SELECT extract(epoch FROM omniscient_next_midnight(a, b, moment))::bigint"
            f" FROM (VALUES {values}) AS asked (number, a, b, moment) ORDER BY number")
        wrong = []
        for (a, b, moment), (seconds,) in zip(asked, told, strict=True):
            expected = max(next_midnight(moment, a), next_midnight(moment, b))
            if expected.timestamp() != int(seconds):
                wrong.append((a, b, moment.isoformat(), expected.isoformat(), datetime.datetime.fromtimestamp(int(seconds), UTC).isoformat()))
        self.assertEqual(len(asked), 7300)
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
