//! Makes the base image: the engine's initial memory with the web platform evaluated in it. The platform is compiled in one memory
//! and evaluated in another, so that what the compiler used is in no image. No applet code is involved.

use wasmtime::{Caller, Engine, Extern, Instance, Linker, Memory, Module, Store};

use super::artifact::Artifact;
use super::image;
use super::limiter::Limiter;
use crate::floor::limits::MEMORY_SLOT_BYTES;

/// The memory of a booted engine.
pub(super) fn boot(engine: &Engine, code: &Module, artifact: &Artifact) -> wasmtime::Result<Vec<u8>> {
    let initial = Module::new(engine, image::module(artifact.memory))?;
    let mut compiler = Booting::new(engine, code, artifact, &initial)?;
    compiler.call("belljar_compile", artifact.web.as_bytes())?;
    let bytecode = compiler.report()?;
    let mut booted = Booting::new(engine, code, artifact, &initial)?;
    booted.call("belljar_boot", &bytecode)?;
    let mut memory = booted.memory.data(&booted.store).to_vec();
    image::clear_stack(&mut memory, artifact.record.stack_bytes);
    Ok(memory)
}

/// Store data while the engine is booted.
struct Told {
    limiter: Limiter,
    /// What the engine said before it gave up.
    error: String,
}

/// One instance of the engine over its initial memory.
struct Booting {
    store: Store<Told>,
    memory: Memory,
    instance: Instance,
}

impl Booting {
    fn new(engine: &Engine, code: &Module, artifact: &Artifact, initial: &Module) -> wasmtime::Result<Self> {
        let mut store = Store::new(engine, Told { limiter: Limiter::new(MEMORY_SLOT_BYTES), error: String::new() });
        store.limiter(|told| &mut told.limiter);
        // Our own code: no limit but memory is needed.
        store.set_fuel(u64::MAX / 2)?;
        let mut linker: Linker<Told> = Linker::new(engine);
        let memory = linker
            .instantiate(&mut store, initial)?
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::format_err!("an image exports its memory"))?;
        let (module, name) = &artifact.record.memory_import;
        linker.define(&store, module, name, memory)?;
        linker.func_wrap("belljar:applet/clock@0.1.0", "now-us", || 0u64)?;
        linker.func_wrap("belljar:applet/clock@0.1.0", "checkpoint", || {})?;
        linker.func_wrap(
            "belljar:applet/log@0.1.0",
            "write",
            |mut caller: Caller<'_, Told>, _: i32, _: i32, at: i32, bytes: i32, _: i32, _: i32| {
                let text = caller.get_export("memory").and_then(Extern::into_memory).and_then(|memory| {
                    memory.data(&caller).get(at as u32 as usize..)?.get(..bytes as u32 as usize).map(<[u8]>::to_vec)
                });
                caller.data_mut().error = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
            },
        )?;
        linker.define_unknown_imports_as_traps(code)?;
        let instance = linker.instantiate(&mut store, code)?;
        Ok(Self { store, memory, instance })
    }

    /// Hands `input` to the function called `name`.
    fn call(&mut self, name: &str, input: &[u8]) -> wasmtime::Result<()> {
        let Self { store, memory, instance } = self;
        let bytes = u32::try_from(input.len())?;
        let at = instance.get_typed_func::<u32, u32>(&mut *store, "belljar_buffer")?.call(&mut *store, bytes)?;
        memory.write(&mut *store, at as usize, input)?;
        let called = instance.get_typed_func::<(u32, u32), ()>(&mut *store, name)?.call(&mut *store, (at, bytes));
        called.map_err(|error| error.context(store.data().error.clone()))
    }

    /// What the last call left to be read.
    fn report(&mut self) -> wasmtime::Result<Vec<u8>> {
        let Self { store, memory, instance } = self;
        let mut number = |name| instance.get_typed_func::<(), u32>(&mut *store, name)?.call(&mut *store, ());
        let (at, bytes) = (number("belljar_report_at")? as usize, number("belljar_report_bytes")? as usize);
        let report = memory.data(&*store).get(at..at.saturating_add(bytes));
        report.map(<[u8]>::to_vec).ok_or_else(|| wasmtime::format_err!("the engine's report lies outside its memory"))
    }
}
