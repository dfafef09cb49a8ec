//! What the fuzz targets share: the functions that take an input, which are those of the tests of the engine and of `jit`.
//!
//! In: octets that libFuzzer made up. Out: nothing, or a panic that libFuzzer reports. Nothing is decided here: the tests
//! feed what is kept in `regressions` to the same functions.

#[path = "../tests/dialogue/mod.rs"]
#[expect(dead_code, reason = "only the server in memory is used")]
mod dialogue;
#[path = "../tests/fuzzing/mod.rs"]
mod fuzzing;
#[path = "../jit/tests/differential/program.rs"]
#[expect(dead_code, reason = "programs are made from inputs, not by number")]
mod program;
#[path = "../jit/tests/differential/shapes.rs"]
mod shapes;
#[path = "../jit/tests/differential/small.rs"]
mod small;
#[path = "../jit/tests/differential/targets/mod.rs"]
mod targets;
#[path = "../jit/tests/differential/templates.rs"]
mod templates;
#[path = "../jit/tests/differential/ways.rs"]
#[expect(dead_code, reason = "libFuzzer makes inputs smaller itself")]
mod ways;

/// Feeds an input to the target of this name.
///
/// # Panics
///
/// When the target finds something wrong, which is what it is for, or when there is none of this name.
pub fn feed(name: &str, octets: &[u8]) {
    let mut all = targets::TARGETS.iter().chain(fuzzing::TARGETS);
    let target = all.find(|(known, _)| *known == name);
    let (_, target) = target.expect("the target exists");
    target(octets);
}

/// As [`feed`], on a stack that is large enough for the plain evaluator, which recurses on the tree.
///
/// # Panics
///
/// As [`feed`], or when there is no memory for a thread.
pub fn feed_on_large_stack(name: &'static str, octets: &[u8]) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || feed(name, octets));
        let ran = thread.expect("a thread").join();
        assert!(ran.is_ok(), "see above");
    });
}

const STACK_BYTES: usize = 256 << 20;
