//! Targets whose input is a call of a builtin function.
//!
//! The calls go through the registry, as those of scripts do, but without a script: a million a minute rather than a
//! thousand.

use postern_jit::builtins::{self, Builtin, Machine, Presence, Unwind};
use postern_jit::error::ErrorKind;
use postern_jit::runtime::heap::{Heap, live_objects};
use postern_jit::runtime::{FunctionTarget, Key, Kind, Value, convert};

/// Which function and with which arguments is read from the input. It must not panic, must give a value of a kind it says
/// it gives, the same one to the same arguments if it says it is pure, and leave no other value behind.
pub(crate) fn builtins(octets: &[u8]) {
    let heap = Heap::new(HEAP_BYTES);
    let entered = heap.enter();
    let mut reader = Reader(octets);
    let registry = builtins::registry();
    let builtin = &registry[usize::from(reader.octet()) % registry.len()];
    if let Ok(object) = object_with(builtin, &mut reader)
        && let Ok(arguments) = arguments(builtin, &mut reader)
    {
        call(builtin, &object, &arguments);
    }
    assert_eq!(live_objects(), 0, "{}() leaves values", builtin.name);
    drop(entered);
}

/// A pattern up to the first NUL, and a subject: all functions of regular expressions, and quoting undoes itself.
pub(crate) fn regex(octets: &[u8]) {
    let heap = Heap::new(HEAP_BYTES);
    let entered = heap.enter();
    let mut parts = octets.splitn(3, |octet| *octet == 0);
    let mut part = || parts.next().unwrap_or_default();
    let texts = [part(), part(), part()].map(Value::string);
    if let [Ok(pattern), Ok(subject), Ok(replace)] = texts {
        let named = |name| builtins::builtin(name).expect("the function exists");
        let two = [pattern.clone(), subject.clone()];
        let call = |name, arguments: &[Value]| call(named(name), &Value::NONE, arguments);
        call("pcre_match", &two);
        call("pcre_match_all", &two);
        call("pcre_replace", &[pattern, replace, subject.clone()]);
        let quoted = call("pcre_quote", std::slice::from_ref(&subject));
        if let Some(quoted) = quoted {
            let found = call("pcre_match", &[quoted, subject.clone()]);
            let whole = found.as_ref().and_then(Value::as_array);
            let whole = whole.and_then(|groups| groups.get(Key::at(0)));
            if let Some(whole) = whole {
                assert_eq!(whole.as_octets(), subject.as_octets(), "a quoted text");
            }
        }
    }
    assert_eq!(live_objects(), 0, "matching leaves values");
    drop(entered);
}

/// Calls twice and compares, but for functions that may change their object; what it gave the first time.
fn call(builtin: &'static Builtin, object: &Value, arguments: &[Value]) -> Option<Value> {
    let before: Vec<_> = arguments.iter().map(shown).collect();
    let first = builtin.invoke_on(object, arguments, &mut World::default());
    if let Ok(value) = &first {
        let (name, kind) = (builtin.name, value.kind());
        assert!(builtin.returns.contains(kind), "{name}() gives {kind}");
    }
    for (before, argument) in before.iter().zip(arguments) {
        let after = shown(argument);
        // To show it takes memory, of which the result has its part now.
        let is_shown = !matches!(after, Err(ErrorKind::MemoryLimit { .. }));
        let name = builtin.name;
        assert!(!is_shown || *before == after, "{name} changes an argument");
    }
    if !object.is_none() {
        return first.ok();
    }
    let second = builtin.invoke(arguments, &mut World::default());
    let is_alike = match (&first, &second) {
        (Ok(one), Ok(other)) => shown(one) == shown(other),
        // The second call has less memory, where the first one's result is.
        (_, Err(Unwind::Error(ErrorKind::MemoryLimit { .. }))) => true,
        (Err(one), Err(other)) => one == other,
        _ => false,
    };
    assert!(is_alike, "{}(): {first:?}, then {second:?}", builtin.name);
    first.ok()
}

/// A value as text, or what is wrong with that.
fn shown(value: &Value) -> Result<Vec<u8>, ErrorKind> {
    // An array around it tells "1" from 1.
    let around = Value::array_of([value.clone()])?;
    convert::text(&around).map(|text| text.octets().to_vec())
}

/// An object of the library that has the function; none if it belongs to no object.
fn object_with(builtin: &Builtin, reader: &mut Reader<'_>) -> Result<Value, ErrorKind> {
    match builtin.name.split_once("->") {
        Some((class, _)) => object(class, reader),
        None => Ok(Value::NONE),
    }
}

/// An object of this class of the library.
fn object(class: &str, reader: &mut Reader<'_>) -> Result<Value, ErrorKind> {
    let made = match class {
        "File" => {
            let make = builtins::builtin("File::String").expect("the function exists");
            make.invoke(&[Value::string(reader.text())?], &mut World::default())
        }
        _ => {
            let make = builtins::builtin(class).expect("the class has a constructor");
            make.invoke(&[], &mut World::default())
        }
    };
    Ok(made.unwrap_or(Value::NONE))
}

/// As many values as the function takes, mostly of the kinds it takes.
fn arguments(builtin: &Builtin, reader: &mut Reader<'_>) -> Result<Vec<Value>, ErrorKind> {
    let mut values = Vec::new();
    for position in 0..ARGUMENTS_MAX {
        let Some(parameter) = builtin.parameter(position) else {
            break;
        };
        let choice = reader.octet();
        if parameter.presence != Presence::Required && choice & 3 == 0 {
            break;
        }
        let taken = Kind::ALL.map(|kind| (kind, parameter.kinds.contains(kind)));
        let taken: Vec<_> = taken.iter().filter(|(_, is)| *is).collect();
        let (kind, _) = taken[usize::from(choice >> 2) % taken.len()];
        values.push(value(*kind, reader, 3)?);
    }
    Ok(values)
}

/// A value of this kind, of what the input says.
fn value(kind: Kind, reader: &mut Reader<'_>, depth: usize) -> Result<Value, ErrorKind> {
    Ok(match kind {
        Kind::None => Value::NONE,
        Kind::Object => {
            let classes = builtins::classes();
            let class = &classes[usize::from(reader.octet()) % classes.len()];
            object(class.name, reader)?
        }
        Kind::Boolean => Value::boolean(reader.octet() & 1 == 1),
        Kind::Number => Value::number(reader.number()),
        Kind::String => Value::string(reader.text())?,
        Kind::Function => {
            let count = u32::try_from(builtins::registry().len()).expect("few");
            let target = u32::from(reader.octet()) % (count + 4);
            let target = match target.checked_sub(count) {
                None => FunctionTarget::Builtin(target),
                Some(own) => FunctionTarget::User(own),
            };
            Value::function(target, Value::NONE, std::iter::empty())?
        }
        Kind::Array => {
            let mut array = Value::array()?;
            for _ in 0..reader.octet() % 6 {
                let choice = reader.octet();
                let element = match depth.checked_sub(1) {
                    Some(depth) => value(Kind::ALL[usize::from(choice) % 7], reader, depth)?,
                    None => Value::number(reader.number()),
                };
                if choice < 128 {
                    array.array_mut()?.append(element)?;
                } else {
                    let name = reader.text();
                    array.array_mut()?.set(Key::of(name), element)?;
                }
            }
            array
        }
    })
}

/// Takes the input apart. At its end there is only zero.
struct Reader<'r>(&'r [u8]);

impl<'r> Reader<'r> {
    fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Small, odd, or any double.
    fn number(&mut self) -> f64 {
        const ODD: [f64; 12] = [
            -0.0,
            0.5,
            -1.0,
            65_536.0,
            2_147_483_648.0,
            4_294_967_296.0,
            9_007_199_254_740_992.0,
            1e21,
            1e300,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        match self.octet() {
            small @ 0..=199 => f64::from(small) - 50.0,
            odd @ 200..=239 => ODD[usize::from(odd) % ODD.len()],
            240.. => f64::from_le_bytes(std::array::from_fn(|_| self.octet())),
        }
    }

    /// Short as its first octet says, or all that is left.
    fn text(&mut self) -> &'r [u8] {
        let length = match self.octet() {
            255 => self.0.len(),
            length => usize::from(length % 64).min(self.0.len()),
        };
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        text
    }
}

/// Whoever runs the function: the same each time.
#[derive(Debug)]
struct World {
    fuel: u64,
    depth: u32,
    random: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            fuel: 20_000,
            depth: 0,
            random: 1,
        }
    }
}

impl Machine for World {
    fn invoke(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind> {
        self.charge(1)?;
        if self.depth == CALLS_DEPTH_MAX {
            let limit = CALLS_DEPTH_MAX as usize;
            return Err(ErrorKind::CallDepth { limit }.into());
        }
        self.depth += 1;
        let target = function.as_function().map(|function| function.target());
        let result = match target {
            Some(FunctionTarget::Builtin(index)) => {
                builtins::registry()[index as usize].invoke(arguments, self)
            }
            Some(FunctionTarget::User(0)) => Ok(Value::TRUE),
            Some(FunctionTarget::User(1)) => Ok(arguments.last().cloned().unwrap_or(Value::NONE)),
            Some(FunctionTarget::User(2)) => Ok(Value::array_of(arguments.iter().cloned())?),
            _ => Err(Unwind::Ended),
        };
        self.depth -= 1;
        result
    }

    fn charge(&mut self, fuel: u64) -> Result<(), Unwind> {
        let limit = ErrorKind::FuelExhausted { limit: 20_000 };
        self.fuel = self.fuel.checked_sub(fuel).ok_or(limit)?;
        Ok(())
    }

    fn time(&mut self) -> f64 {
        1_551_830_400.25
    }

    fn utc_offset(&mut self, _time: f64) -> f64 {
        3600.0
    }

    fn uptime(&mut self) -> f64 {
        12.5
    }

    fn execution_time(&mut self) -> f64 {
        0.125
    }

    fn fill_random(&mut self, buffer: &mut [u8]) {
        for octet in buffer {
            self.random = (self.random.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1);
            *octet = self.random.to_be_bytes()[0];
        }
    }

    fn hostname(&mut self) -> &str {
        "mx.example.org"
    }
}

const HEAP_BYTES: usize = 4 << 20;

const ARGUMENTS_MAX: usize = 8;

const CALLS_DEPTH_MAX: u32 = 8;
