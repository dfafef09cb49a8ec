"""Plain text injected around STARTTLS (CVE-2011-0411 and its kin): what came before the handshake must not act after it.

Each injection is sent in one segment with STARTTLS. Then either the connection is closed, or the handshake is made and the
session is as fresh as RFC 3207 §4.2 wants it: no reply to anything injected, no transaction, no name, no login.
"""

import base64
import socket
import ssl

from checks import check, program
from stage import PASSWORD, PATIENCE_SECONDS, USER, Failure, expect

LOGIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
INJECTIONS = {
    "a command": b"NOOP\r\n",
    "the beginning of a command": b"NO",
    "an end of line": b"\r\n",
    "a line feed": b"\n",
    "EHLO": b"EHLO forged.example\r\n",
    "a transaction": b"EHLO forged.example\r\nMAIL FROM:<forged@client.example>\r\nRCPT TO:<user@example.com>\r\n",
    "mail data": b"MAIL FROM:<forged@client.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\nforged\r\n.\r\n",
    "a chunk that waits": b"MAIL FROM:<forged@client.example>\r\nRCPT TO:<user@example.com>\r\nBDAT 2000 LAST\r\n",
    "a login": b"AUTH PLAIN " + LOGIN + b"\r\n",
    "a second STARTTLS": b"STARTTLS\r\n",
    "QUIT": b"QUIT\r\n",
    "a long line": b"NOOP " + b"x" * 20_000,
    "NUL": b"\0\0\0\0",
}


def greet(server):
    """A connection that has said EHLO and begun a transaction in plain text."""
    connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reply(connection, 220)
    say(connection, b"EHLO client.example\r\n", 250)
    say(connection, b"MAIL FROM:<plain@client.example>\r\n", 250)
    return connection


def reply(connection, *codes):
    """Reads one reply, octet by octet so that nothing behind it is taken, and it must have one of these codes."""
    line, octets = b"", b""
    while not (line.endswith(b"\r\n") and line[3:4] != b"-"):
        if line.endswith(b"\r\n"):
            line = b""
        octet = connection.recv(1)
        if not octet:
            raise Failure(f"closed within a reply: {octets!r}")
        line += octet
        octets += octet
    expect(int(line[:3]) in codes, f"{line!r}, expected {codes}")
    return octets


def say(connection, octets, *codes):
    connection.sendall(octets)
    return reply(connection, *codes)


def context_of(stage):
    context = ssl.create_default_context(cafile=stage.certificate()[0])
    context.check_hostname = False
    return context


def expect_fresh(secure, server):
    """Nothing but what is said now is answered, and the session knows nothing."""
    # Everything in one record: a reply to an injected command would come first and be of another code.
    secure.sendall(b"VRFY user\r\nRCPT TO:<user@example.com>\r\nEHLO client.example\r\n")
    reply(secure, 252, 503, 530)
    reply(secure, 503, 530)
    said = reply(secure, 250)
    expect(b"STARTTLS" not in said, "STARTTLS is offered under TLS")
    say(secure, b"RCPT TO:<user@example.com>\r\n", 503)
    say(secure, b"AUTH PLAIN " + LOGIN + b"\r\n", 235)
    say(secure, b"QUIT\r\n", 221)
    expect(secure.recv(1) == b"", "there is more after QUIT")
    expect(server.stored() == [], "a message is stored")


PROFILE = {
    "tls": "starttls", "certificate": "main", "auth_mechanisms": ["PLAIN"], "auth_without_tls": True, "users": {USER: PASSWORD},
}


@check("STARTTLS injection: plain text behind STARTTLS", program("openssl"))
def behind(stage):
    server, context = stage.secure(PROFILE), context_of(stage)
    survived = 0
    for name, injected in INJECTIONS.items():
        connection = greet(server)
        try:
            say(connection, b"STARTTLS\r\n" + injected, 220, 554)
            secure = context.wrap_socket(connection)
        except (ssl.SSLError, ConnectionError):
            # Closed: nothing of it can act.
            connection.close()
            continue
        try:
            expect_fresh(secure, server)
        except Failure as failure:
            raise Failure(f"{name}: {failure}") from None
        survived += 1
        secure.close()
    expect(survived, "every connection was closed: the fresh session was never looked at")
    expect(server.stored() == [], "a message is stored")


@check("STARTTLS injection: STARTTLS that is cut or strange", program("openssl"))
def strange(stage):
    """STARTTLS with an argument, with ends of lines that are none: no handshake follows, the session goes on in plain text."""
    server = stage.secure(PROFILE)
    for line in [b"STARTTLS now\r\n", b"STARTTLS\nNOOP\r\n", b"STARTTLS\rNOOP\r\n", b"STARTTLS\0\r\n", b"STARTTLS\x0b\r\n"]:
        connection = greet(server)
        try:
            say(connection, line, 500, 501, 502)
            say(connection, b"NOOP\r\n", 250)
        except Failure as failure:
            raise Failure(f"{line!r}: {failure}") from None
        connection.close()


@check("STARTTLS injection: a second STARTTLS", program("openssl"))
def twice(stage):
    server = stage.secure(PROFILE)
    connection = greet(server)
    say(connection, b"STARTTLS\r\n", 220)
    secure = context_of(stage).wrap_socket(connection)
    say(secure, b"EHLO client.example\r\n", 250)
    say(secure, b"STARTTLS\r\n", 503, 502, 554)
    say(secure, b"NOOP\r\n", 250)


@check("STARTTLS injection: plain text instead of a handshake, and within TLS", program("openssl"))
def without_handshake(stage):
    """What is said in plain text after 220 is a broken handshake, and no command."""
    server, context = stage.secure(PROFILE), context_of(stage)
    connection = greet(server)
    say(connection, b"STARTTLS\r\n", 220)
    connection.sendall(b"MAIL FROM:<forged@client.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\nforged\r\n.\r\n")
    expect(b"250" not in drain(connection), "plain text is answered")
    # Plain octets on the connection below TLS end it: they are no record.
    connection = greet(server)
    say(connection, b"STARTTLS\r\n", 220)
    below = socket.socket(fileno=socket.dup(connection.fileno()))
    below.settimeout(PATIENCE_SECONDS)
    secure = context.wrap_socket(connection)
    say(secure, b"EHLO client.example\r\n", 250)
    below.sendall(b"NOOP\r\n")
    expect(b"250" not in drain(below), "plain text within TLS is answered")
    expect(server.stored() == [], "a message is stored")


def drain(connection):
    """All that comes until the server closes."""
    octets = b""
    try:
        while piece := connection.recv(65536):
            octets += piece
    except ConnectionError:
        pass
    return octets
