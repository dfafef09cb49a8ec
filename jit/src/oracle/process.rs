//! What belongs to the whole process: results kept by `cache` and variables shared by `barrier`.
//!
//! Here it lasts for one run, and there is one run: a barrier never waits, and no cache entry gets old, except that one with
//! a time to live of 0 or less is not kept. What is kept are copies, so functions and objects cannot be.
//!
//! HSL manual: structures, "cache" and "barrier".

use std::collections::HashMap;

use super::statement::Flow;
use super::stop::{At, Evaluated, refuse};
use super::walker::Walker;
use crate::runtime::{Key, Portable, Value, convert, number};
use crate::source::Span;
use crate::syntax::ast::{Expression, ExpressionKind, Identifier, Statement};

/// What the process keeps.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// Shared variables of barriers, by name.
    shared: HashMap<Vec<u8>, Portable>,
    /// Caches by namespace and function, each with the entry used last at its end.
    caches: HashMap<(Vec<u8>, String), Vec<CacheEntry>>,
}

#[derive(Debug)]
struct CacheEntry {
    arguments: Vec<Portable>,
    result: Portable,
}

/// The number of entries of a cache that does not say.
const CACHE_SIZE_DEFAULT: usize = 32;

impl Walker<'_> {
    pub(super) fn barrier(
        &mut self,
        name: &Expression,
        shared: Option<&Identifier>,
        body: &Statement,
    ) -> Evaluated<Flow> {
        let value = self.expression(name)?;
        let name = convert::text(&value).at(name.span)?.octets().to_vec();
        if let Some(variable) = shared {
            let before = match self.process.shared.get(&name) {
                Some(kept) => kept.to_value().at(variable.span)?,
                None => Value::UNDEFINED,
            };
            let cell = self.frame().cell(&variable.name).at(variable.span)?;
            if self.is_read_only(&cell) {
                return refuse("a store to a read-only variable", variable.span);
            }
            self.frame()
                .write(&variable.name, before)
                .at(variable.span)?;
        }
        let flow = self.statement(body)?;
        if let Some(variable) = shared {
            match self.frame().read(&variable.name) {
                Some(after) => {
                    let after = Portable::copy(&after).at(variable.span)?;
                    self.process.shared.insert(name, after);
                }
                None => drop(self.process.shared.remove(&name)),
            }
        }
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
        let namespace = option(&options, "namespace").unwrap_or_default();
        let namespace = namespace.as_octets().unwrap_or_default().to_vec();
        let cache = (namespace, callee_name(callee));
        let key = key_arguments(&options, &arguments, span)?;
        let force = option(&options, "force").is_some_and(|force| force.truthy());
        let old = self.look_up(&cache, &key);
        if let (Some(result), false) = (&old, force) {
            return result.to_value().at(span);
        }
        let mut result = self.call(&function, arguments, call.span)?;
        if let (Some(old), Some(update)) = (old, callback(&options, "update_function")) {
            let old = old.to_value().at(span)?;
            result = self.call(&update, vec![old, result], span)?;
        }
        if self.is_kept(&options, &result, span)? {
            let entry = CacheEntry {
                arguments: key,
                result: Portable::copy(&result).at(span)?,
            };
            self.keep(cache, &options, entry);
        }
        Ok(result)
    }

    /// The result kept for these arguments, which becomes the one used last.
    fn look_up(&mut self, cache: &(Vec<u8>, String), arguments: &[Portable]) -> Option<Portable> {
        let entries = self.process.caches.get_mut(cache)?;
        let index = entries
            .iter()
            .position(|entry| entry.arguments == arguments)?;
        let entry = entries.remove(index);
        let result = entry.result.clone();
        entries.push(entry);
        Some(result)
    }

    fn is_kept(&mut self, options: &Value, result: &Value, span: Span) -> Evaluated<bool> {
        let mut seconds = option(options, "ttl").as_ref().and_then(Value::as_number);
        if let Some(function) = callback(options, "ttl_function") {
            let answer = self.call(&function, vec![result.clone()], span)?;
            seconds = answer.as_number().or(seconds);
        }
        let overrides = option(options, "ttl_override");
        if let Some(array) = overrides.as_ref().and_then(Value::as_array)
            && let Ok(key) = Key::cast(result)
        {
            seconds = array.get(key).and_then(Value::as_number).or(seconds);
        }
        Ok(seconds.is_none_or(|seconds| seconds > 0.0))
    }

    fn keep(&mut self, cache: (Vec<u8>, String), options: &Value, entry: CacheEntry) {
        let size = option(options, "size").as_ref().and_then(Value::as_number);
        let size = size.map_or(CACHE_SIZE_DEFAULT, number::to_count);
        let evicts = option(options, "lru").is_none_or(|lru| lru.truthy());
        let entries = self.process.caches.entry(cache).or_default();
        entries.retain(|kept| kept.arguments != entry.arguments);
        while evicts && size <= entries.len() && !entries.is_empty() {
            entries.remove(0);
        }
        if entries.len() < size {
            entries.push(entry);
        }
    }
}

fn option(options: &Value, name: &str) -> Option<Value> {
    options.as_array()?.get(Key::of(name.as_bytes())).cloned()
}

fn callback(options: &Value, name: &str) -> Option<Value> {
    option(options, name).filter(|function| function.as_function().is_some())
}

/// The arguments that tell entries apart: all, or those whose numbers, from 1, `argv_filter` lists.
fn key_arguments(options: &Value, arguments: &[Value], span: Span) -> Evaluated<Vec<Portable>> {
    let filter = option(options, "argv_filter");
    let filter = filter.as_ref().and_then(Value::as_array);
    let chosen = |number: usize| match filter {
        Some(filter) => filter
            .values()
            .any(|one| one.as_number() == Value::count(number).as_number()),
        None => true,
    };
    let mut key = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        if chosen(index + 1) {
            key.push(Portable::copy(argument).at(span)?);
        }
    }
    Ok(key)
}

fn callee_name(callee: &Expression) -> String {
    match &callee.kind {
        ExpressionKind::FunctionName {
            name,
            builtin: true,
        } => format!("builtin {}", name.name),
        ExpressionKind::FunctionName { name, .. } => name.name.to_string(),
        ExpressionKind::StaticFunction(class, name) => format!("{}::{}", class.name, name.name),
        _ => String::new(),
    }
}
