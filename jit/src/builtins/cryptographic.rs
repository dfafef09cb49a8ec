//! The functions of the chapter "Cryptographic" that need no keys of the host: digests, signatures, randomness. Ciphers are
//! in `aes.rs`.
//!
//! RFC 1321 (MD5), FIPS 180-4 (SHA-1, SHA-2), RFC 2104 (HMAC), RFC 8032 (Ed25519). Digests are lower-case hex, as the
//! manual has them; keys and signatures are raw octets.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512};

use super::aes::{aes_decrypt, aes_encrypt};
use super::{Builtin, BuiltinOption, Call, Unwind, option, optional, required};
use crate::runtime::number::to_count;
use crate::runtime::{Kinds, StringBuilder, Value};

const NUMBER: Kinds = Kinds::NUMBER;
const STRING: Kinds = Kinds::STRING;
const MESSAGE: &[super::Parameter] = &[required("message", STRING)];
const KEYED: &[super::Parameter] = &[required("key", STRING), required("message", STRING)];

const CIPHERED: &[super::Parameter] = &[
    required("message", STRING),
    required("key", STRING),
    required("mode", STRING),
    optional("options", Kinds::ARRAY),
];

const CIPHER_OPTIONS: &[BuiltinOption] = &[
    option("iv", "16 octets for the mode \"cbc\""),
    option(
        "padding",
        "fills the last block up as PKCS #7 has it; without it true",
    ),
];

/// The most octets `random_bytes` gives.
const RANDOM_OCTETS_MAX: usize = 1024 * 1024;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("md5", MESSAGE, STRING, digest::<Md5>)
        .says("the MD5 digest, in hex")
        .shown(&[("md5(\"abc\")", "900150983cd24fb0d6963f7d28e17f72")]),
    Builtin::pure("sha1", MESSAGE, STRING, digest::<Sha1>)
        .says("the SHA-1 digest, in hex")
        .shown(&[("sha1(\"abc\")", "a9993e364706816aba3e25717850c26c9cd0d89d")]),
    Builtin::pure(
        "sha2",
        &[required("message", STRING), required("hashsize", NUMBER)],
        STRING,
        sha2,
    )
    .says("the SHA-2 digest of 256 or 512 bits, in hex")
    .fails(&["if the hash size is not 256 or 512"])
    .shown(&[(
        "sha2(\"abc\", 256)",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )]),
    Builtin::pure("hmac_md5", KEYED, STRING, hmac_md5)
        .says("the message authenticated by a key with MD5, in hex")
        .shown(&[(
            "hmac_md5(\"Jefe\", \"what do ya want for nothing?\")",
            "750c783e6ab0b503eaa86e310a5db738",
        )]),
    Builtin::pure("hmac_sha1", KEYED, STRING, hmac_sha1)
        .says("the message authenticated by a key with SHA-1, in hex")
        .shown(&[(
            "hmac_sha1(\"Jefe\", \"what do ya want for nothing?\")",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        )]),
    Builtin::pure(
        "hmac_sha2",
        &[
            required("key", STRING),
            required("message", STRING),
            required("hashsize", NUMBER),
        ],
        STRING,
        hmac_sha2,
    )
    .says("the message authenticated by a key with SHA-2 of 256 or 512 bits, in hex")
    .fails(&["if the hash size is not 256 or 512"])
    .shown(&[(
        "hmac_sha2(\"Jefe\", \"what do ya want for nothing?\", 256)",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    )]),
    Builtin::pure(
        "ed25519_sign",
        &[required("message", STRING), required("privatekey", STRING)],
        STRING.or(Kinds::NONE),
        ed25519_sign,
    )
    .says("the Ed25519 signature of the message; the key is its 32 octets, or these and the public key")
    .shown(&[(
        "unpack(\"H16\", ed25519_sign(\"\", pack(\"H*\", \"\
         9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\")))[0]",
        "e5564300c360ac72",
    )]),
    Builtin::pure(
        "ed25519_verify",
        &[
            required("message", STRING),
            required("signature", STRING),
            required("publickey", STRING),
        ],
        Kinds::BOOLEAN.or(Kinds::NONE),
        ed25519_verify,
    )
    .says("whether the signature is of the message and the key; none if one of them cannot be")
    .shown(&[
        (
            "ed25519_verify(\"\", str_repeat(\"x\", 64), pack(\"H*\", \"\
             d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"))",
            "false",
        ),
        ("ed25519_verify(\"message\", \"signature\", \"key\")", "none"),
    ]),
    Builtin::pure("aes_encrypt", CIPHERED, STRING.or(Kinds::NONE), aes_encrypt)
        .says("the message encrypted with AES in the mode \"ecb\" or \"cbc\", which needs the option iv; none for a wrong length of something")
        .takes(CIPHER_OPTIONS)
        .fails(&["if the mode is not \"ecb\" or \"cbc\""])
        .shown(&[(
            "base64_encode(aes_encrypt(\"hello\", \"0123456789abcdef\", \"ecb\"))",
            "Z0x+8454yr2c7JwSWCOmOQ==",
        )]),
    Builtin::pure("aes_decrypt", CIPHERED, STRING.or(Kinds::NONE), aes_decrypt)
        .says("the message that aes_encrypt() encrypted; none for a wrong length of something, or wrong padding")
        .takes(CIPHER_OPTIONS)
        .fails(&["if the mode is not \"ecb\" or \"cbc\""])
        .shown(&[(
            "aes_decrypt(aes_encrypt(\"hello\", \"0123456789abcdef\", \"ecb\"), \"0123456789abcdef\", \"ecb\")",
            "hello",
        )]),
    Builtin::pure("hash", MESSAGE, NUMBER, hash)
        .says("a number that is equal for equal messages; not for security")
        .shown(&[("hash(\"a\") == hash(\"b\")", "false")]),
    Builtin::impure(
        "random_bytes",
        &[required("bytes", NUMBER)],
        STRING,
        random_bytes,
    )
    .says("that many octets nobody can foretell, at most 1 MiB")
    .fails(&["if that is more than 1048576"])
    .shown(&[("length(random_bytes(16))", "16")]),
    Builtin::impure(
        "random_number",
        &[optional("first", NUMBER), optional("last", NUMBER)],
        NUMBER,
        random_number,
    )
    .says("a random integer from first to last, both included, or a random number from 0 to 1")
    .fails(&[
        "if first is given without last",
        "if last is less than first, or 2^53 or more greater",
    ])
    .shown(&[("random_number(7, 7)", "7"), ("random_number() <= 1", "true")]),
    Builtin::impure(
        "rand",
        &[required("first", NUMBER), required("last", NUMBER)],
        NUMBER,
        random_number,
    )
    .says("random_number()")
    .fails(&["if last is less than first, or 2^53 or more greater"])
    .shown(&[("rand(7, 7)", "7")]),
];

/// Octets that are digested between two payments: a shard is not held longer.
const PART_OCTETS: usize = 64 * 1024;

fn hex(octets: &[u8]) -> Result<Value, Unwind> {
    let mut text = [0; 128];
    let text = &mut text[..octets.len() * 2];
    HEXLOWER.encode_mut(octets, text);
    Ok(Value::string(text)?)
}

fn digest<D: Digest>(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let message = call.octets(0);
    let mut digest = D::new();
    for part in message.chunks(PART_OCTETS) {
        call.charge(part.len() / 16)?;
        digest.update(part);
    }
    hex(&digest.finalize())
}

fn sha2(call: &mut Call<'_>) -> Result<Value, Unwind> {
    match call.number(1) {
        256.0 => digest::<Sha256>(call),
        512.0 => digest::<Sha512>(call),
        _ => Err(call.refuse(1, "256 or 512")),
    }
}

fn keyed<M: Mac + KeyInit>(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (key, message) = (call.octets(0), call.octets(1));
    call.charge(key.len() / 16)?;
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message.chunks(PART_OCTETS) {
        call.charge(part.len() / 16)?;
        mac.update(part);
    }
    hex(&mac.finalize().into_bytes())
}

fn hmac_md5(call: &mut Call<'_>) -> Result<Value, Unwind> {
    keyed::<Hmac<Md5>>(call)
}

fn hmac_sha1(call: &mut Call<'_>) -> Result<Value, Unwind> {
    keyed::<Hmac<Sha1>>(call)
}

fn hmac_sha2(call: &mut Call<'_>) -> Result<Value, Unwind> {
    match call.number(2) {
        256.0 => keyed::<Hmac<Sha256>>(call),
        512.0 => keyed::<Hmac<Sha512>>(call),
        _ => Err(call.refuse(2, "256 or 512")),
    }
}

/// Fuel for the work on the curve that one signature takes, whatever the message.
const SIGNATURE_FUEL: usize = 4_000;

fn ed25519_sign(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (message, key) = (call.octets(0), call.octets(1));
    call.charge(SIGNATURE_FUEL + message.len() / 8)?;
    let key = match (key.try_into(), key.try_into()) {
        (Ok(secret), _) => Some(SigningKey::from_bytes(secret)),
        (_, Ok(pair)) => SigningKey::from_keypair_bytes(pair).ok(),
        _ => None,
    };
    match key {
        Some(key) => Ok(Value::string(&key.sign(message).to_bytes())?),
        None => Ok(Value::NONE),
    }
}

fn ed25519_verify(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let (message, signature, key) = (call.octets(0), call.octets(1), call.octets(2));
    call.charge(SIGNATURE_FUEL + message.len() / 16)?;
    let key = key.try_into().ok();
    let key = key.and_then(|key| VerifyingKey::from_bytes(key).ok());
    match (key, Signature::from_slice(signature)) {
        (Some(key), Ok(signature)) => Ok(Value::boolean(key.verify(message, &signature).is_ok())),
        _ => Ok(Value::NONE),
    }
}

/// FNV-1a of 64 bits, folded to the 53 a number holds exactly. The same in every process.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exactly a double")]
fn hash(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let message = call.octets(0);
    call.charge(message.len() / 16)?;
    let hash = message
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3)
        });
    let folded = (hash ^ hash >> 53) & ((1 << 53) - 1);
    Ok(Value::number(folded as f64))
}

fn random_bytes(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let count = to_count(call.number(0));
    if count > RANDOM_OCTETS_MAX {
        return Err(call.refuse(0, "at most 1048576"));
    }
    call.charge(count / 16)?;
    let mut builder = StringBuilder::new(count)?;
    let mut buffer = [0; 256];
    let mut left = count;
    while left > 0 {
        let part = left.min(buffer.len());
        call.machine.fill_random(&mut buffer[..part]);
        builder.push(&buffer[..part])?;
        left -= part;
    }
    Ok(builder.finish())
}

fn random_bits(call: &mut Call<'_>) -> u64 {
    let mut octets = [0; 8];
    call.machine.fill_random(&mut octets);
    u64::from_le_bytes(octets)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "all values are integers of at most 53 bits"
)]
fn random_number(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(first) = call.opt_number(0) else {
        let bits = random_bits(call) >> 11;
        return Ok(Value::number(bits as f64 / ((1_u64 << 53) - 1) as f64));
    };
    let Some(last) = call.opt_number(1) else {
        return Err(call.refuse(1, "given if first is"));
    };
    let (first, last) = (first.ceil(), last.floor());
    let span = last - first;
    if !(0.0..9_007_199_254_740_992.0).contains(&span) {
        return Err(call.refuse(1, "not less than first, nor 2^53 greater"));
    }
    let count = span as u64 + 1;
    // Numbers beyond the last whole multiple of `count` would favour the small ones: draw again.
    let limit = u64::MAX - u64::MAX % count;
    loop {
        let bits = random_bits(call);
        if bits < limit {
            return Ok(Value::number(first + (bits % count) as f64));
        }
        call.charge(1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::builtin;
    use crate::builtins::call::tests::{bench, on_heap, run, text};

    fn n(number: f64) -> Value {
        Value::number(number)
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        on_heap(|| {
            assert_eq!(
                run("md5", &[text("abc")]),
                "900150983cd24fb0d6963f7d28e17f72"
            );
            assert_eq!(
                run("sha1", &[text("")]),
                "da39a3ee5e6b4b0d3255bfef95601890afd80709"
            );
            assert_eq!(
                run("sha1", &[text("abc")]),
                "a9993e364706816aba3e25717850c26c9cd0d89d"
            );
            assert_eq!(
                run("sha2", &[text("abc"), n(512.0)]),
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            );
            assert!(run("sha2", &[text("abc"), n(384.0)]).contains("must be 256 or 512"));
            // RFC 2202 and RFC 4231, test case 2.
            let (key, message) = ("Jefe", "what do ya want for nothing?");
            let keyed = |name: &str| run(name, &[text(key), text(message)]);
            assert_eq!(keyed("hmac_md5"), "750c783e6ab0b503eaa86e310a5db738");
            assert_eq!(
                keyed("hmac_sha1"),
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
            );
            assert_eq!(
                run("hmac_sha2", &[text(key), text(message), n(256.0)]),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            );
        });
    }

    /// RFC 8032 §7.1, tests 1 and 3.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let octets = |hex: &str| {
            let octets = HEXLOWER.decode(hex.as_bytes()).expect("hex");
            text(octets)
        };
        on_heap(|| {
            let rows = [
                (
                    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                    "",
                    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
                ),
                (
                    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                    "af82",
                    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
                ),
            ];
            for (secret, public, message, signature) in rows {
                for key in [octets(secret), octets(&format!("{secret}{public}"))] {
                    let sign = builtin("ed25519_sign").expect("there");
                    let signed = sign.invoke(&[octets(message), key], &mut bench());
                    let signed = signed.expect("no error");
                    assert_eq!(signed.as_octets(), octets(signature).as_octets());
                }
                let verify = |message: &str, signature: &str, public: &str| {
                    let arguments = [octets(message), octets(signature), octets(public)];
                    run("ed25519_verify", &arguments)
                };
                assert_eq!(verify(message, signature, public), "true");
                assert_eq!(verify("00", signature, public), "false");
                assert_eq!(verify(message, &signature[2..], public), "none");
                assert_eq!(verify(message, signature, &public[2..]), "none");
            }
            let wrong_pair = "00".repeat(64);
            let sign = |key: &str| run("ed25519_sign", &[text(""), octets(key)]);
            assert_eq!([sign(""), sign(&wrong_pair)], ["none", "none"]);
        });
    }

    #[test]
    fn hashes_are_stable_integers() {
        on_heap(|| {
            let hash = |message: &str| run("hash", &[text(message)]);
            assert_eq!(hash("a"), hash("a"));
            assert_ne!(hash("a"), hash("b"));
            let number: u64 = hash("a longer message").parse().expect("an integer");
            assert!(number < 1 << 53);
        });
    }

    #[test]
    fn random_numbers_stay_in_their_range() {
        on_heap(|| {
            let mut machine = bench();
            let builtin = builtin("random_number").expect("there");
            let mut seen = [false; 4];
            for _ in 0..1000 {
                let value = builtin
                    .invoke(&[n(2.0), n(5.0)], &mut machine)
                    .expect("in range");
                let number = value.as_number().expect("number");
                assert!(
                    (2.0..=5.0).contains(&number) && number.fract() == 0.0,
                    "{number}"
                );
                seen[to_count(number - 2.0)] = true;
                let value = builtin.invoke(&[], &mut machine).expect("no range");
                assert!((0.0..=1.0).contains(&value.as_number().expect("number")));
            }
            assert_eq!(seen, [true; 4], "both ends are reached");
            assert_eq!(run("rand", &[n(7.0), n(7.0)]), "7");
            assert!(run("rand", &[n(2.0), n(1.0)]).contains("not less than first"));
            assert!(run("random_number", &[n(1.0)]).contains("given if first is"));
        });
    }

    #[test]
    fn random_octets_are_as_many_as_asked() {
        on_heap(|| {
            let value = builtin("random_bytes")
                .expect("there")
                .invoke(&[n(1000.0)], &mut bench())
                .expect("fits");
            assert_eq!(value.as_octets().map(<[u8]>::len), Some(1000));
            assert_eq!(run("random_bytes", &[n(0.0)]), "");
            assert!(run("random_bytes", &[n(2e6)]).contains("at most 1048576"));
        });
    }
}
