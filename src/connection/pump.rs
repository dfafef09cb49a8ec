//! The pump: moves octets between a client and its session until one of them is done.
//!
//! In: octets. Out: replies, and messages on their way to the destination. Read this file first; every stage of a
//! connection is one line of it.
//!
//! Guarantees: replies in the order of their commands; one write per pipelined batch; a line is borrowed from the
//! receive buffer and dead before the next await; after [`limits::COMMANDS_PER_TURN_COUNT`] lines other connections run.
//! Without a script there is no await between the lines of a batch. With a proxy script each line waits for its
//! decision, in the buffer, but for those that answer challenges of AUTH; lines that are none (too long, bare CR or LF, NUL) are answered without asking the script.
//! Does not: decide anything about mail; the session does.

use super::script::{self, Verdict};
use super::transport::ConnectionError;
use super::{Connection, auth, chunks, decision, forwarded, handshake, mail_data, proxy_header};
use crate::limits;
use crate::smtp::command::{Command, ForeignProtocol, SyntaxError};
use crate::smtp::line::Scan;
use crate::smtp::session::{Phase, State, Step};

/// Why the lines of a batch are not answered any further.
enum Pause {
    /// The rest of a line, or nothing, has come.
    OctetsNeeded,
    /// The client must read before it is answered again, or others must have their turn.
    TurnOver,
    /// A script decides about the line at the front of the receive buffer, of so many octets with its CRLF.
    ScriptDecides(usize),
    /// What follows is a chunk of mail data.
    ChunkComes,
    /// Somebody else decides about the command.
    Decision(Phase),
    /// The client is about to prove who it is: this step of it is to be done.
    Authentication(Step),
    /// What follows is mail data.
    MailDataComes,
    /// The client has not waited for the reply to a command behind which it must.
    NotWaited,
    /// The client speaks for another one from now on.
    ClientComes,
    /// What follows is a TLS handshake.
    TlsComes,
    /// The session has ended.
    Closing,
}

impl Pause {
    /// Whether a step ends the batch.
    fn after(step: Step) -> Option<Self> {
        match step {
            Step::Continue => None,
            Step::ReceiveMailData => Some(Self::MailDataComes),
            Step::ReceiveChunk => Some(Self::ChunkComes),
            Step::GreetAnew => Some(Self::ClientComes),
            Step::DrawNonce | Step::ReadAuthResponse | Step::VerifyCredentials => {
                Some(Self::Authentication(step))
            }
            Step::Decide(phase) => Some(Self::Decision(phase)),
            Step::StartTls => Some(Self::TlsComes),
            Step::Close => Some(Self::Closing),
        }
    }
}

/// Runs one connection from greeting to close. What an idle connection does not do is boxed, so that this future has no
/// room for it: an allocation per message, chunk, handshake or attempt to log in, none per command.
pub(super) async fn run(connection: &mut Connection) -> Result<(), ConnectionError> {
    if Box::pin(begin(connection)).await? == Step::Close {
        return Ok(());
    }
    'batches: loop {
        let mut pause = answer_lines(connection);
        while let Pause::ScriptDecides(_) | Pause::Decision(_) | Pause::Authentication(_) = pause {
            let step = match pause {
                Pause::ScriptDecides(line_octets) => script::proxy(connection, line_octets).await?,
                Pause::Decision(phase) => decision::decide(connection, phase).await?,
                Pause::Authentication(step) => Box::pin(auth::advance(connection, step)).await?,
                _ => break,
            };
            match Pause::after(step) {
                Some(next) => pause = next,
                None => {
                    connection.end_transaction_if_over();
                    glommio::executor().yield_if_needed().await;
                    continue 'batches;
                }
            }
        }
        match pause {
            Pause::ScriptDecides(_) | Pause::Decision(_) | Pause::Authentication(_) => {}
            Pause::OctetsNeeded => {
                connection.send_replies().await?;
                connection.receive_command().await?;
                // A client that sends as fast as it can be read must not keep the others waiting.
                glommio::executor().yield_if_needed().await;
            }
            Pause::TurnOver => {
                connection.send_replies().await?;
                glommio::executor().yield_now().await;
            }
            Pause::MailDataComes => {
                connection.send_replies().await?;
                if Box::pin(mail_data::receive(connection)).await? == Step::Close {
                    return connection.send_replies().await;
                }
            }
            Pause::ChunkComes => {
                if Box::pin(chunks::receive(connection)).await? == Step::Close {
                    return connection.send_replies().await;
                }
            }
            Pause::NotWaited => return Err(ConnectionError::EarlyCommand),
            Pause::ClientComes => match Box::pin(forwarded::greet_anew(connection)).await? {
                Verdict::Greet(_) => {}
                Verdict::Refused => return connection.send_replies().await,
            },
            Pause::TlsComes => {
                connection.send_replies().await?;
                Box::pin(handshake::upgrade(connection)).await?;
            }
            Pause::Closing => return connection.send_replies().await,
        }
    }
}

/// Whatever comes before the first command.
async fn begin(connection: &mut Connection) -> Result<Step, ConnectionError> {
    proxy_header::receive(connection).await?;
    handshake::begin(connection).await?;
    match script::connect(connection).await? {
        Verdict::Greet(text) => {
            connection.greet(text.as_deref()).await?;
            Ok(Step::Continue)
        }
        Verdict::Refused => {
            connection.send_replies().await?;
            Ok(Step::Close)
        }
    }
}

/// Answers the lines that have come, without any await between them.
fn answer_lines(connection: &mut Connection) -> Pause {
    connection.note_capacity();
    connection
        .commons
        .spare_replies
        .lend(&mut connection.replies);
    let has_script = connection.hooks().proxy.is_some();
    for _ in 0..limits::COMMANDS_PER_TURN_COUNT {
        if connection.replies.must_be_sent() {
            return Pause::TurnOver;
        }
        let is_scripted = has_script && connection.scripts_see_next_line();
        let octets = connection.receive_buffer.octets();
        let line_octets_max = connection.session.line_octets_max(octets);
        let scan = connection.scanner.next_line(octets, line_octets_max);
        let step = match scan {
            Scan::Line {
                line: Ok(_),
                consumed,
            } if is_scripted => return Pause::ScriptDecides(consumed),
            Scan::Line { line, consumed } => {
                let before = connection.session.counters();
                let step = if connection.session.state() == State::InSasl {
                    let (session, replies) = (&mut connection.session, &mut connection.replies);
                    session.take_line(line, replies)
                } else {
                    let command = line.and_then(Command::parse);
                    if let Ok(command) = &command
                        && connection
                            .judge_command(command, octets.len() - consumed)
                            .is_err()
                    {
                        return Pause::NotWaited;
                    }
                    let (session, replies) = (&mut connection.session, &mut connection.replies);
                    session.step(command, replies)
                };
                connection.note_refusal(before, &octets[..consumed]);
                connection.receive_buffer.consume(consumed);
                step
            }
            Scan::Incomplete { consumed } => {
                let (session, replies) = (&mut connection.session, &mut connection.replies);
                if session.counters().commands_count == 0
                    && let Some(foreign) = ForeignProtocol::of_first_octets(octets)
                {
                    session.step(Err(SyntaxError::ForeignProtocol(foreign)), replies)
                } else {
                    connection.receive_buffer.consume(consumed);
                    return Pause::OctetsNeeded;
                }
            }
        };
        if let Some(pause) = Pause::after(step) {
            return pause;
        }
        connection.end_transaction_if_over();
    }
    Pause::TurnOver
}
