//! A client and a session in memory.
//!
//! In: what a client of the same library sends, cut, damaged or replaced. Out: what the session makes of it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::cipher::{MessageEncrypter, OutboundPlainMessage};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, DigitallySignedStruct,
    ProtocolVersion, SignatureScheme, SupportedCipherSuite,
};

use super::{Session, Stage, TlsError};
use crate::limits;
use crate::tls::{ClientCertificates, Identity, TlsAcceptor};

/// An identity with these names.
pub(in crate::tls) fn identity(names: &[&str]) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = CertificateParams::new(names)
        .expect("names")
        .self_signed(&key);
    let chain = made.expect("a certificate").pem();
    Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).expect("it is one")
}

fn acceptor() -> TlsAcceptor {
    let identities = [
        Arc::new(identity(&["mx.example.org"])),
        Arc::new(identity(&["*.example.net", "Exact.example.net"])),
        Arc::new(identity(&["more.example.net"])),
    ];
    TlsAcceptor::new(&identities, ClientCertificates::Ignored).expect("random octets")
}

/// Trusts everybody: what a server is called is looked at by the tests.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = super::super::acceptor::provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn client_configuration(
    version: &'static rustls::SupportedProtocolVersion,
    protocols: &[&str],
) -> ClientConfig {
    let provider = Arc::new(super::super::acceptor::provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder
        .with_protocol_versions(&[version])
        .expect("it is supported");
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody));
    let mut configuration = builder.with_no_client_auth();
    let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
    configuration.alpn_protocols = protocols.collect();
    configuration
}

/// A client, a session, and what is between them.
struct Pair {
    client: ClientConnection,
    session: Session,
    /// What the session has received and not taken.
    records: Vec<u8>,
    plaintext: Vec<u8>,
    output: Vec<u8>,
    stage: Stage,
}

impl Pair {
    fn new(acceptor: &TlsAcceptor, configuration: ClientConfig, name: &'static str) -> Self {
        let name = ServerName::try_from(name).expect("a name");
        Self {
            client: ClientConnection::new(Arc::new(configuration), name).expect("a client"),
            session: acceptor.accept().expect("a session"),
            records: Vec::new(),
            plaintext: Vec::new(),
            output: Vec::new(),
            stage: Stage::Handshake,
        }
    }

    fn tls13() -> Self {
        let configuration = client_configuration(&rustls::version::TLS13, &[]);
        Self::new(&acceptor(), configuration, "mx.example.org")
    }

    /// What the client has to send.
    fn client_octets(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut octets).expect("memory");
        }
        octets
    }

    /// The session receives octets, with `room` octets for plaintext each time.
    fn receive(&mut self, octets: &[u8], room: usize) -> Result<(), TlsError> {
        self.records.extend_from_slice(octets);
        loop {
            let mut plaintext = vec![0; room];
            let opened = self
                .session
                .open(&mut self.records, &mut plaintext, &mut self.output)?;
            self.records.drain(..opened.consumed);
            self.plaintext
                .extend_from_slice(&plaintext[..opened.filled]);
            self.stage = opened.stage;
            if opened.consumed == 0 && opened.filled == 0 {
                return Ok(());
            }
        }
    }

    /// The client receives what the session has to send.
    fn answer(&mut self) -> Result<(), rustls::Error> {
        let output = std::mem::take(&mut self.output);
        let mut rest = output.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).expect("memory");
            self.client.process_new_packets()?;
        }
        Ok(())
    }

    fn shake_hands(&mut self, segment_octets: usize) -> Result<(), TlsError> {
        for _ in 0..4 {
            let octets = self.client_octets();
            for segment in octets.chunks(segment_octets) {
                self.receive(segment, 16)?;
            }
            self.answer().expect("the session keeps to the protocol");
        }
        Ok(())
    }

    fn send(&mut self, octets: &[u8]) {
        let taken = self
            .session
            .seal(&mut self.records, octets, &mut self.output);
        let taken = taken.expect("it is established");
        self.records.drain(..taken);
    }

    fn client_plaintext(&mut self) -> Vec<u8> {
        let mut plaintext = vec![0; 1 << 17];
        let count = self.client.reader().read(&mut plaintext).unwrap_or(0);
        plaintext.truncate(count);
        plaintext
    }
}

#[test]
fn octets_travel_both_ways_however_they_are_cut() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for segment_octets in [1, 7, 1_000_000] {
            let configuration = client_configuration(version, &["smtp"]);
            let mut pair = Pair::new(&acceptor(), configuration, "mx.example.org");
            pair.shake_hands(segment_octets).expect("they agree");
            assert_eq!(pair.stage, Stage::Established);
            let sent: Vec<u8> = (0..20_000_u32).map(|index| (index % 251) as u8).collect();
            pair.client.writer().write_all(&sent).expect("memory");
            let octets = pair.client_octets();
            for segment in octets.chunks(segment_octets) {
                pair.receive(segment, 100).expect("they are records");
            }
            assert_eq!(pair.plaintext, sent);
            pair.send(&sent);
            pair.answer().expect("they are records");
            assert_eq!(pair.client_plaintext(), sent);
        }
    }
}

#[test]
fn what_was_agreed_on_is_told() {
    let configuration = client_configuration(&rustls::version::TLS12, &[]);
    let mut pair = Pair::new(&acceptor(), configuration, "MX.example.org");
    assert_eq!(pair.session.facts(), None);
    pair.shake_hands(1_000_000).expect("they agree");
    let facts = pair.session.facts().expect("it is complete");
    assert_eq!(facts.protocol, "TLSv1.2");
    assert!(
        facts.cipher.starts_with("ECDHE-ECDSA-AES"),
        "{}",
        facts.cipher
    );
    assert!([128, 256].contains(&facts.key_bits));
    assert_eq!(facts.server_name.as_deref(), Some("mx.example.org"));
    assert_eq!((facts.is_resumed, facts.client_certificate), (false, None));
}

#[test]
fn sessions_are_resumed_without_a_table() {
    let acceptor = acceptor();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let configuration = client_configuration(version, &[]);
        let resumed = [false, true].map(|_| {
            let mut pair = Pair::new(&acceptor, configuration.clone(), "mx.example.org");
            pair.shake_hands(1_000_000).expect("they agree");
            pair.session.facts().map(|facts| facts.is_resumed)
        });
        assert_eq!(resumed, [Some(false), Some(true)], "{version:?}");
    }
}

#[test]
fn the_name_picks_the_certificate() {
    let acceptor = acceptor();
    for (name, expected) in [
        ("mx.example.org", "mx.example.org"),
        ("other.example.org", "mx.example.org"),
        ("192.0.2.1", "mx.example.org"),
        ("a.example.net", "*.example.net"),
        ("a.b.example.net", "mx.example.org"),
        ("exact.example.net", "*.example.net"),
        ("more.example.net", "more.example.net"),
    ] {
        let configuration = client_configuration(&rustls::version::TLS13, &[]);
        let mut pair = Pair::new(&acceptor, configuration, name);
        pair.shake_hands(1_000_000).expect("they agree");
        let chain = pair.client.peer_certificates().expect("the server has one");
        let shown = crate::tls::Certificate::from_der(&chain[0]).expect("it is one");
        assert_eq!(shown.dns_names().next(), Some(expected), "{name}");
    }
}

#[test]
fn clients_of_other_protocols_are_refused() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (protocols, is_served) in [
            (&[][..], true),
            (&["smtp"], true),
            (&["h2", "smtp"], true),
            (&["h2", "http/1.1"], false),
            (&["SMTP"], false),
        ] {
            let configuration = client_configuration(version, protocols);
            let mut pair = Pair::new(&acceptor(), configuration, "mx.example.org");
            let outcome = pair.shake_hands(1_000_000);
            assert_eq!(outcome.is_ok(), is_served, "{protocols:?}");
            if !is_served {
                let told = pair.answer().expect_err("an alert was sent");
                let told = told.to_string();
                assert!(told.contains("NoApplicationProtocol"), "{told}");
            }
        }
    }
}

#[test]
fn nothing_is_read_behind_close_notify() {
    let mut pair = Pair::tls13();
    pair.shake_hands(1_000_000).expect("they agree");
    pair.client
        .writer()
        .write_all(b"DATA\r\nhalf")
        .expect("memory");
    pair.client.send_close_notify();
    let mut octets = pair.client_octets();
    octets.extend_from_slice(b" a message\r\n.\r\nQUIT\r\n");
    pair.receive(&octets, 1_000).expect("they are records");
    assert_eq!(pair.plaintext, b"DATA\r\nhalf");
    assert_eq!(pair.stage, Stage::Ended);
    pair.receive(b"QUIT\r\n", 1_000)
        .expect("nothing is looked at");
    assert_eq!(pair.plaintext, b"DATA\r\nhalf");
    pair.send(b"451 4.4.2 gone\r\n");
    let Pair {
        session,
        records,
        output,
        ..
    } = &mut pair;
    session.close(records, output);
    pair.answer().expect("they are records");
    assert_eq!(pair.client_plaintext(), b"451 4.4.2 gone\r\n");
}

#[test]
fn plain_octets_between_records_end_the_connection() {
    let mut pair = Pair::tls13();
    pair.shake_hands(1_000_000).expect("they agree");
    assert!(pair.receive(b"RSET\r\nNOOP\r\n", 1_000).is_err());
    assert_eq!(pair.plaintext, b"");
}

#[test]
fn a_key_update_that_is_asked_for_is_answered_first() {
    let mut pair = Pair::tls13();
    pair.shake_hands(1_000_000).expect("they agree");
    for round in 0..3 {
        pair.client
            .refresh_traffic_keys()
            .expect("they are TLS 1.3");
        pair.client.writer().write_all(b"NOOP\r\n").expect("memory");
        let octets = pair.client_octets();
        pair.receive(&octets, 1_000).expect("they are records");
        pair.send(format!("250 {round}\r\n").as_bytes());
        pair.answer().expect("the client can decipher it");
        assert_eq!(
            pair.client_plaintext(),
            format!("250 {round}\r\n").as_bytes()
        );
    }
    assert_eq!(pair.plaintext, b"NOOP\r\nNOOP\r\nNOOP\r\n");
}

#[test]
fn plaintext_waits_for_room_while_something_is_sent() {
    let mut pair = Pair::tls13();
    pair.shake_hands(1_000_000).expect("they agree");
    for _ in 0..10 {
        pair.client
            .writer()
            .write_all(&[b'x'; 1_000])
            .expect("memory");
    }
    pair.records = pair.client_octets();
    pair.send(b"250 Ok\r\n");
    assert!(
        pair.records.is_empty(),
        "what was there has been deciphered"
    );
    pair.receive(b"", 300).expect("they are records");
    assert_eq!(pair.plaintext.len(), 10_000);
}

#[test]
fn a_handshake_without_end_is_ended() {
    let mut pair = Pair::tls13();
    // A first message of 60,000 octets, in records of one octet.
    let mut message = vec![1, 0, 0xea, 0x60];
    message.resize(60_000, 0);
    let records = message.iter().map(|octet| [22, 3, 1, 0, 1, *octet]);
    let records: Vec<u8> = records.flatten().collect();
    let mut outcome = Ok(());
    for record in records.chunks(6) {
        outcome = pair.receive(record, 16);
        if outcome.is_err() || limits::TLS_RECORD_BUFFER_BYTES <= pair.records.len() {
            break;
        }
    }
    // The transport gives up when its buffer is full of one message.
    assert!(outcome.is_err() || limits::TLS_RECORD_BUFFER_BYTES <= pair.records.len());
    assert_eq!(pair.stage, Stage::Handshake);
}

#[test]
fn garbage_is_no_handshake() {
    for garbage in [
        &b"EHLO client.example\r\n"[..],
        b"\x16\x03\x01\x00\x05hello",
        b"\x15\x03\x01\x00\x02\x02\x28",
        &[0xff; 300],
    ] {
        let mut pair = Pair::tls13();
        assert!(
            pair.receive(garbage, 16).is_err(),
            "{}",
            garbage.escape_ascii()
        );
        let sealed = pair
            .session
            .seal(&mut [], b"220 hello\r\n", &mut Vec::new());
        assert!(sealed.is_err(), "nothing is sent in plain text");
    }
}

/// Seals records of any type as a client whose handshake is complete would.
struct Sealer {
    encrypter: Box<dyn MessageEncrypter>,
    version: ProtocolVersion,
    sequence: u64,
}

impl Sealer {
    /// A client of the session, which keeps its keys.
    fn shaken_hands(version: &'static rustls::SupportedProtocolVersion) -> (Pair, Self) {
        let mut configuration = client_configuration(version, &[]);
        configuration.enable_secret_extraction = true;
        let mut pair = Pair::new(&acceptor(), configuration, "mx.example.org");
        pair.shake_hands(1_000_000).expect("they agree");
        let configuration = client_configuration(version, &[]);
        let name = ServerName::try_from("mx.example.org").expect("a name");
        let idle = ClientConnection::new(Arc::new(configuration), name).expect("a client");
        let client = std::mem::replace(&mut pair.client, idle);
        let suite = client.negotiated_cipher_suite().expect("they agree");
        let secrets = client.dangerous_extract_secrets().expect("it was allowed");
        let (sequence, secrets) = secrets.tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets
        else {
            panic!("{suite:?} is not what this client prefers");
        };
        let encrypter = match suite {
            // The first four octets are the key's, the others begin the nonces (RFC 5288 §3).
            SupportedCipherSuite::Tls12(suite) => {
                let (fixed, explicit) = iv.as_ref().split_at(4);
                suite.aead_alg.encrypter(key, fixed, explicit)
            }
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        };
        let mut sealer = Self {
            encrypter,
            version: ProtocolVersion::TLSv1_2,
            sequence: 0,
        };
        // The library wants to see every number of a record, in order.
        for _ in 0..sequence {
            sealer.seal(ContentType::ApplicationData, b"");
        }
        (pair, sealer)
    }

    fn seal(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ,
            version: self.version,
            payload: payload.into(),
        };
        let sealed = self.encrypter.encrypt(message, self.sequence);
        self.sequence += 1;
        sealed.expect("it can be sealed").encode()
    }
}

/// A first message of a client in a session that has begun. With TLS 1.2 it asks for a renegotiation.
fn hello_again() -> Vec<u8> {
    let mut pair = Pair::new(
        &acceptor(),
        client_configuration(&rustls::version::TLS12, &[]),
        "mx.example.org",
    );
    let record = pair.client_octets();
    record[5..].to_vec()
}

#[test]
fn a_renegotiation_is_refused_and_changes_nothing() {
    let (mut pair, mut client) = Sealer::shaken_hands(&rustls::version::TLS12);
    let before = pair.session.facts();
    pair.output.clear();
    let first = client.seal(ContentType::Handshake, &hello_again());
    pair.receive(&first, 1_000).expect("it is answered");
    assert_eq!(pair.output.first(), Some(&0x15), "with a warning");
    let data = client.seal(ContentType::ApplicationData, b"NOOP\r\n");
    pair.receive(&data, 1_000).expect("the session goes on");
    assert_eq!(pair.plaintext, b"NOOP\r\n");
    assert_eq!(pair.session.facts(), before);
    assert_eq!(pair.stage, Stage::Established);
    // Each would cost the server more than the client: a second one ends the connection.
    let second = client.seal(ContentType::Handshake, &hello_again());
    assert!(pair.receive(&second, 1_000).is_err());
    let data = client.seal(ContentType::ApplicationData, b"QUIT\r\n");
    assert!(pair.receive(&data, 1_000).is_err());
    assert_eq!(pair.plaintext, b"NOOP\r\n");
}

#[test]
fn a_second_handshake_in_the_session_ends_it() {
    // RFC 8446 §4.1.2: there is no renegotiation any more.
    let (mut pair, mut client) = Sealer::shaken_hands(&rustls::version::TLS13);
    pair.output.clear();
    let hello = client.seal(ContentType::Handshake, &hello_again());
    assert!(pair.receive(&hello, 1_000).is_err());
    assert!(!pair.output.is_empty(), "an alert is sent");
    assert_eq!(pair.plaintext, b"");
}

#[test]
fn keys_are_not_updated_without_end() {
    // Each costs an answer; a client that sends nothing else keeps a processor busy for nothing.
    let mut pair = Pair::tls13();
    pair.shake_hands(1_000_000).expect("they agree");
    let taken_count = (0..1_000).take_while(|_| {
        let updated = pair.client.refresh_traffic_keys();
        updated.expect("they are TLS 1.3");
        let octets = pair.client_octets();
        pair.receive(&octets, 1_000).is_ok()
    });
    assert!(taken_count.count() < 100);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Whatever a client sends, a session ends with an error at worst.
    #[test]
    fn damaged_records_do_no_harm(
        damage in proptest::collection::vec((0_usize..4_000, any::<u8>()), 0..4),
        after_handshake: bool,
        segment_octets in 1_usize..600,
    ) {
        let mut pair = Pair::tls13();
        if after_handshake {
            pair.shake_hands(1_000_000).expect("they agree");
            pair.client.refresh_traffic_keys().expect("they are TLS 1.3");
            pair.client.writer().write_all(b"NOOP\r\n").expect("memory");
        }
        let mut octets = pair.client_octets();
        for (place, octet) in &damage {
            let place = place % octets.len();
            octets[place] = *octet;
        }
        for segment in octets.chunks(segment_octets) {
            if pair.receive(segment, 16).is_err() {
                break;
            }
            let Pair { session, records, output, .. } = &mut pair;
            if let Ok(taken) = session.seal(records, b"250 Ok\r\n", output) {
                records.drain(..taken);
            }
        }
        prop_assert!(damage.is_empty() || pair.plaintext.len() <= 6);
    }
}
