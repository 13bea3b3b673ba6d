"""What tests of the gateway stand on: two instances, a broker, PostgreSQL, two tenants."""
import unittest
import uuid

from harness import Http, Stack, conversation_id_of

SHOP, BANK = "shop.example", "bank.example"
MESSAGES = "/v1/chat/messages"
DELTA, GENERATED = "omnibus.chat.reply.delta.v1", "omnibus.chat.reply.generated.v1"


def message(session_id, text="Hello?", domain=SHOP):
    return {"domain": domain, "session_id": session_id, "text": text}


def new_session():
    return f"s-{uuid.uuid4().hex[:12]}"


class GatewayCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.token = cls.stack.add_tenant(SHOP)
        cls.other_token = cls.stack.add_tenant(BANK)
        cls.operator_token = cls.stack.add_token("operator")
        settings = {"TOKEN_CACHE": "1s", "STREAM_HEARTBEAT": "300ms", "STREAM_OPEN_WAIT": "1s", "PUBLISH_TIMEOUT": "3s"}
        cls.gateways = [cls.stack.start_worker("gateway", **settings) for _ in range(2)]
        cls.addresses = [gateway.address for gateway in cls.gateways]
        cls.shop, cls.shop_b = [Http(address, cls.token) for address in cls.addresses]
        cls.bank = Http(cls.addresses[0], cls.other_token)
        cls.operator = Http(cls.addresses[0], cls.operator_token)

    def assertProblem(self, answer, status, field=None):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json", answer)
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["title"])
        if field is not None:
            self.assertEqual(problem.get("field"), field, answer)
        return problem

    def records(self, event_id, topic="chat.messages"):
        return [record for record in self.stack.kafka.consume(topic) if record.headers.get("ce_id") == event_id]

    def store(self, session_id, texts=(), domain=SHOP, status="open"):
        """A stored conversation, as the chat worker would leave it."""
        id = conversation_id_of(domain, session_id)
        rows = "".join(
            f"INSERT INTO messages (conversation_id, seq, role, content) VALUES ('{id}', {number}, "
            f"'{'user' if number % 2 else 'assistant'}', '{text}');" for number, text in enumerate(texts, 1))
        self.stack.database.execute(
            f"INSERT INTO conversations (id, domain, session_id, status) VALUES ('{id}', '{domain}', '{session_id}', '{status}');"
            + rows)
        return id

    def reply(self, conversation_id, in_reply_to, parts, ended=True, begin=0):
        """Publishes a reply as the chat worker would."""
        common = {"conversation_id": conversation_id, "in_reply_to": in_reply_to}
        events = [(DELTA, {**common, "index": begin + index, "text": part}) for index, part in enumerate(parts)]
        if ended:
            events.append((GENERATED, {**common, "text": "".join(parts)}))
        self.stack.kafka.publish("chat.replies", conversation_id, events)

    def assertServes(self, address=None):
        answer = Http(address or self.addresses[0], self.token).post(MESSAGES, message(new_session()))
        self.assertEqual(answer.status, 202, answer)

    def stream_path(self, id):
        return f"/v1/conversations/{id}/events"
