"""A mail server for tests. Takes its settings as one JSON document, prints its port, and keeps each mail it takes
as a JSON file in FOLDER. What it answers to a mail stands in FOLDER/answers, asked anew for each: lines of
`RECIPIENT ANSWER`, where RECIPIENT may be `*` and ANSWER is a line of SMTP or `hang`."""

import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

settings = json.loads(sys.argv[1])
folder = pathlib.Path(settings["folder"])
taken = 0


def authenticate(server, session, envelope, mechanism, data):
    expected = LoginPassword(settings["user"].encode(), settings["password"].encode())
    return AuthResult(success=data == expected)


def answer(recipient):
    try:
        lines = (folder / "answers").read_text().splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        name, words = line.split(" ", 1)
        if name in ("*", recipient):
            return words
    return None


def parts(message):
    return {
        part.get_content_type(): {"charset": part.get_content_charset(), "text": part.get_content()}
        for part in message.walk()
        if not part.is_multipart()
    }


class Handler:
    async def handle_DATA(self, server, session, envelope):
        global taken
        words = answer(envelope.rcpt_tos[0])
        if words == "hang":
            await asyncio.sleep(3600)
        if words is not None:
            return words
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": server.transport.get_extra_info("ssl_object") is not None or session.ssl is not None,
            "authenticated": session.authenticated,
            "headers": [[name, str(value)] for name, value in message.items()],
            "parts": parts(message),
        }
        taken += 1
        aside = folder / f".{taken}"
        aside.write_text(json.dumps(mail))
        aside.rename(folder / f"{taken:04}.json")
        return "250 2.0.0 taken"


def context():
    if not settings["certificate"]:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(settings["certificate"], settings["key"])
    return made


def session():
    options = {"hostname": "localhost", "enable_SMTPUTF8": True}
    if settings["user"]:
        tls = settings["security"] != "none"
        options |= {
            "auth_required": True,
            "authenticator": authenticate,
            # It does not know of a TLS that was there before its first word.
            "auth_require_tls": settings["security"] == "starttls" and tls,
        }
    if settings["security"] == "starttls" and settings["certificate"]:
        options |= {"tls_context": context(), "require_starttls": True}
    return SMTP(Handler(), **options)


async def main():
    tls = context() if settings["security"] == "tls" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", settings["port"], ssl=tls)
    aside = folder / ".port"
    aside.write_text(str(server.sockets[0].getsockname()[1]))
    aside.rename(folder / "port")
    await asyncio.Event().wait()


asyncio.run(main())
