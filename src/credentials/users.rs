//! The users of one profile.
//!
//! In: names and secrets. Out: whether credentials are those of a user. Guarantees: who is not known takes as long as
//! who is and has the wrong password: a name that does not exist is measured against the secret of some user, always the
//! same one for the same name, and refused whatever comes out. So neither one answer nor the times of many tell which
//! names exist, whichever kinds of hashes the users have.
//! Does not: fold case or normalise; a name is its octets.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::Secret;
use crate::limits;
use crate::smtp::session::{AuthOutcome, Credentials, Proof};

/// Names and secrets of one profile; immutable.
#[derive(Debug, Default)]
pub struct Users {
    places: HashMap<Box<[u8]>, usize>,
    secrets: Vec<Secret>,
    /// Chooses whose secret a name that does not exist is measured against.
    stand_ins: RandomState,
}

/// Why a name cannot be that of a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameError {
    /// It is empty, too long, or holds control characters.
    Malformed,
    /// There is such a user already.
    Taken,
}

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(
                formatter,
                "a user name has 1-{} octets and no control characters",
                limits::USER_NAME_OCTETS_MAX
            ),
            Self::Taken => formatter.write_str("the user is given twice"),
        }
    }
}

impl Users {
    /// Adds a user.
    ///
    /// # Errors
    ///
    /// The name is none, or taken.
    pub fn add(&mut self, name: &str, secret: Secret) -> Result<(), NameError> {
        let is_long = !(1..=limits::USER_NAME_OCTETS_MAX).contains(&name.len());
        if is_long || name.chars().any(char::is_control) {
            return Err(NameError::Malformed);
        }
        if self.places.contains_key(name.as_bytes()) {
            return Err(NameError::Taken);
        }
        self.places
            .insert(name.as_bytes().into(), self.secrets.len());
        self.secrets.push(secret);
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.secrets.len()
    }

    /// How many have a plain secret.
    #[must_use]
    pub fn plain_count(&self) -> usize {
        let plain = self.secrets.iter().filter(|secret| secret.is_plain());
        plain.count()
    }

    /// Whether these are the credentials of a user. May take seconds.
    #[must_use]
    pub fn verify(&self, credentials: &Credentials) -> AuthOutcome {
        if self.secrets.is_empty() {
            return AuthOutcome::Refused;
        }
        let known = self.places.get(&*credentials.user_name).copied();
        let stand_in = self.stand_in(&credentials.user_name);
        let secret = &self.secrets[known.unwrap_or(stand_in)];
        let is_proven = match &credentials.proof {
            Proof::Password(password) => secret.is_password(password),
            Proof::CramMd5 { challenge, digest } => secret.is_cram_md5(challenge, digest),
        };
        if is_proven & known.is_some() {
            AuthOutcome::Accepted
        } else {
            AuthOutcome::Refused
        }
    }

    /// The place of the user that stands in for a name that does not exist.
    fn stand_in(&self, name: &[u8]) -> usize {
        let count = self.secrets.len() as u64;
        let place = self.stand_ins.hash_one(name) % count;
        usize::try_from(place).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::{NameError, Users};
    use crate::credentials::Secret;
    use crate::smtp::session::{AuthOutcome, Credentials, Proof};

    fn users(list: &[(&str, &str)]) -> Users {
        let mut users = Users::default();
        for (name, text) in list {
            let secret = Secret::parse(text).expect("a secret");
            users.add(name, secret).expect("a name");
        }
        users
    }

    fn verify(users: &Users, name: &str, password: &str) -> AuthOutcome {
        users.verify(&Credentials {
            user_name: name.as_bytes().into(),
            proof: Proof::Password(Box::<[u8]>::from(password.as_bytes()).into()),
        })
    }

    #[test]
    fn each_user_has_a_secret() {
        let users = users(&[("ann", "tanstaaf"), ("bob", "swordfish")]);
        assert_eq!(verify(&users, "ann", "tanstaaf"), AuthOutcome::Accepted);
        assert_eq!(verify(&users, "ann", "swordfish"), AuthOutcome::Refused);
        assert_eq!(verify(&users, "bob", "swordfish"), AuthOutcome::Accepted);
        assert_eq!(verify(&users, "Ann", "tanstaaf"), AuthOutcome::Refused);
        assert_eq!((users.count(), users.plain_count()), (2, 2));
    }

    /// Attack: the times of answers tell which users exist. A name that does not is measured against a user's secret;
    /// also when it is the right one, it is refused.
    #[test]
    fn an_unknown_user_is_measured_like_a_known_one() {
        let users = users(&[("ann", "tanstaaf"), ("bob", "tanstaaf")]);
        for number in 0..100 {
            let name = format!("nobody-{number}");
            assert_eq!(verify(&users, &name, "tanstaaf"), AuthOutcome::Refused);
            let stand_in = users.stand_in(name.as_bytes());
            assert!(stand_in < users.count());
            assert_eq!(
                stand_in,
                users.stand_in(name.as_bytes()),
                "the same every time"
            );
        }
        let mut stand_ins = (0..100_u8).map(|number| users.stand_in(&[number]));
        assert!(
            stand_ins.any(|place| place == 0),
            "each user stands in for some"
        );
        assert_eq!(verify(&Users::default(), "ann", "x"), AuthOutcome::Refused);
    }

    #[test]
    fn names_are_checked() {
        let mut users = users(&[("ann", "tanstaaf")]);
        let mut add = |name: &str| users.add(name, Secret::parse("x").expect("plain"));
        assert_eq!(add(""), Err(NameError::Malformed));
        assert_eq!(add("a\0b"), Err(NameError::Malformed));
        assert_eq!(add("a\nb"), Err(NameError::Malformed));
        assert_eq!(add(&"x".repeat(256)), Err(NameError::Malformed));
        assert_eq!(add("ann"), Err(NameError::Taken));
        assert_eq!(add(&"x".repeat(255)), Ok(()));
    }
}
