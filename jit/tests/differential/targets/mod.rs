//! What the fuzz targets do with an input, as functions that panic when something is wrong.
//!
//! In: any octets. Out: nothing. The programs of `fuzz/` call these with what libFuzzer makes up; the tests of this folder
//! call them with what is kept in `fuzz/regressions`.

mod call;
mod text;

/// A target: its name, which is also that of its folder of kept inputs, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const TARGETS: &[Target] = &[
    ("builtins", call::builtins),
    ("compile", text::compile),
    ("parse", text::parse),
    ("program", text::program),
    ("regex", call::regex),
    ("run", text::run),
];
