//! The target that sends records of TLS.
//!
//! In: choices, sizes, what a client wants to send, damage. Out: nothing, or a panic. What holds: what a client sends
//! arrives as it is, whatever the sizes of its records, of the reads and of the room for it; of damaged records, or of
//! plain octets among them, nothing arrives but what was whole before the damage; what is no handshake gets an alert and
//! not one octet of data; nothing is ever answered in plain text.

use std::sync::OnceLock;

use postern::limits;
use postern::tls::{
    ClientCertificates, ClientChannel, Identity, Session, Stage, TlsAcceptor, TlsConnector,
};
use rcgen::{CertificateParams, KeyPair};

use super::cut;

/// One connection. The first octet chooses what happens to it, the second how much room there is for plaintext.
pub(super) fn records(input: &[u8]) {
    let &[choice, room, ref input @ ..] = input else {
        return;
    };
    let (octets, pieces) = cut(input);
    let mut server = Server::new(usize::from(room) + 1);
    match choice % 4 {
        0 => garbage(server, octets, &pieces),
        1 => damaged_handshake(server, octets, &pieces),
        _ => {
            let mut client = connector().connect().expect("a client");
            shake_hands(&mut server, &mut client, &pieces);
            if choice % 4 == 2 {
                whole(server, client, octets, &pieces);
            } else {
                damaged(server, client, &pieces);
            }
        }
    }
}

/// Octets that no client made.
fn garbage(mut server: Server, octets: &[u8], pieces: &[&[u8]]) {
    for piece in pieces {
        server.receive(piece);
    }
    assert_eq!(server.plaintext, b"", "{}", octets.escape_ascii());
    assert_ne!(server.stage, Stage::Established);
    let sealed = server
        .session
        .seal(&mut server.records, b"220 hello\r\n", &mut server.output);
    assert!(sealed.is_err(), "nothing is sent before the handshake");
    check_records(&server.output);
}

/// A client's first message with some octets replaced: nobody gets in, and nothing arrives.
fn damaged_handshake(mut server: Server, damage: &[u8], pieces: &[&[u8]]) {
    let mut client = connector().connect().expect("a client");
    let mut records = Vec::new();
    client.flush(&mut records);
    damage_at(&mut records, damage);
    for segment in segments(&records, pieces) {
        server.receive(segment);
    }
    let mut answer = Vec::new();
    if client.take(&server.output).is_ok() {
        client.flush(&mut answer);
    }
    server.receive(&answer);
    assert_eq!(server.plaintext, b"");
    check_records(&server.output);
}

/// What the client sends arrives, and what the server sends, too; behind the end nothing does.
fn whole(mut server: Server, mut client: ClientChannel, octets: &[u8], pieces: &[&[u8]]) {
    let mut records = Vec::new();
    for piece in pieces {
        client.write(piece, &mut records).expect("it can send");
    }
    client.end(&mut records);
    records.extend_from_slice(b"MAIL FROM:<injected@client.example>\r\n");
    for segment in segments(&records, pieces) {
        server.receive(segment);
    }
    assert!(!server.has_failed, "these are records");
    assert_eq!(server.plaintext, octets);
    assert_eq!(server.stage, Stage::Ended);
    for piece in pieces {
        let sealed = server
            .session
            .seal(&mut server.records, piece, &mut server.output);
        let taken = sealed.expect("it can still send");
        server.records.drain(..taken);
    }
    check_records(&server.output);
    let mut received = Vec::new();
    for segment in segments(&server.output, pieces) {
        client.take(segment).expect("these are records");
        read(&mut client, &mut received);
    }
    assert_eq!(received, octets);
}

/// Records with some octets replaced, one record for each piece: what arrives is the front of what was sent.
fn damaged(mut server: Server, mut client: ClientChannel, pieces: &[&[u8]]) {
    let Some((damage, pieces)) = pieces.split_first() else {
        return;
    };
    let mut records = Vec::new();
    for piece in pieces {
        client.write(piece, &mut records).expect("it can send");
    }
    let before = records.clone();
    damage_at(&mut records, damage);
    let first = before
        .iter()
        .zip(&records)
        .position(|(one, other)| one != other);
    for segment in segments(&records, pieces) {
        server.receive(segment);
    }
    let sent = pieces.concat();
    assert!(sent.starts_with(&server.plaintext), "it is the front");
    match first.map(|place| place_in_record(&before, place)) {
        None => assert_eq!(server.plaintext, sent),
        // Type and version outside mean nothing: the type is sealed inside (RFC 8446 §5.1, §5.2).
        Some(0..=2) => {}
        Some(_) => assert!(
            server.plaintext.len() < sent.len(),
            "the rest does not arrive"
        ),
    }
    check_records(&server.output);
}

/// Which octet of its record the one at `place` is.
fn place_in_record(records: &[u8], mut place: usize) -> usize {
    let mut rest = records;
    while let Some(([_, _, _, high, low], _)) = rest.split_first_chunk() {
        let octets = RECORD_HEADER_OCTETS + usize::from(u16::from_be_bytes([*high, *low]));
        if place < octets {
            break;
        }
        place -= octets;
        rest = &rest[octets..];
    }
    place
}

/// The server's side.
struct Server {
    session: Session,
    /// Received, and not taken.
    records: Vec<u8>,
    plaintext: Vec<u8>,
    output: Vec<u8>,
    room_octets: usize,
    stage: Stage,
    has_failed: bool,
}

impl Server {
    fn new(room_octets: usize) -> Self {
        Self {
            session: acceptor().accept().expect("a session"),
            records: Vec::new(),
            plaintext: Vec::new(),
            output: Vec::new(),
            room_octets,
            stage: Stage::Handshake,
            has_failed: false,
        }
    }

    /// As the connection does: what has failed gets nothing more.
    fn receive(&mut self, octets: &[u8]) {
        self.records.extend_from_slice(octets);
        while !self.has_failed {
            let mut room = vec![0; self.room_octets];
            let opened = self
                .session
                .open(&mut self.records, &mut room, &mut self.output);
            let Ok(opened) = opened else {
                self.has_failed = true;
                return;
            };
            self.records.drain(..opened.consumed);
            self.plaintext.extend_from_slice(&room[..opened.filled]);
            self.stage = opened.stage;
            if opened.consumed == 0 && opened.filled == 0 {
                return;
            }
        }
    }
}

/// A handshake whose client sends its first message in records, and everything in segments, of the sizes of `pieces`.
fn shake_hands(server: &mut Server, client: &mut ClientChannel, pieces: &[&[u8]]) {
    let mut records = Vec::new();
    client.flush(&mut records);
    let mut records = in_small_records(&records, pieces);
    for _ in 0..4 {
        for segment in segments(&records, pieces) {
            server.receive(segment);
        }
        assert!(!server.has_failed, "this is a handshake");
        let output = std::mem::take(&mut server.output);
        for segment in segments(&output, pieces) {
            client.take(segment).expect("these are records");
        }
        records = Vec::new();
        client.flush(&mut records);
    }
    assert_eq!(server.stage, Stage::Established);
    assert_eq!(server.plaintext, b"");
}

/// One record of the handshake as several, which says the same (RFC 8446 §5.1).
fn in_small_records(record: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let (header, message) = record.split_at(RECORD_HEADER_OCTETS);
    let mut records = Vec::new();
    for part in segments(message, pieces) {
        let length = u16::try_from(part.len()).expect("a record is short");
        records.extend_from_slice(&header[..3]);
        records.extend_from_slice(&length.to_be_bytes());
        records.extend_from_slice(part);
    }
    records
}

/// `octets` in parts of the sizes of `pieces`, again and again.
fn segments<'octets>(octets: &'octets [u8], pieces: &[&[u8]]) -> Vec<&'octets [u8]> {
    let mut sizes = pieces.iter().map(|piece| piece.len()).cycle();
    let mut rest = octets;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len());
        let (segment, later) = rest.split_at(size.min(rest.len()));
        segments.push(segment);
        rest = later;
    }
    segments
}

/// Replaces octets: two of `damage` are a place, the third is what stands there.
fn damage_at(octets: &mut [u8], damage: &[u8]) {
    for change in damage.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]]));
        if let Some(octet) = octets.get_mut(place) {
            *octet = change[2];
        }
    }
}

fn read(client: &mut ClientChannel, received: &mut Vec<u8>) {
    let mut plaintext = [0; 1_024];
    while let Some(count @ 1..) = client.read(&mut plaintext) {
        received.extend_from_slice(&plaintext[..count]);
    }
}

/// All that a server sends are whole records.
fn check_records(output: &[u8]) {
    let mut rest = output;
    while !rest.is_empty() {
        let ([kind, 3, _, high, low], payload) = rest.split_first_chunk().expect("a header") else {
            panic!("{} is no record", rest.escape_ascii())
        };
        assert!((0x14..=0x17).contains(kind), "{kind} is no content type");
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        assert!(RECORD_HEADER_OCTETS + length <= limits::TLS_RECORD_BUFFER_BYTES);
        rest = payload.get(length..).expect("a record is whole");
    }
}

fn acceptor() -> &'static TlsAcceptor {
    static ACCEPTOR: OnceLock<TlsAcceptor> = OnceLock::new();
    ACCEPTOR.get_or_init(|| {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(["mx.example.org".to_owned()]).expect("a name");
        let chain = certificate.self_signed(&key).expect("a certificate").pem();
        let identity = Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes());
        let identities = [identity.expect("they belong together").into()];
        TlsAcceptor::new(&identities, ClientCertificates::Ignored).expect("random octets")
    })
}

fn connector() -> &'static TlsConnector {
    static CONNECTOR: OnceLock<TlsConnector> = OnceLock::new();
    CONNECTOR.get_or_init(|| TlsConnector::without_trust("mx.example.org").expect("a name"))
}

/// Type, version, length.
const RECORD_HEADER_OCTETS: usize = 5;
