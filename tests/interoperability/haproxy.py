"""haproxy before postern: the client that postern sees is haproxy's client.

haproxy inherits its listening socket, so that its port is free and known. Clients come from 127.0.0.9 or ::1, haproxy itself
from 127.0.0.1.
"""

import smtplib
import socket
import ssl
import subprocess

from checks import check, program
from messages import TRICKY
from stage import PATIENCE_SECONDS, Lines, Skipped, expect


CONFIGURATION = """\
global
    maxconn 100
defaults
    mode tcp
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend clients
    bind fd@{descriptor} {bind}
    default_backend postern
backend postern
    server postern 127.0.0.1:{port} {word}
"""


def start(stage, port, word, family=socket.AF_INET, bind=""):
    """haproxy, passing connections on to `port` with the option `word`; its own port."""
    try:
        listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
    except OSError as error:
        raise Skipped(f"no listener on ::1: {error}") from None
    configuration = CONFIGURATION.format(descriptor=listener.fileno(), port=port, word=word, bind=bind)
    file = stage.file("haproxy.cfg", configuration.encode())
    process = subprocess.Popen(
        ["haproxy", "-db", "-f", str(file)], pass_fds=[listener.fileno()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    Lines(process.stdout)

    def end():
        process.terminate()
        process.wait(PATIENCE_SECONDS)

    stage.at_end.append(end)
    own = listener.getsockname()[1]
    listener.close()
    return own


def send(kind, port, source="127.0.0.9", host="127.0.0.1", **options):
    with kind(host, port, local_hostname="client.example", timeout=PATIENCE_SECONDS, source_address=(source, 0), **options) as client:
        client.sendmail("client@client.example", ["user@example.com"], TRICKY)


def passes_on(name, word):
    @check(f"haproxy: {name}", program("haproxy"))
    def run(stage):
        server = stage.postern({"proxy_protocol_from": ["127.0.0.1"]})
        send(smtplib.SMTP, start(stage, server.port, word))
        message = server.stored_one(TRICKY)
        expect("([127.0.0.9])" in message.received, message.received)

    @check(f"haproxy: {name}, IPv6", program("haproxy"))
    def run_ipv6(stage):
        server = stage.postern({"proxy_protocol_from": ["127.0.0.1"]})
        send(smtplib.SMTP, start(stage, server.port, word, socket.AF_INET6), "::1", "::1")
        message = server.stored_one(TRICKY)
        expect("([IPv6:::1])" in message.received, message.received)

    @check(f"haproxy: {name}, implicit TLS through it", program("haproxy"), program("openssl"))
    def run_tls(stage):
        """The header comes in plain text before the handshake."""
        server = stage.secure({"tls": "implicit", "certificate": "main", "proxy_protocol_from": ["127.0.0.1"]})
        context = ssl.create_default_context(cafile=stage.certificate()[0])
        send(smtplib.SMTP_SSL, start(stage, server.port, word), context=context)
        message = server.stored_one(TRICKY, protocol="ESMTPS")
        expect("([127.0.0.9])" in message.received, message.received)


passes_on("send-proxy", "send-proxy")
passes_on("send-proxy-v2", "send-proxy-v2")


@check("haproxy: send-proxy-v2-ssl-cn, TLS ends in it", program("haproxy"), program("openssl"))
def ends_tls(stage):
    """A header with TLVs about the TLS that postern does not see."""
    chain, key = stage.certificate()
    both = stage.file("both.pem", chain.read_bytes() + key.read_bytes())
    server = stage.postern({"proxy_protocol_from": ["127.0.0.1"]})
    word = "send-proxy-v2-ssl-cn proxy-v2-options unique-id,crc32c"
    port = start(stage, server.port, word, bind=f"ssl crt {both}")
    send(smtplib.SMTP_SSL, port, context=ssl.create_default_context(cafile=chain))
    message = server.stored_one(TRICKY, protocol="ESMTP")
    expect("([127.0.0.9])" in message.received, message.received)


@check("haproxy: one that postern does not know", program("haproxy"))
def stranger(stage):
    server = stage.postern({"proxy_protocol_from": ["192.0.2.0/24"]})
    try:
        send(smtplib.SMTP, start(stage, server.port, "send-proxy"))
    except (smtplib.SMTPServerDisconnected, ConnectionError):
        pass
    expect(server.stored() == [], "a message is stored")
    server.log.wait("reason=proxy_header|proxy_header_refused")
