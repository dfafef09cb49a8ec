//! Which verb is allowed in which state: one table.
//!
//! In: a state and a verb. Out: permission, or the [`OrderError`] to answer with; and what a verb is.
//! Guarantees: nothing else in the engine decides on order.
//! Does not: look at arguments or policy.
//!
//! RFC 5321 §4.1.4 (order of commands), RFC 2920 §3.1 (which commands end a pipelined group).

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
    /// Mail data is expected, not a command.
    InMailData,
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
        State::InMailData => Err(OrderError::InMailData),
        State::Closing => Err(OrderError::Closing),
    }
}

/// Whether `verb` brings no message nearer, and so is counted until one is accepted.
#[must_use]
pub const fn is_idle(verb: Verb) -> bool {
    matches!(row(verb).kind, Kind::Idle | Kind::IdleEndsGroup)
}

/// Whether `verb` must be the last one of a pipelined group (RFC 2920 §3.1).
#[must_use]
pub const fn ends_pipeline_group(verb: Verb) -> bool {
    matches!(row(verb).kind, Kind::EndsGroup | Kind::IdleEndsGroup)
}

/// One line of the table. While mail data is expected, and after the end, no verb is allowed.
struct Row {
    connected: Cell,
    greeted: Cell,
    mail_given: Cell,
    recipients_given: Cell,
    kind: Kind,
}

type Cell = Result<(), OrderError>;

/// What a verb is, apart from its order.
#[derive(Clone, Copy)]
enum Kind {
    /// Part of a transaction.
    Mail,
    /// Part of a transaction, and the last of its group.
    EndsGroup,
    /// Brings no message nearer.
    Idle,
    /// Brings no message nearer, and is the last of its group.
    IdleEndsGroup,
}

#[rustfmt::skip]
const fn row(verb: Verb) -> &'static Row {
    const fn line(
        connected: Cell, greeted: Cell, mail_given: Cell, recipients_given: Cell, kind: Kind,
    ) -> Row {
        Row { connected, greeted, mail_given, recipients_given, kind }
    }
    const OK: Cell = Ok(());
    const HELO: Cell = Err(OrderError::HeloMissing);
    const MAIL: Cell = Err(OrderError::MailMissing);
    const RCPT: Cell = Err(OrderError::RecipientMissing);
    const TWICE: Cell = Err(OrderError::MailGivenAlready);
    match verb {
        //                                   Connected  Greeted  MailGiven  RecipientsGiven
        Verb::Helo    => const { &line(      OK,        OK,      OK,        OK,     Kind::IdleEndsGroup) },
        Verb::Ehlo    => const { &line(      OK,        OK,      OK,        OK,     Kind::IdleEndsGroup) },
        Verb::Mail    => const { &line(      HELO,      OK,      TWICE,     TWICE,  Kind::Mail) },
        Verb::Rcpt    => const { &line(      HELO,      MAIL,    OK,        OK,     Kind::Mail) },
        Verb::Data    => const { &line(      HELO,      MAIL,    RCPT,      OK,     Kind::EndsGroup) },
        Verb::Rset    => const { &line(      OK,        OK,      OK,        OK,     Kind::Idle) },
        Verb::Vrfy    => const { &line(      OK,        OK,      OK,        OK,     Kind::IdleEndsGroup) },
        Verb::Expn    => const { &line(      OK,        OK,      OK,        OK,     Kind::IdleEndsGroup) },
        Verb::Help    => const { &line(      OK,        OK,      OK,        OK,     Kind::Idle) },
        Verb::Noop    => const { &line(      OK,        OK,      OK,        OK,     Kind::IdleEndsGroup) },
        Verb::Quit    => const { &line(      OK,        OK,      OK,        OK,     Kind::EndsGroup) },
        Verb::Unknown => const { &line(      OK,        OK,      OK,        OK,     Kind::Idle) },
    }
}
