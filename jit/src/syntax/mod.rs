//! Text to tree: tokens, the syntax tree, the parser.
//!
//! In: a source text. Out: a [`ast::Program`] and every diagnostic the text deserves; a broken text still gives a tree.
//! Knows nothing of values, slots or types. HSL manual: structures, operators, literals.

pub mod ast;
mod lexer;
pub mod parser;
pub mod print;
mod token;

/// Every reserved word.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    <token::Keyword as token::Spelled>::ALL
        .iter()
        .map(|keyword| keyword.text())
}
