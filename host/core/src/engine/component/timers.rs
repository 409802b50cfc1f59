//! Timers of WASI's monotonic clock, in the invocation's time: of several that are waited for only the earliest is slept for, and when it is
//! due it is exactly its time. So what a component sees does not depend on how exactly the host sleeps, and a source with time of its own
//! (`Seeded`, `Virtual`) has the same order of timers on every machine.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::Pollable;

use crate::floor::clock::Source;

/// The timers of one invocation. Clones are the same.
#[derive(Clone)]
pub(super) struct Timers(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    /// The guest's time, as it was last asked for or waited for, Unix microseconds.
    now_us: AtomicU64,
    /// The timer that was waited for since the guest's clock was last set; 0 for none.
    reached_us: AtomicU64,
    /// Those that are waited for, with a number that tells two of the same time apart.
    waiting: Mutex<BTreeSet<(u64, u64)>>,
    numbers: AtomicU64,
}

impl Timers {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self(Arc::new(Inner {
            source,
            now_us: AtomicU64::new(0),
            reached_us: AtomicU64::new(0),
            waiting: Mutex::default(),
            numbers: AtomicU64::new(0),
        }))
    }

    /// The guest has been told the time.
    pub(super) fn see(&self, now_us: u64) {
        self.0.now_us.fetch_max(now_us, Ordering::Relaxed);
    }

    /// The time to which a timer has carried the guest's clock since this was last asked.
    pub(super) fn take_reached(&self) -> Option<u64> {
        Some(self.0.reached_us.swap(0, Ordering::Relaxed)).filter(|reached| *reached > 0)
    }

    /// The same, which stays there; 0 for none.
    pub(super) fn reached_us(&self) -> u64 {
        self.0.reached_us.load(Ordering::Relaxed)
    }

    /// A timer for a moment of the guest's clock, Unix microseconds.
    pub(super) fn at(&self, due_us: u64) -> Timer {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        Timer { timers: self.clone(), due_us, number }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<(u64, u64)>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        let host_us = if self.0.source.virtual_time().is_some() { 0 } else { self.0.source.now_us() };
        self.0.now_us.load(Ordering::Relaxed).max(host_us)
    }

    /// A timer is due, and has been waited for.
    pub(super) fn reach(&self, due_us: u64) {
        self.see(due_us);
        self.0.reached_us.fetch_max(due_us, Ordering::Relaxed);
    }
}

/// One timer.
pub(super) struct Timer {
    timers: Timers,
    due_us: u64,
    number: u64,
}

/// A timer that is waited for; it is not when this is dropped.
struct Waiting<'a>(&'a Timer);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.timers.waiting().remove(&(self.0.due_us, self.0.number));
    }
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        let timer = &*self;
        let timers = &timer.timers;
        if timer.due_us <= timers.now_us() {
            return;
        }
        let own = (timer.due_us, timer.number);
        timers.waiting().insert(own);
        let _waiting = Waiting(timer);
        // Those that are waited for together are known when all of them have been polled once.
        tokio::task::yield_now().await;
        if timers.waiting().first() != Some(&own) {
            // The first one wakes whoever waits for several.
            return std::future::pending().await;
        }
        match timers.0.source.virtual_time() {
            Some(time) => time.reach(timer.due_us),
            None => tokio::time::sleep(Duration::from_micros(timer.due_us.saturating_sub(timers.now_us()))).await,
        }
        timers.reach(timer.due_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::clock::{Seeded, Virtual};
    use futures_util::future::{Either, select};
    use std::pin::pin;

    #[tokio::test]
    async fn only_the_earliest_of_several_is_due() {
        for source in [Arc::new(Seeded::new(1_000, 1)) as Arc<dyn Source>, Arc::new(Virtual::new(1_000, 1))] {
            let timers = Timers::new(source);
            timers.see(1_000);
            let (mut late, mut early) = (timers.at(3_001), timers.at(3_000));
            let is_early = matches!(select(pin!(late.ready()), pin!(early.ready())).await, Either::Right(_));
            assert!(is_early, "the earlier one is due");
            assert_eq!(timers.take_reached(), Some(3_000), "and it is its time exactly");
            assert_eq!(timers.take_reached(), None);
            late.ready().await;
            assert_eq!(timers.take_reached(), Some(3_001));
            early.ready().await;
            assert_eq!(timers.take_reached(), None, "what is past carries the clock nowhere");
        }
    }
}
