//! The work that operations on values are, so that scripts pay for it.
//!
//! In: octets and elements copied or compared, recorded where that is done. Out: units of fuel, taken by whoever runs the
//! script. Does not: stop anything.

use super::with_entered;

/// Records that octets were copied or compared.
#[inline]
pub(in crate::runtime) fn record_octets(octets: usize) {
    with_entered(|inner| inner.work.set(inner.work.get() + octets as u64));
}

/// Records that elements were copied or compared.
pub(in crate::runtime) fn record_elements(elements: usize) {
    record_octets(elements.saturating_mul(64));
}

/// The work done on the entered heap's values since this was last asked, in units of fuel (64 octets, or one element).
/// A single operation can copy or compare a whole value; whoever runs a script takes this after each call into the
/// runtime and pays for it, so that a loop of such operations cannot outrun its fuel.
#[must_use]
pub fn take_work() -> u64 {
    let units = with_entered(|inner| {
        let units = inner.work.get() / WORK_UNIT;
        inner.work.set(inner.work.get() % WORK_UNIT);
        units
    });
    units.unwrap_or(0)
}

/// Whether there is a unit of work to take.
#[must_use]
#[inline]
pub fn is_work_due() -> bool {
    with_entered(|inner| inner.work.get() >= WORK_UNIT).unwrap_or(false)
}

/// Octets of work that one element, or one unit of fuel, stands for.
const WORK_UNIT: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::heap::Heap;
    use crate::runtime::string;
    use crate::runtime::value::Value;

    #[test]
    fn work_grows_with_what_is_copied() {
        let heap = Heap::new(16 << 20);
        let _entered = heap.enter();
        let elements = || Value::array_of((0..1000).map(Value::count)).expect("fits");
        let (mut array, same) = (elements(), elements());
        let _ = take_work();
        let shared = array.clone();
        array
            .array_mut()
            .expect("fits")
            .append(Value::NONE)
            .expect("fits");
        assert!(
            (1000..1100).contains(&take_work()),
            "a shared array was copied"
        );
        array
            .array_mut()
            .expect("fits")
            .append(Value::NONE)
            .expect("fits");
        assert_eq!(take_work(), 0, "now it is nobody else's");
        assert!(crate::runtime::compare::strict_equal(&shared, &same).expect("shallow"));
        assert!((1000..1100).contains(&take_work()));
        let mut text = Value::string(&[b'x'; 64_000]).expect("fits");
        assert!((1000..1100).contains(&take_work()));
        let copy = text.clone();
        string::append(&mut text, b"y").expect("fits");
        assert!(
            (1000..1100).contains(&take_work()),
            "a shared string was copied"
        );
        assert!(!crate::runtime::compare::loose_equal(&text, &copy).expect("strings"));
        let other = Value::string(copy.as_octets().expect("string")).expect("fits");
        let _ = take_work();
        assert!(crate::runtime::compare::loose_equal(&other, &copy).expect("strings"));
        assert!((1000..1100).contains(&take_work()));
    }
}
