//! Reads the keys of a configuration file as they were written.
//!
//! In: TOML text. Out: strings, numbers, lists and tables with the span of each, asked for key by key. Guarantees: a
//! key of the wrong type, out of range or never asked for becomes a [`Diagnostic`], and reading goes on, so that one
//! run reports every error of the file. Does not know what any key means; `load.rs` does.

use std::ops::Range;

use toml_edit::{Array, Item, TableLike, Value};

use super::diagnostic::{Diagnostic, Severity, SourceText};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Collects the errors of one file.
#[derive(Debug)]
pub(super) struct Report<'t> {
    pub(super) source: &'t SourceText,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What does not keep postern from starting.
    pub(super) warnings: Vec<Diagnostic>,
}

impl Report<'_> {
    /// Notes an error at `span`.
    pub(super) fn error(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.diagnostics
            .push(self.source.diagnostic(span, message, help));
    }
}

impl Report<'_> {
    /// Notes at `span` what does not keep postern from starting.
    pub(super) fn warning(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let mut found = self.source.diagnostic(span, message, help);
        found.severity = Severity::Warning;
        self.warnings.push(found);
    }
}

/// One table of the file, with a record of the keys that were asked for.
pub(super) struct Section<'t> {
    name: String,
    table: &'t dyn TableLike,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// A section over `table`, called `name` in errors.
    pub(super) fn new(
        name: impl Into<String>,
        table: &'t dyn TableLike,
        span: Range<usize>,
    ) -> Self {
        Self {
            name: name.into(),
            table,
            span,
            asked: Vec::new(),
        }
    }

    /// Where the section begins, for errors about what it lacks.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn item(&mut self, key: &'static str) -> Option<(&'t Item, Range<usize>)> {
        self.asked.push(key);
        let (name, item) = self.table.get_key_value(key)?;
        let span = item
            .span()
            .or_else(|| name.span())
            .unwrap_or_else(|| self.span.clone());
        Some((item, span))
    }

    /// Whether a key is there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A string.
    pub(super) fn string(
        &mut self,
        key: &'static str,
        report: &mut Report<'_>,
    ) -> Option<Spanned<String>> {
        let (item, span) = self.item(key)?;
        let Some(text) = item.as_str() else {
            let message = format!("`{key}` must be a string, not {}", kind(item));
            report.error(span, message, in_quotes(key, item));
            return None;
        };
        Some(Spanned {
            value: text.to_owned(),
            span,
        })
    }

    /// A boolean.
    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        report: &mut Report<'_>,
    ) -> Option<Spanned<bool>> {
        let (item, span) = self.item(key)?;
        let Some(value) = item.as_bool() else {
            report.error(
                span,
                format!("`{key}` must be true or false, not {}", kind(item)),
                "",
            );
            return None;
        };
        Some(Spanned { value, span })
    }

    /// A whole number within `range`, or `default` when the key is absent or wrong.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: u64,
        range: Range<u64>,
        report: &mut Report<'_>,
    ) -> u64 {
        let number = self.opt_number(key, Some(default), range, report);
        number.unwrap_or(default)
    }

    /// A whole number within `range`; `None` when the key is absent or wrong. `default` is what its reader will take
    /// then, if that is a number.
    pub(super) fn opt_number(
        &mut self,
        key: &'static str,
        default: Option<u64>,
        range: Range<u64>,
        report: &mut Report<'_>,
    ) -> Option<u64> {
        let (item, span) = self.item(key)?;
        let Some(value) = item.as_integer() else {
            let message = format!("`{key}` must be a whole number, not {}", kind(item));
            let help = format!("{}-{}, without unit or quotes", range.start, range.end - 1);
            report.error(span, message, help);
            return None;
        };
        let number = u64::try_from(value).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let default =
                default.map_or_else(String::new, |default| format!(", default {default}"));
            let help = format!("{}-{}{default}", range.start, range.end - 1);
            report.error(span, format!("`{key}` = {value} is out of range"), help);
        }
        number
    }

    /// A list of strings; `None` when the key is absent or wrong.
    pub(super) fn strings(
        &mut self,
        key: &'static str,
        report: &mut Report<'_>,
    ) -> Option<Spanned<Vec<Spanned<String>>>> {
        let (item, span) = self.item(key)?;
        let Some(array) = item.as_array() else {
            let message = format!("`{key}` must be a list of strings, not {}", kind(item));
            let help = item.as_str().map(|text| format!("{key} = [\"{text}\"]"));
            report.error(span, message, help.unwrap_or_default());
            return None;
        };
        Some(Spanned {
            value: strings_of(key, array, &span, report),
            span,
        })
    }

    /// A sub-table such as `[server.limits]`; an absent one reads as empty.
    pub(super) fn table(&mut self, key: &'static str, report: &mut Report<'_>) -> Option<Self> {
        let (item, span) = self.item(key)?;
        let Some(table) = item.as_table_like() else {
            report.error(
                span,
                format!("`{key}` must be a table, not {}", kind(item)),
                "",
            );
            return None;
        };
        let name = if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        };
        Some(Self::new(name, table, span))
    }

    /// The tables of `[[key]]`, in order.
    pub(super) fn tables(&mut self, key: &'static str, report: &mut Report<'_>) -> Vec<Self> {
        let Some((item, span)) = self.item(key) else {
            return Vec::new();
        };
        let Some(tables) = item.as_array_of_tables() else {
            let message = format!(
                "`{key}` must be written as [[{key}]], not as {}",
                kind(item)
            );
            report.error(span, message, "");
            return Vec::new();
        };
        tables
            .iter()
            .map(|table| Self::new(key, table, table.span().unwrap_or_else(|| span.clone())))
            .collect()
    }

    /// Keys and string values of a table whose keys are free, such as `users`, each pair with the span of its value.
    pub(super) fn names(
        &mut self,
        key: &'static str,
        report: &mut Report<'_>,
    ) -> Vec<Spanned<(String, String)>> {
        let Some(section) = self.table(key, report) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for (name, item) in section.table.iter() {
            let span = item.span().unwrap_or_else(|| section.span.clone());
            if let Some(text) = item.as_str() {
                names.push(Spanned {
                    value: (name.to_owned(), text.to_owned()),
                    span,
                });
            } else {
                report.error(
                    span,
                    format!("`{key}.{name}` must be a string, not {}", kind(item)),
                    "",
                );
            }
        }
        names
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self, report: &mut Report<'_>) {
        for (name, item) in self.table.iter() {
            if self.asked.contains(&name) {
                continue;
            }
            let span = self
                .table
                .get_key_value(name)
                .and_then(|(key, _)| key.span());
            let span = span
                .or_else(|| item.span())
                .unwrap_or_else(|| self.span.clone());
            let place = if self.name.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", self.name)
            };
            let help = match closest(name, &self.asked) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", self.asked.join(", ")),
            };
            report.error(span, format!("unknown key `{name}`{place}"), help);
        }
    }
}

fn strings_of(
    key: &str,
    array: &Array,
    whole: &Range<usize>,
    report: &mut Report<'_>,
) -> Vec<Spanned<String>> {
    let mut strings = Vec::with_capacity(array.len());
    for value in array {
        let span = value.span().unwrap_or_else(|| whole.clone());
        if let Value::String(text) = value {
            strings.push(Spanned {
                value: text.value().clone(),
                span,
            });
        } else {
            report.error(
                span,
                format!("`{key}` must hold strings only, not {}", value.type_name()),
                "",
            );
        }
    }
    strings
}

/// How a value that is no string is written as one.
fn in_quotes(key: &str, item: &Item) -> String {
    let text = match item {
        Item::Value(Value::Integer(number)) => number.value().to_string(),
        Item::Value(Value::Boolean(value)) => value.value().to_string(),
        _ => return String::new(),
    };
    format!("a string stands in quotes: {key} = \"{text}\"")
}

fn kind(item: &Item) -> &'static str {
    item.type_name()
}

/// The known name that `written` was most likely meant to be: at most a third of its letters differ.
pub(super) fn closest<'n>(written: &str, known: &[&'n str]) -> Option<&'n str> {
    known
        .iter()
        .map(|name| (edit_distance(written, name), *name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance with two rows; keys are short.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.chars().enumerate() {
        let mut corner = above[0];
        above[0] = row + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = above[column + 1];
            above[column + 1] = changed.min(corner + 1).min(above[column] + 1);
        }
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{closest, edit_distance};

    #[test]
    fn slips_of_the_pen_are_recognised() {
        assert_eq!(edit_distance("listen", "listen"), 0);
        assert_eq!(edit_distance("listn", "listen"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(
            closest("listn", &["id", "listen", "limits"]),
            Some("listen")
        );
        assert_eq!(closest("colour", &["id", "listen"]), None);
    }
}
