//! Which verb is allowed in which state: one table.
//!
//! In: a state and a verb. Out: permission, or the [`OrderError`] to answer with; and what a verb
//! is.
//! Guarantees: nothing else in the engine decides on order.
//! Does not: look at arguments or policy.
//!
//! RFC 5321 §4.1.4 (order of commands).

use super::State;
use crate::smtp::command::Verb;

/// Why a command is not allowed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderError {
    /// HELO or EHLO must come before it.
    HeloMissing,
    /// MAIL must come before it.
    MailMissing,
    /// RCPT must come before it, and be accepted.
    RecipientMissing,
    /// There is a transaction already.
    MailGivenAlready,
    /// Mail data has begun to come in chunks.
    ChunksBegun,
    /// Mail data is expected, not a command.
    InMailData,
    /// The answer to a challenge is expected, not a command.
    InSasl,
    /// The session is over.
    Closing,
}

/// Whether `verb` is allowed in `state`.
///
/// # Errors
///
/// It is not.
pub const fn permit(state: State, verb: Verb) -> Result<(), OrderError> {
    let row = row(verb);
    match state {
        State::Connected => row.connected,
        State::Greeted => row.greeted,
        State::MailGiven => row.mail_given,
        State::RecipientsGiven => row.recipients_given,
        State::InChunks => row.in_chunks,
        State::InMailData => Err(OrderError::InMailData),
        State::InSasl => Err(OrderError::InSasl),
        State::Closing => Err(OrderError::Closing),
    }
}

/// Whether `verb` brings no message nearer, and so is counted until one is accepted.
#[must_use]
pub const fn is_idle(verb: Verb) -> bool {
    matches!(row(verb).kind, Kind::Idle)
}

/// One line of the table. While mail data or the answer to a challenge is expected, and after the
/// end, no verb is allowed.
struct Row {
    connected: Cell,
    greeted: Cell,
    mail_given: Cell,
    recipients_given: Cell,
    in_chunks: Cell,
    kind: Kind,
}

type Cell = Result<(), OrderError>;

/// What a verb is, apart from its order.
#[derive(Clone, Copy)]
enum Kind {
    /// Brings no message nearer.
    Idle,
    /// Part of a transaction, or the end of the session.
    Other,
}

/// The table. A column is a state, a row is a verb.
#[rustfmt::skip]
const fn row(verb: Verb) -> &'static Row {
    const OK: Cell = Ok(());
    const HELO: Cell = Err(OrderError::HeloMissing);
    const MAIL: Cell = Err(OrderError::MailMissing);
    const RCPT: Cell = Err(OrderError::RecipientMissing);
    const TWICE: Cell = Err(OrderError::MailGivenAlready);
    const CHUNK: Cell = Err(OrderError::ChunksBegun);
    use Kind::{Idle, Other};
    match verb {
        //                                 Connected Greeted MailGiven RecipientsGiven InChunks
        Verb::Helo     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Ehlo     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Mail     => const { &Row::of(HELO,     OK,     TWICE,    TWICE, TWICE, Other) },
        Verb::Rcpt     => const { &Row::of(HELO,     MAIL,   OK,       OK,    CHUNK, Other) },
        Verb::Data     => const { &Row::of(HELO,     MAIL,   RCPT,     OK,    CHUNK, Other) },
        Verb::Rset     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Vrfy     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Expn     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Help     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Noop     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
        Verb::Quit     => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Other) },
        Verb::StartTls => const { &Row::of(HELO,     OK,     OK,       OK,    OK,    Idle) },
        Verb::Auth     => const { &Row::of(HELO,     OK,     TWICE,    TWICE, TWICE, Idle) },
        Verb::Bdat     => const { &Row::of(HELO,     MAIL,   RCPT,     OK,    OK,    Other) },
        Verb::XClient  => const { &Row::of(OK,       OK,     TWICE,    TWICE, TWICE, Idle) },
        Verb::Unknown  => const { &Row::of(OK,       OK,     OK,       OK,    OK,    Idle) },
    }
}

impl Row {
    const fn of(
        connected: Cell,
        greeted: Cell,
        mail_given: Cell,
        recipients_given: Cell,
        in_chunks: Cell,
        kind: Kind,
    ) -> Self {
        Self {
            connected,
            greeted,
            mail_given,
            recipients_given,
            in_chunks,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OrderError, is_idle, permit};
    use crate::smtp::command::Verb;
    use crate::smtp::session::State;

    /// The table of RFC 5321 §4.1.4 and of the extensions, written a second time: + allowed, h HELO
    /// first, m MAIL first, r RCPT first, t MAIL twice, k chunks begun, d mail data expected,
    /// s answer to a challenge expected, c closing. Then i for commands that bring no message nearer.
    const TABLE: [(Verb, &str); 16] = [
        (Verb::Helo, "+++++dsc i"),
        (Verb::Ehlo, "+++++dsc i"),
        (Verb::Mail, "h+tttdsc -"),
        (Verb::Rcpt, "hm++kdsc -"),
        (Verb::Data, "hmr+kdsc -"),
        (Verb::Rset, "+++++dsc i"),
        (Verb::Vrfy, "+++++dsc i"),
        (Verb::Expn, "+++++dsc i"),
        (Verb::Help, "+++++dsc i"),
        (Verb::Noop, "+++++dsc i"),
        (Verb::Quit, "+++++dsc -"),
        (Verb::StartTls, "h++++dsc i"),
        (Verb::Auth, "h+tttdsc i"),
        (Verb::Bdat, "hmr++dsc -"),
        (Verb::XClient, "++tttdsc i"),
        (Verb::Unknown, "+++++dsc i"),
    ];

    #[test]
    fn each_cell_is_as_in_the_rfc() {
        assert_eq!(TABLE.map(|(verb, _)| verb), Verb::ALL);
        for (verb, row) in TABLE {
            for (state, cell) in State::ALL.into_iter().zip(row.chars()) {
                let expected = match cell {
                    '+' => Ok(()),
                    'h' => Err(OrderError::HeloMissing),
                    'm' => Err(OrderError::MailMissing),
                    'r' => Err(OrderError::RecipientMissing),
                    't' => Err(OrderError::MailGivenAlready),
                    'k' => Err(OrderError::ChunksBegun),
                    'd' => Err(OrderError::InMailData),
                    's' => Err(OrderError::InSasl),
                    _ => Err(OrderError::Closing),
                };
                assert_eq!(permit(state, verb), expected, "{verb:?} in {state:?}");
            }
            assert_eq!(is_idle(verb), row.contains('i'), "{verb:?}");
        }
    }
}
