#!/usr/bin/env python3
"""Drives the dialogues of ../shared/conformance in four ways: over TCP and TLS, whole and octet by octet.

    .ci/dialogues.py BINARIES [--ways WAY,...] [--only NAME,...]

In: the folder with `postern`, the dialogues, and the modules that play one, which are loaded from where they lie. Out: a line
per dialogue that does not pass, a tally per way; exit status 1 if one fails that `MAY_FAIL` does not list, if one listed
there passes, or if a need of one is not met.

Octet by octet means that an octet is sent when the server has read the one before it, as the kernel tells (sock_diag); under
TLS each octet is a record of its own. Of what is said at once only the first and the last 2,000 octets go that way, and
of so much only three times per connection.
"""

import argparse
import base64
import concurrent.futures
import importlib.util
import os
import pathlib
import select
import socket
import ssl
import struct
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFORMANCE = ROOT.parent / "shared" / "conformance"
sys.path.insert(0, str(ROOT / "tests" / "interoperability"))

from stage import PASSWORD, USER, Failure, Stage, expect  # noqa: E402

WAYS = ["tcp", "tcp-octets", "tls", "tls-octets"]

# Dialogues that may fail, each with its reason. One that passes in every way is told, and has to go from here.
MAY_FAIL = {}

OCTETS_AT_EACH_END, LONG_COUNT_MAX = 2_000, 3
# How long a reply may take, and how long the server may leave an octet unread before the next is sent: it may have
# stopped reading, rightly.
REPLY_SECONDS, READING_SECONDS = 10, 0.05
# What `driver:noread` asks for.
SILENT_SECONDS = 2


def load(name):
    spec = importlib.util.spec_from_file_location(name, CONFORMANCE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ReceiveQueue:
    """Asks the kernel how much the other end of a connection within this machine has not read yet."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG)

    def unread(self, connection):
        """Octets in the receive queue of the other end; none once that is gone."""
        (address, port), (server, server_port) = connection.getsockname(), connection.getpeername()
        ends = struct.pack("!HH", server_port, port) + socket.inet_aton(server).ljust(16, b"\0")
        ends += socket.inet_aton(address).ljust(16, b"\0") + struct.pack("=III", 0, ANY, ANY)
        request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, ANY) + ends
        self.socket.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + request)
        answer = self.socket.recv(4096)
        if struct.unpack_from("=H", answer, 4)[0] != SOCK_DIAG_BY_FAMILY:
            return 0
        # Behind a header of 16 octets: family to retransmissions 4, the ends 48, expiry 4, then the queue.
        return struct.unpack_from("=I", answer, 16 + 4 + 48 + 4)[0]

    def wait(self, connection):
        """Until the other end has read everything; whether it did within `READING_SECONDS`."""
        end = time.monotonic() + READING_SECONDS
        while self.unread(connection):
            if end < time.monotonic():
                return False
            os.sched_yield()
        return True


# Of linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, ANY = 4, 20, 1, 0xFFFFFFFF


class HalfClosing(ssl.SSLSocket):
    """A TLS connection of which one direction can be closed."""

    def shutdown(self, how):
        self.settimeout(0)
        try:
            self.unwrap()
        except ssl.SSLWantReadError:
            # Our close_notify is sent; theirs is not there, and more of theirs may come before it.
            pass
        socket.socket.shutdown(self, how)


def shake_hands(plain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = HalfClosing
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain.settimeout(REPLY_SECONDS)
    return context.wrap_socket(plain)


def session_of(cases, way):
    """The class that is the client's side of a connection, in one way."""
    queue = ReceiveQueue() if way.endswith("octets") else None

    class Session(cases.Sess):
        def conn(self, host, port):
            super().conn(host, port)
            self.long_count = 0
            # A PROXY header goes before the handshake, which then waits until a reply is wanted.
            self.is_handshake_due = way.startswith("tls")
            if not self.a.begins_with_proxy_header:
                self.shake_hands_if_due()

        def shake_hands_if_due(self):
            if self.is_handshake_due:
                self.is_handshake_due = False
                try:
                    self.sock = shake_hands(self.sock)
                except OSError:
                    self.eof = True

        def reply(self, t):
            self.shake_hands_if_due()
            return super().reply(t)

        def send(self, d):
            if self.a.is_silent and OCTETS_AT_EACH_END < len(d):
                self.send_without_reading(d)
            elif queue is None:
                super().send(d)
            else:
                self.send_octets(d)

        def send_octets(self, octets):
            is_reading, pieces = True, parts(octets)
            if 2 * OCTETS_AT_EACH_END < len(octets):
                self.long_count += 1
                pieces = pieces if self.long_count <= LONG_COUNT_MAX else [octets]
            for part in pieces:
                if self.eof:
                    return
                super().send(part)
                try:
                    # A server that has stopped reading gets the rest without waits.
                    is_reading = is_reading and queue.wait(self.sock)
                except OSError:
                    # Reset meanwhile.
                    self.eof = True

        def send_without_reading(self, octets):
            """Sends what the server takes in `SILENT_SECONDS`; then reads as well, until all is sent."""
            rest, end = memoryview(octets), time.monotonic() + SILENT_SECONDS
            self.sock.settimeout(0)
            while rest:
                is_silent = time.monotonic() < end
                sent = self.try_to(lambda: self.sock.send(rest[:16_384]))
                rest = rest[sent or 0:]
                got = None if is_silent else self.try_to(lambda: self.sock.recv(65_536))
                self.buf += got or b""
                if got == b"":
                    self.eof = True
                    return
                if not sent and not got:
                    wait = max(0, end - time.monotonic()) if is_silent else REPLY_SECONDS
                    select.select([] if is_silent else [self.sock], [self.sock], [], wait)

        @staticmethod
        def try_to(act):
            """What it returns; none if it would have to wait."""
            try:
                return act()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None

    return Session


def parts(octets):
    """What is sent at once: single octets, but for the middle of much, and for what is injected behind STARTTLS.

    That comes with the end of its line: what came later would be no plain text but a broken handshake.
    """
    if octets.startswith(STARTTLS) and octets != STARTTLS:
        return [*split(STARTTLS[:-1]), octets[len(STARTTLS) - 1:]]
    head, rest = octets[:OCTETS_AT_EACH_END], octets[OCTETS_AT_EACH_END:]
    middle, tail = rest[:-OCTETS_AT_EACH_END], rest[-OCTETS_AT_EACH_END:]
    return [*split(head), *([middle] if middle else []), *split(tail)]


STARTTLS = b"STARTTLS\r\n"


def split(octets):
    return [octets[index:index + 1] for index in range(len(octets))]


# For policy:nouser, and for dialogues about an extension that is not offered.
NO_USER = """
if ($recipientlocalpart == "nouser")
{
	Reject("unknown", ["reply_codes" => ["code" => 550, "enhanced" => [5, 1, 1]]]);
}
Accept();
"""
NO_UTF8 = """
Accept(["extensions" => array_filter(function ($extension) { return $extension != "SMTPUTF8"; }, GetExtensions())]);
"""

# What the servers below meet beside what EHLO tells; `port:proxy` and the like by a profile of their own.
MET = {"policy:norelay", "policy:nouser", "limit:size", "limit:size=1048576", "config:auth-required", "driver:noread", "hook:*"}


class Servers:
    """What the dialogues of one way talk to: one server for all without a script, one for each that has a script."""

    def __init__(self, stage, rig, way):
        self.stage = stage
        self.rig = rig
        self.tls = "implicit" if way.startswith("tls") else "starttls"
        self.main = self.start(
            self.profile("main"),
            self.profile("proxy", proxy_protocol_from=["127.0.0.1"]),
            self.profile("auth-required", auth_required=True),
            self.profile("nouser", scripts=self.scripts({"rcptto": NO_USER})),
            self.profile("no-utf8", scripts=self.scripts({"helo": NO_UTF8})),
        )

    def profile(self, ident, **keys):
        return {
            "id": ident, "tls": self.tls, "certificate": "main", "xclient_from": ["127.0.0.1"],
            "auth_mechanisms": ["PLAIN", "LOGIN", "CRAM-MD5"], "auth_without_tls": True, "users": {USER: PASSWORD},
            "limits": {
                "message_octets_max": 1_048_576, "connections_per_client_max": 2_000, "errors_per_connection_max": 40,
                "idle_commands_max": 1_000_000,
            },
            **keys,
        }

    def scripts(self, sources):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.stage.folder))
        for hook, source in sources.items():
            (folder / f"{hook}.hsl").write_text(source)
        return {hook: str(folder / f"{hook}.hsl") for hook in sources}

    def start(self, *profiles):
        return self.stage.postern(*profiles, tables=self.stage.certificate_table())

    def of(self, case):
        """The server of a dialogue and the port of its profile."""
        if case["hook"]:
            server = self.start(self.profile("hook", scripts=self.scripts(self.rig.hook_scripts(*case["hook"]))))
            return server, server.port
        profiles = {
            "port:proxy": "proxy", "config:auth-required": "auth-required", "policy:nouser": "nouser", "noext:SMTPUTF8": "no-utf8",
        }
        wanted = [profiles[need] for need in case["needs"] if need in profiles]
        return self.main, self.main.port_of(wanted[0] if wanted else "main")


def play(cases, case, servers, way):
    """What came of it: `pass`, `not for this way`, or what went wrong."""
    server, port = servers.of(case)
    is_proxy = "port:proxy" in case["needs"]
    client = types.SimpleNamespace(
        host="127.0.0.1", port=port, timeout=REPLY_SECONDS, store="stored", begins_with_proxy_header=False, is_silent=False
    )
    seen = cases.ehlo_caps(client) if not is_proxy else {"port:proxy"}
    unmet = [need for need in case["needs"] if not cases.met(need, seen | MET)]
    if unmet == ["tls"] and way.startswith("tls"):
        return "not for this way"
    if unmet:
        return f"no server meets {', '.join(unmet)}"
    client.begins_with_proxy_header = is_proxy
    client.is_silent = "driver:noread" in case["needs"]
    cases.store = lambda _: [
        {"from": each.sender, "rcpts": each.recipients, "body_b64": base64.b64encode(each.content).decode()}
        for each in server.stored()
    ]
    try:
        outcome, _ = cases.run(case, client)
    except (cases.Fail, OSError) as failure:
        return f"{failure}"
    finally:
        if server is not servers.main:
            server.stop()
    expect(server.process.poll() in (None, 0), f"{case['name']}: the server died")
    return "pass" if outcome.startswith("pass") else outcome


def play_all(way, binaries, only):
    """The outcome of every dialogue in one way, by name."""
    cases, rig = load("smtp_cases"), load("rig")
    cases.Sess = session_of(cases, way)
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="dialogues-") as shared:
        os.chmod(shared, 0o755)
        stage = Stage(binaries, pathlib.Path(shared))
        try:
            servers = Servers(stage, rig, way)
            for case in cases.parse(CONFORMANCE / "smtp-open.md"):
                if not only or case["name"] in only:
                    outcomes[case["name"]] = case["level"], play(cases, case, servers, way)
        finally:
            stage.close()
    return outcomes


def judge(way, outcomes):
    """Prints what did not pass; the names of those that had to."""
    tally, wrong = {}, []
    for name, (level, outcome) in outcomes.items():
        kind = outcome if outcome in ("pass", "not for this way") else f"{level} failed"
        tally[kind] = tally.get(kind, 0) + 1
        if kind.endswith("failed"):
            reason = MAY_FAIL.get(name) or ("conforming either way" if level == "policy" else None)
            print(f"{way:10} {name} ({level}): {outcome[:300]}" + (f" -- may fail: {reason}" if reason else ""))
            if not reason:
                wrong.append(name)
    print(f"{way:10} {tally}", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    ways, only = given.ways.split(","), set(filter(None, given.only.split(",")))
    # The dialogues mostly wait, so the ways are played at once, each in a process with servers of its own.
    with concurrent.futures.ProcessPoolExecutor(len(ways)) as processes:
        played = [processes.submit(play_all, way, given.binaries.resolve(), only) for way in ways]
        try:
            outcomes = [each.result() for each in played]
        except Failure as failure:
            sys.exit(f"{failure}")
    wrong = {name for way, each in zip(ways, outcomes) for name in judge(way, each)}
    for name in MAY_FAIL:
        if not only and all(each[name][1] in ("pass", "not for this way") for each in outcomes):
            wrong.add(name)
            print(f"passes now, take it off the list: {name}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
