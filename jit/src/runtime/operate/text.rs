//! `.` and `.=`, and strings repeated.
//!
//! In: values, taken as their texts, or octets. Out: a string. Guarantees: a string nobody else sees grows in place.
//! Does not: join none, which has no text.

use super::mismatch;
use crate::error::ErrorKind;
use crate::runtime::convert::{self, Text};
use crate::runtime::kind::Kind;
use crate::runtime::string;
use crate::runtime::value::Value;

/// `.`: the text of both, one after the other.
///
/// # Errors
///
/// If one of them is none, or a limit is exceeded.
pub fn concat(left: &Value, right: &Value) -> Result<Value, ErrorKind> {
    if let (Some(before), Some(after)) = (left.as_octets(), right.as_octets()) {
        return string::concat([before, after]);
    }
    if left.is_none() || right.is_none() {
        return Err(mismatch(".", left, right));
    }
    let (before, after) = (convert::text(left)?, convert::text(right)?);
    string::concat([before.octets(), after.octets()])
}

/// `.=`. A string nobody else sees grows in place.
///
/// # Errors
///
/// As for [`concat()`]; the left operand is unchanged then.
pub fn concat_assign(left: &mut Value, right: &Value) -> Result<(), ErrorKind> {
    if left.is_none() || right.is_none() {
        return Err(mismatch(".", left, right));
    }
    if left.kind() == Kind::String {
        if let Some(octets) = right.as_octets().filter(|_| !left.is_same(right)) {
            return string::append(left, octets);
        }
        // A string that is its own right operand is shared, and so copied before it grows.
        let held = right.clone();
        let text: Text<'_> = convert::text(&held)?;
        return string::append(left, text.octets());
    }
    *left = concat(left, right)?;
    Ok(())
}

/// A string of `times` copies.
///
/// # Errors
///
/// If the result exceeds the limit of strings or of the heap.
pub fn repeat_string(octets: &[u8], times: usize) -> Result<Value, ErrorKind> {
    let length = octets.len().saturating_mul(times);
    let mut builder = string::StringBuilder::new(length)?;
    if octets.is_empty() {
        return Ok(builder.finish());
    }
    // Whole blocks at a time: octet by octet is slow.
    let in_block = (REPEAT_BLOCK_OCTETS / octets.len()).clamp(1, times.max(1));
    let block = octets.repeat(in_block);
    for _ in 0..times / in_block {
        builder.push(&block)?;
    }
    builder.push(&block[..times % in_block * octets.len()])?;
    Ok(builder.finish())
}

/// Octets that a repeated string grows by at a time.
const REPEAT_BLOCK_OCTETS: usize = 4096;
