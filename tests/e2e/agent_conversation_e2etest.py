#!/usr/bin/env python3
"""Conversations of agents with kills in between: each turn once and in order, no answer paid for twice, each conversation
ended; and a replay of it changes nothing.
"""
import json
import pathlib
import random
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Stack, binary, eventually, structured_event  # noqa: E402

DOMAIN = "shop.example"
TURNS, ENDED = "agent.turns", "conversations.completed"
PAIRS, KILLS = 30, 5
ANSWERS = "SELECT count(*) FROM pipeline.llm_responses"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%conversation%'"
DUMP = ("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM (SELECT c::text FROM omniscient_conversations c "
        "UNION ALL SELECT t::text FROM omniscient_turns t UNION ALL SELECT l::text FROM omniscient_processing_logs l) AS t")


class AgentConversationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.stack.omnibus("tenant", "add", DOMAIN)
        cls.simulator = cls.stack.start_simulator(latency=20, latency_jitter=10)
        cls.stack.database.execute(f"""
            INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at)
            SELECT md5('person' || n)::uuid, '{DOMAIN}', 'person ' || n, 'APPROVED', now() FROM generate_series(1, {2 * PAIRS}) n;
            INSERT INTO personal_stories (user_id, narrative, seeking_connections, offering_expertise)
            SELECT md5('person' || n)::uuid, 'I work on bridge number ' || n || ' and tell of it.', '{{tests}}', '{{timber}}'
            FROM generate_series(1, {2 * PAIRS}) n;
            INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, status)
            SELECT md5('match' || n)::uuid, '{DOMAIN}', least(a, b), greatest(a, b), 'active'
            FROM generate_series(1, {PAIRS}) n, LATERAL (SELECT md5('person' || 2 * n)::uuid AS a, md5('person' || 2 * n - 1)::uuid AS b) p;
            INSERT INTO omniscient_insights (domain, insight_type, title, description, user_a_id, user_b_id, score)
            SELECT domain, kind::omniscient_insight_type, 'Bridges', 'Both know timber.', user_a_id, user_b_id, 0.5
            FROM omniscient_matches, unnest(ARRAY['synergy', 'risk', 'next_step', 'opportunity']) kind;
            INSERT INTO omniscient_match_insights (match_id, insight_id, relevance_score)
            SELECT m.id, i.id, 0.6 FROM omniscient_matches m JOIN omniscient_insights i USING (user_a_id, user_b_id)""")
        cls.matches = [row[0] for row in cls.stack.database.execute("SELECT id FROM omniscient_matches ORDER BY id")]

    def value(self, sql):
        return self.stack.database.value(sql)

    def unstored(self):
        """Calls so far whose answers were not stored. For a moment without a worker: ends what it left behind first."""
        eventually(lambda: self.value(SESSIONS) == "0", 30, "the sessions of the killed worker having ended")
        eventually(lambda: self.simulator.stats()["in_flight"] == 0, 30, "the simulator being idle")
        return self.simulator.stats()["requests"] - int(self.value(ANSWERS))

    def start(self):
        return self.stack.start_worker("conversation", LLM_BASE_URL=self.simulator.url, LLM_API_KEY="any",
                                       CONVERSATION_MAX_TURNS=8, KAFKA_SESSION_TIMEOUT="6s", KAFKA_INSTANCE_ID="one")

    def replay(self, name):
        process = self.stack.start("replay", [binary("omnibus-conversation"), "--replay", name, "--from", "earliest", "--to", "now"],
                                   {"KAFKA_BROKERS": self.stack.kafka.brokers, "METRICS_LISTEN": "127.0.0.1:0",
                                    "REPLAY_DATABASE_URL": self.stack.database_url("replay"),
                                    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "LLM_BASE_URL": self.simulator.url,
                                    "CONVERSATION_MAX_TURNS": "8"})
        self.assertEqual(process.wait(120), 0, process.text()[-3000:])
        return json.loads(self.stack.omnibus("replay", "status", name, "--json"))

    def test_kills_repeat_no_turn_and_no_call_and_a_replay_changes_nothing(self):
        requests = []
        for match in self.matches:
            conversation = str(uuid.uuid5(uuid.UUID(match), "conversation-0"))
            requests.append((conversation, structured_event("omnibus.conversation.requested.v1", {
                "domain": DOMAIN, "conversation_id": conversation, "match_id": match})))
        self.stack.kafka.publish_all(TURNS, requests)
        chance = random.Random(20261129)
        worker = self.start()
        cut_off = 0  # calls whose answers the kills kept from being stored: these are made again, and no others
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.0))
            worker.kill()
            before, cut_off = cut_off, self.unstored()
            self.assertLessEqual(cut_off - before, PAIRS)  # one call at a time for each conversation
            worker = self.start()
        ended = "SELECT count(*) FROM omniscient_conversations WHERE status IN ('completed', 'failed')"
        eventually(lambda: int(self.value(ended)) == PAIRS, 120, "every conversation having ended")
        eventually(lambda: self.value("SELECT count(*) FROM pipeline.outbox") == "0", 30, "the outbox being empty")
        self.assertEqual(worker.stop(), 0)

        reasons = dict(self.stack.database.execute("SELECT stop_reason, count(*) FROM omniscient_conversations GROUP BY 1"))
        self.assertLessEqual(set(reasons), {"agreed_end", "repetition", "max_turns"}, reasons)
        gaps = self.value("SELECT count(*) FROM (SELECT conversation_id FROM omniscient_turns GROUP BY 1 "
                          "HAVING count(*) <> max(turn_number) OR min(turn_number) <> 1 OR max(turn_number) > 8) AS bad")
        self.assertEqual(gaps, "0")
        turns = int(self.value("SELECT count(*) FROM omniscient_turns"))
        asked = self.simulator.stats()["requests"]
        self.assertGreaterEqual(int(self.value(ANSWERS)), turns)
        self.assertEqual(self.unstored(), cut_off, "an answer that was stored was asked for again")
        self.assertEqual(self.value("SELECT count(*) FROM omniscient_processing_logs WHERE status <> 'completed'"), "0")
        # An event that a killed worker had published is published again, with the same id.
        published = {record.headers["ce_id"]: record.json for record in self.stack.kafka.consume(ENDED)}
        events = list(published.values())
        self.assertEqual(sorted(event["match_id"] for event in events), self.matches)
        self.assertEqual(self.value("SELECT count(*) FROM omniscient_conversations c WHERE total_tokens <> (SELECT "
                                    "coalesce(sum(prompt_tokens + completion_tokens), 0) FROM omniscient_turns t "
                                    "WHERE t.conversation_id = c.id)"), "0")

        before = self.value(DUMP), [len(self.stack.kafka.consume(topic)) for topic in (TURNS, ENDED, "llm.calls")]
        for attempt in range(2):
            status = self.replay(f"again-{attempt}")
            self.assertEqual(status["failed"], 0)
        after = self.value(DUMP), [len(self.stack.kafka.consume(topic)) for topic in (TURNS, ENDED, "llm.calls")]
        self.assertEqual(after, before)
        self.assertEqual(self.simulator.stats()["requests"], asked)

        restored = ("SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (SELECT t::text AS t FROM omniscient_turns t UNION ALL "
                    "SELECT row(id, match_id, status, stop_reason, total_tokens, spent_usd, model_used)::text "
                    "FROM omniscient_conversations) AS t")
        said = self.value(restored)
        self.stack.database.execute("TRUNCATE omniscient_conversations CASCADE")
        self.replay("restore")
        self.assertEqual(self.value(restored), said)
        self.assertEqual(self.simulator.stats()["requests"], asked)


if __name__ == "__main__":
    unittest.main()
