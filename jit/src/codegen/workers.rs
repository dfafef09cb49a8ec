//! Compiles Cranelift functions to machine code, on several threads where that pays.
//!
//! In: functions, one after the other, as the translator makes them. Out: for each its code, before it has an address.
//! The time to compile a script is the time of Cranelift's own passes, and they work on one function at a time: so the
//! functions of a large script are compiled side by side while the next ones are translated.
//! Guarantees: the same code whatever the number of threads; at most a few functions wait for a thread; no thread is left.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;
use cranelift_module::{FuncId, ModuleReloc};

use super::module::CompileFailure;

/// One function to compile.
pub(super) struct Task {
    pub(super) id: FuncId,
    pub(super) function: Function,
    /// Whether its text after the optimisations is wanted.
    pub(super) listed: bool,
}

/// The machine code of one function.
pub(super) struct Compiled {
    pub(super) id: FuncId,
    pub(super) octets: Vec<u8>,
    pub(super) alignment: u64,
    pub(super) relocations: Vec<ModuleReloc>,
    /// Octets of native stack that a call of it takes.
    pub(super) frame_bytes: u64,
    pub(super) listing: Option<String>,
}

/// Return address, frame pointer and the arguments that do not fit in registers, generously.
const CALL_BYTES: u64 = 128;

/// What is assumed where the code generator tells no frame; it tells one for every target in use.
const UNKNOWN_FRAME_BYTES: u64 = 16 * 1024;

/// How many threads there are at most.
const THREADS_MAX: usize = 8;

/// Functions per thread that wait to be compiled.
const QUEUED_PER_THREAD: usize = 4;

/// How many threads are worth their start for a script with so many instructions: compiling one takes some microseconds.
pub(super) fn threads_for(instructions: usize) -> usize {
    const INSTRUCTIONS_PER_THREAD: usize = 500;
    let available = thread::available_parallelism().map_or(1, usize::from);
    let worth = instructions / INSTRUCTIONS_PER_THREAD;
    available.min(worth).min(THREADS_MAX)
}

/// Compiles what `produce` hands over, on so many threads besides this one, or on this one if there are none. The results
/// come in the order of the tasks.
///
/// # Errors
///
/// The first failure, in the order of the tasks.
pub(super) fn compile_all(
    isa: &dyn TargetIsa,
    threads: usize,
    produce: impl FnOnce(&mut dyn FnMut(Task)),
) -> Result<Vec<Compiled>, CompileFailure> {
    if threads < 2 {
        return compile_here(isa, produce);
    }
    let (hand_over, tasks) = sync_channel(threads * QUEUED_PER_THREAD);
    let (give_back, results) = channel();
    // The threads own it: were there no thread left, nobody would wait for one.
    let tasks = Arc::new(Mutex::new(tasks));
    thread::scope(|scope| {
        let started = (0..threads).map_while(|_| {
            let (tasks, give_back) = (Arc::clone(&tasks), give_back.clone());
            let working = move || work(isa, &tasks, &give_back);
            thread::Builder::new().spawn_scoped(scope, working).ok()
        });
        // The system may have no more threads to give: then those that there are do the work.
        if started.count() == 0 {
            return compile_here(isa, produce);
        }
        drop((tasks, give_back));
        hand_over_all(&hand_over, produce);
        drop(hand_over);
        let mut numbered: Vec<_> = results.iter().collect();
        numbered.sort_unstable_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, result)| result).collect()
    })
}

/// The same on this thread alone.
fn compile_here(
    isa: &dyn TargetIsa,
    produce: impl FnOnce(&mut dyn FnMut(Task)),
) -> Result<Vec<Compiled>, CompileFailure> {
    let mut context = Context::new();
    let mut results = Vec::new();
    produce(&mut |task| results.push(compile_one(isa, &mut context, task)));
    results.into_iter().collect()
}

type Numbered<T> = (usize, T);

fn hand_over_all(
    hand_over: &SyncSender<Numbered<Task>>,
    produce: impl FnOnce(&mut dyn FnMut(Task)),
) {
    let mut number = 0;
    produce(&mut |task| {
        // Nobody takes it only if every thread has panicked, and that panic goes on when they are joined.
        let _gone = hand_over.send((number, task));
        number += 1;
    });
}

/// What one thread does: compiles until nothing is left.
fn work(
    isa: &dyn TargetIsa,
    tasks: &Mutex<Receiver<Numbered<Task>>>,
    give_back: &Sender<Numbered<Result<Compiled, CompileFailure>>>,
) {
    let mut context = Context::new();
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, task)) = task else { return };
        let result = compile_one(isa, &mut context, task);
        if give_back.send((number, result)).is_err() {
            return;
        }
    }
}

fn compile_one(
    isa: &dyn TargetIsa,
    context: &mut Context,
    task: Task,
) -> Result<Compiled, CompileFailure> {
    context.clear();
    context.func = task.function;
    let failure = context
        .compile(isa, &mut ControlPlane::default())
        .err()
        .map(|failure| CompileFailure(format!("{:?}", failure.inner)));
    if let Some(failure) = failure {
        return Err(failure);
    }
    let compiled = context.compiled_code();
    let compiled = compiled.ok_or_else(|| CompileFailure("there is no code".into()))?;
    let layout = compiled.buffer.frame_layout();
    let frame_bytes = layout.map_or(UNKNOWN_FRAME_BYTES, |layout| {
        u64::from(layout.frame_to_fp_offset) + CALL_BYTES
    });
    let relocations = compiled.buffer.relocs().iter();
    Ok(Compiled {
        id: task.id,
        octets: compiled.code_buffer().to_vec(),
        alignment: u64::from(compiled.buffer.alignment),
        relocations: relocations
            .map(|relocation| ModuleReloc::from_mach_reloc(relocation, &context.func, task.id))
            .collect(),
        frame_bytes,
        listing: task.listed.then(|| format!("{}\n", context.func.display())),
    })
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, UserFuncName, types};
    use cranelift_codegen::isa::CallConv;
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

    use super::*;

    fn isa() -> cranelift_codegen::isa::OwnedTargetIsa {
        let flags = cranelift_codegen::settings::builder();
        let flags = cranelift_codegen::settings::Flags::new(flags);
        let isa = cranelift_native::builder().map(|builder| builder.finish(flags));
        isa.expect("this machine is supported")
            .expect("these are the defaults")
    }

    /// A function that gives its number.
    fn task(isa: &dyn TargetIsa, number: u32) -> Task {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.returns.push(AbiParam::new(types::I64));
        let mut function = Function::with_name_signature(UserFuncName::default(), signature);
        let mut scratch = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut function, &mut scratch);
        let block = builder.create_block();
        builder.switch_to_block(block);
        let number_value = builder.ins().iconst(types::I64, i64::from(number));
        builder.ins().return_(&[number_value]);
        builder.seal_all_blocks();
        builder.finalize(isa.frontend_config());
        Task {
            id: FuncId::from_u32(number),
            function,
            listed: number.is_multiple_of(2),
        }
    }

    fn compiled(isa: &dyn TargetIsa, threads: usize, count: u32) -> Vec<Compiled> {
        let made = compile_all(isa, threads, |hand_over| {
            (0..count).for_each(|number| hand_over(task(isa, number)));
        });
        made.unwrap_or_else(|failure| panic!("{}", failure.0))
    }

    #[test]
    fn any_number_of_threads_gives_the_same_code_in_the_same_order() {
        let isa = isa();
        let alone = compiled(isa.as_ref(), 0, 100);
        assert_eq!(alone.len(), 100);
        for threads in [2, 3, 7] {
            let together = compiled(isa.as_ref(), threads, 100);
            for (one, other) in alone.iter().zip(&together) {
                assert_eq!(one.id, other.id);
                assert_eq!(one.octets, other.octets);
                assert_eq!(one.frame_bytes, other.frame_bytes);
                assert_eq!(one.listing, other.listing);
            }
            assert_eq!(together.len(), 100);
        }
        assert!(alone[4].listing.is_some() && alone[5].listing.is_none());
    }

    #[test]
    fn nothing_to_compile_ends_too() {
        assert!(compiled(isa().as_ref(), 4, 0).is_empty());
    }

    #[test]
    fn small_scripts_need_no_threads() {
        assert_eq!(threads_for(0), 0);
        assert!(threads_for(10_000_000) <= THREADS_MAX);
    }
}
