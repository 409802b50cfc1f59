//! Named places at which a test ends the process as a power cut would, without a destructor run. They do nothing unless the process has
//! armed them itself, which `belljar serve` does only when it is asked to by an environment variable that no operator sets.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that arms one: `NAME` or `NAME:N`, which dies when it gets there the Nth time.
pub const VARIABLE: &str = "BELLJAR_FAILPOINT";

/// All of them, in the order in which an installation meets them, then the others.
pub const NAMES: &[&str] = &[
    "package.written",
    "package.renamed",
    "package.stored",
    "install.prepared",
    "install.migration-begun",
    "install.migration-applied",
    "install.migrated",
    "install.hooked",
    "catalog.before-commit",
    "catalog.committed",
    "secret.sealed",
    "uninstall.marked",
    "collect.data-deleted",
    "collect.rows-deleted",
    "backup.copied",
    "backup.sealed",
    "restore.extracted",
    "restore.verified",
];

#[derive(Debug)]
struct Armed {
    name: &'static str,
    /// Visits left, this one included.
    left: AtomicU64,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms what [`VARIABLE`] names, if it is set.
///
/// # Errors
/// When there is no such place: a test of it would pass without having tried anything.
pub fn arm_from_environment() -> Result<(), String> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let (name, visits) = text.split_once(':').unwrap_or((&text, "1"));
    let name = NAMES.iter().find(|known| **known == name);
    let name = name.ok_or_else(|| format!("{VARIABLE}: there is no place {text:?}; there is {}", NAMES.join(", ")))?;
    let left = visits.parse().ok().filter(|visits| *visits > 0);
    let left: u64 = left.ok_or_else(|| format!("{VARIABLE}: {visits:?} is no number of visits"))?;
    let _ = ARMED.set(Armed { name, left: AtomicU64::new(left) });
    Ok(())
}

/// Ends the process here if this place is armed and it is the time.
pub fn hit(name: &'static str) {
    debug_assert!(NAMES.contains(&name), "{name} is not listed");
    let Some(armed) = ARMED.get() else { return };
    if armed.name == name && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        kill_this_process();
        // The signal is delivered before that returns; if it could not be sent, or there is none, nothing may go on either.
        std::process::abort();
    }
}

#[cfg(unix)]
fn kill_this_process() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

#[cfg(not(unix))]
fn kill_this_process() {}
