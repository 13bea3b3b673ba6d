#!/usr/bin/env python3
"""Posts messages to the gateway as many visitors at once, waits for every answer, and prints a report.

Reads CSV with a `text` column, or JSON lines with `text`. Each visitor sends a few of the messages, one by one,
each after the answer to the one before, which is read from PostgreSQL. The addresses and tokens come from the
environment: OMNIBUS_GATEWAY, OMNIBUS_TOKEN, OMNIBUS_DOMAIN, OMNIBUS_DATABASE, OMNIBUS_KAFKA and OMNIBUS_METRICS. Exit
status 0 only when every message was stored and answered once and in order.
"""

import argparse
import collections
import contextlib
import csv
import json
import os
import signal
import sys
import textwrap
import threading
import time
import uuid

from clients import Database, Gateway, ModelCalls, Trouble, read_counters


def read_texts(path, limit):
    """The texts of the file, at most `limit` of them."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            texts = list(read_json_lines(file, path) if is_json_lines(path) else read_csv(file, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Trouble(f"cannot read {path}: {error}") from error
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise Trouble(f"{path} has no text")
    return texts[:limit] if limit else texts


def is_json_lines(path):
    if path.endswith((".jsonl", ".ndjson", ".json")):
        return True
    with open(path, encoding="utf-8-sig") as file:
        return not path.endswith(".csv") and file.read(1) == "{"


def read_csv(file, path):
    rows = csv.DictReader(file)
    if "text" not in (rows.fieldnames or []):
        raise Trouble(f"{path} has no column named text")
    for row in rows:
        yield row["text"] or ""


def read_json_lines(file, path):
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            text = json.loads(line)["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise Trouble(f"{path}, line {number}: not a JSON object with a text") from error
        if not isinstance(text, str):
            raise Trouble(f"{path}, line {number}: text is not a string")
        yield text


class Visitor:
    """One conversation: its messages and its progress."""

    def __init__(self, session_id, texts):
        self.session_id = session_id
        self.texts = texts
        self.conversation_id = None
        self.sent_at = []
        self.settled = 0  # its stored messages; each is stored in one transaction with its answer
        self.answered = 0
        self.news = threading.Event()


class Run:
    def __init__(self, arguments, visitors):
        self.arguments = arguments
        self.visitors = visitors
        self.waiting = collections.deque(visitors)
        self.total = sum(len(visitor.texts) for visitor in visitors)
        self.open = {}
        self.lock = threading.Lock()
        self.published = 0
        self.answered = 0
        self.trouble = None
        self.moved_at = time.time()

    def speak(self):
        """One thread: visitor after visitor, over one connection."""
        try:
            gateway = Gateway(os.environ["OMNIBUS_GATEWAY"], os.environ["OMNIBUS_TOKEN"])
            while not self.trouble:
                try:
                    visitor = self.waiting.popleft()
                except IndexError:
                    return
                self.converse(gateway, visitor)
        except Exception as error:  # reported to the other threads and the main one
            self.trouble = self.trouble or error

    def converse(self, gateway, visitor):
        domain = os.environ["OMNIBUS_DOMAIN"]
        for text in visitor.texts:
            visitor.sent_at.append(time.time())
            message = {"domain": domain, "session_id": visitor.session_id, "text": text}
            accepted = gateway.post(message, time.time() + self.arguments.stall)
            visitor.conversation_id = accepted["conversation_id"]
            with self.lock:
                self.published += 1
                self.moved_at = time.time()
                self.open[visitor.conversation_id] = visitor
            while visitor.settled < len(visitor.sent_at):
                if self.trouble:
                    return
                visitor.news.wait(1)
                visitor.news.clear()
        with self.lock:
            del self.open[visitor.conversation_id]

    def listen(self, database):
        """Updates each visitor's stored turns. A turn is stored without an answer when no model gave one."""
        with self.lock:
            awaited = dict(self.open)
        if not awaited:
            return
        ids = ",".join(awaited)
        for conversation_id, messages, replies in database.rows(
                "SELECT json_build_array(conversation_id, count(*) FILTER (WHERE role = 'user'), "
                "count(*) FILTER (WHERE role = 'assistant')) FROM messages "
                f"WHERE conversation_id = ANY ('{{{ids}}}') GROUP BY conversation_id"):
            visitor = awaited[conversation_id]
            self.answered += replies - visitor.answered
            visitor.answered = replies
            if messages > visitor.settled:
                self.moved_at = time.time()
                visitor.settled = messages
                visitor.news.set()

    def run(self, database):
        progress = Progress(self)
        threads = [threading.Thread(target=self.speak, daemon=True)
                   for _ in range(min(self.arguments.visitors, len(self.visitors)))]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.listen(database)
            progress.show()
            if self.trouble:
                break
            if time.time() - self.moved_at > self.arguments.stall:
                self.trouble = Trouble(f"nothing was answered for {self.arguments.stall} s: {self.published} messages "
                                       f"published, {self.answered} answered")
                break
            time.sleep(0.02)
        progress.show(last=True)
        if self.trouble:
            raise self.trouble


class Progress:
    """One status line, updated on a terminal; else a new line every few seconds."""

    def __init__(self, run):
        self.run = run
        self.terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.began = time.time()
        self.shown_at = self.began if not self.terminal else 0.0

    def show(self, last=False):
        now = time.time()
        if not last and now - self.shown_at < (0.1 if self.terminal else 3):
            return
        self.shown_at = now
        run = self.run
        line = (f"  {run.published:,} of {run.total:,} messages published, {run.answered:,} answered, "
                f"{len(run.open):,} visitors waiting, {now - self.began:.0f} s")
        ending = "\n" if last or not self.terminal else ""
        with contextlib.suppress(BrokenPipeError):  # the reader is gone
            print(("\r" + line.ljust(78)) if self.terminal else line, end=ending, file=sys.stderr, flush=True)


class Outcome:
    """Compares the run's rows in PostgreSQL with the messages sent."""

    def __init__(self, visitors, database):
        self.messages = self.replies = 0
        self.latencies = []
        self.last_reply_at = 0.0
        self.faults = collections.Counter()
        ids = ",".join(visitor.conversation_id for visitor in visitors)
        stored = collections.defaultdict(list)
        for conversation_id, text, replies, replied_at in database.rows(
                "SELECT json_build_array(u.conversation_id, u.content, count(a.id), extract(epoch FROM min(a.created_at))) "
                "FROM messages u LEFT JOIN messages a ON a.in_reply_to = u.id AND a.role = 'assistant' "
                f"WHERE u.role = 'user' AND u.conversation_id = ANY ('{{{ids}}}') "
                "GROUP BY u.id ORDER BY u.conversation_id, u.seq"):
            stored[conversation_id].append((text, replies, replied_at))
        for visitor in visitors:
            self.compare(visitor, stored[visitor.conversation_id])

    def compare(self, visitor, stored):
        self.messages += len(stored)
        self.replies += sum(replies for _, replies, _ in stored)
        said = [text for text in visitor.texts]
        found = [text for text, _, _ in stored]
        if found != said:
            more_or_less = len(found) - len(said)
            kind = "messages missing" if more_or_less < 0 else "messages doubled" if more_or_less > 0 else "out of order"
            self.faults[kind] += abs(more_or_less) or 1
        for (_, replies, replied_at), sent_at in zip(stored, visitor.sent_at):
            if replies != 1:
                self.faults["messages without a reply" if not replies else "messages with several replies"] += 1
            if replied_at:
                self.latencies.append(float(replied_at) - sent_at)
                self.last_reply_at = max(self.last_reply_at, float(replied_at))

    def quantile(self, share):
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def counted_noun(count, noun):
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def print_table(outcome, visitors, counted, spent):
    began = min(visitor.sent_at[0] for visitor in visitors)
    rate = outcome.replies / max(outcome.last_reply_at - began, 1e-9)
    wrong = ", ".join(f"{count} {what}" for what, count in outcome.faults.items())
    calls = counted_noun(spent["completed"], "model call") + (f", {spent['failed']:,} failed" if spent["failed"] else "")
    rows = [
        ("messages", f"{outcome.messages:,}", f"in {counted_noun(len(visitors), 'conversation')}"),
        ("replies", f"{outcome.replies:,}", wrong or "one for each message, in the order said"),
        ("publish to reply, p50", f"{outcome.quantile(0.5) * 1000:,.0f} ms", "from a visitor's POST to the reply's row"),
        ("publish to reply, p99", f"{outcome.quantile(0.99) * 1000:,.0f} ms", ""),
        ("messages per second", f"{rate:,.0f}", "visitors wait for each answer before they go on"),
        ("retries", f"{counted['omnibus_retries_total']:,.0f}", ""),
        ("dead letters", f"{counted['omnibus_dead_letters_total']:,.0f}", ""),
        ("tokens in", f"{spent['input']:,}", f"{calls}, {', '.join(spent['models'])}"),
        ("tokens out", f"{spent['output']:,}", "estimated in part" if spent["estimated"] else ""),
        ("cost", f"${spent['cost']:,.6f}", "no price is known of this model" if spent["output"] and not spent["cost"] else ""),
    ]
    print()
    for name, value, note in rows:
        print(f"  {name:<24}{value:>12}  {note}".rstrip())


def print_transcript(visitor):
    gateway = Gateway(os.environ["OMNIBUS_GATEWAY"], os.environ["OMNIBUS_TOKEN"])
    status, _, body = gateway.request("GET", f"/v1/conversations/{visitor.conversation_id}")
    if status != 200:
        raise Trouble(f"the gateway has no transcript of {visitor.conversation_id}: {status}")
    conversation = json.loads(body)
    print(f"\n  conversation {conversation['id']}")
    for message in conversation["messages"]:
        lines = textwrap.wrap(message["content"] or "", 64) or [""]
        print(f"  {message['role']:>10}  {lines[0]}")
        for line in lines[1:]:
            print(f"  {'':>10}  {line}")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--input", required=True, help="CSV with a text column, or JSON lines with text")
    parser.add_argument("--limit", type=int, default=0, help="at most this many messages; 0: all")
    parser.add_argument("--per-visitor", type=int, default=5, help="messages of one conversation")
    parser.add_argument("--visitors", type=int, default=100, help="conversations at once")
    parser.add_argument("--stall", type=float, default=90, help="seconds without any answer after which to give up")
    parser.add_argument("--check", action="store_true", help="only check that the input can be read")
    arguments = parser.parse_args()

    texts = read_texts(arguments.input, arguments.limit)
    if arguments.check:
        return
    run_id = uuid.uuid4().hex[:8]
    size = arguments.per_visitor
    visitors = [Visitor(f"demo-{run_id}-{start // size + 1}", texts[start:start + size])
                for start in range(0, len(texts), size)]
    database = Database(os.environ["OMNIBUS_DATABASE"])
    calls = ModelCalls(os.environ["OMNIBUS_KAFKA"])
    before = read_counters(os.environ["OMNIBUS_METRICS"])
    Run(arguments, visitors).run(database)
    outcome = Outcome(visitors, database)
    counted = read_counters(os.environ["OMNIBUS_METRICS"])
    counted.subtract(before)
    spent = calls.spent(visitors, outcome.replies)
    database.close()
    try:
        print_table(outcome, visitors, counted, spent)
        print_transcript(visitors[0])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader is gone; the exit status stays the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if outcome.faults or outcome.replies != len(texts):
        raise Trouble(f"not every one of the {len(texts):,} messages was answered once and in order")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"publish: {trouble}")
