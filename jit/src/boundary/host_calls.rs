//! Everything generated code may call, declared once.
//!
//! [`for_each_host_call`] is the complete list: name, argument kinds, result kind, ownership per argument. From it come
//! [`HostCall`] (the index), the machine signatures for the code generator, the symbols, and the raw shims. A shim turns
//! scalars and pointers into references and calls the safe function of the same name in [`crate::execution::calls`].
//!
//! Argument kinds: `index` (a number known when compiling), `number` (a double), `borrowed` (a value that stays the
//! caller's), `owned` (a value that becomes the callee's), `list` (pointer to a count followed by that many borrowed
//! values, in the caller's frame), `slot` (pointer to an owned value in the caller's frame, read and written), `pair` (pointer to two such),
//! `integer` (64 bits).
//! Result kinds: `value` (owned, or `FAILED` when the script must end), `truth` (0 or 1; can't fail), `number` (a double;
//! can't fail), `status` (0, or 1 when the script must end), `position` (a machine integer), `nothing`.

/// Calls a macro with the list of host calls.
macro_rules! for_each_host_call {
    ($generate:ident) => {
        $generate! {
            /// `left operator right` for operands that are not two numbers.
            binary(operator: index, left: borrowed, right: borrowed) -> value;
            /// `operator operand` for an operand that is not a number.
            unary(operator: index, operand: borrowed) -> value;
            /// `left operator right`, in place where nobody else holds `left`.
            update(operator: index, left: owned, right: borrowed) -> value;
            /// One more (1) or one less (0) of an operand that is not a number.
            step(increment: index, operand: borrowed) -> value;
            /// Truth of a string, array, function or object.
            truth(operand: borrowed) -> truth;
            /// Remainder of two doubles with the sign of the dividend.
            remainder(left: number, right: number) -> number;
            /// Power of two doubles.
            power(left: number, right: number) -> number;
            /// The texts of all parts in one string.
            concatenate(parts: list) -> value;
            /// The texts of all parts in one string; that of none is `none`.
            interpolate(parts: list) -> value;
            /// `left` followed by the texts of all parts, in place where nobody else holds `left`. `joined` is the site of
            /// an expression that joins the parts, or 0 if they are joined to `left` one by one.
            append(joined: index, left: owned, parts: list) -> value;
            /// Gives up a reference that is the last one.
            release(operand: owned) -> nothing;
            /// A variable was read that holds nothing; the name is an index among the names.
            undefined(name: index) -> status;
            /// An empty array.
            array_new(capacity: index) -> value;
            /// The array with one more element.
            array_push(array: owned, element: borrowed) -> value;
            /// The array with an element set.
            array_insert(array: owned, key: borrowed, element: borrowed) -> value;
            /// The array with all elements of another appended.
            array_spread(array: owned, elements: borrowed) -> value;
            /// The operand if it is an array, else an empty array.
            as_array(operand: borrowed) -> value;
            /// `base[key]`
            index(base: borrowed, key: borrowed, accessor: index) -> value;
            /// `base[first:last:step]`
            slice(base: borrowed, first: borrowed, last: borrowed, step: borrowed) -> value;
            /// `(left . right)[first:last]`; `joined` is the site of the joining.
            slice_joined(joined: index, parts: list, first: borrowed, last: borrowed) -> value;
            /// `base->name`
            property(base: borrowed, name: borrowed, accessor: index) -> value;
            /// What is done to a place below a root; the shape is an index among the shapes.
            place(shape: index, root: slot, operands: list) -> value;
            /// The same below a predefined variable.
            place_predefined(shape: index, variable: index, operands: list) -> value;
            /// The same below a static variable.
            place_static(shape: index, variable: index, operands: list) -> value;
            /// Fails unless `foreach` can walk the value.
            iterate_begin(array: borrowed) -> status;
            /// Writes key (if wanted) and element at a position; gives the next position, or -1 at the end.
            iterate_next(array: borrowed, position: integer, wants_key: integer, room: pair) -> position;
            /// A builtin function, by its index in the registry.
            call_builtin(builtin: index, arguments: list) -> value;
            /// A function of the hook's environment.
            call_host(function: index, arguments: list) -> value;
            /// A function value, with its arguments in an array.
            call_value(callee: borrowed, arguments: borrowed) -> value;
            /// A function value, or what is kept of an equal call; its name, the options, its arguments in an array.
            call_cached(callee: borrowed, name: borrowed, options: borrowed, arguments: borrowed) -> value;
            /// Enters a barrier; its shared variable if there is one in the script, `undefined` included.
            barrier_enter(has_shared: index, name: borrowed) -> value;
            /// Leaves the barrier entered last; whether it has a shared variable, and what that holds.
            barrier_leave(has_shared: index, shared: borrowed) -> status;
            /// An instance function, with its arguments in an array.
            call_method(object: borrowed, name: borrowed, accessor: index, arguments: borrowed) -> value;
            /// A function of this script as a value; kind and index as in `FunctionReference`.
            function_value(kind: index, function: index) -> value;
            /// A function value that holds references to cells.
            closure(function: index, cells: list) -> value;
            /// Fails when the function is already being executed; else marks it so.
            enter_function(function: index) -> status;
            /// The function is no longer being executed.
            leave_function(function: index) -> nothing;
            /// A fresh cell that holds nothing.
            cell_new() -> value;
            /// The cell of a variable of the main program.
            cell_global(global: index) -> value;
            /// What a cell holds, `undefined` included.
            cell_get(cell: borrowed) -> value;
            /// Puts a value in a cell.
            cell_set(cell: borrowed, content: owned) -> nothing;
            /// The cell that a closure captured, by its index in the capture list.
            cell_captured(closure: borrowed, capture: index) -> value;
            /// Puts a value in a predefined variable.
            store_predefined(variable: index, content: owned) -> nothing;
            /// A static variable of a class.
            load_static(variable: index) -> value;
            /// Puts a value in a static variable of a class.
            store_static(variable: index, content: owned) -> nothing;
            /// Runs the top level of an imported module once.
            run_module(function: index) -> status;
            /// Prints a value.
            echo(operand: borrowed) -> status;
            /// Takes new fuel, parks the script, or ends it.
            out_of_fuel() -> status;
            /// The array with one more element, under the key of the one in front of a position of another array, of which
            /// it will have every key (1) or not (0).
            array_add(is_whole: index, array: owned, walked: borrowed, position: integer, element: borrowed) -> value;
        }
    };
}

pub(crate) use for_each_host_call;

/// What generated code passes in one machine word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    /// A 32-bit number known when compiling.
    Index,
    /// A double.
    Number,
    /// A value, a pointer to values, or a machine integer: 64 bits.
    Word,
}

/// What generated code gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// An owned value or `FAILED`.
    Value,
    /// 0 or 1.
    Truth,
    /// A double.
    Number,
    /// 0, or 1 when the script must end.
    Status,
    /// A machine integer.
    Position,
    /// No result.
    Nothing,
}

macro_rules! argument_kind {
    (index) => {
        ArgumentKind::Index
    };
    (number) => {
        ArgumentKind::Number
    };
    ($other:ident) => {
        ArgumentKind::Word
    };
}

macro_rules! result_kind {
    (value) => {
        ResultKind::Value
    };
    (truth) => {
        ResultKind::Truth
    };
    (number) => {
        ResultKind::Number
    };
    (status) => {
        ResultKind::Status
    };
    (position) => {
        ResultKind::Position
    };
    (nothing) => {
        ResultKind::Nothing
    };
}

macro_rules! generate_index {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ident),*) -> $result:ident;)*) => {
        /// A host call, by name.
        #[expect(non_camel_case_types, reason = "each variant is named for the function it stands for")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum HostCall {
            $($(#[$doc])* $name,)*
        }

        impl HostCall {
            /// Every host call, in the order of the list.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The symbol by which generated code refers to it.
            pub(crate) const fn symbol(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("postern_", stringify!($name)),)*
                }
            }

            /// Its arguments after the execution state, in order.
            pub(crate) const fn arguments(self) -> &'static [ArgumentKind] {
                match self {
                    $(Self::$name => &[$(argument_kind!($kind),)*],)*
                }
            }

            /// Its result.
            pub(crate) const fn result(self) -> ResultKind {
                match self {
                    $(Self::$name => result_kind!($result),)*
                }
            }
        }
    };
}

for_each_host_call!(generate_index);
