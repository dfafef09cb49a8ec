//! What belongs to the whole process: results kept by `cache` and variables shared by `barrier`.
//!
//! Here it lasts for one run, and there is one run: a barrier never waits, and no cache entry gets old, except that one with
//! a time to live of 0 or less is not kept. What is kept are copies, so functions and objects cannot be. The options of
//! `cache` are read by the same code as those of compiled scripts; what they mean is done here again.
//!
//! HSL manual: structures, "cache" and "barrier".

use std::collections::HashMap;

use super::statement::Flow;
use super::stop::{At, Evaluated, fail, refuse};
use super::walker::Walker;
use crate::error::ErrorKind;
use crate::process::{BARRIER_NAME_OCTETS_MAX, CacheKey, CacheOptions};
use crate::runtime::{Portable, Value, convert};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Identifier, Statement};

/// What the process keeps.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// The barriers this run is in.
    held: Vec<Vec<u8>>,
    /// Shared variables of barriers, by name.
    shared: HashMap<Vec<u8>, Portable>,
    /// Caches by name, each with the entry used last at its end.
    caches: HashMap<Vec<u8>, Vec<(CacheKey, Portable)>>,
}

impl Walker<'_> {
    pub(super) fn barrier(
        &mut self,
        name: &Expression,
        shared: Option<&Identifier>,
        body: &Statement,
    ) -> Evaluated<Flow> {
        let value = self.expression(name)?;
        let octets = convert::text(&value).at(name.span)?.octets().to_vec();
        if BARRIER_NAME_OCTETS_MAX < octets.len() {
            let limit = BARRIER_NAME_OCTETS_MAX;
            return fail(ErrorKind::BarrierName { limit }, name.span);
        }
        if self.process.held.contains(&octets) {
            let name_text = String::from_utf8_lossy(&octets).into();
            return fail(ErrorKind::BarrierHeld { name: name_text }, name.span);
        }
        self.process.held.push(octets.clone());
        if let Some(variable) = shared {
            let before = match self.process.shared.get(&octets).cloned() {
                Some(kept) => {
                    self.charge_octets(kept.octets(), name.span)?;
                    Some(kept.to_value().at(name.span)?)
                }
                None => None,
            };
            let cell = self.frame().cell(&variable.name).at(variable.span)?;
            if self.is_read_only(&cell) {
                return refuse("a store to a read-only variable", variable.span);
            }
            let absent = match self.is_predefined(&cell) {
                true => Value::NONE,
                false => Value::UNDEFINED,
            };
            self.frame()
                .write(&variable.name, before.unwrap_or(absent))
                .at(variable.span)?;
        }
        let flow = self.statement(body)?;
        if let Some(variable) = shared {
            match self.frame().read(&variable.name) {
                Some(after) => {
                    let after = Portable::copy(&after).at(variable.span)?;
                    self.charge_octets(after.octets(), variable.span)?;
                    self.process.shared.insert(octets, after);
                }
                None => drop(self.process.shared.remove(&octets)),
            }
        }
        self.process.held.pop();
        Ok(flow)
    }

    pub(super) fn cached(
        &mut self,
        options: &Expression,
        call: &Expression,
        span: Span,
    ) -> Evaluated<Value> {
        let ExpressionKind::Call(callee, arguments) = &call.kind else {
            return refuse("cache of something that is no call", span);
        };
        let options = self.expression(options)?;
        let function = self.expression(callee)?;
        let arguments = self.arguments(arguments)?;
        let options = CacheOptions::read(&options).at(span)?;
        let name = callee.cached_name();
        let key = options.key(name.as_bytes(), &arguments).at(span)?;
        self.charge_octets(key.octets(), span)?;
        let old = self.look_up(&key);
        if let (Some(result), false) = (&old, options.force) {
            self.charge_octets(result.octets(), span)?;
            return result.to_value().at(span);
        }
        let mut result = self.call(&function, arguments, span)?;
        if let (Some(old), Some(update)) = (old, &options.update_function) {
            let old = old.to_value().at(span)?;
            result = self.call(update, vec![old, result], span)?;
        }
        let answer = match &options.ttl_function {
            Some(function) => Some(self.call(function, vec![result.clone()], span)?),
            None => None,
        };
        if 0.0 < options.ttl(&result, answer.as_ref()) {
            let kept = Portable::copy(&result).at(span)?;
            self.charge_octets(kept.octets(), span)?;
            self.keep(&options, key, kept);
        }
        Ok(result)
    }

    /// The result kept for these arguments, which becomes the one used last.
    fn look_up(&mut self, key: &CacheKey) -> Option<Portable> {
        let entries = self.process.caches.get_mut(key.cache())?;
        let index = entries.iter().position(|(kept, _)| kept == key)?;
        let entry = entries.remove(index);
        let result = entry.1.clone();
        entries.push(entry);
        Some(result)
    }

    fn keep(&mut self, options: &CacheOptions, key: CacheKey, result: Portable) {
        let name = key.cache().to_vec();
        let entries = self.process.caches.entry(name).or_default();
        entries.retain(|(kept, _)| *kept != key);
        while options.evicts && options.size <= entries.len() {
            entries.remove(0);
        }
        if entries.len() < options.size {
            entries.push((key, result));
        }
    }

    /// Takes fuel for copying that many octets.
    fn charge_octets(&mut self, octets: usize, span: Span) -> Evaluated<()> {
        self.charge((octets / 64) as u64, span)
    }
}
