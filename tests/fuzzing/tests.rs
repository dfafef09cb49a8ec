//! The fuzz targets, fed with what is kept and with random octets.
//!
//! In: `fuzz/regressions`, seeds. Out: nothing, or what a target finds.

use std::path::{Path, PathBuf};

use super::TARGETS;
use crate::dialogue::memory::Random;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Inputs that a fuzzer once found a mistake with, or that show what a target is fed.
#[test]
fn kept_inputs_do_no_harm() {
    for (name, target) in TARGETS {
        let folder = fuzz_folder().join("regressions").join(name);
        let files = std::fs::read_dir(&folder).expect("each target has kept inputs");
        let mut count = 0;
        for file in files {
            let path = file.expect("an entry").path();
            target(
                &std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            );
            count += 1;
        }
        assert!(0 < count, "{name} has no kept input");
    }
}

/// Words of the protocol in any order get further than octets alone.
#[test]
fn random_inputs_do_no_harm() {
    for (index, (name, target)) in TARGETS.iter().enumerate() {
        for round in 0..rounds_count(name) {
            let mut random = Random(round << 8 | index as u64);
            let mut input = Vec::new();
            for _ in 0..random.below(40) {
                match random.below(3) {
                    0 => input.push(u8::try_from(random.below(256)).unwrap_or(0)),
                    _ => input.extend_from_slice(WORDS[random.below(WORDS.len())]),
                }
            }
            target(&input);
        }
    }
}

/// A handshake takes longer than anything else here.
fn rounds_count(name: &str) -> u64 {
    if name == "tls-records" { 200 } else { 2_000 }
}

/// Each target has a program, and each folder of kept inputs a target.
#[test]
fn every_target_is_driven() {
    let manifest = std::fs::read_to_string(fuzz_folder().join("Cargo.toml"));
    let manifest = manifest.expect("the fuzz targets have a manifest");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = fuzz_folder().join(format!("targets/{name}.rs"));
        assert!(program.is_file(), "{name}");
    }
    let folders = std::fs::read_dir(fuzz_folder().join("regressions")).expect("a folder");
    for folder in folders {
        let name = folder.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let is_known = TARGETS.iter().any(|(known, _)| name == *known);
        assert!(
            is_known || !(name.starts_with("smtp-") || name.starts_with("tls-")),
            "{name} is no target"
        );
    }
}

const WORDS: [&[u8]; 52] = [
    b"EHLO a\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"RCPT TO:<c@example.org>\r\n",
    b"DATA\r\n",
    b"BDAT 5\r\n",
    b"BDAT 9 LAST\r\n",
    b"RSET\r\n",
    b"\r\n.\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b".",
    b"..",
    b"\0",
    b"<",
    b">",
    b"@",
    b"\"",
    b"\\",
    b"[",
    b"]",
    b":",
    b"example.org",
    b"IPv6:2001:db8::1",
    b"SIZE=5",
    b"BODY=8BITMIME",
    b" SMTPUTF8",
    b"\xc3\xa9",
    b"Received: x\r\n",
    b"x",
    b"STARTTLS\r\n",
    b"\x16",
    b"AUTH PLAIN AGFubgB0YW5zdGFhZg==\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH CRAM-MD5\r\n",
    b"AGFubgB0YW5zdGFhZg==\r\n",
    b"YW5u\r\n",
    b"dGFuc3RhYWY=\r\n",
    b"*\r\n",
    b"=\r\n",
    b"XCLIENT ADDR=203.0.113.7 NAME=a.example\r\n",
    b"220 a\r\n",
    b"250 2.1.0 Ok\r\n",
    b"250-a\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-DSN\r\n250 CHUNKING\r\n",
    b"250-BINARYMIME\r\n",
    b"354 Go\r\n",
    b"550 5.1.1 no\r\n",
    b"421 4.3.2 bye\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
    b"PROXY UNKNOWN",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
    b"192.0.2.9192",
];
