//! The options of `cache`, checked.
//!
//! In: the array that a script gives. Out: [`CacheOptions`], or an error that names the option. An option that is none is
//! not given.
//!
//! HSL manual: structures, "cache".

use super::cache::CacheKey;
use crate::error::ErrorKind;
use crate::runtime::{Key, Kind, Portable, Value, number};

/// How results of a call are kept.
#[derive(Debug)]
pub struct CacheOptions {
    /// With the function's name, the name of the cache.
    pub namespace: Vec<u8>,
    /// Calls even if there is a result.
    pub force: bool,
    /// The most entries.
    pub size: usize,
    /// Whether a full cache gives up the entry used longest ago.
    pub evicts: bool,
    /// Gets the result, gives the seconds to keep it.
    pub ttl_function: Option<Value>,
    /// Gets the old result and the new one, gives the one to keep.
    pub update_function: Option<Value>,
    ttl: f64,
    ttl_override: Option<Value>,
    /// The arguments that tell entries apart, counted from 1.
    argv_filter: Option<Vec<f64>>,
}

impl CacheOptions {
    /// Checks the options.
    ///
    /// # Errors
    ///
    /// If there is an unknown one or one of the wrong kind.
    pub fn read(options: &Value) -> Result<Self, ErrorKind> {
        let mut read = Self {
            namespace: Vec::new(),
            force: false,
            size: SIZE_DEFAULT,
            evicts: true,
            ttl_function: None,
            update_function: None,
            ttl: TTL_SECONDS_DEFAULT,
            ttl_override: None,
            argv_filter: None,
        };
        let Some(options) = options.as_array() else {
            return Err(wrong("cache", "an array of options"));
        };
        for (key, value) in options {
            if !value.is_none() {
                read.take(key.octets().unwrap_or_default(), value)?;
            }
        }
        Ok(read)
    }

    fn take(&mut self, name: &[u8], value: &Value) -> Result<(), ErrorKind> {
        match name {
            b"namespace" => {
                let octets = value.as_octets().ok_or(wrong("namespace", "a string"))?;
                self.namespace = octets.to_vec();
            }
            b"force" => self.force = truth("force", value)?,
            b"lru" => self.evicts = truth("lru", value)?,
            b"per_message" => {
                if truth("per_message", value)? {
                    return Err(wrong("per_message", "false where there is no message"));
                }
            }
            b"size" => {
                let size = value.as_number().filter(|size| 1.0 <= *size);
                self.size = number::to_count(size.ok_or(wrong("size", "a number from 1"))?);
            }
            b"ttl" => self.ttl = value.as_number().ok_or(wrong("ttl", "a number"))?,
            b"ttl_override" => self.ttl_override = Some(array("ttl_override", value)?),
            b"ttl_function" => self.ttl_function = Some(function("ttl_function", value)?),
            b"update_function" => self.update_function = Some(function("update_function", value)?),
            b"argv_filter" => {
                let filter = array("argv_filter", value)?;
                let numbers = filter.as_array().map(|filter| filter.values());
                let numbers = numbers.into_iter().flatten().map(Value::as_number);
                let numbers: Option<Vec<f64>> = numbers.collect();
                self.argv_filter =
                    Some(numbers.ok_or(wrong("argv_filter", "an array of numbers"))?);
            }
            _ => return Err(wrong("cache", NAMES)),
        }
        Ok(())
    }

    /// The entry for a call.
    ///
    /// # Errors
    ///
    /// If an argument that tells entries apart is or contains a function or an object.
    pub fn key(&self, function: &[u8], arguments: &[Value]) -> Result<CacheKey, ErrorKind> {
        let mut chosen = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            let is_chosen = self.argv_filter.as_ref().is_none_or(|filter| {
                let number = Value::count(index + 1).as_number();
                filter.iter().any(|one| Some(*one) == number)
            });
            if is_chosen {
                chosen.push(Portable::copy(argument)?);
            }
        }
        Ok(CacheKey::new(&self.namespace, function, &chosen))
    }

    /// How long a result is kept, in seconds; not at all when 0 or less. `answer` is that of the function for it.
    #[must_use]
    pub fn ttl(&self, result: &Value, answer: Option<&Value>) -> f64 {
        let overrides = self.ttl_override.as_ref().and_then(Value::as_array);
        let overridden = overrides.and_then(|overrides| {
            let key = Key::cast(result).ok()?;
            overrides.get(key)?.as_number()
        });
        overridden
            .or_else(|| answer?.as_number())
            .unwrap_or(self.ttl)
    }
}

fn wrong(option: &'static str, requirement: &'static str) -> ErrorKind {
    ErrorKind::CacheOption {
        option,
        requirement,
    }
}

fn truth(name: &'static str, value: &Value) -> Result<bool, ErrorKind> {
    match value.kind() {
        Kind::Boolean => Ok(value.truthy()),
        _ => Err(wrong(name, "a boolean")),
    }
}

fn array(name: &'static str, value: &Value) -> Result<Value, ErrorKind> {
    match value.kind() {
        Kind::Array => Ok(value.clone()),
        _ => Err(wrong(name, "an array")),
    }
}

fn function(name: &'static str, value: &Value) -> Result<Value, ErrorKind> {
    match value.kind() {
        Kind::Function => Ok(value.clone()),
        _ => Err(wrong(name, "a function")),
    }
}

/// Entries of a cache that does not say.
const SIZE_DEFAULT: usize = 32;

/// Seconds a result is kept by a cache that does not say.
const TTL_SECONDS_DEFAULT: f64 = 60.0;

const NAMES: &str = "made of ttl, ttl_override, ttl_function, update_function, argv_filter, force, \
                     size, namespace, per_message and lru, nothing else";
