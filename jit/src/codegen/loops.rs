//! Which blocks of a function run again and again.
//!
//! In: a function of the intermediate form. Out: per block whether control may come back to it. What stands outside of the
//! loops of a function that has some is not worth as much machine code. Linear in the size of the function.

use crate::ir::{BlockId, Function, followers_first};

/// Per block whether it is in a loop; `None` for a function without loops.
pub(super) fn in_loops(function: &Function) -> Option<Vec<bool>> {
    let count = function.blocks.len();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (number, block) in function.blocks.iter().enumerate() {
        block.terminator.each_target(&mut |BlockId(target)| {
            after[number].push(target as usize);
            before[target as usize].push(number);
        });
    }
    // Blocks that reach each other are found by walking back from those that a walk forth leaves last (Kosaraju).
    let reached = followers_first(&after, [0]);
    let mut pending = vec![false; count];
    reached.iter().for_each(|block| pending[*block] = true);
    let mut inside = vec![false; count];
    for root in reached.into_iter().rev() {
        if !std::mem::replace(&mut pending[root], false) {
            continue;
        }
        let mut together = vec![root];
        let mut next = 0;
        while let Some(block) = together.get(next) {
            next += 1;
            for other in &before[*block] {
                if std::mem::replace(&mut pending[*other], false) {
                    together.push(*other);
                }
            }
        }
        let comes_back = 1 < together.len() || after[root].contains(&root);
        together
            .into_iter()
            .for_each(|block| inside[block] = comes_back);
    }
    inside.contains(&true).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Block, Operand, Terminator};
    use crate::source::{SourceMap, Span};

    /// A function whose blocks go where they are told.
    fn function(targets: &[&[u32]]) -> Function {
        let mut sources = SourceMap::new();
        let source = sources.add("test", b"").expect("it is short");
        let span = Span {
            source,
            start: 0,
            end: 0,
        };
        let block = |targets: &&[u32]| Block {
            instructions: Vec::new(),
            terminator: match **targets {
                [] => Terminator::Return(Operand::None),
                [one] => Terminator::Jump(BlockId(one)),
                [one, other, ..] => Terminator::Branch {
                    condition: Operand::Boolean(true),
                    then: BlockId(one),
                    otherwise: BlockId(other),
                },
            },
            terminator_span: span,
        };
        Function {
            name: None,
            parameters_count: 0,
            required_count: 0,
            variadic: false,
            defaults: Vec::new(),
            captures: Vec::new(),
            this: None,
            registers: Vec::new(),
            blocks: targets.iter().map(block).collect(),
            span,
        }
    }

    #[test]
    fn straight_functions_have_no_loops() {
        assert_eq!(in_loops(&function(&[&[1, 2], &[2], &[]])), None);
    }

    #[test]
    fn what_leads_back_to_the_head_is_in_a_loop() {
        // 1 is the head of a loop with an inner one (3 and 4), 2 its step, 5 leaves both, 6 comes after.
        let targets: &[&[u32]] = &[&[1], &[3, 6], &[1], &[4, 2], &[3, 5], &[], &[]];
        let expected = vec![false, true, true, true, true, false, false];
        assert_eq!(in_loops(&function(targets)), Some(expected));
    }
}
