//! One fixed buffer per connection, from which lines and mail data are borrowed.
//!
//! In: octets of the socket. Out: slices of what has not been consumed, in order. Guarantees: never grows; octets move
//! only when the free space behind them is used up (one copy of less than a line); memory is given back to the shard
//! while the buffer is empty, so that an idle connection holds none and busy ones share memory that the cache still has.
//! Does not: know lines.

use std::rc::Rc;

use crate::limits;
use crate::spare::Spare;

/// Buffers that no connection of the shard needs now, all of one size.
#[derive(Debug)]
pub struct SpareBuffers {
    spare: Spare<Box<[u8]>, SPARE_BUFFERS_MAX>,
    size_bytes: usize,
}

impl SpareBuffers {
    /// None yet; each will have `size_bytes`.
    #[must_use]
    pub fn new(size_bytes: usize) -> Self {
        Self {
            spare: Spare::default(),
            size_bytes,
        }
    }

    fn take(&self) -> Box<[u8]> {
        let spare = self.spare.take();
        spare.unwrap_or_else(|| vec![0; self.size_bytes].into_boxed_slice())
    }

    fn keep(&self, memory: Box<[u8]>) {
        self.spare.keep(memory);
    }

    /// Frees those that no connection has needed since this was last called.
    pub fn free_unneeded(&self) {
        self.spare.free_unneeded();
    }
}

/// What a connection has received and not consumed.
#[derive(Debug)]
pub(super) struct ReceiveBuffer {
    spare: Rc<SpareBuffers>,
    /// Empty while the memory is given back.
    memory: Box<[u8]>,
    /// Invariant: `start <= end <= memory.len()`; both are 0 while the memory is given back.
    start: usize,
    end: usize,
}

impl Default for SpareBuffers {
    /// For lines and mail data.
    fn default() -> Self {
        Self::new(limits::RECEIVE_BUFFER_BYTES)
    }
}

impl ReceiveBuffer {
    /// An empty buffer that holds no memory.
    pub(super) fn new(spare: Rc<SpareBuffers>) -> Self {
        Self {
            spare,
            memory: Box::default(),
            start: 0,
            end: 0,
        }
    }

    /// What waits to be consumed.
    pub(super) fn octets(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub(super) fn octets_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets the first `count` octets.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        assert!(
            self.start <= self.end,
            "only what was received can be consumed"
        );
    }

    /// Gives the memory back if nothing waits in it; called before a wait that may be long.
    pub(super) fn rest(&mut self) {
        if self.is_empty() && !self.memory.is_empty() {
            self.start = 0;
            self.end = 0;
            self.spare.keep(std::mem::take(&mut self.memory));
        }
    }

    /// Where the next octets go; never empty unless a whole buffer waits to be consumed.
    pub(super) fn free_space(&mut self) -> &mut [u8] {
        if self.memory.is_empty() {
            self.memory = self.spare.take();
        } else if self.is_empty() {
            self.start = 0;
            self.end = 0;
        } else if 0 < self.start && self.memory.len() - self.end < self.memory.len() / 2 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.memory[self.end..]
    }

    /// Notes that `count` octets were written to the front of [`ReceiveBuffer::free_space`].
    pub(super) fn filled(&mut self, count: usize) {
        self.end += count;
        assert!(
            self.end <= self.memory.len(),
            "the socket fills free space only"
        );
    }
}

impl Drop for ReceiveBuffer {
    fn drop(&mut self) {
        self.start = self.end;
        self.rest();
    }
}

/// Buffers a shard keeps for connections to come.
const SPARE_BUFFERS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::{ReceiveBuffer, SpareBuffers};
    use crate::limits::RECEIVE_BUFFER_BYTES;

    #[test]
    fn octets_come_out_as_they_went_in() {
        let spare = Rc::new(SpareBuffers::default());
        let mut buffer = ReceiveBuffer::new(Rc::clone(&spare));
        let (mut sent, mut seen) = (0_u32, 0_u32);
        for round in 0..20_000_usize {
            let free = buffer.free_space();
            let count = free.len().min(1 + round * 7 % 997);
            for octet in &mut free[..count] {
                *octet = (sent % 251) as u8;
                sent += 1;
            }
            buffer.filled(count);
            let wanted = buffer.octets().len().min(1 + round * 11 % 1_009);
            for octet in &buffer.octets()[..wanted] {
                assert_eq!(u32::from(*octet), seen % 251);
                seen += 1;
            }
            buffer.consume(wanted);
            buffer.rest();
        }
        assert!(RECEIVE_BUFFER_BYTES < seen as usize);
    }

    #[test]
    fn an_empty_buffer_lends_its_memory() {
        let spare = Rc::new(SpareBuffers::default());
        let mut first = ReceiveBuffer::new(Rc::clone(&spare));
        first.free_space()[0] = 7;
        first.filled(1);
        first.rest();
        assert_eq!(first.octets(), [7], "memory with octets stays");
        first.consume(1);
        first.rest();
        assert_eq!(spare.spare.count(), 1);
        let mut second = ReceiveBuffer::new(Rc::clone(&spare));
        assert_eq!(second.free_space().len(), RECEIVE_BUFFER_BYTES);
        assert_eq!(spare.spare.count(), 0);
        drop(second);
        assert_eq!(spare.spare.count(), 1);
    }
}
