//! The intermediate representation between the tree and machine code.

pub mod build;
mod instruction;
mod place;
mod print;
mod reach;
mod verify;
mod visit;

pub use instruction::{
    Block, BlockId, Class, Constant, ConstantId, Function, FunctionId, FunctionReference,
    Instruction, Operand, Operation, Program, Register, RegisterInfo, Terminator,
};
pub use place::{PathStep, Place, PlaceAction, PlaceRoot};
pub use print::print;
pub use reach::{reached_by_value, runs_alone};
pub use verify::verify;
