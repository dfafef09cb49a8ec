//! A world that stands still, for whoever runs builtins outside of an execution.
//!
//! In: callbacks, fuel, a source of octets. Out: a [`Machine`] whose clock shows the beginning of 1970, on a host of the most
//! common name. What it answers is the same in every run.

use super::{Machine, Unwind};
use crate::runtime::Value;

/// A machine without a clock and without a host.
pub(crate) trait StillWorld {
    /// [`Machine::invoke`].
    fn call_back(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind>;

    /// [`Machine::charge`].
    fn pay(&mut self, fuel: u64) -> Result<(), Unwind>;

    /// The next octet of [`Machine::fill_random`].
    fn random_octet(&mut self) -> u8;
}

impl<W: StillWorld> Machine for W {
    fn invoke(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind> {
        self.call_back(function, arguments)
    }

    fn charge(&mut self, fuel: u64) -> Result<(), Unwind> {
        self.pay(fuel)
    }

    fn time(&mut self) -> f64 {
        0.0
    }

    fn utc_offset(&mut self, _time: f64) -> f64 {
        0.0
    }

    fn uptime(&mut self) -> f64 {
        0.0
    }

    fn execution_time(&mut self) -> f64 {
        0.0
    }

    fn fill_random(&mut self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.random_octet());
    }

    fn hostname(&mut self) -> &str {
        "localhost"
    }
}
