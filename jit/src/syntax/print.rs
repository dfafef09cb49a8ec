//! The syntax tree as S-expressions, for tests and for people who wonder how a text was read.
//!
//! In: a [`Program`]. Out: text, one top-level statement a line. Every node is shown, spans are not, so two texts that
//! print alike mean the same.

use std::fmt::Write as _;

use crate::diagnostic::escape;
use crate::syntax::ast::{
    Argument, ArrayItem, BinaryOperator, Class, DestructureItem, Expression, ExpressionKind,
    Function, Identifier, Import, ImportKind, MemberKind, Piece, Program, Slice, Statement,
    StatementKind, SwitchArm, Target, TargetKind, UnaryOperator,
};

/// A program, one statement a line.
#[must_use]
pub fn print(program: &Program) -> String {
    program
        .statements
        .iter()
        .map(|one| statement(one) + "\n")
        .collect()
}

/// `(head part part)`; empty parts are left out.
fn list(head: &str, parts: impl IntoIterator<Item = String>) -> String {
    let mut text = format!("({head}");
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let _ = write!(text, " {part}");
    }
    text + ")"
}

fn statements(all: &[Statement]) -> String {
    list("do", all.iter().map(statement))
}

/// A statement.
#[must_use]
#[expect(
    clippy::too_many_lines,
    reason = "one arm per kind, each a line or two"
)]
pub fn statement(one: &Statement) -> String {
    match &one.kind {
        StatementKind::Expression(value) => expression(value),
        StatementKind::Echo(value) => list("echo", [expression(value)]),
        StatementKind::Block(body) => statements(body),
        StatementKind::Empty => "()".into(),
        StatementKind::If {
            condition,
            then,
            otherwise,
        } => list(
            "if",
            [
                expression(condition),
                statement(then),
                otherwise
                    .as_ref()
                    .map_or(String::new(), |other| statement(other)),
            ],
        ),
        StatementKind::While { condition, body } => {
            list("while", [expression(condition), statement(body)])
        }
        StatementKind::For {
            initial,
            condition,
            next,
            body,
        } => {
            let part = |part: &Option<Expression>| part.as_ref().map_or("()".into(), expression);
            list(
                "for",
                [part(initial), part(condition), part(next), statement(body)],
            )
        }
        StatementKind::Foreach {
            subject,
            key,
            value,
            body,
        } => list(
            "foreach",
            [
                expression(subject),
                key.as_ref().map_or(String::new(), target),
                target(value),
                statement(body),
            ],
        ),
        StatementKind::Forever(body) => list("forever", [statement(body)]),
        StatementKind::Switch { subject, arms } => list(
            "switch",
            std::iter::once(expression(subject)).chain(arms.iter().map(arm)),
        ),
        StatementKind::Break => "(break)".into(),
        StatementKind::Continue => "(continue)".into(),
        StatementKind::Return(value) => {
            list("return", [value.as_ref().map_or(String::new(), expression)])
        }
        StatementKind::Global(names) => list("global", names.iter().map(variable)),
        StatementKind::Function(declared) => function(declared),
        StatementKind::Class(declared) => class(declared),
        StatementKind::Include { file, once } => list(
            if *once { "include_once" } else { "include" },
            [string(file)],
        ),
        StatementKind::Import(what) => import(what),
        StatementKind::Barrier { name, shared, body } => list(
            "barrier",
            [
                expression(name),
                shared.as_ref().map_or(String::new(), variable),
                statement(body),
            ],
        ),
    }
}

fn arm(one: &SwitchArm) -> String {
    let head = one.test.as_ref().map_or("default".into(), |test| {
        format!("case {}", expression(test))
    });
    list(&head, one.body.iter().map(statement))
}

fn variable(one: &Identifier) -> String {
    format!("${}", one.name)
}

fn string(octets: &[u8]) -> String {
    format!("\"{}\"", escape(octets))
}

fn function(one: &Function) -> String {
    let parameters = one.parameters.iter().map(|parameter| {
        let name = variable(&parameter.variable);
        match &parameter.default {
            Some(default) => format!("({name} {})", expression(default)),
            None if parameter.variadic => format!("...{name}"),
            None => name,
        }
    });
    let captures = match one.captures.is_empty() {
        true => String::new(),
        false => list("closure", one.captures.iter().map(variable)),
    };
    let parts = [
        one.name
            .as_ref()
            .map_or(String::new(), |name| name.name.to_string()),
        format!("({})", parameters.collect::<Vec<_>>().join(" ")),
        captures,
        statements(&one.body),
    ];
    list("function", parts)
}

fn class(one: &Class) -> String {
    let members = one.members.iter().map(|member| {
        let inner = match &member.kind {
            MemberKind::Variable(name, value) => {
                let value = value.as_ref().map_or(String::new(), expression);
                list("member", [variable(name), value])
            }
            MemberKind::Function(member_function) => function(member_function),
        };
        let modified = if member.is_static {
            list("static", [inner])
        } else {
            inner
        };
        if member.private {
            list("private", [modified])
        } else {
            modified
        }
    });
    let constructor = one
        .constructor
        .iter()
        .map(|constructor| function(constructor));
    list(
        &format!("class {}", one.name.name),
        constructor.chain(members),
    )
}

fn import(one: &Import) -> String {
    let what = match &one.what {
        ImportKind::Named(symbols) => {
            let sign = |variable: bool| if variable { "$" } else { "" };
            let symbols: Vec<String> = symbols
                .iter()
                .map(|symbol| {
                    let sign = sign(symbol.variable);
                    format!("({sign}{} {sign}{})", symbol.name.name, symbol.alias.name)
                })
                .collect();
            symbols.join(" ")
        }
        ImportKind::Wildcard(name) => format!("* {}", name.name),
        ImportKind::Data(name, options) => {
            let options = options
                .as_ref()
                .map_or(String::new(), |options| format!(" {}", expression(options)));
            format!("{}{options}", variable(name))
        }
    };
    list("import", [what, string(&one.file)])
}

/// An expression.
#[must_use]
#[expect(
    clippy::too_many_lines,
    reason = "one arm per kind, each a line or two"
)]
pub fn expression(one: &Expression) -> String {
    match &one.kind {
        ExpressionKind::None => "none".into(),
        ExpressionKind::Boolean(value) => value.to_string(),
        ExpressionKind::Number(value) => value.to_string(),
        ExpressionKind::String(octets) => string(octets),
        ExpressionKind::Interpolation(pieces) => list(
            "interpolate",
            pieces.iter().map(|piece| match piece {
                Piece::Literal(octets) => string(octets),
                Piece::Variable(name) => variable(name),
            }),
        ),
        ExpressionKind::Variable(name) => format!("${name}"),
        ExpressionKind::Array(items) => list(
            "array",
            items.iter().map(|item| match item {
                ArrayItem::Value(value) => expression(value),
                ArrayItem::Pair(key, value) => {
                    format!("({} => {})", expression(key), expression(value))
                }
                ArrayItem::Spread(value) => format!("...{}", expression(value)),
            }),
        ),
        ExpressionKind::Subscript(base, index) => list(
            "at",
            [
                expression(base),
                index
                    .as_ref()
                    .map_or("()".into(), |index| expression(index)),
            ],
        ),
        ExpressionKind::Slice(base, parts) => list("slice", [expression(base), slice(parts)]),
        ExpressionKind::Property(base, name) => {
            list("->", [expression(base), name.name.to_string()])
        }
        ExpressionKind::StaticVariable(class, name) => format!("{}::${}", class.name, name.name),
        ExpressionKind::StaticFunction(class, name) => format!("{}::{}", class.name, name.name),
        ExpressionKind::FunctionName {
            name,
            builtin: true,
        } => format!("builtin:{}", name.name),
        ExpressionKind::FunctionName {
            name,
            builtin: false,
        } => name.name.to_string(),
        ExpressionKind::Call(callee, arguments) => list(
            "call",
            std::iter::once(expression(callee)).chain(arguments.iter().map(argument)),
        ),
        ExpressionKind::Function(value) => function(value),
        ExpressionKind::Cache { options, call } => {
            list("cache", [expression(options), expression(call)])
        }
        ExpressionKind::Unary(operator, operand) => {
            list(unary_text(*operator), [expression(operand)])
        }
        ExpressionKind::Binary(operator, left, right) => list(
            binary_text(*operator),
            [expression(left), expression(right)],
        ),
        ExpressionKind::And(left, right) => list("and", [expression(left), expression(right)]),
        ExpressionKind::Or(left, right) => list("or", [expression(left), expression(right)]),
        ExpressionKind::Coalesce(left, right) => list("??", [expression(left), expression(right)]),
        ExpressionKind::Conditional {
            condition,
            then,
            otherwise,
        } => match then {
            Some(then) => list(
                "?",
                [
                    expression(condition),
                    expression(then),
                    expression(otherwise),
                ],
            ),
            None => list("?:", [expression(condition), expression(otherwise)]),
        },
        ExpressionKind::Assign(place, value) => list("=", [target(place), expression(value)]),
        ExpressionKind::AugmentedAssign(operator, place, value) => list(
            &format!("{}=", binary_text(*operator)),
            [target(place), expression(value)],
        ),
        ExpressionKind::Step {
            increment,
            prefix,
            target: place,
        } => {
            let sign = if *increment { "++" } else { "--" };
            let form = if *prefix { "prefix" } else { "postfix" };
            list(&format!("{form}{sign}"), [target(place)])
        }
        ExpressionKind::Isset(place) => list("isset", [target(place)]),
        ExpressionKind::Unset(place) => list("unset", [target(place)]),
        ExpressionKind::Error => "<error>".into(),
    }
}

fn argument(one: &Argument) -> String {
    let value = expression(&one.value);
    if one.spread {
        format!("...{value}")
    } else {
        value
    }
}

fn slice(parts: &Slice) -> String {
    let part = |part: &Option<Box<Expression>>| {
        part.as_ref().map_or(String::new(), |part| expression(part))
    };
    let step = parts
        .step
        .as_ref()
        .map_or(String::new(), |step| format!(":{}", expression(step)));
    format!("[{}:{}{step}]", part(&parts.first), part(&parts.last))
}

fn target(one: &Target) -> String {
    match &one.kind {
        TargetKind::Variable(name) => format!("${name}"),
        TargetKind::Subscript(base, index) => list(
            "at",
            [
                target(base),
                index
                    .as_ref()
                    .map_or("()".into(), |index| expression(index)),
            ],
        ),
        TargetKind::Slice(base, parts) => list("slice", [target(base), slice(parts)]),
        TargetKind::Property(base, name) => list("->", [target(base), name.name.to_string()]),
        TargetKind::StaticVariable(class, name) => format!("{}::${}", class.name, name.name),
        TargetKind::Value(value) => list("value", [expression(value)]),
        TargetKind::Destructure(items) => {
            let items: Vec<String> = items.iter().map(destructure_item).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn destructure_item(one: &DestructureItem) -> String {
    let mut text = one
        .key
        .as_ref()
        .map_or(String::new(), |key| format!("{} => ", expression(key)));
    if one.rest {
        text.push_str("...");
    }
    text.push_str(&one.target.as_ref().map_or("_".into(), target));
    if let Some(default) = &one.default {
        let _ = write!(text, " = {}", expression(default));
    }
    text
}

const fn unary_text(operator: UnaryOperator) -> &'static str {
    match operator {
        UnaryOperator::Minus => "-",
        UnaryOperator::Plus => "+",
        UnaryOperator::Not => "!",
        UnaryOperator::BitNot => "~",
    }
}

/// An operator as it is written in HSL.
#[must_use]
pub const fn binary_text(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Power => "**",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulus => "%",
        BinaryOperator::Add => "+",
        BinaryOperator::Subtract => "-",
        BinaryOperator::Concatenate => ".",
        BinaryOperator::ShiftLeft => "<<",
        BinaryOperator::ShiftRight => ">>",
        BinaryOperator::Less => "<",
        BinaryOperator::Greater => ">",
        BinaryOperator::LessOrEqual => "<=",
        BinaryOperator::GreaterOrEqual => ">=",
        BinaryOperator::Equal => "==",
        BinaryOperator::NotEqual => "!=",
        BinaryOperator::Identical => "===",
        BinaryOperator::NotIdentical => "!==",
        BinaryOperator::Match => "=~",
        BinaryOperator::NotMatch => "!~",
        BinaryOperator::BitAnd => "&",
        BinaryOperator::BitXor => "^",
        BinaryOperator::BitOr => "|",
    }
}
