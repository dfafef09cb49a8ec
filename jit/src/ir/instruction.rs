//! The intermediate representation: what a script does, one instruction at a time.
//!
//! In: built from the resolved tree by [`super::build`]. Out: read by inference and by the code generator.
//! A function is a list of blocks over numbered registers. A register is not SSA: it may be written many times.
//!
//! Ownership: a register *owns* what it holds. Operands are *borrowed* unless the instruction says *consumes*; a consumed
//! register is dead afterwards. A temporary is written once and consumed (or released) exactly once on every path; a
//! variable always holds something (at first `undefined`) and is released at each return. Ending a script early releases
//! nothing: its heap is dropped whole.
//!
//! Every instruction that can fail ends the script there, with the span that stands beside it.

use std::rc::Rc;

use super::place::{Place, PlaceAction};
use crate::runtime::Portable;
use crate::source::Span;
use crate::syntax::ast::{BinaryOperator, Name, UnaryOperator};

/// A register of one function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub u32);

/// A block of one function; block 0 is the entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// A function of the program; 0 is the main program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// An entry of [`Program::constants`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConstantId(pub u32);

/// A whole script.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The functions; 0 is the main program.
    pub functions: Vec<Function>,
    /// Strings and arrays known when compiling.
    pub constants: Vec<Constant>,
    /// How many variables of the main program are reached by functions through `global`.
    pub globals_count: u32,
    /// Whether values come from an earlier execution of a session: any function may then be called by value, with anything.
    pub open: bool,
    /// Whether it may ask how long it has been running.
    pub timed: bool,
    /// The global variables: the function that is the top level of their module, and their name there.
    pub globals: Vec<(FunctionId, Name)>,
    /// Names of the main program for global variables, its own and imported ones.
    pub main_names: Vec<(Name, u32)>,
    /// Static variables of classes: their initial values, indexed by [`Operation::LoadStatic`].
    pub statics: Vec<Operand>,
    /// The classes, indexed by class id.
    pub classes: Vec<Class>,
}

/// What a class needs at run time.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub name: Name,
    /// Instance variables and their initial values, in order.
    pub variables: Vec<(Name, bool, Operand)>,
    /// Instance functions: name, whether private, function.
    pub functions: Vec<(Name, bool, FunctionId)>,
    /// The constructor.
    pub constructor: Option<FunctionId>,
}

/// A value known when compiling that does not fit in an operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// Octets.
    String(Rc<[u8]>),
    /// What a data file held: a string or an array.
    Data(Portable),
    /// An array of constants: keys (absent: the next index) and values in order.
    Array(Vec<(Option<Operand>, Operand)>),
}

/// One function.
#[derive(Clone, Debug)]
pub struct Function {
    /// For diagnostics and listings; `None` for an anonymous function.
    pub name: Option<Name>,
    /// The first registers are the parameters, in order.
    pub parameters_count: u32,
    /// How many arguments a caller must give.
    pub required_count: u32,
    /// Whether the last parameter takes all further arguments as an array.
    pub variadic: bool,
    /// For the parameters from `required_count` on: the constant used when the argument is missing.
    pub defaults: Vec<Operand>,
    /// Registers that hold captured cells on entry, in the order of the capture list.
    pub captures: Vec<Register>,
    /// The register of `$this` on entry, in instance functions and constructors.
    pub this: Option<Register>,
    /// What each register is.
    pub registers: Vec<RegisterInfo>,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Where it is written.
    pub span: Span,
}

/// What a register is for.
#[derive(Clone, Debug)]
pub enum RegisterInfo {
    /// A variable of the script that only this function sees.
    Variable(Name),
    /// A variable that others see too: the register holds its cell.
    Cell(Name),
    /// The result of a subexpression.
    Temporary,
    /// A position in an array that a `foreach` walks: a machine integer, never a value.
    Position,
}

/// A straight line of instructions and where it goes from there.
#[derive(Clone, Debug)]
pub struct Block {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// The last thing the block does.
    pub terminator: Terminator,
    /// Where the terminator came from.
    pub terminator_span: Span,
}

/// What an instruction reads.
#[derive(Clone, Copy, PartialEq)]
pub enum Operand {
    /// The value of a register.
    Register(Register),
    /// A number known when compiling.
    Number(f64),
    /// A truth value known when compiling.
    Boolean(bool),
    /// `none`
    None,
    /// A bound of a slice that was left out; nowhere else.
    Absent,
    /// A string or array known when compiling.
    Constant(ConstantId),
    /// A named function as a value.
    Function(FunctionReference),
}

/// What a function value without captures points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionReference {
    /// A function of the script.
    User(FunctionId),
    /// A builtin, by its index in the registry.
    Builtin(u32),
    /// A function of the hook's environment, by its index.
    Host(u32),
    /// A class: calling it makes an object.
    Class(u32),
}

/// An operation and the text that it stands for.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// What is done.
    pub operation: Operation,
    /// For script errors.
    pub span: Span,
}

/// The operations. `into` is the register written; it must not hold an owned value before (variables are written only by
/// [`Operation::Assign`], [`Operation::Step`] and the place operations).
#[derive(Clone, Debug)]
pub enum Operation {
    /// `into` = a new reference to the operand. Any kind, `undefined` included. Never fails.
    Copy {
        /// Written.
        into: Register,
        /// Borrowed.
        from: Operand,
    },
    /// `into` = `undefined`, for a variable that is unset, or one that begins anew. Never fails.
    LoadUndefined {
        /// Written: a temporary, or a variable that holds nothing or was released.
        into: Register,
    },
    /// `into` = the operand if it is an array, else an empty array: what destructuring takes apart. Never fails.
    AsArray {
        /// Written: a temporary of kind array.
        into: Register,
        /// Borrowed.
        from: Operand,
    },
    /// The variable gives up what it held and takes over the temporary. Consumes `from`. Never fails.
    Assign {
        /// A variable.
        variable: Register,
        /// A temporary; consumed.
        from: Register,
    },
    /// Drops the reference. The register is dead afterwards. Never fails.
    Release {
        /// Consumed.
        register: Register,
    },
    /// Fails with "undefined variable" when the variable holds `undefined`.
    CheckDefined {
        /// A variable, or a temporary read from a cell.
        register: Register,
        /// Its name, for the error.
        name: Name,
    },
    /// `into` = `left operator right`. May allocate, may fail. Result kind follows operator and operands.
    Binary {
        /// The operator.
        operator: BinaryOperator,
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        left: Operand,
        /// Borrowed.
        right: Operand,
    },
    /// `into` = `operator operand`. May fail.
    Unary {
        /// The operator.
        operator: UnaryOperator,
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        operand: Operand,
    },
    /// `into` = truth of the operand, a boolean. Never fails.
    Truth {
        /// Written: a temporary of kind boolean.
        into: Register,
        /// Borrowed.
        operand: Operand,
    },
    /// `variable = variable operator right`, in place where nobody else holds the value. May allocate, may fail.
    Update {
        /// The operator.
        operator: BinaryOperator,
        /// A variable.
        variable: Register,
        /// Borrowed; not the variable itself.
        right: Operand,
    },
    /// `variable` plus or minus one. Fails unless it is a number or a boolean.
    Step {
        /// Plus rather than minus.
        increment: bool,
        /// A variable.
        variable: Register,
    },
    /// `into` = `operand` plus or minus one. Fails unless it is a number or a boolean.
    Next {
        /// Plus rather than minus.
        increment: bool,
        /// Written: a temporary of kind number.
        into: Register,
        /// Borrowed.
        operand: Operand,
    },
    /// `into` = the texts of all parts, one after the other; that of none is `none`.
    Interpolate {
        /// Written: a temporary of kind string.
        into: Register,
        /// Borrowed.
        parts: Vec<Operand>,
    },
    /// `into` = the texts of all parts, one after the other. Fails when a part is none or the text grows too long.
    Concatenate {
        /// Written: a temporary of kind string.
        into: Register,
        /// Borrowed.
        parts: Vec<Operand>,
    },
    /// Appends the texts of all parts to the variable's own text, in place where nobody else holds it.
    Append {
        /// A variable.
        variable: Register,
        /// Borrowed; none is the variable itself.
        parts: Vec<Operand>,
        /// The expression that joins the parts before they are appended, if there is one: a part without a text is its
        /// mistake. It is left out where nothing but that depends on it.
        joined: Option<Span>,
    },
    /// `into` = an empty array with room for so many elements.
    ArrayNew {
        /// Written: a temporary of kind array.
        into: Register,
        /// A hint.
        capacity: u32,
    },
    /// Appends an element to an array under construction.
    ArrayPush {
        /// A temporary of kind array that nobody else holds.
        array: Register,
        /// Borrowed.
        value: Operand,
    },
    /// Sets an element of an array under construction. Fails on a key that can't be one.
    ArrayInsert {
        /// A temporary of kind array that nobody else holds.
        array: Register,
        /// Borrowed.
        key: Operand,
        /// Borrowed.
        value: Operand,
    },
    /// Adds an element to an array under construction, under the key of the element that a walk found last. The array has
    /// none of that key, as what is built of a walk has not.
    ArrayAdd {
        /// A temporary of kind array that nobody else holds.
        array: Register,
        /// Borrowed: the array walked.
        walked: Register,
        /// Borrowed: the position behind the element found.
        position: Register,
        /// Borrowed.
        value: Operand,
        /// A hint: there will be as many elements as are walked.
        is_whole: bool,
    },
    /// Appends all elements of another array to an array under construction (`...$x`). Fails on other kinds.
    ArraySpread {
        /// A temporary of kind array that nobody else holds.
        array: Register,
        /// Borrowed.
        value: Operand,
    },
    /// `into` = `base[key]`; none where there is none. Fails on a base that has no elements or a key that can't be one.
    Index {
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        base: Operand,
        /// Borrowed.
        key: Operand,
        /// The class whose function this stands in, plus one; 0 outside of classes.
        accessor: u32,
    },
    /// `into` = `base[first:last:step]`.
    Slice {
        /// Written: a temporary.
        into: Register,
        /// Borrowed: a string or an array.
        base: Operand,
        /// Borrowed.
        bounds: [Operand; 3],
    },
    /// `into` = `base->name`: an element of an array, a variable or bound function of an object.
    Property {
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        base: Operand,
        /// A string constant.
        name: ConstantId,
        /// As in [`Operation::Index`].
        accessor: u32,
    },
    /// What is done to a place deeper than a variable: `$a[1]["x"] = 5`. May fail.
    Place {
        /// Written when the action yields something and it is wanted: a temporary.
        into: Option<Register>,
        /// The place.
        place: Place,
        /// What is done to it.
        action: PlaceAction,
    },
    /// `into` = the result of a function of this script. The callee owns its arguments: consumes temporaries given.
    Call {
        /// Written: a temporary.
        into: Register,
        /// The callee; the arguments match its parameters exactly (defaults filled in, rest gathered).
        function: FunctionId,
        /// Consumed: temporaries.
        arguments: Vec<Register>,
        /// `$this` of the callee, or the function value whose captures are the callee's.
        this: Option<Operand>,
    },
    /// `into` = the result of a builtin. May allocate, may fail, may call back into the script.
    CallBuiltin {
        /// Written: a temporary.
        into: Register,
        /// Index in the registry.
        builtin: u32,
        /// Borrowed.
        arguments: Vec<Operand>,
    },
    /// `into` = the result of a function of the hook's environment. Ends the script if the function is a terminating one,
    /// else parks it until the host answers.
    CallHost {
        /// Written: a temporary.
        into: Register,
        /// Index in the environment.
        function: u32,
        /// Borrowed.
        arguments: Vec<Operand>,
    },
    /// `into` = the result of calling a function value, or any call whose arguments are spread.
    CallValue {
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        callee: Operand,
        /// Borrowed: an array of the arguments.
        arguments: Operand,
    },
    /// `into` = the result of calling a function value, or what is kept of an equal call before.
    CallCached {
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        callee: Operand,
        /// A string constant: the function's name, which names the cache.
        name: ConstantId,
        /// Borrowed: the options.
        options: Operand,
        /// Borrowed: an array of the arguments.
        arguments: Operand,
    },
    /// Waits until nobody is in the barrier; `into` = its shared variable, `undefined` when it has no value or is not read.
    /// Fails when this execution is in it already.
    BarrierEnter {
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        name: Operand,
        /// Whether the script has a variable for it.
        is_read: bool,
    },
    /// Leaves the barrier entered last, whose shared variable becomes what the operand holds, `undefined` included.
    BarrierLeave {
        /// Borrowed: a temporary; none when the barrier has no shared variable.
        shared: Option<Register>,
    },
    /// `into` = the result of `object->name(arguments)`, an instance function or a function held by a property.
    CallMethod {
        /// Written: a temporary.
        into: Register,
        /// Borrowed.
        object: Operand,
        /// A string constant.
        name: ConstantId,
        /// As in [`Operation::Index`].
        accessor: u32,
        /// Borrowed: an array of the arguments.
        arguments: Operand,
    },
    /// `into` = a function value that holds references to cells.
    Closure {
        /// Written: a temporary of kind function.
        into: Register,
        /// The function.
        function: FunctionId,
        /// Borrowed: registers that hold cells.
        cells: Vec<Register>,
    },
    /// `into` = a fresh cell that holds `undefined`.
    CellNew {
        /// Written: a register of kind cell.
        into: Register,
    },
    /// `into` = the cell of a variable of the main program.
    CellGlobal {
        /// Written: a register of kind cell.
        into: Register,
        /// Index among the globals.
        global: u32,
    },
    /// `into` = a new reference to what the cell holds, `undefined` included.
    CellGet {
        /// Written: a temporary.
        into: Register,
        /// Borrowed: a register of kind cell.
        cell: Register,
    },
    /// The cell gives up what it held and takes over the temporary. Consumes `from`.
    CellSet {
        /// Borrowed: a register of kind cell.
        cell: Register,
        /// A temporary; consumed.
        from: Register,
    },
    /// `into` = a predefined variable of the hook.
    LoadPredefined {
        /// Written: a temporary.
        into: Register,
        /// Index in the environment.
        index: u32,
    },
    /// A predefined variable that scripts may write gives up its value for another. Consumes `from`.
    StorePredefined {
        /// Index in the environment.
        index: u32,
        /// A temporary; consumed.
        from: Register,
    },
    /// `into` = a static variable of a class.
    LoadStatic {
        /// Written: a temporary.
        into: Register,
        /// Index among the statics.
        index: u32,
    },
    /// A static variable gives up its value for another. Consumes `from`.
    StoreStatic {
        /// Index among the statics.
        index: u32,
        /// A temporary; consumed.
        from: Register,
    },
    /// `into` = true when the operand is defined (and, if asked, not none). Never fails.
    IsDefined {
        /// Written: a temporary of kind boolean.
        into: Register,
        /// Borrowed.
        operand: Register,
        /// Whether none counts as missing (`??`).
        none_is_missing: bool,
    },
    /// Fails unless the operand can be walked by `foreach`; starts at its beginning.
    IterateBegin {
        /// Written: a register of kind position.
        position: Register,
        /// Borrowed: an array.
        array: Register,
    },
    /// Prints the text of the operand. Fails when the output limit is reached.
    Echo {
        /// Borrowed.
        operand: Operand,
    },
    /// Runs the top level of an imported module, unless that was done before.
    RunModule {
        /// The top level.
        function: FunctionId,
    },
    /// Takes fuel; ends the script or parks it when there is none. One at each loop round and each function entry.
    Fuel,
}

/// How a block ends.
#[derive(Clone, Debug)]
pub enum Terminator {
    /// Goes on there.
    Jump(BlockId),
    /// Goes on by the truth of the operand. Borrows it; a boolean temporary needs no release.
    Branch {
        /// Borrowed.
        condition: Operand,
        /// When true.
        then: BlockId,
        /// When false.
        otherwise: BlockId,
    },
    /// Writes the next key and value of a `foreach` into temporaries and goes on to the body, or leaves.
    IterateNext {
        /// The array walked; borrowed.
        array: Register,
        /// Read and written.
        position: Register,
        /// Written if wanted: a temporary.
        key: Option<Register>,
        /// Written: a temporary.
        value: Register,
        /// When there was an element.
        body: BlockId,
        /// When there was none; the temporaries are not written then.
        done: BlockId,
    },
    /// Goes on by which of some strings the subject is equal to, if it is a string.
    Switch {
        /// Borrowed; any kind.
        subject: Register,
        /// String constants, no two equal, and where each leads.
        cases: Vec<(ConstantId, BlockId)>,
        /// When it is a string and equal to none of them.
        otherwise: BlockId,
        /// When it is no string.
        no_string: BlockId,
    },
    /// Leaves the function with this value. Consumes a temporary, or a variable that was not released; a constant is made
    /// a value.
    Return(Operand),
    /// Never reached: the block ends in a call that does not return.
    Unreachable,
}
