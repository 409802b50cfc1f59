//! What the end-to-end tests stand on: a host, applets built from text, a server on loopback, the real command. Nothing here judges;
//! it panics only when the test itself cannot go on.

pub mod applet;
pub mod cli;
pub mod component;
pub mod front;
pub mod host;
pub mod npm;
pub mod one_applet;
pub mod runtimes;
pub mod server;
pub mod serving;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test waits for something that must happen. It is no measure: a test that gets here fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root)
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "this never came about: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until `condition`, which takes a while itself, holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub async fn eventually_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < PATIENCE, "this never came about: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
