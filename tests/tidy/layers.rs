//! Who may name whom: crates in their folders, modules of the engine in their layers, `unsafe` in its files.
//!
//! In: code without comments. Out: places that break the arrows of docs/ARCHITECTURE.md. By words, not by resolution: a
//! rule may be fooled on purpose, not by accident.

use super::sources::{File, Tree, has_word};
use super::{no_complaints, rust_files, unused_exceptions};

/// Crates that are wrapped, and the only places that may name them.
const WRAPPED: &[(&str, &[&str])] = &[
    (
        "glommio",
        &[
            "src/shard/",
            "src/connection/",
            "src/delivery/",
            "src/host/",
            "bench/",
        ],
    ),
    ("io_uring", &["src/shard/placement.rs"]),
    ("landlock", &["src/privilege/confine.rs"]),
    (
        "rustls",
        &[
            "src/tls/",
            "loadgen/",
            "bench/src/idle/",
            "tests/engine/",
            "tests/simulation/",
        ],
    ),
    ("x509_parser", &["src/tls/"]),
    (
        "rcgen",
        &[
            "src/tls/",
            "loadgen/",
            "bench/src/idle/",
            "tests/engine/",
            "tests/fuzzing/",
        ],
    ),
    ("cranelift_codegen", &["jit/src/codegen/"]),
    ("cranelift_frontend", &["jit/src/codegen/"]),
    ("cranelift_jit", &["jit/src/codegen/"]),
    ("cranelift_module", &["jit/src/codegen/"]),
    ("cranelift_native", &["jit/src/codegen/"]),
    ("corosensei", &["jit/src/execution/fiber.rs"]),
    ("libc", &["jit/src/boundary/allocator.rs"]),
    ("toml_edit", &["src/profile/"]),
    ("rustyline", &["src/command/hsl/terminal.rs"]),
    ("argon2", &["src/credentials/"]),
    ("bcrypt", &["src/credentials/"]),
    ("sha_crypt", &["src/credentials/"]),
    ("subtle", &["src/credentials/"]),
    ("signal_hook", &["src/command/", "loadgen/"]),
    (
        "clap",
        &["src/main.rs", "src/command/", "loadgen/", "bench/"],
    ),
    ("hdrhistogram", &["loadgen/"]),
    ("indicatif", &["loadgen/"]),
    ("proptest", &["tests/", "src/", "jit/"]),
];

#[test]
fn wrapped_crates_are_named_only_where_they_are_wrapped() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for file in rust_files(&tree).filter(|file| !file.path.starts_with("tests/tidy")) {
        for (number, line) in file.code() {
            for (name, places) in WRAPPED {
                let is_allowed = places.iter().any(|place| file.path.starts_with(place));
                let is_named =
                    has_word(line, &format!("{name}::")) || has_word(line, &format!("use {name}"));
                if is_named && !is_allowed {
                    complaints.push(format!(
                        "{}:{number}: names {name}, only {places:?} may",
                        file.path
                    ));
                }
            }
        }
    }
    no_complaints("a wrapped crate is named outside its wrapping", complaints);
}

/// What each layer of the engine may import of the engine. The arrows are in docs/ARCHITECTURE.md.
const LAYERS: &[(&str, &[&str])] = &[
    ("src/limits.rs", &["limits"]),
    ("src/smtp/", &["limits", "smtp"]),
    ("src/tls/", &["limits", "tls"]),
    ("src/hook/", &["limits", "smtp", "hook"]),
    (
        "src/credentials/",
        &["limits", "smtp", "mailbox", "credentials"],
    ),
    (
        "src/profile/",
        &["limits", "smtp", "hook", "tls", "credentials", "profile"],
    ),
    ("src/proxy_protocol/", &["limits", "proxy_protocol"]),
    ("src/metrics/", &["metrics"]),
    ("src/privilege/", &["privilege", "profile"]),
];

#[test]
fn layers_import_only_what_is_below_them() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for (layer, allowed) in LAYERS {
        for file in rust_files(&tree).filter(|file| file.path.starts_with(layer)) {
            for (number, line) in file.code() {
                for module in modules_named(line) {
                    if !allowed.contains(&module) {
                        complaints.push(format!(
                            "{}:{number}: imports {module}, {layer} may not",
                            file.path
                        ));
                    }
                }
                if layer != &"src/hook/"
                    && layer != &"src/profile/"
                    && has_word(line, "postern_jit")
                {
                    complaints.push(format!(
                        "{}:{number}: knows scripts, {layer} may not",
                        file.path
                    ));
                }
            }
        }
    }
    no_complaints("a layer imports what is above it", complaints);
}

#[test]
fn packages_do_not_depend_on_the_engine_from_below() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    for (package, forbidden) in [
        ("jit/", ["postern", "postern_loadgen"]),
        ("loadgen/", ["postern", "postern_jit"]),
    ] {
        for file in rust_files(&tree).filter(|file| file.path.starts_with(package)) {
            for (number, line) in file.code() {
                for name in forbidden
                    .iter()
                    .filter(|name| has_word(line, &format!("{name}::")))
                {
                    complaints.push(format!("{}:{number}: names {name}", file.path));
                }
            }
        }
    }
    no_complaints("jit and loadgen know nothing of the engine", complaints);
}

/// The modules a line names after `crate::`.
fn modules_named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        end.map_or(rest, |end| &rest[..end])
    })
}

/// Files that may hold `unsafe`, and why.
const UNSAFE: &[(&str, &str)] = &[
    (
        "jit/src/boundary/enter.rs",
        "the one call from Rust into generated code",
    ),
    (
        "jit/src/boundary/shims.rs",
        "the calls from generated code into Rust",
    ),
    ("jit/src/codegen/module.rs", "owns executable memory"),
    (
        "jit/src/execution/fiber.rs",
        "parks a script on its own stack",
    ),
    (
        "jit/src/execution/instance.rs",
        "empties the heap of an execution that was given up",
    ),
    (
        "jit/src/boundary/allocator.rs",
        "asks the C library to give free memory back",
    ),
    ("jit/src/runtime/array/mod.rs", "a heap object"),
    ("jit/src/runtime/blocks.rs", "the memory under the heap"),
    ("jit/src/runtime/function.rs", "a heap object"),
    (
        "jit/src/runtime/heap/allocate.rs",
        "makes objects in the memory of the heap",
    ),
    (
        "jit/src/runtime/heap/count.rs",
        "counts references to objects and destroys them",
    ),
    ("jit/src/runtime/heap/mod.rs", "the heap itself"),
    ("jit/src/runtime/object.rs", "a heap object"),
    ("jit/src/runtime/place.rs", "elements are changed in place"),
    ("jit/src/runtime/string/mod.rs", "octets behind a header"),
    ("jit/src/runtime/value.rs", "tagged pointers"),
    (
        "jit/src/runtime/vector.rs",
        "elements of a block of the heap",
    ),
];

#[test]
fn unsafe_code_is_where_it_is_expected() {
    let tree = Tree::read();
    let mut complaints = Vec::new();
    let mut used = Vec::new();
    for file in rust_files(&tree).filter(|file| !file.path.starts_with("tests/tidy")) {
        let Some((number, _)) = file.code().find(|(_, line)| has_word(line, "unsafe")) else {
            continue;
        };
        if UNSAFE.iter().any(|(path, _)| *path == file.path) {
            used.push(file.path.clone());
        } else {
            complaints.push(format!("{}:{number}: unsafe outside the list", file.path));
        }
    }
    complaints.extend(unused_exceptions(UNSAFE, &used));
    no_complaints("unsafe code stands in a few files", complaints);
}

#[test]
fn crates_deny_unsafe_code() {
    let tree = Tree::read();
    let is_denied = |file: &&File| file.text.contains("#![deny(unsafe_code)]");
    for root in [
        "src/lib.rs",
        "jit/src/lib.rs",
        "loadgen/src/main.rs",
        "bench/src/main.rs",
    ] {
        assert!(
            tree.file(root).as_ref().is_some_and(is_denied),
            "{root} denies unsafe code"
        );
    }
}

#[test]
fn words_are_found_whole() {
    assert!(has_word("use glommio::io;", "glommio::"));
    assert!(!has_word("use my_glommio::io;", "glommio"));
    assert_eq!(
        modules_named("use crate::smtp::line; crate::limits::X").collect::<Vec<_>>(),
        ["smtp", "limits"]
    );
}
