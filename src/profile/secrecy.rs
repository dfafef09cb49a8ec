//! Lines of configurations as they may be shown: without what proves a user.
//!
//! In: a text and where a line of it starts. Out: the line, with `*` for each character of a secret or a hash. Guarantees:
//! places of characters stay; on a line with users only names of keys are shown, however broken the line is.
//! Does not: parse TOML; what is shown of a file that cannot be parsed needs this most.

/// The line that starts at `start`, as it may be shown.
pub(super) fn shown(text: &str, start: usize, line: &str) -> String {
    if holds_users(text, start, line) {
        masked(line)
    } else {
        line.to_owned()
    }
}

/// `name:secret`, and lines that are not that, as they may be shown; octets stay where they are.
pub(super) fn shown_users_file(text: &str) -> String {
    text.split_inclusive('\n').map(shown_user).collect()
}

fn shown_user(line: &str) -> String {
    if line.starts_with('#') {
        return line.to_owned();
    }
    let (name, _) = line.split_once(':').unwrap_or_default();
    let keep = if line.contains(':') {
        name.len() + 1
    } else {
        0
    };
    let end = line.trim_end().len().max(keep);
    [&line[..keep], &"*".repeat(end - keep), &line[end..]].concat()
}

/// Whether the line belongs to `users`, as a key with its table, within such a table, or below its header.
fn holds_users(text: &str, start: usize, line: &str) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let is_open = || {
        let place = after_users_key(before)?;
        let rest = before.get(place..)?.trim_start();
        Some(rest.starts_with('{') && !rest.contains('}'))
    };
    let header = || {
        let mut lines = before.lines().rev();
        let header = lines.find(|line| line.trim_start().starts_with('['))?;
        let name = header.split(']').next()?;
        Some(name.trim_end_matches(['"', '\'', ' ']).ends_with("users"))
    };
    after_users_key(line).is_some() || is_open() == Some(true) || header() == Some(true)
}

/// Behind the last `users =`.
fn after_users_key(text: &str) -> Option<usize> {
    let ends = text
        .rmatch_indices("users")
        .map(|(at, word)| at + word.len());
    ends.filter_map(|end| {
        let rest = text.get(end..)?;
        let behind = rest.trim_start_matches(['"', '\'', ' ', '\t']);
        let is_key = behind.starts_with(['=', '.']);
        is_key.then_some(end + rest.len() - behind.len() + 1)
    })
    .next()
}

/// The line with all words masked that are not followed by `=`.
fn masked(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '"' | '\'' => quoted(rest, first),
            ' ' | '\t' | '=' | '{' | '}' | ',' => rest.split_at(1),
            _ => {
                let end = rest.find([' ', '\t', '=', '{', '}', ',', '"', '\'']);
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        rest = behind;
        let is_mark = matches!(word, " " | "\t" | "=" | "{" | "}" | ",");
        if is_mark || rest.trim_start().starts_with(['=', '.']) {
            shown.push_str(word);
        } else {
            shown.extend(word.chars().map(|_| '*'));
        }
    }
    shown
}

/// A quoted word with its quotes, up to the end if it has none, and what is behind it.
fn quoted(text: &str, quote: char) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !is_escaped {
            return text.split_at(at + 1);
        }
        is_escaped = quote == '"' && character == '\\' && !is_escaped;
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::{shown, shown_users_file};

    fn last_line(text: &str) -> String {
        let start = text.rfind('\n').map_or(0, |at| at + 1);
        shown(text, start, &text[start..])
    }

    #[test]
    fn secrets_of_users_are_masked() {
        for (text, expected) in [
            ("id = \"inbound\"", "id = \"inbound\""),
            (
                "users = { \"ann\" = \"tanstaaf\", bob = '$2b$,x' }",
                "users = { \"ann\" = **********, bob = ******** }",
            ),
            ("users.ann = \"tanstaaf\"", "users.ann = **********"),
            ("users={ ann = tanstaaf }", "users={ ann = ******** }"),
            // Broken lines.
            (
                "users = { \"ann\" = \"tan, \"bob",
                "users = { \"ann\" = **********",
            ),
            (
                "users = { \"ann\" \"tanstaaf\" }",
                "users = { ***** ********** }",
            ),
            ("users = { ann = \"t\u{e4}n\\\"s", "users = { ann = *******"),
            ("users = {\n  ann = \"tanstaaf\"", "  ann = **********"),
            ("[server.users]\nann = \"tanstaaf\"", "ann = **********"),
            (
                "[[server]]\nx = 1\n[ server . \"users\" ]\n# old\na = '1'",
                "a = ***",
            ),
            // Others.
            ("users = {}\nid = \"a\"", "id = \"a\""),
            (
                "[server.users]\na = 'b'\n[[server]]\nid = \"a\"",
                "id = \"a\"",
            ),
            ("users_file = \"users\"", "users_file = \"users\""),
        ] {
            assert_eq!(last_line(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_of_users_shows_names() {
        assert_eq!(
            shown_users_file("# all\nann:tanstaaf\r\nbob\n\nb\u{e4}r:\u{e4}"),
            "# all\nann:********\r\n***\n\nb\u{e4}r:**"
        );
    }
}
