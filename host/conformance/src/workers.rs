//! Many tests on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Processors that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Does `work` with each item, on `threads` threads (at least one, and no more than items) that have a state of their own each; answers in the
/// order of the items. `told` hears how many are done, from any of the threads.
///
/// # Errors
/// The first one of any thread; the others still finish what they are at.
///
/// # Panics
/// When `work` does.
///
/// ```
/// use belljar_conformance::each;
///
/// let doubled: Result<Vec<u32>, String> = each(&[1, 2, 3], 2, || Ok(()), |(), n| Ok(n * 2), &|_| ());
/// assert_eq!(doubled, Ok(vec![2, 4, 6]));
/// ```
pub fn each<T: Sync, S, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    state: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Sync,
    told: &(dyn Fn(usize) + Sync),
) -> Result<Vec<R>, E> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found: Vec<Result<Vec<(usize, R)>, E>> = std::thread::scope(|scope| {
        let thread = || {
            let mut state = state()?;
            let mut found = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return Ok(found) };
                match work(&mut state, item) {
                    Ok(result) => found.push((index, result)),
                    Err(error) => {
                        // Nobody begins another one.
                        next.store(items.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
                told(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let threads: Vec<_> = (0..threads.clamp(1, items.len().max(1))).map(|_| scope.spawn(thread)).collect();
        let joined = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(joined).collect()
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
        let most = AtomicUsize::new(0);
        let told = |done: usize| {
            most.fetch_max(done, Ordering::Relaxed);
        };
        let doubled = each(&items, 3, || Ok::<_, String>(()), |(), n| Ok(n * 2), &told).expect("it works");
        assert_eq!((doubled, most.into_inner()), ((0..100).map(|n| n * 2).collect::<Vec<_>>(), 100));
        let failed = each(&items, 3, || Ok(()), |(), n| if *n == 5 { Err("five") } else { Ok(()) }, &|_| ());
        assert_eq!(failed, Err("five"));
    }
}
