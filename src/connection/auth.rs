//! AUTH on a connection: what the session asks for while a client proves who it is.
//!
//! In: a step of the session's exchange. Out: the step after it. Guarantees: the shard goes on while others compare
//! secrets; the wait for them has a deadline, and so has the delay of a failure; both end at once when the process stops;
//! no line of the log holds what a client has sent to prove itself. Does not: compare anything, or speak SASL.
//!
//! RFC 4954 §4; RFC 2920 §3.1 (AUTH is the last command of a group).

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::Connection;
use super::transport::ConnectionError;
use crate::limits;
use crate::log::Level;
use crate::profile::EarlyTalker;
use crate::smtp::reply::ReplyCode;
use crate::smtp::session::{AuthOutcome, Credentials, Step};

/// Does what a step of the exchange asks for. Steps that are not of the exchange are returned as they are.
pub(super) async fn advance(
    connection: &mut Connection,
    step: Step,
) -> Result<Step, ConnectionError> {
    match step {
        Step::DrawNonce => {
            let nonce = uuid::Uuid::new_v4().into_bytes();
            let (session, replies) = (&mut connection.session, &mut connection.replies);
            Ok(session.auth_nonce(nonce, replies))
        }
        Step::ReadAuthResponse => {
            connection.note_early_answer(ReplyCode::AUTH_CHALLENGE);
            Ok(Step::Continue)
        }
        Step::VerifyCredentials => {
            connection.note_early_answer(ReplyCode::AUTHENTICATED);
            verify(connection).await
        }
        Step::Continue
        | Step::ReceiveMailData
        | Step::ReceiveChunk
        | Step::Decide(_)
        | Step::GreetAnew
        | Step::StartTls
        | Step::Close => Ok(step),
    }
}

/// Has the credentials verified and answers.
async fn verify(connection: &mut Connection) -> Result<Step, ConnectionError> {
    // What has been said before need not wait.
    connection.send_replies().await?;
    let outcome = match connection.session.take_credentials() {
        Some(credentials) => outcome(connection, credentials).await?,
        None => AuthOutcome::Refused,
    };
    note(connection, outcome);
    if outcome == AuthOutcome::Refused {
        delay(connection).await?;
    }
    let (session, replies) = (&mut connection.session, &mut connection.replies);
    Ok(session.auth_verified(outcome, replies))
}

/// What becomes of the credentials. They are dropped, and so is the outcome, when the connection ends meanwhile.
async fn outcome(
    connection: &Connection,
    credentials: Credentials,
) -> Result<AuthOutcome, ConnectionError> {
    let attempts = Rc::clone(&connection.commons.attempts);
    let users = Arc::clone(&connection.profile().users);
    let Some(attempt) = attempts.begin(&users, credentials) else {
        return Ok(AuthOutcome::Unavailable);
    };
    let due_ms = connection.due_ms(limits::VERIFICATION_TIMEOUT_MS);
    let outcome = connection
        .transport
        .pause(due_ms, |task| attempt.poll_outcome(task));
    Ok(outcome.await?.unwrap_or(AuthOutcome::Unavailable))
}

/// Lets a client wait that has failed, longer each time: guessing costs time, and the shard nothing.
async fn delay(connection: &Connection) -> Result<(), ConnectionError> {
    let failures_count = connection
        .session
        .counters()
        .auth_failures_count
        .saturating_add(1);
    let wait_ms = connection.profile().limits.auth_failure_delay_ms;
    let wait_ms = wait_ms.saturating_mul(failures_count.into());
    let wait_ms = wait_ms.min(limits::AUTH_FAILURE_DELAY_MS_MAX);
    if wait_ms == 0 {
        return Ok(());
    }
    let due_ms = connection.due_ms(wait_ms);
    let wait = connection.transport.pause(due_ms, |_| Poll::<()>::Pending);
    wait.await.map(drop)
}

/// Counts and logs an attempt: who, never what was sent to prove it.
fn note(connection: &Connection, outcome: AuthOutcome) {
    let counters = &connection.commons.counters;
    let (counter, level, event) = match outcome {
        AuthOutcome::Accepted => (&counters.auth_succeeded, Level::Message, "auth_succeeded"),
        AuthOutcome::Refused => (&counters.auth_failed, Level::Message, "auth_failed"),
        AuthOutcome::Unavailable => (
            &counters.auth_unavailable,
            Level::Warning,
            "auth_unavailable",
        ),
    };
    counter.increment();
    let Some(claimed) = connection.session.claimed() else {
        return;
    };
    if let Some(line) = connection.line(level, event) {
        let line = line.word("mechanism", claimed.mechanism().name());
        drop(line.octets("user", claimed.user_name()));
    }
}

impl Connection {
    /// Logs a client that has sent more behind AUTH without waiting for its reply.
    fn note_early_answer(&self, awaited: ReplyCode) {
        if !self.receive_buffer.is_empty() && self.profile().early_talker != EarlyTalker::Ignore {
            self.note_early_talker(awaited);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{BufRead, BufReader, ErrorKind, Write};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::rc::Rc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex, PoisonError};

    use glommio::{LocalExecutorBuilder, Placement};

    use super::super::tests::commons_of;
    use super::super::{Served, Watch, serve};
    use crate::credentials::{Users, Verifiers};
    use crate::delivery::{Destination, ShardDestination, Surroundings, Tickets};
    use crate::hook::Hooks;
    use crate::profile::{self, Overrides, Profile, SourceText};
    use crate::shard::clock::Clock;
    use crate::shard::{Admission, hear};
    use crate::smtp::session::{AuthOutcome, Credentials};

    const CONFIGURATION: &str = r#"
[engine]
hostname = "mx.example.org"
[[server]]
id = "test"
listen = ["127.0.0.1:0"]
destination = "discard"
auth_mechanisms = ["PLAIN"]
auth_without_tls = true
users = { ann = "tanstaaf" }
"#;

    /// A comparison that takes until the test says so: it tells that it has begun, and waits for its outcome.
    struct Slow {
        begun: Receiver<()>,
        outcome: Sender<AuthOutcome>,
    }

    fn slow_verifiers() -> (Verifiers, Slow) {
        let (begins, begun) = channel();
        let (outcome, outcomes) = channel();
        let ends = Mutex::new((begins, outcomes));
        let compare = move |_: &Users, _: &Credentials| {
            let ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            ends.0.send(()).expect("the test is there");
            ends.1.recv().expect("the test is there")
        };
        let verifiers = Verifiers::start_with(1, 1, Arc::new(compare)).expect("a thread");
        (verifiers, Slow { begun, outcome })
    }

    fn profile() -> Arc<Profile> {
        let source = SourceText {
            name: "test".to_owned(),
            text: CONFIGURATION.to_owned(),
        };
        let configuration = profile::load_text(&source, Path::new(""), Overrides::default());
        Arc::clone(&configuration.expect("it is right").profiles[0])
    }

    struct Client(BufReader<UnixStream>);

    impl Client {
        fn say(&mut self, line: &str) {
            let sent = self.0.get_mut().write_all(format!("{line}\r\n").as_bytes());
            sent.expect("the server listens");
        }

        /// The last line of the next reply.
        fn reply(&mut self) -> String {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line).expect("text");
                if line.get(3..4) != Some("-") {
                    return line;
                }
            }
        }

        fn ask(&mut self, line: &str) -> String {
            self.say(line);
            self.reply()
        }

        fn has_been_told_nothing(&mut self) -> bool {
            let stream = self.0.get_mut();
            stream.set_nonblocking(true).expect("a socket");
            let peeked = self.0.fill_buf().map(<[u8]>::len);
            self.0.get_mut().set_nonblocking(false).expect("a socket");
            peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        }
    }

    /// What two clients see, one of whom waits for a comparison.
    fn converse(mut slow_client: Client, mut other: Client, slow: &Slow) {
        for client in [&mut slow_client, &mut other] {
            assert!(client.reply().starts_with("220 "));
            assert!(client.ask("EHLO client.example").starts_with("250 "));
        }
        slow_client.say("AUTH PLAIN AGFubgB0YW5zdGFhZg==");
        slow.begun.recv().expect("the thread has the job");
        assert!(other.ask("NOOP").starts_with("250 "), "the shard goes on");
        assert!(
            other
                .ask("MAIL FROM:<a@client.example>")
                .starts_with("250 ")
        );
        assert!(
            slow_client.has_been_told_nothing(),
            "nobody has decided yet"
        );
        slow.outcome
            .send(AuthOutcome::Accepted)
            .expect("the thread waits");
        assert_eq!(
            slow_client.reply(),
            "235 2.7.0 Authentication succeeded\r\n"
        );
        for mut client in [slow_client, other] {
            assert!(client.ask("QUIT").starts_with("221 "));
        }
    }

    #[test]
    fn a_slow_hash_holds_its_own_connection_only() {
        let (mut verifiers, slow) = slow_verifiers();
        let [first, second] = [(), ()].map(|()| UnixStream::pair().expect("sockets"));
        let clients = [first.1, second.1].map(|stream| Client(BufReader::new(stream)));
        let [slow_client, other] = clients;
        let test = std::thread::spawn(move || converse(slow_client, other, &slow));
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        executor.expect("io_uring").run(async {
            let profile = profile();
            let admission = Arc::new(Admission::new(profile.limits));
            let surroundings = Surroundings {
                tickets: Rc::new(Tickets::default()),
                clock: Rc::new(Clock::new()),
                watch: Rc::new(Watch::new()),
            };
            let destination = Destination::new(ShardDestination::Discard, surroundings);
            let served = Served {
                profile,
                destination: Rc::new(destination),
                shortage: Arc::default(),
                tls: RefCell::default(),
                hooks: Hooks::default(),
            };
            let verifier = verifiers.for_shard(0);
            let (commons, log) = commons_of(vec![served], verifier.jobs);
            let attempts = Rc::clone(&commons.attempts);
            let hears = hear(verifier.answers, Rc::clone(&commons), move |answer| {
                attempts.arrived(answer);
            });
            let hears = glommio::spawn_local(hears.expect("a descriptor"));
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 25);
            let servers = [first.0, second.0].map(|socket| {
                socket.set_nonblocking(true).expect("a socket");
                let permit = admission.enter(address.ip(), 0).expect("there is room");
                glommio::spawn_local(serve(
                    Rc::clone(&commons),
                    0,
                    socket.into(),
                    address,
                    permit,
                ))
            });
            for server in servers {
                server.await;
            }
            hears.cancel().await;
            assert_eq!(commons.counters.auth_succeeded.total(), 1);
            drop(commons);
            log.join();
        });
        test.join().expect("the conversation was as it should be");
    }
}
