//! npm packages that tests need: each locked folder is installed once, in the cache folder, because node_modules has no place in the
//! repository. Without npm or its registry those tests are skipped, and say so; `tests/src/npm.rs` finds what is here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::command::exists;
use crate::engine_inputs::cache_dir;

/// Folders with a package.json and a package-lock.json, by the name they have in the cache.
const FOLDERS: [(&str, &str); 2] = [("types", "tests/types"), ("react-page", "examples/react-page")];

/// Installs what is missing.
///
/// # Errors
/// When the cache folder cannot be written. A package that cannot be had is none: it is told.
pub(crate) fn install(repository: &Path) -> Result<()> {
    if !exists("npm", &["--version"]) {
        eprintln!("xtask: skipped: tests that need packages (tsc, react), because npm is not installed");
        return Ok(());
    }
    for (name, source) in FOLDERS {
        let (from, to) = (repository.join(source), cache_dir().join("npm").join(name));
        let lock = fs::read(from.join("package-lock.json")).with_context(|| format!("{source} has no lock file"))?;
        // Written last: what it says has been installed.
        let mark = to.join("installed");
        if fs::read(&mark).is_ok_and(|installed| installed == lock) {
            continue;
        }
        eprintln!("xtask: installing the packages of {source}");
        if to.exists() {
            fs::remove_dir_all(&to).with_context(|| format!("{} cannot be removed", to.display()))?;
        }
        fs::create_dir_all(&to).with_context(|| format!("{} cannot be made", to.display()))?;
        fs::copy(from.join("package.json"), to.join("package.json"))?;
        fs::write(to.join("package-lock.json"), &lock)?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&to)
            .stdout(Stdio::null());
        if npm.status().context("cannot start npm")?.success() {
            fs::write(mark, lock)?;
        } else {
            eprintln!("xtask: skipped: tests that need the packages of {source}, because npm could not install them");
        }
    }
    Ok(())
}
