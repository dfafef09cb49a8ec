//! Both sides of generated code, stated once: what it may touch, what it may call, how it is entered. And the one call of
//! the C library: what cannot be checked otherwise is here, too.

pub mod allocator;
pub(crate) mod enter;
pub(crate) mod host_calls;
pub(crate) mod layout;
pub(crate) mod shims;
