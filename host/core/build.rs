//! Finds the built JavaScript engine and hands its folder to the crate, which embeds it. Building it is `cargo xtask engine`.

#[allow(unreachable_pub, reason = "shared with xtask, where it is a module of its own")]
#[path = "engine_inputs.rs"]
mod engine_inputs;

use std::path::{Path, PathBuf};
use std::{env, fs, process};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=engine_inputs.rs");
    for name in ["BELLJAR_ENGINE_DIR", "BELLJAR_CACHE"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    match find() {
        Ok(dir) => {
            println!("cargo:rerun-if-changed={}", dir.display());
            println!("cargo:rustc-env=BELLJAR_ENGINE_DIR={}", dir.display());
        }
        Err(message) => {
            eprintln!("error: {message}");
            process::exit(1);
        }
    }
}

/// In this order: a folder named by hand, the folder a published crate carries, the cache by content of the sources.
fn find() -> Result<PathBuf, String> {
    if let Some(dir) = env::var_os("BELLJAR_ENGINE_DIR") {
        return complete(PathBuf::from(dir))
            .map_err(|dir| format!("BELLJAR_ENGINE_DIR={} holds no engine", dir.display()));
    }
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    if let Ok(dir) = complete(here.join("engine")) {
        return Ok(dir);
    }
    let repository = here.join("../..");
    for input in engine_inputs::INPUTS {
        println!("cargo:rerun-if-changed={}", repository.join(input).display());
    }
    let digest = engine_inputs::digest(&repository).map_err(|e| format!("the engine's sources cannot be read: {e}"))?;
    complete(engine_inputs::engine_dir(&digest)).map_err(|dir| {
        format!(
            "the JavaScript engine of these sources is not built ({} is missing)\nhint: run `cargo xtask engine` once",
            dir.display()
        )
    })
}

fn complete(dir: PathBuf) -> Result<PathBuf, PathBuf> {
    let has = |name: &str| fs::metadata(Path::new(&dir).join(name)).is_ok_and(|m| m.is_file());
    let all =
        [engine_inputs::CODE, engine_inputs::MEMORY, engine_inputs::GLUE, engine_inputs::WEB, engine_inputs::RECORD];
    if all.into_iter().all(has) { Ok(dir) } else { Err(dir) }
}
