//! What a session declared before: texts that have run, put before the text that runs now.
//!
//! In: the statements of earlier texts, in order, and those of the current one. Out: one program that declares all of them
//! and does only what the current one does. Guarantees: a name means what was declared last; functions and classes that
//! lost their names are compiled all the same, since values may still hold them.
//! Does not: keep values; see [`crate::session`].

use std::collections::HashSet;
use std::rc::Rc;

use crate::source::Span;
use crate::syntax::ast::{
    Expression, ExpressionKind, Identifier, ImportKind, Name, Statement, StatementKind,
};

/// One program of what ran earlier, each text with its label and its place, and what is to run.
pub(super) fn bury(
    earlier: Vec<(String, Span, Vec<Statement>)>,
    mut current: Vec<Statement>,
) -> Vec<Statement> {
    let mut later = Names::default();
    later.take(&mut current, None);
    let mut texts = Vec::with_capacity(earlier.len());
    for (label, span, mut statements) in earlier.into_iter().rev() {
        later.take(&mut statements, Some(&label));
        texts.push((span, statements));
    }
    let mut imports = Vec::new();
    let mut bodies = Vec::new();
    for (span, mut statements) in texts.into_iter().rev() {
        take_imports(&mut statements, &mut imports);
        bodies.push(never(statements, span));
    }
    // Functions are numbered in the order of the texts, whatever the current one adds.
    let mut program = imports;
    program.append(&mut bodies);
    program.append(&mut current);
    program
}

/// `if (false) { ... }`: its functions and classes are declared, its statements never run.
fn never(statements: Vec<Statement>, span: Span) -> Statement {
    let condition = Expression {
        kind: ExpressionKind::Boolean(false),
        span,
    };
    let body = Statement {
        kind: StatementKind::Block(statements),
        span,
    };
    let kind = StatementKind::If {
        condition,
        then: Box::new(body),
        otherwise: None,
    };
    Statement { kind, span }
}

/// Moves imports of modules out, where they still bring their names; data was assigned when its text ran.
fn take_imports(statements: &mut Vec<Statement>, imports: &mut Vec<Statement>) {
    for statement in statements {
        let is_data = match &mut statement.kind {
            StatementKind::Block(included) => {
                take_imports(included, imports);
                continue;
            }
            StatementKind::Import(import) => matches!(import.what, ImportKind::Data(..)),
            _ => continue,
        };
        let kind = std::mem::replace(&mut statement.kind, StatementKind::Empty);
        if !is_data {
            imports.push(Statement {
                kind,
                span: statement.span,
            });
        }
    }
}

/// Names declared by later texts.
#[derive(Default)]
struct Names {
    declared: HashSet<Name>,
    variables: HashSet<Name>,
}

impl Names {
    /// Adds the names of a text. Those that a later text declares lose theirs, if there is a label to mark them with.
    fn take(&mut self, statements: &mut [Statement], label: Option<&str>) {
        let mut own = Self::default();
        for statement in statements {
            self.statement(statement, label, &mut own);
        }
        self.declared.extend(own.declared);
        self.variables.extend(own.variables);
    }

    /// Where the resolver looks for declarations: everywhere but inside of functions.
    fn statement(&self, statement: &mut Statement, label: Option<&str>, own: &mut Self) {
        match &mut statement.kind {
            StatementKind::Function(function) => {
                // The tree is fresh from the parser, so nobody shares it yet.
                if let Some(name) = Rc::get_mut(function).and_then(|one| one.name.as_mut()) {
                    name_of(name, &self.declared, label, &mut own.declared);
                }
            }
            StatementKind::Class(class) => {
                if let Some(class) = Rc::get_mut(class) {
                    name_of(&mut class.name, &self.declared, label, &mut own.declared);
                }
            }
            StatementKind::Import(import) => {
                if let Some(import) = Rc::get_mut(import) {
                    self.import(&mut import.what, label, own);
                }
            }
            StatementKind::Block(body) => {
                let parts = body.iter_mut();
                parts.for_each(|part| self.statement(part, label, own));
            }
            StatementKind::If {
                then, otherwise, ..
            } => {
                self.statement(then, label, own);
                if let Some(otherwise) = otherwise {
                    self.statement(otherwise, label, own);
                }
            }
            StatementKind::While { body, .. }
            | StatementKind::For { body, .. }
            | StatementKind::Foreach { body, .. }
            | StatementKind::Forever(body)
            | StatementKind::Barrier { body, .. } => self.statement(body, label, own),
            StatementKind::Switch { arms, .. } => {
                let parts = arms.iter_mut().flat_map(|arm| &mut arm.body);
                parts.for_each(|part| self.statement(part, label, own));
            }
            _ => {}
        }
    }

    fn import(&self, what: &mut ImportKind, label: Option<&str>, own: &mut Self) {
        match what {
            ImportKind::Named(symbols) => {
                for symbol in symbols {
                    let (later, own) = match symbol.variable {
                        true => (&self.variables, &mut own.variables),
                        false => (&self.declared, &mut own.declared),
                    };
                    name_of(&mut symbol.alias, later, label, own);
                }
            }
            ImportKind::Wildcard(name) => {
                name_of(name, &self.declared, label, &mut own.declared);
            }
            ImportKind::Data(name, _) => {
                name_of(name, &self.variables, label, &mut own.variables);
            }
        }
    }
}

/// Notes a name, or replaces it by one that no text can spell.
fn name_of(
    name: &mut Identifier,
    later: &HashSet<Name>,
    label: Option<&str>,
    own: &mut HashSet<Name>,
) {
    match label {
        Some(label) if later.contains(&name.name) => {
            name.name = format!("{} of {label}", name.name).into();
        }
        _ => {
            own.insert(Rc::clone(&name.name));
        }
    }
}
