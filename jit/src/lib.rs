//! HSL, the Halon Scripting Language, from text to machine code.
//!
//! ```text
//! text --> syntax --> resolve --> ir --> infer --> codegen --> Script --> ScriptInstance --> Execution
//!            |           |                                                                 |
//!            +-----------+--> diagnostics (all at once)         runtime + builtins <-------+
//! ```
//!
//! Knows nothing of SMTP and does no I/O: a script that needs the world asks, and its execution is parked until the
//! answer comes.

#![deny(unsafe_code)]

pub mod source;
pub mod diagnostic;
pub mod syntax;
pub mod resolve;
pub mod ir;
pub mod infer;
mod codegen;
mod boundary;
pub mod error;
pub mod oracle;
pub mod runtime;
pub mod builtins;
pub mod execution;
pub mod script;
