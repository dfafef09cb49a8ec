//! The strings of one octet, made once per thread: loops over texts make no others.
//!
//! In: an octet. Out: its string, whose count stays what it is and which takes no memory of an execution.

use crate::runtime::heap::Heap;
use crate::runtime::value::Value;

thread_local! {
    /// The strings of one octet. Their heap is never dropped: values that refer to them may outlive every other variable of
    /// the thread.
    static OCTETS: &'static [Value; 256] = {
        let heap: &'static Heap = Box::leak(Box::new(Heap::new(OCTETS_BYTES)));
        let _entered = heap.enter();
        let octet = |octet: usize| {
            let octet = u8::try_from(octet).expect("there are 256");
            Value::string(&[octet]).expect("there is room for 256").immortal()
        };
        Box::leak(Box::new(std::array::from_fn(octet)))
    };
}

/// The memory the strings of one octet may take.
const OCTETS_BYTES: usize = 64 * 1024;

/// The string of one octet; it takes no memory of the execution.
#[must_use]
#[inline]
pub fn of_octet(octet: u8) -> Value {
    OCTETS.with(|octets| octets[usize::from(octet)].clone())
}

/// The bits of the strings of one octet, by octet, for generated code. They stay as long as the thread.
#[must_use]
pub fn octet_strings() -> *const u64 {
    OCTETS.with(|octets| octets.as_ptr().cast())
}
