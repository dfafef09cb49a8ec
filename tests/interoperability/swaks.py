"""swaks, which speaks the extensions of administrators: XCLIENT and the PROXY protocol beside TLS and AUTH."""

from checks import check, program
from messages import MODEST, TRICKY
from stage import PASSWORD, USER, expect

SENDER, RECIPIENTS = "client@client.example", ["user@example.com", "other@example.com"]


def send(stage, port, *options, data=MODEST):
    """Sends one message; the transcript. swaks doubles dots, and ends the last line."""
    file = stage.file("message", data.removesuffix(b"\r\n"))
    return stage.run(
        "swaks", "--server", "127.0.0.1", "--port", port, "--helo", "client.example", "--from", SENDER,
        "--to", ",".join(RECIPIENTS), "--data", f"@{file}", *options,
    )


@check("swaks: plain", program("swaks"))
def plain(stage):
    server = stage.postern()
    send(stage, server.port)
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTP")


@check("swaks: HELO", program("swaks"))
def helo(stage):
    server = stage.postern()
    send(stage, server.port, "--protocol", "SMTP")
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="SMTP")


@check("swaks: raw mail data", program("swaks"))
def raw(stage):
    """Nothing is mended: these octets go over the wire, dots doubled here."""
    server = stage.postern()
    wire = (b"\r\n" + TRICKY).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n\r\n"
    send(stage, server.port, "--no-data-fixup", data=wire)
    server.stored_one(TRICKY)


@check("swaks: pipelining", program("swaks"))
def pipelining(stage):
    server = stage.postern()
    said = send(stage, server.port, "--pipeline")
    expect("PIPELINING" in said, said)
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS)


@check("swaks: STARTTLS", program("swaks"), program("openssl"))
def starttls(stage):
    server = stage.secure({"tls": "starttls", "certificate": "main"})
    said = send(stage, server.port, "--tls")
    expect("TLS started" in said, said)
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTPS")


@check("swaks: implicit TLS, pipelined", program("swaks"), program("openssl"))
def implicit_tls(stage):
    server = stage.secure({"tls": "implicit", "certificate": "main"})
    send(stage, server.port, "--tlsc", "--pipeline")
    server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTPS")


def authentication(mechanism):
    @check(f"swaks: AUTH {mechanism}", program("swaks"), program("openssl"))
    def run(stage):
        server = stage.secure(
            {
                "tls": "starttls", "certificate": "main", "auth_mechanisms": [mechanism], "auth_required": True,
                "accept_domains": [], "users": {USER: PASSWORD},
            }
        )
        options = ["--auth", mechanism, "--auth-user", USER]
        send(stage, server.port, "--tls", *options, "--auth-password", PASSWORD)
        server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS, protocol="ESMTPSA")
        # The wrong password: 28 is how swaks says that AUTH failed.
        file = stage.file("again", MODEST)
        stage.run(
            "swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER, "--to", RECIPIENTS[0], "--tls",
            "--data", f"@{file}", *options, "--auth-password", "wrong", status=28,
        )
        server.stored_one(MODEST)


for each in ["PLAIN", "LOGIN", "CRAM-MD5"]:
    authentication(each)


@check("swaks: XCLIENT", program("swaks"))
def xclient(stage):
    server = stage.postern({"xclient_from": ["127.0.0.1"]})
    send(
        stage, server.port, "--xclient-addr", "203.0.113.9", "--xclient-name", "spike.client.example",
        "--xclient-helo", "renamed.client.example",
    )
    message = server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS)
    expect("203.0.113.9" in message.received, message.received)
    expect("127.0.0.1" not in message.received, message.received)


@check("swaks: XCLIENT by a stranger", program("swaks"))
def xclient_of_a_stranger(stage):
    server = stage.postern({"xclient_from": ["192.0.2.0/24"]})
    file = stage.file("message", MODEST)
    # 33 is how swaks says that XCLIENT is not offered.
    stage.run(
        "swaks", "--server", "127.0.0.1", "--port", server.port, "--from", SENDER, "--to", RECIPIENTS[0],
        "--data", f"@{file}", "--xclient-addr", "203.0.113.9", status=33,
    )
    expect(server.stored() == [], "a message is stored")


def proxy_protocol(version):
    @check(f"swaks: PROXY protocol version {version}", program("swaks"))
    def run(stage):
        server = stage.postern({"proxy_protocol_from": ["127.0.0.1"]})
        send(
            stage, server.port, "--proxy-version", version, "--proxy-family", "TCP4" if version == 1 else "AF_INET",
            *([] if version == 1 else ["--proxy-protocol", "STREAM", "--proxy-command", "PROXY"]),
            "--proxy-source", "203.0.113.9", "--proxy-source-port", "4711",
            "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25",
        )
        message = server.stored_one(MODEST, sender=SENDER, recipients=RECIPIENTS)
        expect("203.0.113.9" in message.received, message.received)


for each in [1, 2]:
    proxy_protocol(each)
