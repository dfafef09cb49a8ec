//! Memory for replies, lent to connections that answer commands.
//!
//! In: replies that have been sent. Out: memory for the next ones, of whichever connection. Guarantees: a connection
//! that waits for a command holds no memory for replies; what is kept for all is bounded; between batches of commands
//! memory changes hands, and nothing is allocated. Does not: write replies.

use crate::limits;
use crate::smtp::reply::Replies;
use crate::spare::Spare;

/// Memory that no connection of the shard needs now.
#[derive(Debug, Default)]
pub struct SpareReplies(Spare<Vec<u8>, SPARE_REPLIES_MAX>);

impl SpareReplies {
    /// Gives memory to `replies` that have none. If there is none to give, they allocate their own.
    pub(super) fn lend(&self, replies: &mut Replies) {
        if !replies.holds_memory()
            && let Some(memory) = self.0.take()
        {
            replies.use_memory(memory);
        }
    }

    /// Takes the memory of `replies` that have been sent.
    pub(super) fn keep(&self, replies: &mut Replies) {
        if let Some(memory) = replies.give_memory()
            && memory.capacity() <= limits::REPLY_BUFFER_BYTES_KEPT
        {
            self.0.keep(memory);
        }
    }

    /// Frees what no replies have needed since this was last called.
    pub fn free_unneeded(&self) {
        self.0.free_unneeded();
    }
}

/// Pieces of memory that a shard keeps: as many connections have replies to send at the same time, about.
const SPARE_REPLIES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::{SPARE_REPLIES_MAX, SpareReplies};
    use crate::limits::REPLY_BUFFER_BYTES_KEPT;
    use crate::smtp::reply::{self, Replies};

    fn written() -> Replies {
        let mut replies = Replies::new();
        replies.push(&reply::ok());
        replies
    }

    #[test]
    fn memory_changes_hands_once_replies_are_sent() {
        let spare = SpareReplies::default();
        let mut first = written();
        let text = first.as_octets().to_vec();
        spare.keep(&mut first);
        assert_eq!(first.as_octets(), text, "what waits to be sent stays");
        first.clear();
        spare.keep(&mut first);
        assert!(!first.holds_memory());
        let mut second = Replies::new();
        spare.lend(&mut second);
        assert!(second.holds_memory() && second.is_empty());
        second.push(&reply::ok());
        spare.lend(&mut second);
        assert_eq!(second.as_octets(), text);
    }

    #[test]
    fn little_is_kept() {
        let spare = SpareReplies::default();
        let mut large = Replies::new();
        large.use_memory(Vec::with_capacity(REPLY_BUFFER_BYTES_KEPT + 1));
        spare.keep(&mut large);
        assert_eq!(spare.0.count(), 0);
        for _ in 0..2 * SPARE_REPLIES_MAX {
            let mut replies = written();
            replies.clear();
            spare.keep(&mut replies);
        }
        assert_eq!(spare.0.count(), SPARE_REPLIES_MAX);
    }
}
