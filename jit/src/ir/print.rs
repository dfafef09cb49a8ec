//! The intermediate representation as text, for golden tests and for reading what the compiler made of a script.

use std::fmt::{self, Write};

use super::{
    Block, BlockId, Constant, ConstantId, Function, FunctionId, FunctionReference, Operand,
    Operation, Program, Register, RegisterInfo, Terminator,
};
use crate::builtins;

/// The whole program as text. Constants first, then each function block by block.
#[must_use]
pub fn print(program: &Program) -> String {
    let mut text = String::new();
    for (index, constant) in program.constants.iter().enumerate() {
        let content = match constant {
            Constant::String(octets) => format!("\"{}\"", octets.escape_ascii()),
            Constant::Data(_) => "data".to_owned(),
            Constant::Array(items) => format!("array of {}", items.len()),
        };
        let _ = writeln!(text, "constant c{index} = {content}");
    }
    for (index, function) in program.functions.iter().enumerate() {
        print_function(&mut text, index, function);
    }
    text
}

fn print_function(text: &mut String, index: usize, function: &Function) {
    let name = function.name.as_deref().unwrap_or("");
    let _ = writeln!(
        text,
        "function f{index} {name} ({} parameters)",
        function.parameters_count
    );
    for (index, register) in function.registers.iter().enumerate() {
        match register {
            RegisterInfo::Variable(name) => {
                let _ = writeln!(text, "  r{index} is ${name}");
            }
            RegisterInfo::Cell(name) => {
                let _ = writeln!(text, "  r{index} is the cell of ${name}");
            }
            RegisterInfo::Temporary | RegisterInfo::Position => {}
        }
    }
    for (index, block) in function.blocks.iter().enumerate() {
        print_block(text, index, block);
    }
}

fn print_block(text: &mut String, index: usize, block: &Block) {
    let _ = writeln!(text, " b{index}:");
    for instruction in &block.instructions {
        // By name: the number changes with every function the library gets.
        let _ = match &instruction.operation {
            Operation::CallBuiltin {
                into,
                builtin,
                arguments,
            } => {
                let name = builtin_name(*builtin);
                writeln!(
                    text,
                    "    CallBuiltin {{ into: {into:?}, builtin: {name}, arguments: {arguments:?} }}"
                )
            }
            operation => writeln!(text, "    {operation:?}"),
        };
    }
    let _ = match &block.terminator {
        Terminator::Jump(to) => writeln!(text, "    -> {to:?}"),
        Terminator::Branch {
            condition,
            then,
            otherwise,
        } => writeln!(text, "    if {condition:?} -> {then:?} else {otherwise:?}"),
        Terminator::IterateNext {
            array,
            value,
            key,
            body,
            done,
            ..
        } => {
            let key = key.map_or_else(String::new, |key| format!("{key:?} => "));
            writeln!(
                text,
                "    next {key}{value:?} of {array:?} -> {body:?} else {done:?}"
            )
        }
        Terminator::Switch {
            subject,
            cases,
            otherwise,
            no_string,
        } => writeln!(
            text,
            "    switch {subject:?} {cases:?} else {otherwise:?} no string {no_string:?}"
        ),
        Terminator::Return(value) => writeln!(text, "    return {value:?}"),
        Terminator::Unreachable => writeln!(text, "    unreachable"),
    };
}

fn builtin_name(index: u32) -> &'static str {
    let builtin = builtins::registry().get(index as usize);
    builtin.map_or("unknown", |builtin| builtin.name)
}

impl fmt::Debug for Register {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "r{}", self.0)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b{}", self.0)
    }
}

impl fmt::Debug for FunctionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "f{}", self.0)
    }
}

impl fmt::Debug for ConstantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "c{}", self.0)
    }
}

impl fmt::Debug for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(register) => register.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
            Self::Boolean(truth) => truth.fmt(formatter),
            Self::None => formatter.write_str("none"),
            Self::Absent => formatter.write_str("absent"),
            Self::Constant(constant) => constant.fmt(formatter),
            Self::Function(FunctionReference::User(function)) => function.fmt(formatter),
            Self::Function(FunctionReference::Builtin(index)) => {
                formatter.write_str(builtin_name(*index))
            }
            Self::Function(other) => other.fmt(formatter),
        }
    }
}
