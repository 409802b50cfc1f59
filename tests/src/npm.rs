//! npm packages for tests, as `cargo xtask test` has installed them in the cache folder (build/xtask/src/npm.rs). What is not there is
//! skipped, and says why.

use std::path::PathBuf;

use tempfile::TempDir;

/// The folder that holds `node_modules` of a locked folder of the repository; `None`, with a word on standard error, when it is not installed
/// as the lock file says.
pub fn installed(name: &str, source: &str) -> Option<PathBuf> {
    let folder = crate::host::user_cache().join("npm").join(name);
    let lock = std::fs::read(crate::repository().join(source).join("package-lock.json")).expect("the folder is locked");
    let is_there = std::fs::read(folder.join("installed")).is_ok_and(|installed| installed == lock);
    if !is_there {
        eprintln!("skipped: the packages of {source} are not installed: `cargo xtask test` does so, if there is npm");
    }
    is_there.then_some(folder)
}

/// The TypeScript compiler, as above.
pub fn tsc() -> Option<PathBuf> {
    Some(installed("types", "tests/types")?.join("node_modules/.bin/tsc"))
}

/// A folder that goes away with the test, from which the packages are found as from the applet's own.
pub fn beside(installed: &std::path::Path) -> TempDir {
    tempfile::tempdir_in(installed).expect("a temporary directory")
}
