//! x
pub mod limits;
pub mod smtp;
