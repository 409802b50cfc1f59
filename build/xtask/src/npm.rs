//! npm packages that tests need, and runtimes for applets in processes: each locked folder is installed once, in the cache folder, because
//! node_modules has no place in the repository. Without npm or its registry what needs them is skipped, and says so; `tests/src/npm.rs`
//! and `tests/src/runtimes.rs` find what is here, and so does the command. And the browser that some tests drive, which is the system's.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::command::exists;
use crate::engine_inputs::cache_dir;

/// Folders with a package.json and a package-lock.json, by the name they have in the cache.
const FOLDERS: [(&str, &str); 5] = [
    ("types", "tests/types"),
    ("react-page", "examples/react-page"),
    ("finance-dashboard", "examples/finance-dashboard"),
    ("browser", "tests/browser"),
    ("components", "tests/components"),
];
/// Where a browser may be; tests/e2e/pages.rs looks in the same places.
const BROWSERS: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

/// Runtimes, as npm packages with the program in them; their install scripts do not run.
const RUNTIMES: [(&str, &str); 2] = [("bun", "build/xtask/runtimes/bun"), ("deno", "build/xtask/runtimes/deno")];

/// Installs what tests need and is missing.
///
/// # Errors
/// When the cache folder cannot be written. A package that cannot be had is none: it is told.
pub(crate) fn install(repository: &Path) -> Result<()> {
    browser();
    install_all(repository, "npm", &FOLDERS, "tests that need packages (tsc, react)")
}

/// Installs Bun and Deno, where the command looks for them.
///
/// # Errors
/// As for [`install`].
pub(crate) fn install_runtimes(repository: &Path) -> Result<()> {
    install_all(repository, "runtimes", &RUNTIMES, "Bun and Deno")
}

fn install_all(repository: &Path, place: &str, folders: &[(&str, &str)], what: &str) -> Result<()> {
    if !exists("npm", &["--version"]) {
        eprintln!("xtask: skipped: {what}, because npm is not installed");
        return Ok(());
    }
    for (name, source) in folders {
        let (from, to) = (repository.join(source), cache_dir().join(place).join(name));
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
            eprintln!("xtask: skipped: what needs the packages of {source}, because npm could not install them");
        }
    }
    Ok(())
}

/// Sees to a browser: where this is a machine for nothing but tests, it is installed, else it is told how. It is not unpacked into the cache
/// folder as the compilers are: a browser needs a hundred of the system's libraries, its fonts and its certificates.
fn browser() {
    if BROWSERS.iter().any(|path| Path::new(path).exists()) {
        return;
    }
    let is_for_tests = env::var_os("CI").is_some() && is_root();
    if is_for_tests && exists("apt-get", &["--version"]) {
        eprintln!("xtask: installing chromium");
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-qq", "--no-install-recommends", "chromium"]).stdout(Stdio::null());
        if apt.status().is_ok_and(|status| status.success()) {
            return;
        }
    }
    eprintln!(
        "xtask: skipped: tests that look at pages in a browser, because there is none: `apt-get install chromium`"
    );
}

/// Who owns this process: the only one who may install packages.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
