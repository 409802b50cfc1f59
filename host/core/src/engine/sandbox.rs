//! What all applets share: Wasmtime's engine and pool, the compiled code and glue, and the booted base image.

use std::sync::Arc;

use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig,
};

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
const WASM_STACK_BYTES: usize = 2 << 20;
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (1 << 20);
/// Core instances of one component instance: code, image, and the glue's adapters.
const CORE_INSTANCES_PER_INSTANCE: u32 = 16;
const TABLES_PER_INSTANCE: u32 = 4;
const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Fuel after which a running guest yields to other tasks: about 2 to 10 ms.
pub(crate) const FUEL_YIELD_INTERVAL: u64 = 10_000_000;

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
    pub(crate) cache: Option<Cache>,
    /// The engine booted, no applet in it.
    pub(crate) base: Module,
    linker: Linker<State>,
    glue: Component,
    /// How each part was come by, for `belljar doctor`.
    pub(crate) notes: Vec<String>,
}

impl Sandbox {
    /// Compiles, or takes from the cache, what applets share. `progress` is told before anything that takes seconds.
    pub(crate) fn new(size: PoolSize, cache: Option<Cache>, progress: &dyn Fn(&str)) -> Result<Self, SandboxError> {
        let failed = |what| move |source| SandboxError::Wasmtime { what, source };
        let artifact = Artifact::embedded();
        let digest = artifact.digest(CONFIGURATION);
        let engine = Engine::new(&configuration(size)).map_err(failed("configuration"))?;
        let mut notes = Vec::new();
        let name = |part: &str| format!("{}-{part}", &digest.to_hex()[..32]);

        let code = cached_module(&engine, cache.as_ref(), &name("code"), &mut notes, || {
            progress("compiling the JavaScript engine to machine code (once for this version; some seconds)");
            Ok(engine.precompile_module(artifact.code)?)
        })
        .map_err(failed("the engine's code"))?;
        let glue = cached_component(&engine, cache.as_ref(), &name("glue"), &mut notes, || engine.precompile_component(artifact.glue))
            .map_err(failed("the glue component"))?;
        let mut booted = Ok(());
        let base = cached_module(&engine, cache.as_ref(), &name("base"), &mut notes, || {
            let memory = boot(&engine, &code, &artifact).inspect_err(|e| booted = Err(format!("{e:?}")))?;
            engine.precompile_module(&image::module(&memory))
        });
        booted.map_err(SandboxError::Boot)?;
        let base = base.map_err(failed("the base image"))?;

        let mut linker = Linker::new(&engine);
        imports::link(&mut linker).map_err(failed("linking"))?;
        linker.root().module(&artifact.record.code_import, &code).map_err(failed("linking the engine"))?;
        Ok(Self { engine, artifact, digest, code, cache, base, linker, glue, notes })
    }

    /// Links an image with everything else; done once per applet.
    pub(crate) fn link(&self, image: &Module) -> wasmtime::Result<AppletPre<State>> {
        let mut linker = self.linker.clone();
        linker.root().module(&self.artifact.record.image_import, image)?;
        AppletPre::new(linker.instantiate_pre(&self.glue)?)
    }

    /// Turns a memory into a module: through the cache's file, which is then what is mapped, or in memory without one.
    pub(crate) fn image(&self, name: &str, memory: &[u8]) -> wasmtime::Result<Arc<Module>> {
        let bytes = self.engine.precompile_module(&image::module(memory))?;
        store_module(&self.engine, self.cache.as_ref(), name, &bytes).map(Arc::new)
    }

    /// An image that an earlier run, or an earlier start, has left in the cache.
    pub(crate) fn cached_image(&self, name: &str) -> Option<Arc<Module>> {
        match self.cache.as_ref()?.get(name) {
            Found::Intact(file) => deserialize_module(&self.engine, file).ok().map(Arc::new),
            Found::Missing | Found::Corrupt => None,
        }
    }
}

/// Part of the engine digest: whatever changes fuel or results must change this text.
const CONFIGURATION: &str = "fuel; nan-canonicalization; no threads; no relaxed simd; stack 2 MiB";

fn configuration(size: PoolSize) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).cranelift_nan_canonicalization(true).memory_init_cow(true);
    config.wasm_component_model(true).wasm_relaxed_simd(false);
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(FIBER_STACK_BYTES);
    config.wasm_backtrace_max_frames(None);
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
        .max_unused_warm_slots(instances);
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

fn cached_component(
    engine: &Engine,
    cache: Option<&Cache>,
    name: &str,
    notes: &mut Vec<String>,
    make: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
) -> wasmtime::Result<Component> {
    if let Some(file) = look_up(cache, name, notes)
        && let Ok(component) = deserialize_component(engine, file)
    {
        return Ok(component);
    }
    let bytes = make()?;
    match cache.map(|cache| cache.put(name, &bytes)) {
        Some(Ok(file)) => deserialize_component(engine, file),
        _ => deserialize_component_bytes(engine, &bytes),
    }
}

fn look_up(cache: Option<&Cache>, name: &str, notes: &mut Vec<String>) -> Option<std::fs::File> {
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

#[expect(unsafe_code, reason = "machine code that this process made, or whose keyed checksum was just found right")]
fn deserialize_module(engine: &Engine, file: std::fs::File) -> wasmtime::Result<Module> {
    // SAFETY: the file comes from `Cache`: written by this user's Belljar and checked, or written a moment ago.
    unsafe { Module::deserialize_open_file(engine, file) }
}

#[expect(unsafe_code, reason = "machine code that this process made, or whose keyed checksum was just found right")]
fn deserialize_component(engine: &Engine, file: std::fs::File) -> wasmtime::Result<Component> {
    use std::io::Read;
    let (mut file, mut bytes) = (file, Vec::new());
    file.read_to_end(&mut bytes)?;
    // SAFETY: the file comes from `Cache`: written by this user's Belljar and checked, or written a moment ago.
    unsafe { Component::deserialize(engine, bytes) }
}

#[expect(unsafe_code, reason = "machine code that this process made a moment ago")]
fn deserialize_module_bytes(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the bytes are `Engine::precompile_module`'s own.
    unsafe { Module::deserialize(engine, bytes) }
}

#[expect(unsafe_code, reason = "machine code that this process made a moment ago")]
fn deserialize_component_bytes(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are `Engine::precompile_component`'s own.
    unsafe { Component::deserialize(engine, bytes) }
}
