//! Tests of the whole generator against servers of this crate, over loopback.
//!
//! What the generator reports must be exactly what the server counted, in every mode; and no
//! server, however it behaves, may stop it or make it count a unit twice or not at all.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Parser;
use memchr::memmem;

use crate::arguments::{Arguments, Command};
use crate::histogram::Stage;
use crate::listener::{Flow, Listener, Responder};
use crate::null::Null;
use crate::pacing::Counter;
use crate::plan::Plan;
use crate::report::Report;
use crate::send::{self, Run};
use crate::sink::{Counts, Manners, Sink};
use crate::tally::{ErrorKind, Tally};
use crate::transparency::MailDataReader;
use crate::verify;

fn plan(to: SocketAddr, options: &str) -> Plan {
    let to = to.to_string();
    let words = ["postern-loadgen", "send", "--to", &to];
    let words = words.into_iter().chain(options.split_ascii_whitespace());
    match Arguments::try_parse_from(words)
        .expect("valid options")
        .command
    {
        Command::Send(arguments) => arguments.plan().expect("a valid plan"),
        other => panic!("not send: {other:?}"),
    }
}

/// Runs `send` with each set of options against one responder; returns it and the runs.
fn play<R: Responder + Send + 'static>(responder: R, options: &[&str]) -> (R, Vec<Run>) {
    let (responder, played) = play_noting(responder, options, None);
    (responder, played.into_iter().map(|(_, run)| run).collect())
}

/// Runs `send` in each of these modes, each time against a responder of its own; the options,
/// the responders and the runs.
fn play_modes<R: Responder + Send + 'static>(
    modes: &[&str],
    options: &str,
    responder: impl Fn() -> R,
) -> impl Iterator<Item = (String, R, Run)> {
    modes.iter().map(move |mode| {
        let options = format!("--mode {mode} {options}");
        let (responder, runs) = play(responder(), &[&options]);
        let [run] = runs.try_into().expect("a run for the one set of options");
        (options, responder, run)
    })
}

/// Runs `send` in each mode against a sink, which must have accepted exactly what is reported;
/// the options and both counts.
fn play_sinks(manners: Manners, options: &str) -> impl Iterator<Item = (String, Counts, Tally)> {
    play_modes(&MODES, options, move || Sink::new(manners)).map(|(options, sink, run)| {
        let (counts, tally) = (sink.counts(), run.tally);
        assert_eq!(counts.messages, tally.acknowledged, "{options}");
        assert_eq!(counts.octets, tally.acknowledged_octets, "{options}");
        (options, counts, tally)
    })
}

/// As [`play`], with the plan of each run; the ids of acknowledged messages go to the file `sent`.
fn play_noting<R: Responder + Send + 'static>(
    responder: R,
    options: &[&str],
    sent: Option<&Path>,
) -> (R, Vec<(Plan, Run)>) {
    let stop = Arc::new(AtomicBool::new(false));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(address, responder, Arc::clone(&stop)).expect("bound");
    let address = listener.address();
    let server = thread::spawn(move || listener.run());
    let played = options
        .iter()
        .map(|options| {
            let plan = plan(address, options);
            let run = send::run(&plan, &Counter::default(), sent).expect("a run");
            let tally = &run.tally;
            let ended = tally.as_expected + tally.unexpected + tally.without_reply;
            assert_eq!(tally.begun, ended, "each unit ends once: {options}");
            let report = Report::new(&plan, &run, (*options).to_owned());
            assert!(report.text().contains(options));
            assert_eq!(report.json()["units"]["begun"], tally.begun);
            (plan, run)
        })
        .collect();
    stop.store(true, Ordering::Relaxed);
    let responder = server.join().expect("no panic").expect("no error");
    (responder, played)
}

/// The modes that send messages.
const MODES: [&str; 5] = ["pipe", "next", "seq", "one", "onep"];

#[test]
fn sink_counts_what_send_reports_in_every_mode() {
    for load in [
        "--messages 1",
        "--messages 200 --connections 7",
        "--messages 100 --connections 3 --recipients 5 --size 700",
        "--messages 60 --connections 4 --messages-per-connection 4 --cores 2",
        "--messages 12 --connections 2 --size 1000000",
        "--messages 50 --connections 5 --rst-close --source-addresses 127.0.0.2-127.0.0.4",
        "--messages 40 --connections 2 --rate 2000",
    ] {
        for (options, counts, tally) in play_sinks(Manners::default(), load) {
            assert!(tally.is_clean(), "{options}: {:?}", tally.samples);
            assert_eq!(counts.connections, tally.connections, "{options}");
            assert_eq!(tally.acknowledged, tally.begun, "{options}");
            let recipients: u64 = tally.replies(Stage::Rcpt).map(|(_, count)| count).sum();
            assert_eq!(counts.recipients, recipients, "{options}");
        }
    }
}

#[test]
fn the_canned_responder_serves_every_mode() {
    let load = "--messages 100 --connections 8 --size 3000";
    for (options, _, run) in play_modes(&MODES, load, || Null) {
        let tally = &run.tally;
        assert!(tally.is_clean(), "{options}: {:?}", tally.samples);
        assert_eq!(tally.acknowledged, 100);
    }
}

#[test]
fn sessions_without_messages_are_counted() {
    let (sink, runs) = play(
        Sink::new(Manners::default()),
        &["--mode conn --messages 90 --connections 9"],
    );
    assert!(runs[0].tally.is_clean());
    assert_eq!((sink.counts().connections, sink.counts().messages), (90, 0));
    assert_eq!(
        runs[0].tally.session.summary().map(|session| session.count),
        Some(90)
    );
}

#[test]
fn what_is_refused_by_chance_is_not_reported_as_accepted() {
    let manners = Manners {
        refuse: 0.2,
        seed: 3,
        ..Manners::default()
    };
    let load = "--messages 300 --connections 6 --recipients 2";
    for (options, counts, tally) in play_sinks(manners, load) {
        assert_eq!(tally.as_expected, tally.acknowledged, "{options}");
        assert!(
            0 < tally.unexpected && tally.errors().next().is_none(),
            "{options}"
        );
        let refused: u64 = [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::EndOfData]
            .into_iter()
            .flat_map(|stage| tally.replies(stage))
            .filter(|(code, _)| *code == 451)
            .map(|(_, count)| count)
            .sum();
        assert_eq!(counts.refused, refused, "{options}");
    }
}

#[test]
fn disconnections_lose_the_unit_at_hand_and_nothing_else() {
    let manners = Manners {
        disconnect: 0.05,
        seed: 5,
        ..Manners::default()
    };
    for (options, counts, tally) in play_sinks(manners, "--messages 300 --connections 6") {
        assert_eq!(counts.disconnected, tally.without_reply, "{options}");
        assert!(0 < counts.disconnected && !tally.is_clean());
    }
}

#[test]
fn a_stalled_server_shows_in_the_open_loop() {
    let manners = Manners {
        delay: std::time::Duration::from_millis(20),
        ..Manners::default()
    };
    let (_, runs) = play(
        Sink::new(manners),
        &["--messages 25 --rate 1000", "--messages 25"],
    );
    let transaction = |run: &Run| run.tally.transaction.summary().expect("recorded");
    // 25 messages of 20 ms each on one connection: the last was due after 24 ms and is done
    // after 500.
    assert!(
        400_000_000 < transaction(&runs[0]).max_ns,
        "{:?}",
        transaction(&runs[0])
    );
    assert!(200_000_000 < transaction(&runs[0]).p50_ns);
    assert!(
        transaction(&runs[1]).p50_ns < 200_000_000,
        "the closed loop hides it"
    );
}

#[test]
fn the_file_of_ids_holds_what_was_acknowledged() {
    let manners = Manners {
        refuse: 0.1,
        ..Manners::default()
    };
    let file = std::env::temp_dir().join(format!("postern-loadgen-sent-{}", std::process::id()));
    let options = "--mode next --messages 500 --connections 4 --cores 2";
    let (sink, played) = play_noting(Sink::new(manners), &[options], Some(&file));
    let (plan, run) = &played[0];
    let text = fs::read_to_string(&file).expect("written");
    fs::remove_file(&file).expect("removed");
    let ids: HashSet<&str> = text.lines().collect();
    let possible: HashSet<String> = (0..500).map(|n| plan.message_id(n).to_string()).collect();
    assert!(ids.iter().all(|id| possible.contains(*id)));
    assert_eq!(ids.len() as u64, run.tally.acknowledged);
    assert_eq!(ids.len() as u64, sink.counts().messages);
    assert_eq!(text.lines().count(), ids.len(), "no id twice");
}

/// Stores what it accepts, as a Maildir does.
struct Keeping {
    sink: Sink,
    directory: PathBuf,
    stored: u64,
}

impl Responder for Keeping {
    type Session = (Vec<u8>, <Sink as Responder>::Session);

    fn greeting(&mut self) -> &'static [u8] {
        self.sink.greeting()
    }

    fn receive(
        &mut self,
        session: &mut Self::Session,
        octets: &[u8],
        replies: &mut Vec<u8>,
    ) -> (usize, Flow) {
        let before = self.sink.counts().messages;
        session.0.extend_from_slice(octets);
        let answer = self.sink.receive(&mut session.1, octets, replies);
        if self.sink.counts().messages != before {
            // Refused messages may stand before the one that was accepted.
            let start = memmem::rfind(&session.0, b"Message-ID:").expect("a message");
            let mut content = b"Received: from here\r\n\tby there\r\n".to_vec();
            let wire = &session.0[start..];
            MailDataReader::default().read(wire, |piece| content.extend_from_slice(piece));
            let file = self.directory.join("new").join(self.stored.to_string());
            fs::write(file, &content).expect("stored");
            self.stored += 1;
            session.0.clear();
        }
        answer
    }

    fn is_done(&self) -> bool {
        false
    }
}

#[test]
fn what_is_sent_and_stored_is_verified() {
    for mode in MODES {
        let name = format!("postern-loadgen-kept-{mode}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(directory.join("new")).expect("created");
        let sent = directory.join("sent");
        let sink = Sink::new(Manners {
            refuse: 0.05,
            seed: 2,
            ..Manners::default()
        });
        let keeping = Keeping {
            sink,
            directory: directory.clone(),
            stored: 0,
        };
        let options = format!("--mode {mode} --messages 120 --connections 3 --size 5000");
        let (keeping, played) = play_noting(keeping, &[&options], Some(&sent));
        let (_, run) = &played[0];
        assert!(0 < keeping.stored && run.tally.acknowledged == keeping.stored);
        let findings = verify::compare(&sent, &directory, 1).expect("compared");
        assert!(findings.is_clean(), "{mode}: {findings}");
        assert_eq!(
            (findings.stored, findings.unacknowledged),
            (keeping.stored, 0),
            "{mode}"
        );
        fs::remove_file(directory.join("new/7")).expect("stored above");
        let findings = verify::compare(&sent, &directory, 1).expect("compared");
        assert_eq!(
            (findings.missing, findings.is_clean()),
            (1, false),
            "{mode}"
        );
        fs::remove_dir_all(&directory).expect("removed");
    }
}

/// A server that gives odd answers.
struct Odd {
    greeting: &'static [u8],
    /// The beginning of a line and the answer to it; the first that fits.
    answers: Vec<(&'static [u8], &'static [u8], Flow)>,
}

impl Odd {
    /// Greets and answers sanely, except for `answers`.
    fn new(answers: &[(&'static [u8], &'static [u8], Flow)]) -> Self {
        let sane: [(&[u8], &[u8], Flow); 6] = [
            (b"EHLO", b"250-odd\r\n250 PIPELINING\r\n", Flow::Continue),
            (b"DATA", b"354 go\r\n", Flow::Continue),
            (b"QUIT", b"221 bye\r\n", Flow::Close),
            (b"MAIL", b"250 ok\r\n", Flow::Continue),
            (b"RCPT", b"250 ok\r\n", Flow::Continue),
            (b"RSET", b"250 ok\r\n", Flow::Continue),
        ];
        let end: (&[u8], &[u8], Flow) = (b".\r\n", b"250 ok\r\n", Flow::Continue);
        let answers = answers.iter().copied().chain(sane).chain([end]).collect();
        Self {
            greeting: b"220 odd\r\n",
            answers,
        }
    }
}

impl Responder for Odd {
    type Session = Vec<u8>;

    fn greeting(&mut self) -> &'static [u8] {
        self.greeting
    }

    fn receive(
        &mut self,
        session: &mut Vec<u8>,
        octets: &[u8],
        replies: &mut Vec<u8>,
    ) -> (usize, Flow) {
        session.extend_from_slice(octets);
        // Lines of messages get no answer: none of these begins like a command.
        while let Some(end) = session.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = session.drain(..=end).collect();
            let fits = self
                .answers
                .iter()
                .find(|answer| line.starts_with(answer.0));
            if let Some((_, reply, flow)) = fits {
                replies.extend_from_slice(reply);
                if *flow != Flow::Continue {
                    return (octets.len(), *flow);
                }
            }
        }
        (octets.len(), Flow::Continue)
    }

    fn is_done(&self) -> bool {
        false
    }
}

#[test]
fn a_rejection_at_any_stage_is_the_outcome() {
    let cases: [(&[u8], Stage); 5] = [
        (b"EHLO", Stage::Ehlo),
        (b"MAIL", Stage::Mail),
        (b"RCPT", Stage::Rcpt),
        (b"DATA", Stage::Data),
        (b".\r\n", Stage::EndOfData),
    ];
    for (line, stage) in cases {
        let load = "--messages 20 --connections 2 --expect 554";
        let answer = (line, b"554-no\r\n554 never\r\n".as_slice(), Flow::Continue);
        for (options, _, run) in play_modes(&MODES, load, || Odd::new(&[answer])) {
            let tally = &run.tally;
            assert!(
                tally.is_clean(),
                "{options} at {stage:?}: {:?}",
                tally.samples
            );
            assert_eq!((tally.as_expected, tally.acknowledged), (20, 0));
            assert_eq!(
                tally.replies(stage).find(|(code, _)| *code == 554),
                Some((554, 20))
            );
        }
    }
}

#[test]
fn a_rejection_in_the_greeting_is_the_outcome() {
    for (greeting, code) in [
        (b"521 no\r\n".as_slice(), 521),
        (b"421 later\r\n", 421),
        (b"554 no\r\n", 554),
    ] {
        let modes = ["pipe", "next", "seq", "one", "onep", "conn"];
        let load = format!("--messages 20 --connections 3 --expect {code}");
        let odd = || Odd {
            greeting,
            ..Odd::new(&[])
        };
        for (options, _, run) in play_modes(&modes, &load, odd) {
            let tally = &run.tally;
            assert!(tally.is_clean(), "{options}: {:?}", tally.samples);
            assert_eq!(
                (tally.as_expected, tally.connections),
                (20, 20),
                "{options}"
            );
            assert_eq!(
                tally.replies(Stage::Greeting).collect::<Vec<_>>(),
                [(code, 20)]
            );
        }
    }
}

#[test]
fn a_message_without_recipients_is_sent_empty() {
    // RFC 2920 §3.1: RCPT is refused, DATA all the same accepted.
    let load = "--messages 10 --expect 550 --recipients 3";
    let odd = || Odd::new(&[(b"RCPT", b"550 no\r\n", Flow::Continue)]);
    for (options, _, run) in play_modes(&["pipe", "next", "onep"], load, odd) {
        let tally = &run.tally;
        assert!(tally.is_clean(), "{options}: {:?}", tally.samples);
        assert_eq!((tally.acknowledged, tally.recipients_refused), (0, 30));
        assert_eq!(
            tally.replies(Stage::EndOfData).collect::<Vec<_>>(),
            [(250, 10)]
        );
    }
}

/// Ends each session with 421 after two messages.
struct Limited(Sink);

impl Responder for Limited {
    type Session = (u64, <Sink as Responder>::Session);

    fn greeting(&mut self) -> &'static [u8] {
        self.0.greeting()
    }

    fn receive(
        &mut self,
        session: &mut Self::Session,
        octets: &[u8],
        replies: &mut Vec<u8>,
    ) -> (usize, Flow) {
        let is_mail = octets.windows(10).any(|window| window == b"MAIL FROM:");
        if 2 <= session.0 && is_mail {
            replies.extend_from_slice(b"421 4.7.0 enough\r\n");
            return (octets.len(), Flow::Close);
        }
        let before = self.0.counts().messages;
        let answer = self.0.receive(&mut session.1, octets, replies);
        session.0 += self.0.counts().messages - before;
        answer
    }

    fn is_done(&self) -> bool {
        false
    }
}

#[test]
fn a_limit_of_messages_per_session_is_no_error() {
    let load = "--messages 20 --connections 2";
    let limited = || Limited(Sink::new(Manners::default()));
    for (options, limited, run) in play_modes(&["pipe", "seq"], load, limited) {
        let tally = &run.tally;
        assert!(tally.is_clean(), "{options}: {:?}", tally.samples);
        assert_eq!((limited.0.counts().messages, tally.acknowledged), (20, 20));
        assert_eq!(tally.connections, limited.0.counts().connections);
        assert!(8 <= tally.begun_again, "{} begun again", tally.begun_again);
    }
}

#[test]
fn odd_octets_are_errors_and_stop_nothing() {
    type Case = (&'static [u8], &'static [u8], Flow, Stage, ErrorKind);
    let cases: [Case; 5] = [
        (
            b"EHLO",
            b"250 ok\n",
            Flow::Continue,
            Stage::Ehlo,
            ErrorKind::Malformed,
        ),
        (
            b"MAIL",
            b"hello\r\n",
            Flow::Continue,
            Stage::Mail,
            ErrorKind::Malformed,
        ),
        (b"RCPT", b"", Flow::Close, Stage::Rcpt, ErrorKind::Closed),
        (
            b"DATA",
            b"354 go\r\n250 done\r\n",
            Flow::Continue,
            Stage::EndOfData,
            ErrorKind::Unsolicited,
        ),
        (
            b".\r\n",
            b"",
            Flow::Continue,
            Stage::EndOfData,
            ErrorKind::TimedOut,
        ),
    ];
    for (line, reply, flow, stage, kind) in cases {
        // Only one case waits for its time-out; the others must not end by it on a busy machine.
        let options = match kind {
            ErrorKind::TimedOut => "--mode seq --messages 6 --connections 6 --timeout 1",
            _ => "--mode seq --messages 6 --connections 2",
        };
        let (_, runs) = play(Odd::new(&[(line, reply, flow)]), &[options]);
        let tally = &runs[0].tally;
        assert_eq!(
            tally.errors().collect::<Vec<_>>(),
            [(stage, kind, 6)],
            "{kind:?}"
        );
        assert_eq!((tally.without_reply, tally.is_clean()), (6, false));
    }
}

#[test]
fn a_server_without_pipelining_is_served_command_by_command() {
    let odd = || Odd::new(&[(b"EHLO", b"250 odd\r\n", Flow::Continue)]);
    for (options, _, run) in play_modes(&["pipe", "next", "onep"], "--messages 10", odd) {
        assert!(
            run.tally.is_clean() && 0 < run.tally.without_pipelining,
            "{options}"
        );
    }
}

#[test]
fn nobody_listening_is_an_error_per_unit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    for mode in ["pipe", "one", "conn"] {
        let plan = plan(
            address,
            &format!("--mode {mode} --messages 4 --connections 2"),
        );
        let run = send::run(&plan, &Counter::default(), None).expect("a run");
        let errors: Vec<_> = run.tally.errors().collect();
        assert_eq!(errors, [(Stage::Connect, ErrorKind::Network, 4)], "{mode}");
        assert_eq!((run.tally.without_reply, run.tally.connections), (4, 0));
    }
}

#[test]
fn the_cost_of_the_server_is_reported() {
    // The server of this test is a thread of this process.
    let options = format!("--messages 500 --server-pid {}", std::process::id());
    let (_, runs) = play(Null, &[&options]);
    assert!(
        runs[0]
            .server_cpu
            .is_some_and(|cpu| 0.0 <= cpu.user_s + cpu.system_s)
    );
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let plan = plan(address, "--server-pid 4294967295");
    let error = send::run(&plan, &Counter::default(), None).expect_err("no such process");
    assert_eq!(error.to_string(), "--server-pid names no process");
}
