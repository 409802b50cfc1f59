//! `cargo xtask engine`: builds the JavaScript engine once for these sources and keeps it in the cache, where host/core's build
//! script finds it.

mod glue;
mod quickjs;
mod split;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::command::{self, run};
use crate::engine_inputs::{self as inputs, CODE, GLUE, MEMORY, RECORD, WEB};

/// Builds the engine unless the cache has it; answers its folder.
pub(crate) fn build(repository: &Path) -> Result<PathBuf> {
    let digest = inputs::digest(repository).context("the engine's sources cannot be read")?;
    let dir = inputs::engine_dir(&digest);
    if dir.join(RECORD).is_file() {
        return Ok(dir);
    }
    let begun = Instant::now();
    let cache = inputs::cache_dir();
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let guest = repository.join("guest-js/engine");
    let toolchain = toolchain::find(&cache, &guest)?;
    eprintln!("xtask: building the JavaScript engine with {}", toolchain.description);

    let web = bundle_web_platform(repository, &cache)?;
    let target = cache.join("guest-target");
    let quickjs = quickjs::patched(&cache, &guest).context("QuickJS's source cannot be prepared")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--target", "wasm32-unknown-unknown", "--target-dir"]).arg(&target);
    cargo.arg("--config").arg(format!("paths=[{:?}]", quickjs.display().to_string()));
    cargo.args(&toolchain.args).envs(&toolchain.env).current_dir(&guest);
    // The host's own flags must not reach the engine: it would differ from machine to machine.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    run(&mut cargo)?;

    let wasm = fs::read(target.join("wasm32-unknown-unknown/release/belljar_guest.wasm"))?;
    write(&dir, &wasm, &fs::read(&web)?)?;
    eprintln!("xtask: the JavaScript engine is built ({:.0} s): {}", begun.elapsed().as_secs_f64(), dir.display());
    Ok(dir)
}

fn bundle_web_platform(repository: &Path, cache: &Path) -> Result<PathBuf> {
    let out = cache.join("web-platform.js");
    bundle(repository, "guest-js/web/src/main.ts", &out)?;
    Ok(out)
}

/// Bundles a script and all it imports into one. The bundler is built as part of the whole workspace: with features of its own, most of its
/// dependencies would be compiled twice.
pub(crate) fn bundle(repository: &Path, entry: &str, out: &Path) -> Result<()> {
    let mut build = command::cargo(repository);
    build.args(["build", "--quiet", "-j2", "--locked", "--workspace", "--bin", "belljar-bundle"]);
    run(&mut build).context("the bundler cannot be built")?;
    let mut bundler = Command::new(command::target_dir()?.join("debug/belljar-bundle"));
    run(bundler.arg(repository.join(entry)).arg(out).current_dir(repository))
        .with_context(|| format!("{entry} cannot be bundled"))
}

/// Splits the module and writes the engine's files, the record last: where it is, all are.
fn write(dir: &Path, wasm: &[u8], web: &[u8]) -> Result<()> {
    let component = wit_component::ComponentEncoder::default().validate(true).module(wasm)?.encode()?;
    let split = split::split(wasm).context("the engine cannot be split into code and image")?;
    let glue = glue::glue(&component, &split).context("the glue component cannot be made")?;
    wasmparser::Validator::new().validate_all(&glue).context("the glue component is not valid")?;
    wasmparser::Validator::new().validate_all(&split.code).context("the engine's code is not valid")?;

    let mut hasher = blake3::Hasher::new();
    for part in [&split.code[..], &split.memory, &glue, web] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let record = serde_json::json!({
        "format": 1,
        "digest": hasher.finalize().to_hex().to_string(),
        "stack_bytes": split.stack_bytes,
        "frames_at": split.frames_at,
        "memory_import": split::MEMORY_IMPORT,
        "code_import": glue::CODE_IMPORT,
        "image_import": glue::IMAGE_IMPORT,
    });
    fs::create_dir_all(dir)?;
    fs::write(dir.join(CODE), &split.code)?;
    fs::write(dir.join(MEMORY), &split.memory)?;
    fs::write(dir.join(GLUE), &glue)?;
    fs::write(dir.join(WEB), web)?;
    fs::write(dir.join(RECORD), format!("{record:#}\n"))?;
    Ok(())
}

/// Copies the built engine to where a published crate carries it.
pub(crate) fn publish(repository: &Path) -> Result<()> {
    let from = build(repository)?;
    let to = repository.join("host/core/engine");
    fs::create_dir_all(&to)?;
    for name in [CODE, MEMORY, GLUE, WEB, RECORD] {
        fs::copy(from.join(name), to.join(name))?;
    }
    eprintln!("xtask: copied the engine to {}", to.display());
    Ok(())
}
