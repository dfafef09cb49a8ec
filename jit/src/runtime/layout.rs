//! The bits of a value and the shapes of heap objects, as generated code sees them.
//!
//! ```text
//! 63      48 47                                             0
//! +---------+-----------------------------------------------+
//! | a double, up to and including 0xFFF8_0000_0000_0000     |  the NaNs in use: 0x7FF8.. and 0xFFF8_0000_0000_0000
//! | 0xFFF9  | 0 undefined, 1 none, 2 false, 3 true, F failed |  immediates
//! | 0xFFFB  | address                                       |  cell: a captured variable, never visible to scripts
//! | 0xFFFC  | address                                       |  string
//! | 0xFFFD  | address                                       |  array
//! | 0xFFFE  | address                                       |  function
//! | 0xFFFF  | address                                       |  object
//! +---------+-----------------------------------------------+
//! ```
//!
//! So a value refers to the heap exactly when its bits, unsigned, are at least [`HEAP_MIN`]. Every heap object begins with
//! its reference count (u32), then a word the heap keeps for itself. Each offset below is taken from the type itself.
//! Code may add to and subtract from a count without [`REFCOUNT_IMMORTAL`]; only a release that reaches exactly zero must
//! call the runtime.

use std::mem::{align_of, offset_of, size_of};

use super::array::HslArray;
use super::function::{HslFunction, VariableCell};
use super::heap::Header;
use super::object::HslObject;
use super::string::HslString;
use super::value::Value;
use super::vector::HeapVec;

/// The greatest bits that are a double.
pub const NUMBER_MAX: u64 = 0xFFF8_0000_0000_0000;
/// The NaN that [`Value::number`] stores.
pub const NAN: u64 = 0x7FF8_0000_0000_0000;
/// A variable without a value.
pub const UNDEFINED: u64 = 0xFFF9_0000_0000_0000;
/// `none`.
pub const NONE: u64 = 0xFFF9_0000_0000_0001;
/// `false`. Its lowest bit is 0, that of [`TRUE`] is 1.
pub const FALSE: u64 = 0xFFF9_0000_0000_0002;
/// `true`.
pub const TRUE: u64 = 0xFFF9_0000_0000_0003;
/// What a host call returns when an error or an ending is pending. Never stored.
pub const FAILED: u64 = 0xFFF9_0000_0000_000F;
/// The least bits that refer to a heap object.
pub const HEAP_MIN: u64 = 0xFFFB_0000_0000_0000;
/// How far the tag is shifted.
pub const TAG_SHIFT: u32 = 48;
/// The address within the bits of a heap reference.
pub const ADDRESS_MASK: u64 = 0x0000_FFFF_FFFF_FFFF;

/// Tag of a variable cell.
pub const TAG_CELL: u64 = 0xFFFB;
/// Tag of a string.
pub const TAG_STRING: u64 = 0xFFFC;
/// Tag of an array.
pub const TAG_ARRAY: u64 = 0xFFFD;
/// Tag of a function.
pub const TAG_FUNCTION: u64 = 0xFFFE;
/// Tag of an object.
pub const TAG_OBJECT: u64 = 0xFFFF;

/// Where the reference count (u32) is in every heap object.
pub const REFCOUNT_OFFSET: usize = offset_of!(Header, refcount);
/// The bit that makes a count stay what it is: that of a constant. A script that is ended early never gives back what it
/// took, so that counts of what outlives it would grow from session to session.
pub const REFCOUNT_IMMORTAL: u32 = 1 << REFCOUNT_IMMORTAL_SHIFT;
/// How far up that bit is: the highest one.
pub const REFCOUNT_IMMORTAL_SHIFT: u32 = 31;
/// Where a cell keeps its value.
pub const CELL_VALUE_OFFSET: usize = offset_of!(VariableCell, value);
/// Where a string keeps its length in octets (u32).
pub const STRING_LENGTH_OFFSET: usize = offset_of!(HslString, length);
/// Where a string keeps the address of its octets.
pub const STRING_DATA_OFFSET: usize = offset_of!(HslString, data);
/// Where a string keeps how many octets its block has room for (u32); 0 when its octets are another string's.
pub const STRING_CAPACITY_OFFSET: usize = offset_of!(HslString, capacity);
/// Where a string keeps the hash of its octets (u32), 0 when it is not known.
pub const STRING_HASH_OFFSET: usize = offset_of!(HslString, hash);
/// Where a string keeps what stands for its octets beside their hash (u32), 0 when that is not known. Both are forgotten
/// with one word.
pub const STRING_STAMP_OFFSET: usize = offset_of!(HslString, stamp);
/// Where a packed array keeps how many values its block has room for (u32).
pub const ARRAY_CAPACITY_OFFSET: usize =
    offset_of!(HslArray, values) + HeapVec::<Value>::CAPACITY_OFFSET;
/// Where an array keeps its number of elements (u32).
pub const ARRAY_LENGTH_OFFSET: usize = offset_of!(HslArray, length);
/// Where a packed array keeps the address of its values. Only meaningful below the packed length.
pub const ARRAY_VALUES_OFFSET: usize = offset_of!(HslArray, values) + HeapVec::<Value>::DATA_OFFSET;
/// Where an array keeps its number of packed values (u32): 0 when it is not packed. `$a[i]` for an integral i below it is
/// the value at index i.
pub const ARRAY_PACKED_LENGTH_OFFSET: usize =
    offset_of!(HslArray, values) + HeapVec::<Value>::LENGTH_OFFSET;
/// Where a mapped array keeps the address of its entries. Only meaningful below their number.
pub const ARRAY_ENTRIES_OFFSET: usize = HslArray::ENTRIES_OFFSET;
/// Where an array keeps its number of entries (u32), holes included: 0 when it is packed.
pub const ARRAY_ENTRIES_LENGTH_OFFSET: usize = HslArray::ENTRIES_LENGTH_OFFSET;
/// The octets of an entry.
pub const ENTRY_OCTETS: usize = HslArray::ENTRY_OCTETS;
/// Where an entry keeps its key: undefined in a hole.
pub const ENTRY_KEY_OFFSET: usize = HslArray::ENTRY_KEY_OFFSET;
/// Where an entry keeps its value.
pub const ENTRY_VALUE_OFFSET: usize = HslArray::ENTRY_VALUE_OFFSET;
/// Where a function keeps the address of its captured cells (an array of values tagged as cells).
pub const FUNCTION_CELLS_OFFSET: usize =
    offset_of!(HslFunction, cells) + HeapVec::<Value>::DATA_OFFSET;
/// Where a function keeps the object it is bound to, or none.
pub const FUNCTION_BOUND_OFFSET: usize = offset_of!(HslFunction, bound);
/// Where an object keeps the number of its class (u32).
pub const OBJECT_CLASS_OFFSET: usize = offset_of!(HslObject, class);

const _: () = assert!(size_of::<usize>() == 8, "addresses are 64 bits wide");
const _: () = assert!(size_of::<Value>() == 8 && align_of::<Value>() == 8);
const _: () = assert!(size_of::<Header>() == 8 && REFCOUNT_OFFSET == 0);
const _: () = assert!(offset_of!(HslString, header) == 0);
const _: () = assert!(offset_of!(HslArray, header) == 0);
const _: () = assert!(offset_of!(HslFunction, header) == 0);
const _: () = assert!(offset_of!(HslObject, header) == 0);
const _: () = assert!(offset_of!(VariableCell, header) == 0);
const _: () = assert!(size_of::<HslString>() == 32);
const _: () = assert!(STRING_STAMP_OFFSET == STRING_HASH_OFFSET + 4);
const _: () = assert!(TRUE == FALSE + 1 && FALSE & 1 == 0);
