//! The intermediate representation between the tree and machine code.

pub mod build;
mod graph;
mod instruction;
mod place;
mod print;
mod reach;
mod verify;
mod visit;

pub use graph::{callees, followers_first};
pub use instruction::{
    Block, BlockId, Class, Constant, ConstantId, Function, FunctionId, FunctionReference,
    Instruction, Operand, Operation, Program, Register, RegisterInfo, Terminator,
};
pub use place::{PathStep, Place, PlaceAction, PlaceRoot};
pub use print::print;
pub use reach::{entered_again, reached_by_value};
pub use verify::verify;
