//! The sandbox of these comparisons: with the cache of machine code that the other tests have.

use anyhow::Result;
use belljar::Limits;
pub(crate) use belljar_conformance::{Bounds, Sandbox};
use tokio::runtime::Runtime;

/// Sets the host up.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn new() -> Result<Sandbox> {
    Ok(Sandbox::new(belljar_tests::host::builder().progress(|what| eprintln!("conformance: {what}")))?)
}

/// Limits that only a runaway program meets. The wall clock is there for what fuel does not count; this machine may be busy.
pub(crate) fn limits(deadline_ms: u64) -> Limits {
    Bounds::default().limits(deadline_ms)
}

/// A runtime for one worker.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(belljar_conformance::runtime()?)
}
