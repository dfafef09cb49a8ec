//! What the fuzz targets of the protocol do with an input, as functions that panic when something is wrong.
//!
//! In: any octets. Out: nothing. The programs of `fuzz/` call these with what libFuzzer makes up; the tests of this folder
//! call them with what is kept in `fuzz/regressions`, and with random octets.

mod auth;
mod content;
mod next_hop;
mod proxy_header;
mod session;
#[cfg(test)]
mod tests;
mod text;
mod tls;

/// A target: its name, which is also that of its folder of kept inputs, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const TARGETS: &[Target] = &[
    ("smtp-address", text::address),
    ("smtp-auth", auth::exchange),
    ("smtp-chunks", content::chunks),
    ("smtp-client", next_hop::client),
    ("smtp-command", text::command),
    ("smtp-line", text::line),
    ("smtp-mail-data", content::mail_data),
    ("smtp-proxy-header", proxy_header::header),
    ("smtp-reply", next_hop::reply),
    ("smtp-session", session::session),
    ("tls-records", tls::records),
];

/// The octets of an input, cut into pieces whose sizes it chooses itself: a count, so many sizes, then what is cut.
fn cut(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let Some((&count, rest)) = input.split_first() else {
        return (input, Vec::new());
    };
    let count = usize::from(count % 16).min(rest.len());
    let (sizes, octets) = rest.split_at(count);
    let mut pieces = Vec::new();
    let mut left = octets;
    let mut sizes = sizes.iter().cycle();
    while !left.is_empty() {
        let size = sizes
            .next()
            .map_or(left.len(), |size| 1 + usize::from(*size));
        let (piece, rest) = left.split_at(size.min(left.len()));
        pieces.push(piece);
        left = rest;
    }
    (octets, pieces)
}
