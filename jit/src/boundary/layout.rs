//! The memory that generated code touches by itself, and where in it.
//!
//! Only [`ExecutionState`] and the reference count at the head of every heap object. Offsets are taken from the types
//! here and checked when this file is compiled; the code generator uses nothing else.

use std::mem::offset_of;

use crate::builtins::SeenTables;

/// The part of a running execution that generated code reads and writes. Generated code gets a pointer to it as the first
/// argument of every function; the rest of the execution follows it in memory and is none of its business.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct ExecutionState {
    /// What is left of the fuel of this slice; below zero it must ask for more.
    pub(crate) fuel: i64,
    /// The values of the script's constants; valid for the whole execution, never written.
    pub(crate) constants: *const u64,
    /// The predefined variables of the hook, as values.
    pub(crate) predefined: *mut u64,
    /// The strings of one octet, by octet; valid for as long as the thread.
    pub(crate) octets: *const u64,
    /// What was read of addresses and networks; valid for as long as the thread.
    pub(crate) networks: *const SeenTables,
    /// The entry of [`crate::codegen`]'s site table where the script failed, plus one; zero while it has not.
    pub(crate) failed_site: u32,
    /// Keeps the size a multiple of eight.
    pub(crate) reserved: u32,
}

/// Offset of [`ExecutionState::fuel`].
pub(crate) const STATE_FUEL: i32 = offset(offset_of!(ExecutionState, fuel));
/// Offset of [`ExecutionState::constants`].
pub(crate) const STATE_CONSTANTS: i32 = offset(offset_of!(ExecutionState, constants));
/// Offset of [`ExecutionState::predefined`].
pub(crate) const STATE_PREDEFINED: i32 = offset(offset_of!(ExecutionState, predefined));
/// Offset of [`ExecutionState::octets`].
pub(crate) const STATE_OCTETS: i32 = offset(offset_of!(ExecutionState, octets));
/// Offset of [`ExecutionState::networks`].
pub(crate) const STATE_NETWORKS: i32 = offset(offset_of!(ExecutionState, networks));
/// Offset of [`ExecutionState::failed_site`].
pub(crate) const STATE_FAILED_SITE: i32 = offset(offset_of!(ExecutionState, failed_site));

#[expect(
    clippy::cast_possible_truncation,
    reason = "the structure is 48 octets, asserted below"
)]
#[expect(
    clippy::cast_possible_wrap,
    reason = "the structure is 48 octets, asserted below"
)]
const fn offset(bytes: usize) -> i32 {
    bytes as i32
}

const _: () = assert!(size_of::<ExecutionState>() == 48);
const _: () = assert!(align_of::<ExecutionState>() == 8);
