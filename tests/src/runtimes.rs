//! Where tests find Bun, Node and Deno: `BELLJAR_RUNTIME_PACKAGES`, else what `cargo xtask setup --runtimes` has installed, and `PATH`.

use std::path::PathBuf;

/// Folders with `node_modules` of runtimes.
pub fn packages() -> Vec<PathBuf> {
    if let Ok(set) = std::env::var("BELLJAR_RUNTIME_PACKAGES") {
        return set.split(',').map(PathBuf::from).collect();
    }
    let folder = crate::host::user_cache().join("runtimes");
    ["bun", "node", "deno"].map(|name| folder.join(name)).to_vec()
}
