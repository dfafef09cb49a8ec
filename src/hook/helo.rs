//! The hook `helo`: whether a client is welcome, what it is called, and what EHLO announces.
//!
//! In: how a script ended, the session. Out: [`Action`], [`Announcement`]. An error is `Defer()`, an implicit end is
//! `Accept()`. Guarantees: what is announced and known to the session is what it then accepts: an extension that it cannot
//! offer now is withheld, whatever the script wants. Every extension is one line.
//! Does not: act on anything.
//!
//! Extensions that the session does not know are announced as written; scripts of `proxy` may implement them.
//! Deviation: known ones keep the session's parameters, but for AUTH, which may be narrowed to fewer mechanisms.
//!
//! HSL manual: "HELO"; RFC 5321 §4.1.1.1 (ehlo-line).

use postern_jit::error::ErrorKind;
use postern_jit::execution::Ending;
use postern_jit::runtime::Portable;
use postern_jit::runtime::portable::PortableKey;

use super::arguments::{OptionNames, Options};
use super::command::{self, CommandAction};
use super::{Failure, Hook};
use crate::limits;
use crate::smtp::command::HeloDomain;
use crate::smtp::extension::{Extension, Extensions, Mechanism, Mechanisms};
use crate::smtp::reply::{self, Replies};
use crate::smtp::session::Session;

/// What a `helo` script decided.
pub type Action = CommandAction<Accept>;

/// How a client is welcomed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accept {
    /// The name that the client has from now on; one that it could have sent.
    pub senderhelo: Option<Box<[u8]>>,
    /// What EHLO announces instead, line by line: a keyword, and perhaps more behind it.
    pub extensions: Option<Vec<Box<[u8]>>>,
    /// The first line of the reply; it is one.
    pub reason: Option<Box<[u8]>>,
}

/// The reply to EHLO as a script wants it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// What the client may use.
    pub usable: Extensions,
    /// The lines of the reply.
    pub lines: Vec<Box<[u8]>>,
    /// What the script wanted and the session cannot offer now.
    pub withheld: Vec<Extension>,
}

/// The action a script ended with.
///
/// # Errors
///
/// The script failed, or called a function with arguments it does not take.
pub fn action(ending: Ending) -> Result<Action, Failure> {
    command::action(Hook::Helo, ending, ACCEPT_OPTIONS, accept)
}

/// The extensions in a list, each as EHLO would announce it: what `GetExtensions()` gives.
#[must_use]
pub fn extension_list(extensions: Extensions) -> Portable {
    let lines = announced(extensions).into_iter().enumerate();
    let elements = lines.map(|(index, line)| {
        let key = PortableKey::Integer(i64::try_from(index).unwrap_or(i64::MAX));
        (key, Portable::String(line))
    });
    Portable::Array(elements.collect())
}

impl Accept {
    /// The reply to EHLO; none if it is the usual one. The session has the client's new name already.
    #[must_use]
    pub fn announcement(&self, session: &Session) -> Option<Announcement> {
        if self.extensions.is_none() && self.reason.is_none() {
            return None;
        }
        let offered = session.extensions();
        let wanted = match &self.extensions {
            Some(wanted) => wanted.clone(),
            None => announced(offered),
        };
        let usable = offered.narrowed_to(known(&wanted, offered));
        let announced = announced(usable);
        let mut announcement = Announcement {
            usable,
            lines: vec![self.first_line(session)],
            withheld: Vec::new(),
        };
        for (index, line) in wanted.iter().enumerate() {
            let is_same = |other: &[u8]| keyword(other).eq_ignore_ascii_case(keyword(line));
            if wanted[..index].iter().any(|other| is_same(other)) {
                continue;
            }
            match Extension::of_keyword(keyword(line)) {
                Some(extension) if !usable.offers(extension) => {
                    announcement.withheld.push(extension);
                }
                Some(_) => {
                    let ours = announced.iter().find(|ours| is_same(ours));
                    announcement.lines.extend(ours.cloned());
                }
                None => announcement.lines.push(line.clone()),
            }
        }
        Some(announcement)
    }

    fn first_line(&self, session: &Session) -> Box<[u8]> {
        if let Some(reason) = &self.reason {
            return reason.clone();
        }
        let hostname = session.options().hostname.as_bytes();
        let client = session.helo().map_or(&b""[..], |(_, name)| name);
        let mut line = [hostname, b" greets ", client].concat();
        line.truncate(limits::EHLO_GREETING_OCTETS_MAX);
        line.into()
    }
}

/// The lines of EHLO behind the first, taken from the very reply.
fn announced(extensions: Extensions) -> Vec<Box<[u8]>> {
    let mut replies = Replies::new();
    replies.push(&reply::ehlo("", b"", extensions));
    let lines = replies.as_octets().split(|octet| *octet == b'\n').skip(1);
    let texts = lines.filter_map(|line| line.strip_suffix(b"\r")?.get(CODE_OCTETS..));
    texts.map(Box::from).collect()
}

/// Those of `wanted` that the session knows. AUTH without mechanisms means all that are offered.
fn known(wanted: &[Box<[u8]>], offered: Extensions) -> Extensions {
    let mut known = Extensions::none();
    for line in wanted {
        known = match Extension::of_keyword(keyword(line)) {
            Some(Extension::Auth) => {
                let names = line[keyword(line).len()..].split(|octet| matches!(octet, b' ' | b'='));
                let mut names = names.filter(|name| !name.is_empty()).peekable();
                if names.peek().is_none() {
                    known.with_auth(offered.mechanisms())
                } else {
                    let named = names.filter_map(Mechanism::of_name);
                    known.with_auth(named.fold(Mechanisms::default(), Mechanisms::with))
                }
            }
            Some(extension) => known.with(extension),
            None => known,
        };
    }
    known
}

/// `ehlo-keyword`, at the front of a line.
fn keyword(line: &[u8]) -> &[u8] {
    let is_other = |octet: &u8| !octet.is_ascii_alphanumeric() && *octet != b'-';
    let end = line.iter().position(is_other).unwrap_or(line.len());
    &line[..end]
}

/// Whether a line can stand in the reply to EHLO.
fn is_extension(line: &[u8]) -> bool {
    let keyword = keyword(line);
    line.len() <= limits::EHLO_EXTENSION_OCTETS_MAX
        && keyword.first().is_some_and(u8::is_ascii_alphanumeric)
        && matches!(line[keyword.len()..], [] | [b' ' | b'=', ..])
        && line.iter().all(|octet| matches!(octet, b' '..=b'~'))
}

fn accept(options: Options<'_>) -> Result<Accept, ErrorKind> {
    let senderhelo = match options.string("senderhelo")? {
        Some(name) => Some(name),
        None => options.string("host")?,
    };
    if senderhelo.is_some_and(|name| HeloDomain::new(name).is_none()) {
        return Err(options.wrong("senderhelo", "a domain or an address literal"));
    }
    let extensions = options.strings("extensions")?;
    if let Some(lines) = &extensions {
        if limits::EHLO_EXTENSIONS_COUNT_MAX < lines.len() {
            return Err(options.wrong("extensions", "at most 32 strings"));
        }
        if !lines.iter().all(|line| is_extension(line)) {
            let requirement = "strings of at most 110 octets: a keyword of letters, digits and \
                               hyphens, then printable ASCII";
            return Err(options.wrong("extensions", requirement));
        }
    }
    let reason = options.text("reason")?;
    if let Some(reason) = &reason
        && (reason.contains(&b'\n') || limits::EHLO_GREETING_OCTETS_MAX < reason.len())
    {
        return Err(options.wrong("reason", "one line of at most 500 octets"));
    }
    Ok(Accept {
        senderhelo: senderhelo.map(Box::from),
        extensions: extensions.map(|lines| lines.into_iter().map(Box::from).collect()),
        reason,
    })
}

/// The options of `Accept`; `host` is what later editions of the manual call `senderhelo`.
const ACCEPT_OPTIONS: OptionNames = OptionNames {
    names: &["extensions", "host", "reason", "senderhelo"],
    requirement: "made of extensions, host, reason and senderhelo, nothing else",
};

/// `250-`.
const CODE_OCTETS: usize = 4;

const _: () = assert!(
    limits::EHLO_EXTENSIONS_COUNT_MAX == 32
        && limits::EHLO_EXTENSION_OCTETS_MAX == 110
        && limits::EHLO_GREETING_OCTETS_MAX == 500,
    "the texts of the errors say so"
);

#[cfg(test)]
mod tests {
    use super::{Accept, announced, is_extension};
    use crate::limits;
    use crate::smtp::command::Command;
    use crate::smtp::extension::{Extension, Extensions, Mechanism, Mechanisms};
    use crate::smtp::reply::Replies;
    use crate::smtp::session::{ClientFacts, Session, SessionOptions};

    fn session() -> Session {
        let options = SessionOptions::new("mx.example.org");
        let client = ClientFacts::new(std::net::Ipv4Addr::LOCALHOST.into());
        let mut session = Session::new(options.into(), client);
        let _ = session.step(Command::parse(b"EHLO client.example"), &mut Replies::new());
        session
    }

    fn lines(extensions: &[&str]) -> (Vec<String>, Vec<Extension>) {
        let accept = Accept {
            extensions: Some(
                extensions
                    .iter()
                    .map(|line| line.as_bytes().into())
                    .collect(),
            ),
            ..Accept::default()
        };
        let announcement = accept.announcement(&session()).expect("it is unusual");
        let lines = announcement.lines.iter();
        let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned());
        (lines.collect(), announcement.withheld)
    }

    #[test]
    fn lines_are_keywords_and_text() {
        for right in ["X", "8BITMIME", "X-FOO bar=baz", "AUTH=PLAIN LOGIN", "X  "] {
            assert!(is_extension(right.as_bytes()), "{right}");
        }
        for wrong in [
            "",
            " X",
            "-X",
            "X\r\n250 Y",
            "X\tY",
            "X_Y",
            "X\0",
            "X \u{e9}",
        ] {
            assert!(!is_extension(wrong.as_bytes()), "{wrong}");
        }
        let longest = "X".repeat(limits::EHLO_EXTENSION_OCTETS_MAX);
        assert!(is_extension(longest.as_bytes()));
        assert!(!is_extension((longest + "X").as_bytes()));
    }

    #[test]
    fn what_the_session_cannot_offer_is_withheld() {
        let (lines, withheld) = lines(&[
            "X-A b",
            "starttls",
            "pipelining",
            "AUTH",
            "x-a c",
            "PIPELINING",
        ]);
        assert_eq!(
            lines,
            [
                "mx.example.org greets client.example",
                "X-A b",
                "PIPELINING"
            ]
        );
        assert_eq!(withheld, [Extension::StartTls, Extension::Auth]);
    }

    #[test]
    fn what_an_extension_needs_must_be_there() {
        let (_, withheld) = lines(&["BINARYMIME", "SMTPUTF8", "CHUNKING"]);
        assert_eq!(withheld, [Extension::BinaryMime, Extension::SmtpUtf8]);
        let (_, withheld) = lines(&["BINARYMIME", "SMTPUTF8", "CHUNKING", "8BITMIME"]);
        assert!(withheld.is_empty());
    }

    #[test]
    fn parameters_are_those_of_the_session() {
        let (lines, _) = lines(&["SIZE 5"]);
        assert_eq!(lines[1], "SIZE 67108864");
    }

    #[test]
    fn mechanisms_may_be_fewer() {
        let both = Mechanisms::default()
            .with(Mechanism::Plain)
            .with(Mechanism::Login);
        let offered = Extensions::none().with_auth(both);
        let narrowed = |line: &str| {
            let wanted = super::known(&[line.as_bytes().into()], offered);
            let lines = announced(offered.narrowed_to(wanted));
            let lines = lines
                .iter()
                .map(|line| String::from_utf8_lossy(line).into_owned());
            lines.collect::<Vec<_>>()
        };
        assert_eq!(narrowed("AUTH"), ["AUTH PLAIN LOGIN"]);
        assert_eq!(narrowed("auth=login x"), ["AUTH LOGIN"]);
        assert!(narrowed("AUTH CRAM-MD5").is_empty());
    }
}
