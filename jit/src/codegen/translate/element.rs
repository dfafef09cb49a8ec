//! Elements of arrays, as places: written by machine code where the array is packed and nobody else's.
//!
//! In: a place one key deep in a local variable. Writing in place needs a packed array with a count of one; everything else,
//! errors included, goes the host's way, which is a short one for arrays.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};

use super::Translator;
use crate::boundary::host_calls::HostCall;
use crate::infer::{Kinds, Representation, element};
use crate::ir::{Operand, PathStep, Place, PlaceAction, PlaceRoot, Register};
use crate::runtime::array::ARRAY_LENGTH_MAX;
use crate::runtime::layout::{
    ARRAY_CAPACITY_OFFSET, ARRAY_LENGTH_OFFSET, ARRAY_PACKED_LENGTH_OFFSET, REFCOUNT_OFFSET,
    TAG_ARRAY,
};

/// What is written to an element of a local variable.
#[derive(Clone, Copy)]
pub(super) struct ElementWrite {
    pub(super) variable: Register,
    /// `None` for a new element at the end.
    key: Option<Operand>,
    pub(super) value: Operand,
}

impl Translator<'_, '_> {
    /// The value itself where it is surely an array; else what the host says.
    pub(super) fn as_array(&mut self, into: Register, from: Operand) {
        let value = self.boxed(from);
        if self.accesses() && self.kinds(from).is(Kinds::ARRAY) {
            self.retain(value, Kinds::ARRAY);
            self.define_boxed(into, value);
        } else {
            self.call_into(HostCall::as_array, &[value], into);
        }
    }

    /// Reads an element without a complaint, where the place is one key deep in what may be an array: of an array the host
    /// reads it as it reads any other. False where the place is none of this kind.
    pub(super) fn read_quietly(
        &mut self,
        into: Option<Register>,
        place: &Place,
        action: &PlaceAction,
    ) -> bool {
        let (Some(into), PlaceAction::ReadQuiet, [PathStep::Key(key)]) =
            (into, action, place.path.as_slice())
        else {
            return false;
        };
        let base = match place.root {
            PlaceRoot::Variable(variable) => Operand::Register(variable),
            PlaceRoot::Value(value) => value,
            PlaceRoot::Cell(_) | PlaceRoot::Predefined(_) | PlaceRoot::Static(_) => return false,
        };
        let kinds = self.kinds(base);
        if !self.accesses() || !kinds.meets(Kinds::ARRAY) {
            return false;
        }
        if kinds.is(Kinds::ARRAY) {
            self.index_value(into, base, *key, place.accessor);
            return true;
        }
        self.begin_note();
        let (other, done) = (self.builder.create_block(), self.builder.create_block());
        let owner = self.boxed(base);
        let is_array = self.has_tag(owner, TAG_ARRAY);
        self.proceed_if(is_array, other);
        let operand = self.boxed(*key);
        let accessor = self.index(place.accessor);
        self.call_into(HostCall::index, &[owner, operand, accessor], into);
        self.note_found();
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(other);
        self.place_by_host(Some(into), place, action);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
        true
    }

    /// Has the host write the element: of an array it needs no more than the key and the value.
    pub(super) fn write_by_host(
        &mut self,
        write: ElementWrite,
        place: &Place,
        action: &PlaceAction,
        done: ir::Block,
    ) {
        let root = Operand::Register(write.variable);
        let owner = self.boxed(root);
        if !self.kinds(root).is(Kinds::ARRAY) {
            let (array, other) = (self.builder.create_block(), self.builder.create_block());
            let is_array = self.has_tag(owner, TAG_ARRAY);
            self.builder.ins().brif(is_array, array, &[], other, &[]);
            self.builder.switch_to_block(other);
            self.place_by_host(None, place, action);
            self.builder.ins().jump(done, &[]);
            self.builder.switch_to_block(array);
        }
        match write.key {
            Some(key) => self.array_insert(write.variable, key, write.value),
            None => self.array_push(write.variable, write.value),
        }
    }

    /// What a place is, if it is an element that machine code may write.
    pub(super) fn element_write(
        &self,
        into: Option<Register>,
        place: &Place,
        action: &PlaceAction,
    ) -> Option<ElementWrite> {
        let PlaceRoot::Variable(variable) = place.root else {
            return None;
        };
        let ([step], PlaceAction::Store(value), None) = (place.path.as_slice(), action, into)
        else {
            return None;
        };
        let key = match step {
            PathStep::Key(key) => Some(*key),
            PathStep::Append => None,
            PathStep::Slice(_) | PathStep::Property(_) => return None,
        };
        let kinds = self.kinds(Operand::Register(variable));
        let writable = self.accesses()
            && kinds.meets(Kinds::ARRAY)
            && self.representation(variable) == Representation::Boxed
            && !matches!(value, Operand::Function(_));
        writable.then_some(ElementWrite {
            variable,
            key,
            value: *value,
        })
    }

    /// Writes the element in place and goes to `done`; goes on in `slow` where that can't be. False where it never can.
    pub(super) fn write_element(
        &mut self,
        write: ElementWrite,
        slow: ir::Block,
        done: ir::Block,
    ) -> bool {
        let position = match write.key {
            Some(key) => match self.position(key) {
                Some(position) => Some(position),
                None => return false,
            },
            None => None,
        };
        let owner = self.boxed(Operand::Register(write.variable));
        if !self
            .kinds(Operand::Register(write.variable))
            .is(Kinds::ARRAY)
        {
            let is_array = self.has_tag(owner, TAG_ARRAY);
            self.proceed_if(is_array, slow);
        }
        let array = self.pointer(owner);
        let count = self.load(types::I32, array, REFCOUNT_OFFSET);
        let unique = self.builder.ins().icmp_imm_u(IntCC::Equal, count, 1);
        self.proceed_if(unique, slow);
        match position {
            Some((position, ordered)) => {
                if let Some(ordered) = ordered {
                    self.proceed_if(ordered, slow);
                }
                self.replace_element(array, position, write, slow);
            }
            None => self.add_element(array, write.value, slow),
        }
        self.builder.ins().jump(done, &[]);
        true
    }

    /// Adds an element to an array under construction, under the key of the one that a walk found last.
    pub(super) fn array_add(
        &mut self,
        array: Register,
        (walked, position): (Register, Register),
        value: Operand,
        is_whole: bool,
    ) {
        let owner = self.boxed(Operand::Register(array));
        let walked = self.boxed(Operand::Register(walked));
        let position = self.register(position);
        let done = self.builder.create_block();
        if self.accesses() && !matches!(value, Operand::Function(_)) {
            let slow = self.builder.create_block();
            self.add_in_step((owner, walked), position, value, slow);
            self.builder.ins().jump(done, &[]);
            self.builder.switch_to_block(slow);
        }
        let element = self.boxed(value);
        let is_whole = self.index(u32::from(is_whole));
        let arguments = [is_whole, owner, walked, position, element];
        self.call_into(HostCall::array_add, &arguments, array);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// The same where both arrays are packed, every element so far of the one walked is in the one that is built, and that
    /// has some, and room. It gets no longer than the one walked.
    fn add_in_step(
        &mut self,
        (owner, walked): (ir::Value, ir::Value),
        position: ir::Value,
        value: Operand,
        slow: ir::Block,
    ) {
        let walked = self.pointer(walked);
        let length = self.load_length(walked, ARRAY_PACKED_LENGTH_OFFSET);
        let within = IntCC::UnsignedLessThanOrEqual;
        let packed = self.builder.ins().icmp(within, position, length);
        self.proceed_if(packed, slow);
        let array = self.pointer(owner);
        let count = self.load_length(array, ARRAY_PACKED_LENGTH_OFFSET);
        let before = self.builder.ins().iadd_imm_s(position, -1);
        let in_step = self.builder.ins().icmp(IntCC::Equal, count, before);
        self.proceed_if(in_step, slow);
        // What is packed and has no elements may be of the other form.
        let some = self.builder.ins().icmp_imm_u(IntCC::NotEqual, count, 0);
        self.proceed_if(some, slow);
        let capacity = self.load_length(array, ARRAY_CAPACITY_OFFSET);
        let below = IntCC::UnsignedLessThan;
        let room = self.builder.ins().icmp(below, count, capacity);
        self.proceed_if(room, slow);
        let place = self.value_place(array, count);
        self.store_counted(value, place);
        let longer = self.builder.ins().ireduce(types::I32, position);
        self.store(longer, array, ARRAY_PACKED_LENGTH_OFFSET);
        self.store(longer, array, ARRAY_LENGTH_OFFSET);
    }

    fn replace_element(
        &mut self,
        array: ir::Value,
        position: ir::Value,
        write: ElementWrite,
        slow: ir::Block,
    ) {
        let place = self.packed_place(array, position, slow);
        let old = self.load(types::I64, place, 0);
        self.store_counted(write.value, place);
        let elements = element(
            self.kinds(Operand::Register(write.variable))
                .and(Kinds::ARRAY),
        );
        self.release(old, elements);
    }

    /// Writes a value, with a reference of its own, to an address.
    pub(super) fn store_counted(&mut self, value: Operand, place: ir::Value) {
        let new = self.boxed(value);
        let kinds = self.kinds(value);
        self.retain(new, kinds);
        self.store(new, place, 0);
    }

    /// Behind the last element, where there is room already. An empty array goes the host's way: its form is open.
    fn add_element(&mut self, array: ir::Value, value: Operand, slow: ir::Block) {
        let packed = self.load(types::I32, array, ARRAY_PACKED_LENGTH_OFFSET);
        let some = self.builder.ins().icmp_imm_u(IntCC::NotEqual, packed, 0);
        self.proceed_if(some, slow);
        let capacity = self.load(types::I32, array, ARRAY_CAPACITY_OFFSET);
        let room = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThan, packed, capacity);
        self.proceed_if(room, slow);
        let most = i64::try_from(ARRAY_LENGTH_MAX).expect("it is 24 bits");
        let allowed = self
            .builder
            .ins()
            .icmp_imm_u(IntCC::UnsignedLessThan, packed, most);
        self.proceed_if(allowed, slow);
        let position = self.builder.ins().uextend(types::I64, packed);
        let place = self.value_place(array, position);
        self.store_counted(value, place);
        let longer = self.builder.ins().iadd_imm_s(packed, 1);
        self.store(longer, array, ARRAY_PACKED_LENGTH_OFFSET);
        self.store(longer, array, ARRAY_LENGTH_OFFSET);
    }
}
