//! AES as scripts have it: whole messages in the modes ECB and CBC. The manual's chapter "Cryptographic".
//!
//! In: a message, a key of 16, 24 or 32 octets, a mode. Out: the message the other way, none where that can't be: another
//! length of key or vector, a message that is no whole number of blocks, padding that is none.
//! NIST SP 800-38A (modes), FIPS 197 (the cipher), RFC 5652 §6.3 (padding).
//! Does not: say whether a message was changed on the way. Add a digest with `hmac_sha2` where that matters; padding is
//! checked in constant time, but whether a message was refused is to be seen.

use aes::cipher::{
    Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _, consts::U16,
};
use aes::{Aes128, Aes192, Aes256};

use super::{Call, Unwind};
use crate::runtime::Value;

const BLOCK_OCTETS: usize = 16;

/// Octets that are worked on between two payments: a shard is not held longer.
const PART_OCTETS: usize = 64 * 1024;

type Block = Array<u8, U16>;

/// A cipher with its key.
enum Cipher {
    Bits128(Box<Aes128>),
    Bits192(Box<Aes192>),
    Bits256(Box<Aes256>),
}

impl Cipher {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Some(Self::Bits128(Box::new(Aes128::new_from_slice(key).ok()?))),
            24 => Some(Self::Bits192(Box::new(Aes192::new_from_slice(key).ok()?))),
            32 => Some(Self::Bits256(Box::new(Aes256::new_from_slice(key).ok()?))),
            _ => None,
        }
    }

    fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Bits128(cipher) => cipher.encrypt_block(block),
            Self::Bits192(cipher) => cipher.encrypt_block(block),
            Self::Bits256(cipher) => cipher.encrypt_block(block),
        }
    }

    fn decrypt(&self, block: &mut Block) {
        match self {
            Self::Bits128(cipher) => cipher.decrypt_block(block),
            Self::Bits192(cipher) => cipher.decrypt_block(block),
            Self::Bits256(cipher) => cipher.decrypt_block(block),
        }
    }
}

/// What a call asks for, if its key and its vector can be used.
struct Asked {
    cipher: Cipher,
    /// The block that the first one is chained to; none in the mode ECB.
    chain: Option<Block>,
    padded: bool,
}

impl Asked {
    /// Encrypts the next block.
    fn encrypt(&mut self, block: &mut Block) {
        if let Some(chain) = &self.chain {
            exclusive_or(block, chain);
        }
        self.cipher.encrypt(block);
        if let Some(chain) = &mut self.chain {
            *chain = *block;
        }
    }

    /// Decrypts the next block.
    fn decrypt(&mut self, block: &mut Block) {
        let encrypted = *block;
        self.cipher.decrypt(block);
        if let Some(chain) = &mut self.chain {
            exclusive_or(block, chain);
            *chain = encrypted;
        }
    }
}

fn asked(call: &mut Call<'_>) -> Result<Option<Asked>, Unwind> {
    let chained = match call.octets(2) {
        b"ecb" => false,
        b"cbc" => true,
        _ => return Err(call.refuse(2, "\"ecb\" or \"cbc\"")),
    };
    let vector = call.option(3, "iv").and_then(Value::as_octets);
    let vector = vector.and_then(|vector| Block::try_from(vector).ok());
    if chained && vector.is_none() {
        return Ok(None);
    }
    let padded = call.flag(3, "padding", true);
    Ok(Cipher::new(call.octets(1)).map(|cipher| Asked {
        cipher,
        chain: vector.filter(|_| chained),
        padded,
    }))
}

pub(super) fn aes_encrypt(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(mut asked) = asked(call)? else {
        return Ok(Value::NONE);
    };
    let mut octets = call.octets(0).to_vec();
    if asked.padded {
        let missing = BLOCK_OCTETS - octets.len() % BLOCK_OCTETS;
        octets.resize(
            octets.len() + missing,
            u8::try_from(missing).unwrap_or_default(),
        );
    }
    let whole = each_block(call, &mut octets, |block| asked.encrypt(block))?;
    if !whole {
        return Ok(Value::NONE);
    }
    Ok(Value::string(&octets)?)
}

pub(super) fn aes_decrypt(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let Some(mut asked) = asked(call)? else {
        return Ok(Value::NONE);
    };
    let mut octets = call.octets(0).to_vec();
    let whole = each_block(call, &mut octets, |block| asked.decrypt(block))?;
    if !whole {
        return Ok(Value::NONE);
    }
    let length = match asked.padded {
        true => unpadded_octets(&octets),
        false => Some(octets.len()),
    };
    match length {
        Some(length) => Ok(Value::string(&octets[..length])?),
        None => Ok(Value::NONE),
    }
}

/// Works on each block in turn, in parts that are paid for one by one; false when the octets are no whole number of blocks.
fn each_block(
    call: &mut Call<'_>,
    octets: &mut [u8],
    mut work: impl FnMut(&mut Block),
) -> Result<bool, Unwind> {
    if !octets.len().is_multiple_of(BLOCK_OCTETS) {
        return Ok(false);
    }
    for part in octets.chunks_mut(PART_OCTETS) {
        call.charge(part.len() / 8)?;
        for octets in part.chunks_exact_mut(BLOCK_OCTETS) {
            let mut block = Block::try_from(&*octets).unwrap_or_default();
            work(&mut block);
            octets.copy_from_slice(&block);
        }
    }
    Ok(true)
}

fn exclusive_or(block: &mut Block, other: &Block) {
    for (octet, other) in block.iter_mut().zip(other) {
        *octet ^= other;
    }
}

/// The length without the padding; none if that is malformed. Looks at the whole last block in any case.
fn unpadded_octets(octets: &[u8]) -> Option<usize> {
    let last = octets.last_chunk::<BLOCK_OCTETS>()?;
    let count = last[BLOCK_OCTETS - 1];
    let mut wrong = u8::from(count == 0) | u8::from(BLOCK_OCTETS < usize::from(count));
    for (distance, octet) in last.iter().rev().enumerate() {
        let inside = u8::from(distance < usize::from(count));
        wrong |= inside * (octet ^ count);
    }
    (wrong == 0).then(|| octets.len() - usize::from(count))
}
