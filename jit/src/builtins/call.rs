//! One call of a builtin: its arguments, and the machine it may ask.
//!
//! In: a function and argument values. [`Builtin::invoke`] checks number and kinds of the arguments once, for all
//! functions alike; behind that, the accessors of [`Call`] cannot fail.

use std::fmt;

use super::Builtin;
use crate::error::ErrorKind;
use crate::runtime::{HslArray, HslObject, Key, Kind, Value};

/// Why a script does not go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Unwind {
    /// A script error.
    Error(ErrorKind),
    /// The script has ended, by a terminating action or because it was stopped; the machine knows how.
    Ended,
}

impl From<ErrorKind> for Unwind {
    fn from(error: ErrorKind) -> Self {
        Self::Error(error)
    }
}

/// What builtins may ask of whoever runs the script.
pub trait Machine {
    /// Calls a function value and gives its result.
    ///
    /// # Errors
    ///
    /// If the function fails or ends the script.
    fn invoke(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind>;

    /// Takes fuel for work done or about to be done: about one unit per array element, or per 64 octets.
    ///
    /// # Errors
    ///
    /// If the script has used up its fuel.
    fn charge(&mut self, fuel: u64) -> Result<(), Unwind>;

    /// Seconds since 1970-01-01T00:00:00Z.
    fn time(&mut self) -> f64;

    /// Seconds local time is ahead of UTC at a time given in seconds since 1970.
    fn utc_offset(&mut self, time: f64) -> f64;

    /// Seconds since the system started; never goes back.
    fn uptime(&mut self) -> f64;

    /// Seconds since the script started.
    fn execution_time(&mut self) -> f64;

    /// Fills a buffer with octets nobody can foretell.
    fn fill_random(&mut self, buffer: &mut [u8]);

    /// The name of this host.
    fn hostname(&mut self) -> &str;
}

/// One call of a builtin.
pub struct Call<'a> {
    /// The function.
    pub builtin: &'static Builtin,
    /// The object whose function it is, or none.
    pub object: &'a Value,
    /// Its arguments, as many and of such kinds as it takes. Each holds a count of its own, so that a callback that writes
    /// to the variable an array came from copies it and does not change it here.
    pub arguments: &'a [Value],
    /// Whoever runs the script.
    pub machine: &'a mut dyn Machine,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}({:?})", self.builtin.name, self.arguments)
    }
}

impl Builtin {
    /// Whether a call with these arguments may be made.
    ///
    /// # Errors
    ///
    /// If there are too few or too many, or one is of a kind its parameter does not take.
    #[inline]
    pub fn check(&'static self, arguments: &[Value]) -> Result<(), ErrorKind> {
        let mut parameters = self.parameters.iter().zip(arguments);
        if self.arguments_min() <= arguments.len()
            && arguments.len() <= self.parameters.len()
            && parameters.all(|(parameter, argument)| parameter.kinds.contains(argument.kind()))
        {
            return Ok(());
        }
        self.check_each(arguments)
    }

    /// As [`Self::check`], for calls that are wrong and for those with more arguments than parameters.
    #[inline(never)]
    fn check_each(&'static self, arguments: &[Value]) -> Result<(), ErrorKind> {
        let (minimum, maximum) = (self.arguments_min(), self.arguments_max());
        if arguments.len() < minimum || maximum.is_some_and(|maximum| arguments.len() > maximum) {
            return Err(ErrorKind::ArgumentCount {
                function: self.name,
                minimum,
                maximum,
                got: arguments.len(),
            });
        }
        for (position, argument) in arguments.iter().enumerate() {
            let (kind, parameter) = (argument.kind(), self.parameter(position));
            if let Some(parameter) = parameter.filter(|parameter| !parameter.kinds.contains(kind)) {
                return Err(ErrorKind::Argument {
                    function: self.name,
                    argument: parameter.name,
                    expected: parameter.kinds,
                    got: kind,
                });
            }
        }
        Ok(())
    }

    /// What the function gives, if that is known already and costs no fuel. Any arguments will do; those that are wrong are
    /// none that something is known of.
    #[inline]
    pub(crate) fn at_once(&'static self, arguments: &[Value]) -> Option<Value> {
        let result = self.known?(arguments)?;
        self.check_result(&result);
        Some(result)
    }

    /// Generated code takes a result for what the registry says.
    #[inline]
    fn check_result(&'static self, result: &Value) {
        assert!(
            self.returns.contains(result.kind()),
            "{} gave a {}",
            self.name,
            result.kind()
        );
    }

    /// Checks the arguments and calls the function.
    ///
    /// # Errors
    ///
    /// Those of [`Self::check`] and of the function.
    ///
    /// # Panics
    ///
    /// If the function gives a kind that the registry does not say it gives, which is a fault of the function.
    #[inline]
    pub fn invoke(
        &'static self,
        arguments: &[Value],
        machine: &mut dyn Machine,
    ) -> Result<Value, Unwind> {
        self.invoke_on(&Value::NONE, arguments, machine)
    }

    /// The same with the object whose function it is; none for a function of no object.
    ///
    /// # Errors
    ///
    /// Those of [`Self::invoke`].
    ///
    /// # Panics
    ///
    /// If the function gives a kind that the registry does not name.
    pub fn invoke_on(
        &'static self,
        object: &Value,
        arguments: &[Value],
        machine: &mut dyn Machine,
    ) -> Result<Value, Unwind> {
        self.invoke_here(object, arguments, machine)
    }

    /// As [`Self::invoke_on`], without a call in between.
    #[inline(always)] // For the one place where calls by name go.
    pub(crate) fn invoke_here(
        &'static self,
        object: &Value,
        arguments: &[Value],
        machine: &mut dyn Machine,
    ) -> Result<Value, Unwind> {
        self.check(arguments)?;
        let result = (self.call)(&mut Call {
            builtin: self,
            object,
            arguments,
            machine,
        })?;
        self.check_result(&result);
        Ok(result)
    }
}

impl<'a> Call<'a> {
    #[inline]
    pub(super) fn value(&self, position: usize) -> &'a Value {
        &self.arguments[position]
    }

    #[inline]
    pub(super) fn given(&self, position: usize) -> Option<&'a Value> {
        self.arguments.get(position)
    }

    #[inline]
    pub(super) fn octets(&self, position: usize) -> &'a [u8] {
        self.opt_octets(position).unwrap_or_default()
    }

    #[inline]
    pub(super) fn opt_octets(&self, position: usize) -> Option<&'a [u8]> {
        self.given(position)?.as_octets()
    }

    #[inline]
    pub(super) fn number(&self, position: usize) -> f64 {
        self.opt_number(position).unwrap_or_default()
    }

    #[inline]
    pub(super) fn opt_number(&self, position: usize) -> Option<f64> {
        self.given(position)?.as_number()
    }

    /// The array at a position whose parameter takes only arrays.
    #[inline]
    pub(super) fn array(&self, position: usize) -> &'a HslArray {
        self.value(position)
            .as_array()
            .expect("the arguments were checked")
    }

    /// An entry of the options array at a position, if it is given there.
    pub(super) fn option(&self, position: usize, name: &'static str) -> Option<&'a Value> {
        let options = self.given(position)?.as_array()?;
        options.get(Key::Octets(name.as_bytes()))
    }

    /// A boolean option; anything but a boolean is taken by its truth.
    pub(super) fn flag(&self, position: usize, name: &'static str, usual: bool) -> bool {
        self.option(position, name).map_or(usual, Value::truthy)
    }

    /// Takes fuel for that many elements.
    #[inline]
    pub(super) fn charge(&mut self, elements: usize) -> Result<(), Unwind> {
        if elements == 0 {
            return Ok(());
        }
        self.machine.charge(elements as u64)
    }

    /// Takes fuel for going through that many octets.
    #[inline]
    pub(super) fn charge_octets(&mut self, octets: usize) -> Result<(), Unwind> {
        self.charge(octets / 64)
    }

    /// The error that an argument is not what the function accepts.
    pub(super) fn refuse(&self, position: usize, requirement: &'static str) -> Unwind {
        let parameter = self.builtin.parameter(position);
        Unwind::Error(ErrorKind::ArgumentValue {
            function: self.builtin.name,
            argument: parameter.map_or("", |parameter| parameter.name),
            requirement,
        })
    }

    /// The object whose function this is. Fails if it is not of this class, which no script brings about: functions of
    /// objects are found by way of an object.
    pub(super) fn object_of(&self, class: u32) -> Result<&'a HslObject, Unwind> {
        let object = self.object.as_object();
        let fitting = object.filter(|object| object.library_class() == Some(class));
        let got = self.object.kind();
        fitting.ok_or(Unwind::Error(ErrorKind::NotAnObject { got }))
    }

    pub(super) fn is_function(&self, position: usize) -> bool {
        self.value(position).kind() == Kind::Function
    }
}

/// A machine for tests: its clock stands still, its randomness counts, and it calls builtins only.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::builtins::{builtin, registry};
    use crate::runtime::FunctionTarget;
    use crate::runtime::convert;
    use crate::runtime::heap::{Heap, live_objects};
    pub(in crate::builtins) use crate::runtime::tests::{list, map, text};

    type Callback = fn(&[Value]) -> Result<Value, Unwind>;

    pub(in crate::builtins) struct Bench {
        pub(in crate::builtins) fuel: u64,
        pub(in crate::builtins) random: u64,
        /// What `FunctionTarget::User(index)` does.
        pub(in crate::builtins) functions: Vec<Callback>,
    }

    impl Machine for Bench {
        fn invoke(&mut self, function: &Value, arguments: &[Value]) -> Result<Value, Unwind> {
            match function.as_function().expect("function").target() {
                FunctionTarget::Builtin(index) => {
                    let bound = function.as_function().expect("function").bound();
                    registry()[index as usize].invoke_on(bound, arguments, self)
                }
                FunctionTarget::User(index) => self.functions[index as usize](arguments),
                _ => Err(Unwind::Ended),
            }
        }

        fn charge(&mut self, fuel: u64) -> Result<(), Unwind> {
            let limit = ErrorKind::FuelExhausted { limit: 1_000_000 };
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
                // Xorshift: repeatable, and every octet of it varied enough.
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                *octet = self.random.to_le_bytes()[3];
            }
        }

        fn hostname(&mut self) -> &str {
            "mx.example.org"
        }
    }

    pub(in crate::builtins) fn bench() -> Bench {
        Bench {
            fuel: 1_000_000,
            random: 0x9E37_79B9_7F4A_7C15,
            functions: Vec::new(),
        }
    }

    pub(in crate::builtins) fn shown(result: Result<Value, Unwind>) -> String {
        match result {
            Ok(value) => {
                let text = convert::text(&value).expect("shallow");
                String::from_utf8_lossy(text.octets()).into_owned()
            }
            Err(Unwind::Error(error)) => error.to_string(),
            Err(Unwind::Ended) => "ended".to_owned(),
        }
    }

    /// What a call prints, or its error.
    pub(in crate::builtins) fn run(name: &str, arguments: &[Value]) -> String {
        let builtin = builtin(name).expect("there is such a builtin");
        shown(builtin.invoke(arguments, &mut bench()))
    }

    /// Runs `work` on a heap that must be empty afterwards.
    pub(in crate::builtins) fn on_heap(work: impl FnOnce()) {
        let heap = Heap::new(64 << 20);
        let _entered = heap.enter();
        work();
        assert_eq!(live_objects(), 0, "every value was released");
    }

    #[test]
    fn arguments_are_checked_before_the_call() {
        on_heap(|| {
            assert_eq!(
                run("str_lower", &[list([Value::number(1.0)])]),
                "str_lower(): argument \"string\" must be string, got array"
            );
            assert_eq!(run("length", &[]), "length(): takes 1 arguments, got 0");
            assert_eq!(
                run("round", &[Value::TRUE]),
                "round(): argument \"number\" must be number, got boolean"
            );
            assert_eq!(
                run("str_slice", &[text("a")]),
                "str_slice(): takes 2 to 3 arguments, got 1"
            );
        });
    }

    /// Arguments that every builtin must take without a panic, whatever it thinks of them.
    #[test]
    fn no_builtin_panics_on_odd_arguments() {
        let odd = || {
            vec![
                Value::NONE,
                Value::TRUE,
                Value::number(0.0),
                Value::number(-1.0),
                Value::number(1e300),
                Value::number(f64::NAN),
                text(""),
                text("a*"),
                text("\u{e5}\0%[C*\"{,/"),
                list([]),
                list([text("a"), Value::number(3.0)]),
                map([("k", list([Value::NONE]))]),
                Value::function(FunctionTarget::Host(0), Value::NONE, [].into_iter())
                    .expect("fits"),
            ]
        };
        let heap = Heap::new(16 << 20);
        let _entered = heap.enter();
        for builtin in registry() {
            let object = object_for(builtin);
            let most = builtin.arguments_max().unwrap_or(3).min(3);
            for count in builtin.arguments_min().min(most)..=most {
                let choices = odd().len().pow(u32::try_from(count).expect("few"));
                for choice in 0..choices {
                    let mut rest = choice;
                    let pick = |_| {
                        let value = odd().swap_remove(rest % odd().len());
                        rest /= odd().len();
                        value
                    };
                    let arguments: Vec<Value> = (0..count).map(pick).collect();
                    if builtin.check(&arguments).is_ok() {
                        let _ = builtin.invoke_on(&object, &arguments, &mut bench());
                    }
                }
            }
        }
        assert_eq!(live_objects(), 0);
    }

    /// An object that has the function, none for a function of no object.
    fn object_for(function: &Builtin) -> Value {
        let make = |name, arguments: &[Value]| {
            let make = builtin(name).expect("there");
            make.invoke(arguments, &mut bench()).expect("fits")
        };
        match function.name.split_once("->") {
            Some(("File", _)) => make("File::String", &[text("a\r\nb\nc")]),
            Some((class, _)) => make(class, &[]),
            None => Value::NONE,
        }
    }
}
