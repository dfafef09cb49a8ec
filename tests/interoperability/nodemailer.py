"""nodemailer, through the script beside this file."""

import json
import os
import pathlib

from checks import check, program, succeeds
from messages import MODEST
from stage import HOSTNAME, PASSWORD, USER, expect

SENDER, RECIPIENTS = "client@client.example", ["user@example.com", "other@example.com"]
SCRIPT = pathlib.Path(__file__).with_name("nodemailer.js")

# Where Debian's packages of modules lie, which other builds of node do not look at.
os.environ["NODE_PATH"] = os.environ.get("NODE_PATH", "") + ":/usr/share/nodejs"
MODULE = ("the module nodemailer of node", lambda: succeeds("node", "-e", "require('nodemailer')"))


def send(stage, transport, count=1, status=0, sender=SENDER, recipients=RECIPIENTS):
    """Sends the message `count` times over what `transport` says; `raw` goes out as it is, dots doubled."""
    order = {
        "transport": {"host": "127.0.0.1", "name": "client.example", "ignoreTLS": True, **transport},
        "file": str(stage.file("message", MODEST)),
        "envelope": {"from": sender, "to": recipients},
        "count": count,
    }
    return stage.run("node", SCRIPT, stdin=json.dumps(order).encode(), status=status)


def trusting(stage):
    chain = stage.certificate()[0].read_text()
    return {"tls": {"ca": chain, "servername": HOSTNAME}, "ignoreTLS": False}


@check("nodemailer: plain", program("node"), MODULE)
def plain(stage):
    server = stage.postern()
    send(stage, {"port": server.port})
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTP")


@check("nodemailer: a pool of connections", program("node"), MODULE)
def pool(stage):
    """Many messages at once over a few connections that stay."""
    server = stage.postern()
    send(stage, {"port": server.port, "pool": True, "maxConnections": 4, "maxMessages": 20}, count=200)
    messages = server.stored()
    expect(len(messages) == 200, f"{len(messages)} of 200 messages are stored")
    expect(all(each.content == MODEST for each in messages), "a message is changed")


@check("nodemailer: SMTPUTF8", program("node"), MODULE)
def utf8(stage):
    server = stage.postern()
    send(stage, {"port": server.port}, sender="j\u00f6rg@client.example", recipients=["\u7528\u6237@example.com"])
    server.stored_one(MODEST, sender="j\u00f6rg@client.example", recipients=["\u7528\u6237@example.com"])


@check("nodemailer: STARTTLS", program("node"), MODULE, program("openssl"))
def starttls(stage):
    server = stage.secure({"tls": "starttls", "certificate": "main"})
    send(stage, {"port": server.port, "requireTLS": True, **trusting(stage)})
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTPS")


@check("nodemailer: implicit TLS", program("node"), MODULE, program("openssl"))
def secure(stage):
    server = stage.secure({"tls": "implicit", "certificate": "main"})
    send(stage, {"port": server.port, "secure": True, **trusting(stage)})
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTPS")


def authentication(mechanism):
    @check(f"nodemailer: AUTH {mechanism}", program("node"), MODULE, program("openssl"))
    def run(stage):
        server = stage.secure(
            {
                "tls": "starttls", "certificate": "main", "auth_mechanisms": [mechanism], "auth_required": True,
                "accept_domains": [], "users": {USER: PASSWORD},
            }
        )
        transport = {"port": server.port, "requireTLS": True, "authMethod": mechanism, **trusting(stage)}
        send(stage, {**transport, "auth": {"user": USER, "pass": PASSWORD}})
        server.stored_one(MODEST, protocol="ESMTPSA")
        said = send(stage, {**transport, "auth": {"user": USER, "pass": "wrong"}}, status=1)
        expect("EAUTH" in said, said)


for each in ["PLAIN", "LOGIN", "CRAM-MD5"]:
    authentication(each)
