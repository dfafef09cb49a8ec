//! What proves a user: a secret as it is, or a hash of one.
//!
//! In: the text an operator wrote. Out: a [`Secret`] that can be compared with what a client sent. Guarantees: a hash is
//! checked when it is read, its cost included: no login takes more memory than [`limits::HASH_MEMORY_BYTES_MAX`] or, with a
//! password within its bound, more than a few seconds; every comparison takes constant time; a secret is never shown.
//! Does not: make hashes.
//!
//! The formats: Argon2id in PHC string form (RFC 9106 §3), bcrypt as `$2a$`, `$2b$` or `$2y$`, SHA-512 crypt as `$6$`.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha_crypt::ShaCrypt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits;

/// The secret of one user.
pub struct Secret {
    scheme: Scheme,
    /// As written, and valid for the scheme.
    text: Zeroizing<String>,
}

/// How a secret is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scheme {
    Plain,
    Argon2id,
    Bcrypt,
    Sha512Crypt,
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretError {
    /// There is nothing.
    Empty,
    /// It is longer than any password that is looked at.
    TooLong,
    /// It starts like a hash and names no scheme that is known.
    UnknownScheme,
    /// It is no hash of its scheme, which is named.
    Malformed(&'static str),
    /// One login would take more memory than a login may.
    TooMuchMemory,
    /// One login would take longer than a login may.
    TooSlow,
}

impl SecretError {
    /// What to do about it.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Empty => "write a hash",
            Self::TooLong => "write a hash instead",
            Self::UnknownScheme => {
                "$argon2id$, $2a$, $2b$, $2y$ and $6$ are known; a plain secret must not start with $"
            }
            Self::Malformed(_) => "copy it whole, as the program that made it printed it",
            Self::TooMuchMemory => "make a hash with m=1048576 or less",
            Self::TooSlow => {
                "make a cheaper one: Argon2id with m times t up to 8388608, bcrypt with cost 4 to 15, \
                 SHA-512 crypt with 1000 to 500000 rounds"
            }
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("the secret is empty"),
            Self::TooLong => write!(
                formatter,
                "the secret exceeds {} octets",
                limits::PASSWORD_OCTETS_MAX
            ),
            Self::UnknownScheme => formatter.write_str("the scheme of the hash is not known"),
            Self::Malformed(scheme) => write!(formatter, "the hash is no {scheme} hash"),
            Self::TooMuchMemory => write!(
                formatter,
                "the hash takes more than {} bytes of memory for each login",
                limits::HASH_MEMORY_BYTES_MAX
            ),
            Self::TooSlow => formatter.write_str("the hash takes too long for each login"),
        }
    }
}

impl Secret {
    /// Reads what an operator wrote: a hash if it starts with `$`, otherwise the secret itself.
    ///
    /// # Errors
    ///
    /// It is neither, or a hash that costs too much.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if limits::PASSWORD_OCTETS_MAX < text.len() {
            return Err(SecretError::TooLong);
        }
        let scheme = if text.starts_with("$argon2id$") {
            check_argon2id(text)?;
            Scheme::Argon2id
        } else if ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            check_bcrypt(text)?;
            Scheme::Bcrypt
        } else if let Some(rest) = text.strip_prefix("$6$") {
            check_sha512_crypt(rest)?;
            Scheme::Sha512Crypt
        } else if text.starts_with('$') {
            return Err(SecretError::UnknownScheme);
        } else {
            Scheme::Plain
        };
        Ok(Self {
            scheme,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// Whether it is kept as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.scheme == Scheme::Plain
    }

    /// Whether `password` is it. Takes as long as the hash costs; a password over
    /// [`limits::PASSWORD_OCTETS_MAX`] is nobody's.
    #[must_use]
    pub fn is_password(&self, password: &[u8]) -> bool {
        if limits::PASSWORD_OCTETS_MAX < password.len() {
            return false;
        }
        match self.scheme {
            Scheme::Plain => {
                // Digests have one length, so that not even that of the secret shows in the time taken.
                let (sent, known) = (
                    Sha256::digest(password),
                    Sha256::digest(self.text.as_bytes()),
                );
                sent.as_slice().ct_eq(known.as_slice()).into()
            }
            Scheme::Argon2id => PasswordHash::new(&self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            // A password over 72 octets counts with its first 72, as everywhere else with bcrypt.
            Scheme::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Scheme::Sha512Crypt => ShaCrypt::SHA512
                .verify_password(password, self.text.as_str())
                .is_ok(),
        }
    }

    /// Whether `digest` answers `challenge` (RFC 2195 §2). Only a plain secret can tell; a hash takes as long and says
    /// no.
    #[must_use]
    pub fn is_cram_md5(&self, challenge: &[u8], digest: &[u8; 16]) -> bool {
        let Ok(mac) = Hmac::<Md5>::new_from_slice(self.text.as_bytes()) else {
            return false;
        };
        let is_answer = mac.chain_update(challenge).verify_slice(digest).is_ok();
        is_answer & self.is_plain()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({:?})", self.scheme)
    }
}

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`.
fn check_argon2id(text: &str) -> Result<(), SecretError> {
    const MALFORMED: SecretError = SecretError::Malformed("Argon2id");
    let hash = PasswordHash::new(text).map_err(|_| MALFORMED)?;
    let is_argon2id = Algorithm::try_from(hash.algorithm.as_str()) == Ok(Algorithm::Argon2id);
    let params = Params::try_from(&hash).map_err(|_| MALFORMED)?;
    let is_whole = hash.salt.is_some() && hash.hash.is_some();
    let is_known_version = matches!(hash.version, None | Some(0x10 | 0x13));
    if !(is_argon2id && is_whole && is_known_version) {
        return Err(MALFORMED);
    }
    if limits::HASH_MEMORY_BYTES_MAX < u64::from(params.m_cost()) * 1_024 {
        return Err(SecretError::TooMuchMemory);
    }
    let work_kib = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if ARGON2_WORK_KIB_MAX < work_kib || ARGON2_PASSES_MAX < params.t_cost() {
        return Err(SecretError::TooSlow);
    }
    Ok(())
}

/// `$2y$12$` and 53 characters of salt and hash.
fn check_bcrypt(text: &str) -> Result<(), SecretError> {
    const MALFORMED: SecretError = SecretError::Malformed("bcrypt");
    let parts: bcrypt::HashParts = text.parse().map_err(|_| MALFORMED)?;
    if parts.get_cost() < BCRYPT_COST_MIN {
        return Err(MALFORMED);
    }
    if BCRYPT_COST_MAX < parts.get_cost() {
        return Err(SecretError::TooSlow);
    }
    Ok(())
}

/// What follows `$6$`: `[rounds=5000$]salt$hash`.
fn check_sha512_crypt(rest: &str) -> Result<(), SecretError> {
    const MALFORMED: SecretError = SecretError::Malformed("SHA-512 crypt");
    let mut fields = rest.split('$');
    let mut field = fields.next().ok_or(MALFORMED)?;
    if let Some(rounds) = field.strip_prefix("rounds=") {
        let rounds: u32 = rounds.parse().map_err(|_| MALFORMED)?;
        if rounds < SHA_CRYPT_ROUNDS_MIN {
            return Err(MALFORMED);
        }
        if SHA_CRYPT_ROUNDS_MAX < rounds {
            return Err(SecretError::TooSlow);
        }
        field = fields.next().ok_or(MALFORMED)?;
    }
    let is_text = |text: &str| {
        let mut letters = text.bytes();
        letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'/'))
    };
    let (salt, hash) = (field, fields.next().ok_or(MALFORMED)?);
    let is_salt = (1..=SHA_CRYPT_SALT_MAX).contains(&salt.len()) && is_text(salt);
    let is_hash = hash.len() == SHA512_CRYPT_HASH_LETTERS && is_text(hash);
    if !is_salt || !is_hash || fields.next().is_some() {
        return Err(MALFORMED);
    }
    Ok(())
}

/// What Argon2id may fill, all passes together, in KiB: 8 GiB, some seconds.
const ARGON2_WORK_KIB_MAX: u64 = 8 * 1024 * 1024;

/// Passes of Argon2id, however little memory each takes.
const ARGON2_PASSES_MAX: u32 = 100_000;

/// The lowest cost that bcrypt knows.
const BCRYPT_COST_MIN: u32 = 4;

/// The highest cost of bcrypt that is accepted: two or three seconds; each further one doubles that.
const BCRYPT_COST_MAX: u32 = 15;

/// The lowest number of rounds that SHA-512 crypt knows.
const SHA_CRYPT_ROUNDS_MIN: u32 = 1_000;

/// The highest number of rounds that is accepted: with the longest password, some seconds.
const SHA_CRYPT_ROUNDS_MAX: u32 = 500_000;

/// Letters of a salt of SHA-512 crypt.
const SHA_CRYPT_SALT_MAX: usize = 16;

/// Letters of a hash of SHA-512 crypt: 64 octets.
const SHA512_CRYPT_HASH_LETTERS: usize = 86;

#[cfg(test)]
mod tests {
    use super::{Secret, SecretError};

    /// Of the reference implementation's tests: `password`, salt `somesalt`.
    const ARGON2ID: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ\
        $nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    /// Of crypt_blowfish's tests: `U*U`.
    const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    /// Of `openssl passwd -6`: `correct horse`.
    const SHA512_CRYPT: &str = "$6$pepperpepper$tiO8VzOAn.KFghW0NAIPRKJ4R7iJaZVbmpcNRXF4y1SNxeha7eGy8r.2jFfIuLZxp2XKPtI0bCHJfoZYU4I6./";

    fn error(text: &str) -> Option<SecretError> {
        Secret::parse(text).err()
    }

    #[test]
    fn hashes_of_other_programs_are_verified() {
        let bcrypt_y = BCRYPT.replacen("$2a$", "$2y$", 1);
        for (text, password) in [
            ("tanstaaf", "tanstaaf"),
            (ARGON2ID, "password"),
            (BCRYPT, "U*U"),
            (&bcrypt_y, "U*U"),
            (SHA512_CRYPT, "correct horse"),
        ] {
            let secret = Secret::parse(text).expect("a secret");
            assert!(secret.is_password(password.as_bytes()), "{text}");
            assert!(!secret.is_password(b""), "{text}");
            assert!(!secret.is_password(&password.as_bytes()[1..]), "{text}");
            assert!(
                !secret.is_password(format!("{password}x").as_bytes()),
                "{text}"
            );
            assert_eq!(secret.is_plain(), text == password);
        }
    }

    #[test]
    fn a_hash_is_not_its_own_password() {
        for text in [ARGON2ID, BCRYPT, SHA512_CRYPT] {
            let secret = Secret::parse(text).expect("a secret");
            assert!(!secret.is_password(text.as_bytes()));
        }
    }

    #[test]
    fn malformed_hashes_are_refused() {
        let argon2id = SecretError::Malformed("Argon2id");
        let bcrypt = SecretError::Malformed("bcrypt");
        let sha512_crypt = SecretError::Malformed("SHA-512 crypt");
        let cut = |text: &str| text[..text.len() - 1].to_owned();
        for (text, expected) in [
            (String::new(), SecretError::Empty),
            ("$1$salt$hash".to_owned(), SecretError::UnknownScheme),
            ("$5$salt$hash".to_owned(), SecretError::UnknownScheme),
            (
                "$argon2i$v=19$m=256,t=2,p=1$a$b".to_owned(),
                SecretError::UnknownScheme,
            ),
            ("$".to_owned(), SecretError::UnknownScheme),
            ("x".repeat(1_025), SecretError::TooLong),
            ("$argon2id$".to_owned(), argon2id),
            (
                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(),
                argon2id,
            ),
            (ARGON2ID.replacen("v=19", "v=20", 1), argon2id),
            (ARGON2ID.replacen("t=2", "t=0", 1), argon2id),
            (cut(BCRYPT), bcrypt),
            (BCRYPT.replacen("05", "03", 1), bcrypt),
            (BCRYPT.replacen("05", "xx", 1), bcrypt),
            (BCRYPT.replacen('C', "!", 1), bcrypt),
            (cut(SHA512_CRYPT), sha512_crypt),
            (
                SHA512_CRYPT.replacen("$6$", "$6$rounds=999$", 1),
                sha512_crypt,
            ),
            (
                SHA512_CRYPT.replacen("$6$", "$6$rounds=x$", 1),
                sha512_crypt,
            ),
            (SHA512_CRYPT.replacen("pepperpepper", "", 1), sha512_crypt),
            (
                SHA512_CRYPT.replacen("pepper", "peppercorns", 1),
                sha512_crypt,
            ),
            (format!("{SHA512_CRYPT}$"), sha512_crypt),
        ] {
            assert_eq!(error(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn no_login_costs_too_much() {
        let costs = |m: u32, t: u32| ARGON2ID.replacen("m=256,t=2", &format!("m={m},t={t}"), 1);
        assert_eq!(error(&costs(1_048_576, 8)), None);
        assert_eq!(
            error(&costs(1_048_577, 1)),
            Some(SecretError::TooMuchMemory)
        );
        assert_eq!(error(&costs(1_048_576, 9)), Some(SecretError::TooSlow));
        assert_eq!(error(&costs(8, 100_001)), Some(SecretError::TooSlow));
        assert_eq!(error(&BCRYPT.replacen("05", "15", 1)), None);
        assert_eq!(
            error(&BCRYPT.replacen("05", "16", 1)),
            Some(SecretError::TooSlow)
        );
        let rounds = |count: u32| SHA512_CRYPT.replacen("$6$", &format!("$6$rounds={count}$"), 1);
        assert_eq!(error(&rounds(500_000)), None);
        assert_eq!(error(&rounds(500_001)), Some(SecretError::TooSlow));
    }

    #[test]
    fn a_password_over_the_bound_is_nobody_s() {
        let longest = "x".repeat(1_024);
        let secret = Secret::parse(&longest).expect("within the bound");
        assert!(secret.is_password(longest.as_bytes()));
        assert!(!secret.is_password((longest + "x").as_bytes()));
    }

    #[test]
    fn only_plain_secrets_answer_challenges() {
        // The example of RFC 2195 §2.
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let digest = 0xb913_a602_c7ed_a7a4_95b4_e6e7_334d_3890_u128.to_be_bytes();
        let secret = Secret::parse("tanstaaftanstaaf").expect("plain");
        assert!(secret.is_cram_md5(challenge, &digest));
        assert!(!secret.is_cram_md5(b"<another>", &digest));
        let hash = Secret::parse(BCRYPT).expect("a hash");
        assert!(!hash.is_cram_md5(challenge, &digest));
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::parse("tanstaaf").expect("plain");
        assert_eq!(format!("{secret:?}"), "Secret(Plain)");
    }
}
