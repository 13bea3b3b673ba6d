#!/usr/bin/env python3
"""Publishes the calls of a language model's trace to llm.calls, waits until they are in the rollups, shows the
rollups, and compares them with the trace's own sums.

Reads CSV with the columns TIMESTAMP, ContextTokens and GeneratedTokens, as in the Azure Public Dataset
(github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023). Each row becomes one event, with the row's own time
and with ids that are the same whenever the same file is published. Model, price and duration are not in a trace; the
output shows the values used instead. The addresses come from the environment: OMNIBUS_KAFKA, OMNIBUS_DATABASE
and OMNIBUS_BIN. Exit status 0 only when every sum agrees.
"""

import argparse
import collections
import csv
import datetime
import decimal
import hashlib
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import uuid

from clients import Database, Trouble

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MODEL = "omnibus-large"
FIRST_MS, PER_TOKEN_MS = 250, 20
MOST_TOKENS = 1_000_000_000
QUARTER = datetime.timedelta(minutes=15)
TRACES = uuid.UUID("6f6d6e69-6275-5000-8000-747261636573")
STALL = 90


class Call:
    """One row of the trace."""

    def __init__(self, row, number, path):
        try:
            # The file has seven digits of a second, datetime reads six.
            self.at = datetime.datetime.fromisoformat(row[COLUMNS[0]].strip()[:26]).replace(tzinfo=datetime.timezone.utc)
            self.input, self.output = int(row[COLUMNS[1]]), int(row[COLUMNS[2]])
        except (ValueError, TypeError, AttributeError) as error:
            raise Trouble(f"{path}, line {number}: not a row of {', '.join(COLUMNS)}") from error
        if not (0 <= self.input <= MOST_TOKENS and 0 <= self.output <= MOST_TOKENS):
            raise Trouble(f"{path}, line {number}: no call has so many tokens")
        self.duration = FIRST_MS + PER_TOKEN_MS * self.output

    def cost(self, price):
        cost = (self.input * price[0] + self.output * price[1]) / 1_000_000
        return cost.quantize(decimal.Decimal("0.000000001"), decimal.ROUND_HALF_UP)

    def event(self, number, trace, domain, price):
        call_id = str(uuid.uuid5(TRACES, f"{trace}/{number}"))
        data = {"call_id": call_id, "domain": domain, "conversation_id": str(uuid.uuid5(TRACES, f"{trace}/{number}/conversation")),
                "worker": "trace", "operation": "chat", "provider": "trace", "request_model": MODEL, "response_model": MODEL,
                "input_tokens": self.input, "output_tokens": self.output, "cached_input_tokens": 0, "reasoning_tokens": 0,
                "usage_estimated": False, "cost_usd": str(self.cost(price)), "duration_ms": self.duration, "finish_reason": "stop"}
        return data["conversation_id"], {"specversion": "1.0", "id": call_id, "source": "/omnibus/demo/trace",
                                         "type": "omnibus.llm.call.completed.v1", "datacontenttype": "application/json",
                                         "time": self.at.isoformat().replace("+00:00", "Z"), "data": data}


def read_trace(path, limit):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (rows.fieldnames or [])]:
                raise Trouble(f"{path} has no column named {missing[0]}")
            calls = []
            for row in rows:
                calls.append(Call(row, rows.line_num, path))
                if limit and len(calls) == limit:
                    break
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Trouble(f"cannot read {path}: {error}") from error
    if not calls:
        raise Trouble(f"{path} has no calls")
    return calls


def omnibus(*arguments):
    """Runs the omnibus tool on the demo's database and returns what it printed."""
    root = pathlib.Path(__file__).resolve().parents[1]
    program = pathlib.Path(os.environ.get("OMNIBUS_BIN") or root / "build/release/bin") / "omnibus"
    done = subprocess.run([program, *arguments], env={**os.environ, "DATABASE_URL": os.environ["OMNIBUS_DATABASE"]}, text=True,
                          encoding="utf-8", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise Trouble(f"omnibus {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def list_price():
    """Dollars per million tokens in and out, from the price list in the database."""
    for line in omnibus("telemetry", "prices").splitlines():
        _, model, _, prices = line.split()
        if model == MODEL:
            into, _, out = map(decimal.Decimal, prices.split("/"))
            return into, out
    raise Trouble(f"the list of prices has none for {MODEL}: see omnibus telemetry prices")


def publish(events):
    """Through kcat, a client that is not ours, as CloudEvents in structured mode."""
    command = ["kcat", "-P", "-b", os.environ["OMNIBUS_KAFKA"], "-t", "llm.calls", "-K", "\t", "-X", "topic.partitioner=murmur2_random",
               "-X", "enable.idempotence=true", "-X", "linger.ms=20", "-H", "content-type=application/cloudevents+json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8") as kcat:
        try:
            for key, event in events:
                kcat.stdin.write(f"{key}\t{json.dumps(event)}\n")
            kcat.stdin.close()
        except BrokenPipeError:
            pass
        said = kcat.stderr.read()
    if kcat.returncode != 0:
        raise Trouble(f"kcat could not publish: {said.strip()}")


def await_calls(database, domain, count):
    """Until the rollups have all of them."""
    moved_at, last = time.monotonic(), -1
    while True:
        (kept,) = database.rows("SELECT coalesce(sum(calls), 0) FROM chat_telemetry_domain_rollups "
                                f"WHERE granularity = '1d' AND domain = '{domain}'")
        if kept >= count:
            return
        if kept != last:
            moved_at, last = time.monotonic(), kept
        if time.monotonic() - moved_at > STALL:
            raise Trouble(f"{kept:,} of {count:,} calls are in the rollups, and for {STALL} s no more came")
        time.sleep(0.05)


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def floor_to_quarter(at):
    return at - (at - datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)) % QUARTER


def sums_of(calls, price):
    """As the report has them."""
    return {"calls": len(calls), "input_tokens": sum(call.input for call in calls), "output_tokens": sum(call.output for call in calls),
            "cost_usd": str(sum((call.cost(price) for call in calls), decimal.Decimal("0.000000000")))}


def compare(calls, price, domain, from_, to):
    """Prints the file's values beside the rollups' values. Returns how many differ."""
    report = json.loads(omnibus("telemetry", "--json", "--domain", domain, "--from", iso(from_), "--to", iso(to), "--granularity", "1d"))
    own, kept = sums_of(calls, price), report["totals"]
    durations = sorted(call.duration for call in calls)
    print(f"\n  {'':<16}{'the file':>18}{'the rollups':>18}")
    wrong = 0
    for name, value in own.items():
        good = value == kept[name]
        wrong += not good
        texts = [f"{one:,}" if isinstance(one, int) else f"${one}" for one in (value, kept[name])]
        print(f"  {name.replace('_', ' '):<16}{texts[0]:>18}{texts[1]:>18}  {'equal' if good else 'DIFFERENT'}")
    for name, value in kept["latency_ms"].items():
        exact = durations[math.floor(float("0." + name[1:]) * (len(durations) - 1))]
        good = abs(value - exact) <= 0.0501 * exact
        wrong += not good
        print(f"  {name + ' ms':<16}{exact:>18,}{value:>18,.0f}  {'within 5 %' if good else 'DIFFERENT'}")
    if (to - from_) / QUARTER <= 1000:  # as many as a report has
        report = json.loads(omnibus("telemetry", "--json", "--domain", domain, "--from", iso(from_), "--to", iso(to), "--granularity", "15m"))
        quarters = collections.defaultdict(list)
        for call in calls:
            quarters[iso(floor_to_quarter(call.at))].append(call)
        kept = {bucket["start"]: bucket for bucket in report["trend"] if bucket["calls"]}
        good = sum(all(kept.get(start, {}).get(name) == value for name, value in sums_of(some, price).items())
                   for start, some in quarters.items())
        wrong += len(quarters) - good + len(kept.keys() - quarters.keys())
        print(f"  {'15-minute sums':<16}{len(quarters):>18,}{good:>18,}  {'equal' if good == len(quarters) else 'DIFFERENT'}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--input", required=True, help="CSV with TIMESTAMP, ContextTokens and GeneratedTokens")
    parser.add_argument("--limit", type=int, default=0, help="at most this many calls; 0: all")
    parser.add_argument("--check", action="store_true", help="only check that the input can be read")
    arguments = parser.parse_args()

    calls = read_trace(arguments.input, arguments.limit)
    if arguments.check:
        return
    trace = hashlib.sha256(pathlib.Path(arguments.input).read_bytes()).hexdigest()
    name = re.sub(r"[^a-z0-9]+", "-", pathlib.Path(arguments.input).stem.lower()).strip("-")[:40] or "trace"
    domain = f"{name}-{trace[:6]}-{len(calls)}.example"  # a separate tenant, so that its aggregates contain nothing else
    price = list_price()
    database = Database(os.environ["OMNIBUS_DATABASE"])
    began = time.monotonic()
    publish(call.event(number, f"{trace}/{len(calls)}", domain, price) for number, call in enumerate(calls))
    published = time.monotonic()
    await_calls(database, domain, len(calls))
    ended = time.monotonic()
    database.close()
    from_ = floor_to_quarter(min(call.at for call in calls))
    to = floor_to_quarter(max(call.at for call in calls)) + QUARTER
    hours = (to - from_) / datetime.timedelta(hours=1)
    granularity = "15m" if hours <= 240 else "1h" if hours <= 960 else "1d"
    try:
        print(f"\n  {len(calls):,} calls published in {published - began:.1f} s, in the rollups {ended - published:.1f} s later", flush=True)
        print(f"  not in the trace: the model ({MODEL}, at ${price[0]} in and ${price[1]} out per million tokens), and how long\n"
              f"  a call took ({FIRST_MS} ms and {PER_TOKEN_MS} ms for each token generated stand for it)\n", flush=True)
        range_ = ["--domain", domain, "--from", iso(from_), "--to", iso(to), "--granularity", granularity]
        for chart in ("calls", "tokens"):
            shown = omnibus("telemetry", *range_, "--chart", chart)
            print(shown if chart == "calls" else "\n".join(shown.split("\n\n")[2].splitlines()), flush=True)
        wrong = compare(calls, price, domain, from_, to)
        print(flush=True)
    except BrokenPipeError:  # the reader is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if wrong:
        raise Trouble(f"{wrong} of the sums are not those of {arguments.input}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"trace: {trouble}")
