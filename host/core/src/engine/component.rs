//! Applets that are WebAssembly components, in any language (`wit/component`): each compiled by itself, a fresh instance for each call.
//! Their functions wait, so a call that waits keeps its fiber, which the engine of JavaScript does without.
//!
//! In the order of use: `compile` (once for each package), `invoke` (one call), `imports` (what it calls, and the one place where it
//! waits for an answer), `wasi` (what of WASI there is, with `timers` and `output`), `types` (what `handle` takes and gives), `replay` (a call
//! again, out of its recording).

mod compile;
mod imports;
mod invoke;
mod output;
mod replay;
mod timers;
mod types;
mod wasi;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use tokio::sync::{OnceCell, Semaphore};
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Config, Engine};

pub(crate) use self::invoke::ComponentRun;
pub(crate) use self::types::Call;
pub(super) use self::types::CallRecord;
use self::wasi::Guest;
use super::cache::Cache;
use super::sandbox::{FIBER_STACK_BYTES, SandboxError, WASM_STACK_BYTES};
use crate::floor::ids::Digest;
use crate::recent::Recent;

/// Frames of WebAssembly that a fault tells.
const FRAMES_MAX: usize = 16;

/// Part of the name under which machine code is kept: whatever changes fuel or results must change this text.
const CONFIGURATION: &str = "component; fuel; nan-canonicalization; no threads; no relaxed simd; stack 2 MiB";

/// What all components share.
pub(crate) struct Components {
    engine: Engine,
    linker: Linker<Guest>,
    cache: Option<Arc<Cache>>,
    /// By the digest of the package.
    ready: Mutex<Recent<Digest, Arc<OnceCell<Arc<PreparedComponent>>>>>,
    /// Instances that may exist at the same time.
    places: Semaphore,
}

/// A component that is compiled and linked.
pub(crate) struct PreparedComponent {
    linked: InstancePre<Guest>,
    /// How frames name it.
    file: String,
    pub(crate) from_cache: bool,
}

impl Components {
    /// At most `instances_max` calls at the same time, `ready_max` components in memory.
    pub(crate) fn new(instances_max: u32, ready_max: usize, cache: Option<Arc<Cache>>) -> Result<Self, SandboxError> {
        let failed = |what| move |source| SandboxError::Wasmtime { what, source };
        let engine = Engine::new(&configuration()).map_err(failed("configuration of components"))?;
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker).map_err(failed("linking WASI"))?;
        imports::link(&mut linker).map_err(failed("linking belljar:component"))?;
        let ready = Mutex::new(Recent::new(ready_max));
        Ok(Self { engine, linker, cache, ready, places: Semaphore::new(instances_max as usize) })
    }
}

/// As the engine's (`sandbox::configuration`), with two differences. Components have any number of memories and tables, of any size, so
/// that a slot of a pool would fit none of them: each is mapped for its call, its initial memory copy-on-write. And Wasm's own frames are
/// the author's, so that they are kept.
fn configuration() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).cranelift_nan_canonicalization(true).memory_init_cow(true);
    config.wasm_component_model(true).wasm_relaxed_simd(false);
    config.max_wasm_stack(WASM_STACK_BYTES).async_stack_size(FIBER_STACK_BYTES);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(FRAMES_MAX));
    config
}
