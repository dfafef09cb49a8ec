//! Declares, compiles and places all functions of a script; owns the code memory.
//!
//! Code memory is written while it is not executable and made executable when it is no longer writable, in that order.
//! The entries are pointers into it; they live as long as the [`Code`] that gave them.

#![expect(
    unsafe_code,
    reason = "owns executable memory: frees it, and says that it may be shared"
)]

use std::fmt;

use cranelift_codegen::ir::{self, AbiParam, InstBuilder, MemFlagsData, Signature, types};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, ModuleError};

use super::stack::Frames;
use super::tables::Tables;
use super::translate::{Shared, Translator};
use super::workers::{self, Compiled, Task};
use crate::boundary::host_calls::{ArgumentKind, HostCall, ResultKind};
use crate::boundary::shims::address;
use crate::infer::{Inference, Known, infer_version, likely_strings};
use crate::ir::{FunctionId, Operation, Program, Register, entered_again, reached_by_value};
use crate::optimise::Optimisations;

/// A pointer to the uniform entry of a function: execution state, environment, pointer to the arguments.
///
/// The arguments are owned by the callee and exactly as many as the function has parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(pub(crate) *const u8);

/// The machine code of one script.
pub(crate) struct Code {
    module: Option<JITModule>,
    /// Of the functions that the host may call.
    entries: Vec<Option<Entry>>,
    /// What the code refers to by number.
    pub(crate) tables: Tables,
    /// Octets of machine code.
    pub(crate) size_bytes: usize,
    /// The most native stack that a run can take.
    pub(crate) stack_bytes: u64,
}

/// Why Cranelift refused: always a mistake of ours or a limit of its own.
#[derive(Debug)]
pub(crate) struct CompileFailure(pub(crate) String);

impl From<ModuleError> for CompileFailure {
    fn from(error: ModuleError) -> Self {
        Self(format!("{error:?}"))
    }
}

// SAFETY: after `compile` returns, nothing writes the code memory or the module; threads only execute the code. The
// module itself is touched again only in `drop`, by the last owner.
unsafe impl Send for Code {}
// SAFETY: as above; `&Code` gives out entry pointers and read-only tables, nothing with interior mutability.
unsafe impl Sync for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Code")
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: every execution holds an owner of this code, so when the last owner goes no code runs and no entry
            // pointer is left.
            unsafe { module.free_memory() };
        }
    }
}

impl Code {
    /// The uniform entry of a function of the script, if it is the main program or a module, or reached by value.
    pub(crate) fn entry(&self, function: FunctionId) -> Option<Entry> {
        self.entries.get(function.0 as usize).copied().flatten()
    }
}

/// Compiles a whole script. CPU-heavy: belongs on a control thread, never on a shard. With a `listing`, each function of
/// the script is added to it as the code generator's text, after its own optimisations.
pub(crate) fn compile(
    program: &Program,
    inference: Inference,
    optimisations: Optimisations,
    listing: Option<&mut String>,
) -> Result<Code, CompileFailure> {
    let (builder, isa) = builder()?;
    let mut module = JITModule::new(builder);
    let host_calls = declare_host_calls(&mut module)?;
    let reached_by_value = reached_by_value(program);
    let known = Known::of(program, inference, optimisations);
    let declared = Declared {
        host_calls,
        functions: declare_functions(&mut module, program)?,
        entries: declare_entries(&mut module, program, &reached_by_value)?,
        is_marked: entered_again(program, &reached_by_value),
    };
    let versions = declare_versions(&mut module, program, &declared.is_marked, &known)?;
    let mut translation = Translation {
        module: &mut module,
        program,
        known: &known,
        optimisations,
        declared: &declared,
        versions: &versions,
        tables: Tables::default(),
        scratch: FunctionBuilderContext::new(),
    };
    let listed = listing.is_some();
    let threads = workers::threads_for(instructions_count(program));
    let compiled = workers::compile_all(isa.as_ref(), threads, |hand_over| {
        translation.hand_over_all(listed, hand_over);
    })?;
    let tables = translation.tables;
    place(&mut module, &compiled, listing)?;
    let entries = declared.entries;
    let (frames, entry_frames) = frames(&compiled, &entries, &versions);
    let frames = Frames {
        functions: &frames,
        entries: &entry_frames,
    };
    let stack_bytes = super::stack::bound(program, frames, &reached_by_value);
    module.finalize_definitions()?;
    let entries = entries
        .iter()
        .map(|id| id.map(|id| Entry(module.get_finalized_function(id))))
        .collect();
    Ok(Code {
        module: Some(module),
        entries,
        tables,
        size_bytes: compiled.iter().map(|one| one.octets.len()).sum(),
        stack_bytes,
    })
}

/// The functions that there will be, by function of the script.
struct Declared {
    host_calls: Vec<FuncId>,
    functions: Vec<FuncId>,
    entries: Vec<Option<FuncId>>,
    /// Which functions say that they are being executed.
    is_marked: Vec<bool>,
}

/// A function's second version, and the parameters that it takes for strings.
struct Version {
    id: FuncId,
    strings: Vec<Register>,
}

/// A program on its way to Cranelift's functions.
struct Translation<'a> {
    module: &'a mut JITModule,
    program: &'a Program,
    known: &'a Known,
    optimisations: Optimisations,
    declared: &'a Declared,
    versions: &'a [Option<Version>],
    tables: Tables,
    scratch: FunctionBuilderContext,
}

impl Translation<'_> {
    /// Hands over all functions, then the entries, then the second versions.
    fn hand_over_all(&mut self, listed: bool, hand_over: &mut dyn FnMut(Task)) {
        let (declared, versions) = (self.declared, self.versions);
        for (index, id) in declared.functions.iter().enumerate() {
            let version = versions[index].as_ref();
            let version = version.map(|version| (version.id, version.strings.as_slice()));
            hand_over(Task {
                id: *id,
                function: self.function(index, &[], version),
                listed,
            });
        }
        for (index, entry) in declared.entries.iter().enumerate() {
            let Some(id) = *entry else { continue };
            hand_over(Task {
                id,
                function: self.uniform_entry(index),
                listed: false,
            });
        }
        for (index, version) in versions.iter().enumerate() {
            let Some(version) = version else { continue };
            hand_over(Task {
                id: version.id,
                function: self.function(index, &version.strings, None),
                listed,
            });
        }
    }

    /// A function of the script, for calls whose arguments for some parameters are strings.
    fn function(
        &mut self,
        index: usize,
        strings: &[Register],
        version: Option<(FuncId, &[Register])>,
    ) -> ir::Function {
        let (function, id) = (&self.program.functions[index], function_id(index));
        let inferred = infer_version(function, id, self.known, strings);
        let mut made = ir::Function::with_name_signature(
            ir::UserFuncName::default(),
            signature(self.module, function.parameters_count),
        );
        let target = self.module.target_config();
        let builder = FunctionBuilder::new(&mut made, &mut self.scratch);
        let mut shared = Shared {
            module: self.module,
            functions: &self.declared.functions,
            host_calls: &self.declared.host_calls,
            is_marked: self.declared.is_marked[index],
            tables: &mut self.tables,
            known: self.known,
            constants: &self.program.constants,
            optimisations: self.optimisations,
            version,
        };
        Translator::translate(builder, &mut shared, id, function, &inferred, target);
        made
    }

    /// The entry by which the host calls a function: it takes the arguments from memory and passes them on.
    fn uniform_entry(&mut self, index: usize) -> ir::Function {
        let function = &self.program.functions[index];
        let mut entry = ir::Function::with_name_signature(
            ir::UserFuncName::default(),
            signature(self.module, 1),
        );
        let config = self.module.target_config();
        let mut builder = FunctionBuilder::new(&mut entry, &mut self.scratch);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        let parameters = builder.block_params(block).to_vec();
        let mut arguments: Vec<ir::Value> = parameters[..2].to_vec();
        for index in 0..function.parameters_count {
            let offset =
                i32::try_from(index * 8).expect("parameters are bounded by the source's size");
            let flags = MemFlagsData::trusted();
            arguments.push(builder.ins().load(types::I64, flags, parameters[2], offset));
        }
        let target = self.declared.functions[index];
        let callee = self.module.declare_func_in_func(target, builder.func);
        let call = builder.ins().call(callee, &arguments);
        let result = builder.inst_results(call)[0];
        builder.ins().return_(&[result]);
        builder.seal_all_blocks();
        builder.finalize(config);
        entry
    }
}

/// Puts code where it will stay, and adds the texts of the functions to the listing.
fn place(
    module: &mut JITModule,
    compiled: &[Compiled],
    mut listing: Option<&mut String>,
) -> Result<(), CompileFailure> {
    for one in compiled {
        let relocations = &one.relocations;
        module.define_function_bytes(one.id, one.alignment, &one.octets, relocations)?;
        if let (Some(listing), Some(text)) = (listing.as_deref_mut(), &one.listing) {
            listing.push_str(text);
        }
    }
    Ok(())
}

/// The frames of all functions, with those of their second versions, and those of their entries; 0 where there is none. All
/// in the order in which they were compiled.
fn frames(
    compiled: &[Compiled],
    entries: &[Option<FuncId>],
    versions: &[Option<Version>],
) -> (Vec<u64>, Vec<u64>) {
    let mut frames = compiled.iter().map(|one| one.frame_bytes);
    let mut functions: Vec<u64> = frames.by_ref().take(entries.len()).collect();
    let of_entries = entries
        .iter()
        .map(|entry| entry.and_then(|_| frames.next()));
    let of_entries = of_entries.map(Option::unwrap_or_default).collect();
    for (function, version) in functions.iter_mut().zip(versions) {
        // The function waits for its version.
        *function += version
            .as_ref()
            .and_then(|_| frames.next())
            .unwrap_or_default();
    }
    (functions, of_entries)
}

fn instructions_count(program: &Program) -> usize {
    let blocks = program.functions.iter().flat_map(|one| &one.blocks);
    blocks.map(|block| block.instructions.len()).sum()
}

fn function_id(index: usize) -> FunctionId {
    FunctionId(u32::try_from(index).expect("functions are bounded by the source's size"))
}

/// What makes the module, and the instruction set of this machine, which the module uses too.
fn builder() -> Result<(JITBuilder, OwnedTargetIsa), CompileFailure> {
    let failure = |error: &dyn fmt::Display| CompileFailure(error.to_string());
    let mut flags = settings::builder();
    let settings = [
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
        ("opt_level", "speed"),
        ("enable_verifier", VERIFY),
        // A frame larger than the guard page touches every page, so that it can't step over it.
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
    ];
    for (name, value) in settings {
        flags.set(name, value).map_err(|error| failure(&error))?;
    }
    let isa = cranelift_native::builder().map_err(|error| failure(&error))?;
    let isa = isa
        .finish(settings::Flags::new(flags))
        .map_err(|error| failure(&error))?;
    let mut builder = JITBuilder::with_isa(isa.clone(), cranelift_module::default_libcall_names());
    for call in HostCall::ALL {
        builder.symbol(call.symbol(), address(*call));
    }
    Ok((builder, isa))
}

/// Cranelift's own check of what it is given: in debug builds, where tests run.
const VERIFY: &str = if cfg!(debug_assertions) {
    "true"
} else {
    "false"
};

fn declare_host_calls(module: &mut JITModule) -> Result<Vec<FuncId>, CompileFailure> {
    let mut declared = Vec::new();
    for call in HostCall::ALL {
        let mut signature = module.make_signature();
        signature.params.push(AbiParam::new(types::I64));
        for argument in call.arguments() {
            signature.params.push(AbiParam::new(match argument {
                ArgumentKind::Index => types::I32,
                ArgumentKind::Number => types::F64,
                ArgumentKind::Word => types::I64,
            }));
        }
        match call.result() {
            ResultKind::Nothing => {}
            ResultKind::Number => signature.returns.push(AbiParam::new(types::F64)),
            ResultKind::Value | ResultKind::Truth | ResultKind::Status | ResultKind::Position => {
                signature.returns.push(AbiParam::new(types::I64));
            }
        }
        declared.push(module.declare_function(call.symbol(), Linkage::Import, &signature)?);
    }
    Ok(declared)
}

fn signature(module: &JITModule, parameters: u32) -> Signature {
    let mut signature = module.make_signature();
    for _ in 0..parameters + 2 {
        signature.params.push(AbiParam::new(types::I64));
    }
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

fn declare_functions(
    module: &mut JITModule,
    program: &Program,
) -> Result<Vec<FuncId>, CompileFailure> {
    let mut declared = Vec::new();
    for (index, function) in program.functions.iter().enumerate() {
        let signature = signature(module, function.parameters_count);
        declared.push(module.declare_function(
            &format!("function_{index}"),
            Linkage::Local,
            &signature,
        )?);
    }
    Ok(declared)
}

/// The second versions. A function that says that it is being executed has none: it would say so twice.
fn declare_versions(
    module: &mut JITModule,
    program: &Program,
    is_marked: &[bool],
    known: &Known,
) -> Result<Vec<Option<Version>>, CompileFailure> {
    let mut declared = Vec::new();
    for (index, function) in program.functions.iter().enumerate() {
        let strings = match is_marked[index] {
            true => Vec::new(),
            false => likely_strings(function, function_id(index), known),
        };
        if strings.is_empty() {
            declared.push(None);
            continue;
        }
        let name = format!("version_{index}");
        let signature = signature(module, function.parameters_count);
        let id = module.declare_function(&name, Linkage::Local, &signature)?;
        declared.push(Some(Version { id, strings }));
    }
    Ok(declared)
}

/// The entries of functions that the host may call: the main program and those of modules, and what is reached by value.
fn declare_entries(
    module: &mut JITModule,
    program: &Program,
    reached_by_value: &[bool],
) -> Result<Vec<Option<FuncId>>, CompileFailure> {
    let mut entered = reached_by_value.to_vec();
    entered[0] = true;
    let blocks = program.functions.iter().flat_map(|one| &one.blocks);
    for instruction in blocks.flat_map(|block| &block.instructions) {
        if let Operation::RunModule { function } = instruction.operation {
            entered[function.0 as usize] = true;
        }
    }
    let signature = signature(module, 1);
    let mut declared = Vec::new();
    for (index, is_entered) in entered.into_iter().enumerate() {
        declared.push(match is_entered {
            true => {
                let name = format!("entry_{index}");
                Some(module.declare_function(&name, Linkage::Local, &signature)?)
            }
            false => None,
        });
    }
    Ok(declared)
}
