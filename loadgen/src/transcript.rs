//! Prints a dialogue the way RFC 5321 appendix D does.
//!
//! In: lines as sent and received. Out: the same on standard output behind `C: ` and `S: `.
//! Meant for a handful of messages; it writes as it goes and gives up quietly when the output is
//! closed. Does not reorder: pipelined commands stand before the replies to all of them.

use std::io::{self, Write};

/// Where the dialogue goes.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    line: Vec<u8>,
}

impl Transcript {
    /// Prints whole lines the client sent.
    pub(crate) fn client(&mut self, octets: &[u8]) {
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            self.print(b"C: ", line);
        }
    }

    /// Prints one line of the server.
    pub(crate) fn server(&mut self, line: &[u8]) {
        self.print(b"S: ", line);
    }

    fn print(&mut self, speaker: &[u8], line: &[u8]) {
        self.line.clear();
        self.line.extend_from_slice(speaker);
        self.line.extend_from_slice(line.trim_ascii_end());
        self.line.push(b'\n');
        // A closed pipe must not stop the run whose dialogue it is.
        drop(io::stdout().write_all(&self.line));
    }
}
