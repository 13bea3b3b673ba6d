#!/usr/bin/env python3
"""The telemetry worker on Apache Kafka: sums that are those of the calls, whatever is killed and comes twice."""
import datetime
import decimal
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, binary, eventually, structured_event  # noqa: E402

TOPIC = "llm.calls"
GROUP = "omnibus-telemetry"
COMPLETED, FAILED = "omnibus.llm.call.completed.v1", "omnibus.llm.call.failed.v1"
DAY = datetime.datetime(2026, 11, 18, tzinfo=datetime.timezone.utc)
TABLES = {"chat_telemetry_rollups": "", "chat_telemetry_domain_rollups": ", domain",
          "chat_telemetry_model_rollups": ", domain, provider, model"}
SUMS = "calls, successes, failures, input_tokens, output_tokens, cost_usd, duration_sum_ms, searches, zero_results"


class TelemetryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(seed := int(os.environ.get("OMNIBUS_SEED") or random.randrange(2**32)))
        print(f"OMNIBUS_SEED={seed}", file=sys.stderr)
        cls.stack = Stack("apache")
        cls.addClassCleanup(cls.stack.close)
        # The group puts a killed member out after 4 s, so that the tests need not wait longer for its partitions.
        cls.stack.compose("kafka", "configs", "--alter", "--entity-type", "groups", "--entity-name", GROUP, "--add-config",
                          "consumer.session.timeout.ms=4000,consumer.heartbeat.interval.ms=500")

    def call(self, domain, **other):
        """A call of some time of three days, as an event."""
        pick = self.random
        data = {"call_id": str(uuid.uuid4()), "domain": domain, "conversation_id": str(uuid.uuid4()), "worker": "chat",
                "operation": "chat", "provider": "openai", "request_model": pick.choice(["small", "large"]), "response_model": "",
                "input_tokens": pick.randrange(4000), "output_tokens": pick.randrange(800), "cached_input_tokens": 0,
                "reasoning_tokens": 0, "usage_estimated": False, "cost_usd": f"0.{pick.randrange(10**9):09}",
                "duration_ms": pick.randrange(20_000), "finish_reason": "stop", "search_calls": pick.randrange(3)}
        type = COMPLETED if pick.random() < 0.9 else FAILED
        if type == FAILED:
            data["error_type"] = "timeout"
        event = structured_event(type, {**data, **other})
        event["time"] = (DAY + datetime.timedelta(seconds=pick.randrange(3 * 86400))).isoformat()
        return event

    def publish(self, events):
        self.stack.kafka.publish_all(TOPIC, [(event["data"]["conversation_id"], event) for event in events])

    def worker(self, wait=True):
        worker = self.stack.start_worker("telemetry", wait=wait)
        self.addCleanup(worker.kill)
        return worker

    def kept(self, domain):
        return int(self.stack.database.value(f"SELECT count(*) FROM chat_telemetry WHERE domain = '{domain}'"))

    def await_lag_zero(self):
        """Until everything on the topic is committed: what came twice has been seen and left alone."""
        def settled():
            table = self.stack.compose("kafka", "groups", "--describe", "--group", GROUP)
            rows = [line.split() for line in table.splitlines() if line.split()[1:2] == [TOPIC]]
            return rows and all(row[5] in ("0", "-") for row in rows)
        eventually(settled, 60, "the group's lag being 0")

    def content(self, table):
        return self.stack.database.execute(f"SELECT granularity, bucket_start{TABLES[table]}, {SUMS}, duration_hist FROM {table} ORDER BY "
                                           f"granularity, bucket_start{TABLES[table]}")

    def assert_sums_are_those_of_the_rows(self):
        """And that the rows add up to what a rebuild computes."""
        for table, keys in TABLES.items():
            wanted = self.stack.database.execute(
                f"SELECT g, date_bin(w, ts, '2000-01-01 00:00:00+00') b{keys}, count(*), count(*) FILTER (WHERE success), "
                "count(*) FILTER (WHERE NOT success), sum(input_tokens), sum(output_tokens), sum(cost_usd), sum(duration_ms), "
                "coalesce(sum(search_calls), 0), coalesce(sum(search_zero_results), 0) "
                "FROM (SELECT *, request_model AS model FROM chat_telemetry) c, "
                f"(VALUES ('15m', interval '15 minutes'), ('1d', interval '1 day')) AS each (g, w) GROUP BY 1, 2{keys} ORDER BY 1, 2{keys}")
            self.assertEqual([row[:-1] for row in self.content(table)], wanted, table)
        before = {table: self.content(table) for table in TABLES}
        days = self.stack.database.execute("SELECT min(day), max(day), count(*) FROM pipeline.telemetry_calls")[0]
        rebuilt = json.loads(self.stack.omnibus("telemetry", "rebuild", "--from", days[0], "--to", days[1], "--json"))
        self.assertEqual(rebuilt["calls"], int(days[2]))
        for table in TABLES:
            self.assertEqual(self.content(table), before[table], table)

    def test_every_call_counts_once_while_workers_are_killed_and_events_come_twice(self):
        domain = "killed.example"
        events = [self.call(domain) for _ in range(20_000)]
        # Three in ten come again, some as another event that tells of the same call at another time.
        again = [event if self.random.random() < 0.7 else {**event, "id": str(uuid.uuid4()), "time": (DAY + datetime.timedelta(hours=1)).isoformat()}
                 for event in self.random.sample(events, len(events) * 3 // 10)]
        everything = events + again
        self.random.shuffle(everything)
        workers = [self.worker(), self.worker()]
        kills = 0
        for begin in range(0, len(everything), 2_600):
            self.publish(everything[begin:begin + 2_600])
            wanted = min(self.kept(domain) + 1, len(events))
            eventually(lambda: self.kept(domain) >= wanted, 60, "calls being kept")
            victim = kills % 2
            workers[victim].kill()
            workers[victim] = self.worker(wait=False)
            kills += 1
        eventually(lambda: self.kept(domain) >= len(events), 90, "all calls being kept")
        self.await_lag_zero()
        self.assertGreaterEqual(kills, 10)
        self.assertEqual(self.kept(domain), len(events))
        total = self.stack.database.execute("SELECT sum(calls), sum(input_tokens), sum(output_tokens), sum(cost_usd) FROM "
                                            f"chat_telemetry_domain_rollups WHERE granularity = '1d' AND domain = '{domain}'")[0]
        told = [event["data"] for event in events]
        self.assertEqual(total, [str(len(events)), str(sum(call["input_tokens"] for call in told)),
                                 str(sum(call["output_tokens"] for call in told)),
                                 str(sum(decimal.Decimal(call["cost_usd"]) for call in told))])
        self.assert_sums_are_those_of_the_rows()
        self.assertEqual([letter for letter in self.stack.kafka.consume(TOPIC + ".dlq") if letter.json["data"]["domain"] == domain], [])

    def test_a_poison_call_is_parked_and_stops_nobody(self):
        domain = "poison.example"
        self.worker()
        parked = len(self.stack.kafka.consume(TOPIC + ".dlq"))
        good = [self.call(domain) for _ in range(300)]
        bad = [self.call(domain, duration_ms=10**15), self.call(domain, input_tokens=-1), {**self.call(domain), "time": "0001-01-01T00:00:00Z"}]
        self.publish(good[:150] + bad + good[150:])
        # The clock of the third is not believed: it counts when Kafka got it.
        eventually(lambda: self.kept(domain) == 301, 60, "the good calls being kept")
        letters = eventually(lambda: (found := self.stack.kafka.consume(TOPIC + ".dlq")) and len(found) == parked + 2 and found, 30,
                             "two dead letters")
        self.assertLessEqual({"implausible", "invalid_event"}, {letter.headers["error.class"] for letter in letters})
        self.assert_sums_are_those_of_the_rows()

    def test_a_tenant_reads_its_own_calls_over_http_and_an_operator_those_of_all(self):
        shop, bank = "http-shop.example", "http-bank.example"
        self.worker()
        tokens = {domain: self.stack.add_tenant(domain) for domain in (shop, bank)}
        operator = self.stack.add_token("operator")
        gateway = self.stack.start_worker("gateway")
        events = [self.call(shop) for _ in range(40)] + [self.call(bank) for _ in range(20)]
        self.publish(events)
        eventually(lambda: self.kept(shop) + self.kept(bank) == 60, 60, "the calls being kept")
        range_ = "from=2026-11-18&to=2026-11-21"

        def read(token, query):
            return Http(gateway.address, token).get(f"/v1/telemetry?{query}")
        own = read(tokens[shop], range_).json
        self.assertEqual(own["totals"]["calls"], 40)
        self.assertEqual(own["domain"], shop)
        self.assertEqual([row["domain"] for row in own["domains"]], [shop])
        self.assertEqual(len(own["trend"]), 72)
        self.assertEqual(sum(bucket["calls"] for bucket in own["trend"]), 40)
        self.assertEqual(sum(row["calls"] for row in own["models"]), 40)
        self.assertEqual(decimal.Decimal(own["totals"]["cost_usd"]),
                         sum(decimal.Decimal(event["data"]["cost_usd"]) for event in events[:40]))
        of_shop = read(operator, f"{range_}&domain={shop}").json
        self.assertEqual(of_shop["totals"], own["totals"])
        everything = read(operator, range_).json
        self.assertEqual(everything["totals"]["calls"], int(self.stack.database.value(
            "SELECT count(*) FROM chat_telemetry WHERE ts >= '2026-11-18 00:00+00' AND ts < '2026-11-21 00:00+00'")))
        self.assertEqual(read(tokens[shop], f"{range_}&domain={bank}").status, 404)
        self.assertEqual(read(None, range_).status, 401)
        for query, field in (("from=yesterday", "from"), ("granularity=1m", "granularity"), ("from=2000-01-01&to=2026-01-01", "from"),
                             (f"{range_}&model=%ff", "model")):
            refused = read(tokens[shop], query)
            self.assertEqual((refused.status, refused.json["field"]), (400, field))
        # The tool prints the same, for a script and for a person.
        told = json.loads(self.stack.omnibus("telemetry", "--from", "2026-11-18", "--to", "2026-11-21", "--domain", shop, "--json"))
        told.pop("projection"), own.pop("projection")
        self.assertEqual(told, own)
        for columns in (20, 40, 80, 200):
            shown = subprocess.run([binary("omnibus"), "telemetry", "--from", "2026-11-18", "--to", "2026-11-21", "--domain", shop],
                                   env={**os.environ, "DATABASE_URL": self.stack.database_url("readonly"), "COLUMNS": str(columns)},
                                   text=True, capture_output=True, check=True).stdout
            self.assertIn("40 calls", shown)
            self.assertIn("█", shown)


if __name__ == "__main__":
    unittest.main()
