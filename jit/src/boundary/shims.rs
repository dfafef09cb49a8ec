//! The functions that generated code really calls, one per entry of the list in [`super::host_calls`].
//!
//! Each takes scalars and pointers, makes references of them, calls the safe function of the same name in
//! [`crate::execution::calls`], and turns the outcome into one machine word. A panic ends the script and goes on once no
//! generated frame is left (see [`super::enter`]).
//!
//! What every shim relies on, and the code generator provides:
//! 1. `state` is the pointer that the generated function was entered with: the state of a live, running execution.
//! 2. `borrowed` bits are a value that the generated frame keeps alive during the call.
//! 3. `owned` bits are a value whose count passes to the callee; the generated frame does not use it again.
//! 4. A `list` points to a count and that many borrowed values in the generated frame.
//! 5. A `slot` or `pair` points to one or two values in the generated frame that nothing else uses during the call.

#![expect(
    unsafe_code,
    reason = "generated code passes scalars and pointers; here they become references"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::host_calls::{HostCall, for_each_host_call};
use super::layout::ExecutionState;
use crate::builtins::Unwind;
use crate::execution::calls;
use crate::execution::running::Running;
use crate::runtime::Value;
use crate::runtime::layout::FAILED;

/// What a safe function gives, as a machine word.
trait IntoRaw {
    type Raw;

    /// Whether generated code looks at the word for a failure. A script is only parked, and only made to end, in calls that
    /// can say so: the result of any other is taken for what it is.
    const CAN_FAIL: bool;

    /// Whether the call may do work in proportion to a value, which the slice pays for.
    const MAY_WORK: bool;

    /// The word; a failure is noted in the execution.
    fn into_raw(self, running: &mut Running) -> Self::Raw;

    /// The word for a call that did not come to its end.
    fn unfinished() -> Self::Raw;
}

impl IntoRaw for Result<Value, Unwind> {
    type Raw = u64;
    const CAN_FAIL: bool = true;
    const MAY_WORK: bool = true;

    fn into_raw(self, running: &mut Running) -> u64 {
        match self {
            Ok(value) => value.into_bits(),
            Err(unwind) => {
                running.fail(unwind);
                FAILED
            }
        }
    }

    fn unfinished() -> u64 {
        FAILED
    }
}

impl IntoRaw for Result<(), Unwind> {
    type Raw = u64;
    const CAN_FAIL: bool = true;
    const MAY_WORK: bool = true;

    fn into_raw(self, running: &mut Running) -> u64 {
        match self {
            Ok(()) => 0,
            Err(unwind) => {
                running.fail(unwind);
                1
            }
        }
    }

    fn unfinished() -> u64 {
        1
    }
}

impl IntoRaw for bool {
    type Raw = u64;
    const CAN_FAIL: Self = false;
    const MAY_WORK: Self = true;

    fn into_raw(self, _: &mut Running) -> u64 {
        u64::from(self)
    }

    fn unfinished() -> u64 {
        0
    }
}

impl IntoRaw for f64 {
    type Raw = Self;
    const CAN_FAIL: bool = false;
    const MAY_WORK: bool = false;

    fn into_raw(self, _: &mut Running) -> Self {
        self
    }

    fn unfinished() -> Self {
        0.0
    }
}

impl IntoRaw for i64 {
    type Raw = Self;
    const CAN_FAIL: bool = false;
    const MAY_WORK: bool = true;

    fn into_raw(self, _: &mut Running) -> Self {
        self
    }

    fn unfinished() -> Self {
        -1
    }
}

impl IntoRaw for () {
    type Raw = ();
    const CAN_FAIL: bool = false;
    const MAY_WORK: bool = false;

    fn into_raw(self, _: &mut Running) {}

    fn unfinished() {}
}

/// Calls the safe function; a panic is kept for [`super::enter`].
///
/// # Safety
///
/// 1. `state` points to the state of a live execution that nothing else refers to during the call.
#[inline]
unsafe fn guarded<T: IntoRaw>(
    state: *mut ExecutionState,
    call: impl FnOnce(&mut Running) -> T,
) -> T::Raw {
    // SAFETY: 1; the state is the first field of the running execution, so the pointer is one to both.
    let running = unsafe { &mut *state.cast::<Running>() };
    if T::CAN_FAIL && running.is_delayed() && running.is_stopped() {
        return T::unfinished();
    }
    match catch_unwind(AssertUnwindSafe(|| call(running))) {
        Ok(outcome) => {
            let raw = outcome.into_raw(running);
            if T::MAY_WORK {
                running.lend();
            }
            raw
        }
        Err(panic) => {
            running.panic = Some(panic);
            // A call that can't say so has panicked too: the next one that can ends the script.
            running.end_now();
            T::unfinished()
        }
    }
}

/// The values of a list.
///
/// # Safety
///
/// 1. `list` points to a count followed by that many values that stay alive for `'a`.
unsafe fn values<'a>(list: *const u64) -> &'a [Value] {
    // SAFETY: 1.
    let count = unsafe { *list };
    // SAFETY: 1; the values begin one word further.
    let first = unsafe { list.add(1) };
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: 1; a value is a transparent u64.
    unsafe { std::slice::from_raw_parts(first.cast::<Value>(), count) }
}

macro_rules! raw_argument {
    (index) => { u32 };
    (number) => { f64 };
    (integer) => { i64 };
    (list) => { *const u64 };
    (slot) => { *mut Value };
    (pair) => { *mut [Value; 2] };
    ($other:ident) => { u64 };
}

macro_rules! raw_result {
    (number) => {
        f64
    };
    (position) => {
        i64
    };
    (nothing) => {
        ()
    };
    ($other:ident) => {
        u64
    };
}

macro_rules! reference {
    (index, $argument:ident) => {
        $argument
    };
    (number, $argument:ident) => {
        $argument
    };
    (integer, $argument:ident) => {
        $argument
    };
    (borrowed, $argument:ident) => {
        // SAFETY: 2 of the module's list.
        unsafe { Value::borrow_bits(&$argument) }
    };
    (owned, $argument:ident) => {
        // SAFETY: 3 of the module's list.
        unsafe { Value::from_bits($argument) }
    };
    (list, $argument:ident) => {
        // SAFETY: 4 of the module's list.
        unsafe { values($argument) }
    };
    (slot, $argument:ident) => {
        // SAFETY: 5 of the module's list.
        unsafe { &mut *$argument }
    };
    (pair, $argument:ident) => {
        // SAFETY: 5 of the module's list.
        unsafe { &mut *$argument }
    };
}

macro_rules! generate_shims {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ident),*) -> $result:ident;)*) => {
        /// The shims. Each relies on the module's list.
        mod raw {
            use super::*;

            $($(#[$doc])*
            pub(super) unsafe extern "C" fn $name(
                state: *mut ExecutionState,
                $($argument: raw_argument!($kind),)*
            ) -> raw_result!($result) {
                $(let $argument = reference!($kind, $argument);)*
                // SAFETY: 1 of the module's list.
                unsafe { guarded(state, |running| calls::$name(running, $($argument),*)) }
            })*
        }

        /// The address of the shim of a host call.
        pub(crate) fn address(call: HostCall) -> *const u8 {
            match call {
                $(HostCall::$name => raw::$name as *const u8,)*
            }
        }
    };
}

for_each_host_call!(generate_shims);
