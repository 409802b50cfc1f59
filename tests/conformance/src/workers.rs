//! Many tests on all cores, with progress on stderr.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

const TOLD_EVERY: Duration = Duration::from_secs(20);

/// Cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Does `work` with each item, on `threads` threads that have a state of their own each; answers in the order of the items.
///
/// # Errors
/// The first one of any thread.
pub(crate) fn each<T: Sync, S, R: Send>(
    what: &str,
    items: &[T],
    threads: usize,
    state: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new(Instant::now());
    let found: Vec<Result<Vec<(usize, R)>>> = std::thread::scope(|scope| {
        let thread = || {
            let mut state = state()?;
            let mut found = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return Ok(found) };
                found.push((index, work(&mut state, item)?));
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.elapsed() > TOLD_EVERY {
                    *told = Instant::now();
                    eprintln!("conformance: {what}: {index} of {}", items.len());
                }
            }
        };
        let threads: Vec<_> = (0..threads.clamp(1, items.len().max(1))).map(|_| scope.spawn(thread)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
            .collect()
    });
    let mut all = Vec::new();
    for part in found {
        all.extend(part?);
    }
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_order_and_errors_come_through() {
        let items: Vec<u32> = (0..100).collect();
        let doubled = each("test", &items, 3, || Ok(()), |(), n| Ok(n * 2)).expect("it works");
        assert_eq!(doubled, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        let failed = each("test", &items, 3, || Ok(()), |(), n| if *n == 5 { anyhow::bail!("five") } else { Ok(()) });
        assert_eq!(failed.expect_err("it fails").to_string(), "five");
    }
}
