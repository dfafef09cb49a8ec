//! One call of a builtin replaced by the loop that it is.
//!
//! In: a function, and which of its calls become loops. Out: the function with the loops in it.

use super::{Callback, Candidate};
use crate::builtins;
use crate::ir::{
    Block, BlockId, Function, FunctionReference, Instruction, Operand, Operation, Register,
    RegisterInfo, Terminator,
};
use crate::source::Span;

/// What a builtin makes of an array and a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// What the callback gives, under the same keys.
    Map,
    /// The elements it is true for, under their keys.
    Filter,
    /// The first element it is true for.
    Find,
    /// Whether it is true for an element.
    Includes,
    /// What it makes of what it made of the elements before and of an element.
    Reduce,
}

impl Walk {
    /// How many blocks a loop adds to a function at most.
    pub(super) const BLOCKS_MAX: usize = 8;
    /// How many registers that live across blocks a loop adds to a function at most: the array, the position, the element and
    /// the result.
    pub(super) const REGISTERS_MAX: usize = 4;

    /// What a builtin does that is called with so many arguments.
    pub(super) fn of(builtin: u32, arguments_count: usize) -> Option<Self> {
        let builtin = builtins::registry().get(builtin as usize)?;
        let walk = match builtin.name {
            "array_map" => Self::Map,
            "array_filter" => Self::Filter,
            "array_find" => Self::Find,
            "array_includes" | "in_array" => Self::Includes,
            "array_reduce" => Self::Reduce,
            _ => return None,
        };
        let is_fitting = arguments_count == 2 || (walk == Self::Reduce && arguments_count == 3);
        is_fitting.then_some(walk)
    }

    /// How many arguments the callback gets.
    pub(super) fn arguments_count(self) -> usize {
        match self {
            Self::Reduce => 2,
            Self::Map | Self::Filter | Self::Find | Self::Includes => 1,
        }
    }
}

/// Replaces calls, which are given in order.
pub(super) fn expand(function: &mut Function, candidates: &[Candidate]) {
    let old = std::mem::take(&mut function.blocks);
    let mut writer = Writer {
        registers: &mut function.registers,
        out: Vec::with_capacity(old.len()),
        current: Vec::new(),
        span: function.span,
    };
    let mut candidates = candidates.iter().peekable();
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for (index, block) in old.into_iter().enumerate() {
        starts.push(writer.here());
        for (place, instruction) in block.instructions.into_iter().enumerate() {
            let is_wanted = |one: &&Candidate| (one.block, one.place) == (index, place);
            match (candidates.next_if(is_wanted), &instruction.operation) {
                (
                    Some(candidate),
                    Operation::CallBuiltin {
                        into,
                        builtin,
                        arguments,
                    },
                ) => {
                    writer.span = instruction.span;
                    writer.call(candidate, *into, *builtin, arguments);
                }
                _ => writer.current.push(instruction),
            }
        }
        ends.push(writer.here());
        writer.span = block.terminator_span;
        writer.end(block.terminator);
    }
    let mut blocks = writer.out;
    for end in ends {
        blocks[end.0 as usize]
            .terminator
            .each_target_mut(&mut |to| *to = starts[to.0 as usize]);
    }
    function.blocks = blocks;
}

/// A function in the making.
struct Writer<'f> {
    registers: &'f mut Vec<RegisterInfo>,
    out: Vec<Block>,
    /// The instructions of the block that is next.
    current: Vec<Instruction>,
    /// Where what is written stands in the text.
    span: Span,
}

/// An array that is walked.
#[derive(Clone, Copy)]
struct Walked {
    array: Register,
    position: Register,
    /// Where the next element is looked for.
    head: BlockId,
}

impl Writer<'_> {
    /// The block that is next.
    fn here(&self) -> BlockId {
        self.behind(0)
    }

    /// The block so many behind it.
    fn behind(&self, count: usize) -> BlockId {
        let index = u32::try_from(self.out.len() + count);
        BlockId(index.expect("blocks are bounded by the source's size"))
    }

    fn end(&mut self, terminator: Terminator) {
        self.out.push(Block {
            instructions: std::mem::take(&mut self.current),
            terminator,
            terminator_span: self.span,
        });
    }

    fn emit(&mut self, operation: Operation) {
        self.current.push(Instruction {
            operation,
            span: self.span,
        });
    }

    fn copy(&mut self, into: Register, from: Operand) {
        self.emit(Operation::Copy { into, from });
    }

    fn release(&mut self, register: Register) {
        self.emit(Operation::Release { register });
    }

    fn register(&mut self, info: RegisterInfo) -> Register {
        let index = u32::try_from(self.registers.len());
        self.registers.push(info);
        Register(index.expect("registers are bounded by the source's size"))
    }

    fn temporary(&mut self) -> Register {
        self.register(RegisterInfo::Temporary)
    }

    /// The loop in place of a call. What is next then is what stood behind the call.
    fn call(&mut self, candidate: &Candidate, into: Register, builtin: u32, arguments: &[Operand]) {
        let callback = &candidate.callback;
        self.refuse_others(builtin, arguments);
        match candidate.walk {
            Walk::Map => {
                let walked = self.begin(arguments[1], Some(into));
                self.map(walked, callback, into);
            }
            Walk::Filter => {
                let walked = self.begin(arguments[1], Some(into));
                self.filter(walked, callback, into);
            }
            Walk::Find | Walk::Includes => {
                let walked = self.begin(arguments[1], None);
                self.find(walked, callback, into, candidate.walk);
            }
            Walk::Reduce => self.reduce(callback, into, builtin, arguments),
        }
    }

    /// Goes on with an array only: of what is none, the builtin says so.
    fn refuse_others(&mut self, builtin: u32, arguments: &[Operand]) {
        let is_array = builtins::find("is_array").and_then(|index| u32::try_from(index).ok());
        let is_array = is_array.expect("there is such a builtin");
        let (answer, truth) = (self.temporary(), self.temporary());
        self.emit(Operation::CallBuiltin {
            into: answer,
            builtin: is_array,
            arguments: vec![arguments[1]],
        });
        self.emit(Operation::Truth {
            into: truth,
            operand: Operand::Register(answer),
        });
        self.release(answer);
        let (other, walk) = (self.behind(1), self.behind(2));
        self.end(Terminator::Branch {
            condition: Operand::Register(truth),
            then: walk,
            otherwise: other,
        });
        self.refuse(builtin, arguments);
    }

    /// A call of the builtin that fails before it calls anything back, so that any function will do for the callback.
    fn refuse(&mut self, builtin: u32, arguments: &[Operand]) {
        let into = self.temporary();
        let mut arguments = arguments.to_vec();
        arguments[0] = Operand::Function(FunctionReference::Builtin(builtin));
        self.emit(Operation::CallBuiltin {
            into,
            builtin,
            arguments,
        });
        self.end(Terminator::Unreachable);
    }

    /// Begins to walk an array, and to build one if one is built; the block that looks for the next element is next.
    fn begin(&mut self, operand: Operand, built: Option<Register>) -> Walked {
        let array = self.temporary();
        let position = self.register(RegisterInfo::Position);
        self.emit(Operation::AsArray {
            into: array,
            from: operand,
        });
        if let Some(into) = built {
            self.emit(Operation::ArrayNew { into, capacity: 0 });
        }
        self.emit(Operation::IterateBegin { position, array });
        let head = self.behind(1);
        self.end(Terminator::Jump(head));
        Walked {
            array,
            position,
            head,
        }
    }

    /// Looks for the next element; what is done with it is next.
    fn next(&mut self, walked: Walked, value: Register, done: BlockId) {
        let body = self.behind(1);
        self.end(Terminator::IterateNext {
            array: walked.array,
            position: walked.position,
            key: None,
            value,
            body,
            done,
        });
        self.emit(Operation::Fuel);
    }

    /// Calls the callback with temporaries, which it takes over; gives the result.
    fn call_back(&mut self, callback: &Callback, given: &[Register]) -> Register {
        let (fixed, rest) = given.split_at(callback.fixed_count);
        let mut arguments = fixed.to_vec();
        for default in &callback.defaults {
            let argument = self.temporary();
            self.copy(argument, *default);
            arguments.push(argument);
        }
        if callback.is_variadic {
            let array = self.temporary();
            let capacity = u32::try_from(rest.len()).expect("there are two at most");
            self.emit(Operation::ArrayNew {
                into: array,
                capacity,
            });
            for value in rest {
                self.emit(Operation::ArrayPush {
                    array,
                    value: Operand::Register(*value),
                });
                self.release(*value);
            }
            arguments.push(array);
        }
        let into = self.temporary();
        self.emit(Operation::Call {
            into,
            function: callback.function,
            arguments,
            this: callback.value,
        });
        into
    }

    fn map(&mut self, walked: Walked, callback: &Callback, into: Register) {
        let value = self.temporary();
        self.next(walked, value, self.behind(2));
        let result = self.call_back(callback, &[value]);
        self.emit(Operation::ArrayAdd {
            array: into,
            walked: walked.array,
            position: walked.position,
            value: Operand::Register(result),
            is_whole: true,
        });
        self.release(result);
        self.end(Terminator::Jump(walked.head));
        self.release(walked.array);
    }

    /// Calls the callback with a copy of a value, and goes on by whether the result is true.
    fn holds(&mut self, callback: &Callback, value: Register, then: BlockId, otherwise: BlockId) {
        let (argument, truth) = (self.temporary(), self.temporary());
        self.copy(argument, Operand::Register(value));
        let result = self.call_back(callback, &[argument]);
        self.emit(Operation::Truth {
            into: truth,
            operand: Operand::Register(result),
        });
        self.release(result);
        self.end(Terminator::Branch {
            condition: Operand::Register(truth),
            then,
            otherwise,
        });
    }

    fn filter(&mut self, walked: Walked, callback: &Callback, into: Register) {
        let value = self.temporary();
        self.next(walked, value, self.behind(4));
        let (keep, round) = (self.behind(1), self.behind(2));
        self.holds(callback, value, keep, round);
        self.emit(Operation::ArrayAdd {
            array: into,
            walked: walked.array,
            position: walked.position,
            value: Operand::Register(value),
            is_whole: false,
        });
        self.end(Terminator::Jump(round));
        self.release(value);
        self.end(Terminator::Jump(walked.head));
        self.release(walked.array);
    }

    fn find(&mut self, walked: Walked, callback: &Callback, into: Register, walk: Walk) {
        let value = self.temporary();
        self.next(walked, value, self.behind(4));
        let (found, round, end) = (self.behind(1), self.behind(2), self.behind(4));
        self.holds(callback, value, found, round);
        let (element, none) = match walk {
            Walk::Includes => (Operand::Boolean(true), Operand::Boolean(false)),
            _ => (Operand::Register(value), Operand::None),
        };
        self.copy(into, element);
        self.release(value);
        self.end(Terminator::Jump(end));
        self.release(value);
        self.end(Terminator::Jump(walked.head));
        self.copy(into, none);
        self.end(Terminator::Jump(end));
        self.release(walked.array);
    }

    /// What was made of the elements so far is in the register of the result.
    fn reduce(&mut self, callback: &Callback, into: Register, builtin: u32, arguments: &[Operand]) {
        let mut walked = self.begin(arguments[1], None);
        if let Some(initial) = arguments.get(2) {
            self.copy(into, *initial);
            walked.head = self.behind(1);
            self.end(Terminator::Jump(walked.head));
        } else {
            walked.head = self.behind(2);
            self.end(Terminator::IterateNext {
                array: walked.array,
                position: walked.position,
                key: None,
                value: into,
                body: walked.head,
                done: self.behind(1),
            });
            self.refuse(builtin, arguments);
        }
        let value = self.temporary();
        self.next(walked, value, self.behind(2));
        let result = self.call_back(callback, &[into, value]);
        self.copy(into, Operand::Register(result));
        self.release(result);
        self.end(Terminator::Jump(walked.head));
        self.release(walked.array);
    }
}
