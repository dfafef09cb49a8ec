//! Base64, from the chapter "Encodings and JSON". `pack`, JSON and CSV have their own files.
//!
//! RFC 4648 §4 (the alphabet and padding).

use data_encoding::{BASE64, BASE64_NOPAD};

use super::{Builtin, Call, Unwind, required};
use crate::runtime::{Kinds, StringBuilder, Value};

const STRING: Kinds = Kinds::STRING;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::pure("base64_encode", &[required("string", STRING)], STRING, base64_encode)
        .says("the string in base64, padded, on one line")
        .shown(&[("base64_encode(\"Halon\")", "SGFsb24=")]),
    Builtin::pure(
        "base64_decode",
        &[required("string", STRING)],
        STRING.or(Kinds::NONE),
        base64_decode,
    )
    .says("the octets base64 stands for; white space and padding may be missing; none if it is not base64")
    .shown(&[("base64_decode(\"SGFsb24=\")", "Halon")]),
];

/// Octets of input per step: a multiple of 3, so that only the last step pads.
const CHUNK: usize = 3 * 256;

fn base64_encode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let octets = call.octets(0);
    call.charge_octets(octets.len())?;
    let mut builder = StringBuilder::new(octets.len().div_ceil(3) * 4)?;
    let mut buffer = [0; CHUNK / 3 * 4];
    for chunk in octets.chunks(CHUNK) {
        let encoded = &mut buffer[..BASE64.encode_len(chunk.len())];
        BASE64.encode_mut(chunk, encoded);
        builder.push(encoded)?;
    }
    Ok(builder.finish())
}

fn base64_decode(call: &mut Call<'_>) -> Result<Value, Unwind> {
    let text = call.octets(0);
    call.charge_octets(text.len())?;
    let mut symbols: Vec<u8> = text
        .iter()
        .copied()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    while symbols.last() == Some(&b'=') {
        symbols.pop();
    }
    match BASE64_NOPAD.decode(&symbols) {
        Ok(octets) => Ok(Value::string(&octets)?),
        Err(_) => Ok(Value::NONE),
    }
}

#[cfg(test)]
mod tests {
    use crate::builtins::call::tests::{on_heap, run, text};
    use proptest::prelude::*;

    #[test]
    fn base64_goes_both_ways() {
        on_heap(|| {
            assert_eq!(
                run("base64_encode", &[text(b"Hello\0\xff")]),
                "SGVsbG8A/w=="
            );
            assert_eq!(run("base64_decode", &[text("SGFsb24=")]), "Halon");
            assert_eq!(run("base64_decode", &[text("SGFs\r\nb24")]), "Halon");
            assert_eq!(run("base64_decode", &[text("")]), "");
            for wrong in ["S", "SGFsb2-=", "SG=sb24=", "SGFsb25="] {
                assert_eq!(run("base64_decode", &[text(wrong)]), "none", "{wrong}");
            }
        });
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            on_heap(|| {
                let encoded = run("base64_encode", &[text(&octets)]);
                let builtin = crate::builtins::builtin("base64_decode").expect("there");
                let mut bench = crate::builtins::call::tests::bench();
                let decoded = builtin.invoke(&[text(encoded)], &mut bench).expect("fits");
                assert_eq!(decoded.as_octets(), Some(&octets[..]));
            });
        }
    }
}
