"""curl, which is libcurl in a great many programs. It sends a file as it is, and doubles dots."""

from checks import check, program
from messages import LARGE, TRICKY, message
from stage import HOSTNAME, PASSWORD, USER, expect

SENDER, RECIPIENT = "client@client.example", "user@example.com"


def send(stage, scheme, port, *options, data=TRICKY, status=0):
    file = stage.file("message", data)
    return stage.run(
        "curl", "--silent", "--show-error", "--verbose", f"{scheme}://{HOSTNAME}:{port}/client.example",
        "--resolve", f"{HOSTNAME}:{port}:127.0.0.1", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT,
        "--upload-file", file, *options, status=status,
    )


@check("curl: plain", program("curl"))
def plain(stage):
    server = stage.postern()
    send(stage, "smtp", server.port)
    server.stored_one(TRICKY, sender=SENDER, recipients=[RECIPIENT], protocol="ESMTP")


@check("curl: a large message", program("curl"))
def large(stage):
    server = stage.postern()
    content = message(LARGE)
    send(stage, "smtp", server.port, data=content)
    server.stored_one(content)


@check("curl: a message over the limit", program("curl"))
def over_the_limit(stage):
    """curl announces SIZE; 55 is how it says that it could not send."""
    server = stage.postern({"limits": {"message_octets_max": 1000}})
    said = send(stage, "smtp", server.port, status=55)
    expect("552" in said, said)
    expect(server.stored() == [], "a message is stored")


@check("curl: STARTTLS", program("curl"), program("openssl"))
def starttls(stage):
    server = stage.secure({"tls": "starttls", "certificate": "main"})
    for version in ["1.2", "1.3"]:
        send(
            stage, "smtp", server.port, "--ssl-reqd", "--cacert", stage.certificate()[0],
            f"--tlsv{version}", "--tls-max", version,
        )
    messages = server.stored()
    expect([each.content for each in messages] == [TRICKY] * 2, f"{len(messages)} messages, or changed ones")
    expect([each.tls for each in messages] == ["TLSv1.2", "TLSv1.3"], messages[0].received)


@check("curl: STARTTLS with a name the certificate does not have", program("curl"), program("openssl"))
def foreign_certificate(stage):
    """60 is how curl says that it does not trust the certificate; the server must survive that."""
    server = stage.secure({"tls": "starttls", "certificate": "main"})
    other, _ = stage.certificate("other.example.com")
    send(stage, "smtp", server.port, "--ssl-reqd", "--cacert", other, status=60)
    send(stage, "smtp", server.port, "--ssl-reqd", "--cacert", stage.certificate()[0])
    server.stored_one(TRICKY)


@check("curl: smtps", program("curl"), program("openssl"))
def smtps(stage):
    server = stage.secure({"tls": "implicit", "certificate": "main"})
    content = message(LARGE)
    send(stage, "smtps", server.port, "--cacert", stage.certificate()[0], data=content)
    server.stored_one(content, sender=SENDER, recipients=[RECIPIENT], protocol="ESMTPS")


def authentication(mechanism):
    @check(f"curl: AUTH {mechanism}", program("curl"), program("openssl"))
    def run(stage):
        server = stage.secure(
            {
                "tls": "implicit", "certificate": "main", "auth_mechanisms": [mechanism], "auth_required": True,
                "accept_domains": [], "users": {USER: PASSWORD},
            }
        )
        options = ["--cacert", stage.certificate()[0], "--login-options", f"AUTH={mechanism}"]
        send(stage, "smtps", server.port, *options, "--user", f"{USER}:{PASSWORD}")
        server.stored_one(TRICKY, protocol="ESMTPSA")
        # 67 is how curl says that the login was denied.
        send(stage, "smtps", server.port, *options, "--user", f"{USER}:wrong", status=67)
        server.stored_one(TRICKY)


for each in ["PLAIN", "LOGIN", "CRAM-MD5"]:
    authentication(each)
