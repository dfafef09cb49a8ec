//! Spellings that people bring from other languages, and what to write instead.
//!
//! In: tokens that make no HSL where they stand. Out: hints for the messages of the other files, and whole statements that
//! are reported once and read as what they were meant to be, so that one foreign word makes one message.
//! Guarantees: nothing here is asked before a text is known to be wrong; a word listed here can name a function.

use super::{Parsed, Parser, Reported};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{ExpressionKind, StatementKind};
use crate::syntax::token::{Keyword, Symbol, TokenKind};

/// What is expected behind `import`.
pub(super) const IMPORTED: &str = "`{ names }`, `* as name` or a variable";
/// What is expected behind `include` and `from`.
pub(super) const FILE_NAME: &str = "a file name: a string without variables";

/// How the parser goes on behind a foreign word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// What follows is a statement if a variable comes next.
    Assignment,
    /// What follows is a function without its first word.
    Function,
    /// What follows is a block, perhaps with something in parentheses before it.
    Block,
    /// The word stood alone.
    Nothing,
    /// What follows can't be read.
    Unreadable,
}

const SET: &str = "a variable needs no declaration: `$name = value;`";
const FUNCTION: &str = "functions are written `function name($a, $b) { ... }`";
const BLOCK: &str = "statements that belong together stand in braces: `{ ... }`";
const ERRORS: &str = "there are no exceptions: test what a function returns";
const CLASSES: &str = "a class has variables and functions of its own and nothing else";
const ECHO: &str = "did you mean `echo`?";
const INCLUDE: &str =
    "`include \"file\";` takes in a file, `import { name } from \"file\";` a module";

/// Words that begin a statement in other languages.
static STATEMENTS: [(&str, Rest, &str); 49] = [
    ("abstract", Rest::Unreadable, CLASSES),
    (
        "async",
        Rest::Unreadable,
        "a script waits for what it calls: leave the word out",
    ),
    (
        "await",
        Rest::Unreadable,
        "a script waits for what it calls: leave the word out",
    ),
    ("begin", Rest::Nothing, BLOCK),
    ("bool", Rest::Assignment, SET),
    ("catch", Rest::Block, ERRORS),
    ("const", Rest::Assignment, SET),
    ("def", Rest::Function, FUNCTION),
    ("delete", Rest::Unreadable, "did you mean `unset($place)`?"),
    (
        "do",
        Rest::Block,
        "write `forever { ... if ($done) break; }`",
    ),
    ("done", Rest::Nothing, BLOCK),
    ("elif", Rest::Unreadable, "write it as two words: `else if`"),
    (
        "elsif",
        Rest::Unreadable,
        "write it as two words: `else if`",
    ),
    ("end", Rest::Nothing, BLOCK),
    ("endfor", Rest::Nothing, BLOCK),
    ("endforeach", Rest::Nothing, BLOCK),
    ("endif", Rest::Nothing, BLOCK),
    ("endswitch", Rest::Nothing, BLOCK),
    ("endwhile", Rest::Nothing, BLOCK),
    ("enum", Rest::Unreadable, CLASSES),
    (
        "export",
        Rest::Unreadable,
        "all of a module can be imported: leave the word out",
    ),
    ("fi", Rest::Nothing, BLOCK),
    ("finally", Rest::Block, ERRORS),
    ("float", Rest::Assignment, SET),
    ("fn", Rest::Function, FUNCTION),
    ("func", Rest::Function, FUNCTION),
    (
        "goto",
        Rest::Unreadable,
        "loops are left by `break` and functions by `return`",
    ),
    ("int", Rest::Assignment, SET),
    ("interface", Rest::Unreadable, CLASSES),
    ("let", Rest::Assignment, SET),
    ("local", Rest::Assignment, SET),
    ("loop", Rest::Block, "did you mean `forever`?"),
    ("my", Rest::Assignment, SET),
    ("namespace", Rest::Unreadable, INCLUDE),
    (
        "nonlocal",
        Rest::Unreadable,
        "a function gets at a variable by `global $name;`, a closure by `closure ($name)`",
    ),
    ("pass", Rest::Nothing, "an empty block is `{ }`"),
    ("print", Rest::Unreadable, ECHO),
    ("println", Rest::Unreadable, ECHO),
    ("puts", Rest::Unreadable, ECHO),
    ("raise", Rest::Unreadable, ERRORS),
    (
        "repeat",
        Rest::Block,
        "write `forever { ... if ($done) break; }`",
    ),
    ("require", Rest::Unreadable, INCLUDE),
    ("require_once", Rest::Unreadable, INCLUDE),
    (
        "static",
        Rest::Unreadable,
        "a function keeps nothing between calls; a class has static variables",
    ),
    ("trait", Rest::Unreadable, CLASSES),
    ("unless", Rest::Block, "write `if (not ($condition))`"),
    ("until", Rest::Block, "write `while (not ($condition))`"),
    ("use", Rest::Unreadable, INCLUDE),
    ("var", Rest::Assignment, SET),
];

/// Words that are operators in other languages.
static OPERATORS: [(&str, &str); 13] = [
    ("contains", "write `array_includes($value, $array)`"),
    ("div", "write `floor($a / $b)`"),
    ("eq", "write `==`"),
    ("ge", "write `>=`"),
    ("gt", "write `>`"),
    ("in", "write `array_includes($value, $array)`"),
    (
        "instanceof",
        "objects don't know their class; `is_object($value)` tells objects from others",
    ),
    ("is", "write `==`, or `===` to compare without conversion"),
    ("le", "write `<=`"),
    ("lt", "write `<`"),
    ("mod", "write `%`"),
    ("ne", "write `!=`"),
    ("xor", "write `boolean($a) != boolean($b)`"),
];

impl Parser<'_> {
    fn name_at(&self, ahead: usize) -> Option<&str> {
        match self.peek_after(ahead) {
            TokenKind::Name(name) => Some(name),
            _ => None,
        }
    }

    fn symbol_at(&self, ahead: usize) -> Option<Symbol> {
        match self.peek_after(ahead) {
            TokenKind::Symbol(symbol) => Some(*symbol),
            _ => None,
        }
    }

    fn previous(&self) -> &TokenKind {
        &self.tokens[self.at.saturating_sub(1)].kind
    }

    /// At a name that begins a statement: what is said about it, if what follows shows that it is no function.
    fn foreign_word(&self) -> Option<(Rest, &'static str)> {
        let name = self.name_at(0)?;
        let index = STATEMENTS
            .binary_search_by(|(word, ..)| word.cmp(&name))
            .ok()?;
        let (_, rest, hint) = STATEMENTS[index];
        let alone = match self.peek_after(1) {
            TokenKind::Name(_)
            | TokenKind::Variable(_)
            | TokenKind::Number(_)
            | TokenKind::String(_)
            | TokenKind::Interpolation(_)
            | TokenKind::Symbol(Symbol::LeftBrace) => false,
            // `until ($done) {`
            TokenKind::Symbol(Symbol::LeftParenthesis) => {
                let behind =
                    self.closers[self.at + 1].and_then(|closer| self.tokens.get(closer + 1));
                let block = behind.is_some_and(|token| {
                    matches!(token.kind, TokenKind::Symbol(Symbol::LeftBrace))
                });
                if !block {
                    return None;
                }
                false
            }
            TokenKind::Keyword(keyword) => match keyword.begins_statement() {
                true => true,
                false => *keyword != Keyword::Function && *keyword != Keyword::Class,
            },
            TokenKind::Symbol(Symbol::Semicolon | Symbol::RightBrace | Symbol::Colon)
            | TokenKind::End => true,
            TokenKind::Symbol(_) => return None,
        };
        (!alone || rest == Rest::Nothing).then_some((rest, hint))
    }

    pub(super) fn begins_foreign(&self) -> bool {
        self.foreign_word().is_some() || self.name_at(0) == Some("try")
    }

    /// A statement that begins with a word of another language.
    pub(super) fn foreign_statement(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        // The lexer has told of `try` and `catch`.
        let (rest, hint) = self.foreign_word().unwrap_or((Rest::Block, ERRORS));
        let message = format!("{} isn't HSL", self.peek().describe());
        self.report(Diagnostic::error(start, message).with_hint(hint));
        self.advance();
        match rest {
            Rest::Nothing => {
                self.eat(Symbol::Semicolon);
                Ok(StatementKind::Empty)
            }
            Rest::Assignment if matches!(self.peek(), TokenKind::Variable(_)) => {
                self.expression_statement()
            }
            Rest::Function if self.name_at(0).is_some() => {
                let name = self.expect_name("a function")?;
                let function = self.function_rest(start, Some(name))?;
                Ok(StatementKind::Function(function))
            }
            Rest::Block => {
                if self.is(Symbol::LeftParenthesis) {
                    let at = self.at;
                    self.skip_brackets();
                    self.lose_since(at);
                }
                self.block_statement()
            }
            Rest::Assignment | Rest::Function | Rest::Unreadable => Err(Reported),
        }
    }

    /// Behind the first branch of an `if`: another spelling of `else if`, reported.
    pub(super) fn eat_foreign_else_if(&mut self) -> bool {
        let found = matches!(self.name_at(0), Some("elif" | "elsif"))
            && self.symbol_at(1) == Some(Symbol::LeftParenthesis);
        if found {
            let message = format!("{} isn't HSL", self.peek().describe());
            self.report(
                Diagnostic::error(self.span(), message)
                    .with_hint("write it as two words: `else if`"),
            );
        }
        found
    }

    /// Before a parameter: a type, reported and passed by.
    pub(super) fn skip_parameter_type(&mut self) {
        let typed = matches!(self.peek(), TokenKind::Name(_) | TokenKind::Keyword(_))
            && matches!(
                self.peek_after(1),
                TokenKind::Variable(_) | TokenKind::Symbol(Symbol::Ellipsis)
            );
        if typed {
            let message = format!("unexpected {} before a parameter", self.peek().describe());
            self.report(
                Diagnostic::error(self.span(), message).with_hint("parameters have no types"),
            );
            self.advance();
        }
    }

    /// Behind the parameters: a type, reported and passed by.
    pub(super) fn skip_return_type(&mut self) {
        let arrow = self.is(Symbol::Arrow);
        if !arrow && !self.is(Symbol::Colon) {
            return;
        }
        let typed = matches!(
            self.peek_after(1),
            TokenKind::Name(_) | TokenKind::Keyword(_)
        ) && self.symbol_at(2) == Some(Symbol::LeftBrace);
        if typed {
            let span = self.span();
            self.advance();
            let message = format!("unexpected {} before the body", self.peek().describe());
            self.report(
                Diagnostic::error(self.since(span), message).with_hint("functions have no types"),
            );
            self.advance();
        }
    }

    /// What the author probably wants, where the current token isn't what was expected.
    pub(super) fn hint_for(&self, expected: &str) -> Option<String> {
        match expected {
            "`(`" => self.hint_for_parenthesis(),
            "`as`" if matches!(self.previous(), TokenKind::Symbol(Symbol::Multiply)) => {
                Some("write `import * as name from \"file\";`".into())
            }
            "`as`" => Some("write `foreach ($array as $value)`, or `as $key => $value`".into()),
            IMPORTED => self.hint_for_import(),
            FILE_NAME => match self.peek() {
                TokenKind::Variable(_) => Some("files are read when the script is compiled".into()),
                TokenKind::Symbol(Symbol::LeftParenthesis) => {
                    Some("leave the parentheses out: `include \"file\";`".into())
                }
                _ => None,
            },
            "`:`" if self.is(Symbol::Comma) => {
                Some("each value has a `case` of its own: `case 1: case 2:`".into())
            }
            "`:`" if self.is(Symbol::Pair) => Some("write `case value:`".into()),
            "`;`" => self.hint_for_part(),
            "`{`" => matches!(self.name_at(0)?, "extends" | "implements")
                .then(|| "a class can't be made from another one".into()),
            "a variable" => self
                .name_at(0)
                .map(|name| format!("variables begin with `$`: `${name}`")),
            "an expression" => self.hint_for_expression(),
            "`]`" if self.is(Symbol::Colon) => Some("a key is followed by `=>`".into()),
            "`{`, the body of the function" if self.is_keyword(Keyword::Return) => {
                Some(BLOCK.into())
            }
            "`{`, the body of the function" if self.name_at(0) == Some("use") => {
                Some("a capture list is written `closure ($a, $b)`".into())
            }
            "`)`" | "`{`, the body of the function" if self.is(Symbol::Pair) => Some(ARROW.into()),
            _ => None,
        }
    }

    fn hint_for_import(&self) -> Option<String> {
        match self.peek() {
            TokenKind::Name(name) => Some(format!("write `import {{ {name} }} from \"file\";`")),
            TokenKind::String(_) => Some("`include` takes in all of a file".into()),
            _ => None,
        }
    }

    /// Where a member of a class should begin.
    pub(super) fn hint_for_member(&self) -> Option<String> {
        let hint = match self.peek() {
            TokenKind::Keyword(Keyword::Constructor) => "a constructor is public and makes objects",
            TokenKind::Name(word) => match &**word {
                "public" | "protected" | "var" | "let" => "members are public unless `private`",
                "const" => "a value of the class is written `static $name = value;`",
                "abstract" | "final" | "readonly" => "leave the word out",
                "__construct" | "__init__" => "write `constructor(...) { ... }`",
                word => match self.symbol_at(1) {
                    Some(Symbol::LeftParenthesis) => {
                        return Some(format!("write `function {word}(...) {{ ... }}`"));
                    }
                    Some(Symbol::Assign | Symbol::Semicolon) => {
                        return Some(format!("variables begin with `$`: `${word}`"));
                    }
                    _ => return None,
                },
            },
            _ => return None,
        };
        Some(hint.into())
    }

    fn hint_for_parenthesis(&self) -> Option<String> {
        Some(match self.previous() {
            TokenKind::Keyword(Keyword::Constructor) | TokenKind::Name(_) => {
                "the parameters stand in parentheses, `()` for none".into()
            }
            TokenKind::Keyword(keyword @ (Keyword::If | Keyword::While | Keyword::Switch)) => {
                format!("parentheses are needed: `{} (...)`", keyword.text())
            }
            TokenKind::Keyword(Keyword::Foreach) => {
                "parentheses are needed: `foreach ($array as $value)`".into()
            }
            TokenKind::Keyword(Keyword::For) => {
                "parentheses are needed: `for ($i = 0; $i < 10; $i++)`".into()
            }
            TokenKind::Keyword(keyword @ (Keyword::Isset | Keyword::Unset)) => {
                format!("parentheses are needed: `{}($variable)`", keyword.text())
            }
            _ => return None,
        })
    }

    /// Between the parts of `for`.
    fn hint_for_part(&self) -> Option<String> {
        let walks = matches!(self.name_at(0), Some("in" | "of"))
            || self.is_keyword(Keyword::As)
            || self.is(Symbol::Colon);
        if walks {
            return Some("an array is gone through with `foreach ($array as $value)`".into());
        }
        self.is(Symbol::Comma)
            .then(|| "each part of `for` is one expression".into())
    }

    fn hint_for_expression(&self) -> Option<String> {
        let hint = match self.peek() {
            TokenKind::Symbol(Symbol::LeftBrace) => "an array is written `[\"key\" => value]`",
            TokenKind::Symbol(Symbol::Colon) => BLOCK,
            TokenKind::Symbol(Symbol::Concatenate) => match self.peek_after(1) {
                TokenKind::Number(_) => "a number begins with a digit: `0.5`",
                _ => return None,
            },
            TokenKind::Symbol(Symbol::BitAnd) => {
                "there are no references; use `global` or a `closure` list"
            }
            TokenKind::Keyword(Keyword::From) => "write `import { name } from \"file\";`",
            TokenKind::Keyword(Keyword::Class) => "a class is declared by a statement of its own",
            _ => return None,
        };
        Some(hint.into())
    }

    /// Whether a comment that ends like a statement stands behind the last token: `$a // 2;`.
    fn is_cut_by_comment(&self) -> bool {
        let before = self.tokens[self.at.saturating_sub(1)].span.end as usize;
        let rest = self.text.get(before..).unwrap_or_default();
        let line = rest
            .split(|octet| *octet == b'\n')
            .next()
            .unwrap_or_default();
        let line = line.trim_ascii();
        line.starts_with(b"//") && line.ends_with(b";")
    }

    /// What the author probably wants, where a statement does not end.
    pub(super) fn hint_for_end(&self) -> Option<String> {
        let hint = match (self.previous(), self.peek()) {
            (
                TokenKind::Symbol(Symbol::RightParenthesis) | TokenKind::Name(_),
                TokenKind::Symbol(Symbol::Pair),
            ) => ARROW,
            (_, TokenKind::Symbol(Symbol::Pair)) => "`>=` compares",
            _ if self.is_cut_by_comment() => "`//` begins a comment",
            (TokenKind::Symbol(Symbol::RightBrace), _) => {
                "what ends in a function needs a `;` behind the `}`"
            }
            (_, TokenKind::Name(name)) => {
                let index = OPERATORS.binary_search_by(|(word, _)| word.cmp(&&**name));
                OPERATORS[index.ok()?].1
            }
            (
                TokenKind::String(_) | TokenKind::Interpolation(_),
                TokenKind::String(_) | TokenKind::Interpolation(_) | TokenKind::Variable(_),
            )
            | (TokenKind::Variable(_), TokenKind::String(_) | TokenKind::Interpolation(_)) => {
                "join strings with `.`"
            }
            (TokenKind::Name(name), TokenKind::String(_) | TokenKind::Interpolation(_)) => {
                match name.len() {
                    1 => "strings have no prefixes: \"...\" and ''...'' are all there is",
                    _ => return Some(format!("arguments stand in parentheses: `{name}(...)`")),
                }
            }
            _ => return None,
        };
        Some(hint.into())
    }
}

const ARROW: &str = "a function as a value is written `function ($x) { return $x; }`";

/// What to write instead of an expression that was assigned to.
pub(super) fn hint_for_place(kind: &ExpressionKind, verb: &str) -> Option<String> {
    match kind {
        ExpressionKind::FunctionName {
            name,
            builtin: false,
        } => Some(format!("variables begin with `$`: `${}`", name.name)),
        ExpressionKind::Call(callee, _) => match &callee.kind {
            ExpressionKind::FunctionName { name, .. } if &*name.name == "list" => {
                Some("an array is taken apart by `[$a, $b] = $array`".into())
            }
            _ => None,
        },
        ExpressionKind::String(_) | ExpressionKind::Number(_) if verb == "assign to" => {
            Some("values are compared by `==`; a key is followed by `=>`".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{OPERATORS, STATEMENTS};

    #[test]
    fn words_are_in_order() {
        assert!(STATEMENTS.is_sorted_by(|(one, ..), (next, ..)| one < next));
        assert!(OPERATORS.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
