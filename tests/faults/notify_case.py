"""What tests of messages to people stand on: requests, notify workers, providers, and what became of each message."""
import time
import urllib.parse
import uuid

from fault_case import SESSION_TIMEOUT, FaultCase, eventually
from harness import Http, structured_event

TENANT = "shop.example"
REQUESTED = "omnibus.notification.requested.v1"
TOPIC = "notifications.requested"
GROUP = "omnibus-notify"
SETTLED = "state IN ('accepted', 'delivered', 'read', 'failed', 'skipped', 'in_doubt')"


class Requests:
    """Requests to tell people something, each person one, over these channels."""

    def __init__(self, stack, count, channels, kind="message"):
        self.name, self.channels = uuid.uuid4().hex[:8], channels
        first = int(stack.database.value("SELECT count(*) FROM profiles"))
        self.profiles = [row[0] for row in stack.database.execute(
            "INSERT INTO profiles (domain, phone_number, last_whatsapp_inbound_at)"
            f" SELECT '{TENANT}', '+25078' || lpad((n + {first})::text, 7, '0'), now() FROM generate_series(1, {count}) n RETURNING id")]
        self.events = [structured_event(REQUESTED, {"domain": TENANT, "profile_id": profile, "kind": kind, "channels": channels,
                                                    "body": f"Order {self.name}-{number} is ready."})
                       for number, profile in enumerate(self.profiles)]
        self.ids = {event["id"] for event in self.events}

    def __len__(self):
        return len(self.events) * len(self.channels)

    def publish(self, stack):
        records = list(zip(self.profiles, self.events))
        for start in range(0, len(records), 500):
            stack.kafka.publish_all(TOPIC, records[start:start + 500])


class Sent:
    """One delivery of the ledger, beside how often its provider took it."""

    def __init__(self, key, channel, state, attempt, reason, taken):
        self.key, self.channel, self.state, self.attempt, self.reason, self.taken = key, channel, state, int(attempt), reason, taken

    def __repr__(self):
        return f"<{self.channel} {self.state}, attempt {self.attempt}, taken {self.taken} times, {self.reason}>"


class NotifyCase(FaultCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.compose("kafka", "configs", "--alter", "--entity-type", "groups", "--entity-name", GROUP, "--add-config",
                          f"consumer.session.timeout.ms={int(SESSION_TIMEOUT * 1000)},consumer.heartbeat.interval.ms=500")

    def providers(self, honour_key=False, faults="", latency=5):
        """The simulator as WhatsApp and MTN."""
        options = {"send_latency": latency, **({"send_faults": faults} if faults else {})}
        simulator = self.simulator(seed=self.random.randrange(2**31), **options)
        if honour_key:
            self.assertLess(simulator.client.post("/_simulator/people", {"honour_key": True}).status, 300)
        return simulator

    def notify(self, simulator, wait=True, failpoint="", mutate="", **settings):
        base = "http://" + urllib.parse.urlsplit(simulator.url).netloc
        settings = {"MAX_IN_FLIGHT": 32, "DATABASE_POOL": 4, "LOG_LEVEL": "info", "CLAIM_LEASE": "4s",
                    "WHATSAPP_BASE_URL": base + "/v23.0", "WHATSAPP_ACCESS_TOKEN": "any", "WHATSAPP_PHONE_NUMBER_ID": "1001",
                    "WHATSAPP_RATE_PER_SECOND": 0, "WHATSAPP_RECIPIENT_INTERVAL": 0,
                    "MTN_SMS_BASE_URL": base, "MTN_SMS_API_KEY": "any", "MTN_SMS_API_SECRET": "any",
                    "SMS_RATE_PER_SECOND": 0, "SPEND_CAP_PER_DAY": 0, "MESSAGES_PER_PERSON_PER_DAY": 0, "SMS_RECIPIENT_INTERVAL": 0,
                    "SEND_DEADLINE": "2s", "SEND_BREAKER_FAILURES": 1000, **settings}
        worker = self.stack.start_worker("notify", wait=wait, OMNIBUS_FAILPOINT=failpoint, OMNIBUS_MUTATE=mutate, **settings)
        self.addCleanup(worker.kill)
        return worker

    def settled(self, requests):
        listed = "', '".join(requests.ids)
        return int(self.stack.database.value(
            f"SELECT count(*) FROM pipeline.delivery WHERE {SETTLED} AND request_id IN ('{listed}')"))

    def await_settled(self, requests, timeout=60):
        eventually(lambda: self.settled(requests) == len(requests), timeout, "every delivery having ended")

    def sent(self, simulator, requests):
        """Every delivery of these requests, with the provider's own count of it."""
        taken = simulator.client.get("/_simulator/sends?keys=1").json["keys"]
        rows = self.stack.database.execute(
            "SELECT request_id, effect_key, channel, state, attempt, COALESCE(reason, '') FROM pipeline.delivery")
        return [Sent(*row[1:], taken.get(row[1], 0)) for row in rows if row[0] in requests.ids]

    def assertTold(self, requests):
        """Each delivery's end is told by one event, and by the log that people see."""
        def told():
            return [record for record in self.stack.kafka.consume("notifications.results")
                    if record.json["request_id"] in requests.ids]
        eventually(lambda: len({(r.json["request_id"], r.json["channel"]) for r in told()}) == len(requests), 20, "the results")
        ids = {record.headers["ce_id"] for record in told()}
        self.assertEqual(len(ids), len(requests))
        logged = self.stack.database.execute(
            "SELECT count(*) FROM pipeline.delivery d JOIN message_delivery_log l USING (effect_key)"
            " WHERE l.status <> CASE d.state WHEN 'accepted' THEN 'sent' ELSE d.state END")
        self.assertEqual(logged, [["0"]])
