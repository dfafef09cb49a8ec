//! What the names of profiles in dialogues mean.
//!
//! In: a name. Out: the options of a session and what its destination does with messages.

use postern::credentials::{Secret, Users};
use postern::profile::Network;
use postern::smtp::extension::{Mechanism, Mechanisms};
use postern::smtp::session::{
    AcceptDomains, AuthOptions, Relay, SessionLimits, SessionOptions, StartTls, XClientUse,
};

/// A profile of the dialogues.
#[derive(Debug)]
pub(crate) struct Profile {
    /// What the operator would have written.
    pub(crate) options: SessionOptions,
    /// Whether clients may send to any domain.
    pub(crate) relay: Relay,
    /// Whether clients may use XCLIENT.
    pub(crate) xclient: XClientUse,
    /// Clients named by XCLIENT that may send to any domain.
    pub(crate) relay_from: Option<Network>,
    /// What becomes of messages.
    pub(crate) destination: Destination,
    /// Who may log in.
    pub(crate) users: Users,
}

/// What becomes of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// They are stored.
    Stores,
    /// They cannot be stored for now.
    Fails,
}

/// The profile of this name: `plain`, `small` (every limit is low), `sink` (every domain),
/// `international` (a domain that is not ASCII), `relay` (clients may send to any domain), `xclient`
/// (clients may use XCLIENT, and those it names of 203.0.113.0/24 may send to any domain), `failing`
/// (nothing can be stored), `starttls` (it is offered, and so is AUTH behind it), `auth` (every mechanism of AUTH, without TLS too), `auth-plain` (PLAIN only),
/// `auth-tls` (with TLS only), `auth-required` (before anything else).
pub(crate) fn profile(name: &str) -> Option<Profile> {
    let mut profile = Profile {
        options: SessionOptions {
            accept_domains: domains(&["example.org", "*.example.net"]),
            limits: SessionLimits {
                idle_commands_max: 5_000,
                ..SessionLimits::default()
            },
            ..SessionOptions::new("mx.example.org")
        },
        relay: Relay::Denied,
        xclient: XClientUse::Denied,
        relay_from: None,
        destination: Destination::Stores,
        users: users(),
    };
    match name {
        "plain" => {}
        "small" => {
            profile.options.limits = SessionLimits {
                message_octets_max: 1_000,
                recipients_per_message_max: 100,
                messages_per_connection_max: 2,
                errors_per_connection_max: 3,
                idle_commands_max: 5,
                received_headers_max: 100,
                ..SessionLimits::default()
            }
        }
        "international" => {
            profile.options.accept_domains = domains(&["xn--bcher-kva.example"]);
        }
        "sink" => profile.options.accept_domains = domains(&["*"]),
        "relay" => profile.relay = Relay::Allowed,
        "xclient" => {
            profile.xclient = XClientUse::Allowed;
            profile.relay_from = Network::parse("203.0.113.0/24").ok();
        }
        "failing" => profile.destination = Destination::Fails,
        "starttls" => {
            profile.options.start_tls = StartTls::Offered;
            profile.options.auth = auth("auth-tls")?;
        }
        _ => profile.options.auth = auth(name)?,
    }
    Some(profile)
}

/// What a profile of this name says of AUTH.
fn auth(name: &str) -> Option<AuthOptions> {
    let all = AuthOptions {
        mechanisms: Mechanism::ALL
            .into_iter()
            .fold(Mechanisms::default(), Mechanisms::with),
        is_offered_without_tls: true,
        is_required: false,
    };
    match name {
        "auth" => Some(all),
        "auth-plain" => Some(AuthOptions {
            mechanisms: Mechanisms::default().with(Mechanism::Plain),
            ..all
        }),
        "auth-tls" => Some(AuthOptions {
            is_offered_without_tls: false,
            ..all
        }),
        "auth-required" => Some(AuthOptions {
            is_required: true,
            ..all
        }),
        _ => None,
    }
}

/// `ann@example.org` with the secret `tanstaaf`, `bob smith` with a hash of it.
fn users() -> Users {
    let mut users = Users::default();
    for (name, text) in USERS {
        let secret = Secret::parse(text).expect("it is one");
        users.add(name, secret).expect("it is a name");
    }
    users
}

/// Names, and secrets or hashes, of the users of the profiles with AUTH.
pub(crate) const USERS: [(&str, &str); 2] = [("ann@example.org", "tanstaaf"), ("bob smith", BOB)];

const BOB: &str = "$6$saltsaltsalt$ustkQWljEg3A8gphQxjLGe1GnAKmsc/naML9ZNlaxCMzQL3LEi1Guwi7OswNzpTCE3p7cpw/peLRUnKJMJ61R0";

fn domains(patterns: &[&str]) -> AcceptDomains {
    AcceptDomains::new(patterns).expect("the patterns of the profiles are right")
}
