//! Walks over graphs: of functions that call each other by name, of blocks that follow each other.
//!
//! In: per node those that follow it, by number. All walks are loops with a stack of their own, since graphs are as deep as
//! a script is long, and linear in the size of the graph.

use super::{Function, Operation};

/// The functions that a function calls by name, as often as it does.
#[must_use]
pub fn callees(function: &Function) -> Vec<usize> {
    let instructions = function.blocks.iter().flat_map(|block| &block.instructions);
    let callees = instructions.filter_map(|instruction| match &instruction.operation {
        Operation::Call { function, .. } | Operation::RunModule { function } => {
            Some(function.0 as usize)
        }
        _ => None,
    });
    callees.collect()
}

/// What is reached from some nodes, each node behind those that follow it, but where they lead back to it.
#[must_use]
pub fn followers_first(next: &[Vec<usize>], roots: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut order = Vec::with_capacity(next.len());
    let mut seen = vec![false; next.len()];
    for root in roots {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        // A node, and how many of its followers are done.
        let mut path = vec![(root, 0)];
        while let Some((node, done)) = path.last_mut() {
            match next[*node].get(*done) {
                Some(follower) => {
                    *done += 1;
                    if !std::mem::replace(&mut seen[*follower], true) {
                        path.push((*follower, 0));
                    }
                }
                None => {
                    order.push(*node);
                    path.pop();
                }
            }
        }
    }
    order
}

/// The nodes that are marked, and all that is reached from them.
#[must_use]
pub(super) fn reached_from(mut marked: Vec<bool>, next: &[Vec<usize>]) -> Vec<bool> {
    let numbered = marked.iter().enumerate();
    let roots: Vec<usize> = numbered
        .filter_map(|(node, is_root)| is_root.then_some(node))
        .collect();
    for node in followers_first(next, roots) {
        marked[node] = true;
    }
    marked
}
