"""Messages to people, by the real worker with its ledger, through a provider of 50 ms."""
import urllib.parse
import uuid

from rows.database import handle_all
from rows.measure import Failed, Result, alternate, values

LATENCY = 50
IN_FLIGHT = 1_000
TOPIC = "notifications.requested"
TABLES = ["pipeline.delivery", "message_delivery_log", "pipeline.inbox", "pipeline.outbox"]


def publish(stage, broker, database, count):
    """So many requests, each to a person of its own, on the worker's topic."""
    if (broker, TOPIC) in stage.topics:
        return
    address = stage.broker(broker)
    if broker == "apache":
        stage.omnibus("topics", "apply", "--brokers", address)
    database.execute(f"INSERT INTO profiles (domain, phone_number) SELECT 'shop.example', '+25078' || lpad(n::text, 7, '0')"
                     f" FROM generate_series(1, {count}) n ON CONFLICT DO NOTHING")
    people = [row[0] for row in database.execute(f"SELECT id FROM profiles ORDER BY phone_number LIMIT {count}")]
    kafka = stage.kafka(broker)
    for start in range(0, count, 1_000):
        kafka.publish_all(TOPIC, [(person, {
            "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/bench", "type": "omnibus.notification.requested.v1",
            "datacontenttype": "application/json",
            "data": {"domain": "shop.example", "profile_id": person, "kind": "message", "channels": ["sms"],
                     "body": "Your order is ready: come by until six."}}) for person in people[start:start + 1_000]])
    stage.topics[broker, TOPIC] = TOPIC


def notify(stage, broker, _, progress):
    """One SMS for each request, 1,000 in flight, ledger, log, inbox and result event included, beside the HTTP client alone."""
    options = stage.options
    count = options.records or (400 if options.quick else 20_000)
    database = stage.database()
    publish(stage, broker, database, count)
    model = stage.simulator(LATENCY)
    base = "http://" + urllib.parse.urlsplit(model).netloc

    def ours():
        database.execute(f"TRUNCATE {', '.join(TABLES)}; CHECKPOINT")
        figures = handle_all(stage, "notify", broker, count, MTN_SMS_BASE_URL=base, MTN_SMS_API_KEY="any",
                             MTN_SMS_API_SECRET="any", SMS_RATE_PER_SECOND="0", SPEND_CAP_PER_DAY="0", SMS_RECIPIENT_INTERVAL="0",
                             MAX_IN_FLIGHT=str(IN_FLIGHT))
        taken = database.value("SELECT count(*) FROM pipeline.delivery WHERE state = 'accepted'")
        if int(taken) != count:
            raise Failed(f"{taken} of {count} messages were accepted")
        return figures

    figures = alternate(options.repeats, {
        "limit": lambda: stage.limit("http", "--llm-url", model, "--max-in-flight", IN_FLIGHT, "--records", count),
        "ours": ours}, progress)
    row, note = f"messages of {LATENCY} ms, {IN_FLIGHT:,} in flight", "limit: the HTTP client alone"
    rate = values(figures["ours"], "per_s")
    yield Result(row, broker, "distinct", "messages/s", values(figures["limit"], "records_per_s"), rate, "≥ 90 %", 0.9, note=note)
    yield Result(row, broker, "distinct", "µs CPU of the worker/message", values(figures["limit"], "cpu_s", "records"),
                 values(figures["ours"], "cpu_s", "events"), smaller=True, note=note)
    yield Result(row, broker, "distinct", "µs CPU of PostgreSQL/message", [], values(figures["ours"], "postgres_s", "events"),
                 smaller=True)
