//! The intermediate representation as text, for golden tests and for reading what the compiler made of a script.

use std::fmt::Write;

use super::{Block, Constant, Function, Operand, Program, RegisterInfo, Terminator};

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
        let _ = writeln!(text, "    {:?}", instruction.operation);
    }
    let _ = match &block.terminator {
        Terminator::Jump(to) => writeln!(text, "    -> b{}", to.0),
        Terminator::Branch {
            condition,
            then,
            otherwise,
        } => {
            writeln!(
                text,
                "    if {} -> b{} else b{}",
                operand(*condition),
                then.0,
                otherwise.0
            )
        }
        Terminator::IterateNext {
            array,
            value,
            key,
            body,
            done,
            ..
        } => {
            let key = key.map_or_else(String::new, |key| format!("r{} => ", key.0));
            writeln!(
                text,
                "    next {key}r{} of r{} -> b{} else b{}",
                value.0, array.0, body.0, done.0
            )
        }
        Terminator::Return(value) => writeln!(text, "    return {}", operand(*value)),
        Terminator::Unreachable => writeln!(text, "    unreachable"),
    };
}

fn operand(operand: Operand) -> String {
    match operand {
        Operand::Register(register) => format!("r{}", register.0),
        Operand::Constant(constant) => format!("c{}", constant.0),
        other => format!("{other:?}"),
    }
}
