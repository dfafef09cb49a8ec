//! Tokens of short texts, and that no text is too odd.

use super::*;
use crate::source::SourceMap;

/// The tokens in words, and the messages.
fn lex(text: &[u8]) -> (String, Vec<String>) {
    let mut sources = SourceMap::new();
    let id = sources.add("t.hsl", text).unwrap();
    let mut diagnostics = Diagnostics::new();
    let tokens = tokenize(text, id, &mut diagnostics);
    let words: Vec<String> = tokens
        .list
        .iter()
        .map(|token| match &token.kind {
            TokenKind::Number(number) => number.to_string(),
            TokenKind::String(octets) => format!("\"{}\"", escape(octets)),
            TokenKind::Interpolation(pieces) => format!("{}-pieces", pieces.len()),
            TokenKind::End => ".".into(),
            other => other.describe().replace('`', ""),
        })
        .collect();
    let messages = diagnostics.iter().map(|one| one.message.clone()).collect();
    (words.join(" "), messages)
}

fn accepted(text: &str, expected: &str) {
    assert_eq!(
        lex(text.as_bytes()),
        (expected.to_owned(), vec![]),
        "{text}"
    );
}

fn refused(text: &str, expected: &str, message: &str) {
    let (words, messages) = lex(text.as_bytes());
    assert_eq!(words, expected, "{text}");
    assert_eq!(messages, [message], "{text}");
}

#[test]
fn numbers() {
    accepted("0 12 1.5 0xfA 0o17 0b101", "0 12 1.5 250 15 5 .");
    accepted("1.0 . 2.5", "1 . 2.5 .");
    accepted("1.$x", "1 . $x .");
    accepted("1...$x", "1 ... $x .");
    refused("1abc", "1 .", "`1abc` isn't a number");
    refused("0x", "0 .", "`0x` isn't a number");
    refused("0b12", "1 .", "`0b12` isn't a number");
    refused("1_000", "1 .", "`_` in numbers is reserved for a later HSL");
    refused("1e5", "1 .", "`1e5` isn't a number");
}

#[test]
fn double_quoted_strings() {
    accepted(r#""a\\\"\$\n\x41""#, r#""a\"$\x0aA" ."#);
    accepted(r#""$1 $ ${ ${a b} $""#, r#""$1 $ ${ ${a b} $" ."#);
    accepted(r#""$a_b c ${d}e""#, "4-pieces .");
    accepted("\"a\nb\"", r#""a\x0ab" ."#);
    refused(r#""\d""#, r#""" ."#, r"`\d` isn't an escape sequence");
    refused(r#""\x4g""#, r#""g" ."#, r"`\x` without its two digits");
    refused(r#"1 "abc"#, r#"1 "" ."#, "this string has no end");
    refused("\"abc\\", r#""" ."#, "this string has no end");
}

#[test]
fn raw_strings() {
    accepted(r"''a\n$x''", r#""a\n$x" ."#);
    accepted("'END'it''s'END'", r#""it''s" ."#);
    accepted("'#'x''y'#';", r#""x''y" ; ."#);
    accepted("''''", r#""" ."#);
    refused(
        "'abc def';",
        r#""" ; ."#,
        "a string isn't written in single quotes",
    );
    refused("''abc;", r#""" ."#, "this raw string has no end");
    refused("'abc';", r#""" ; ."#, "this raw string has no end");
}

#[test]
fn operators_take_the_longest_spelling() {
    accepted("$a**=2", "$a **= 2 .");
    accepted("a!==b===c!=d", "a !== b === c != d .");
    accepted("[::-1]", "[ :: - 1 ] .");
    accepted("->$x =~ !~ ?? ? :", "-> $x =~ !~ ?? ? : .");
    refused("a && b", "a and b .", "`&&` isn't HSL");
    refused("a || b", "a or b .", "`||` isn't HSL");
    refused("elseif", "else if .", "`elseif` isn't HSL");
    refused("a >>> b", "a >> b .", "`>>>` is reserved for a later HSL");
}

#[test]
fn words_and_comments() {
    accepted(
        "and foreach Foreach $foreach",
        "and foreach Foreach $foreach .",
    );
    accepted("a // b\nc /* d\n */ e", "a c e .");
    accepted("\u{feff}a\u{a0}b", "a b .");
    accepted("$o->match()", "$o -> match ( ) .");
    refused("yield", "yield .", "`yield` is reserved for a later HSL");
    refused("a /* b", "a .", "this comment has no end");
    refused("# b\na", "a .", "`#` doesn't begin a comment");
    refused(
        "#/re/i\na",
        "a .",
        "regular expression literals are reserved for a later HSL",
    );
    refused("$ a", "$ a .", "`$` without a name");
    refused("a @@\u{e5} b", "a b .", "`@@\u{e5}` has no meaning here");
}

#[test]
fn a_forgotten_quote_points_at_the_first_string_that_spans_lines() {
    let text = b"echo \"a;\necho \"b\";";
    let mut sources = SourceMap::new();
    let id = sources.add("t.hsl", text).unwrap();
    let mut diagnostics = Diagnostics::new();
    let tokens = tokenize(text, id, &mut diagnostics);
    assert_eq!(tokens.unreadable_from, Some(5));
    assert_eq!(diagnostics.iter().next().unwrap().labels.len(), 1);
}

#[test]
fn spans_cover_the_spelling() {
    let text = b"  $ab \"c$d\"";
    let mut sources = SourceMap::new();
    let id = sources.add("t.hsl", text).unwrap();
    let tokens = tokenize(text, id, &mut Diagnostics::new());
    let ranges: Vec<(u32, u32)> = tokens
        .list
        .iter()
        .map(|t| (t.span.start, t.span.end))
        .collect();
    assert_eq!(ranges, [(2, 5), (6, 11), (11, 11)]);
    let TokenKind::Interpolation(pieces) = &tokens.list[1].kind else {
        panic!("an interpolation");
    };
    let Piece::Variable(variable) = &pieces[1] else {
        panic!("a variable");
    };
    assert_eq!((variable.span.start, variable.span.end), (8, 10));
}

use crate::syntax::ast::Piece;
