#!/usr/bin/env python3
"""The export of a person, held against what this test reads from tables and topics by itself."""
import hashlib
import hmac
import io
import json
import os
import pathlib
import socket
import sys
import tarfile
import unittest
import unittest.mock
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Http, Stack, conversation_id_of, eventually, structured_event  # noqa: E402

SHOP = "shop.example"
SECRET = "a profile secret of the test"
NUMBER, STRANGER, LEAVER = "+250788123456", "+250788999999", "+250788777777"
SESSION = "s-of-the-person"


def subject_key(text):
    return hmac.new(SECRET.encode(), f"{SHOP}\n{text}".encode(), hashlib.sha256).hexdigest()[:32]


def sms(number, text):
    return structured_event("omnibus.sms.message.received.v1", {
        "domain": SHOP, "provider": "mtn", "provider_message_id": uuid.uuid4().hex, "phone_number": number, "recipient": "8000",
        "text": text, "received_at": "2026-11-29T10:00:00Z"})


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("embedded")
        cls.addClassCleanup(cls.stack.close)
        cls.stack.add_tenant(SHOP)
        environment = unittest.mock.patch.dict(os.environ, {"PROFILE_KEY_SECRET": SECRET})  # of the tool
        environment.start()
        cls.addClassCleanup(environment.stop)
        settings = {"PROFILE_KEY_SECRET": SECRET, "PII_MASTER_KEY": "the master key of the test"}
        gateway = cls.stack.start_worker("gateway", TOKEN_CACHE="1s", WEBHOOK_REGION="RW", **settings)
        cls.stack.start_worker("sms", LLM_BASE_URL=cls.stack.start_simulator().url)
        cls.gdpr = cls.stack.start_worker("gdpr", **settings)
        cls.admin = Http(gateway.address, cls.stack.add_token("admin", SHOP))
        for number, text in ((NUMBER, "canary: where is my card?"), (NUMBER, "canary: STOP"), (STRANGER, "a stranger's"),
                             (LEAVER, "farewell")):
            cls.stack.kafka.publish_all("sms.inbound", [(subject_key(number), sms(number, text))])
        conversation = conversation_id_of(SHOP, SESSION)
        cls.stack.database.execute(
            f"INSERT INTO conversations (id, domain, session_id) VALUES ('{conversation}', '{SHOP}', '{SESSION}');"
            f"INSERT INTO messages (conversation_id, seq, role, content) SELECT '{conversation}', n, 'user', 'canary ' || n"
            " FROM generate_series(1, 3000) n")
        cls.stack.database.execute(
            "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id)"
            f" SELECT '{SHOP}', '{uuid.uuid4()}', kind, key, kind FROM (VALUES ('phone', '{subject_key(NUMBER)}'),"
            f" ('session', '{subject_key('session:' + SESSION)}')) AS l (kind, key)")
        eventually(lambda: cls.value("SELECT count(*) FROM message_delivery_log WHERE direction = 'inbound'") == "4", 20,
                   "the messages")

    @classmethod
    def value(cls, sql):
        return cls.stack.database.value(sql)

    def export(self, **identity):
        answer = self.admin.request("POST", "/v1/gdpr/exports", identity, {"Prefer": "wait=30"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["status"], "completed", answer)
        return answer.json

    def cut_at_half(self, path, size):
        host, port = self.admin.address.split(":")
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.admin.token}\r\n\r\n".encode())
            got = b""
            while len(got) < size // 2:
                got += peer.recv(size // 2)

    def fetch(self, request):
        path, size = f"/v1/gdpr/requests/{request['id']}/archive", request["archive"]["size"]
        head = self.admin.request("HEAD", path)
        self.assertEqual((head.status, head.headers["Content-Length"]), (200, str(size)))
        first = self.admin.get(path, {"Range": "bytes=0-1"})
        self.assertEqual((first.status, first.body), (206, b"\x1f\x8b"))
        self.cut_at_half(path, size)
        whole = self.admin.get(path)
        self.assertEqual((whole.status, len(whole.body)), (200, size))
        self.assertEqual(hashlib.sha256(whole.body).hexdigest(), request["archive"]["sha256"])
        self.assertEqual(self.admin.get(path).status, 410)
        return whole.body

    @staticmethod
    def files(archive):
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            return {member.name: tar.extractfile(member).read() for member in tar}

    def rows(self, files, of):
        return [json.loads(line) for name in sorted(files) if name.rsplit(".", 2)[0] == of
                for line in files[name].splitlines()]

    def test_the_archive_is_complete_and_its_sums_are_true(self):
        request = self.export(phone_number="0788 123 456")
        files = self.files(self.fetch(request))
        manifest = json.loads(files.pop("manifest.json"))
        self.assertEqual({each["name"] for each in manifest["files"]}, set(files))
        for each in manifest["files"]:
            content = files[each["name"]]
            self.assertEqual((each["sha256"], each["bytes"], each["lines"]),
                             (hashlib.sha256(content).hexdigest(), len(content), content.count(b"\n")))
        # Tables, as this test finds the person's rows.
        profile = self.value(f"SELECT id FROM profiles WHERE phone_number = '{NUMBER}'")
        conversation = conversation_id_of(SHOP, SESSION)
        for table, where in (("profiles", f"id = '{profile}'"), ("omnichannel_sessions", f"profile_id = '{profile}'"),
                             ("message_delivery_log", f"profile_id = '{profile}'"), ("conversations", f"id = '{conversation}'"),
                             ("messages", f"conversation_id = '{conversation}'"), ("identity_links", "true"),
                             ("suppressions", "true")):
            with self.subTest(table=table):
                key = "channel" if table == "suppressions" else "id"
                expected = {row[0] for row in self.stack.database.execute(f"SELECT {key} FROM {table} WHERE {where}")}
                exported = self.rows(files, table)
                self.assertEqual({row[key] for row in exported}, expected)
                self.assertEqual(len(exported), len(expected))
        # Topics, by kcat: what is keyed by the person, the profile or the conversation.
        keys = {subject_key(NUMBER), profile, conversation}
        seen = 0
        for topic in ("sms.inbound", "notifications.requested", "chat.messages", "chat.replies", "sms.inbound.dlq"):
            with self.subTest(topic=topic):
                expected = {(record.partition, record.offset) for record in self.stack.kafka.consume(topic) if record.key in keys}
                seen += len(expected)
                self.assertEqual({(row["partition"], row["offset"]) for row in self.rows(files, topic)}, expected)
        self.assertGreaterEqual(seen, 2)
        everything = b"".join(files.values()).decode()
        self.assertIn("canary: where is my card?", everything)
        self.assertNotIn(STRANGER, everything)
        self.assertNotIn("a stranger's", everything)
        for key in (subject_key(NUMBER), subject_key("session:" + SESSION)):
            self.assertNotIn(key, everything)

    def test_neither_number_nor_text_is_left_where_requests_are_kept(self):
        self.export(phone_number=NUMBER)
        self.assertEqual(self.admin.post("/v1/gdpr/deletions", {"phone_number": "788 nonsense"}).status, 422)
        for table in ("gdpr_requests", "gdpr_audit_log", "access_log", "gdpr_archives"):
            with self.subTest(table=table):
                self.assertEqual(self.value(f"SELECT count(*) FROM {table} t WHERE t::text ~ '788123456|canary|nonsense'"), "0")
        for topic in ("gdpr.requests", "gdpr.audit"):
            for record in self.stack.kafka.consume(topic):
                self.assertNotRegex(record.value + str(record.headers), "788123456|canary|nonsense")
        self.assertNotRegex(self.gdpr.log.read_text(), "788123456|canary|nonsense")

    def test_a_deletion_right_behind_an_export_waits_for_it_and_leaves_its_archive(self):
        asked = self.admin.post("/v1/gdpr/exports", {"phone_number": LEAVER})
        self.assertEqual(asked.status, 202, asked)
        deletion = self.admin.request("POST", "/v1/gdpr/deletions", {"phone_number": LEAVER}, {"Prefer": "wait=30"})
        self.assertEqual((deletion.status, deletion.json["status"]), (200, "completed"), deletion)
        self.assertFalse(deletion.json["found_nothing"])
        self.assertEqual(self.value(f"SELECT count(*) FROM profiles WHERE phone_number = '{LEAVER}'"), "0")
        export = self.admin.get(f"/v1/gdpr/requests/{asked.json['request_id']}").json
        files = self.files(self.fetch(export))
        self.assertEqual([row["content"] for row in self.rows(files, "message_delivery_log") if row["direction"] == "inbound"],
                         ["farewell"])

    def test_a_dry_run_lists_the_joined_identities_and_changes_nothing(self):
        before = self.value("SELECT count(*) FROM gdpr_archives")
        for command in ("export", "delete"):
            run = json.loads(self.stack.omnibus("gdpr", command, "--phone", "0788 123 456", "--dry-run", "--json"))
            self.assertEqual({each["kind"] for each in run["identities"]}, {"profile", "conversation", "link"})
            self.assertIn("+2507*****56", [each["known_by"] for each in run["identities"]])
            self.assertEqual(run["request"]["status"], "completed")
            self.assertGreater(sum(run["request"]["counts"].values()), 0)
        self.assertEqual(self.value("SELECT count(*) FROM gdpr_archives"), before)
        self.assertEqual(self.value(f"SELECT count(*) FROM profiles WHERE phone_number = '{NUMBER}'"), "1")
        with self.assertRaisesRegex(AssertionError, "no phone number"):
            self.stack.omnibus("gdpr", "delete", "--phone", "12")

    def test_an_export_of_nobody_is_completed_with_zero_counts(self):
        request = self.export(phone_number="+250788000000")
        self.assertTrue(request["found_nothing"])
        self.assertEqual(self.rows(self.files(self.fetch(request)), "profiles"), [])


if __name__ == "__main__":
    unittest.main()
