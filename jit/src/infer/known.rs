//! What is known of a program as a whole when one function of it is inferred: the kinds of its constants, of what callers
//! give, and of what callees return.
//!
//! In: a program. Out: [`Known`]. Calls by name form no cycle, so three walks are enough: results without knowing the
//! arguments, callees first; then arguments, callers first; then results again. A function that a function value may reach
//! is called with anything.

use super::{Inference, Kinds, each_operation, infer, operand_kinds};
use crate::builtins;
use crate::ir::{
    Constant, FunctionId, Operand, Operation, Program, callees, followers_first, reached_by_value,
};
use crate::optimise::{Optimisation, Optimisations};
use crate::runtime::{self, Kind};

/// What is known of a program as a whole.
#[derive(Debug)]
pub struct Known {
    /// Whether to infer at all.
    pub inference: Inference,
    /// Whether machine integers may be used.
    pub(super) integers: bool,
    /// Whether the least and greatest values of machine integers are followed.
    pub(super) ranges: bool,
    /// Whether strings of one octet are told from others.
    octets: bool,
    /// Whether functions with loops have a second version for strings.
    pub(super) versions: bool,
    /// Whether arrays of values that are not in the heap are told from others.
    plain_arrays: bool,
    constants: Vec<Kinds>,
    results: Vec<Kinds>,
    /// Per function: the kinds of its parameters.
    parameters: Vec<Vec<Kinds>>,
}

impl Known {
    /// Nothing but whether to infer.
    #[must_use]
    pub fn nothing(inference: Inference) -> Self {
        Self {
            inference,
            integers: false,
            ranges: false,
            octets: false,
            versions: false,
            plain_arrays: false,
            constants: Vec::new(),
            results: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// What a program tells.
    #[must_use]
    pub fn of(program: &Program, inference: Inference, optimisations: Optimisations) -> Self {
        let mut known = Self::nothing(inference);
        if inference == Inference::Off {
            return known;
        }
        known.integers = optimisations.has(Optimisation::Integers);
        known.ranges = optimisations.has(Optimisation::Ranges);
        known.octets = optimisations.has(Optimisation::Octets);
        known.versions = optimisations.has(Optimisation::Versions);
        known.plain_arrays = optimisations.has(Optimisation::PlainArrays);
        let constants = program.constants.iter();
        known.constants = constants
            .map(|constant| known.constant_kinds(constant))
            .collect();
        if optimisations.has(Optimisation::CallKinds) && 1 < program.functions.len() {
            let order = callees_first(program);
            known.find_results(program, &order);
            known.find_parameters(program, &order);
            known.find_results(program, &order);
        }
        known
    }

    /// The kinds of an array without elements, in the making.
    pub(super) fn empty_array(&self) -> Kinds {
        if self.plain_arrays {
            Kinds::PLAIN_ARRAY
        } else {
            Kinds::ARRAY
        }
    }

    /// The kinds of a string of one octet that its thread has once.
    pub(super) fn octet(&self) -> Kinds {
        if self.octets {
            Kinds::OCTET
        } else {
            Kinds::STRING
        }
    }

    fn constant_kinds(&self, constant: &Constant) -> Kinds {
        match constant {
            Constant::String(_) => Kinds::STRING,
            Constant::Array(items) => {
                let plain = |value: &Operand| {
                    matches!(
                        value,
                        Operand::Number(_) | Operand::Boolean(_) | Operand::None
                    )
                };
                if items.iter().all(|(_, value)| plain(value)) {
                    self.empty_array()
                } else {
                    Kinds::ARRAY
                }
            }
            Constant::Data(_) => Kinds::STRING.or(Kinds::ARRAY),
        }
    }

    /// The kinds of a constant.
    #[must_use]
    pub fn constant(&self, index: u32) -> Kinds {
        let known = self.constants.get(index as usize).copied();
        known.unwrap_or(Kinds::STRING.or(Kinds::ARRAY))
    }

    /// The kinds of what a function of the script gives.
    #[must_use]
    pub fn result(&self, function: FunctionId) -> Kinds {
        let known = self.results.get(function.0 as usize).copied();
        known.unwrap_or(Kinds::ANY)
    }

    /// The kinds of what a parameter gets.
    pub(super) fn parameter(&self, function: FunctionId, index: usize) -> Kinds {
        let known = self.parameters.get(function.0 as usize);
        known
            .and_then(|kinds| kinds.get(index).copied())
            .unwrap_or(Kinds::ANY)
    }

    /// The kinds of what a builtin gives.
    pub(super) fn builtin(&self, index: u32, arguments: &[Kinds]) -> Kinds {
        let Some(builtin) = builtins::registry().get(index as usize) else {
            return Kinds::ANY;
        };
        match (builtins::intrinsic(index), arguments) {
            (Some(builtins::Intrinsic::Length), [of])
                if of.within(Kinds::STRING.or(Kinds::ARRAY)) =>
            {
                Kinds::NUMBER
            }
            (Some(builtins::Intrinsic::Chr), _) => self.octet(),
            _ if builtin.name == "range" => self.empty_array(),
            _ => of_runtime(builtin.returns),
        }
    }

    fn find_results(&mut self, program: &Program, callees_first: &[usize]) {
        let mut results = vec![Kinds::ANY; program.functions.len()];
        for index in callees_first {
            let function = &program.functions[*index];
            let mut kinds = Kinds::NOTHING;
            let inferred = infer(function, function_id(*index), self);
            inferred.each_return(function, self, &mut |returned| kinds = kinds.or(returned));
            results[*index] = kinds.or_any();
            self.results.clone_from(&results);
        }
    }

    fn find_parameters(&mut self, program: &Program, callees_first: &[usize]) {
        let reached = reached_by_value(program);
        self.parameters = program
            .functions
            .iter()
            .zip(&reached)
            .map(|(function, reached)| {
                let unknown = if *reached { Kinds::ANY } else { Kinds::NOTHING };
                vec![unknown; function.parameters_count as usize]
            })
            .collect();
        for index in callees_first.iter().rev() {
            for kinds in &mut self.parameters[*index] {
                *kinds = kinds.or_any();
            }
            let function = &program.functions[*index];
            let inferred = infer(function, function_id(*index), self);
            let mut calls = Vec::new();
            each_operation(function, &inferred, self, &mut |operation, state| {
                if let Operation::Call {
                    function: callee,
                    arguments,
                    ..
                } = operation
                {
                    let kinds = arguments
                        .iter()
                        .map(|argument| operand_kinds(state, Operand::Register(*argument), self));
                    calls.push((*callee, kinds.collect::<Vec<_>>()));
                }
            });
            for (callee, kinds) in calls {
                for (known, kinds) in self.parameters[callee.0 as usize].iter_mut().zip(kinds) {
                    *known = known.or(kinds);
                }
            }
        }
    }
}

impl Kinds {
    /// These, or any kind where there is none: what is never reached may be taken for anything.
    fn or_any(self) -> Self {
        if self == Self::NOTHING {
            Self::ANY
        } else {
            self
        }
    }
}

fn function_id(index: usize) -> FunctionId {
    FunctionId(u32::try_from(index).expect("functions are bounded by the source's size"))
}

/// The kinds the runtime names, as inference names them.
fn of_runtime(kinds: runtime::Kinds) -> Kinds {
    let names = [
        (Kind::None, Kinds::NONE),
        (Kind::Boolean, Kinds::BOOLEAN),
        (Kind::Number, Kinds::NUMBER),
        (Kind::String, Kinds::STRING),
        (Kind::Array, Kinds::ARRAY),
        (Kind::Function, Kinds::FUNCTION),
        (Kind::Object, Kinds::OBJECT),
    ];
    names
        .iter()
        .filter(|(kind, _)| kinds.contains(*kind))
        .fold(Kinds::NOTHING, |sum, (_, kinds)| sum.or(*kinds))
}

/// The functions in an order in which every callee comes before its callers.
fn callees_first(program: &Program) -> Vec<usize> {
    let callees: Vec<Vec<usize>> = program.functions.iter().map(callees).collect();
    followers_first(&callees, 0..callees.len())
}
