//! What became of a message: one reply out of those of an LMTP server, one for each recipient.
//!
//! In: the replies to the end of mail data. Out: the one that the client is given, who cannot be told more than one.
//! Guarantees: no recipient's mail is lost in silence. If one reply is 4yz, the first such is given: the client tries
//! again, and those who have the message may get it twice. Else if one is 5yz, the first such is given: the sender hears
//! of it. Only if all are 2yz the first of them is.
//!
//! RFC 2033 §4.2.

use crate::smtp::reply::{ReceivedReply, ReplyClass};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    reply: ReceivedReply,
    delivered_count: usize,
    recipients_count: usize,
}

impl Outcome {
    /// Of one reply.
    pub(super) fn new(reply: ReceivedReply) -> Self {
        Self {
            delivered_count: usize::from(severity(&reply) == 0),
            recipients_count: 1,
            reply,
        }
    }

    /// Of the replies so far and `reply`.
    pub(super) fn and(self, reply: ReceivedReply) -> Self {
        let other = Self::new(reply);
        Self {
            delivered_count: self.delivered_count + other.delivered_count,
            recipients_count: self.recipients_count + 1,
            reply: if severity(&self.reply) < severity(&other.reply) {
                other.reply
            } else {
                self.reply
            },
        }
    }

    /// The reply for the client.
    #[must_use]
    pub fn reply(&self) -> &ReceivedReply {
        &self.reply
    }

    /// Whether some replies are 2yz and others are not.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        0 < self.delivered_count && self.delivered_count < self.recipients_count
    }
}

/// How much a reply matters among others.
fn severity(reply: &ReceivedReply) -> u8 {
    match reply.code().class() {
        ReplyClass::Completed | ReplyClass::Intermediate => 0,
        ReplyClass::PermanentFailure => 1,
        ReplyClass::TransientFailure => 2,
    }
}
