//! Messages from other threads to a shard: a queue and a descriptor that wakes its executor.
//!
//! In: messages, from any thread. Out: the same, in order, on the shard. Guarantees: a sender blocks when a bounded
//! queue is full; nothing is lost while both ends live. Does not wait for messages itself: the shard
//! waits for the descriptor to become readable, in a latency-bound task queue, because the executor's own cross-thread
//! channels are seen up to two preemption periods late by a busy shard.
//!
//! Besides `profile`, `log`, `metrics`, `shard/mesh.rs` and `delivery/next_hop/resolve.rs` the only place where threads
//! meet.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use rustix::event::{EventfdFlags, eventfd};

/// The shard's end.
#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Receiver<T>,
    wake: Arc<OwnedFd>,
}

/// The end of everybody else; cheap to clone.
#[derive(Debug)]
pub struct MailboxSender<T> {
    queue: Queue<T>,
    wake: Arc<OwnedFd>,
}

#[derive(Debug)]
enum Queue<T> {
    Bounded(SyncSender<T>),
    Unbounded(Sender<T>),
}

/// A mailbox for messages whose number is bounded by what they are about: whoever sends one never waits.
///
/// # Errors
///
/// No descriptor is left.
pub fn mailbox_of_peers<T>() -> std::io::Result<(MailboxSender<T>, Mailbox<T>)> {
    let (sender, receiver) = channel();
    with_wake(Queue::Unbounded(sender), receiver)
}

/// A mailbox for up to `messages_max` waiting messages.
///
/// # Errors
///
/// No descriptor is left.
pub fn mailbox<T>(messages_max: usize) -> std::io::Result<(MailboxSender<T>, Mailbox<T>)> {
    let (sender, receiver) = sync_channel(messages_max);
    with_wake(Queue::Bounded(sender), receiver)
}

fn with_wake<T>(
    sender: Queue<T>,
    receiver: Receiver<T>,
) -> std::io::Result<(MailboxSender<T>, Mailbox<T>)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    Ok((
        MailboxSender {
            queue: sender,
            wake: Arc::clone(&wake),
        },
        Mailbox {
            queue: receiver,
            wake,
        },
    ))
}

impl<T> Mailbox<T> {
    /// Makes the descriptor unreadable until the next message. Called before the queue is emptied, so that a message
    /// that comes in between wakes again.
    pub fn rest(&self) {
        let mut count = [0; 8];
        // Not readable: somebody else has emptied it, which is what is wanted.
        let _ = rustix::io::read(&self.wake, &mut count);
    }

    /// The next message, if one waits.
    #[must_use]
    pub fn next(&self) -> Option<T> {
        self.queue.try_recv().ok()
    }

    /// The next message, waited for.
    #[cfg(test)]
    pub(crate) fn wait(&self) -> T {
        self.queue.recv().expect("somebody can still send one")
    }
}

impl<T> AsRawFd for Mailbox<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

impl<T> Clone for MailboxSender<T> {
    fn clone(&self) -> Self {
        Self {
            queue: match &self.queue {
                Queue::Bounded(sender) => Queue::Bounded(sender.clone()),
                Queue::Unbounded(sender) => Queue::Unbounded(sender.clone()),
            },
            wake: Arc::clone(&self.wake),
        }
    }
}

impl<T> MailboxSender<T> {
    /// Queues a message without waking the shard; blocks while the queue is full. Whether the shard still lives.
    pub fn put(&self, message: T) -> bool {
        match &self.queue {
            Queue::Bounded(sender) => sender.send(message).is_ok(),
            Queue::Unbounded(sender) => sender.send(message).is_ok(),
        }
    }

    /// Queues a message and wakes the shard, unless the queue is full; whether it was queued.
    pub fn offer(&self, message: T) -> bool {
        let is_queued = match &self.queue {
            Queue::Bounded(sender) => sender.try_send(message).is_ok(),
            Queue::Unbounded(sender) => sender.send(message).is_ok(),
        };
        self.wake();
        is_queued
    }

    /// Wakes the shard, once for all messages put before.
    pub fn wake(&self) {
        // The counter is full: the shard is as awake as can be.
        let _ = rustix::io::write(&self.wake, &1_u64.to_le_bytes());
    }

    /// Queues a message and wakes the shard.
    pub fn send(&self, message: T) {
        self.put(message);
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::mailbox;

    #[test]
    fn messages_arrive_in_order_and_wake() {
        let (sender, receiver) = mailbox(4).expect("a descriptor");
        for number in 0..3 {
            sender.send(number);
        }
        let mut count = [0; 8];
        assert_eq!(
            rustix::io::read(&receiver.wake, &mut count),
            Ok(8),
            "readable"
        );
        receiver.rest();
        assert_eq!(
            std::iter::from_fn(|| receiver.next()).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert!(
            rustix::io::read(&receiver.wake, &mut count).is_err(),
            "at rest"
        );
    }
}
