//! The syntax tree of HSL, as the parser builds it.
//!
//! In: tokens. Out: this tree, for the resolver and for the plain evaluator. Names are text, not yet resolved; every node
//! carries its span. The tree holds the whole language of the manual (`structures.rst`, `operators.rst`, `literals.rst`),
//! so that a later stage, not the parser, says what it can't yet compile.

use std::rc::Rc;

use crate::source::Span;

/// A name as written, without its `$`.
pub type Name = Rc<str>;

/// A name and where it stands.
#[derive(Clone, Debug)]
pub struct Identifier {
    /// The name, without `$`.
    pub name: Name,
    /// Its place, with the `$` of a variable.
    pub span: Span,
}

/// A whole source text: its statements in order.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Top-level statements, functions and classes included.
    pub statements: Vec<Statement>,
}

/// A statement and where it stands.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// From its first to its last octet.
    pub span: Span,
}

/// The statements of `structures.rst`.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `expression ;` The value is dropped.
    Expression(Expression),
    /// `echo expression ;`
    Echo(Expression),
    /// `{ ... }` Opens no scope: variables are function-scoped.
    Block(Vec<Statement>),
    /// `;`
    Empty,
    /// `if (condition) then else otherwise`
    If {
        /// Tested for truthiness.
        condition: Expression,
        /// Run when true.
        then: Box<Statement>,
        /// Run when false.
        otherwise: Option<Box<Statement>>,
    },
    /// `while (condition) body`
    While {
        /// Tested before each round.
        condition: Expression,
        /// The round.
        body: Box<Statement>,
    },
    /// `for (initial ; condition ; next) body` One expression in each part.
    For {
        /// Evaluated once.
        initial: Option<Expression>,
        /// Tested before each round; absent means true.
        condition: Option<Expression>,
        /// Evaluated after each round and on `continue`.
        next: Option<Expression>,
        /// The round.
        body: Box<Statement>,
    },
    /// `foreach (subject as $key => $value) body` over the value as it was when the loop began.
    Foreach {
        /// The array.
        subject: Expression,
        /// The variable for the key.
        key: Option<Target>,
        /// The variable for the value; `[$a, $b]` destructures.
        value: Target,
        /// The round.
        body: Box<Statement>,
    },
    /// `forever body`
    Forever(Box<Statement>),
    /// `switch (subject) { case ...: default: }`
    Switch {
        /// Compared with `==` to each case, in order.
        subject: Expression,
        /// The arms in order of writing; at most one is the default.
        arms: Vec<SwitchArm>,
    },
    /// `break ;`
    Break,
    /// `continue ;`
    Continue,
    /// `return expression ;`
    Return(Option<Expression>),
    /// `global $a, $b ;`
    Global(Vec<Identifier>),
    /// `function name(...) { ... }` Hoisted in its scope.
    Function(Rc<Function>),
    /// `class Name { ... }`
    Class(Rc<Class>),
    /// `include "file" ;` and `include_once "file" ;`
    Include {
        /// The file as written, unescaped.
        file: Rc<[u8]>,
        /// Whether it was `include_once`.
        once: bool,
    },
    /// `import ... from "file" ;`
    Import(Rc<Import>),
    /// `barrier name => $shared { ... }`
    Barrier {
        /// The name, an expression.
        name: Expression,
        /// The shared variable.
        shared: Option<Identifier>,
        /// The statements inside.
        body: Box<Statement>,
    },
}

/// One `case expression:` or `default:` with the statements up to the next.
#[derive(Clone, Debug)]
pub struct SwitchArm {
    /// `None` is `default`.
    pub test: Option<Expression>,
    /// The statements; control falls through to the next arm.
    pub body: Vec<Statement>,
    /// The label.
    pub span: Span,
}

/// A function of any kind: named, anonymous, member, constructor.
#[derive(Clone, Debug)]
pub struct Function {
    /// `None` for an anonymous function.
    pub name: Option<Identifier>,
    /// Formal parameters; only the last may be variadic, defaults only at the end.
    pub parameters: Vec<Parameter>,
    /// The capture list after `closure`.
    pub captures: Vec<Identifier>,
    /// The statements.
    pub body: Vec<Statement>,
    /// From `function` to the closing brace.
    pub span: Span,
}

/// A formal parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its variable.
    pub variable: Identifier,
    /// A constant expression.
    pub default: Option<Expression>,
    /// `...$rest`
    pub variadic: bool,
}

/// `class Name { ... }`
#[derive(Clone, Debug)]
pub struct Class {
    /// The class name, callable.
    pub name: Identifier,
    /// `constructor(...) { ... }`
    pub constructor: Option<Rc<Function>>,
    /// Variables and functions in order.
    pub members: Vec<Member>,
    /// The whole statement.
    pub span: Span,
}

/// A member of a class.
#[derive(Clone, Debug)]
pub struct Member {
    /// `private`
    pub private: bool,
    /// `static`
    pub is_static: bool,
    /// Variable or function.
    pub kind: MemberKind,
    /// The whole member.
    pub span: Span,
}

/// What a member is.
#[derive(Clone, Debug)]
pub enum MemberKind {
    /// `$name = constant ;`
    Variable(Identifier, Option<Expression>),
    /// `function name(...) { ... }`
    Function(Rc<Function>),
}

/// `import ... from "file"`
#[derive(Clone, Debug)]
pub struct Import {
    /// What is imported.
    pub what: ImportKind,
    /// The file as written, unescaped.
    pub file: Rc<[u8]>,
    /// The span of the file name.
    pub file_span: Span,
}

/// The three forms of import.
#[derive(Clone, Debug)]
pub enum ImportKind {
    /// `import { a, b as c, $x as $y }`
    Named(Vec<ImportSymbol>),
    /// `import * as name`
    Wildcard(Identifier),
    /// `import $name from "data.json" with [ ... ]`
    Data(Identifier, Option<Expression>),
}

/// One symbol of a named import.
#[derive(Clone, Debug)]
pub struct ImportSymbol {
    /// Whether both names are variables (`$x as $y`) or functions and classes.
    pub variable: bool,
    /// The name in the module.
    pub name: Identifier,
    /// The name here.
    pub alias: Identifier,
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// From its first to its last octet.
    pub span: Span,
}

impl Expression {
    /// The name by which caches know the function that a call names; empty when it names none.
    #[must_use]
    pub fn cached_name(&self) -> String {
        match &self.kind {
            ExpressionKind::FunctionName {
                name,
                builtin: true,
            } => format!("builtin {}", name.name),
            ExpressionKind::FunctionName { name, .. } => name.name.to_string(),
            ExpressionKind::StaticFunction(class, name) => format!("{}::{}", class.name, name.name),
            _ => String::new(),
        }
    }
}

/// The expressions of `operators.rst` and `literals.rst`.
#[derive(Clone, Debug)]
pub enum ExpressionKind {
    /// `none`
    None,
    /// `true`, `false`
    Boolean(bool),
    /// `12`, `1.5`, `0xfa`, `0o372`, `0b101`
    Number(f64),
    /// A string without interpolation, unescaped.
    String(Rc<[u8]>),
    /// A string with interpolation: literal pieces and variables in order.
    Interpolation(Vec<Piece>),
    /// `$name`
    Variable(Name),
    /// `[a, k => v, ...$x]` and `array(...)`
    Array(Vec<ArrayItem>),
    /// `subject[index]`; `index` is absent in `$a[]`, which is only legal as an assignment target.
    Subscript(Box<Expression>, Option<Box<Expression>>),
    /// `subject[first:last:step]`
    Slice(Box<Expression>, Slice),
    /// `subject->name`
    Property(Box<Expression>, Identifier),
    /// `Class::$variable`, `static::$variable`, `module::$variable`
    StaticVariable(Identifier, Identifier),
    /// `Class::function` as a value or callee, `module::function`
    StaticFunction(Identifier, Identifier),
    /// A bare name that is not called: a named function pointer. `builtin name` sets the flag.
    FunctionName {
        /// The function.
        name: Identifier,
        /// Preceded by `builtin`.
        builtin: bool,
    },
    /// `callee(arguments)`; a call by name has a [`ExpressionKind::FunctionName`] callee.
    Call(Box<Expression>, Vec<Argument>),
    /// `function (...) closure (...) { ... }`
    Function(Rc<Function>),
    /// `cache [options] call`
    Cache {
        /// The options array, an array literal.
        options: Box<Expression>,
        /// A call by name.
        call: Box<Expression>,
    },
    /// Prefix operators that change nothing.
    Unary(UnaryOperator, Box<Expression>),
    /// Operators that evaluate both sides.
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// `a and b`: short-circuit, yields a boolean.
    And(Box<Expression>, Box<Expression>),
    /// `a or b`: short-circuit, yields a boolean.
    Or(Box<Expression>, Box<Expression>),
    /// `a ?? b`: `a` is a variable, element, slice or property chain, or any expression.
    Coalesce(Box<Expression>, Box<Expression>),
    /// `condition ? then : otherwise`; without `then` it is the Elvis operator.
    Conditional {
        /// Tested for truthiness; evaluated once.
        condition: Box<Expression>,
        /// Absent: the value of the condition.
        then: Option<Box<Expression>>,
        /// The other value.
        otherwise: Box<Expression>,
    },
    /// `target = value`; the value of the expression is the value assigned.
    Assign(Box<Target>, Box<Expression>),
    /// `target += value` and its like; the value of the expression is the new value.
    AugmentedAssign(BinaryOperator, Box<Target>, Box<Expression>),
    /// `++$x`, `--$x`, `$x++`, `$x--`
    Step {
        /// `++` rather than `--`.
        increment: bool,
        /// `++$x` rather than `$x++`.
        prefix: bool,
        /// What is changed.
        target: Box<Target>,
    },
    /// `isset(target)`
    Isset(Box<Target>),
    /// `unset(target)`
    Unset(Box<Target>),
    /// What the parser puts where it met an error it has reported. Later stages never see it: nothing is compiled then.
    Error,
}

/// A piece of an interpolated string.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Octets as they are.
    Literal(Rc<[u8]>),
    /// `$name` or `${name}`
    Variable(Identifier),
}

/// One item of an array literal.
#[derive(Clone, Debug)]
pub enum ArrayItem {
    /// `value`, appended.
    Value(Expression),
    /// `key => value`
    Pair(Expression, Expression),
    /// `...value`
    Spread(Expression),
}

/// One argument of a call.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The value, or the array when spread.
    pub value: Expression,
    /// `...value`
    pub spread: bool,
}

/// The three parts of `[first:last:step]`; each may be absent.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Inclusive; default 0 (the end when the step is negative).
    pub first: Option<Box<Expression>>,
    /// Exclusive; default the length.
    pub last: Option<Box<Expression>>,
    /// Default 1; may be negative.
    pub step: Option<Box<Expression>>,
}

/// A place: what can be assigned, tested with `isset` and removed with `unset`.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// From its first to its last octet.
    pub span: Span,
}

/// The kinds of places.
#[derive(Clone, Debug)]
pub enum TargetKind {
    /// `$name`
    Variable(Name),
    /// `place[index]`; without an index it appends.
    Subscript(Box<Target>, Option<Box<Expression>>),
    /// `place[first:last]`
    Slice(Box<Target>, Slice),
    /// `place->name`
    Property(Box<Target>, Identifier),
    /// `Class::$name`
    StaticVariable(Identifier, Identifier),
    /// An expression that yields an object or array (a call, `$this`), as the base of a chain: `f()->x = 1`.
    Value(Box<Expression>),
    /// `[$a, , $b = default]` and `["k" => $a = default]`; never both forms in one.
    Destructure(Vec<DestructureItem>),
}

/// One item of a destructuring target. `None` as target skips an element.
#[derive(Clone, Debug)]
pub struct DestructureItem {
    /// The key expression of the keyed form.
    pub key: Option<Expression>,
    /// Where the element goes; may itself destructure.
    pub target: Option<Target>,
    /// Used when the element is missing (not when it is none).
    pub default: Option<Expression>,
    /// `...$rest`: everything that follows, re-indexed.
    pub rest: bool,
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `-`
    Minus,
    /// `+`
    Plus,
    /// `!` and `not`
    Not,
    /// `~`
    BitNot,
}

/// Infix operators that evaluate both sides, in the order of the precedence table, tightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `**`
    Power,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulus,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `.`
    Concatenate,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessOrEqual,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `===`
    Identical,
    /// `!==`
    NotIdentical,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
    /// `&`
    BitAnd,
    /// `^`
    BitXor,
    /// `|`
    BitOr,
}
