//! Builtins, and what they may ask of a run.
//!
//! Callbacks and fuel are real. The world stands still: the clock shows the beginning of 1970, and randomness is a sequence
//! that is the same in every run. So a script that prints either cannot be compared with the compiled code.
//!
//! HSL manual: functions.

use super::stop::{Evaluated, fail, refuse};
use super::walker::Walker;
use crate::builtins::{self, StillWorld, Unwind};
use crate::runtime::Value;
use crate::source::Span;

impl Walker<'_> {
    /// Calls the builtin with this number in the registry, on an object if it is one of its functions.
    pub(super) fn call_builtin(
        &mut self,
        number: u32,
        object: &Value,
        arguments: &[Value],
        span: Span,
    ) -> Evaluated<Value> {
        let Some(builtin) = builtins::registry().get(number as usize) else {
            return refuse("no builtin of this number", span);
        };
        self.builtin_calls.push(span);
        let result = builtin.invoke_on(object, arguments, self);
        self.builtin_calls.pop();
        // Whatever the builtin made of it, a callback that stopped stops the script.
        if let Some(stop) = self.stopped.take() {
            return Err(stop);
        }
        match result {
            Ok(value) => Ok(value),
            Err(Unwind::Error(kind)) => fail(kind, span),
            Err(Unwind::Ended) => refuse("a builtin ended the script", span),
        }
    }
}

impl StillWorld for Walker<'_> {
    fn call_back(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind> {
        let span = *self.builtin_calls.last().ok_or(Unwind::Ended)?;
        self.call(function, arguments.to_vec(), span)
            .map_err(|stop| {
                self.stopped = Some(stop);
                Unwind::Ended
            })
    }

    fn pay(&mut self, fuel: u64) -> Result<(), Unwind> {
        let span = *self.builtin_calls.last().ok_or(Unwind::Ended)?;
        self.charge(fuel, span).map_err(|stop| {
            self.stopped = Some(stop);
            Unwind::Ended
        })
    }

    fn random_octet(&mut self) -> u8 {
        // A generator of period 2^64; its high octet is random enough for scripts that only must run.
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random.to_be_bytes()[0]
    }
}
