"""Python's smtplib, whole messages and commands by hand."""

import email.message
import email.policy
import smtplib
import ssl

from checks import check, program
from messages import LARGE, TRICKY, message
from stage import PASSWORD, PATIENCE_SECONDS, USER, Failure, expect

SENDER, RECIPIENTS = "client@client.example", ["user@example.com", "other@example.com"]


class Recording(smtplib.SMTP):
    """Keeps what is given to DATA, before dots are doubled: the mail data of the wire."""

    def data(self, msg):
        self.mail_data = msg
        return super().data(msg)


def connect(server, kind=smtplib.SMTP, profile="inbound", **options):
    return kind("127.0.0.1", server.port_of(profile), local_hostname="client.example", timeout=PATIENCE_SECONDS, **options)


def trust(stage):
    """Verifies certificate and name, as a program does that means it."""
    return ssl.create_default_context(cafile=stage.certificate()[0])


@check("smtplib: sendmail")
def sendmail(stage):
    server = stage.postern()
    with connect(server) as client:
        client.sendmail(SENDER, RECIPIENTS, TRICKY)
        client.sendmail("", RECIPIENTS[:1], message(LARGE))
    first, second = server.stored()
    expect(first.content == TRICKY and first.recipients == RECIPIENTS, "the first message is another one")
    expect(second.content == message(LARGE) and second.sender == "", "the second message is another one")


@check("smtplib: send_message with SMTPUTF8")
def send_message(stage):
    server = stage.postern({"accept_domains": ["*"]})
    letter = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    letter["From"], letter["To"] = "J\u00f6rg <j\u00f6rg@b\u00fccher.example>", "\u7528\u6237@\u4f8b\u5b50.example"
    letter["Subject"] = "Gr\u00fc\u00dfe"
    letter.set_content(".\n\u20ac 5\n", cte="8bit")
    with connect(server, Recording) as client:
        client.send_message(letter)
        sent = client.mail_data
    expect("j\u00f6rg@b\u00fccher.example".encode() in sent, "smtplib did not send UTF-8")
    server.stored_one(
        sent, sender="j\u00f6rg@b\u00fccher.example", recipients=["\u7528\u6237@\u4f8b\u5b50.example"], protocol="UTF8SMTP"
    )


@check("smtplib: BDAT")
def bdat(stage):
    """Chunks cut anywhere: within CRLF, before a dot; the dots are content, and an empty last chunk ends it."""
    server = stage.postern()
    content = TRICKY + message(LARGE)
    cuts = [0, 1, content.index(b"\r\n.") + 1, content.index(b"\r\n.") + 2, 5_000, 70_000, 70_001, len(content), len(content)]
    with connect(server) as client:
        client.ehlo()
        expect(client.has_extn("chunking"), "CHUNKING is not offered")
        client.mail(SENDER, ["BODY=8BITMIME"])
        client.rcpt(RECIPIENTS[0])
        for begin, end in zip(cuts, cuts[1:]):
            last = " LAST" if end == begin else ""
            client.send(f"BDAT {end - begin}{last}\r\n".encode() + content[begin:end])
            code, said = client.getreply()
            expect(code == 250, f"BDAT was answered {code} {said!r}")
    server.stored_one(content, sender=SENDER)


@check("smtplib: BDAT with BINARYMIME")
def binary(stage):
    server = stage.postern()
    content = bytes(range(256)) * 3 + b"\r\n.\r\n" + b"\r\n\n\r\0" * 40_000
    with connect(server) as client:
        client.ehlo()
        expect(client.has_extn("binarymime"), "BINARYMIME is not offered")
        client.mail(SENDER, ["BODY=BINARYMIME"])
        client.rcpt(RECIPIENTS[0])
        client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        code, said = client.getreply()
        expect(code == 250, f"BDAT was answered {code} {said!r}")
    server.stored_one(content)


@check("smtplib: DSN parameters and VRFY")
def dsn(stage):
    server = stage.postern()
    with connect(server) as client:
        expect(client.ehlo()[0] == 250 and client.has_extn("dsn"), "DSN is not offered")
        expect(client.verify("user")[0] == 252, "VRFY is not answered 252")
        options = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;user@example.com"]
        client.sendmail(SENDER, RECIPIENTS, TRICKY, ["RET=HDRS", "ENVID=1+2B1"], options)
    server.stored_one(TRICKY, sender=SENDER, recipients=RECIPIENTS)


@check("smtplib: starttls", program("openssl"))
def starttls(stage):
    server = stage.secure({"tls": "starttls", "certificate": "main"})
    with connect(server) as client:
        # The certificate is checked against the name that the client meant to reach.
        client._host = "localhost"
        client.starttls(context=trust(stage))
        client.ehlo()
        expect(not client.has_extn("starttls"), "STARTTLS is offered under TLS")
        client.sendmail(SENDER, RECIPIENTS, TRICKY)
        client.sendmail(SENDER, RECIPIENTS, TRICKY)
    expect([each.content for each in server.stored()] == [TRICKY] * 2, "the messages are others")


@check("smtplib: SMTP_SSL and BDAT", program("openssl"))
def implicit_tls(stage):
    server = stage.secure({"tls": "implicit", "certificate": "main"})
    content = message(LARGE)
    with connect(server, smtplib.SMTP_SSL, context=trust(stage)) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(RECIPIENTS[0])
        client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        expect(client.getreply()[0] == 250, "BDAT is refused")
    server.stored_one(content, protocol="ESMTPS")


def authentication(mechanism):
    @check(f"smtplib: login, {mechanism}", program("openssl"))
    def run(stage):
        server = stage.secure(
            {
                "tls": "implicit", "certificate": "main", "auth_mechanisms": [mechanism], "auth_required": True,
                "accept_domains": [], "users": {USER: PASSWORD},
            }
        )
        with connect(server, smtplib.SMTP_SSL, context=trust(stage)) as client:
            try:
                client.login(USER, "wrong")
                raise Failure("the wrong password is taken")
            except smtplib.SMTPAuthenticationError as refused:
                expect(refused.smtp_code == 535, f"the wrong password is answered {refused}")
            client.login(USER, PASSWORD)
            client.sendmail(SENDER, RECIPIENTS, TRICKY)
        server.stored_one(TRICKY, protocol="ESMTPSA")


for each in ["PLAIN", "LOGIN", "CRAM-MD5"]:
    authentication(each)


@check("smtplib: what is not authenticated is refused", program("openssl"))
def not_authenticated(stage):
    server = stage.secure(
        {"tls": "starttls", "certificate": "main", "auth_mechanisms": ["PLAIN"], "auth_required": True, "users": {USER: PASSWORD}}
    )
    with connect(server) as client:
        client.ehlo()
        expect(not client.has_extn("auth"), "AUTH is offered in plain text")
        code, said = client.docmd("MAIL", f"FROM:<{SENDER}>")
        expect(code == 530, f"MAIL without AUTH is answered {code} {said!r}")
