"""Mail data that tells a careless reader from a careful one.

Every message is whole: header, empty line, body, lines ended by CRLF. Clients that take raw data are given these octets;
what is stored must be the same.
"""


def message(body, subject="interoperability", extra=b""):
    """A message with this body; non-ASCII goes in as it is."""
    header = (
        "From: Client <client@client.example>\r\n"
        "To: User <user@example.com>\r\n"
        "Date: Mon, 02 Jun 2025 10:00:00 +0000\r\n"
        "Message-ID: <1@client.example>\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: text/plain; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: 8bit\r\n"
        f"Subject: {subject}\r\n"
    )
    return header.encode() + extra + b"\r\n" + body


PLAIN = b"Hello,\r\n\r\nthis is a line.\r\n"

# Dots where transparency (RFC 5321 §4.5.2) must touch them, and where it must not.
DOTS = (
    b".\r\n..\r\n...\r\n.leading\r\n..leading two\r\ntrailing.\r\n. \r\n.\t.\r\n"
    b"in the . middle\r\n.\r\nQUIT\r\n.\r\nMAIL FROM:<a@client.example>\r\n"
)

# Every octet of text but NUL, CR and LF, in UTF-8 and out of it, and white space at the end of lines.
OCTETS = bytes(octet for octet in range(1, 256) if octet not in (10, 13)) + b"\r\n\xc3\xa9\xe2\x82\xac \t\r\n   \r\n"

# The longest line of RFC 5321 §4.5.3.1.6, and longer ones that postern takes and keeps.
LONG_LINES = b"a" * 998 + b"\r\n." + b"b" * 4_000 + b"\r\n" + b"." * 2_000 + b"\r\nend\r\n"

# A stuffed dot at every offset of a receive buffer or a TLS record, over more than one spill of the store.
LARGE = b"".join(b"." + b"x" * (index % 61) + b"\r\n" for index in range(9_000))

# What every client is given that takes raw data.
TRICKY = message(DOTS + OCTETS + LONG_LINES)
# Without long lines and octets that are no text, for clients that mend such.
MODEST = message(DOTS + "Gr\u00fc\u00dfe, \u20ac\r\n".encode())
