//! Recursion is not allowed: the graph of calls by name has no cycle.
//!
//! In: the calls by name of every function. Out: one error per cycle with the calls that make it, and the length of the
//! longest chain of calls, which bounds the native stack a script needs for them. Calls through function values are not
//! in the graph; the runtime counts those. HSL manual: structures, "function", the warning about recursion.

use super::{FunctionId, Resolver};
use crate::diagnostic::Diagnostic;

/// Functions that call each other by name, from the main program to the innermost.
pub const CALL_DEPTH_MAX: u32 = 200;

/// How far the search has come with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    /// With the longest chain of calls below it, itself counted.
    Done(u32),
}

/// A function on the path of the search and the next of its calls to follow.
struct Step {
    function: FunctionId,
    next: usize,
    depth: u32,
}

impl Resolver<'_> {
    /// A depth-first search with a path of its own, because the graph may be deeper than the stack.
    pub(super) fn check_recursion(&mut self) {
        let mut visits = vec![Visit::New; self.table.functions.len()];
        let mut deepest = (0, FunctionId::new(0));
        for index in 0..visits.len() {
            if visits[index] != Visit::New {
                continue;
            }
            let root = FunctionId::new(index);
            let depth = self.search(root, &mut visits);
            if deepest.0 < depth {
                deepest = (depth, root);
            }
        }
        self.table.call_depth = deepest.0;
        if CALL_DEPTH_MAX < deepest.0 {
            let span = self.table.function(deepest.1).span;
            let message =
                format!("functions call each other more than {CALL_DEPTH_MAX} deep from here");
            self.error(span, message);
        }
    }

    fn search(&mut self, root: FunctionId, visits: &mut [Visit]) -> u32 {
        visits[root.index()] = Visit::Open;
        let mut path = vec![Step {
            function: root,
            next: 0,
            depth: 1,
        }];
        let mut depth = 1;
        while let Some(step) = path.last_mut() {
            let Some((callee, _)) = self.calls[step.function.index()].get(step.next).copied()
            else {
                depth = step.depth;
                visits[step.function.index()] = Visit::Done(depth);
                path.pop();
                if let Some(caller) = path.last_mut() {
                    caller.depth = caller.depth.max(depth + 1);
                }
                continue;
            };
            step.next += 1;
            match visits[callee.index()] {
                Visit::New => {
                    visits[callee.index()] = Visit::Open;
                    path.push(Step {
                        function: callee,
                        next: 0,
                        depth: 1,
                    });
                }
                Visit::Open => self.report_cycle(&path, callee),
                Visit::Done(below) => step.depth = step.depth.max(below + 1),
            }
        }
        depth
    }

    /// The cycle is the end of the path, from `first` on.
    fn report_cycle(&mut self, path: &[Step], first: FunctionId) {
        if self.diagnostics.is_full() {
            return;
        }
        let start = path
            .iter()
            .position(|step| step.function == first)
            .unwrap_or(0);
        let cycle = &path[start..];
        let names: Vec<String> = cycle
            .iter()
            .map(|step| step.function)
            .chain([first])
            .map(|function| format!("`{}`", self.table.function(function).name))
            .collect();
        let message = format!(
            "recursion isn't allowed: {}",
            shortened(&names).join(" calls ")
        );
        let call = |step: &Step| self.calls[step.function.index()][step.next - 1].1;
        let Some(last) = cycle.last() else {
            return;
        };
        let mut diagnostic = Diagnostic::error(call(last), message).with_hint("use a loop");
        for step in cycle.iter().take(cycle.len() - 1).take(LABELS_COUNT_MAX) {
            diagnostic = diagnostic.with_label(call(step), "by way of this call");
        }
        self.report(diagnostic);
    }
}

const LABELS_COUNT_MAX: usize = 8;

/// A long chain without its middle.
fn shortened(names: &[String]) -> Vec<String> {
    if names.len() <= 2 * LABELS_COUNT_MAX {
        return names.to_vec();
    }
    let head = names.iter().take(LABELS_COUNT_MAX).cloned();
    let tail = names.iter().skip(names.len() - LABELS_COUNT_MAX).cloned();
    head.chain(["...".to_owned()]).chain(tail).collect()
}
