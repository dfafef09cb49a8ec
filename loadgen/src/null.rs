//! A canned responder: the ceiling of this transport, so that results can be given as ratios.
//!
//! In: octets of a session. Out: fixed replies. It looks at the first letter of each line and for
//! the end of mail data, at nothing else, and accepts whatever it is sent.

use memchr::{memchr_iter, memmem};

use crate::listener::{Flow, Responder};

/// Answers without understanding.
#[derive(Debug, Default)]
pub(crate) struct Null;

/// Where a session stands.
#[derive(Debug, Default)]
pub(crate) struct NullSession {
    in_mail_data: bool,
    at_line_start: bool,
    first: u8,
    /// The last octets of the mail data so far, at most four: the end may be cut in two.
    tail: Vec<u8>,
    is_begun: bool,
}

impl Responder for Null {
    type Session = NullSession;

    fn greeting(&mut self) -> &'static [u8] {
        b"220 null.invalid ESMTP\r\n"
    }

    fn receive(
        &mut self,
        session: &mut NullSession,
        octets: &[u8],
        replies: &mut Vec<u8>,
    ) -> (usize, Flow) {
        let mut taken = 0;
        while let Some(rest) = octets.get(taken..).filter(|rest| !rest.is_empty()) {
            if session.in_mail_data {
                let Some(end) = session.end_of_mail_data(rest) else {
                    break;
                };
                taken += end;
                session.in_mail_data = false;
                session.at_line_start = true;
                replies.extend_from_slice(b"250 2.0.0 ok\r\n");
                continue;
            }
            let (count, flow) = session.commands(rest, replies);
            taken += count;
            if flow == Flow::Close {
                return (taken, flow);
            }
        }
        (octets.len(), Flow::Continue)
    }

    fn is_done(&self) -> bool {
        false
    }
}

impl NullSession {
    /// Answers command lines up to DATA, QUIT or the end of `octets`.
    fn commands(&mut self, octets: &[u8], replies: &mut Vec<u8>) -> (usize, Flow) {
        if !self.is_begun {
            self.is_begun = true;
            self.at_line_start = true;
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', octets) {
            let first = match octets.get(start) {
                Some(first) if self.at_line_start => *first,
                _ => self.first,
            };
            start = end + 1;
            self.at_line_start = true;
            match first {
                b'D' | b'd' => {
                    replies.extend_from_slice(b"354 go ahead\r\n");
                    self.in_mail_data = true;
                    self.tail.clear();
                    self.tail.extend_from_slice(b"\r\n");
                    return (start, Flow::Continue);
                }
                b'E' | b'e' => {
                    replies.extend_from_slice(b"250-null.invalid\r\n250 PIPELINING\r\n");
                }
                b'Q' | b'q' => {
                    replies.extend_from_slice(b"221 2.0.0 bye\r\n");
                    return (start, Flow::Close);
                }
                _ => replies.extend_from_slice(b"250 2.0.0 ok\r\n"),
            }
        }
        if let Some(first) = octets.get(start).filter(|_| self.at_line_start) {
            self.first = *first;
            self.at_line_start = false;
        }
        (octets.len(), Flow::Continue)
    }

    /// How many octets the mail data still has; `None` while its end is not in sight.
    fn end_of_mail_data(&mut self, octets: &[u8]) -> Option<usize> {
        let head = octets.get(..END.len() - 1).unwrap_or(octets);
        let before = self.tail.len();
        self.tail.extend_from_slice(head);
        if let Some(place) = memmem::find(&self.tail, END) {
            return Some(place + END.len() - before);
        }
        if let Some(place) = memmem::find(octets, END) {
            return Some(place + END.len());
        }
        if END.len() - 1 <= octets.len() {
            self.tail.clear();
            self.tail
                .extend_from_slice(&octets[octets.len() - (END.len() - 1)..]);
        } else {
            let surplus = self.tail.len().saturating_sub(END.len() - 1);
            self.tail.drain(..surplus);
        }
        None
    }
}

const END: &[u8] = b"\r\n.\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_do_not_depend_on_the_cuts() {
        let octets: &[u8] =
            b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<d@q>\r\nDATA\r\nX: y\r\n\r\n..\r\n\
            .x\r\n.\r\nMAIL FROM:<>\r\nDATA\r\n.\r\nQUIT\r\n";
        let codes = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut session = NullSession::default();
            let mut replies = Vec::new();
            for piece in pieces {
                Null.receive(&mut session, piece, &mut replies);
            }
            String::from_utf8(replies).expect("ASCII")
        };
        let whole = codes(&mut [octets].into_iter());
        let first: Vec<&str> = whole.lines().map(|line| &line[..4]).collect();
        let expected = [
            "250-", "250 ", "250 ", "250 ", "354 ", "250 ", "250 ", "354 ", "250 ", "221 ",
        ];
        assert_eq!(first, expected);
        for cut in 0..=octets.len() {
            let (one, other) = octets.split_at(cut);
            assert_eq!(codes(&mut [one, other].into_iter()), whole, "cut at {cut}");
        }
        assert_eq!(codes(&mut octets.chunks(1)), whole);
    }
}
