"""Perl's Net::SMTP with IO::Socket::SSL and Authen::SASL, through the script beside this file."""

import pathlib

from checks import check, perl, program
from messages import TRICKY
from stage import HOSTNAME, PASSWORD, USER

SENDER, RECIPIENTS = "client@client.example", ["user@example.com", "other@example.com"]
SCRIPT = pathlib.Path(__file__).with_name("net_smtp.pl")


def send(stage, port, *options, status=0):
    file = stage.file("message", TRICKY)
    return stage.run("perl", SCRIPT, port, file, SENDER, ",".join(RECIPIENTS), *options, status=status)


@check("Net::SMTP: plain", perl("Net::SMTP"))
def plain(stage):
    server = stage.postern()
    send(stage, server.port)
    server.stored_one(TRICKY, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTP")


def encrypted(tls, word):
    @check(f"Net::SMTP: {tls} TLS", perl("Net::SMTP"), perl("IO::Socket::SSL"), program("openssl"))
    def run(stage):
        server = stage.secure({"tls": tls, "certificate": "main"})
        send(stage, server.port, f"{word}={stage.certificate()[0]}", f"name={HOSTNAME}")
        server.stored_one(TRICKY, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTPS")


for each in [("starttls", "starttls"), ("implicit", "ssl")]:
    encrypted(*each)


def authentication(mechanism):
    tools = [perl("Net::SMTP"), perl("IO::Socket::SSL"), perl("Authen::SASL"), program("openssl")]

    @check(f"Net::SMTP: AUTH {mechanism}", *tools)
    def run(stage):
        server = stage.secure(
            {
                "tls": "starttls", "certificate": "main", "auth_mechanisms": [mechanism], "auth_required": True,
                "accept_domains": [], "users": {USER: PASSWORD},
            }
        )
        options = [f"starttls={stage.certificate()[0]}", f"name={HOSTNAME}", f"mechanism={mechanism}", f"user={USER}"]
        send(stage, server.port, *options, f"password={PASSWORD}")
        server.stored_one(TRICKY, protocol="ESMTPSA")
        send(stage, server.port, *options, "password=wrong", status=3)


for each in ["PLAIN", "LOGIN", "CRAM-MD5"]:
    authentication(each)
