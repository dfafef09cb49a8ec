//! One value of a script.
//!
//! Sixty-four bits, boxed as [`layout`] draws them. A [`Value`] owns one count of the object it refers to: `Clone` retains,
//! `Drop` releases. It stays on its thread. Numbers are canonical: there is never more than one NaN of each sign.
#![expect(
    unsafe_code,
    reason = "turns bits into references to heap objects; the tag says which type is there"
)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::array::HslArray;
use super::function::{HslFunction, VariableCell};
use super::heap::{self, HeapObject};
use super::key::Key;
use super::kind::Kind;
use super::layout;
use super::object::HslObject;
use super::string::HslString;

/// One value of a script.
#[repr(transparent)]
pub struct Value {
    bits: u64,
    on_this_thread: PhantomData<*mut ()>,
}

impl Value {
    /// A variable without a value; scripts never see it.
    pub const UNDEFINED: Self = Self::immediate(layout::UNDEFINED);
    /// `none`.
    pub const NONE: Self = Self::immediate(layout::NONE);
    /// `true`.
    pub const TRUE: Self = Self::immediate(layout::TRUE);
    /// `false`.
    pub const FALSE: Self = Self::immediate(layout::FALSE);
    /// What a failed host call returns; never stored.
    pub const FAILED: Self = Self::immediate(layout::FAILED);

    const fn immediate(bits: u64) -> Self {
        Self {
            bits,
            on_this_thread: PhantomData,
        }
    }

    /// A number. Any NaN becomes the canonical one.
    #[must_use]
    #[inline]
    pub const fn number(number: f64) -> Self {
        if number.is_nan() {
            Self::immediate(layout::NAN)
        } else {
            Self::immediate(number.to_bits())
        }
    }

    /// A boolean.
    #[must_use]
    #[inline]
    pub const fn boolean(boolean: bool) -> Self {
        Self::immediate(layout::FALSE + boolean as u64)
    }

    /// A number from a count or an index.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "lengths stay far below 2^53")]
    #[inline]
    pub const fn count(count: usize) -> Self {
        Self::immediate((count as f64).to_bits())
    }

    /// Its kind. The markers no script sees (undefined, failed, a cell) count as none.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        match self.bits >> layout::TAG_SHIFT {
            _ if self.is_number() => Kind::Number,
            layout::TAG_STRING => Kind::String,
            layout::TAG_ARRAY => Kind::Array,
            layout::TAG_FUNCTION => Kind::Function,
            layout::TAG_OBJECT => Kind::Object,
            _ if self.bits & !1 == layout::FALSE => Kind::Boolean,
            _ => Kind::None,
        }
    }

    /// Whether it is a number.
    #[must_use]
    #[inline]
    pub const fn is_number(&self) -> bool {
        self.bits <= layout::NUMBER_MAX
    }

    /// Whether it is none.
    #[must_use]
    #[inline]
    pub const fn is_none(&self) -> bool {
        self.bits == layout::NONE
    }

    /// Whether it is the marker of a variable without a value.
    #[must_use]
    #[inline]
    pub const fn is_undefined(&self) -> bool {
        self.bits == layout::UNDEFINED
    }

    /// Whether it is the marker of a failed host call.
    #[must_use]
    #[inline]
    pub const fn is_failed(&self) -> bool {
        self.bits == layout::FAILED
    }

    /// Whether it refers to a heap object.
    #[must_use]
    #[inline]
    pub const fn is_heap(&self) -> bool {
        self.bits >= layout::HEAP_MIN
    }

    /// The number, if it is one.
    #[must_use]
    #[inline]
    pub const fn as_number(&self) -> Option<f64> {
        if self.is_number() {
            Some(f64::from_bits(self.bits))
        } else {
            None
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    #[inline]
    pub const fn as_boolean(&self) -> Option<bool> {
        match self.bits {
            layout::TRUE => Some(true),
            layout::FALSE => Some(false),
            _ => None,
        }
    }

    /// A number, or a boolean as 0 or 1: what arithmetic works on.
    #[must_use]
    #[inline]
    pub const fn as_arithmetic(&self) -> Option<f64> {
        match self.bits {
            layout::TRUE => Some(1.0),
            layout::FALSE => Some(0.0),
            _ => self.as_number(),
        }
    }

    /// The string, if it is one.
    #[must_use]
    #[inline]
    pub fn as_string(&self) -> Option<&HslString> {
        (self.tag() == layout::TAG_STRING).then(|| {
            // SAFETY: the tag says it is a string, and this value keeps it alive.
            unsafe { self.address().cast::<HslString>().as_ref() }
        })
    }

    /// The octets of a string, if it is one.
    #[must_use]
    #[inline]
    pub fn as_octets(&self) -> Option<&[u8]> {
        self.as_string().map(HslString::octets)
    }

    /// The array, if it is one.
    #[must_use]
    #[inline]
    pub fn as_array(&self) -> Option<&HslArray> {
        self.as_object_of()
    }

    /// The function, if it is one.
    #[must_use]
    #[inline]
    pub fn as_function(&self) -> Option<&HslFunction> {
        self.as_object_of()
    }

    /// The object, if it is one.
    #[must_use]
    #[inline]
    pub fn as_object(&self) -> Option<&HslObject> {
        self.as_object_of()
    }

    /// The cell of a captured variable, if it is one.
    #[must_use]
    #[inline]
    pub fn as_cell(&self) -> Option<&VariableCell> {
        self.as_object_of()
    }

    /// The string if this is the only value that refers to it, so that it may be changed in place.
    #[inline]
    pub(super) fn as_unique_string(&mut self) -> Option<&mut HslString> {
        if !self.as_string()?.is_unique() {
            return None;
        }
        // SAFETY: a string by its tag; count 1, and we hold the one value mutably, so no other reference exists.
        Some(unsafe { self.address().cast::<HslString>().as_mut() })
    }

    /// The array if this is the only value that refers to it, so that it may be changed in place.
    #[inline]
    pub(super) fn as_unique_array(&mut self) -> Option<&mut HslArray> {
        if !self.as_array()?.is_unique() {
            return None;
        }
        // SAFETY: an array by its tag; count 1, and we hold the one value mutably, so no other reference exists.
        Some(unsafe { self.address().cast::<HslArray>().as_mut() })
    }

    #[inline]
    fn as_object_of<T: HeapObject>(&self) -> Option<&T> {
        (self.tag() == T::TAG).then(|| {
            // SAFETY: a tag belongs to one type (HeapObject 2), and this value keeps the object alive.
            unsafe { self.address().cast::<T>().as_ref() }
        })
    }

    /// Truthiness: none, false, 0, `""` and `[]` are false; NaN and everything else is true.
    #[must_use]
    #[inline]
    pub fn truthy(&self) -> bool {
        match self.kind() {
            Kind::None => false,
            Kind::Boolean => self.bits == layout::TRUE,
            Kind::Number => self.as_number() != Some(0.0),
            Kind::String => self.as_octets().is_some_and(|octets| !octets.is_empty()),
            Kind::Array => self.as_array().is_some_and(|array| !array.is_empty()),
            Kind::Function | Kind::Object => true,
        }
    }

    /// The fuel an operation costs that goes through this value once: one unit per 64 octets or per element.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let octets = self.as_string().map(|string| string.len() / 64);
        let elements = self.as_array().map(HslArray::len);
        octets.or(elements).unwrap_or(0) as u64
    }

    /// Takes the value, leaving undefined.
    #[must_use]
    #[inline]
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::UNDEFINED)
    }

    /// Whether both are the same bits: the same immediate or the same heap object.
    #[must_use]
    #[inline]
    pub const fn is_same(&self, other: &Self) -> bool {
        self.bits == other.bits
    }

    /// The bits, without giving up the count.
    #[must_use]
    #[inline]
    pub const fn bits(&self) -> u64 {
        self.bits
    }

    /// The bits; the count they stand for passes to the caller.
    #[must_use]
    #[inline]
    pub fn into_bits(self) -> u64 {
        ManuallyDrop::new(self).bits
    }

    /// The value of these bits.
    ///
    /// # Safety
    ///
    /// 1. If `bits` is a heap reference, it refers to a live object of the type its tag names, made on this thread.
    /// 2. The caller owns one count of it, which passes to the value.
    /// 3. Otherwise `bits` is a canonical number or one of the immediates of [`layout`].
    #[must_use]
    pub const unsafe fn from_bits(bits: u64) -> Self {
        Self::immediate(bits)
    }

    /// The value of bits somebody else owns, for as long as they are borrowed.
    ///
    /// # Safety
    ///
    /// 1. As for [`Self::from_bits`], but the count stays the owner's.
    /// 2. The owner does not release the count while the result is used, nor change the object in place: if script code may
    ///    run meanwhile (a builtin with a callback), the borrower must hold a count of its own, so that writing copies.
    #[must_use]
    pub const unsafe fn borrow_bits(bits: &u64) -> &Self {
        let pointer = std::ptr::from_ref(bits).cast::<Self>();
        // SAFETY: Value is a transparent u64; 1 and 2 make it a value for the lifetime of the borrow.
        unsafe { &*pointer }
    }

    /// The value in a variable somebody else owns, for as long as it is borrowed.
    ///
    /// # Safety
    ///
    /// 1. As for [`Self::from_bits`], before and after.
    /// 2. Nobody else uses the variable while the result is used.
    #[must_use]
    pub const unsafe fn borrow_bits_mut(bits: &mut u64) -> &mut Self {
        let pointer = std::ptr::from_mut(bits).cast::<Self>();
        // SAFETY: as in `borrow_bits`; the borrow is exclusive.
        unsafe { &mut *pointer }
    }

    /// Makes a string or array, with all that is in it, a constant: never freed by counting, only with its heap. Other
    /// values are as they were. Constants are nested no deeper than the parser and the decoders allow.
    #[must_use]
    pub fn immortal(self) -> Self {
        for (key, element) in self.as_array().into_iter().flatten() {
            let name = match key {
                Key::String(name) => name.clone(),
                Key::None | Key::Integer(_) | Key::Octets(_) => Self::NONE,
            };
            // Both are held by the array as well, which keeps them.
            let _ = (name.immortal(), element.clone().immortal());
        }
        if self.is_heap() {
            // SAFETY: a heap reference of a live value points to a header.
            heap::make_immortal(unsafe { self.address().as_ref() });
        }
        self
    }

    #[inline]
    const fn tag(&self) -> u64 {
        self.bits >> layout::TAG_SHIFT
    }

    #[inline]
    fn address(&self) -> NonNull<heap::Header> {
        heap::header_address(self.bits)
    }
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Self {
        if self.is_heap() {
            // SAFETY: this value keeps the object alive.
            unsafe { heap::retain_bits(self.bits) };
        }
        Self::immediate(self.bits)
    }
}

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        if self.is_heap() {
            // SAFETY: the value owns one count of a live object, and is gone after this.
            unsafe { heap::release_bits(self.bits) };
        }
    }
}

impl Value {
    /// Drops it, without a call if it is the last reference to a string: for the one place where generated code gives up
    /// what nobody else has.
    #[inline]
    pub fn release(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the count that the value owned is given up here, and only here.
        if this.is_heap() && unsafe { heap::give_up(this.bits) } {
            // SAFETY: that was the last reference.
            unsafe { heap::destroy_here(this.bits) };
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::number(number)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::boolean(boolean)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Number => write!(formatter, "{:?}", f64::from_bits(self.bits)),
            Kind::String => {
                let octets = self.as_octets().unwrap_or_default();
                write!(formatter, "\"{}\"", octets.escape_ascii())
            }
            Kind::Array => {
                let length = self.as_array().map_or(0, HslArray::len);
                write!(formatter, "array of {length}")
            }
            _ => write!(formatter, "Value({:#018x})", self.bits),
        }
    }
}
