//! From text to a compiled script: the crate's front door.
//!
//! In: a source text, the environment of its hook, a loader for what it includes. Out: a [`Script`], or every diagnostic at
//! once. Compiling takes CPU and reads files through the loader: it belongs on a control thread.
//! A script is immutable and shared by all shards; its code memory is freed with its last owner.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::builtins;
use crate::codegen::{self, Code};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::error::ErrorKind;
use crate::execution::STACK_BYTES;
use crate::findings;
use crate::infer::{Inference, crossing, size};
use crate::ir::{self, Constant, Operand, Operation, PlaceRoot};
use crate::optimise::{Optimisation, Optimisations, optimise};
use crate::resolve::{Arity, Environment, Library, Linked, Loader, Resolved, load, resolve};
use crate::runtime::{FunctionTarget, Portable, Value};
use crate::source::{SourceId, SourceMap};

/// How to compile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Whether kinds are inferred. Off is slower and does the same: the second way every test runs.
    pub inference: Inference,
    /// What is done to make the program faster. Without any of it it does the same.
    pub optimisations: Optimisations,
    /// Read-only predefined variables whose value is known already, by index in the environment: they become constants of
    /// the code and are never asked for. Only none, booleans, numbers and strings are used.
    pub fixed: &'a [(usize, Portable)],
}

/// A compiled script.
#[derive(Clone, Debug)]
pub struct Script {
    inner: Arc<ScriptInner>,
}

/// What executions need of a script.
#[derive(Debug)]
pub(crate) struct ScriptInner {
    pub(crate) code: Code,
    pub(crate) constants: Vec<ConstantValue>,
    pub(crate) functions: Vec<FunctionSignature>,
    pub(crate) predefined_count: usize,
    /// Whether the script may ask how long it has been running.
    pub(crate) timed: bool,
    /// Which predefined variables the script reads.
    pub(crate) reads: Vec<bool>,
    pub(crate) statics: Vec<ConstantValue>,
    pub(crate) classes: Vec<ClassData>,
    /// Which functions of the environment end the script.
    pub(crate) terminating: Vec<bool>,
    arities: Vec<Arity>,
    /// The name of this host, as it was when compiling.
    pub(crate) hostname: String,
}

/// What a caller that knows a function only by value must know.
#[derive(Debug)]
pub(crate) struct FunctionSignature {
    pub(crate) required: usize,
    pub(crate) defaults: Vec<ConstantValue>,
    pub(crate) variadic: bool,
}

impl FunctionSignature {
    /// Whether every call has the same number of arguments.
    pub(crate) fn is_plain(&self) -> bool {
        self.defaults.is_empty() && !self.variadic
    }
}

/// A class as executions need it.
#[derive(Debug)]
pub(crate) struct ClassData {
    /// Variables of a new object, with their values.
    pub(crate) variables: Vec<(Box<[u8]>, ConstantValue)>,
    /// Functions of its objects.
    pub(crate) functions: HashMap<Box<[u8]>, u32>,
    /// Members that only its own functions may use.
    pub(crate) private: HashSet<Box<[u8]>>,
    pub(crate) constructor: Option<u32>,
}

/// A value known when compiling, for every heap to make its own copy of.
#[derive(Clone, Debug)]
pub(crate) enum ConstantValue {
    Plain(Portable),
    /// Keys (absent: the next index) and values in order.
    Array(Vec<(Option<Self>, Self)>),
    Function(FunctionTarget),
}

impl ConstantValue {
    /// The value, on the entered heap.
    pub(crate) fn to_value(&self) -> Result<Value, ErrorKind> {
        match self {
            Self::Plain(portable) => portable.to_value(),
            Self::Function(target) => Value::function(*target, Value::NONE, std::iter::empty()),
            Self::Array(items) => {
                let mut array = Value::array_with_capacity(items.len())?;
                for (key, item) in items {
                    let item = item.to_value()?;
                    match key {
                        Some(key) => {
                            let key = key.to_value()?;
                            array
                                .array_mut()?
                                .set(crate::runtime::Key::cast(&key)?, item)?;
                        }
                        None => array.array_mut()?.append(item)?,
                    }
                }
                Ok(array)
            }
        }
    }
}

impl ScriptInner {
    /// The arguments a function of the environment takes.
    pub(crate) fn host_arity(&self, function: usize) -> (usize, Option<usize>) {
        let arity = self
            .arities
            .get(function)
            .copied()
            .unwrap_or(Arity::at_least(0));
        (arity.min as usize, arity.max.map(|max| max as usize))
    }
}

impl Script {
    /// Compiles the text `main` of a source map.
    ///
    /// `diagnostics` gets errors and warnings; there is a script exactly when no error was reported.
    pub fn compile(
        sources: &mut SourceMap,
        main: SourceId,
        environment: &Environment,
        loader: &mut dyn Loader,
        options: Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let linked = load(sources, main, loader, diagnostics);
        let built = Self::build(linked, sources, environment, options, diagnostics)?;
        Self::generate(&built.program, environment, options, diagnostics)
    }

    /// The script of a program that has no mistakes. `None` when it is too large.
    pub(crate) fn generate(
        plain: &ir::Program,
        environment: &Environment,
        options: Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let (program, code) = match translate(plain, options) {
            Ok(translated) => translated,
            Err(diagnostic) => {
                diagnostics.report(diagnostic);
                return None;
            }
        };
        let reads = reads(&program, environment.variables.len());
        let inner = ScriptInner {
            code,
            constants: program
                .constants
                .iter()
                .map(|constant| constant_value(&program, constant))
                .collect(),
            functions: program
                .functions
                .iter()
                .map(|function| signature(&program, function))
                .collect(),
            predefined_count: environment.variables.len(),
            timed: program.timed,
            reads,
            statics: program
                .statics
                .iter()
                .map(|initial| operand_value(&program, *initial))
                .collect(),
            classes: program
                .classes
                .iter()
                .map(|class| class_data(&program, class))
                .collect(),
            terminating: environment
                .functions
                .iter()
                .map(|function| function.terminating)
                .collect(),
            hostname: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            arities: environment
                .functions
                .iter()
                .map(|function| function.arity)
                .collect(),
        };
        Some(Self {
            inner: Arc::new(inner),
        })
    }

    /// The intermediate representation of a text, for compiling, listing and tests. `None` when there were errors.
    pub fn intermediate(
        sources: &mut SourceMap,
        main: SourceId,
        environment: &Environment,
        loader: &mut dyn Loader,
        options: Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<ir::Program> {
        let linked = load(sources, main, loader, diagnostics);
        let built = Self::build(linked, sources, environment, options, diagnostics)?;
        Some(built.program)
    }

    /// The intermediate representation of a program whose files are read. `None` when there were errors.
    pub(crate) fn build(
        linked: Linked,
        sources: &SourceMap,
        environment: &Environment,
        options: Options<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Built> {
        let resolved = resolve(linked, environment, &BuiltinLibrary, diagnostics);
        if diagnostics.has_errors() {
            return None;
        }
        let surroundings = ir::build::Surroundings {
            sources,
            environment,
            builtin: builtin_index,
            fixed: options.fixed,
        };
        let mut program = ir::build::build(&resolved, surroundings, diagnostics);
        let mut named = resolved.builtins.iter();
        program.timed = program.open || named.any(|name| **name == *builtins::EXECUTION_TIME);
        let severity = if environment.tolerates_undefined {
            Severity::Warning
        } else {
            Severity::Error
        };
        refuse_large(&program, diagnostics);
        if diagnostics.has_errors() {
            return None;
        }
        findings::report(&program, severity, diagnostics);
        if diagnostics.has_errors() {
            return None;
        }
        debug_assert_eq!(ir::verify(&program), Ok(()));
        Some(Built { program, resolved })
    }

    /// A program as it is translated: after the passes that the options ask for.
    #[must_use]
    pub fn optimised(plain: &ir::Program, options: Options<'_>) -> ir::Program {
        let mut program = plain.clone();
        optimise(&mut program, options.optimisations);
        program
    }

    /// The functions of a program as the code generator has them last, for listing and tests: its own text. `None` when it
    /// refuses the program.
    #[must_use]
    pub fn listing(plain: &ir::Program, options: Options<'_>) -> Option<String> {
        let program = Self::optimised(plain, options);
        let mut listing = String::new();
        let (inference, optimisations) = (options.inference, options.optimisations);
        codegen::compile(&program, inference, optimisations, Some(&mut listing)).ok()?;
        Some(listing)
    }

    /// Octets of machine code.
    #[must_use]
    pub fn code_bytes(&self) -> usize {
        self.inner.code.size_bytes
    }

    pub(crate) fn inner(&self) -> &Arc<ScriptInner> {
        &self.inner
    }
}

/// A program that has no mistakes, before there is code of it.
pub(crate) struct Built {
    pub(crate) program: ir::Program,
    pub(crate) resolved: Resolved,
}

/// What makes chains of calls need more stack, so that a script may fit without it: a function that took others in has a
/// larger frame, callbacks that are called by name lengthen the chains, and a function waits for its second version.
const STACK_TAKERS: [Optimisation; 3] = [
    Optimisation::Inline,
    Optimisation::Callbacks,
    Optimisation::Versions,
];

/// The machine code of a program, and the program that it was made of.
fn translate(plain: &ir::Program, options: Options<'_>) -> Result<(ir::Program, Code), Diagnostic> {
    let span = plain.functions[0].span;
    let mut optimisations = options.optimisations;
    loop {
        let mut program = plain.clone();
        optimise(&mut program, optimisations);
        let code = codegen::compile(&program, options.inference, optimisations, None).map_err(
            |fault| Diagnostic::error(span, format!("this script can't be compiled: {}", fault.0)),
        )?;
        if code.stack_bytes <= STACK_BYTES as u64 {
            return Ok((program, code));
        }
        if STACK_TAKERS.iter().all(|one| !optimisations.has(*one)) {
            let message = format!(
                "this script may need {} octets of stack and {STACK_BYTES} is the limit",
                code.stack_bytes
            );
            return Err(Diagnostic::error(span, message)
                .with_expected("fewer or smaller functions that call each other"));
        }
        optimisations = STACK_TAKERS
            .iter()
            .fold(optimisations, |some, one| some.without(*one));
    }
}

/// The builtins as the resolver sees them.
struct BuiltinLibrary;

impl Library for BuiltinLibrary {
    fn builtin(&self, name: &str) -> Option<Arity> {
        builtins::builtin(name).map(Arity::of)
    }

    fn names(&self) -> Vec<&str> {
        let names = builtins::registry().iter().map(|builtin| builtin.name);
        // Those of objects cannot be called by these names.
        names.filter(|name| !name.contains("->")).collect()
    }

    fn classes(&self) -> &'static [builtins::Class] {
        builtins::classes()
    }
}

/// The index of a builtin, as function values and instructions hold it.
fn builtin_index(name: &str) -> Option<u32> {
    builtins::find(name).and_then(|index| u32::try_from(index).ok())
}

/// Refuses functions that would take too long to compile.
fn refuse_large(program: &ir::Program, diagnostics: &mut Diagnostics) {
    for function in &program.functions {
        let instructions: usize = function
            .blocks
            .iter()
            .map(|block| block.instructions.len())
            .sum();
        let large = if INSTRUCTIONS_MAX < instructions {
            format!("has {instructions} instructions and {INSTRUCTIONS_MAX} is the limit")
        } else if FUNCTION_SIZE_MAX < size(function) {
            let (blocks, product) = (function.blocks.len(), size(function));
            let variables = product / blocks.max(1);
            format!(
                "has {blocks} branches times {variables} variables and {FUNCTION_SIZE_MAX} is the limit of the product"
            )
        } else if FUNCTION_TABLE_MAX < crossing(function).len().saturating_mul(instructions) {
            let variables = crossing(function).len();
            format!(
                "has {variables} variables times {instructions} instructions and {FUNCTION_TABLE_MAX} is the limit of the product"
            )
        } else {
            continue;
        };
        let name = function.name.as_deref().unwrap_or("the main program");
        diagnostics.report(
            Diagnostic::error(function.span, format!("{name} {large}"))
                .with_expected("smaller functions"),
        );
    }
}

/// Instructions of one function: the code generator takes some microseconds for each.
const INSTRUCTIONS_MAX: usize = 150_000;

/// Branches times variables of one function: register allocation takes time and memory for each pair.
const FUNCTION_SIZE_MAX: usize = 1_000_000;

/// Variables times instructions of one function: code generation keeps a table of them with some octets for each pair.
const FUNCTION_TABLE_MAX: usize = 50_000_000;

/// Which predefined variables a program reads.
fn reads(program: &ir::Program, count: usize) -> Vec<bool> {
    let mut reads = vec![false; count];
    for function in &program.functions {
        for instruction in function.blocks.iter().flat_map(|block| &block.instructions) {
            let index = match &instruction.operation {
                Operation::LoadPredefined { index, .. } => *index,
                Operation::Place { place, .. } => match place.root {
                    PlaceRoot::Predefined(index) => index,
                    _ => continue,
                },
                _ => continue,
            };
            reads[index as usize] = true;
        }
    }
    reads
}

fn signature(program: &ir::Program, function: &ir::Function) -> FunctionSignature {
    FunctionSignature {
        required: function.required_count as usize,
        defaults: function
            .defaults
            .iter()
            .map(|default| operand_value(program, *default))
            .collect(),
        variadic: function.variadic,
    }
}

fn class_data(program: &ir::Program, class: &ir::Class) -> ClassData {
    let octets = |name: &str| Box::<[u8]>::from(name.as_bytes());
    let private_variables = class
        .variables
        .iter()
        .filter(|(_, private, _)| *private)
        .map(|(name, ..)| octets(name));
    let private_functions = class
        .functions
        .iter()
        .filter(|(_, private, _)| *private)
        .map(|(name, ..)| octets(name));
    ClassData {
        variables: class
            .variables
            .iter()
            .map(|(name, _, initial)| (octets(name), operand_value(program, *initial)))
            .collect(),
        functions: class
            .functions
            .iter()
            .map(|(name, _, function)| (octets(name), function.0))
            .collect(),
        private: private_variables.chain(private_functions).collect(),
        constructor: class.constructor.map(|constructor| constructor.0),
    }
}

fn constant_value(program: &ir::Program, constant: &Constant) -> ConstantValue {
    match constant {
        Constant::String(octets) => ConstantValue::Plain(Portable::string(octets)),
        Constant::Data(content) => ConstantValue::Plain(content.clone()),
        Constant::Array(items) => ConstantValue::Array(
            items
                .iter()
                .map(|(key, value)| {
                    (
                        key.map(|key| operand_value(program, key)),
                        operand_value(program, *value),
                    )
                })
                .collect(),
        ),
    }
}

fn operand_value(program: &ir::Program, operand: Operand) -> ConstantValue {
    match operand {
        Operand::Number(number) => ConstantValue::Plain(Portable::Number(number)),
        Operand::Boolean(truth) => ConstantValue::Plain(Portable::Boolean(truth)),
        Operand::Constant(id) => constant_value(program, &program.constants[id.0 as usize]),
        Operand::Function(ir::FunctionReference::Builtin(index)) => {
            ConstantValue::Function(FunctionTarget::Builtin(index))
        }
        Operand::Function(ir::FunctionReference::User(function)) => {
            ConstantValue::Function(FunctionTarget::User(function.0))
        }
        Operand::Function(ir::FunctionReference::Host(index)) => {
            ConstantValue::Function(FunctionTarget::Host(index))
        }
        Operand::Function(ir::FunctionReference::Class(index)) => {
            ConstantValue::Function(FunctionTarget::Class(index))
        }
        Operand::None | Operand::Absent | Operand::Register(_) => {
            ConstantValue::Plain(Portable::None)
        }
    }
}
