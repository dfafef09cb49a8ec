//! Chains of comparisons of one value with strings become one decision.
//!
//! In: a function. Out: the same, where a value that is compared with one string after the other (a `switch`, or `if` and
//! `else if`) is looked at once if it is a string: two strings are equal exactly when their octets are. The value is in a
//! register, or it is a predefined or captured variable that each comparison reads anew; nothing between them writes it. A
//! value of any other kind goes through the comparisons as they were, and so does what follows them.

use std::collections::HashSet;
use std::rc::Rc;

use crate::ir::{
    Block, BlockId, Constant, ConstantId, Function, Instruction, Operand, Operation, Register,
    RegisterInfo, Terminator,
};
use crate::source::Span;
use crate::syntax::ast::BinaryOperator;

/// Fewer comparisons are left as they are.
const CASES_COUNT_MIN: usize = 3;

/// Longer strings are compared by the host, in octets.
const CASE_LENGTH_MAX: usize = 256;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Subject {
    /// What a register holds.
    Register(Register),
    /// A predefined variable.
    Predefined(u32),
    /// What the cell in a register holds.
    Cell(Register),
}

/// A comparison with a string at the end of a block.
#[derive(Clone, Copy, Debug)]
struct Test {
    /// The first instruction of it.
    start: usize,
    subject: Subject,
    constant: ConstantId,
    equal: BlockId,
    different: BlockId,
}

/// Finds the chains of one function. O(blocks).
pub(super) fn function(function: &mut Function, constants: &[Constant]) {
    let blocks = function.blocks.iter();
    let tests: Vec<Option<Test>> = blocks.map(|block| test(block, constants)).collect();
    let mut is_in_chain = vec![false; tests.len()];
    for head in 0..tests.len() {
        let Some(first) = tests[head] else { continue };
        if std::mem::replace(&mut is_in_chain[head], true) {
            continue;
        }
        let mut chain = vec![first];
        let mut next = first.different;
        while let Some(Some(test)) = tests.get(next.0 as usize)
            && test.subject == first.subject
            && is_only(&function.blocks[next.0 as usize], test)
            && !std::mem::replace(&mut is_in_chain[next.0 as usize], true)
        {
            chain.push(*test);
            next = test.different;
        }
        let cases = cases(&chain, constants);
        if CASES_COUNT_MIN <= cases.len() {
            decide_at(function, head, first, cases, next);
        }
    }
}

/// The comparison that a block ends with.
fn test(block: &Block, constants: &[Constant]) -> Option<Test> {
    let Terminator::Branch {
        condition: Operand::Register(condition),
        then,
        otherwise,
    } = block.terminator
    else {
        return None;
    };
    let instructions = &block.instructions;
    let (mut end, mut result) = (instructions.len(), condition);
    if let Some([.., truth, release]) = instructions.get(..end)
        && let Operation::Truth {
            into,
            operand: Operand::Register(operand),
        } = truth.operation
        && matches!(release.operation, Operation::Release { register } if register == operand)
        && into == condition
    {
        (end, result) = (end - 2, operand);
    }
    let mut released = None;
    if let Some([.., last]) = instructions.get(..end)
        && let Operation::Release { register } = last.operation
    {
        (end, released) = (end - 1, Some(register));
    }
    let (operator, compared, constant) =
        comparison(&instructions.get(..end)?.last()?.operation, result)?;
    if CASE_LENGTH_MAX < octets(constants, constant)?.len() {
        return None;
    }
    let (subject, start) = match released {
        None => (Subject::Register(compared), end - 1),
        Some(released) if released == compared => loaded(&instructions[..end - 1], compared)?,
        Some(_) => return None,
    };
    let (equal, different) = match operator {
        BinaryOperator::Equal | BinaryOperator::Identical => (then, otherwise),
        BinaryOperator::NotEqual | BinaryOperator::NotIdentical => (otherwise, then),
        _ => return None,
    };
    Some(Test {
        start,
        subject,
        constant,
        equal,
        different,
    })
}

/// The register and the constant that an operation compares.
fn comparison(
    operation: &Operation,
    result: Register,
) -> Option<(BinaryOperator, Register, ConstantId)> {
    let Operation::Binary {
        operator,
        into,
        left,
        right,
    } = operation
    else {
        return None;
    };
    match (left, right) {
        (Operand::Register(register), Operand::Constant(constant))
        | (Operand::Constant(constant), Operand::Register(register))
            if *into == result =>
        {
            Some((*operator, *register, *constant))
        }
        _ => None,
    }
}

/// What is read into a register right at the end of some instructions, and where that begins.
fn loaded(instructions: &[Instruction], compared: Register) -> Option<(Subject, usize)> {
    let (last, before) = instructions.split_last()?;
    if let Operation::CheckDefined { register, .. } = last.operation
        && register == compared
    {
        return loaded(before, compared);
    }
    match last.operation {
        Operation::LoadPredefined { into, index } if into == compared => {
            Some((Subject::Predefined(index), before.len()))
        }
        Operation::CellGet { into, cell } if into == compared => {
            Some((Subject::Cell(cell), before.len()))
        }
        _ => None,
    }
}

fn octets(constants: &[Constant], constant: ConstantId) -> Option<&Rc<[u8]>> {
    match constants.get(constant.0 as usize)? {
        Constant::String(octets) => Some(octets),
        Constant::Data(_) | Constant::Array(_) => None,
    }
}

/// Whether a block does nothing but its comparison. A string is defined, so a check of that is part of it.
fn is_only(block: &Block, test: &Test) -> bool {
    block.instructions[..test.start].iter().all(|instruction| {
        matches!(&instruction.operation, Operation::CheckDefined { register, .. }
            if test.subject == Subject::Register(*register))
    })
}

/// Where each string leads; of equal ones the first counts.
fn cases(chain: &[Test], constants: &[Constant]) -> Vec<(ConstantId, BlockId)> {
    let mut known = HashSet::new();
    let mut cases = Vec::with_capacity(chain.len());
    for test in chain {
        if let Some(octets) = octets(constants, test.constant)
            && known.insert(octets)
        {
            cases.push((test.constant, test.equal));
        }
    }
    cases
}

/// Lets a block decide at once; the chain begins in a block of its own, for what is no string.
fn decide_at(
    function: &mut Function,
    head: usize,
    first: Test,
    mut cases: Vec<(ConstantId, BlockId)>,
    mut otherwise: BlockId,
) {
    let block = &mut function.blocks[head];
    let span = block.terminator_span;
    let chain = Block {
        instructions: block.instructions.split_off(first.start),
        terminator: std::mem::replace(&mut block.terminator, Terminator::Unreachable),
        terminator_span: span,
    };
    let mut no_string = add(function, chain);
    let subject = match load(function, first.subject) {
        Err(register) => register,
        Ok((register, operation)) => {
            let load = Instruction { operation, span };
            function.blocks[head].instructions.push(load);
            // Whoever comes out releases what was read.
            let ways = cases.iter_mut().map(|(_, to)| to);
            for way in ways.chain([&mut otherwise, &mut no_string]) {
                *way = add(function, release(register, *way, span));
            }
            register
        }
    };
    function.blocks[head].terminator = Terminator::Switch {
        subject,
        cases,
        otherwise,
        no_string,
    };
}

/// The register that is to be looked at; or a new one, and how it gets the value.
fn load(function: &mut Function, subject: Subject) -> Result<(Register, Operation), Register> {
    let last = u32::try_from(function.registers.len());
    let into = Register(last.expect("registers are bounded by the source's size"));
    let operation = match subject {
        Subject::Register(register) => return Err(register),
        Subject::Predefined(index) => Operation::LoadPredefined { into, index },
        Subject::Cell(cell) => Operation::CellGet { into, cell },
    };
    function.registers.push(RegisterInfo::Temporary);
    Ok((into, operation))
}

fn release(register: Register, to: BlockId, span: Span) -> Block {
    Block {
        instructions: vec![Instruction {
            operation: Operation::Release { register },
            span,
        }],
        terminator: Terminator::Jump(to),
        terminator_span: span,
    }
}

fn add(function: &mut Function, block: Block) -> BlockId {
    function.blocks.push(block);
    let last = u32::try_from(function.blocks.len() - 1);
    BlockId(last.expect("blocks are bounded by the source's size"))
}
