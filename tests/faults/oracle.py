"""Judges what faults did to a load: five ledgers are held against each other, event by event.

The ledgers: what was put in, what the database holds, what waits in the outbox, what is on the topics, what the model
(the outside party) was asked. Pure; conversations.py reads the ledgers, oracle_test.py shows that each defect is found.
"""
import collections
import dataclasses


@dataclasses.dataclass
class Event:
    """Of the input: published once or more often, in the order of the ledger."""
    id: str
    session: str
    text: str


@dataclasses.dataclass
class Row:
    """Of a session's transcript in the database."""
    session: str
    seq: int
    role: str
    text: str
    id: str
    in_reply_to: str = None


@dataclasses.dataclass
class Reply:
    """A record on the topic of replies, in the order of its partition."""
    session: str
    event_id: str
    in_reply_to: str
    text: str


@dataclasses.dataclass
class Ledgers:
    input: list
    database: list
    topic: list
    outbox: list = dataclasses.field(default_factory=list)        # ids of the input whose replies wait to be published
    dead_letters: list = dataclasses.field(default_factory=list)  # ids of the input that were parked and not redriven
    provider: dict = None                                         # text: how often the model was asked; None: not counted
    repeats: int = 0                                              # questions that faults may have had asked again
    republished: int = None                                       # replies they may have had published again; None: any


@dataclasses.dataclass
class Verdict:
    """Sentences, one for each defect."""
    lost: list = dataclasses.field(default_factory=list)
    doubled: list = dataclasses.field(default_factory=list)
    reordered: list = dataclasses.field(default_factory=list)
    phantom: list = dataclasses.field(default_factory=list)

    @property
    def clean(self):
        return not (self.lost or self.doubled or self.reordered or self.phantom)

    def __str__(self):
        kinds = [(kind.name, getattr(self, kind.name)) for kind in dataclasses.fields(self)]
        return "\n".join([", ".join(f"{len(found)} {name}" for name, found in kinds)] +
                         [f"  {name}: {sentence}" for name, found in kinds for sentence in found[:10]])


def judge(ledgers):
    """Every event of the input has one question and one answer in the database and one reply on the topic (under one id;
    how often it is there is counted where `republished` says so), in the order of its session; nothing else is anywhere."""
    verdict = Verdict()
    answers = judge_database(ledgers, verdict)
    judge_topic(ledgers, answers, verdict)
    known = {event.id for event in ledgers.input}
    for id in ledgers.outbox:
        verdict.lost.append(f"the reply to {id} waits in the outbox and nobody publishes it")
    for id in ledgers.dead_letters:
        verdict.lost.append(f"{id} was dead-lettered" if id in known else f"an unknown event {id} was dead-lettered")
    if ledgers.provider is not None:
        judge_provider(ledgers, verdict)
    return verdict


def judge_database(ledgers, verdict):
    """Returns the answers by the id of the event that they answer."""
    rows, answers = collections.defaultdict(list), {}
    for row in ledgers.database:
        rows[row.session].append(row)
    sessions = collections.defaultdict(list)
    for event in ledgers.input:
        sessions[event.session].append(event)
    for session in rows.keys() - sessions.keys():
        verdict.phantom.append(f"the database has a session {session} that nobody began")
    for session, events in sessions.items():
        have = sorted(rows[session], key=lambda row: row.seq)
        by_text = {event.text: event for event in events}
        questions = [row for row in have if row.role == "user"]
        replies = [row for row in have if row.role == "assistant"]
        asked = collections.Counter(row.text for row in questions)
        for event in events:
            if asked[event.text] == 0:
                verdict.lost.append(f"the database has not {event.text!r}")
            if asked[event.text] > 1:
                verdict.doubled.append(f"the database has {event.text!r} {asked[event.text]} times")
        for row in questions:
            if row.text not in by_text:
                verdict.phantom.append(f"the database has {row.text!r}, which nobody said")
        compare_order([event.text for event in events], [row.text for row in questions], f"the database, {session}", verdict)
        of_id = {row.id: by_text.get(row.text) for row in questions}
        answered = collections.Counter()
        for row in replies:
            event = of_id.get(row.in_reply_to)
            if event is None:
                verdict.phantom.append(f"the database has an answer in {session} to nothing")
                continue
            answered[event.id] += 1
            answers[event.id] = row.text
        for event in events:
            if asked[event.text] and not answered[event.id]:
                verdict.lost.append(f"the database has no answer to {event.text!r}")
            if answered[event.id] > 1:
                verdict.doubled.append(f"the database has {answered[event.id]} answers to {event.text!r}")
        order = [of_id[row.in_reply_to].text for row in replies if of_id.get(row.in_reply_to)]
        compare_order([event.text for event in events], order, f"the answers in the database, {session}", verdict)
    return answers


def judge_topic(ledgers, answers, verdict):
    by_id = {event.id: event for event in ledgers.input}
    ids, order = collections.defaultdict(set), collections.defaultdict(list)
    for reply in ledgers.topic:
        event = by_id.get(reply.in_reply_to)
        if event is None:
            verdict.phantom.append(f"the topic has a reply to {reply.in_reply_to}, which nobody sent")
            continue
        if reply.session != event.session:
            verdict.phantom.append(f"the topic has the reply to {event.text!r} under another conversation's key")
        if event.id not in answers:
            verdict.phantom.append(f"the topic has a reply to {event.text!r}, the database has none")
        elif reply.text != answers[event.id]:
            verdict.phantom.append(f"the topic has another reply to {event.text!r} than the database")
        ids[event.id].add(reply.event_id)
        order[event.session].append(event.text)
    users = collections.Counter(id for found in ids.values() for id in found)
    for event in ledgers.input:
        if not ids[event.id]:
            verdict.lost.append(f"the topic has no reply to {event.text!r}")
        if len(ids[event.id]) > 1:
            verdict.doubled.append(f"the topic has the reply to {event.text!r} under {len(ids[event.id])} ids")
        if any(users[id] > 1 for id in ids[event.id]):
            verdict.doubled.append(f"the topic has the reply to {event.text!r} under the id of another's")
    again = sum(map(len, order.values())) - len(users)
    if ledgers.republished is not None and again > ledgers.republished:
        verdict.doubled.append(f"the topic has {again} records too many, {ledgers.republished} would be explained")
    for session, texts in order.items():
        wanted = [event.text for event in ledgers.input if event.session == session]
        compare_order(wanted, texts, f"the topic, {session}", verdict)


def judge_provider(ledgers, verdict):
    again = 0
    texts = {event.text for event in ledgers.input}
    for event in ledgers.input:
        asked = ledgers.provider.get(event.text, 0)
        again += max(asked - 1, 0)
        if asked == 0 and any(reply.in_reply_to == event.id for reply in ledgers.topic):
            verdict.phantom.append(f"{event.text!r} was answered and the model never asked")
    for text in ledgers.provider.keys() - texts:
        verdict.phantom.append(f"the model was asked {text!r}, which nobody said")
    if again > ledgers.repeats:
        verdict.doubled.append(f"the model was asked {again} times more than once, {ledgers.repeats} would be explained")


def compare_order(wanted, found, where, verdict):
    """By the first time that each is found; what is missing or comes again is counted elsewhere."""
    first = list(dict.fromkeys(found))
    expected = [text for text in wanted if text in set(first)]
    if [text for text in first if text in set(wanted)] != expected:
        verdict.reordered.append(f"{where}: {first} instead of {expected}")
