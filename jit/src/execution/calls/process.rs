//! Cached calls and barriers.
//!
//! HSL manual: structures, "cache" and "barrier".

use super::call::{invoke, values_of};
use crate::builtins::Unwind;
use crate::error::ErrorKind;
use crate::execution::running::Running;
use crate::process::{
    BARRIER_NAME_OCTETS_MAX, CacheOptions, CacheWrite, ProcessAnswer, ProcessRequest, SharedWrite,
    milliseconds,
};
use crate::runtime::{Portable, Value, convert};

pub(crate) fn call_cached(
    running: &mut Running,
    callee: &Value,
    name: &Value,
    options: &Value,
    arguments: &Value,
) -> Result<Value, Unwind> {
    let options = CacheOptions::read(options)?;
    let arguments = values_of(arguments);
    let key = options.key(name.as_octets().unwrap_or_default(), &arguments)?;
    charge_octets(running, key.octets())?;
    let kept = match running.ask_process(ProcessRequest::CacheRead(key.clone()))? {
        ProcessAnswer::Cached(kept) => kept,
        ProcessAnswer::Done | ProcessAnswer::Entered(_) => None,
    };
    if let Some(kept) = &kept
        && kept.is_fresh
        && !options.force
    {
        charge_octets(running, kept.value.octets())?;
        return Ok(kept.value.to_value()?);
    }
    let mut result = invoke(running, callee, &arguments)?;
    if let (Some(old), Some(update)) = (kept, &options.update_function) {
        let old = old.value.to_value()?;
        result = invoke(running, update, &[old, result])?;
    }
    let answer = match &options.ttl_function {
        Some(function) => Some(invoke(running, function, std::slice::from_ref(&result))?),
        None => None,
    };
    let ttl = options.ttl(&result, answer.as_ref());
    if 0.0 < ttl {
        let value = Portable::copy(&result)?;
        charge_octets(running, value.octets())?;
        let write = CacheWrite {
            key,
            value,
            ttl_ms: milliseconds(ttl),
            size: options.size,
            evicts: options.evicts,
        };
        running.ask_process(ProcessRequest::CacheWrite(write))?;
    }
    Ok(result)
}

pub(crate) fn barrier_enter(
    running: &mut Running,
    has_shared: u32,
    name: &Value,
) -> Result<Value, Unwind> {
    let name = convert::text(name)?;
    let name = name.octets();
    if BARRIER_NAME_OCTETS_MAX < name.len() {
        let limit = BARRIER_NAME_OCTETS_MAX;
        return Err(Unwind::Error(ErrorKind::BarrierName { limit }));
    }
    let name: Box<[u8]> = name.into();
    if running.barriers.contains(&name) {
        let name = String::from_utf8_lossy(&name).into();
        return Err(Unwind::Error(ErrorKind::BarrierHeld { name }));
    }
    let enter = ProcessRequest::BarrierEnter {
        name: name.clone(),
        is_read: has_shared != 0,
    };
    let answer = running.ask_process(enter)?;
    running.barriers.push(name);
    match answer {
        ProcessAnswer::Entered(Some(shared)) => {
            charge_octets(running, shared.octets())?;
            Ok(shared.to_value()?)
        }
        ProcessAnswer::Entered(None) | ProcessAnswer::Done | ProcessAnswer::Cached(_) => {
            Ok(Value::UNDEFINED)
        }
    }
}

pub(crate) fn barrier_leave(
    running: &mut Running,
    has_shared: u32,
    shared: &Value,
) -> Result<(), Unwind> {
    let shared = match has_shared {
        0 => SharedWrite::Keep,
        _ if shared.is_undefined() => SharedWrite::Clear,
        _ => SharedWrite::Set(Portable::copy(shared)?),
    };
    if let SharedWrite::Set(value) = &shared {
        charge_octets(running, value.octets())?;
    }
    if let Some(name) = running.barriers.pop() {
        running.ask_process(ProcessRequest::BarrierLeave { name, shared })?;
    }
    Ok(())
}

/// Takes fuel for copying that many octets.
fn charge_octets(running: &mut Running, octets: usize) -> Result<(), Unwind> {
    running.charge((octets / 64) as u64)
}
