//! The states of a session, named for what it has.
//!
//! ```text
//!              HELO, EHLO            MAIL              RCPT                DATA
//!   Connected -----------> Greeted ------> MailGiven ------> RecipientsGiven ---> InMailData
//!       |                  ^  ^  ^             |                |     ^   |           |
//!       |                  |  |  +--- a, b ----+                |     +---+           |
//!       |                  |  +------ a, b ---------------------+     RCPT            |
//!       |                  |  +------ c ----------------------------------------------+
//!       |                  |          AUTH
//!       |                  +--- e --------------> InSasl
//!       |
//!       +----- d, from every state ----> Closing
//! ```
//!
//! a: RSET. b: HELO or EHLO, which clear the transaction as RSET does. c: the end of mail data,
//! whatever became of the message. e: AUTH, and its end, whatever it is. d: QUIT, or a limit
//! answered with 421. NOOP, VRFY, EXPN, HELP
//! and every refused command leave the state.
//!
//! RFC 5321 §3.1, §3.3, §4.1.4; RFC 4954 §4.

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The connection stands; the client has not said who it is.
    Connected,
    /// The client has said who it is.
    Greeted,
    /// MAIL has been accepted: there is a transaction.
    MailGiven,
    /// A recipient has been accepted.
    RecipientsGiven,
    /// A chunk of mail data has been accepted, the last one has not.
    InChunks,
    /// DATA has been answered 354, mail data is coming.
    InMailData,
    /// AUTH has begun: an answer to a challenge is awaited, or what becomes of the credentials.
    InSasl,
    /// The last reply has been given.
    Closing,
}

impl State {
    /// Every state, in the order of the diagram.
    pub const ALL: [Self; 8] = [
        Self::Connected,
        Self::Greeted,
        Self::MailGiven,
        Self::RecipientsGiven,
        Self::InChunks,
        Self::InMailData,
        Self::InSasl,
        Self::Closing,
    ];
}
