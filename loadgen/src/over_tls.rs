//! Tests of the generator over TLS, against the sink of this crate behind a TLS server of its own.
//!
//! What the generator reports must be exactly what the sink counted, in every mode, whether TLS comes first or after
//! STARTTLS; a server that breaks TLS, or does not offer it, must cost units and nothing else.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use clap::Parser;
use rcgen::KeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

use crate::arguments::{Arguments, Command};
use crate::histogram::Stage;
use crate::listener::{Flow, Responder};
use crate::pacing::Counter;
use crate::send;
use crate::sink::{Manners, Sink, SinkSession};
use crate::tally::Tally;

/// What the server has seen.
struct Seen {
    sink: Sink,
    resumed_count: usize,
}

fn configuration() -> Arc<ServerConfig> {
    let key = KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["sink.invalid".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("it is PKCS#8");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder
        .with_safe_default_protocol_versions()
        .expect("there are ciphers");
    let builder = builder.with_no_client_auth();
    let configuration = builder.with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(configuration.expect("they belong together"))
}

/// Serves so many connections, each on a thread.
fn serve(connections_count: usize) -> (SocketAddr, JoinHandle<Seen>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let seen = Arc::new(Mutex::new(Seen {
            sink: Sink::new(Manners::default()),
            resumed_count: 0,
        }));
        let configuration = configuration();
        let connections: Vec<_> = (0..connections_count)
            .map(|_| {
                let (stream, _) = listener.accept().expect("a client comes");
                let (seen, configuration) = (Arc::clone(&seen), Arc::clone(&configuration));
                thread::spawn(move || answer(stream, configuration, &seen))
            })
            .collect();
        for connection in connections {
            connection.join().expect("no panic");
        }
        Arc::into_inner(seen)
            .expect("all have ended")
            .into_inner()
            .expect("no panic")
    });
    (address, server)
}

/// Serves one connection: over TLS if it begins with a handshake, else until STARTTLS in plain text.
fn answer(mut stream: TcpStream, configuration: Arc<ServerConfig>, seen: &Mutex<Seen>) {
    let is_implicit = is_handshake(&stream);
    if !is_implicit && !start_tls(&mut stream) {
        return;
    }
    let connection = ServerConnection::new(configuration).expect("random octets");
    let mut stream = StreamOwned::new(connection, stream);
    let mut session = SinkSession::default();
    if is_implicit {
        let greeting = seen.lock().expect("no panic").sink.greeting();
        stream.write_all(greeting).expect("the client reads");
    }
    let mut octets = [0; 16_384];
    loop {
        let count = match stream.read(&mut octets) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => panic!("{error}"),
        };
        let mut replies = Vec::new();
        let mut seen = seen.lock().expect("no panic");
        let (_, flow) = seen
            .sink
            .receive(&mut session, &octets[..count], &mut replies);
        drop(seen);
        stream.write_all(&replies).expect("the client reads");
        if flow == Flow::Close {
            break;
        }
    }
    let is_resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
    seen.lock().expect("no panic").resumed_count += usize::from(is_resumed);
    stream.conn.send_close_notify();
    // The client may have gone.
    let _ = stream.flush();
}

/// Whether the client speaks first, which in SMTP it never does.
fn is_handshake(stream: &TcpStream) -> bool {
    let wait = std::time::Duration::from_millis(200);
    stream.set_read_timeout(Some(wait)).expect("it is a time");
    let is_handshake = stream.peek(&mut [0]).is_ok_and(|count| count == 1);
    stream.set_read_timeout(None).expect("it is none");
    is_handshake
}

/// The dialogue up to STARTTLS; whether the client said it.
fn start_tls(stream: &mut TcpStream) -> bool {
    stream
        .write_all(b"220 sink.invalid ESMTP\r\n")
        .expect("the client reads");
    for (verb, reply) in [
        ("EHLO ", &b"250-sink.invalid\r\n250 STARTTLS\r\n"[..]),
        ("STARTTLS\r\n", b"220 2.0.0 go\r\n"),
    ] {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut octet = [0];
            if stream.read(&mut octet).unwrap_or(0) == 0 {
                return false;
            }
            line.push(octet[0]);
        }
        assert!(line.starts_with(verb.as_bytes()), "{}", line.escape_ascii());
        stream.write_all(reply).expect("the client reads");
    }
    true
}

/// Runs `send` against a server of its own.
fn play(options: &str, connections_count: usize) -> (Seen, Tally) {
    let (address, server) = serve(connections_count);
    let tally = send_to(address, options);
    (server.join().expect("no panic"), tally)
}

fn send_to(address: SocketAddr, options: &str) -> Tally {
    let to = address.to_string();
    let words = ["postern-loadgen", "send", "--to", &to];
    let words = words.into_iter().chain(options.split_ascii_whitespace());
    let Command::Send(arguments) = Arguments::parse_from(words).command else {
        panic!("not send: {options}");
    };
    let plan = arguments.plan().expect("a valid plan");
    let run = send::run(&plan, &Counter::default(), None).expect("a run");
    run.tally
}

#[test]
fn what_is_reported_is_what_the_server_counted() {
    for begin in ["--tls", "--starttls --tls-name sink.invalid"] {
        for (mode, messages, connections) in [
            ("pipe --connections 2", 20, 2),
            ("next --connections 2", 20, 2),
            ("seq", 5, 1),
            ("one", 3, 3),
            ("onep", 3, 3),
            ("pipe --size 200000", 3, 1),
        ] {
            let options = format!("--mode {mode} --messages {messages} {begin}");
            let (seen, tally) = play(&options, connections);
            let counts = seen.sink.counts();
            assert_eq!(tally.acknowledged, messages, "{options}");
            assert_eq!(counts.messages, tally.acknowledged, "{options}");
            assert_eq!(counts.octets, tally.acknowledged_octets, "{options}");
            let handshakes = tally.stage(Stage::Handshake).and_then(|one| one.summary());
            let handshakes = handshakes.expect("they were timed").count;
            assert_eq!(handshakes, connections as u64, "{options}");
            assert_eq!(seen.resumed_count, 0, "{options}");
        }
    }
}

#[test]
fn sessions_are_resumed_when_asked_for() {
    let (seen, tally) = play(
        "--mode one --messages 4 --tls --tls-name sink.invalid --tls-resume",
        4,
    );
    assert_eq!(tally.acknowledged, 4);
    assert_eq!(seen.resumed_count, 3);
}

#[test]
fn servers_without_tls_cost_units_and_nothing_else() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("a client comes");
            stream
                .write_all(b"220 plain.invalid ESMTP\r\n")
                .expect("the client reads");
            // Until the client leaves.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let tally = send_to(address, "--mode one --messages 2 --tls");
    assert_eq!((tally.without_reply, tally.acknowledged), (2, 0));
    let errors: Vec<_> = tally.errors().collect();
    assert_eq!(
        errors,
        [(Stage::Handshake, crate::tally::ErrorKind::Tls, 2)]
    );
    server.join().expect("no panic");
}
