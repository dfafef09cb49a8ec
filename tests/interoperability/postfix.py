"""Postfix: its load generator, and a private instance of it that relays to postern and takes mail from it.

The instance has its own configuration, queue and port below the folder of its check, and is ended with it; nothing of the
system's Postfix is read or changed. It must be started by root, by sudo where the checks do not run as root.
"""

import os
import smtplib
import socket

from checks import check, program, succeeds
from messages import DOTS, MODEST, OCTETS, TRICKY, message
from stage import PATIENCE_SECONDS, Failure, expect

SENDER, RECIPIENT = "client@client.example", "user@example.com"
ROOT = ("way to be root", lambda: os.geteuid() == 0 or succeeds("sudo", "-n", "true"))


@check("smtp-source: sessions and messages", program("smtp-source"))
def source(stage):
    """Many sessions at once. The body is lines of digits and X, 4096 octets and an end of line more."""
    server = stage.postern()
    stage.run(
        "smtp-source", "-s", 20, "-m", 400, "-l", 4096, "-r", 3, "-T", 4096, "-f", SENDER, "-t", RECIPIENT,
        f"inet:127.0.0.1:{server.port}",
    )
    messages = server.stored()
    expect(len(messages) == 400, f"{len(messages)} of 400 messages are stored")
    bodies = {each.body for each in messages}
    expect(len(bodies) == 1 and len(bodies.pop()) == 4098, "a body is not what was sent")
    expect(all(len(each.recipients) == 3 for each in messages), "a recipient is lost")


@check("smtp-source: messages over sessions that stay", program("smtp-source"))
def source_reuses(stage):
    server = stage.postern()
    file = stage.file("message", MODEST.replace(b"\r\n", b"\n"))
    stage.run(
        "smtp-source", "-d", "-s", 5, "-m", 100, "-F", file, "-f", SENDER, "-t", RECIPIENT, f"inet:127.0.0.1:{server.port}"
    )
    messages = server.stored()
    expect(len(messages) == 100, f"{len(messages)} of 100 messages are stored")
    # smtp-source ends the last line of the file once more.
    expect(all(each.content == MODEST + b"\r\n" for each in messages), "a message is changed")


class Postfix:
    """A private instance. What is not for its own address goes to `next_hop`, if that is given."""

    def __init__(self, stage, next_hop, settings=None):
        self.stage = stage
        self.folder = stage.folder / "postfix"
        self.port = free_port()
        self.root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for name in ["configuration", "queue", "data"]:
            (self.folder / name).mkdir(parents=True)
        self.configuration = self.folder / "configuration"
        self.log = self.folder / "log"
        keys = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data",
            "maillog_file": self.log,
            "maillog_file_prefixes": self.folder,
            "myhostname": "relay.client.example",
            "mydestination": "",
            "alias_maps": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "relayhost": f"[127.0.0.1]:{next_hop}",
            "smtp_host_lookup": "native",
            # What is compared octet by octet must not be cut.
            "smtp_line_length_limit": "0",
            "smtputf8_enable": "yes",
            "smtputf8_autodetect_classes": "all",
            "minimal_backoff_time": "1s",
            "queue_run_delay": "1s",
            **(settings or {}),
        }
        (self.configuration / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in keys.items()))
        (self.configuration / "master.cf").write_text(MASTER.format(port=self.port))
        self.own("data")
        stage.at_end.append(self.stop)
        self.command("start")

    def own(self, name):
        stage, folder = self.stage, self.folder / name
        stage.run(*self.root, "chown", "-R", "postfix", folder)

    def command(self, word):
        try:
            self.stage.run(*self.root, "postfix", "-c", self.configuration, word)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.said()}") from None

    def said(self):
        return self.stage.run(*self.root, "cat", self.log) if self.log.exists() else "Postfix has logged nothing"

    def sendmail(self, content, *words):
        """Hands a message in as a local program does, with ends of lines as in files."""
        return self.stage.run(
            *self.root, "sendmail", "-C", self.configuration, *words, stdin=content.replace(b"\r\n", b"\n")
        )

    def stop(self):
        self.command("stop")
        self.stage.run(*self.root, "rm", "-rf", self.folder)


# The services that a relay needs, none of them in a chroot.
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def free_port():
    """A port that nothing listens on. Postfix cannot be asked to take a free one and say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def after_traces(content):
    """A message without the `Received:` fields that relays put before it."""
    while content.startswith(b"Received:"):
        lines = content.split(b"\r\n")
        folded = next(index for index, line in enumerate(lines[1:], 1) if not line.startswith((b" ", b"\t")))
        content = b"\r\n".join(lines[folded:])
    return content


def expect_relayed(server, relay, contents):
    """Waits until all are stored, and compares them in any order."""
    try:
        server.accepted(len(contents))
    except Failure as failure:
        raise Failure(f"{failure}\n{relay.said()}") from None
    stored = sorted(after_traces(each.content) for each in server.stored())
    for wanted, got in zip(sorted(contents), stored, strict=True):
        expect(wanted == got, f"{wanted!r} became {got!r}")


@check("Postfix relays what sendmail is given", program("postfix"), ROOT)
def relays(stage):
    server = stage.postern()
    relay = Postfix(stage, server.port)
    contents = [message(body, subject=str(index)) for index, body in enumerate([DOTS, OCTETS, b"", b"\r\n\r\n", b".\r\n"])]
    for content in contents:
        relay.sendmail(content, "-i", "-f", SENDER, RECIPIENT, "other@example.com")
    expect_relayed(server, relay, contents)
    for each in server.stored():
        expect(each.sender == SENDER, f"the sender is {each.sender}")
        expect(sorted(each.recipients) == ["other@example.com", RECIPIENT], f"the recipients are {each.recipients}")


@check("Postfix relays chunks", program("postfix"), ROOT)
def relays_chunks(stage):
    """What came to Postfix in chunks. Its client sends by DATA whatever postern offers; it must not stumble over the offer."""
    server = stage.postern()
    relay = Postfix(stage, server.port)
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        client.mail(SENDER, ["BODY=8BITMIME"])
        client.rcpt(RECIPIENT)
        half = len(TRICKY) // 2
        for chunk, last in [(TRICKY[:half], b""), (TRICKY[half:], b" LAST")]:
            client.send(b"BDAT %d%s\r\n" % (len(chunk), last) + chunk)
            code, said = client.getreply()
            expect(code == 250, f"Postfix answers {code} {said!r}")
    expect_relayed(server, relay, [TRICKY])


@check("Postfix relays SMTPUTF8", program("postfix"), ROOT)
def relays_utf8(stage):
    server = stage.postern()
    relay = Postfix(stage, server.port)
    sender, recipient = "j\u00f6rg@b\u00fccher.example", "\u7528\u6237@example.com"
    content = message(DOTS, subject="Gr\u00fc\u00dfe")
    with smtplib.SMTP("127.0.0.1", relay.port, local_hostname="client.example", timeout=PATIENCE_SECONDS) as client:
        client.sendmail(sender, [recipient], content, ["BODY=8BITMIME", "SMTPUTF8"])
    expect_relayed(server, relay, [content])
    stored = server.stored()[0]
    expect(stored.sender == sender and stored.recipients == [recipient], f"{stored.sender} to {stored.recipients}")
    expect(stored.protocol == "UTF8SMTP", stored.received)


@check("Postfix keeps a connection for many messages", program("postfix"), program("smtp-source"), ROOT)
def relays_many(stage):
    """What Postfix holds back is released at once: many connections to postern, and messages one after another on each."""
    server = stage.postern({"limits": {"connections_per_client_max": 100}})
    relay = Postfix(stage, server.port, {"smtp_connection_cache_on_demand": "yes"})
    file = stage.file("message", MODEST.replace(b"\r\n", b"\n"))
    stage.run("smtp-source", "-s", 10, "-m", 100, "-F", file, "-f", SENDER, "-t", RECIPIENT, f"inet:127.0.0.1:{relay.port}")
    expect_relayed(server, relay, [MODEST + b"\r\n"] * 100)
