"""SMTP smuggling, from outside: whatever octets stand around a dot, only CRLF.CRLF ends mail data.

Every short string of CR, LF, NUL and dot is put between two messages, and longer ones that are known from attacks; what
follows it are commands that would send a second, forged message if the string were taken for the end. What must happen is
computed by a search for the five octets over the whole of it, which shares nothing with postern.
"""

import itertools
import socket
import ssl

from checks import check, program
from stage import PATIENCE_SECONDS, Failure, expect

OCTETS = [b"\r", b"\n", b"\0", b"."]
LONGEST = 6

# Ends that were taken for one by some server or passed on by one, with what other ends of lines people invented.
KNOWN = [
    b"\r\r\n.\r\r\n", b"\r\r\n.\r\n", b"\r\n.\r\r\n", b"\n\r\n.\n\r\n", b"\r\n\0.\0\r\n", b"\r\n.\0\r\n", b"\r\n\0.\r\n",
    b"\n.\r\0\n", b"\r\0\n.\r\0\n", b"\n\n.\r\n", b"\r\r.\r\r", b"\n\n.\n\n", b"\r\n. \r\n", b"\r\n .\r\n", b"\r\n.\t\r\n",
    b"\r\n.\v\n", b"\v.\v", b"\f.\f", b"\x85.\x85", b"\xc2\x85.\xc2\x85", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\x1e.\x1e",
    b"\r\n.=0D=0A", b"=0D=0A.=0D=0A", b"\\r\\n.\\r\\n", b"\r\n\x2e\x08\r\n", b"\r\n\xef\xbc\x8e\r\n", b"\r\n\x8e\r\n",
    b"\x8d\x8a.\x8d\x8a", b"\r\n\xae\r\n",
]

FORGED = b"MAIL FROM:<forged@client.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\nSubject: forged\r\n\r\nforged"
END = b"\r\n.\r\n"


def candidates():
    """Every string that does not itself hold the true end."""
    short = (b"".join(parts) for length in range(1, LONGEST + 1) for parts in itertools.product(OCTETS, repeat=length))
    return [each for each in itertools.chain(short, KNOWN) if END not in mail_data(each)[:-len(END)]]


def mail_data(sequence):
    """From behind 354 to the true end. It begins in the middle of a line, so that the true end needs its CRLF."""
    return b"text" + sequence + FORGED + END


def is_acceptable(data):
    """Whether no octet of it is refused: no NUL, no CR or LF alone."""
    rest = data.replace(b"\r\n", b"")
    return not any(octet in rest for octet in (b"\r", b"\n", b"\0"))


def as_stored(data):
    """What is stored of acceptable mail data: transparency undone, the last dot gone."""
    lines = data[: -len(b".\r\n")].split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


class Dialogue:
    """One connection: octets out, whole replies in."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.replies = self.socket.makefile("rb")
        expect(self.reply() == 220, "no greeting")

    def say(self, octets, *codes):
        """Sends octets, and reads as many replies as there are codes, which must be those."""
        self.socket.sendall(octets)
        for code in codes:
            got = self.reply()
            expect(got == code, f"{octets[-60:]!r} is answered {got}, not {code}")

    def reply(self):
        while True:
            line = self.replies.readline()
            if not line:
                raise Failure("the connection is closed")
            if line[3:4] != b"-":
                return int(line[:3])

    def close(self):
        self.replies.close()
        self.socket.close()


def scan(server, context=None, octet_wise=False):
    """Sends every candidate as mail data, each followed by a NOOP, whose reply must be the next and the last."""
    expected = []
    dialogue = Dialogue(server.port, context)
    dialogue.say(b"EHLO client.example\r\n", 250)
    for sequence in candidates():
        data = mail_data(sequence)
        try:
            dialogue.say(b"MAIL FROM:<client@client.example>\r\n", 250)
            dialogue.say(b"RCPT TO:<user@example.com>\r\nDATA\r\n", 250, 354)
            around = len(b"text" + sequence) + 4 if octet_wise else 0
            for octet in data[:around]:
                dialogue.say(bytes([octet]))
            code = 250 if is_acceptable(data) else 554
            dialogue.say(data[around:] + b"NOOP\r\nVRFY user\r\n", code, 250, 252)
        except Failure as failure:
            raise Failure(f"with {sequence!r}: {failure}") from None
        if is_acceptable(data):
            expected.append(as_stored(data))
    dialogue.say(b"QUIT\r\n", 221)
    expect(dialogue.replies.read() == b"", "there is more after QUIT")
    dialogue.close()
    stored = server.stored()
    expect(not any(each.sender == "forged@client.example" for each in stored), "a forged message is stored")
    expect(sorted(each.content for each in stored) == sorted(expected), "what is stored is not what was acceptable")
    expect(expected, "nothing was acceptable, which proves little")


LIMITS = {
    "limits": {"errors_per_connection_max": 1_000_000, "messages_per_connection_max": 1_000_000, "idle_commands_max": 1_000_000}
}


@check("smuggling: every short sequence of CR, LF, NUL and dot")
def plain(stage):
    scan(stage.postern(LIMITS))


@check("smuggling: the same, octet by octet under TLS", program("openssl"))
def under_tls(stage):
    """One record per octet around the sequence."""
    context = ssl.create_default_context(cafile=stage.certificate()[0])
    context.check_hostname = False
    scan(stage.secure({"tls": "implicit", "certificate": "main", **LIMITS}), context, octet_wise=True)
