//! What host calls do: one safe function per entry of the list in [`crate::boundary::host_calls`].
//!
//! Ordinary Rust over values; nothing here knows how it is called.

mod call;
mod member;
mod operate;
mod place;
mod process;
mod variable;

pub(crate) use call::{
    call_builtin, call_host, call_method, call_value, closure, enter_function, function_value,
    invoke, leave_function, run_module,
};
pub(crate) use member::{index, property};
pub(crate) use operate::{
    append, array_add, array_insert, array_new, array_push, array_spread, as_array, binary,
    concatenate, echo, interpolate, iterate_begin, iterate_next, power, release, remainder, slice,
    slice_joined, step, truth, unary, update,
};
pub(crate) use place::{place, place_predefined, place_static};
pub(crate) use process::{barrier_enter, barrier_leave, call_cached};
pub(crate) use variable::{
    cell_captured, cell_get, cell_global, cell_new, cell_set, load_static, out_of_fuel,
    store_predefined, store_static, undefined,
};
