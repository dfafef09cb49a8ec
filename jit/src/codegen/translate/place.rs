//! Arrays under construction, elements, slices, and places deeper than a variable.

use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};

use super::Translator;
use crate::boundary::host_calls::HostCall;
use crate::codegen::tables::{PlaceShape, ShapeAction, ShapeRoot, ShapeStep};
use crate::infer::{Kinds, Representation};
use crate::ir::{
    Instruction, Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Register,
};
use crate::source::Span;

/// So many parts are appended by machine code; each takes some dozen instructions.
const APPENDED_INLINE_MAX: usize = 4;

impl Translator<'_, '_> {
    pub(super) fn array_push(&mut self, array: Register, element: Operand) {
        let owner = self.boxed(Operand::Register(array));
        let element = self.boxed(element);
        self.call_into(HostCall::array_push, &[owner, element], array);
    }

    pub(super) fn array_insert(&mut self, array: Register, key: Operand, element: Operand) {
        let owner = self.boxed(Operand::Register(array));
        let key = self.boxed(key);
        let element = self.boxed(element);
        self.call_into(HostCall::array_insert, &[owner, key, element], array);
    }

    pub(super) fn array_spread(&mut self, array: Register, elements: Operand) {
        let owner = self.boxed(Operand::Register(array));
        let elements = self.boxed(elements);
        self.call_into(HostCall::array_spread, &[owner, elements], array);
    }

    pub(super) fn slice(&mut self, into: Register, base: Operand, bounds: &[Operand; 3]) {
        let base = self.boxed(base);
        let [first, last, step] = bounds.map(|bound| self.boxed(bound));
        self.call_into(HostCall::slice, &[base, first, last, step], into);
    }

    /// `(a . b)[first:last]`, without making what is sliced: the joining, the slice and the end of what was joined are one.
    /// Gives how many instructions that were; 0 where the instructions are others.
    pub(super) fn slice_joined(&mut self, instructions: &[Instruction]) -> usize {
        let [joining, slicing, ending, ..] = instructions else {
            return 0;
        };
        let (
            Operation::Concatenate { into: whole, parts },
            Operation::Slice { into, base, bounds },
            Operation::Release { register },
        ) = (&joining.operation, &slicing.operation, &ending.operation)
        else {
            return 0;
        };
        let whole = Operand::Register(*whole);
        let [first, last, Operand::Absent] = *bounds else {
            return 0;
        };
        let is_one = *base == whole && Operand::Register(*register) == whole;
        if !self.accesses() || !is_one || parts.len() != 2 || [first, last].contains(&whole) {
            return 0;
        }
        self.span = slicing.span;
        let joined = self.shared.tables.site(joining.span);
        let joined = self.index(joined);
        let [first, last] = [first, last].map(|bound| self.boxed(bound));
        let list = self.list(parts);
        self.call_into(HostCall::slice_joined, &[joined, list, first, last], *into);
        let taken = [joining, slicing, ending];
        for instruction in taken {
            self.pass(instruction);
        }
        taken.len()
    }

    pub(super) fn append(&mut self, variable: Register, parts: &[Operand], joined: Option<Span>) {
        let inline = self.accesses()
            && parts.len() <= APPENDED_INLINE_MAX
            && self.kinds(Operand::Register(variable)).meets(Kinds::STRING)
            && parts
                .iter()
                .all(|part| self.kinds(*part).meets(Kinds::STRING));
        if !inline {
            self.append_by_host(variable, parts, joined);
            return;
        }
        let (slow, done) = self.slow_and_done();
        self.append_in_place(variable, parts, slow);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(slow);
        self.append_by_host(variable, parts, joined);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    fn append_by_host(&mut self, variable: Register, parts: &[Operand], joined: Option<Span>) {
        let list = self.list(parts);
        let owner = self.boxed(Operand::Register(variable));
        let joined = joined.map_or(0, |span| self.shared.tables.site(span));
        let joined = self.index(joined);
        self.call_into(HostCall::append, &[joined, owner, list], variable);
    }

    pub(super) fn place(&mut self, into: Option<Register>, place: &Place, action: &PlaceAction) {
        if self.read_quietly(into, place, action) {
            return;
        }
        let Some(write) = self.element_write(into, place, action) else {
            self.place_by_host(into, place, action);
            return;
        };
        let (slow, done) = self.slow_and_done();
        if !self.write_element(write, slow, done) {
            self.builder.ins().jump(slow, &[]);
        }
        self.builder.switch_to_block(slow);
        self.write_by_host(write, place, action, done);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(done);
    }

    /// The place's form goes into a table; what changes from run to run goes with the call.
    pub(super) fn place_by_host(
        &mut self,
        into: Option<Register>,
        place: &Place,
        action: &PlaceAction,
    ) {
        let mut operands = Vec::new();
        let shape = shape(place, action, &mut operands);
        let shape = self.shared.tables.shape(shape);
        let shape = self.index(shape);
        let result = match &place.root {
            PlaceRoot::Variable(register) => self.place_of_register(shape, *register, &operands),
            PlaceRoot::Cell(register) => {
                self.place_of_copy(shape, Operand::Register(*register), &operands)
            }
            PlaceRoot::Value(value) => self.place_of_copy(shape, *value, &operands),
            PlaceRoot::Predefined(index) => {
                let list = self.list(&operands);
                let index = self.index(*index);
                self.call_host(HostCall::place_predefined, &[shape, index, list])
            }
            PlaceRoot::Static(index) => {
                let list = self.list(&operands);
                let index = self.index(*index);
                self.call_host(HostCall::place_static, &[shape, index, list])
            }
        };
        let result = result.expect("a place has a result");
        if let Some(into) = into {
            self.define_boxed(into, result);
        }
    }

    /// The variable goes into the frame, is changed there, and comes back.
    fn place_of_register(
        &mut self,
        shape: ir::Value,
        register: Register,
        operands: &[Operand],
    ) -> Option<ir::Value> {
        let (root, list) = self.place_room(Operand::Register(register), operands);
        let result = self.call_host(HostCall::place, &[shape, root, list]);
        if self.representation(register) == Representation::Boxed {
            let changed = self
                .builder
                .ins()
                .load(types::I64, MemFlagsData::trusted(), root, 0);
            self.builder
                .def_var(self.variables[register.0 as usize], changed);
        }
        result
    }

    /// The root refers to what is changed (a cell, an object); itself it stays.
    fn place_of_copy(
        &mut self,
        shape: ir::Value,
        root: Operand,
        operands: &[Operand],
    ) -> Option<ir::Value> {
        let (root, list) = self.place_room(root, operands);
        self.call_host(HostCall::place, &[shape, root, list])
    }

    /// Room in the frame for the root and, behind it, the list of operands.
    fn place_room(&mut self, root: Operand, operands: &[Operand]) -> (ir::Value, ir::Value) {
        let count = u32::try_from(operands.len()).expect("a path is bounded by the source's size");
        let values: Vec<ir::Value> = operands
            .iter()
            .map(|operand| self.boxed(*operand))
            .collect();
        let root = self.boxed(root);
        let room = self.room(count + 2);
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), root, room, 0);
        let length = self.builder.ins().iconst(types::I64, i64::from(count));
        self.builder
            .ins()
            .store(MemFlagsData::trusted(), length, room, 8);
        for (index, value) in values.iter().enumerate() {
            let offset =
                i32::try_from((index + 2) * 8).expect("a path is bounded by the source's size");
            self.builder
                .ins()
                .store(MemFlagsData::trusted(), *value, room, offset);
        }
        let list = self.builder.ins().iadd_imm_s(room, 8);
        (room, list)
    }
}

/// The fixed part of a place; its operands are added to the list in the order in which the host reads them: those of the
/// steps, then that of the action.
fn shape(place: &Place, action: &PlaceAction, operands: &mut Vec<Operand>) -> PlaceShape {
    let steps = place
        .path
        .iter()
        .map(|step| match step {
            PathStep::Key(key) => {
                operands.push(*key);
                ShapeStep::Key
            }
            PathStep::Append => ShapeStep::Append,
            PathStep::Slice(bounds) => {
                operands.extend_from_slice(bounds);
                ShapeStep::Slice
            }
            PathStep::Property(name) => {
                operands.push(Operand::Constant(*name));
                ShapeStep::Property
            }
        })
        .collect();
    let action = match action {
        PlaceAction::Store(value) => {
            operands.push(*value);
            ShapeAction::Store
        }
        PlaceAction::Update { operator, right } => {
            operands.push(*right);
            ShapeAction::Update {
                operator: *operator,
            }
        }
        PlaceAction::Step {
            increment,
            yield_old,
        } => ShapeAction::Step {
            increment: *increment,
            yield_old: *yield_old,
        },
        PlaceAction::Isset => ShapeAction::Isset,
        PlaceAction::Unset => ShapeAction::Unset,
        PlaceAction::ReadQuiet => ShapeAction::ReadQuiet,
    };
    PlaceShape {
        root: match place.root {
            PlaceRoot::Cell(_) => ShapeRoot::Cell,
            PlaceRoot::Value(_) => ShapeRoot::Borrowed,
            PlaceRoot::Variable(_) | PlaceRoot::Predefined(_) | PlaceRoot::Static(_) => {
                ShapeRoot::Variable
            }
        },
        accessor: place.accessor,
        steps,
        action,
    }
}
