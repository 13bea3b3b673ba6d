"""Messages to people, by the real worker with its ledger, through a provider of 50 ms."""
import urllib.parse
import uuid

from rows.database import handle_all
from rows.least_sql import CONNECTIONS, TOGETHER, LeastSql, bytea
from rows.measure import Result, alternate, values

LATENCY = 50
IN_FLIGHT = 1_000
LEAST = CONNECTIONS * TOGETHER  # a full statement for each connection
TOPIC = "notifications.requested"
# As long as the worker's are on average.
HEADERS, RESULT = 480, 229
BODY = "Your order is ready: come by until six."
# A script's tables are empty when its statements are planned.
BY_INDEX = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
TABLES = ["pipeline.delivery", "message_delivery_log", "pipeline.inbox", "pipeline.outbox"]


def publish(stage, broker, database, count):
    """So many requests, each to a person of its own, on the worker's topic."""
    if (broker, TOPIC) in stage.topics:
        return
    address = stage.broker(broker)
    if broker == "apache":
        stage.omnibus("topics", "apply", "--brokers", address)
    database.execute("INSERT INTO profiles (id, domain, phone_number)"
                     " SELECT md5('person ' || n)::uuid, 'shop.example', '+25078' || lpad(n::text, 7, '0')"
                     f" FROM generate_series(1, {count}) n ON CONFLICT DO NOTHING")
    people = [row[0] for row in database.execute(f"SELECT id FROM profiles ORDER BY phone_number LIMIT {count}")]
    kafka = stage.kafka(broker)
    for start in range(0, count, 1_000):
        kafka.publish_all(TOPIC, [(person, {
            "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/bench", "type": "omnibus.notification.requested.v1",
            "datacontenttype": "application/json",
            "data": {"domain": "shop.example", "profile_id": person, "kind": "message", "channels": ["sms"],
                     "body": BODY}}) for person in people[start:start + 1_000]])
    stage.topics[broker, TOPIC] = TOPIC


def notify(stage, broker, _, progress):
    """One SMS for each request, 1,000 in flight, ledger, log, inbox and result event included: beside bare sockets that only post
    as often, and beside pgbench that only stores the same rows."""
    options = stage.options
    count = options.records or (LEAST if options.quick else 40 * LEAST)
    count -= count % LEAST
    publish(stage, broker, stage.database(), count)
    least = LeastSql(stage, "notify", "notify_message.sql", TABLES, count,
                     "SELECT count(*) FROM pipeline.delivery WHERE state = 'accepted'")

    def sockets():
        with stage.responder(LATENCY) as provider:
            return stage.limit("http", "--client", "sockets", "--llm-url", provider.url, "--max-in-flight", IN_FLIGHT, "--records", count)

    def rows():
        return least.run({"message": -TOGETHER, "each": count // CONNECTIONS, "body": BODY, "headers": bytea(HEADERS),
                          "result": bytea(RESULT)}, BY_INDEX)

    def ours():
        least.begin()
        with stage.responder(LATENCY) as provider:
            base = "http://" + urllib.parse.urlsplit(provider.url).netloc
            figures = handle_all(stage, "notify", broker, count, MTN_SMS_BASE_URL=base, MTN_SMS_API_KEY="any", MTN_SMS_API_SECRET="any",
                                 SMS_RATE_PER_SECOND="0", SPEND_CAP_PER_DAY="0", SMS_RECIPIENT_INTERVAL="0",
                                 MAX_IN_FLIGHT=str(IN_FLIGHT))
        least.check("ours")
        return figures

    figures = alternate(options.repeats, {"sockets": sockets, "rows": rows, "ours": ours}, progress)
    row = f"messages of {LATENCY} ms, {IN_FLIGHT:,} in flight"
    rate, worker = values(figures["ours"], "per_s"), values(figures["ours"], "cpu_s", "events")
    note = "limit: bare sockets and epoll at the same responder, nothing stored"
    yield Result(row, broker, "distinct", "messages/s", values(figures["sockets"], "records_per_s"), rate, "≥ 50 %", 0.5, note=note)
    yield Result(row, broker, "distinct", "µs CPU of the worker/message", values(figures["sockets"], "cpu_s", "records"), worker, "≤ 55 µs",
                 55, smaller=True, absolute=True, note=note)
    note = f"limit: pgbench, {CONNECTIONS} connections, the same rows, {TOGETHER} messages in a statement, nothing sent"
    yield Result(row, broker, "distinct", "rows of messages/s", values(figures["rows"], "per_s"), rate, note=note)
    yield Result(row, broker, "distinct", "µs CPU of PostgreSQL/message", values(figures["rows"], "postgres_s", "events"),
                 values(figures["ours"], "postgres_s", "events"), "≤ 110 µs", 110, smaller=True, absolute=True, note=note)
