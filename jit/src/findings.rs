//! What the compiler knows of a program and its author should hear before it runs.
//!
//! In: the intermediate representation, with the kinds inferred from it. Out: reports of reads of variables that have no
//! value on any path, of operands and arguments of kinds that never fit, and of regular expressions that are none.
//! Does not: change the program. What is only sometimes wrong is left to run.

use crate::builtins::operator::apply;
use crate::builtins::{self, Builtin};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::error::ErrorKind;
use crate::infer::{Inference, Inferred, Kinds, Known, State, infer, operand_kinds, transfer};
use crate::ir::{
    Constant, Function, FunctionId, Instruction, Operand, Operation, PlaceAction, PlaceRoot,
    Program, Register,
};
use crate::optimise::Optimisations;
use crate::runtime::{Heap, Kind, Value};
use crate::source::Span;
use crate::syntax::ast::BinaryOperator;

/// Builtins whose first argument is a regular expression.
const PATTERN_FUNCTIONS: [&str; 3] = ["pcre_match", "pcre_match_all", "pcre_replace"];

/// Reports everything; `severity` is that of variables without a value.
pub(crate) fn report(program: &Program, severity: Severity, diagnostics: &mut Diagnostics) {
    // Kinds of calls would take another pass over the whole program.
    let known = Known::of(program, Inference::On, Optimisations::NONE);
    for (function, id) in program.functions.iter().zip(0..) {
        let inferred = infer(function, FunctionId(id), &known);
        let finder = Finder {
            program,
            function,
            inferred,
            known: &known,
            severity,
        };
        finder.report(diagnostics);
    }
}

struct Finder<'p> {
    program: &'p Program,
    function: &'p Function,
    inferred: Inferred,
    known: &'p Known,
    severity: Severity,
}

impl Finder<'_> {
    fn report(&self, diagnostics: &mut Diagnostics) {
        let mut state = vec![Kinds::NOTHING; self.function.registers.len()];
        for (number, block) in self.function.blocks.iter().enumerate() {
            if !self.inferred.enter(number, &mut state) {
                continue;
            }
            for instruction in &block.instructions {
                if let Some(found) = self.judge(instruction, &state)
                    && !diagnostics.iter().any(|known| known.span == found.span)
                {
                    diagnostics.report(found);
                }
                transfer(
                    self.function,
                    &mut state,
                    &instruction.operation,
                    self.known,
                );
            }
        }
    }

    fn judge(&self, instruction: &Instruction, state: &State) -> Option<Diagnostic> {
        let span = instruction.span;
        match &instruction.operation {
            Operation::CheckDefined { register, name } => {
                self.undefined(*register, name, span, state)
            }
            Operation::Binary {
                operator: BinaryOperator::Match | BinaryOperator::NotMatch,
                right,
                ..
            } => self.pattern(*right, span),
            Operation::Binary {
                operator,
                left,
                right,
                ..
            } => {
                let kinds = [
                    operand_kinds(state, *left, self.known),
                    operand_kinds(state, *right, self.known),
                ];
                fails(*operator, kinds).map(|error| operator_fails(&error, span))
            }
            Operation::Update {
                operator,
                variable,
                right,
            } => {
                let kinds = [
                    state[variable.0 as usize],
                    operand_kinds(state, *right, self.known),
                ];
                fails(*operator, kinds).map(|error| operator_fails(&error, span))
            }
            Operation::CallBuiltin {
                builtin, arguments, ..
            } => {
                let builtin = builtins::registry().get(*builtin as usize)?;
                let pattern = PATTERN_FUNCTIONS.contains(&builtin.name);
                let pattern = arguments.first().filter(|_| pattern);
                pattern
                    .and_then(|pattern| self.pattern(*pattern, span))
                    .or_else(|| self.argument(builtin, arguments, span, state))
            }
            _ => None,
        }
    }

    /// A read of a variable that has no value on any path that leads there. Where the function also asks with `isset` or
    /// `??` whether it has one, the read may stand behind the answer.
    fn undefined(
        &self,
        register: Register,
        name: &str,
        span: Span,
        state: &State,
    ) -> Option<Diagnostic> {
        if !state[register.0 as usize].is(Kinds::UNDEFINED) {
            return None;
        }
        let message = format!("variable `${name}` has no value here");
        let found = match self.severity {
            Severity::Error if !self.asks(register) => Diagnostic::error(span, message),
            Severity::Error | Severity::Warning => Diagnostic::warning(span, message),
        };
        Some(found.with_expected("an assignment on some path that leads here"))
    }

    /// Whether something asks if this variable, or an element of it, has a value.
    fn asks(&self, variable: Register) -> bool {
        let is_asked = |pair: &[Instruction]| match (&pair[0].operation, &pair[1].operation) {
            // What is asked about is a copy.
            (Operation::Copy { into, from }, Operation::IsDefined { operand, .. }) => {
                into == operand && matches!(from, Operand::Register(from) if *from == variable)
            }
            (Operation::Place { place, action, .. }, _) => {
                matches!(action, PlaceAction::Isset | PlaceAction::ReadQuiet)
                    && matches!(place.root, PlaceRoot::Variable(root) if root == variable)
            }
            _ => false,
        };
        let blocks = self.function.blocks.iter();
        blocks
            .flat_map(|block| block.instructions.windows(2))
            .any(is_asked)
    }

    /// A regular expression, known when compiling, that is none.
    fn pattern(&self, pattern: Operand, span: Span) -> Option<Diagnostic> {
        let Operand::Constant(id) = pattern else {
            return None;
        };
        let Constant::String(pattern) = &self.program.constants[id.0 as usize] else {
            return None;
        };
        let fault = builtins::pattern_fault(pattern)?;
        let message = format!("this regular expression is wrong: {fault}");
        Some(Diagnostic::warning(span, message))
    }

    /// An argument of a kind that the builtin doesn't take, whatever path leads there.
    fn argument(
        &self,
        builtin: &Builtin,
        arguments: &[Operand],
        span: Span,
        state: &State,
    ) -> Option<Diagnostic> {
        for (position, argument) in arguments.iter().enumerate() {
            let parameter = builtin.parameter(position)?;
            let given = operand_kinds(state, *argument, self.known);
            let fits = |kind: &Kind| given.meets(known(*kind)) && parameter.kinds.contains(*kind);
            if given == Kinds::NOTHING
                || given.meets(Kinds::UNDEFINED)
                || Kind::ALL.iter().any(fits)
            {
                continue;
            }
            let message = format!(
                "this call fails: `{}` of `{}` can't be {given:?}",
                parameter.name, builtin.name
            );
            return Some(
                Diagnostic::warning(span, message).with_expected(parameter.kinds.to_string()),
            );
        }
        None
    }
}

fn operator_fails(error: &ErrorKind, span: Span) -> Diagnostic {
    Diagnostic::warning(span, format!("this fails: {error}"))
}

/// The error of an operator that works on no values of these kinds. It is asked by trying it on one value of each.
fn fails(operator: BinaryOperator, [left, right]: [Kinds; 2]) -> Option<ErrorKind> {
    let unknown = Kinds::UNDEFINED.or(Kinds::FUNCTION).or(Kinds::OBJECT);
    if left.meets(unknown) || right.meets(unknown) || left == Kinds::NOTHING {
        return None;
    }
    let heap = Heap::new(SAMPLES_BYTES_MAX);
    let _entered = heap.enter();
    let mut error = None;
    for left in samples(left)? {
        for right in samples(right)? {
            match apply(operator, &left, &right) {
                Err(found @ ErrorKind::Operator { .. }) => error = Some(found),
                _ => return None,
            }
        }
    }
    error
}

/// Bytes for one value of each kind.
const SAMPLES_BYTES_MAX: usize = 1 << 16;

/// One value of each kind.
fn samples(kinds: Kinds) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for kind in Kind::ALL
        .into_iter()
        .filter(|kind| kinds.meets(known(*kind)))
    {
        values.push(match kind {
            Kind::None => Value::NONE,
            Kind::Boolean => Value::TRUE,
            Kind::Number => Value::number(1.0),
            Kind::String => Value::string(b"a").ok()?,
            Kind::Array => Value::array().ok()?,
            Kind::Function | Kind::Object => return None,
        });
    }
    Some(values)
}

/// A kind as inference knows it.
const fn known(kind: Kind) -> Kinds {
    match kind {
        Kind::None => Kinds::NONE,
        Kind::Boolean => Kinds::BOOLEAN,
        Kind::Number => Kinds::NUMBER,
        Kind::String => Kinds::STRING,
        Kind::Array => Kinds::ARRAY,
        Kind::Function => Kinds::FUNCTION,
        Kind::Object => Kinds::OBJECT,
    }
}
