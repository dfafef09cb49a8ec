//! The allocator under everything, and what it has free.
//!
//! In: nothing. Out: memory that is free goes back to the system. Guarantees: nothing changes but the size of the process.
//! Does not: free anything.
//!
//! It is here, for the whole process, because no folder but this one may call what Rust cannot check; and a compiler leaves
//! a lot behind.
//!
//! What the call asks of its caller (malloc_trim(3)): 1. nothing of where and when: it takes the allocator's own locks, as
//! each allocation does. 2. A number of bytes, of which each is right.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "calls the C library")
)]

/// Gives memory that is allocated to nobody back to the system, as whole pages.
///
/// The C library of GNU keeps it otherwise where a piece in use lies behind it, so that a process stays as large as it has
/// ever been. What stays even so is a little at the end of each thread's heap, and what each thread keeps for its next
/// small pieces. Allocations of other threads wait meanwhile, those from one heap at a time: some tens of microseconds per
/// megabyte that is given back. With another C library this does nothing.
///
/// malloc_trim(3)
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: 1; 2: none are to stay at the end of the heap.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use std::fs;

    use super::give_back;

    fn resident_bytes() -> usize {
        let text = fs::read_to_string("/proc/self/statm").expect("there is a proc file system");
        let pages = text.split(' ').nth(1).expect("it is the second number");
        let pages: usize = pages.parse().expect("it is a number");
        pages * rustix::param::page_size()
    }

    #[test]
    fn what_lies_between_pieces_in_use_is_given_back() {
        // Small enough not to be asked of the system one by one, which they would go back to one by one.
        let mut pieces: Vec<_> = (0..2_048).map(|_| vec![1_u8; 32_768]).collect();
        let last = pieces.pop();
        let full = resident_bytes();
        drop(pieces);
        give_back();
        let left = resident_bytes();
        // Other tests of this process take and free memory meanwhile.
        assert!(
            left + (32 << 20) < full,
            "{full} bytes before, {left} after"
        );
        drop(last);
    }
}
