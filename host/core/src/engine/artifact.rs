//! The built JavaScript engine, embedded in this crate by its build script. It knows nothing of how it is run.

use serde::Deserialize;

use crate::floor::ids::Digest;

const CODE: &[u8] = include_bytes!(concat!(env!("BELLJAR_ENGINE_DIR"), "/code.wasm"));
const MEMORY: &[u8] = include_bytes!(concat!(env!("BELLJAR_ENGINE_DIR"), "/memory.bin"));
const GLUE: &[u8] = include_bytes!(concat!(env!("BELLJAR_ENGINE_DIR"), "/glue.wasm"));
const WEB: &str = include_str!(concat!(env!("BELLJAR_ENGINE_DIR"), "/web.js"));
const RECORD: &str = include_str!(concat!(env!("BELLJAR_ENGINE_DIR"), "/engine.json"));

/// The engine's parts.
pub(crate) struct Artifact {
    /// Core module: the engine's code, importing its memory.
    pub(crate) code: &'static [u8],
    /// What that memory starts as, before the engine is booted.
    pub(crate) memory: &'static [u8],
    /// Component: the canonical-ABI adapters, importing `code` and an image as core modules.
    pub(crate) glue: &'static [u8],
    /// The web platform: a script whose value is the function that installs it.
    pub(crate) web: &'static str,
    pub(crate) record: Record,
}

/// What the engine build wrote down (build/xtask/src/engine.rs).
#[derive(Deserialize)]
pub(crate) struct Record {
    format: u32,
    digest: String,
    /// The machine stack, at the start of memory; it holds nothing between two calls.
    pub(crate) stack_bytes: usize,
    /// Where in memory the table lies that says how to find the JavaScript stack.
    pub(crate) frames_at: usize,
    /// Module and name under which the code imports its memory.
    pub(crate) memory_import: (String, String),
    /// Names under which the glue imports code and image.
    pub(crate) code_import: String,
    pub(crate) image_import: String,
}

impl Artifact {
    pub(crate) fn embedded() -> Self {
        let record: Record = serde_json::from_str(RECORD).expect("the engine build wrote a valid record");
        assert_eq!(record.format, 1, "the engine build and this crate agree on the record's format");
        Self { code: CODE, memory: MEMORY, glue: GLUE, web: WEB, record }
    }

    /// Names what runs applets: engine bytes, Wasmtime's version and its configuration. Fuel figures belong to it.
    pub(crate) fn digest(&self, configuration: &str) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for part in [self.record.digest.as_str(), WASMTIME_VERSION, configuration] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// The version the workspace pins; a test compares it with Cargo.lock.
pub(super) const WASMTIME_VERSION: &str = "48.0.8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wasmtime_version_is_the_locked_one() {
        let lock =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).expect("Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"")));
    }

    #[test]
    fn configuration_is_part_of_the_digest() {
        let artifact = Artifact::embedded();
        assert_ne!(artifact.digest("a"), artifact.digest("b"));
    }
}
