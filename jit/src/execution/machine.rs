//! What builtins may ask of a running execution: callbacks, fuel, clocks, randomness, the host's name.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngCore;
use rustix::time::{ClockId, clock_gettime};

use super::calls;
use super::running::Running;
use crate::builtins::{Machine, Unwind};
use crate::runtime::Value;

impl Machine for Running {
    fn invoke(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind> {
        calls::invoke(self, function, arguments)
    }

    fn charge(&mut self, fuel: u64) -> Result<(), Unwind> {
        Self::charge(self, fuel)
    }

    fn time(&mut self) -> f64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time beyond what the calendar knows is cut to its end"
    )]
    fn utc_offset(&mut self, time: f64) -> f64 {
        jiff::Timestamp::from_second(time as i64).map_or(0.0, |timestamp| {
            f64::from(jiff::tz::TimeZone::system().to_offset(timestamp).seconds())
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a system is not up for 2^53 seconds"
    )]
    fn uptime(&mut self) -> f64 {
        let since = clock_gettime(ClockId::Boottime);
        since.tv_sec as f64 + since.tv_nsec as f64 / 1e9
    }

    fn execution_time(&mut self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn fill_random(&mut self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }

    fn hostname(&mut self) -> &str {
        &self.script.hostname
    }
}
