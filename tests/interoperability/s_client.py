"""OpenSSL's s_client, as administrators use it: by hand, octets in, replies out, and its ways to try a server's TLS."""

import subprocess

from checks import check, program
from messages import TRICKY
from stage import HOSTNAME, PATIENCE_SECONDS, Failure, Lines, expect

IMPLICIT = {"tls": "implicit", "certificate": "main"}
STARTTLS = {"tls": "starttls", "certificate": "main"}


class Console:
    """An s_client with somebody at its keyboard. Replies are its lines that look like one."""

    def __init__(self, stage, port, *options):
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, options)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, cwd=stage.folder)
        self.output = Lines(self.process.stdout)
        self.counts = {}
        stage.at_end.append(self.end)

    def say(self, octets, code):
        """Types octets, and waits for one more reply of this code than there were."""
        self.process.stdin.write(octets)
        self.process.stdin.flush()
        self.await_reply(code)

    def await_reply(self, code):
        count = self.counts.get(code, 0) + 1
        self.counts[code] = count
        self.output.wait(rf"^{code} ", count)

    def leave(self):
        """QUIT, after which s_client ends by itself when the server closes; what it has said."""
        # Unless told to be quiet, s_client takes a Q at the start of a line for an order to itself.
        self.say(b"quit\r\n", 221)
        self.process.stdin.close()
        self.process.wait(PATIENCE_SECONDS)
        return self.output.text()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def send(console):
    """One message. Verbs are lower case: s_client takes an R at the start of a line for an order to itself."""
    console.say(b"ehlo client.example\r\nvrfy user\r\n", 252)
    console.counts.clear()
    lines = console.output.lines
    console.counts[250] = sum(line.startswith("250 ") for line in lines)
    console.say(b"mail from:<client@client.example>\r\n", 250)
    console.say(b"rcpt to:<user@example.com>\r\n", 250)
    console.say(b"data\r\n", 354)
    stuffed = (b"\r\n" + TRICKY).replace(b"\r\n.", b"\r\n..")[2:]
    console.say(stuffed + b".\r\n", 250)


def sends(name, profile, *options):
    @check(f"s_client: {name}", program("openssl"))
    def run(stage):
        server = stage.secure(profile)
        trust = ["-CAfile", stage.certificate()[0], "-verify_return_error", "-verify_hostname", HOSTNAME]
        console = Console(stage, server.port, *trust, *options)
        if profile is IMPLICIT:
            # Who speaks before the greeting is sent away. Behind STARTTLS there is none.
            console.await_reply(220)
        send(console)
        console.leave()
        message = server.stored_one(TRICKY, sender="client@client.example", recipients=["user@example.com"], protocol="ESMTPS")
        if "-tls1_2" in options or "-tls1_3" in options:
            wanted = "TLSv1.2" if "-tls1_2" in options else "TLSv1.3"
            expect(message.tls == wanted, message.received)


sends("STARTTLS, 1.2, quiet", STARTTLS, "-starttls", "smtp", "-tls1_2", "-quiet")
sends("STARTTLS, 1.3, quiet", STARTTLS, "-starttls", "smtp", "-tls1_3", "-quiet")
sends("implicit, 1.2, quiet", IMPLICIT, "-tls1_2", "-quiet")
sends("implicit, 1.3, quiet", IMPLICIT, "-tls1_3", "-quiet")
sends("implicit, without commands of its own", IMPLICIT, "-nocommands")
sends("implicit, ALPN smtp", IMPLICIT, "-quiet", "-alpn", "smtp")
sends("implicit, ChaCha20 and X25519", IMPLICIT, "-quiet", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-groups", "X25519")
sends("implicit, records of at most 512 octets", IMPLICIT, "-quiet", "-max_send_frag", "512")


def resumption(version):
    @check(f"s_client: resumption, {version}", program("openssl"))
    def run(stage):
        """The second connection resumes the session of the first, and a message goes over it."""
        server = stage.postern(STARTTLS, tables=stage.certificate_table(), options=["--log", "connection"])
        words = ["-starttls", "smtp", version, "-nocommands"]
        first = Console(stage, server.port, *words, "-sess_out", "session")
        first.say(b"vrfy user\r\n", 252)
        said = first.leave()
        expect("New, TLS" in said, said)
        second = Console(stage, server.port, *words, "-sess_in", "session")
        send(second)
        said = second.leave()
        expect("Reused, TLS" in said, said)
        server.log.wait(r" event=tls .*handshake=resumed")
        server.stored_one(TRICKY, protocol="ESMTPS")


for each in ["-tls1_2", "-tls1_3"]:
    resumption(each)


def reconnects(name, profile, *options):
    @check(f"s_client: five reconnections, {name}", program("openssl"))
    def run(stage):
        server = stage.secure(profile)
        said = stage.run("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-reconnect", "-tls1_2", *options)
        expect(said.count("Reused, TLSv1.2") == 5, said)


reconnects("implicit", IMPLICIT)
reconnects("STARTTLS", STARTTLS, "-starttls", "smtp")


@check("s_client: a name picks the certificate", program("openssl"))
def names(stage):
    tables = stage.certificate_table() + stage.certificate_table("other.example.com", "other")
    server = stage.postern({**IMPLICIT, "certificates_by_name": ["other"]}, tables=tables)
    for asked, shown in [("other.example.com", "other.example.com"), (HOSTNAME, HOSTNAME), ("foreign.example", HOSTNAME)]:
        said = stage.run("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", asked)
        expect(f"subject=CN = {shown}" in said, f"asked for {asked}: {said}")


@check("s_client: renegotiation is refused", program("openssl"))
def renegotiation(stage):
    """TLS 1.2: an R is an order to renegotiate. That connection ends; others go on."""
    server = stage.secure(IMPLICIT)
    console = Console(stage, server.port, "-tls1_2")
    console.await_reply(220)
    console.process.stdin.write(b"R\n")
    console.process.stdin.flush()
    try:
        status = console.process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"renegotiation goes on: {console.output.text()}") from None
    expect(status != 0, f"renegotiated: {console.output.text()}")
    again = Console(stage, server.port, "-tls1_2", "-quiet")
    again.await_reply(220)
    send(again)
    again.leave()
    server.stored_one(TRICKY)


@check("s_client: keys are updated", program("openssl"))
def key_update(stage):
    """TLS 1.3: k and K are orders to update keys, of one side and of both."""
    server = stage.secure(IMPLICIT)
    console = Console(stage, server.port, "-tls1_3")
    console.await_reply(220)
    for order in [b"k\n", b"K\n"]:
        console.process.stdin.write(order)
        console.process.stdin.flush()
        console.output.wait("KEYUPDATE", 1 if order == b"k\n" else 2)
        console.say(b"vrfy user\r\n", 252)
    send(console)
    console.leave()
    server.stored_one(TRICKY)


def refused(name, *options):
    @check(f"s_client: refused: {name}", program("openssl"))
    def run(stage):
        """The handshake fails with an alert, and the next client is served."""
        server = stage.secure(IMPLICIT)
        said = stage.run("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *options, status=1)
        expect("alert" in said, said)
        console = Console(stage, server.port, "-quiet")
        console.await_reply(220)
        send(console)
        console.leave()
        server.stored_one(TRICKY)


refused("TLS 1.1", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
refused("TLS 1.0", "-tls1", "-cipher", "DEFAULT@SECLEVEL=0")
refused("ciphers without forward secrecy", "-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384")
refused("a client of HTTP", "-alpn", "h2,http/1.1")
