//! Where runtimes are looked for beside PATH; the tests of `host/jail` have this file, too.

use std::path::PathBuf;

/// Folders with `node_modules`: those of `BELLJAR_RUNTIME_PACKAGES`, with commas between them, else those of `cargo xtask setup --runtimes`.
pub(crate) fn packages() -> Vec<PathBuf> {
    if let Ok(set) = std::env::var("BELLJAR_RUNTIME_PACKAGES") {
        return set.split(',').map(PathBuf::from).collect();
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("BELLJAR_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("belljar")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/belljar")));
    let runtimes = cache.map(|cache| cache.join("runtimes"));
    runtimes.into_iter().flat_map(|folder| ["bun", "node", "deno"].map(|name| folder.join(name))).collect()
}
