//! Scripts that make another command of a client's: one that changes how the octets behind it are read.
//!
//! In: a script of the hook `proxy` that calls STARTTLS, DATA, BDAT and AUTH something else. Out: what follows is a
//! handshake, mail data, a chunk or an answer as if the client had said it itself; what proves a user is in no log,
//! whoever reads it.

use super::log_of;
use crate::engine::channel::{Tls, certificate};
use crate::engine::server::{Client, MAILDIR, Server, configuration, content, directory};

const SCRIPT: &str = "
if ($command == \"XTLS\") Pass([\"command\" => \"STARTTLS\"]);
if ($command == \"XDATA\") Pass([\"command\" => \"DATA\"]);
if ($command == \"XCHUNK\") Pass([\"command\" => \"BDAT 7 LAST\"]);
if ($command == \"XLOGIN\") Pass([\"command\" => \"AUTH LOGIN\"]);
if ($command == \"XSEEN\") Reply($context ?? \"nothing\");
if ($command == \"AUTH XOWN\") Reply(\"\", [\"reply_codes\" => [\"code\" => 334], \"next\" => true]);
if ($command == \"c2VjcmV0\") { $context = \"the answer\"; Reply(\"no\", [\"reply_codes\" => [\"code\" => 535]]); }
if ($command[0:6] == \"AUTH X\") Reply(\"no\", [\"reply_codes\" => [\"code\" => 504]]);
if ($command[0:6] == \"AUTH Y\") Pass([\"command\" => \"UNKNOWN\"]);
if ($command == \"EVIL\") { $context = \"mail data\"; Reply(\"seen\"); }
";

fn server() -> Server {
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    std::fs::write(directory.join("proxy.hsl"), SCRIPT).expect("it is writable");
    let server = format!(
        "{MAILDIR}\ncertificate = \"main\"\ntls = \"starttls\"\nauth_mechanisms = [\"PLAIN\", \"LOGIN\"]\n\
         auth_without_tls = true\nusers = {{ ann = \"tanstaaf\" }}\n[server.scripts]\nproxy = \"proxy.hsl\""
    );
    let certificate = "[[certificate]]\nid = \"main\"\nchain = \"main.pem\"\nkey = \"main.key\"\n";
    let text = configuration(&server, "") + certificate;
    Server::start_in(directory, &text)
}

/// A client that has said EHLO.
fn client(server: &Server) -> Client {
    let mut client = Client::connect(server.address());
    client.expect("220 ");
    hello(&mut client);
    client
}

fn hello(client: &mut Client) {
    client.say("EHLO client.example");
    while !client.expect("250").starts_with("250 ") {}
}

#[test]
fn a_command_made_to_starttls_drops_what_was_behind_it() {
    let server = server();
    let mut client = client(&server);
    client.send(b"XTLS\r\nMAIL FROM:<injected@client.example>\r\nXSEEN\r\n");
    client.expect("220 2.0.0 ");
    let upgraded = client.upgrade(&Tls::shared(usize::MAX));
    let mut client = upgraded.expect("they shake hands");
    client.say("RCPT TO:<b@example.org>");
    client.expect("503 ");
    hello(&mut client);
    client.say("RCPT TO:<b@example.org>\r\nXTLS");
    client.expect("503 ");
    client.expect("503 ");
}

#[test]
fn a_command_made_to_data_or_bdat_hides_what_follows_from_the_script() {
    let server = server();
    let mut client = client(&server);
    client.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\n");
    client.expect("250 ");
    client.expect("250 ");
    client.say("XDATA");
    client.expect("354 ");
    client.send(b"EVIL\r\nXTLS\r\n\r\n..\r\n.\r\nXSEEN\r\n");
    client.expect("250 2.0.0 Ok: queued");
    client.expect("250 2.0.0 nothing");
    client.send(
        b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nXCHUNK\r\nEVIL\r\n\nXSEEN\r\n",
    );
    client.expect("250 ");
    client.expect("250 ");
    // The seventh octet is a bare line feed.
    client.expect("554 5.6.0 ");
    client.expect("250 2.0.0 nothing");
    // Out of order nothing follows: the next line is a command.
    client.send(b"XDATA\r\nXSEEN\r\nXCHUNK\r\nXDATA\r\nXSEEN\r\n");
    client.expect("503 ");
    client.expect("250 2.0.0 nothing");
    client.expect("503 ");
    client.expect("250 2.0.0 nothing");
    assert_eq!(server.messages().len(), 1);
    assert_eq!(content(&server.messages()[0]), b"EVIL\r\nXTLS\r\n\r\n.\r\n");
}

#[test]
fn a_command_made_to_auth_is_followed_by_answers() {
    let server = server();
    let mut client = client(&server);
    client.send(b"XLOGIN\r\nEVIL\r\nXSEEN\r\n");
    client.expect("334 ");
    // An answer that is four letters of base64, whatever a script would have made of it.
    client.expect("334 ");
    client.expect("501 ");
    client.send(b"XSEEN\r\nXLOGIN\r\nYW5u\r\ndGFuc3RhYWY=\r\nXLOGIN\r\n");
    client.expect("250 2.0.0 nothing");
    client.expect("334 ");
    client.expect("334 ");
    client.expect("235 ");
    client.expect("503 5.5.1 ");
    let log = log_of(server);
    for secret in ["EVIL", "YW5u", "dGFuc3RhYWY="] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn what_proves_a_user_to_a_script_is_not_logged() {
    let server = server();
    let mut client = client(&server);
    client.say("AUTH XOWN");
    client.expect("334 ");
    client.say("c2VjcmV0");
    client.expect("535 ");
    client.say("XSEEN");
    client.expect("250 2.0.0 the answer");
    client.say("AUTH XOTHER c2VjcmV0");
    client.expect("504 ");
    client.say("AUTH YET c2VjcmV0");
    client.expect("500 ");
    client.say("NONSENSE");
    client.expect("500 ");
    client.say("NOOP");
    client.expect("250 ");
    client.say("NONSENSE");
    client.expect("500 ");
    let log = log_of(server);
    assert!(!log.contains("c2VjcmV0"), "{log}");
    assert_eq!(log.matches("command=\"(hidden)\"").count(), 4, "{log}");
    assert_eq!(log.matches("command=\"NONSENSE\"").count(), 1, "{log}");
}
