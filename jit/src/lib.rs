//! HSL, the Halon Scripting Language, from text to machine code.
//!
//! ```text
//! text --> syntax --> resolve --> ir --> optimise --> infer --> codegen --> Script --> ScriptInstance --> Execution
//!            |           |                                                                              |
//!            +-----------+--> diagnostics (all at once)                      runtime + builtins <-------+
//! ```
//!
//! Knows nothing of SMTP and does no I/O: a script that needs the world asks, and its execution is parked until the
//! answer comes.

#![deny(unsafe_code)]

mod boundary;
pub mod builtins;
mod codegen;
mod data;
pub mod diagnostic;
pub mod error;
pub mod execution;
mod findings;
pub mod infer;
pub mod ir;
pub mod optimise;
pub mod oracle;
pub mod process;
pub mod resolve;
pub mod runtime;
pub mod script;
pub mod session;
pub mod source;
pub mod syntax;

pub use boundary::allocator;
