//! Plays the dialogues over TCP and over TLS: line by line, all at once, and one octet per write, which over TLS is one
//! octet per record; over TLS also with records that come octet by octet.
//!
//! In: the same files and patterns as the plays in memory. Out: the transcript must be the same, and so must what is
//! stored; that alone tests framing, pipelining and buffering of the pump. Those of `starttls/` change from one to the
//! other.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::channel::{Tls, certificate};
use super::server::{Client, Server, configuration, content, directory};
use crate::dialogue::profile::USERS;
use crate::dialogue::script::{Claim, Dialogue, Event, parse};

/// How the client's octets are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Segments {
    /// What the dialogue sends at one point, when the server has answered what came before.
    Lockstep,
    /// Everything after the greeting at once.
    One,
    /// The same, one octet per write.
    Octets,
}

#[test]
fn dialogues_hold_line_by_line() {
    play_protocol(Segments::Lockstep, None);
}

#[test]
fn dialogues_hold_at_once() {
    play_protocol(Segments::One, None);
}

#[test]
fn dialogues_hold_octet_by_octet() {
    play_protocol(Segments::Octets, None);
}

#[test]
fn dialogues_hold_line_by_line_over_tls() {
    play_protocol(Segments::Lockstep, Some(usize::MAX));
}

#[test]
fn dialogues_hold_at_once_over_tls() {
    play_protocol(Segments::One, Some(usize::MAX));
}

#[test]
fn dialogues_hold_octet_by_octet_of_each_record() {
    play_protocol(Segments::One, Some(1));
}

#[test]
fn dialogues_hold_with_one_octet_per_record() {
    play_protocol(Segments::Octets, Some(usize::MAX));
}

#[test]
fn dialogues_hold_where_tls_begins() {
    for octets_per_write in [1, usize::MAX] {
        let server = started("tls = \"starttls\"", "plain");
        for dialogue in dialogues("tests/dialogue/starttls") {
            play_with(&dialogue, Segments::Lockstep, &server, octets_per_write);
        }
    }
}

/// `octets_per_write`: of TLS records, if the dialogues are played over TLS.
fn play_protocol(segments: Segments, octets_per_write: Option<usize>) {
    let octets = |dialogue: &Dialogue| -> usize {
        let sent = dialogue.steps.iter().filter_map(client_octets);
        sent.map(<[u8]>::len).sum()
    };
    let mut dialogues = dialogues("tests/dialogue");
    if octets_per_write.is_some() {
        // What is said where TLS is missing is not said over TLS.
        dialogues.retain(|dialogue| dialogue.profile != "auth-tls");
    }
    if matches!(segments, Segments::Octets) || octets_per_write == Some(1) {
        // One octet per write costs a system call and a segment each.
        dialogues.retain(|dialogue| octets(dialogue) <= OCTETS_MAX);
    }
    play_all(&dialogues, segments, |profile| match octets_per_write {
        None => started("", profile),
        Some(count) => started("tls = \"implicit\"", profile).over_tls(Tls::shared(count)),
    });
}

/// Plays dialogues, each with the server of its profile.
pub(crate) fn play_all(
    dialogues: &[Dialogue],
    segments: Segments,
    server_of: impl Fn(&str) -> Server,
) {
    let mut servers: HashMap<&str, Server> = HashMap::new();
    for dialogue in dialogues {
        let server = servers
            .entry(&dialogue.profile)
            .or_insert_with(|| server_of(&dialogue.profile));
        play(dialogue, segments, server);
    }
}

/// Plays one dialogue with a running server.
pub(crate) fn play(dialogue: &Dialogue, segments: Segments, server: &Server) {
    play_with(dialogue, segments, server, usize::MAX);
}

fn play_with(dialogue: &Dialogue, segments: Segments, server: &Server, octets_per_write: usize) {
    let mut player = Player {
        dialogue,
        segments,
        server,
        octets_per_write,
        before: server.messages().len(),
        line: 0,
        ids: Vec::new(),
    };
    player.play();
}

/// The dialogues in a folder of the project.
pub(crate) fn dialogues(folder: &str) -> Vec<Dialogue> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is readable");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "smtp")
    });
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("a dialogue is text");
        let name = path
            .file_name()
            .expect("it is a file")
            .to_string_lossy()
            .into_owned();
        parse(&name, &text).unwrap_or_else(|error| panic!("{error}"))
    };
    let dialogues: Vec<_> = paths.iter().flat_map(read).collect();
    assert!(
        !dialogues.is_empty(),
        "there are dialogues in {}",
        folder.display()
    );
    dialogues
}

/// A server for a profile name that dialogues use, with a key about TLS; `dialogue::profile` says what they mean.
fn started(tls: &str, profile: &str) -> Server {
    let domains = match profile {
        "sink" => "accept_domains = [\"*\"]",
        "international" => "accept_domains = [\"xn--bcher-kva.example\"]",
        _ => "accept_domains = [\"example.org\", \"*.example.net\"]",
    };
    let relay = match profile {
        "relay" => "relay_from = [\"127.0.0.0/8\"]",
        "xclient" | "xclient-auth" => {
            "xclient_from = [\"127.0.0.0/8\"]\nrelay_from = [\"203.0.113.0/24\"]"
        }
        _ => "",
    };
    let limits = match profile {
        "small" => {
            "message_octets_max = 1000\nrecipients_per_message_max = 100\n\
             messages_per_connection_max = 2\nerrors_per_connection_max = 3\n\
             idle_commands_max = 5\nreceived_headers_max = 100"
        }
        _ => "idle_commands_max = 5000\nauth_failure_delay_ms = 0",
    };
    let auth = match profile {
        "auth" | "xclient-auth" => "auth_without_tls = true",
        "auth-plain" => "auth_without_tls = true\nauth_mechanisms = [\"PLAIN\"]",
        "auth-tls" => "auth_without_tls = false",
        "auth-required" => "auth_without_tls = true\nauth_required = true",
        _ => "auth_mechanisms = []",
    };
    let mechanisms = "auth_mechanisms = [\"PLAIN\", \"LOGIN\", \"CRAM-MD5\"]";
    let mechanisms = Some(mechanisms).filter(|_| !auth.contains("auth_mechanisms"));
    let mechanisms = mechanisms.unwrap_or_default();
    let users = USERS.map(|(name, secret)| format!("{name:?} = {secret:?}"));
    let users = format!("users = {{ {} }}", users.join(", "));
    let directory = directory();
    certificate(&["mx.example.org"]).write(&directory, "main");
    let server = format!(
        "{domains}\n{relay}\n{tls}\ncertificate = \"main\"\n{auth}\n{mechanisms}\n{users}\n\
         destination = \"maildir:mail\""
    );
    let server = format!("{}{CERTIFICATE}", configuration(&server, limits));
    let server = Server::start_in(directory, &server);
    match profile {
        "plain" | "small" | "sink" | "international" | "relay" | "xclient" => {}
        "xclient-auth" => {}
        "auth" | "auth-plain" | "auth-tls" | "auth-required" => {}
        // Without its directory no file can be made.
        "failing" => fs::remove_dir(server.path("mail/tmp")).expect("it is empty"),
        other => panic!("no server is known for the profile `{other}`"),
    }
    server
}

struct Player<'play> {
    dialogue: &'play Dialogue,
    segments: Segments,
    server: &'play Server,
    /// Octets of TLS records per write, where the dialogue begins TLS.
    octets_per_write: usize,
    /// Messages stored before this dialogue.
    before: usize,
    line: usize,
    /// Ids of messages in the order of their replies; dialogues call them id-0, id-1 and so on.
    ids: Vec<String>,
}

impl Player<'_> {
    fn play(&mut self) {
        let mut client = self.server.connect();
        let mut steps = self.dialogue.steps.iter().peekable();
        let mut stored_count = 0;
        if !matches!(self.segments, Segments::Lockstep) {
            // A client that talks before the greeting is another test's.
            let greeting = steps.next().expect("a dialogue has steps");
            self.line = greeting.line;
            self.expect(&mut client, &greeting.event);
            self.send_all(&mut client);
        }
        for step in steps {
            self.line = step.line;
            match &step.event {
                Event::Client(octets) if matches!(self.segments, Segments::Lockstep) => {
                    self.check(client.try_send(octets), "the server has closed");
                }
                Event::Client(_) => {}
                Event::Stored(count) => {
                    stored_count = *count;
                    if matches!(self.segments, Segments::Lockstep) {
                        self.check_stored(stored_count);
                    }
                }
                Event::Message(claim) => self.check_claim(stored_count, claim),
                Event::Handshake => {
                    let upgraded = client.upgrade(&Tls::shared(self.octets_per_write));
                    client = upgraded.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
                }
                event => self.expect(&mut client, event),
            }
        }
        client.end_sending();
        if !matches!(
            self.dialogue.steps.last().map(|step| &step.event),
            Some(Event::Closed)
        ) {
            client.expect_close();
        }
        if self
            .dialogue
            .steps
            .iter()
            .any(|step| matches!(step.event, Event::Stored(_)))
        {
            self.check_stored(stored_count);
        }
    }

    fn send_all(&self, client: &mut Client) {
        let octets: Vec<u8> = self
            .dialogue
            .steps
            .iter()
            .filter_map(client_octets)
            .collect::<Vec<_>>()
            .concat();
        match self.segments {
            Segments::Lockstep | Segments::One => drop(client.try_send(&octets)),
            Segments::Octets => {
                for octet in octets.chunks(1) {
                    // The server may close before it has had everything.
                    if !client.try_send(octet) {
                        return;
                    }
                }
            }
        }
    }

    fn expect(&mut self, client: &mut Client, event: &Event) {
        match event {
            Event::Server(pattern) => {
                let line = client.try_line();
                let line = line.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
                let text = line.as_deref().and_then(|line| line.strip_suffix("\r\n"));
                let text = text.unwrap_or_else(|| panic!("{}: {line:?}", self.place()));
                if let Some((_, id)) = text.split_once(" queued as ") {
                    self.ids.push(id.to_owned());
                }
                let text = self.with_known_ids(text);
                self.check(pattern.matches(text.as_bytes()), &text);
            }
            Event::Reply(whole) => {
                let mut lines = Vec::new();
                let mut goes_on = true;
                while goes_on {
                    let line = client.try_line();
                    let line = line.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
                    let text = line.as_deref().and_then(|line| line.strip_suffix("\r\n"));
                    let text = text.unwrap_or_else(|| panic!("{}: {line:?}", self.place()));
                    let more = whole.goes_on(text.as_bytes());
                    goes_on = more.unwrap_or_else(|| panic!("{}: {text}", self.place()));
                    lines.push(text.as_bytes().to_vec());
                }
                self.check(whole.matches(&lines), &format!("{lines:?}"));
            }
            Event::Closed => {
                let line = client.try_line();
                let line = line.unwrap_or_else(|error| panic!("{}: {error}", self.place()));
                self.check(line.is_none(), "the server has not closed");
            }
            Event::Client(_) | Event::Stored(_) | Event::Message(_) | Event::Handshake => {}
        }
    }

    fn check_stored(&self, count: usize) {
        let stored = self.server.messages().len() - self.before;
        self.check(stored == count, &format!("{stored} messages are stored"));
    }

    fn check_claim(&self, stored_count: usize, claim: &Claim) {
        let messages = self.server.messages();
        let message = &messages[self.before + stored_count - 1];
        let content = content(message);
        let trace = String::from_utf8_lossy(&message[..message.len() - content.len()]);
        let trace = trace.replace("\r\n ", " ");
        let field = |name: &str| -> Vec<String> {
            let fields = trace
                .split("\r\n")
                .filter_map(|field| field.strip_prefix(name));
            fields.map(str::to_owned).collect()
        };
        let holds = match claim {
            Claim::ReversePath(path) => field("Return-Path: ") == [format!("<{path}>")],
            Claim::Recipients(recipients) => field("X-Original-To: ") == *recipients,
            Claim::Content(wanted) => content == wanted,
            Claim::Octets(octets) => content.len() == *octets,
            Claim::Trace(pattern) => trace
                .split("\r\n")
                .any(|field| pattern.matches(dated(&self.with_known_ids(field)).as_bytes())),
        };
        self.check(holds, &message.escape_ascii().to_string());
    }

    /// Calls ids, the client's address and the protocol what they are called in memory.
    fn with_known_ids(&self, text: &str) -> String {
        let mut text = text.replace("127.0.0.1", "192.0.2.7");
        if self.server.is_over_tls()
            && let Some((front, rest)) = text.split_once(" (TLSv1.3 ")
            && let Some((_, rest)) = rest.split_once(" bits)")
        {
            // The S that says so, but for the one of HELO, which says nothing.
            let plain = front.to_owned();
            let front = front.strip_suffix("PS").map(|front| format!("{front}P"));
            text = format!("{}{rest}", front.unwrap_or(plain));
        }
        let ids = self.ids.iter().enumerate();
        ids.fold(text, |text, (index, id)| {
            text.replace(id, &format!("id-{index}"))
        })
    }

    fn check(&self, holds: bool, what: &str) {
        assert!(holds, "{}: {what}", self.place());
    }

    fn place(&self) -> String {
        format!("{}:{} ({:?})", self.dialogue.file, self.line, self.segments)
    }
}

fn client_octets(step: &crate::dialogue::script::Step) -> Option<&[u8]> {
    match &step.event {
        Event::Client(octets) => Some(octets),
        _ => None,
    }
}

/// A trace header field with the date that `Received:` has in memory.
fn dated(field: &str) -> String {
    match field.rsplit_once("; ") {
        Some((front, _)) => format!("{front}; Mon, 7 Sep 2026 10:00:00 +0000"),
        None => field.to_owned(),
    }
}

/// The certificate that servers of dialogues show.
const CERTIFICATE: &str =
    "[[certificate]]\nid = \"main\"\nchain = \"main.pem\"\nkey = \"main.key\"\n";

/// Largest dialogue that is sent one octet at a time.
const OCTETS_MAX: usize = 4_096;
