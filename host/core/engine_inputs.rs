// What the JavaScript engine is built from, and where a built one is kept. Shared by build.rs, which embeds the engine, and by
// `cargo xtask engine`, which builds it; both must name it alike.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Every file that can change the built engine, relative to the repository. Folders are taken whole, but for `NOT_INPUTS`.
pub const INPUTS: [&str; 9] = [
    "wit",
    "guest-js/engine/Cargo.toml",
    "guest-js/engine/Cargo.lock",
    "guest-js/engine/build.rs",
    "guest-js/engine/src",
    "guest-js/engine/c",
    "guest-js/web/src",
    "build/xtask/src/engine",
    "build/xtask/src/engine.rs",
];

/// What lies among them and is no part of it: the world of components, which no JavaScript engine runs.
const NOT_INPUTS: [&str; 1] = ["wit/component"];

/// Files of a built engine.
pub const CODE: &str = "code.wasm";
pub const MEMORY: &str = "memory.bin";
pub const GLUE: &str = "glue.wasm";
pub const WEB: &str = "web.js";
pub const RECORD: &str = "engine.json";

/// The digest of all inputs: the name under which the engine is cached.
pub fn digest(repository: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    for input in INPUTS {
        add(&mut hasher, repository, Path::new(input))?;
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

fn add(hasher: &mut blake3::Hasher, repository: &Path, path: &Path) -> io::Result<()> {
    if NOT_INPUTS.iter().any(|other| path == Path::new(other)) {
        return Ok(());
    }
    let full = repository.join(path);
    if full.is_dir() {
        let mut names = fs::read_dir(&full)?.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            add(hasher, repository, &path.join(name))?;
        }
        return Ok(());
    }
    let bytes = fs::read(&full)?;
    let name = path.to_string_lossy().replace('\\', "/");
    hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
    Ok(())
}

/// The cache folder: `BELLJAR_CACHE`, else `belljar` in the user's cache folder.
pub fn cache_dir() -> PathBuf {
    let user = || {
        env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
    };
    match env::var_os("BELLJAR_CACHE") {
        Some(dir) => dir.into(),
        None => user().unwrap_or_else(env::temp_dir).join("belljar"),
    }
}

/// Where the engine with this digest of inputs is kept.
pub fn engine_dir(digest: &str) -> PathBuf {
    cache_dir().join("engine").join(digest)
}
