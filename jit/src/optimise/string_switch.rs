//! Chains of comparisons of one value with strings become one decision.
//!
//! In: a function. Out: the same, where a value that is compared with one string after the other (a `switch`, or `if` and
//! `elseif`) is looked at once if it is a string: two strings are equal exactly when their octets are. A value of any other
//! kind goes through the comparisons as they were, as does what follows them.

use std::rc::Rc;

use crate::ir::{
    Block, BlockId, Constant, ConstantId, Function, Operand, Operation, Register, Terminator,
};
use crate::syntax::ast::BinaryOperator;

/// Fewer comparisons are left as they are.
const CASES_COUNT_MIN: usize = 3;

/// Longer strings are compared by the host, in octets.
const CASE_LENGTH_MAX: usize = 256;

/// A comparison of a register with a string at the end of a block.
#[derive(Clone, Copy, Debug)]
struct Test {
    /// The first instruction of it.
    start: usize,
    subject: Register,
    constant: ConstantId,
    equal: BlockId,
    different: BlockId,
}

/// Finds the chains of one function. O(blocks).
pub(super) fn function(function: &mut Function, constants: &[Constant]) {
    let tests: Vec<Option<Test>> = function
        .blocks
        .iter()
        .map(|block| test(block, constants))
        .collect();
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
    let operations = block.instructions.iter().rev().map(|one| &one.operation);
    let mut operations = operations.enumerate();
    let mut wanted = condition;
    let (behind, operation) = match operations.next()? {
        (_, Operation::Release { register }) => {
            let (_, truth) = operations.next()?;
            match truth {
                Operation::Truth {
                    into,
                    operand: Operand::Register(operand),
                } if *into == condition && operand == register => wanted = *register,
                _ => return None,
            }
            operations.next()?
        }
        last => last,
    };
    let Operation::Binary {
        operator,
        into,
        left,
        right,
    } = operation
    else {
        return None;
    };
    if *into != wanted {
        return None;
    }
    let (subject, constant) = match (left, right) {
        (Operand::Register(subject), Operand::Constant(constant))
        | (Operand::Constant(constant), Operand::Register(subject)) => (*subject, *constant),
        _ => return None,
    };
    if octets(constants, constant)?.len() > CASE_LENGTH_MAX {
        return None;
    }
    let (equal, different) = match operator {
        BinaryOperator::Equal | BinaryOperator::Identical => (then, otherwise),
        BinaryOperator::NotEqual | BinaryOperator::NotIdentical => (otherwise, then),
        _ => return None,
    };
    Some(Test {
        start: block.instructions.len() - 1 - behind,
        subject,
        constant,
        equal,
        different,
    })
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
        matches!(&instruction.operation, Operation::CheckDefined { register, .. } if *register == test.subject)
    })
}

/// Where each string leads; of equal ones the first counts.
fn cases(chain: &[Test], constants: &[Constant]) -> Vec<(ConstantId, BlockId)> {
    let mut known = std::collections::HashSet::new();
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
    cases: Vec<(ConstantId, BlockId)>,
    otherwise: BlockId,
) {
    let count = u32::try_from(function.blocks.len());
    let chain = BlockId(count.expect("blocks are bounded by the source's size"));
    let block = &mut function.blocks[head];
    let decision = Terminator::Switch {
        subject: first.subject,
        cases,
        otherwise,
        no_string: chain,
    };
    let rest = Block {
        instructions: block.instructions.split_off(first.start),
        terminator: std::mem::replace(&mut block.terminator, decision),
        terminator_span: block.terminator_span,
    };
    function.blocks.push(rest);
}
