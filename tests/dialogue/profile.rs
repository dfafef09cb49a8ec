//! What the names of profiles in dialogues mean.
//!
//! In: a name. Out: the options of a session and what its destination does with messages.

use postern::smtp::session::{AcceptDomains, Relay, SessionLimits, SessionOptions};

/// A profile of the dialogues.
#[derive(Debug)]
pub(crate) struct Profile {
    /// What the operator would have written.
    pub(crate) options: SessionOptions,
    /// Whether clients may send to any domain.
    pub(crate) relay: Relay,
    /// What becomes of messages.
    pub(crate) destination: Destination,
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
/// `international` (a domain that is not ASCII), `relay` (clients may send to any domain), `failing` (nothing can be stored).
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
        destination: Destination::Stores,
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
            }
        }
        "international" => {
            profile.options.accept_domains = domains(&["xn--bcher-kva.example"]);
        }
        "sink" => profile.options.accept_domains = domains(&["*"]),
        "relay" => profile.relay = Relay::Allowed,
        "failing" => profile.destination = Destination::Fails,
        _ => return None,
    }
    Some(profile)
}

fn domains(patterns: &[&str]) -> AcceptDomains {
    AcceptDomains::new(patterns).expect("the patterns of the profiles are right")
}
