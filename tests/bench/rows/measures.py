"""What is read over many matches, and the search for pairs among many people."""
import http.client
import re
import statistics
import time
import uuid

from rows.measure import Failed, Result, alternate, values

import harness

BATCH = 20
MEASURED = "measured.example"
INSIGHTS_EACH = 3
# 450 people make 101,025 pairs.
HISTORY = """
  INSERT INTO users (domain, handle) SELECT '{domain}', 'measured ' || n FROM generate_series(1, ceil(sqrt(2 * {matches}) + 2)::int) AS n;
  INSERT INTO omniscient_matches (user_a_id, user_b_id, status, domain, predicted_outcome, opportunity_score, predicted_probabilities)
  SELECT a.id, b.id, 'completed', '{domain}', (enum_range(NULL::omniscient_outcome))[1 + abs(hashtext(a.handle || b.handle)) % 4],
         round(abs(hashtext(b.handle || a.handle)) % 100 / 100.0, 2),
         '{{"STRONG_MATCH": 0.25, "EXPLORATORY": 0.45, "FUTURE_POTENTIAL": 0.2, "NO_MATCH": 0.1}}'
  FROM users a JOIN users b ON a.id < b.id AND a.domain = b.domain WHERE a.domain = '{domain}' LIMIT {matches};
  INSERT INTO omniscient_insights (domain, insight_type, title, description, score, user_a_id, user_b_id)
  SELECT '{domain}', (enum_range(NULL::omniscient_insight_type))[1 + (n + abs(hashtext(m.id::text))) % 6], 'An insight', 'About it', 0.5,
         m.user_a_id, m.user_b_id
  FROM omniscient_matches m, generate_series(1, {insights}) AS n WHERE m.domain = '{domain}';
  INSERT INTO omniscient_conversations (match_id, status, domain, actual_outcome, completed_at)
  SELECT id, 'completed', domain, (enum_range(NULL::omniscient_outcome))[1 + abs(hashtext(id::text)) % 4], now()
  FROM omniscient_matches WHERE domain = '{domain}';
  INSERT INTO omniscient_outcomes (conversation_id, match_id, domain, outcome_analysis, follow_up_recommended)
  SELECT id, match_id, domain, 'x', hashtext(id::text) % 10 = 0 FROM omniscient_conversations WHERE domain = '{domain}';
  ANALYZE"""
# The same rows counted and added up in single statements, without policies, ranges, and what comes of the sums.
BARE = {
    "match-analytics": [
        "SELECT count(*), avg(opportunity_score) FROM omniscient_matches WHERE domain = '{domain}'",
        "SELECT c.actual_outcome, count(*), count(*) FILTER (WHERE o.follow_up_recommended OR o.actual_collaboration_tracked)"
        " FROM omniscient_conversations c LEFT JOIN omniscient_outcomes o ON o.conversation_id = c.id"
        " WHERE c.domain = '{domain}' AND c.status = 'completed' GROUP BY 1",
        "SELECT insight_type, count(*) FROM omniscient_insights WHERE domain = '{domain}' GROUP BY 1"],
    "match-calibration": [
        "SELECT predicted_outcome, actual_outcome, predicted_positive / 100000, count(*), sum(prediction_error), sum(predicted_positive)"
        " FROM omniscient_outcomes WHERE domain = '{domain}' GROUP BY 1, 2, 3"],
}


def p95(some):
    return statistics.quantiles(some, n=20, method="inclusive")[18]


def timed(database, statements):
    """Milliseconds of these statements together, as psql measures them."""
    output = database.execute("\\timing on\n" + "".join(f"{each};\n" for each in statements) + "\\timing off")
    return sum(float(found[1]) for line in output if (found := re.fullmatch(r"Time: ([0-9.]+) ms.*", line[0])))


def measures(stage, broker, _, progress):
    """What the gateway tells of 100,000 matches, from request to answer, beside the bare sums of the same rows."""
    options = stage.options
    matches = 2_000 if options.quick else options.records or 100_000
    asked = 5 if options.quick else 40
    database = stage.database()
    database.execute("TRUNCATE users CASCADE")
    stage.omnibus("tenant", "add", MEASURED)
    progress(f"filling {matches:,} matches with {INSIGHTS_EACH} insights each")
    fill = HISTORY.format(domain=MEASURED, matches=matches, insights=INSIGHTS_EACH)
    for statement in [*fill.split(";"), "VACUUM ANALYZE"]:  # each within the time that psql is given
        database.execute(statement)
    token = stage.omnibus("token", "create", "--role", "operator", "--domain", MEASURED).splitlines()[-1]
    gateway = stage.start("gateway", [harness.binary("omnibus-gateway")], {
        "KAFKA_BROKERS": stage.broker(broker), "DATABASE_URL": stage.database_url("gateway"), "HTTP_LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0"}, harness.Worker).await_ready()
    connection = http.client.HTTPConnection(gateway.address.removeprefix("http://"), timeout=60)

    def ours(route):
        took = []
        for _ in range(asked):
            begun = time.monotonic()
            connection.request("GET", f"/v1/{route}", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            text = answer.read()
            took.append(1_000 * (time.monotonic() - begun))
            if answer.status != 200 or str(matches).encode() not in text:
                raise Failed(f"{route}: {answer.status} {text[:300]}")
        return {"p50": statistics.median(took), "p95": p95(took)}

    def limit(route):
        statements = [each.format(domain=MEASURED) for each in BARE[route]]
        database.execute("SET jit = off; SET enable_seqscan = off")  # as the gateway's functions do
        took = [timed(database, statements) for _ in range(asked)]
        database.execute("RESET ALL")
        return {"p50": statistics.median(took), "p95": p95(took)}

    for route in BARE:
        figures = alternate(options.repeats, {"limit": lambda: limit(route), "ours": lambda: ours(route)},
                            lambda text: progress(f"{route}: {text}"))
        row, note = f"{route} over {matches:,} matches", "limit: the bare sums in SQL, without policies"
        for quantile, target, reach in (("p50", "", None), ("p95", "≤ 200 ms", 200)):
            yield Result(row, broker, "", f"ms, {quantile} of {asked}", values(figures["limit"], quantile), values(figures["ours"], quantile),
                         target, reach, smaller=True, note=note, absolute=True)
    stage.stop(gateway)
    database.execute("TRUNCATE users CASCADE")


# As tests/workers/match/candidates_pgtest.cpp distributes words.
WORDS = {
    "many words, some common": (
        "ARRAY(SELECT 'skill' || (power((hashint4(g * 31 + w) & 1023) / 1024.0, 2) * 2000)::int FROM generate_series(1, 4) AS w)",
        "(SELECT string_agg('word' || (hashint4(g * 97 + w) & 1023), ' ') FROM generate_series(1, 60) AS w)"),
    "eight common words, long stories": (
        "'{funding,people,money,friends,startup,design,sales,law}'::text[]",
        "(SELECT string_agg('word' || (hashint4(g * 97 + w) & 4095), ' ') FROM generate_series(1, 300) AS w)"),
}
CROWD = """
  TRUNCATE users, omniscient_processing_logs, pipeline.llm_responses, pipeline.inbox, pipeline.outbox CASCADE;
  INSERT INTO users (domain, handle, status, deep_analysis_consent_at)
  SELECT 'shop.example', 'person ' || g, 'APPROVED', now() FROM generate_series(1, {people}) AS g;
  INSERT INTO personal_stories (user_id, narrative, seeking_connections, offering_expertise)
  SELECT u.id, {story}, {words}, {words}
  FROM users u CROSS JOIN LATERAL (SELECT substr(u.handle, 8)::int) AS number (g);
  ANALYZE"""


def candidates(stage, broker, _, progress):
    """The best pairs among 10,000 people, from the batch's first log row to its commit, beside counting everybody's words."""
    options = stage.options
    people = 500 if options.quick else options.records or 10_000
    database = stage.database()
    step = "FROM omniscient_processing_logs WHERE action = 'find_candidates' AND status = 'completed'"

    def limit():
        return {"s": timed(database, ["SELECT word, count(*) FROM personal_stories, unnest(seek_words || offer_words) AS word GROUP BY 1"])
                / 1_000}

    def ours():
        database.execute("TRUNCATE omniscient_matches, omniscient_processing_logs, pipeline.llm_responses, pipeline.inbox,"
                         " pipeline.outbox CASCADE; CHECKPOINT")
        batch = str(uuid.uuid4())
        stage.kafka(broker).publish_all("match.requests", [(batch, harness.structured_event("omnibus.match.batch.requested.v1", {
            "domain": "shop.example", "batch_id": batch, "batch_size": BATCH}))])
        worker = stage.start("match", [harness.binary("omnibus-match")], {
            "KAFKA_BROKERS": stage.broker(broker), "DATABASE_URL": stage.database_url("match"),
            "METRICS_LISTEN": "127.0.0.1:0", "LLM_BASE_URL": stage.simulator(0), "LLM_API_KEY": "any"}, harness.Worker)
        harness.eventually(lambda: int(database.value("SELECT count(*) FROM omniscient_matches WHERE status <> 'pending_analysis'"))
                           == BATCH or not worker.alive(), 300, "the batch's pairs")
        took, found, crowd = database.execute(
            f"SELECT extract(epoch FROM completed_at - created_at), metadata ->> 'candidates', metadata ->> 'people' {step}")[0]
        stage.stop(worker)
        if int(crowd) != people:
            raise Failed(f"the batch was made of {crowd} people")
        return {"s": float(took), "pairs": float(found)}

    for name, (words, story) in WORDS.items():
        for statement in CROWD.format(people=people, words=words, story=story).split(";"):
            database.execute(statement)
        figures = alternate(options.repeats, {"limit": limit, "ours": ours}, lambda text: progress(f"{name}: {text}"))
        found = statistics.median(values(figures["ours"], "pairs"))
        yield Result(f"candidates of {people:,} people", broker, name, "s", values(figures["limit"], "s"), values(figures["ours"], "s"),
                     "≤ 60 s", 60, smaller=True, absolute=True, note=f"{found:,.0f} pairs; limit: one scan that counts everybody's words")
    database.execute("TRUNCATE users CASCADE")
