//! When an invocation has to be over: known to everything that it does.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::limits::LimitHit;

/// The moment at which an invocation ends, answered or not. It moves once: when the answer is out, what was given to `waitUntil` has a time of
/// its own. Clones are the same deadline.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let begun = Instant::now();
/// let deadline = belljar::Deadline::new(begun, 1_000);
/// assert_eq!(deadline.at(), begun + Duration::from_secs(1));
/// ```
#[derive(Debug, Clone)]
pub struct Deadline(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    allowed_ms: u64,
    /// The time for `waitUntil`, once it has begun.
    waiting: OnceLock<Waiting>,
    /// Told when it moves: the new moment may be the earlier one.
    moved: Notify,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    allowed_ms: u64,
}

impl Deadline {
    /// `allowed_ms` milliseconds after `begun`.
    pub fn new(begun: Instant, allowed_ms: u64) -> Self {
        Self(Arc::new(Inner { begun, allowed_ms, waiting: OnceLock::new(), moved: Notify::new() }))
    }

    /// The moment, as it is now.
    pub fn at(&self) -> Instant {
        let (_, since, allowed_ms) = self.limit();
        since + Duration::from_millis(allowed_ms)
    }

    /// The limit that it is, for whom it has passed.
    pub fn hit(&self) -> LimitHit {
        let (name, since, allowed) = self.limit();
        LimitHit { name, allowed, used: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }

    /// What it is called, since when it counts, and how many milliseconds.
    fn limit(&self) -> (&'static str, Instant, u64) {
        match self.0.waiting.get() {
            Some(waiting) => ("wait_until_ms", waiting.since, waiting.allowed_ms),
            None => ("deadline_ms", self.0.begun, self.0.allowed_ms),
        }
    }

    /// The time for `waitUntil` begins; only the first call counts.
    pub(crate) fn begin_waiting(&self, allowed_ms: u64) {
        if self.0.waiting.set(Waiting { since: Instant::now(), allowed_ms }).is_ok() {
            self.0.moved.notify_waiters();
        }
    }

    /// Whether the time for `waitUntil` has begun.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.get().is_some()
    }

    /// Whether it has passed.
    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= self.at()
    }

    /// Waits until it has passed, wherever it moves meanwhile.
    pub(crate) async fn passed(&self) {
        loop {
            let mut moved = pin!(self.0.moved.notified());
            // From here on no move is missed.
            moved.as_mut().enable();
            if self.has_passed() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.at().into()) => {}
                () = moved => {}
            }
        }
    }
}

/// The limit `deadline_ms` is told as what is left from now on.
impl From<Instant> for Deadline {
    fn from(at: Instant) -> Self {
        let now = Instant::now();
        let allowed_ms = u64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX);
        Self::new(now, allowed_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_once_when_the_answer_is_out() {
        let begun = Instant::now();
        let deadline = Deadline::new(begun, 10);
        assert_eq!(deadline.hit().name, "deadline_ms");
        deadline.clone().begin_waiting(60_000);
        let at = deadline.at();
        assert!(at > begun + Duration::from_secs(59) && !deadline.has_passed(), "all clones are the same deadline");
        deadline.begin_waiting(120_000);
        assert_eq!(deadline.at(), at);
        let hit = deadline.hit();
        assert_eq!((hit.name, hit.allowed), ("wait_until_ms", 60_000));
    }

    #[tokio::test]
    async fn whoever_waits_for_it_notices_that_it_moves_either_way() {
        for (allowed_ms, waiting_ms, least_ms) in [(600_000, 50, 70), (60, 400, 420)] {
            let begun = Instant::now();
            let deadline = Deadline::new(begun, allowed_ms);
            let moving = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                deadline.begin_waiting(waiting_ms);
            };
            tokio::join!(deadline.passed(), moving);
            let took = begun.elapsed();
            assert!(took >= Duration::from_millis(least_ms) && took < Duration::from_secs(60), "{took:?}");
        }
    }
}
