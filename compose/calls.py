#!/usr/bin/env python3
"""Posts ended calls to the gateway as a telephony system would, answers each summary by SMS as its person would, writes by
WhatsApp for one of them, and waits until all messages are sent. Then shows one person's messages across the three channels.

Reads JSON lines with `utterances`, a list of objects with `speaker` and `text`, and an optional `conversation_id`, as in
Taskmaster-4 (github.com/google-research-datasets/Taskmaster). The people are invented, one number for each call, so it
runs only if messages go to the simulator. The addresses come from the environment: OMNIBUS_GATEWAY,
OMNIBUS_DATABASE, OMNIBUS_LLM, OMNIBUS_MESSAGES and OMNIBUS_WEBHOOK_SECRET. Exit status 0 only when each person got every
requested message once, and no other message.
"""

import argparse
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import time
import urllib.error
import urllib.request

from clients import Database, Trouble

CALLERS_AT_ONCE = 8
STALL = 60
RECEIPTS = 10
TRIES = 10
ANSWER = "Change pick-up to 10 o'clock"
QUESTION = "Set name to Amahoro"
ENDED = ("sent", "delivered", "read")


class Call:
    """A call of the file, and an invented person for it."""

    def __init__(self, line, number, path, run, first_phone):
        try:
            document = json.loads(line)
            self.transcript = [{"speaker": said["speaker"], "text": said["text"]} for said in document["utterances"] if said["text"]]
            self.id = f"{document.get('conversation_id') or number}-{run}"
        except (ValueError, KeyError, TypeError) as error:
            raise Trouble(f"{path}, line {number}: not a call with utterances of speaker and text") from error
        if not self.transcript:
            raise Trouble(f"{path}, line {number}: nothing was said in this call")
        self.phone = f"+{first_phone + number}"


def read_calls(path, limit):
    # Each run has its own numbers, so that its people are not those of an earlier run.
    run, first_phone = secrets.token_hex(3), 250780000000 + secrets.randbelow(9_000) * 1_000
    calls = []
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file):
                if line.strip():
                    calls.append(Call(line, number + 1, path, run, first_phone))
                if limit and len(calls) == limit:
                    break
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"cannot read {path}: {error}") from error
    if not calls:
        raise Trouble(f"{path} has no calls")
    if len(calls) > 1_000:
        raise Trouble(f"{path} has more than 1,000 calls: take --limit")
    return calls


def post(path, body, header="X-Signature", prefix=""):
    """Posts a signed webhook, and retries while the gateway asks for it."""
    raw = json.dumps(body).encode()
    signature = prefix + hmac.new(os.environ["OMNIBUS_WEBHOOK_SECRET"].encode(), raw, hashlib.sha256).hexdigest()
    request = urllib.request.Request(os.environ["OMNIBUS_GATEWAY"] + path, raw, {"Content-Type": "application/json", header: signature})
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=30):
                return
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503) or attempt == TRIES - 1:
                raise Trouble(f"the gateway answered {path} with {error.code}") from error
            time.sleep(min(float(error.headers.get("Retry-After") or 1), 5))
        except OSError as error:
            raise Trouble(f"the gateway does not answer: {error}") from error


def post_all(jobs):
    with concurrent.futures.ThreadPoolExecutor(CALLERS_AT_ONCE) as callers:
        for posted in [callers.submit(post, *job) for job in jobs]:
            posted.result()


def whatsapp_message(phone, text):
    """As Meta posts it."""
    message = {"from": phone[1:], "id": "wamid." + secrets.token_hex(12), "timestamp": str(int(time.time())), "type": "text",
               "text": {"body": text}}
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1001"}, "contacts": [{"wa_id": phone[1:]}],
             "messages": [message]}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}


def simulated():
    """The simulator's counts of messages. Fails if real providers are set: an invented number may belong to a person."""
    if os.environ.get("OMNIBUS_MESSAGES") != "simulator":
        raise Trouble("messages go to real providers here, and these people are made up: run it without --llm-url and without "
                      "WHATSAPP_ACCESS_TOKEN, MTN_SMS_API_KEY and TWILIO_ACCOUNT_SID")
    address = os.environ["OMNIBUS_LLM"].removesuffix("/v1") + "/_simulator/sends"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        raise Trouble(f"the simulator does not answer: {error}") from error


class Deliveries:
    """The delivery log of this run's people."""

    def __init__(self, calls):
        self.database = Database(os.environ["OMNIBUS_DATABASE"])
        self.people = "(" + ", ".join(f"'{call.phone}'" for call in calls) + ")"

    def counts(self):
        """The number of messages by direction, channel, kind and status."""
        rows = self.database.rows(
            "SELECT json_build_array(l.direction, l.channel, l.kind, l.status, count(*)) FROM message_delivery_log l"
            f" JOIN profiles p ON p.id = l.profile_id WHERE p.phone_number IN {self.people} GROUP BY l.direction, l.channel, l.kind,"
            " l.status ORDER BY 1::text")
        return {tuple(row[:4]): row[4] for row in rows}

    def await_sent(self, channel, kind, wanted, what):
        """Waits until this many have ended in any state; prints the progress."""
        moved_at, last = time.monotonic(), -1
        while True:
            counts = self.counts()
            ended = sum(count for (direction, its, of, status), count in counts.items()
                        if (direction, its, of) == ("outbound", channel, kind) and status != "planned")
            if ended >= wanted:
                return
            if ended != last:
                moved_at, last = time.monotonic(), ended
            if time.monotonic() - moved_at > STALL:
                raise Trouble(f"{what}: {ended} of {wanted} are done, and for {STALL} s no more came")
            time.sleep(0.1)

    def thread(self, phone):
        return self.database.rows(
            "SELECT json_build_array(l.created_at, l.channel, l.direction, l.kind, l.status, l.content, l.segments)"
            f" FROM message_delivery_log l JOIN profiles p ON p.id = l.profile_id WHERE p.phone_number = '{phone}' ORDER BY l.created_at")

    def await_receipts(self, phone):
        """Waits for the receipts of all messages to one person, up to a limit: receipts may be lost."""
        deadline = time.monotonic() + RECEIPTS
        while any(status == "sent" for _, _, _, _, status, _, _ in self.thread(phone)) and time.monotonic() < deadline:
            time.sleep(0.1)

    def context(self, phone):
        return self.database.rows("SELECT json_build_array(s.status, s.context) FROM omnichannel_sessions s JOIN profiles p"
                                  f" ON p.id = s.profile_id WHERE p.phone_number = '{phone}' ORDER BY s.created_at")

    def close(self):
        self.database.close()


def short(text, most=96):
    text = " ".join((text or "").split())
    return text if len(text) <= most else text[:most - 1] + "…"


def show_thread(call, deliveries):
    print(f"\n  one person's thread (the number is {call.phone[:5]}*****{call.phone[-2:]})\n")
    for said in call.transcript[:4]:
        print(f"    voice     {'<' if said['speaker'] == 'user' else '>'} {short(said['text'])}")
    if len(call.transcript) > 4:
        print(f"    voice       … and {len(call.transcript) - 4} more")
    for _, channel, direction, kind, status, content, segments in deliveries.thread(call.phone):
        parts = f", {segments} part{'s' if segments > 1 else ''}" if segments else ""
        print(f"    {channel:<9} {'<' if direction == 'inbound' else '>'} {short(content)}  [{kind}, {status}{parts}]")
    for status, context in deliveries.context(call.phone):
        facts = {name: short(str(value), 40) for name, value in context.items() if name not in ("call_id", "call_summary")}
        print(f"\n    session: {status}; what the channels share besides the call: {json.dumps(facts, ensure_ascii=False)}")


def compare(calls, deliveries, taken_before):
    """Prints the expected counts beside the actual ones. Returns how many differ."""
    counts = deliveries.counts()
    wanted = {("whatsapp", "call_summary"): len(calls), ("sms", "call_summary"): len(calls), ("sms", "reply"): len(calls),
              ("whatsapp", "reply"): 1}
    print(f"\n  {'':<26}{'asked for':>12}{'sent':>12}")
    wrong = 0
    for (channel, kind), number in wanted.items():
        sent = sum(count for (direction, its, of, status), count in counts.items()
                   if (direction, its, of) == ("outbound", channel, kind) and status in ENDED)
        wrong += sent != number
        print(f"  {channel + ' ' + kind.replace('_', ' '):<26}{number:>12,}{sent:>12,}  {'' if sent == number else 'DIFFERENT'}")
    others = {key: count for key, count in counts.items() if key[0] == "outbound" and key[1:3] not in wanted}
    taken, sum_wanted = simulated()["acceptances"] - taken_before, sum(wanted.values())
    print(f"  {'taken by the providers':<26}{sum_wanted:>12,}{taken:>12,}  {'' if taken == sum_wanted else 'DIFFERENT'}")
    return wrong + len(others) + (taken != sum_wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--input", required=True, help="JSON lines with utterances")
    parser.add_argument("--limit", type=int, default=0, help="at most this many calls; 0: all")
    parser.add_argument("--check", action="store_true", help="only check that the input can be read")
    arguments = parser.parse_args()

    calls = read_calls(arguments.input, arguments.limit)
    if arguments.check:
        return
    taken_before = simulated()["acceptances"]
    deliveries = Deliveries(calls)
    began = time.monotonic()
    post_all([("/webhooks/calls", {"call_id": call.id, "phone_number": call.phone, "transcript": call.transcript}) for call in calls])
    posted = time.monotonic()
    for channel in ("sms", "whatsapp"):
        deliveries.await_sent(channel, "call_summary", len(calls), f"summaries by {channel}")
    told = time.monotonic()
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    post_all([("/webhooks/sms", {"from": call.phone, "to": "2500", "message": ANSWER, "id": f"sms-{call.id}", "timestamp": now})
              for call in calls])
    deliveries.await_sent("sms", "reply", len(calls), "replies by sms")
    answered = time.monotonic()
    post("/webhooks/whatsapp", whatsapp_message(calls[0].phone, QUESTION), "X-Hub-Signature-256", "sha256=")
    deliveries.await_sent("whatsapp", "reply", 1, "the reply by whatsapp")

    print(f"\n  {len(calls):,} calls ended in {posted - began:.1f} s; their people were told by both channels {told - posted:.1f} s later;\n"
          f"  they all answered by SMS, and had a reply after {answered - told:.1f} s")
    wrong = compare(calls, deliveries, taken_before)
    deliveries.await_receipts(calls[0].phone)
    show_thread(calls[0], deliveries)
    deliveries.close()
    print(flush=True)
    if wrong:
        raise Trouble("what was sent is not what was asked for")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"calls: {trouble}")
