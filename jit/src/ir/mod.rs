//! The intermediate representation between the tree and machine code.

pub mod build;
mod instruction;
mod print;
mod verify;

pub use instruction::{
    Block, BlockId, Class, Constant, ConstantId, Function, FunctionId, FunctionReference,
    Instruction, Operand, Operation, PathStep, Place, PlaceAction, PlaceRoot, Program, Register,
    RegisterInfo, Terminator,
};
pub use print::print;
pub use verify::verify;
