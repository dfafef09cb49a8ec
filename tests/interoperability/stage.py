"""What a check stands on: its folder, the servers it starts, the clients it runs, and what must hold.

In: the folder with the programs. Out: a `Stage` per check, which ends every process it started, whatever the check did.
Waits are for an event with a limit, never for a time: a line of standard output, a line of the log, the end of a process.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

# Seconds that anything may take before a check gives up on it.
PATIENCE_SECONDS = 30

HOSTNAME = "mx.example.com"
USER, PASSWORD = "test@example.com", "secret"


class Failure(Exception):
    """What a check found wrong."""


class Skipped(Exception):
    """Why a check cannot run here."""


def expect(holds, what):
    if not holds:
        raise Failure(what)


def differs(expected, got):
    """Where two contents differ first, for people."""
    at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
    before = max(0, at - 20)
    return (
        f"{len(expected)} octets expected, {len(got)} stored, first difference at {at}: "
        f"{expected[before:at + 40]!r} against {got[before:at + 40]!r}"
    )


class Lines:
    """The lines of a pipe as they come, kept, and waited for."""

    def __init__(self, pipe):
        self.lines = []
        self.is_over = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.reader.start()

    def _read(self, pipe):
        for line in iter(pipe.readline, b""):
            with self.changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                self.changed.notify_all()
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def wait(self, wanted, count=1, seconds=PATIENCE_SECONDS):
        """The first `count` lines that match, once they are there."""
        pattern = re.compile(wanted)

        def found():
            return [line for line in self.lines if pattern.search(line)]

        with self.changed:
            self.changed.wait_for(lambda: len(found()) >= count or self.is_over, seconds)
            lines = found()
        if len(lines) < count:
            end = "\n".join(self.lines[-15:])
            raise Failure(f"{len(lines)} of {count} lines match {wanted!r}; the last lines:\n{end}")
        return lines[:count]

    def text(self):
        with self.changed:
            return "\n".join(self.lines)


class Stored:
    """A message of a Maildir: what postern wrote before it, and the content as it was received."""

    def __init__(self, octets):
        self.trace = {}
        while True:
            field = re.match(
                rb"(Return-Path|X-Original-To|Received|X-Envelope-Parameters):([^\n]*\n(?:[ \t][^\n]*\n)*)", octets
            )
            # Its own `Received:` comes once; another one is content.
            if not field or (field[1] == b"Received" and "Received" in self.trace):
                break
            value = re.sub(rb"\r\n", b"", field[2]).strip().decode("utf-8", "replace")
            self.trace.setdefault(field[1].decode(), []).append(value)
            octets = octets[field.end():]
        self.content = octets
        self.body = octets.partition(b"\r\n\r\n")[2]
        self.received = " ".join(self.trace.get("Received", [""])[0].split())
        clause = re.search(r" with (\S+)(?: \((\S+)[^)]*\))? id ", self.received)
        # The word of the `with` clause, and the version of TLS beside it.
        self.protocol, self.tls = clause.groups() if clause else (None, None)
        self.sender = self.trace.get("Return-Path", [""])[0].strip("<>")
        self.recipients = [value.strip("<>") for value in self.trace.get("X-Original-To", [])]


class Postern:
    """One server with profiles of its own, on 127.0.0.1, each on a free port."""

    def __init__(self, stage, profiles, tables="", options=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-", dir=stage.folder))
        self.ids = [profile.get("id", "inbound") for profile in profiles]
        text = f'[engine]\ncores = "1"\nhostname = "{HOSTNAME}"\n{tables}\n'
        text += "".join(profile_text(profile) for profile in profiles)
        (self.folder / "postern.toml").write_text(text)
        command = [stage.binaries / "postern", "serve", "--config", self.folder / "postern.toml", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.log = Lines(self.process.stderr)
        try:
            ready = Lines(self.process.stdout).wait(r"^ready ")[0]
        except Failure as failure:
            self.process.kill()
            self.process.wait()
            self.log.reader.join(PATIENCE_SECONDS)
            raise Failure(f"postern did not become ready: {self.log.text()}") from failure
        self.ports = [int(address.rpartition(":")[2]) for address in ready.split()[1:]]
        self.port = self.ports[0]

    def port_of(self, profile):
        return self.ports[self.ids.index(profile)]

    def stored(self, folder="mail"):
        """Every message, in the order in which they were accepted."""
        files = (self.folder / folder / "new").iterdir()
        return [Stored(file.read_bytes()) for file in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name))]

    def stored_one(self, content=None, body=None, sender=None, recipients=None, protocol=None):
        """The only message, which must be as expected."""
        messages = self.stored()
        expect(len(messages) == 1, f"{len(messages)} messages are stored, 1 was sent; the log:\n{self.log.text()}")
        message = messages[0]
        if content is not None:
            expect(message.content == content, differs(content, message.content))
        if body is not None:
            expect(message.body == body, differs(body, message.body))
        if sender is not None:
            expect(message.sender == sender, f"the sender is {message.sender}, not {sender}")
        if recipients is not None:
            expect(message.recipients == recipients, f"the recipients are {message.recipients}, not {recipients}")
        if protocol is not None:
            expect(message.protocol == protocol, f"not {protocol}: {message.received}")
        return message

    def accepted(self, count=1):
        """Waits until so many messages are stored."""
        self.log.wait(r" event=accepted ", count)

    def stop(self):
        """Ends it as an operator does; it must end by itself, and well."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(PATIENCE_SECONDS + 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("postern does not end when told") from None
        expect(status == 0, f"postern ended with status {status}: {self.log.text()[-2000:]}")


def profile_text(profile):
    """A `[[server]]` table: what every check wants, and what this one says."""
    keys = {
        "id": "inbound",
        "listen": ["127.0.0.1:0"],
        "accept_domains": ["example.com"],
        "destination": "maildir:mail",
        **profile,
    }
    tables = {name: keys.pop(name) for name in ("limits", "next_hop", "scripts") if name in keys}
    lines = ["[[server]]"] + [f"{key} = {toml(value)}" for key, value in keys.items()]
    for name, table in tables.items():
        lines += [f"[server.{name}]"] + [f"{key} = {toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


# What an authority and a server's certificate must say; the system's own settings are not read.
EXTENSIONS = """\
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:{name}, DNS:localhost, IP:127.0.0.1
"""


class Stage:
    """The resources of one check."""

    def __init__(self, binaries, shared):
        self.binaries = binaries
        self.shared = shared
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="check-", dir=shared))
        # A server that has given up its privileges looks into its own folder below.
        self.folder.chmod(0o755)
        self.at_end = []

    def postern(self, *profiles, tables="", options=()):
        server = Postern(self, profiles or ({},), tables, options)
        self.at_end.append(server.stop)
        return server

    def certificate(self, name=HOSTNAME):
        """A certificate for `name`, made once a run: its chain with the authority that signed it, and its key.

        Each name has an authority of its own; the chain is also what a client must trust.
        """
        chain, key = self.shared / f"{name}.pem", self.shared / f"{name}.key"
        if not chain.exists():
            settings = self.file("openssl.cnf", EXTENSIONS.format(name=name).encode())
            authority, secret, leaf = self.folder / "authority.pem", self.folder / "authority.key", self.folder / "leaf.pem"
            request = [
                "openssl", "req", "-x509", "-config", settings, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "30",
            ]
            self.run(*request, "-subj", f"/CN=Authority of {name}", "-extensions", "authority", "-keyout", secret, "-out", authority)
            self.run(
                *request, "-subj", f"/CN={name}", "-extensions", "leaf", "-CA", authority, "-CAkey", secret,
                "-keyout", key, "-out", leaf,
            )
            chain.write_bytes(leaf.read_bytes() + authority.read_bytes())
        return chain, key

    def certificate_table(self, name=HOSTNAME, ident="main"):
        chain, key = self.certificate(name)
        return f'[[certificate]]\nid = "{ident}"\nchain = {toml(str(chain))}\nkey = {toml(str(key))}\n'

    def secure(self, *profiles):
        """A server with a certificate; profiles that speak TLS name it `main`."""
        return self.postern(*profiles, tables=self.certificate_table())

    def file(self, name, octets):
        path = self.folder / name
        path.write_bytes(octets)
        return path

    def run(self, *command, stdin=b"", environment=None, status=0):
        """Runs a client to its end, which must be `status`; its output."""
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_SECONDS * 2,
                env={**os.environ, **(environment or {})}, cwd=self.folder,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode("utf-8", "replace")[-2000:]
            raise Failure(f"{words[0]} does not end: {said}") from None
        text = done.stdout.decode("utf-8", "replace")
        expect(done.returncode == status, f"{words[0]} ended with status {done.returncode}:\n{text[-3000:]}")
        return text

    def close(self):
        """Ends what was started, last first. The first failure counts, and everything is ended."""
        failures = []
        for end in reversed(self.at_end):
            try:
                end()
            except Failure as failure:
                failures.append(failure)
        shutil.rmtree(self.folder, ignore_errors=True)
        if failures:
            raise failures[0]
