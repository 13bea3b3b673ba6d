#!/usr/bin/env python3
"""Records people, has their pairs analysed, lets the agents of the best matches talk, and shows what came of it.

Reads JSON lines with `handle`, `timezone`, `narrative`, `current_focus`, `seeking_connections` and `offering_expertise`,
or CSV with the columns `text` and `category`: then each person is made of three texts of one category, which is what
they seek, and offers another category. So it is known who offers what somebody seeks; the model does not know it.
The people belong to a tenant of this run alone. The addresses come from the environment: OMNIBUS_GATEWAY,
OMNIBUS_DATABASE, OMNIBUS_PEOPLE_DOMAIN and OMNIBUS_PEOPLE_TOKEN, an operator's token of that tenant. Exit status 0 only
when each pair was analysed once, each conversation ended, and each that was completed has one outcome.
"""

import argparse
import collections
import concurrent.futures
import csv
import datetime
import hashlib
import http.client
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
import uuid

from clients import Database, Gateway, Trouble

AT_ONCE = 8
STALL = 60
TEXTS_EACH = 3
# Spread over 24 offsets, with and without daylight saving time.
ZONES = ("Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York",
         "America/Havana", "America/Santiago", "America/Sao_Paulo", "Atlantic/South_Georgia", "Atlantic/Azores", "Europe/London",
         "Europe/Berlin", "Africa/Cairo", "Africa/Kigali", "Africa/Nairobi", "Asia/Dubai", "Asia/Karachi", "Asia/Dhaka", "Asia/Bangkok",
         "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland")


def stable(text):
    """A number that is the same in every run and on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def words(category):
    return category.replace("_", " ").strip()


def people_of_questions(rows, path):
    """One person for every three texts of a category, the categories in turn, so that few people already have many."""
    texts = collections.defaultdict(list)
    for row in rows:
        if (row["text"] or "").strip() and (row["category"] or "").strip():
            texts[row["category"].strip()].append(row["text"].strip())
    categories = sorted(texts)
    if len(categories) < 2:
        raise Trouble(f"{path} needs texts of at least two categories")
    for turn in range(max(len(own) for own in texts.values()) // TEXTS_EACH):
        for category in categories:
            own = texts[category][turn * TEXTS_EACH:(turn + 1) * TEXTS_EACH]
            if len(own) < TEXTS_EACH:
                continue
            name = f"{category}-{turn + 1}"
            others = [each for each in categories if each != category]
            yield {"handle": name[:64], "narrative": " ".join(own)[:8000], "current_focus": own[0][:8000],
                   "seeking_connections": [words(category)[:200]],
                   "offering_expertise": [words(others[stable(name) % len(others)])[:200]]}


def people_of_lines(file, path):
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            person = json.loads(line)
        except ValueError:
            person = None
        if not isinstance(person, dict) or not {"handle", "narrative"} <= set(person):
            raise Trouble(f"{path}, line {number}: not a person with a handle and a narrative")
        yield person


def read_people(path, limit):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            if path.endswith(".csv"):
                rows = csv.DictReader(file)
                if not {"text", "category"} <= set(rows.fieldnames or []):
                    raise Trouble(f"{path} has no columns named text and category")
                people = list(people_of_questions(rows, path))
            else:
                people = list(people_of_lines(file, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Trouble(f"cannot read {path}: {error}") from error
    people = people[:limit] if limit else people
    if len(people) < 2:
        raise Trouble(f"{path} has not two people")
    for number, person in enumerate(people):
        person.setdefault("timezone", ZONES[number % len(ZONES)])
        person["id"] = str(uuid.uuid4())
    return people


class Api:
    """The gateway, as the operator of this run's tenant."""

    def __init__(self):
        self.base, self.token = os.environ["OMNIBUS_GATEWAY"], os.environ["OMNIBUS_PEOPLE_TOKEN"]

    def call(self, method, path, body=None, headers=None):
        """The JSON of a successful answer. A temporary rejection is tried again."""
        gateway = Gateway(self.base, self.token)
        give_up_at = time.monotonic() + STALL
        while True:
            wait = 0.2
            try:
                status, its, answer = gateway.request(method, path, body and json.dumps(body).encode(), headers)
                if status < 300:
                    return json.loads(answer)
                if status not in (408, 429, 503):
                    raise Trouble(f"the gateway answered {method} {path} with {status}: {answer.decode(errors='replace')[:300]}")
                wait = float(its.get("Retry-After") or wait)
            except (OSError, http.client.HTTPException) as error:
                answer = str(error).encode()
            if time.monotonic() + wait > give_up_at:
                raise Trouble(f"the gateway takes no requests: {answer.decode(errors='replace')[:300]}")
            time.sleep(wait)

    def action(self, name, **parameters):
        """An action, once its worker has handled it; its result."""
        return self.call("POST", f"/v1/actions/{name}", parameters, {"Prefer": "wait=30"})["result"]

    def listen(self, path):
        """The events of a stream until it ends, as pairs of name and data."""
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=STALL) as stream:
                name = ""
                for line in stream:
                    line = line.decode().rstrip("\n")
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        yield name, json.loads(line[6:])
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise Trouble(f"the stream {path} ended: {error}") from error


class Progress:
    """What the workers have stored for this run's tenant."""

    def __init__(self):
        self.database = Database(os.environ["OMNIBUS_DATABASE"])
        self.domain = os.environ["OMNIBUS_PEOPLE_DOMAIN"]

    def rows(self, query):
        return self.database.rows(query.replace(":domain", f"'{self.domain}'"))

    def value(self, query):
        return self.rows(f"SELECT to_json(({query}))")[0]

    def await_none(self, left, what):
        """Waits until a count is 0; says how many are left. Fails when nothing moves any more."""
        moved_at, last, shown_at = time.monotonic(), None, time.monotonic()
        while (now := self.value(left)) != 0:
            if now != last:
                moved_at, last = time.monotonic(), now
            if time.monotonic() - moved_at > STALL:
                raise Trouble(f"{what}: {now} are left, and for {STALL} s nothing was done")
            if time.monotonic() - shown_at > 5:
                shown_at = time.monotonic()
                print(f"people: {what}: {now} left", file=sys.stderr, flush=True)
            time.sleep(0.1)

    def close(self):
        self.database.close()


# The batch's own row says how many pairs it asked for; each pair has a row of its own.
PAIRS_LEFT = """
  SELECT (SELECT sum((metadata ->> 'requested')::int) FROM omniscient_processing_logs
          WHERE domain = :domain AND process_type = 'match' AND action = 'find_candidates' AND status = 'completed')
       - (SELECT count(*) FROM omniscient_processing_logs
          WHERE domain = :domain AND process_type = 'match' AND action = 'analyze_pair' AND status <> 'started')"""
CONVERSATIONS_LEFT = """
  SELECT (SELECT count(*) FROM omniscient_conversations WHERE domain = :domain AND status IN ('scheduled', 'active'))
       + (SELECT count(*) FROM omniscient_matches WHERE domain = :domain AND status = 'active')"""
OUTCOMES_LEFT = """
  SELECT (SELECT count(*) FROM omniscient_conversations WHERE domain = :domain AND status = 'completed')
       - (SELECT count(*) FROM omniscient_outcomes WHERE domain = :domain)"""


def record(api, people):
    """Puts each person, and waits until the worker has stored them."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()

    def put(person):
        body = {key: value for key, value in person.items() if key != "id"}
        body.setdefault("status", "APPROVED")
        body.setdefault("deep_analysis_consent_at", now)
        api.call("PUT", f"/v1/people/{person['id']}", body, {"Prefer": "wait=30"})

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(put, person) for person in people]:
            done.result()


def begin_conversations(api, progress, most, at):
    """Lets the scheduled matches meet at a virtual midnight, and the next best ones, until `most` have begun."""
    api.action("processUserMidnight", at=at)
    best = progress.rows("SELECT to_json(id) FROM omniscient_matches WHERE domain = :domain AND status = 'analyzed'"
                         f" ORDER BY opportunity_score DESC, id LIMIT {most}")
    begun = progress.value("SELECT count(*) FROM omniscient_conversations WHERE domain = :domain")
    for match in best[:max(0, most - begun)]:
        api.action("executeConversation", matchId=match)


def short(text, most=100):
    text = " ".join((text or "").split())
    return text if len(text) <= most else text[:most - 1] + "…"


def show_conversation(api, progress):
    """One conversation, turn by turn as it happens."""
    found = progress.rows("SELECT json_build_array(c.id, a.handle, b.handle) FROM omniscient_conversations c"
                          " JOIN omniscient_matches m ON m.id = c.match_id JOIN users a ON a.id = m.user_a_id"
                          " JOIN users b ON b.id = m.user_b_id WHERE c.domain = :domain ORDER BY c.created_at, c.id LIMIT 1")
    if not found:
        raise Trouble("no conversation has begun")
    conversation, *handles = found[0]
    print(f"\n  one conversation, between the agents of {handles[0]} and {handles[1]}\n")
    for event, data in api.listen(f"/v1/agent-conversations/{conversation}/events"):
        if event == "turn":
            print(f"    {data['turn_number']:>3}  {data['speaker_role']}  {short(data['message'])}", flush=True)
        else:
            print(f"    {event}: {data.get('actual_outcome') or data.get('stop_reason')}")


def number(value, places=3):
    return "–" if value is None else f"{value:.{places}f}"


def show_calibration(measured):
    labels = measured["labels"]
    print(f"\n  predicted (rows) and actual outcomes of {measured['n']} conversations\n")
    print(f"    {'':<18}" + "".join(f"{label:>18}" for label in labels))
    for label, counts in zip(labels, measured["confusion"]):
        print(f"    {label:<18}" + "".join(f"{count:>18,}" for count in counts))
    print(f"\n    accuracy {number(measured['accuracy'])}, macro-F1 {number(measured['macro_f1'])}, Brier {number(measured['brier'])}"
          f" (base rates {number(measured['reference_brier'])}, skill {number(measured['skill'])}), ECE {number(measured['ece'])}\n")
    print("    reliability of STRONG_MATCH or EXPLORATORY")
    for decile in measured["reliability"]:
        print(f"      {decile['from']:.1f}–{decile['to']:.1f}  n {decile['n']:>4}  predicted {number(decile['mean_p'])}"
              f"  observed {number(decile['rate'])}")


def show_known(progress):
    """Compares the scores of pairs of whom one offers what the other seeks with the others. The model does not know it."""
    rows = progress.rows("""
      WITH pair AS (SELECT m.opportunity_score AS score, a.seeking_connections && b.offering_expertise
                      OR b.seeking_connections && a.offering_expertise AS fits
                    FROM omniscient_matches m JOIN personal_stories a ON a.user_id = m.user_a_id
                    JOIN personal_stories b ON b.user_id = m.user_b_id WHERE m.domain = :domain AND m.opportunity_score IS NOT NULL)
      SELECT json_build_array(fits, count(*), avg(score)::float) FROM pair GROUP BY fits ORDER BY fits DESC""")
    print("\n  known from the input, unknown to the model")
    for fits, count, score in rows:
        print(f"    {count:>4} pairs of whom {'one offers what the other seeks' if fits else 'neither offers what the other seeks'}:"
              f" mean opportunity score {score:.3f}")


def show_report(api, progress):
    rows = progress.rows("SELECT to_json(m.user_a_id) FROM omniscient_outcomes o JOIN omniscient_matches m ON m.id = o.match_id"
                         " WHERE o.domain = :domain ORDER BY o.created_at, o.id LIMIT 1")
    if not rows:
        return
    api.action("generateReport", userId=rows[0])
    reports = api.call("GET", f"/v1/reports?user_id={rows[0]}&limit=1")["reports"]
    text = api.call("GET", f"/v1/reports/{reports[0]['id']}")["text"]
    print("\n  one person's report\n")
    for line in text.splitlines()[:40]:
        print(f"    {line}")


def check(progress):
    """What must hold of every run; returns what does not."""
    wrong = []
    doubled = progress.value("SELECT count(*) FROM (SELECT 1 FROM omniscient_matches WHERE domain = :domain"
                             " GROUP BY user_a_id, user_b_id HAVING count(*) > 1) AS pairs")
    gaps = progress.value("SELECT count(*) FROM (SELECT 1 FROM omniscient_turns t JOIN omniscient_conversations c"
                          " ON c.id = t.conversation_id WHERE c.domain = :domain GROUP BY c.id"
                          " HAVING max(turn_number) <> count(*)) AS gaps")
    failed = progress.value("SELECT count(*) FROM omniscient_processing_logs WHERE domain = :domain AND status = 'failed'")
    held = progress.value("SELECT count(*) FROM omniscient_conversations WHERE domain = :domain AND status = 'completed'")
    for count, what in ((doubled, "pairs have two matches"), (gaps, "conversations have a gap in their turns"),
                        (failed, "events could not be handled"), (held == 0, "no conversation was held")):
        if count:
            wrong.append(f"{count} {what}" if count is not True else what)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--input", required=True, help="JSON lines of people, or CSV with text and category")
    parser.add_argument("--limit", type=int, default=0, help="at most this many people; 0: all")
    parser.add_argument("--conversations", type=int, default=40, help="how many of the best matches talk, besides those that are scheduled")
    parser.add_argument("--at", help="the virtual midnight, as 2026-12-01T12:00:00Z; default: the day after tomorrow")
    parser.add_argument("--check", action="store_true", help="only check that the input can be read")
    arguments = parser.parse_args()

    people = read_people(arguments.input, arguments.limit)
    if arguments.check:
        return
    at = arguments.at or (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    api, progress = Api(), Progress()
    began = time.monotonic()
    record(api, people)
    recorded = time.monotonic()
    api.action("analyzeMatches", batchSize=min(5_000, 2 * len(people)))
    progress.await_none(PAIRS_LEFT, "pairs to analyse")
    analysed = time.monotonic()
    matches = progress.rows("SELECT json_build_array(status, count(*), avg(opportunity_score)::float) FROM omniscient_matches"
                            " WHERE domain = :domain GROUP BY status ORDER BY status")
    print(f"\n  {len(people):,} people recorded in {recorded - began:.1f} s, "
          f"{sum(count for _, count, _ in matches):,} pairs analysed in {analysed - recorded:.1f} s")
    for status, count, score in matches:
        print(f"    {status:<18}{count:>6,}  mean score {number(score)}")
    begin_conversations(api, progress, arguments.conversations, at)
    show_conversation(api, progress)
    progress.await_none(CONVERSATIONS_LEFT, "conversations to end")
    progress.await_none(OUTCOMES_LEFT, "outcomes to judge")
    held = progress.rows("SELECT json_build_array(stop_reason, count(*), sum((SELECT count(*) FROM omniscient_turns t WHERE"
                         " t.conversation_id = c.id))) FROM omniscient_conversations c WHERE domain = :domain"
                         " GROUP BY stop_reason ORDER BY stop_reason")
    print(f"\n  {sum(count for _, count, _ in held):,} conversations ended {time.monotonic() - analysed:.1f} s later")
    for reason, count, turns in held:
        print(f"    {reason:<18}{count:>6,}  {turns:,} turns")
    show_calibration(api.call("GET", "/v1/match-calibration"))
    show_known(progress)
    show_report(api, progress)
    wrong = check(progress)
    progress.close()
    print(flush=True)
    if wrong:
        raise Trouble("; ".join(wrong))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"people: {trouble}")
