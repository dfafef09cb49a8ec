//! Builtins so small that generated code does their work itself where the argument's kind allows.

/// What generated code can do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intrinsic {
    /// The number of octets of a string or of elements of an array.
    Length,
    /// The first octet of a string, as a number.
    Ord,
    /// The string of one octet.
    Chr,
    /// Whether an address is in a network.
    Includes,
    /// Whether a value is of this kind.
    Is(crate::runtime::Kind),
}

const INTRINSICS: [(&str, Intrinsic); 11] = [
    ("length", Intrinsic::Length),
    ("strlen", Intrinsic::Length),
    ("count", Intrinsic::Length),
    ("ord", Intrinsic::Ord),
    ("chr", Intrinsic::Chr),
    ("in_network", Intrinsic::Includes),
    ("inet_includes", Intrinsic::Includes),
    ("is_array", Intrinsic::Is(crate::runtime::Kind::Array)),
    ("is_boolean", Intrinsic::Is(crate::runtime::Kind::Boolean)),
    ("is_number", Intrinsic::Is(crate::runtime::Kind::Number)),
    ("is_string", Intrinsic::Is(crate::runtime::Kind::String)),
];

/// What generated code can do in place of the builtin with this index.
#[must_use]
pub fn intrinsic(index: u32) -> Option<Intrinsic> {
    let builtin = super::registry().get(index as usize)?;
    let known = INTRINSICS.iter().find(|(name, _)| *name == builtin.name);
    known.map(|(_, intrinsic)| *intrinsic)
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn every_intrinsic_is_a_builtin() {
        for (name, known) in INTRINSICS {
            let index = find(name).and_then(|index| u32::try_from(index).ok());
            assert_eq!(index.and_then(intrinsic), Some(known), "{name}");
        }
    }
}
