//! What all applets share: Wasmtime's engine and pool, the compiled code and glue, and the booted base image.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

use super::artifact::Artifact;
use super::bindings::AppletPre;
use super::boot::boot;
use super::cache::{Cache, Found};
use super::image;
use super::imports::{self, State};
use crate::floor::ids::Digest;
use crate::floor::limits::MEMORY_SLOT_BYTES;

/// Bytes of dirty memory that a slot restores by copying, so that the next instance takes no page fault for them.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// The guest's machine stack is 1 MiB and QuickJS stops at half of it; this bounds Wasm's own frames on the fiber.
pub(super) const WASM_STACK_BYTES: usize = 2 << 20;
pub(super) const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (1 << 20);
/// Slots that stay as the last instance of an applet left them, so that its next one takes no page fault. Each holds up to
/// `KEEP_RESIDENT_BYTES`; an applet without such a slot is mapped anew, which costs some 200 microseconds. Wasmtime divides them among the
/// shards of its pool, one for each processor up to 16.
const WARM_SLOTS_MAX: u32 = 416;
/// Core instances of one component instance: code, image, and the glue's adapters.
const CORE_INSTANCES_PER_INSTANCE: u32 = 16;
const TABLES_PER_INSTANCE: u32 = 4;
const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Fuel after which a running guest yields to other tasks, and asks for another turn: about 2 to 10 ms.
pub const FUEL_YIELD_INTERVAL: u64 = 10_000_000;

/// The sandbox cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Wasmtime refused the configuration, or the engine does not compile or link.
    #[error("the sandbox cannot be set up: {what}")]
    Wasmtime {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: wasmtime::Error,
    },
    /// The engine did not boot: its build is broken.
    #[error("the JavaScript engine does not boot: {0}")]
    Boot(String),
}

/// How the pool is dimensioned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolSize {
    /// Instances that can exist at the same time.
    pub(crate) instances_max: u32,
}

/// Everything applets share.
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) artifact: Artifact,
    /// Engine bytes + Wasmtime + configuration.
    pub(crate) digest: Digest,
    pub(crate) code: Module,
    pub(crate) cache: Option<Arc<Cache>>,
    /// The engine booted, no applet in it; made when an applet is prepared, or a program run.
    base: OnceLock<Module>,
    /// The compiled module of the base image, which images are kept as differences from.
    base_bytes: Vec<u8>,
    linker: Linker<State>,
    glue: Component,
    /// How each part was come by, for `belljar doctor`.
    pub(crate) notes: Vec<String>,
}

impl Sandbox {
    /// Compiles, or takes from the cache, what applets share. `progress` is told before anything that takes seconds.
    pub(crate) fn new(
        size: PoolSize,
        cache: Option<Arc<Cache>>,
        progress: &dyn Fn(&str),
    ) -> Result<Self, SandboxError> {
        let failed = |what| move |source| SandboxError::Wasmtime { what, source };
        let artifact = Artifact::embedded();
        let digest = artifact.digest(CONFIGURATION);
        let engine = Engine::new(&configuration(size)).map_err(failed("configuration"))?;
        let mut notes = Vec::new();
        let name = |part: &str| format!("{}-{part}", &digest.to_hex()[..32]);

        let code = cached_module(&engine, cache.as_deref(), &name("code"), &mut notes, || {
            progress("compiling the JavaScript engine to machine code (once for this version; some seconds)");
            engine.precompile_module(artifact.code)
        })
        .map_err(failed("the engine's code"))?;
        let glue =
            cached_bytes(cache.as_deref(), &name("glue"), &mut notes, || engine.precompile_component(artifact.glue))
                .and_then(|bytes| deserialize_component(&engine, &bytes))
                .map_err(failed("the glue component"))?;
        let mut booted = Ok(());
        let base_bytes = cached_bytes(cache.as_deref(), &name("base"), &mut notes, || {
            let memory = boot(&engine, &code, &artifact).inspect_err(|e| booted = Err(format!("{e:?}")))?;
            engine.precompile_module(&image::module(&memory))
        });
        booted.map_err(SandboxError::Boot)?;
        let base_bytes = base_bytes.map_err(failed("the base image"))?;

        let mut linker = Linker::new(&engine);
        imports::link(&mut linker).map_err(failed("linking"))?;
        linker.root().module(&artifact.record.code_import, &code).map_err(failed("linking the engine"))?;
        Ok(Self { engine, artifact, digest, code, cache, base: OnceLock::new(), base_bytes, linker, glue, notes })
    }

    /// The engine booted, with no applet in it.
    pub(crate) fn base(&self) -> wasmtime::Result<&Module> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let base = deserialize_module_bytes(&self.engine, &self.base_bytes)?;
        Ok(self.base.get_or_init(|| base))
    }

    /// Links an image with everything else; done once per applet.
    pub(crate) fn link(&self, image: &Module) -> wasmtime::Result<AppletPre<State>> {
        let mut linker = self.linker.clone();
        linker.root().module(&self.artifact.record.image_import, image)?;
        AppletPre::new(linker.instantiate_pre(&self.glue)?)
    }

    /// Turns a memory into a module, and leaves it in the cache as what differs from the base image; answers the bytes it takes there.
    pub(crate) fn image(&self, name: &str, memory: &[u8]) -> wasmtime::Result<(Module, u64)> {
        let bytes = self.engine.precompile_module(&image::module(memory))?;
        // A cache that cannot be written (a full disk) costs speed, nothing else.
        let kept = self.cache.as_ref().and_then(|cache| {
            let delta = image::packed_delta(&self.base_bytes, &bytes)?;
            cache.put(name, &delta).ok().map(|_| delta.len() as u64)
        });
        Ok((self.image_module(&bytes)?, kept.unwrap_or(0)))
    }

    /// An image that an earlier run, or an earlier start, has left in the cache, and the bytes it takes there.
    pub(crate) fn cached_image(&self, name: &str) -> Option<(Module, u64)> {
        let Found::Intact(mut file) = self.cache.as_ref()?.get(name) else { return None };
        let mut packed = Vec::new();
        file.read_to_end(&mut packed).ok()?;
        let bytes = image::unpack(&self.base_bytes, &packed)?;
        Some((self.image_module(&bytes).ok()?, packed.len() as u64))
    }

    /// The module lies in a file of memory, which instances map: of bytes alone Wasmtime would make a second copy.
    fn image_module(&self, bytes: &[u8]) -> wasmtime::Result<Module> {
        let Ok(file) = memory_file(bytes) else { return deserialize_module_bytes(&self.engine, bytes) };
        let module = deserialize_module(&self.engine, file)?;
        advise_sparse_reads(&module);
        Ok(module)
    }
}

/// Part of the engine digest: whatever changes fuel or results must change this text.
const CONFIGURATION: &str = "fuel; nan-canonicalization; no threads; no relaxed simd; stack 2 MiB";

fn configuration(size: PoolSize) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).cranelift_nan_canonicalization(true).memory_init_cow(true);
    config.wasm_component_model(true).wasm_relaxed_simd(false);
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(FIBER_STACK_BYTES);
    // What a trap leaves is read for the JavaScript stack; Wasm's own frames say nothing to authors.
    config.wasm_backtrace_max_frames(None).coredump_on_trap(true);
    let instances = size.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_INSTANCE))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES_PER_INSTANCE))
        // A store keeps the stack of its last call for the next one, also while its instance waits.
        .total_stacks(instances)
        .max_memories_per_component(2)
        .max_tables_per_component(TABLES_PER_INSTANCE)
        .max_core_instances_per_component(CORE_INSTANCES_PER_INSTANCE)
        .max_memory_size(usize::try_from(MEMORY_SLOT_BYTES).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        // Restores only dirty pages, and keeps them mapped (Linux 6.7 and later).
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(WARM_SLOTS_MAX.min(instances));
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Whether the kernel can tell which pages are dirty (PAGEMAP_SCAN), which restoring memory quickly depends on.
pub(crate) fn pagemap_scan_available() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

fn cached_module(
    engine: &Engine,
    cache: Option<&Cache>,
    name: &str,
    notes: &mut Vec<String>,
    make: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
) -> wasmtime::Result<Module> {
    if let Some(file) = look_up(cache, name, notes)
        && let Ok(module) = deserialize_module(engine, file)
    {
        return Ok(module);
    }
    store_module(engine, cache, name, &make()?)
}

/// Bytes out of the cache, or made and left there.
fn cached_bytes(
    cache: Option<&Cache>,
    name: &str,
    notes: &mut Vec<String>,
    make: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
) -> wasmtime::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut file) = look_up(cache, name, notes)
        && file.read_to_end(&mut bytes).is_ok()
    {
        return Ok(bytes);
    }
    let bytes = make()?;
    // A cache that cannot be written (a full disk) costs speed, nothing else.
    cache.map(|cache| cache.put(name, &bytes));
    Ok(bytes)
}

fn look_up(cache: Option<&Cache>, name: &str, notes: &mut Vec<String>) -> Option<File> {
    match cache?.get(name) {
        Found::Intact(file) => Some(file),
        Found::Missing => None,
        Found::Corrupt => {
            notes.push(format!("{name} in the cache was not what Belljar wrote: discarded and made anew"));
            None
        }
    }
}

/// A cache that cannot be written (a full disk) costs speed, nothing else.
fn store_module(engine: &Engine, cache: Option<&Cache>, name: &str, bytes: &[u8]) -> wasmtime::Result<Module> {
    match cache.map(|cache| cache.put(name, bytes)) {
        Some(Ok(file)) => deserialize_module(engine, file),
        _ => deserialize_module_bytes(engine, bytes),
    }
}

/// A file without a name that lies in memory.
#[cfg(target_os = "linux")]
fn memory_file(bytes: &[u8]) -> io::Result<File> {
    use std::io::Write;
    let mut file = File::from(rustix::fs::memfd_create("belljar-image", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn memory_file(_: &[u8]) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Of a module that is an image, only the pages that a call has written to are read, when they are restored. Without this the kernel
/// maps their neighbours too, and soon all of it.
#[cfg(unix)]
#[expect(unsafe_code, reason = "advice on a mapping that the module keeps alive; it changes no content")]
fn advise_sparse_reads(module: &Module) {
    let range = module.image_range();
    let bytes = range.end.addr().saturating_sub(range.start.addr());
    let start = range.start.cast_mut().cast();
    // SAFETY: the range is a mapping of the module's own, and this advice concerns reading ahead only.
    let advised = unsafe { rustix::mm::madvise(start, bytes, rustix::mm::Advice::Random) };
    if let Err(error) = advised {
        tracing::debug!(%error, "madvise failed: images take more resident memory");
    }
}

/// Windows has no such advice.
#[cfg(not(unix))]
fn advise_sparse_reads(_: &Module) {}

#[expect(unsafe_code, reason = "machine code that this process made, or whose keyed checksum was just found right")]
fn deserialize_module(engine: &Engine, file: File) -> wasmtime::Result<Module> {
    // SAFETY: the file comes from `Cache`: written by this user's Belljar and checked, or written a moment ago.
    unsafe { Module::deserialize_open_file(engine, file) }
}

#[expect(unsafe_code, reason = "machine code that this process made, or whose keyed checksum was just found right")]
fn deserialize_module_bytes(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the bytes are `Engine::precompile_module`'s own, or the cache's.
    unsafe { Module::deserialize(engine, bytes) }
}

#[expect(unsafe_code, reason = "machine code that this process made, or whose keyed checksum was just found right")]
pub(super) fn deserialize_component(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are `Engine::precompile_component`'s own, or the cache's.
    unsafe { Component::deserialize(engine, bytes) }
}
