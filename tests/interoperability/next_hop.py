"""postern before other servers: Postfix as its next hop, another postern, and an LMTP server written here.

What the client sent must come out at the far end octet by octet, behind one `Received:` of each server on the way.
"""

import smtplib
import socketserver
import threading

from checks import check, program
from messages import DOTS, LARGE, MODEST, TRICKY, message
from postfix import RECIPIENT, ROOT, SENDER, Postfix, expect_relayed
from stage import PATIENCE_SECONDS, Failure, expect

CONTENTS = [MODEST, message(DOTS), message(b""), message(LARGE), TRICKY]


def submit(server, contents=CONTENTS, recipients=(RECIPIENT,), options=()):
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
        for content in contents:
            client.sendmail(SENDER, recipients, content, options)


def before(stage, destination, **profile):
    return stage.postern({"destination": destination, **profile})


@check("postern before Postfix", program("postfix"), ROOT)
def before_postfix(stage):
    """postern to Postfix to postern, at whose end the Maildir is."""
    last = stage.postern()
    relay = Postfix(stage, last.port)
    first = before(stage, f"smtp://127.0.0.1:{relay.port}")
    submit(first)
    expect_relayed(last, relay, CONTENTS)


@check("postern before Postfix with STARTTLS", program("postfix"), ROOT, program("openssl"))
def before_postfix_tls(stage):
    last = stage.postern()
    chain, key = stage.certificate()
    settings = {"smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": chain, "smtpd_tls_key_file": key}
    relay = Postfix(stage, last.port, settings)
    first = before(
        stage, f"smtp://127.0.0.1:{relay.port}",
        next_hop={"tls": "required", "tls_trusted": str(chain), "tls_name": "mx.example.com"},
    )
    submit(first)
    expect_relayed(last, relay, CONTENTS)
    expect("with ESMTPS" in str(last.stored()[0].content), "Postfix did not take it over TLS")


@check("postern before Postfix: a recipient that Postfix refuses", program("postfix"), ROOT)
def refused_recipient(stage):
    """Its reply is the client's reply, and the other recipient gets the message."""
    last = stage.postern()
    rules = "inline:{ nobody@example.com=REJECT }"
    relay = Postfix(stage, last.port, {"smtpd_recipient_restrictions": f"check_recipient_access {rules}, permit_mynetworks, reject"})
    first = before(stage, f"smtp://127.0.0.1:{relay.port}")
    with smtplib.SMTP("127.0.0.1", first.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
        refused = client.sendmail(SENDER, ["nobody@example.com", RECIPIENT], MODEST)
    expect(list(refused) == ["nobody@example.com"] and refused["nobody@example.com"][0] == 554, f"refused: {refused}")
    expect_relayed(last, relay, [MODEST])


@check("Postfix before postern with STARTTLS", program("postfix"), ROOT, program("openssl"))
def behind_postfix_tls(stage):
    """Postfix verifies the certificate of postern and its name."""
    last = stage.secure({"tls": "starttls", "certificate": "main"})
    settings = {
        "smtp_tls_security_level": "secure", "smtp_tls_CAfile": stage.certificate()[0],
        "smtp_tls_secure_cert_match": "mx.example.com", "smtp_tls_loglevel": "1",
    }
    relay = Postfix(stage, last.port, settings)
    relay.sendmail(MODEST, "-i", "-f", SENDER, RECIPIENT)
    expect_relayed(last, relay, [MODEST])
    last.stored_one(protocol="ESMTPS")


@check("postern before postern, binary and UTF-8")
def before_postern(stage):
    last = stage.postern()
    first = before(stage, f"smtp://127.0.0.1:{last.port}")
    binary = bytes(range(256)) * 500
    with smtplib.SMTP("127.0.0.1", first.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        client.mail(SENDER, ["BODY=BINARYMIME"])
        client.rcpt(RECIPIENT, ["NOTIFY=NEVER"])
        client.send(b"BDAT %d LAST\r\n" % len(binary) + binary)
        code, said = client.getreply()
        expect(code == 250, f"{code} {said!r}")
    stored = last.stored()[0].content
    # Its own lines end before the content begins, which is no text.
    expect(stored.endswith(binary) and stored.count(b"Received:") == 1, "the binary message is changed")
    with smtplib.SMTP("127.0.0.1", first.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
        client.sendmail("j\u00f6rg@client.example", ["\u7528\u6237@example.com"], MODEST, ["SMTPUTF8", "BODY=8BITMIME"])
    second = last.stored()[1]
    expect(second.sender == "j\u00f6rg@client.example" and second.recipients == ["\u7528\u6237@example.com"], second.received)


class Lmtp(socketserver.StreamRequestHandler):
    """One LMTP session (RFC 2033): a reply per recipient behind the mail data."""

    def handle(self):
        self.answer("220 lmtp.example LMTP")
        recipients = []
        while line := self.rfile.readline():
            words = line.decode("utf-8").strip()
            verb = words[:4].upper()
            if verb == "LHLO":
                self.answer("250-lmtp.example\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
            elif verb == "RCPT" and "nobody" in words:
                self.answer("550 5.1.1 No such mailbox")
            elif verb == "DATA":
                self.answer("354 Go on")
                content = self.mail_data()
                for recipient in recipients:
                    self.server.delivered.append((recipient, content))
                    self.answer("250 2.0.0 Delivered")
                recipients = []
            elif verb == "QUIT":
                self.answer("221 2.0.0 Bye")
                return
            elif verb in ("MAIL", "RCPT", "RSET", "NOOP"):
                if verb == "RCPT":
                    recipients.append(words.partition("<")[2].partition(">")[0])
                else:
                    recipients = []
                self.answer("250 2.0.0 Ok")
            else:
                self.answer("500 5.5.1 What?")

    def mail_data(self):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                raise Failure(f"mail data breaks off: {line!r}")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def answer(self, text):
        self.wfile.write(text.encode() + b"\r\n")


@check("postern before LMTP")
def before_lmtp(stage):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lmtp) as server:
        server.daemon_threads = True
        server.delivered = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        first = before(stage, f"lmtp://127.0.0.1:{server.server_address[1]}")
        with smtplib.SMTP("127.0.0.1", first.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
            for content in CONTENTS:
                refused = client.sendmail(SENDER, [RECIPIENT, "nobody@example.com", "other@example.com"], content)
                expect([*refused] == ["nobody@example.com"] and refused["nobody@example.com"][0] == 550, f"refused: {refused}")
        server.shutdown()
        delivered = server.delivered
    wanted = [(recipient, content) for content in CONTENTS for recipient in (RECIPIENT, "other@example.com")]
    expect([recipient for recipient, _ in delivered] == [recipient for recipient, _ in wanted], f"{len(delivered)} deliveries")
    for (_, got), (_, content) in zip(delivered, wanted, strict=True):
        expect(got.endswith(b"\r\n" + content) and got.startswith(b"Received:"), "a message is changed")
