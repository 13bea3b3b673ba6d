#!/usr/bin/env python3
"""People, matches, conversations of agents, outcomes and reports together: the demo's numbers are those of the tables,
kills at any time repeat nothing and lose nothing, and replays change nothing.

OMNIBUS_KILLS says how often workers are killed (12), OMNIBUS_PEOPLE how many people there are (30), for twice as many pairs.
OMNIBUS_WITHOUT=answers takes a guard out, with which the test of kills must fail: nothing is kept of what a model answered.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import ROOT, Database, Http, Stack, binary, eventually  # noqa: E402

DOMAIN = "people.example"
OUTCOMES = ("STRONG_MATCH", "EXPLORATORY", "FUTURE_POTENTIAL", "NO_MATCH")
KILLS = int(os.environ.get("OMNIBUS_KILLS") or 12)
PEOPLE = int(os.environ.get("OMNIBUS_PEOPLE") or 30)
GUARDS = {
    "": "SELECT",
    "answers": "CREATE FUNCTION forget_answer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
               " DELETE FROM pipeline.llm_responses WHERE event_id = NEW.event_id; RETURN NULL; END $$;"
               "CREATE TRIGGER forgetful AFTER INSERT OR UPDATE ON pipeline.llm_responses"
               " FOR EACH ROW EXECUTE FUNCTION forget_answer()"}
WORKERS = ("match", "conversation", "outcome", "report", "scheduler")
TOPICS = ("match.requests", "match.results", "agent.turns", "conversations.completed", "outcomes.scored", "reports", "llm.calls")
TABLES = ("users", "personal_stories", "omniscient_matches", "omniscient_insights", "omniscient_match_insights",
          "omniscient_conversations", "omniscient_turns", "omniscient_outcomes", "omniscient_reports", "omniscient_report_outcomes",
          "omniscient_processing_logs", "pipeline.outbox", "pipeline.llm_responses")


def measures(rows):
    """Confusion matrix, Brier score, accuracy and expected calibration error of (predicted, actual, probabilities)."""
    confusion = [[0] * 4 for _ in OUTCOMES]
    brier, deciles = 0.0, [[0, 0.0, 0] for _ in range(10)]
    for predicted, actual, probabilities in rows:
        confusion[OUTCOMES.index(predicted)][OUTCOMES.index(actual)] += 1
        brier += sum((probabilities[name] - (name == actual)) ** 2 for name in OUTCOMES) / 2
        p = round(probabilities["STRONG_MATCH"] + probabilities["EXPLORATORY"], 6)
        decile = deciles[min(9, int(round(p * 1_000_000)) // 100_000)]
        decile[0] += 1
        decile[1] += p
        decile[2] += actual in ("STRONG_MATCH", "EXPLORATORY")
    count = len(rows)
    return {"confusion": confusion, "brier": brier / count, "accuracy": sum(confusion[k][k] for k in range(4)) / count,
            "ece": sum(abs(p - positives) for n, p, positives in deciles) / count}


class PeopleDemoTest(unittest.TestCase):
    def setUp(self):
        self.run_folder = pathlib.Path(tempfile.mkdtemp(prefix="omnibus-people."))
        self.run_folder.chmod(0o755)
        self.environment = {**os.environ, "OMNIBUS_RUN_DIR": str(self.run_folder),
                            "OMNIBUS_BIN": str(pathlib.Path(binary("omnibus-chat")).parent)}
        self.addCleanup(shutil.rmtree, self.run_folder, ignore_errors=True)
        self.addCleanup(self.compose, "down")

    def compose(self, command, *arguments):
        return subprocess.run([str(ROOT / "compose" / command), *arguments], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)

    def test_the_demo_prints_what_the_tables_say(self):
        kafka = os.environ.get("OMNIBUS_E2E_KAFKA") or "embedded"
        done = self.compose("demo", "--people", "--kafka", kafka, "--keep")
        self.assertEqual(done.returncode, 0, done.stdout)
        url = subprocess.run(["sh", "-c", '. "$1" && printf %s "$OMNIBUS_DATABASE"', "sh", str(self.run_folder / "environment")],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
        database = Database(url)
        self.addCleanup(database.close)
        rows = [(predicted, actual, json.loads(probabilities)) for predicted, actual, probabilities in database.execute(
            "SELECT m.predicted_outcome, c.actual_outcome, m.predicted_probabilities FROM omniscient_outcomes o"
            " JOIN omniscient_conversations c ON c.id = o.conversation_id JOIN omniscient_matches m ON m.id = o.match_id")]
        self.assertGreaterEqual(len(rows), 20)
        expected = measures(rows)
        printed = re.findall(r"^    (?:%s) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$" % "|".join(OUTCOMES), done.stdout, re.M)
        self.assertEqual([[int(count.replace(",", "")) for count in line] for line in printed], expected["confusion"])
        for name, label in (("brier", "Brier"), ("accuracy", "accuracy"), ("ece", "ECE")):
            found = re.search(rf"\b{label} (\d\.\d+)", done.stdout)
            self.assertIsNotNone(found, f"no {label} in {done.stdout}")
            self.assertAlmostEqual(float(found[1]), expected[name], delta=0.00051, msg=label)
        self.assertIn("one person's report", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^ +1  agent_a  \S")
        self.assertRegex(done.stdout, r"(?m)^    outcome: (%s)$" % "|".join(OUTCOMES))


class KilledWorkersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        # One for each worker, so that it is known whose calls a kill cuts off.
        cls.models = {name: cls.stack.start_simulator(latency=30, latency_jitter=30) for name in ("match", "conversation", "outcome")}
        cls.token = cls.stack.add_tenant(DOMAIN, "operator")
        cls.stack.database.execute(GUARDS[os.environ.get("OMNIBUS_WITHOUT") or ""])
        cls.gateway = cls.stack.start_worker("gateway")

    def value(self, sql):
        return int(self.stack.database.value(f"SELECT {sql}"))

    def start(self, name):
        model = self.models.get(name)
        return self.stack.start_worker(name, wait=False, LLM_BASE_URL=model.url if model else "http://127.0.0.1:9", LLM_API_KEY="any",
                                       MATCH_SCHEDULE_THRESHOLD="0.3", CONVERSATION_MAX_TURNS=6, KAFKA_SESSION_TIMEOUT="6s",
                                       KAFKA_INSTANCE_ID=f"{name}-1")

    def action(self, name, **parameters):
        answer = Http(self.gateway.address, self.token).post(f"/v1/actions/{name}", parameters)
        self.assertEqual(answer.status, 202, answer)

    def answers(self, name):
        """What is recorded of a worker's model."""
        return self.value(f"count(*) FROM pipeline.llm_responses WHERE response #>> '{{call,worker}}' = '{name}'")

    def kill(self, name):
        self.workers[name].pause()
        time.sleep(0.05)  # for what it has sent to arrive
        if name in self.models:
            self.cut_off[name] += self.models[name].stats()["requests"] - self.answers(name) - self.cut_off[name]
        self.workers[name].kill()
        self.workers[name] = self.start(name)

    def kill_between_answer_and_turn(self):
        """Kills the worker while a turn is answered, recorded and not stored."""
        match = self.stack.database.value("SELECT id FROM omniscient_matches WHERE status = 'analyzed' ORDER BY id LIMIT 1")
        recorded = self.answers("conversation")
        with self.stack.database.held("LOCK TABLE omniscient_turns IN EXCLUSIVE MODE"):
            self.action("executeConversation", matchId=match)
            eventually(lambda: self.answers("conversation") > recorded, 60, "an answer without a turn")
            self.kill("conversation")
        eventually(lambda: self.value(f"count(*) FROM omniscient_matches WHERE id = '{match}' AND status = 'completed'"), 120,
                   "its conversation being held")

    def match_manually(self):
        """Two people who have no match yet, in either order, and one with themselves."""
        one, other = self.stack.database.execute(
            "SELECT a.id, b.id FROM users a, users b WHERE a.id < b.id AND NOT EXISTS (SELECT FROM omniscient_matches m"
            " WHERE (m.user_a_id, m.user_b_id) = (a.id, b.id)) ORDER BY 1, 2 LIMIT 1")[0]
        ended = self.value("count(*) FROM omniscient_processing_logs WHERE action = 'manual_match' AND status = 'completed'")
        made = []
        for number, pair in enumerate(((one, other), (other, one)), 1):
            self.stack.omnibus("match", "manual", *pair)
            eventually(lambda: self.value("count(*) FROM omniscient_processing_logs WHERE action = 'manual_match'"
                                          " AND status = 'completed'") == ended + number, 60, "the pair being analysed")
            made += self.stack.database.execute("SELECT id, status FROM omniscient_matches WHERE (user_a_id, user_b_id) ="
                                                f" ('{one}', '{other}')")
        self.assertEqual(len(made), 2)
        self.assertEqual(made[0], made[1])
        self.assertEqual(made[0][1], "scheduled")
        with self.assertRaisesRegex(AssertionError, "two different people"):
            self.stack.omnibus("match", "manual", one, one)
        answer = Http(self.gateway.address, self.token).post("/v1/actions/manualMatch", {"userIdA": one, "userIdB": one})
        self.assertEqual(answer.status, 422, answer)

    def put_people(self):
        zones = ("UTC", "Africa/Kigali", "America/New_York")
        skills = ("welding", "baking", "bookkeeping", "German lessons", "piano repair")

        def put(number):
            person = {"handle": f"person {number}", "timezone": zones[number % 3], "status": "APPROVED",
                      "deep_analysis_consent_at": "2026-11-01T00:00:00Z", "narrative": f"I am person {number} and tell of my work.",
                      "seeking_connections": [skills[number % 5]], "offering_expertise": [skills[(number + 1) % 5]]}
            return Http(self.gateway.address, self.token).request(
                "PUT", f"/v1/people/{uuid.uuid4()}", json.dumps(person).encode(), {"Content-Type": "application/json"})

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for answer in pool.map(put, range(PEOPLE)):
                self.assertEqual(answer.status, 202, answer)

    def test_kills_repeat_nothing_and_lose_nothing(self):
        chance = random.Random(20261129)
        self.cut_off = dict.fromkeys(self.models, 0)  # calls whose answers were not recorded at the kills
        self.workers = {name: self.start(name) for name in WORKERS}
        for worker in self.workers.values():
            worker.await_ready()
        self.put_people()
        eventually(lambda: self.value("count(*) FROM users") == PEOPLE, 60, "every person being stored")
        self.action("analyzeMatches", batchSize=2 * PEOPLE)
        midnight = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2 * 86400))

        def kill(times):
            for _ in range(times):
                time.sleep(chance.uniform(0.1, 0.8))
                self.kill(chance.choice(WORKERS))
        kill(KILLS // 2)
        eventually(lambda: self.value("count(*) FROM omniscient_processing_logs WHERE action = 'find_candidates' AND status = 'completed'") == 1
                   and self.value("count(*) FROM omniscient_processing_logs WHERE action = 'analyze_pair' AND status = 'completed'")
                   == self.value("sum((metadata ->> 'requested')::int) FROM omniscient_processing_logs WHERE action = 'find_candidates'"),
                   120, "every pair being analysed")
        pairs = self.value("count(*) FROM omniscient_matches")
        self.assertGreater(pairs, 20)
        self.action("processUserMidnight", at=midnight)
        kill(KILLS - KILLS // 2)
        eventually(lambda: self.value("count(*) FROM omniscient_matches WHERE status IN ('scheduled', 'active')") == 0, 120,
                   "every scheduled match being completed")
        self.kill_between_answer_and_turn()
        completed = "count(*) FROM omniscient_conversations WHERE status = 'completed'"
        eventually(lambda: self.value("count(*) FROM omniscient_outcomes") == self.value(completed) > 0, 120, "every outcome being judged")
        self.match_manually()
        self.action("generateReport")
        eventually(lambda: self.value("count(*) FROM omniscient_reports") > 0, 60, "reports")
        eventually(lambda: self.value("count(*) FROM pipeline.outbox") == 0, 60, "the outbox being empty")

        for what, sql in (
                ("pairs with two matches", "SELECT 1 FROM omniscient_matches GROUP BY user_a_id, user_b_id HAVING count(*) > 1"),
                ("matches without insights", "SELECT 1 FROM omniscient_matches m WHERE NOT EXISTS (SELECT FROM omniscient_match_insights i "
                 "WHERE i.match_id = m.id)"),
                ("insights that belong to no match", "SELECT 1 FROM omniscient_insights i WHERE NOT EXISTS (SELECT FROM "
                 "omniscient_match_insights m WHERE m.insight_id = i.id)"),
                ("gaps in turns", "SELECT 1 FROM omniscient_turns GROUP BY conversation_id HAVING count(*) <> max(turn_number)"),
                ("failed events", "SELECT 1 FROM omniscient_processing_logs WHERE status = 'failed'"),
                ("outcomes in two reports of a person", "SELECT 1 FROM omniscient_report_outcomes GROUP BY user_id, outcome_id HAVING count(*) > 1"),
                ("conversations without their end in the match", "SELECT 1 FROM omniscient_conversations c JOIN omniscient_matches m ON "
                 "m.id = c.match_id WHERE c.status = 'completed' AND m.status <> 'completed'")):
            with self.subTest(what):
                self.assertEqual(self.value(f"count(*) FROM ({sql}) AS wrong"), 0)
        # A call that a kill cut off is made again; nothing else is.
        for name, most in self.cut_off.items():
            with self.subTest(f"calls of {name}"):
                self.assertLessEqual(self.models[name].stats()["requests"], self.answers(name) + most)
        for worker in self.workers.values():
            worker.stop()
        self.check_replays()

    def check_replays(self):
        """Replays everything that the workers were sent: nothing is asked, published or written."""
        def state():
            dump = {table: self.stack.database.value(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t")
                    for table in TABLES}
            return (dump, {topic: len(self.stack.kafka.consume(topic)) for topic in TOPICS},
                    {name: model.stats()["requests"] for name, model in self.models.items()})

        before = state()
        for name in ("match", "conversation", "outcome", "report"):
            model = self.models.get(name)
            replay = self.stack.start(f"replay-{name}", [binary(f"omnibus-{name}"), "--replay", name, "--from", "earliest", "--to", "now"],
                                      {"KAFKA_BROKERS": self.stack.kafka.brokers, "METRICS_LISTEN": "127.0.0.1:0",
                                       "REPLAY_DATABASE_URL": self.stack.database_url("replay"),
                                       "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
                                       "LLM_BASE_URL": model.url if model else "http://127.0.0.1:9",
                                       "MATCH_SCHEDULE_THRESHOLD": "0.3", "CONVERSATION_MAX_TURNS": "6"})
            self.assertEqual(replay.wait(120), 0, replay.text()[-3000:])
            status = json.loads(self.stack.omnibus("replay", "status", name, "--json"))
            self.assertGreater(status["events"], 0, status)
            self.assertEqual((status["failed"], status["done"]), (0, status["events"]), status)
            self.assertEqual(state(), before, f"the replay of {name}")


if __name__ == "__main__":
    unittest.main()
