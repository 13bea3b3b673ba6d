#!/usr/bin/env python3
"""What each role may ask of a gateway, and the tokens that `omnibus token` makes for them."""
import json
import pathlib
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway_case import BANK, MESSAGES, SHOP, GatewayCase, message, new_session  # noqa: E402
from harness import Http, binary, eventually  # noqa: E402

RECEIVED = "omnibus.chat.message.received.v1"
TELEMETRY = "/v1/telemetry?from=2026-11-18&to=2026-11-19"
# What each role of the tenant may ask; a stream that is opened does not end, so only its refusals are asked for.
SERVED = {
    "visitor": set(),
    "agent": {"transcript"},
    "operator": {"message", "event", "transcript", "telemetry"},
    "admin": {"message", "event", "transcript", "telemetry"},
    "service": {"message", "event", "transcript", "telemetry"},
}


class RolesTest(GatewayCase):
    def count(self, where):
        return int(self.stack.database.value(f"SELECT count(*) FROM access_log WHERE {where}"))

    def requests(self, domain=SHOP):
        """Each request of the table; the message's body names a higher role, which no route reads."""
        event_data = message(new_session(), domain=domain)
        body = {**event_data, "role": "admin", "adminOverride": True}
        id = self.store(new_session(), ["a"], domain)
        event = {"ce-specversion": "1.0", "ce-id": uuid.uuid4().hex, "ce-source": "/widget", "ce-type": RECEIVED}
        return {"message": ("POST", MESSAGES, body, None), "event": ("POST", "/v1/events", event_data, event),
                "transcript": ("GET", f"/v1/conversations/{id}", None, None), "telemetry": ("GET", TELEMETRY, None, None)}

    def test_each_request_is_served_to_the_roles_of_the_table_and_refused_to_others(self):
        for role, served in SERVED.items():
            client = Http(self.addresses[0], self.stack.add_token(role, SHOP))
            before = self.count("action = 'role.check'")
            requests = self.requests()
            for name, request in requests.items():
                with self.subTest(role=role, request=name):
                    answer = client.request(*request)
                    if name in served:
                        self.assertIn(answer.status, (200, 202), answer)
                    else:
                        problem = self.assertProblem(answer, 403)
                        self.assertIn(f"the token has the role {role}", problem["detail"])
                        self.assertRegex(problem["detail"], "needs the role (agent|operator) or service")
            self.assertEqual(self.count("action = 'role.check'") - before, len(requests) - len(served))
        visitor = Http(self.addresses[0], self.stack.add_token("visitor", SHOP))
        self.assertProblem(visitor.get(self.stream_path(uuid.uuid4())), 403)

    def test_another_tenants_things_are_not_there_for_any_role_of_a_tenant(self):
        for role, served in SERVED.items():
            client = Http(self.addresses[0], self.stack.add_token(role, SHOP))
            for name, request in self.requests(BANK).items():
                if name in served - {"telemetry"}:
                    with self.subTest(role=role, request=name):
                        self.assertProblem(client.request(*request), 404)
            if "telemetry" in served:
                self.assertProblem(client.get(f"{TELEMETRY}&domain={BANK}"), 404)
                self.assertEqual(client.get(TELEMETRY).json["domain"], SHOP)

    def test_an_operator_or_admin_without_a_tenant_acts_for_each_it_names(self):
        id = self.store(new_session(), ["a"], BANK)
        for role in ("operator", "admin"):
            client = Http(self.addresses[0], self.stack.add_token(role))
            self.assertEqual(client.get(f"/v1/conversations/{id}?domain={BANK}").status, 200)
            self.assertProblem(client.get(f"/v1/conversations/{id}?domain={SHOP}"), 404)
            self.assertProblem(client.get(f"/v1/conversations/{id}"), 400, "domain")
            self.assertEqual(client.post(MESSAGES, message(new_session(), domain=BANK)).status, 202)
            self.assertEqual(client.get(TELEMETRY).status, 200)
        self.assertEqual(self.count(f"action = 'transcript.read' AND domain = '{BANK}' AND object = '{id}'"), 2)

    def test_a_token_is_shown_listed_and_ends_with_its_time(self):
        made = self.stack.omnibus("token", "create", "--domain", SHOP, "--role", "agent", "--name", "Ada's desk", "--expires", "2s")
        token = made.strip()
        self.assertRegex(token, "^omnibus_[0-9a-f]{64}$")
        client = Http(self.addresses[0], token)
        path = f"/v1/conversations/{self.store(new_session(), ['a'])}"
        self.assertEqual(client.get(path).status, 200)
        listed = next(each for each in json.loads(self.stack.omnibus("token", "ls", "--json", "--domain", SHOP))["tokens"]
                      if each["name"] == "Ada's desk")
        self.assertEqual((listed["domain"], listed["role"], listed["state"]), (SHOP, "agent", "valid"))
        self.assertTrue(listed["expires_at"] and listed["last_used_at"])
        self.assertNotIn(token, str(listed))
        eventually(lambda: client.get(path).status == 401, 10, "the token being expired")
        self.assertIn("expired", self.stack.omnibus("token", "ls", "--domain", SHOP))

    def test_a_token_is_revoked_by_its_id(self):
        client = Http(self.addresses[0], self.stack.add_token("admin"))
        self.assertEqual(client.get(TELEMETRY).status, 200)
        for each in json.loads(self.stack.omnibus("token", "ls", "--json"))["tokens"]:
            if each["role"] == "admin" and each["state"] == "valid":
                self.stack.omnibus("token", "revoke", each["id"])
        eventually(lambda: client.get(TELEMETRY).status == 401, 3, "the token being refused")

    def test_the_tool_refuses_tokens_that_cannot_be(self):
        for arguments, status, said in ((("--role", "agent"), 1, "give --domain"), (("--role", "king"), 64, "--role"),
                                        (("--domain", "nobody.example"), 1, "omnibus tenant add nobody.example"),
                                        (("--role", "admin", "--expires", "soon"), 1, "--expires"),
                                        (("--role", "admin", "--expires", "0s"), 1, "--expires"),
                                        (("--role", "admin", "--name", "a\nb"), 1, "--name")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([binary("omnibus"), "token", "create", "--database", self.stack.database_url(), *arguments],
                                      text=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, status, done.stdout)
                self.assertIn(said, done.stdout)


if __name__ == "__main__":
    unittest.main()
