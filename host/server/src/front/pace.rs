//! How slow the other side may be. Only time spent waiting for it counts: what the applet takes is not held against the client.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Bounds of one direction of a connection, or of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceLimits {
    /// Longest wait for the next byte.
    pub(crate) idle: Duration,
    /// Bytes in a second, on average over all waits, once they add up to `grace`.
    pub(crate) bytes_per_second_min: u64,
    /// Waits in all before the average counts.
    pub(crate) grace: Duration,
}

/// Watches one direction.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PaceLimits,
    waited: Duration,
    bytes: u64,
    since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The other side is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side is too slow")]
pub(crate) struct TooSlow;

impl Pace {
    pub(crate) fn new(limits: PaceLimits) -> Self {
        Self { limits, waited: Duration::ZERO, bytes: 0, since: None, sleep: None }
    }

    /// Bytes have passed.
    pub(crate) fn passed(&mut self, bytes: u64) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Nothing passes: waits on. Ready when it is enough.
    pub(crate) fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<TooSlow> {
        let is_new = self.since.is_none();
        let since = *self.since.get_or_insert_with(Instant::now);
        let until = since + self.patience();
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if is_new {
                    sleep.as_mut().reset(until);
                }
                sleep
            }
            sleep => sleep.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        sleep.as_mut().poll(context).map(|()| TooSlow)
    }

    /// How long this wait may be: until it is too long, or the average too low.
    fn patience(&self) -> Duration {
        let allowed = match self.limits.bytes_per_second_min {
            0 => return self.limits.idle,
            rate => self.limits.grace + Duration::from_secs_f64(self.bytes as f64 / rate as f64),
        };
        self.limits.idle.min(allowed.saturating_sub(self.waited))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn limits() -> PaceLimits {
        PaceLimits { idle: Duration::from_secs(5), bytes_per_second_min: 100, grace: Duration::from_secs(10) }
    }

    #[tokio::test]
    async fn silence_is_cut_off() {
        let mut pace = Pace::new(PaceLimits { idle: Duration::from_millis(50), ..limits() });
        let begun = Instant::now();
        assert_eq!(poll_fn(|context| pace.poll_waiting(context)).await, TooSlow);
        assert!(begun.elapsed() >= Duration::from_millis(50), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_low_average_is_cut_off_after_the_grace() {
        let mut pace = Pace::new(limits());
        pace.waited = Duration::from_secs(9);
        assert_eq!(pace.patience(), Duration::from_secs(1));
        // Ten seconds' worth have come.
        pace.passed(1_000);
        assert_eq!(pace.patience(), Duration::from_secs(5));
        pace.waited = Duration::from_secs(20);
        assert_eq!(pace.patience(), Duration::ZERO);
    }
}
