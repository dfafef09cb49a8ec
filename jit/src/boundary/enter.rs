//! Rust to script: the one place where a code pointer is called.
//!
//! In: an execution and a function of its script with the arguments. Out: an owned value, or that the script must end.
//! A panic that a shim caught goes on here, where no generated frame is left above it.
//! Does not allocate.

#![expect(unsafe_code, reason = "calls generated code through a pointer")]

use std::panic::resume_unwind;

use super::layout::ExecutionState;
use crate::builtins::Unwind;
use crate::codegen::Entry;
use crate::execution::running::Running;
use crate::runtime::Value;

/// Calls a function of the script. The arguments become the callee's, leaving undefined, and must be as many as it has
/// parameters, which the caller has checked. `environment` is borrowed.
///
/// # Errors
///
/// When the script must end; why is noted in the execution.
pub(crate) fn enter(
    running: &mut Running,
    entry: Entry,
    environment: &Value,
    arguments: &mut [Value],
) -> Result<Value, Unwind> {
    running.nested(|running| call(running, entry, environment, arguments))
}

fn call(
    running: &mut Running,
    entry: Entry,
    environment: &Value,
    arguments: &mut [Value],
) -> Result<Value, Unwind> {
    let environment = environment.bits();
    let words = arguments.as_ptr().cast::<u64>();
    let state = std::ptr::from_mut(running).cast::<ExecutionState>();
    // SAFETY: an entry points to code that the code generator made with this signature, and the execution owns a share of
    // the code, so it is there.
    let function = unsafe {
        std::mem::transmute::<
            *const u8,
            unsafe extern "C" fn(*mut ExecutionState, u64, *const u64) -> u64,
        >(entry.0)
    };
    // SAFETY: the state belongs to a running execution whose heap is entered; the arguments are owned values, as many as
    // the function takes, and a value is a transparent u64; the environment outlives the call.
    let result = unsafe { function(state, environment, words) };
    for argument in arguments {
        // The function has given it up.
        let _passed = argument.take().into_bits();
    }
    if let Some(panic) = running.panic.take() {
        resume_unwind(panic);
    }
    // SAFETY: generated code gives an owned value or FAILED.
    let value = unsafe { Value::from_bits(result) };
    if value.is_failed() {
        Err(Unwind::Ended)
    } else {
        Ok(value)
    }
}
