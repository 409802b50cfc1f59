//! How far a long run is, on stderr, every now and then.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const TOLD_EVERY: Duration = Duration::from_secs(20);

/// Tells how many of `of` are done.
pub(crate) fn teller(what: &str, of: usize) -> impl Fn(usize) + Sync {
    let told = Mutex::new(Instant::now());
    move |done| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() > TOLD_EVERY {
            *told = Instant::now();
            eprintln!("conformance: {what}: {done} of {of}");
        }
    }
}
