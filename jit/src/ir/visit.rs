//! The parts of instructions, one by one, for passes that rewrite them.
//!
//! In: an operation or a terminator. Out: a call back for each operand, register or block that it names. What an operation
//! reads and writes is told by [`crate::infer::each_read`] and [`crate::infer::each_written`]; here it is only named.

use super::{BlockId, Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Register};
use super::{Function, Terminator};

impl Operation {
    /// Calls back for each operand, all of which are borrowed.
    #[expect(clippy::too_many_lines, reason = "a flat dispatch over all operations")]
    pub fn each_operand_mut(&mut self, found: &mut dyn FnMut(&mut Operand)) {
        match self {
            Self::Copy { from: one, .. }
            | Self::AsArray { from: one, .. }
            | Self::Unary { operand: one, .. }
            | Self::Truth { operand: one, .. }
            | Self::Next { operand: one, .. }
            | Self::Echo { operand: one }
            | Self::Update { right: one, .. }
            | Self::ArrayPush { value: one, .. }
            | Self::ArrayAdd { value: one, .. }
            | Self::ArraySpread { value: one, .. }
            | Self::BarrierEnter { name: one, .. }
            | Self::Property { base: one, .. } => found(one),
            Self::Binary { left, right, .. } => {
                found(left);
                found(right);
            }
            Self::Interpolate { parts: all, .. }
            | Self::Concatenate { parts: all, .. }
            | Self::Append { parts: all, .. }
            | Self::CallBuiltin { arguments: all, .. }
            | Self::CallHost { arguments: all, .. } => all.iter_mut().for_each(found),
            Self::ArrayInsert { key, value, .. } => {
                found(key);
                found(value);
            }
            Self::Index { base, key, .. } => {
                found(base);
                found(key);
            }
            Self::Slice { base, bounds, .. } => {
                found(base);
                bounds.iter_mut().for_each(found);
            }
            Self::Place { place, action, .. } => place_operands(place, action, found),
            Self::Call { this, .. } => this.iter_mut().for_each(found),
            Self::CallValue {
                callee, arguments, ..
            } => {
                found(callee);
                found(arguments);
            }
            Self::CallCached {
                callee,
                options,
                arguments,
                ..
            } => {
                found(callee);
                found(options);
                found(arguments);
            }
            Self::CallMethod {
                object, arguments, ..
            } => {
                found(object);
                found(arguments);
            }
            Self::LoadUndefined { .. }
            | Self::Assign { .. }
            | Self::Release { .. }
            | Self::CheckDefined { .. }
            | Self::Step { .. }
            | Self::ArrayNew { .. }
            | Self::BarrierLeave { .. }
            | Self::Closure { .. }
            | Self::CellNew { .. }
            | Self::CellGlobal { .. }
            | Self::CellGet { .. }
            | Self::CellSet { .. }
            | Self::LoadPredefined { .. }
            | Self::StorePredefined { .. }
            | Self::LoadStatic { .. }
            | Self::StoreStatic { .. }
            | Self::IsDefined { .. }
            | Self::IterateBegin { .. }
            | Self::RunModule { .. }
            | Self::Fuel => {}
        }
    }

    /// Calls back for each register: those of the operands, and those that are named by themselves.
    pub fn each_register_mut(&mut self, found: &mut dyn FnMut(&mut Register)) {
        self.each_operand_mut(&mut |operand| {
            if let Operand::Register(register) = operand {
                found(register);
            }
        });
        self.each_bare_register_mut(found);
    }

    /// Calls back for each register that can't be a constant.
    #[expect(clippy::too_many_lines, reason = "a flat dispatch over all operations")]
    pub fn each_bare_register_mut(&mut self, found: &mut dyn FnMut(&mut Register)) {
        match self {
            Self::Copy { into: one, .. }
            | Self::LoadUndefined { into: one }
            | Self::AsArray { into: one, .. }
            | Self::Release { register: one }
            | Self::CheckDefined { register: one, .. }
            | Self::Binary { into: one, .. }
            | Self::Unary { into: one, .. }
            | Self::Truth { into: one, .. }
            | Self::Update { variable: one, .. }
            | Self::Step { variable: one, .. }
            | Self::Next { into: one, .. }
            | Self::Interpolate { into: one, .. }
            | Self::Concatenate { into: one, .. }
            | Self::Append { variable: one, .. }
            | Self::ArrayNew { into: one, .. }
            | Self::ArrayPush { array: one, .. }
            | Self::ArrayInsert { array: one, .. }
            | Self::ArraySpread { array: one, .. }
            | Self::Index { into: one, .. }
            | Self::Slice { into: one, .. }
            | Self::Property { into: one, .. }
            | Self::CallBuiltin { into: one, .. }
            | Self::CallHost { into: one, .. }
            | Self::CallValue { into: one, .. }
            | Self::CallCached { into: one, .. }
            | Self::BarrierEnter { into: one, .. }
            | Self::CallMethod { into: one, .. }
            | Self::CellNew { into: one }
            | Self::CellGlobal { into: one, .. }
            | Self::LoadPredefined { into: one, .. }
            | Self::StorePredefined { from: one, .. }
            | Self::LoadStatic { into: one, .. }
            | Self::StoreStatic { from: one, .. } => found(one),
            Self::Assign {
                variable: one,
                from: other,
            }
            | Self::CellGet {
                into: one,
                cell: other,
            }
            | Self::CellSet {
                cell: one,
                from: other,
            }
            | Self::IsDefined {
                into: one,
                operand: other,
                ..
            }
            | Self::IterateBegin {
                position: one,
                array: other,
            } => {
                found(one);
                found(other);
            }
            Self::Place { into, place, .. } => {
                into.iter_mut().for_each(&mut *found);
                if let PlaceRoot::Variable(root) | PlaceRoot::Cell(root) = &mut place.root {
                    found(root);
                }
            }
            Self::Call {
                into, arguments, ..
            } => {
                found(into);
                arguments.iter_mut().for_each(found);
            }
            Self::Closure { into, cells, .. } => {
                found(into);
                cells.iter_mut().for_each(found);
            }
            Self::ArrayAdd {
                array,
                walked,
                position,
                ..
            } => {
                found(array);
                found(walked);
                found(position);
            }
            Self::BarrierLeave { shared } => shared.iter_mut().for_each(found),
            Self::Echo { .. } | Self::RunModule { .. } | Self::Fuel => {}
        }
    }

    /// Calls back for each temporary whose value the operation takes over.
    pub fn each_consumed(&self, found: &mut dyn FnMut(Register)) {
        match self {
            Self::Assign { from, .. }
            | Self::CellSet { from, .. }
            | Self::StorePredefined { from, .. }
            | Self::StoreStatic { from, .. } => found(*from),
            Self::Release { register } => found(*register),
            Self::Call { arguments, .. } => arguments.iter().copied().for_each(found),
            _ => {}
        }
    }
}

fn place_operands(
    place: &mut Place,
    action: &mut PlaceAction,
    found: &mut dyn FnMut(&mut Operand),
) {
    if let PlaceRoot::Value(value) = &mut place.root {
        found(value);
    }
    for step in &mut place.path {
        match step {
            PathStep::Key(key) => found(key),
            PathStep::Slice(bounds) => bounds.iter_mut().for_each(&mut *found),
            PathStep::Append | PathStep::Property(_) => {}
        }
    }
    match action {
        PlaceAction::Store(value) | PlaceAction::Update { right: value, .. } => found(value),
        PlaceAction::Step { .. }
        | PlaceAction::Isset
        | PlaceAction::Unset
        | PlaceAction::ReadQuiet => {}
    }
}

impl Terminator {
    /// Calls back for each block that may come next.
    pub fn each_target_mut(&mut self, found: &mut dyn FnMut(&mut BlockId)) {
        match self {
            Self::Jump(to) => found(to),
            Self::Branch {
                then, otherwise, ..
            } => {
                found(then);
                found(otherwise);
            }
            Self::IterateNext { body, done, .. } => {
                found(body);
                found(done);
            }
            Self::Switch {
                cases,
                otherwise,
                no_string,
                ..
            } => {
                cases.iter_mut().for_each(|(_, block)| found(block));
                found(otherwise);
                found(no_string);
            }
            Self::Return(_) | Self::Unreachable => {}
        }
    }

    /// Calls back for each block that may come next.
    pub fn each_target(&self, found: &mut dyn FnMut(BlockId)) {
        match self {
            Self::Jump(to) => found(*to),
            Self::Branch {
                then, otherwise, ..
            } => {
                found(*then);
                found(*otherwise);
            }
            Self::IterateNext { body, done, .. } => {
                found(*body);
                found(*done);
            }
            Self::Switch {
                cases,
                otherwise,
                no_string,
                ..
            } => {
                cases.iter().for_each(|(_, block)| found(*block));
                found(*otherwise);
                found(*no_string);
            }
            Self::Return(_) | Self::Unreachable => {}
        }
    }

    /// Calls back for each operand.
    pub fn each_operand_mut(&mut self, found: &mut dyn FnMut(&mut Operand)) {
        match self {
            Self::Branch {
                condition: operand, ..
            }
            | Self::Return(operand) => found(operand),
            Self::IterateNext { .. } | Self::Switch { .. } | Self::Jump(_) | Self::Unreachable => {}
        }
    }

    /// Calls back for each register that can't be a constant.
    pub fn each_bare_register_mut(&mut self, found: &mut dyn FnMut(&mut Register)) {
        match self {
            Self::IterateNext {
                array,
                position,
                key,
                value,
                ..
            } => {
                found(array);
                found(position);
                key.iter_mut().for_each(&mut *found);
                found(value);
            }
            Self::Switch { subject, .. } => found(subject),
            Self::Branch { .. } | Self::Return(_) | Self::Jump(_) | Self::Unreachable => {}
        }
    }

    /// Calls back for each register: those of the operands, and those that are named by themselves.
    pub fn each_register_mut(&mut self, found: &mut dyn FnMut(&mut Register)) {
        self.each_operand_mut(&mut |operand| {
            if let Operand::Register(register) = operand {
                found(register);
            }
        });
        self.each_bare_register_mut(found);
    }

    /// Calls back for each register whose value is looked at.
    pub fn each_read(&self, found: &mut dyn FnMut(Register)) {
        match self {
            Self::Branch {
                condition: Operand::Register(register),
                ..
            }
            | Self::Return(Operand::Register(register)) => found(*register),
            Self::IterateNext {
                array, position, ..
            } => {
                found(*array);
                found(*position);
            }
            Self::Switch { subject, .. } => found(*subject),
            Self::Branch { .. } | Self::Return(_) | Self::Jump(_) | Self::Unreachable => {}
        }
    }

    /// Calls back for each register written.
    pub fn each_written(&self, found: &mut dyn FnMut(Register)) {
        if let Self::IterateNext { key, value, .. } = self {
            key.iter().copied().for_each(&mut *found);
            found(*value);
        }
    }
}

impl Function {
    /// How many instructions it has.
    #[must_use]
    pub fn instructions_count(&self) -> usize {
        let blocks = self.blocks.iter();
        blocks.map(|block| block.instructions.len()).sum()
    }
}
