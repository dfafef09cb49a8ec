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

pub mod builtins;
pub mod error;
pub mod runtime;
pub mod source;
pub mod syntax;
