"""A real SMTP server for tests: prints its port, then each message that it took as a line of JSON. The recipient's
name says what it does: `refused` 550, `later` 451 until it comes again, `doubt` takes the message and hangs up without
an answer, `greylisted` 451 for the message's text. It ends with its standard input."""
import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self):
        self.seen = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refused":
            return "550 5.1.1 no such person"
        if name == "later" and name not in self.seen:
            self.seen.add(name)
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "greylisted":
            return "451 4.3.0 try again later"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "subject": str(message["Subject"]),
            "to": str(message["To"]), "headers": list(message.keys()),
            "text": message.get_body(("plain",)).get_content(), "html": message.get_body(("html",)).get_content(),
            "longest_line": max(map(len, envelope.content.split(b"\r\n"))),
            "unsubscribe": str(message["List-Unsubscribe"])}), flush=True)
        if name == "doubt":
            server.transport.abort()
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    handler = Handler()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mail.example", auth_require_tls=False,
                     authenticator=lambda *_: AuthResult(success=False, handled=False)),  # knows no password
        "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
