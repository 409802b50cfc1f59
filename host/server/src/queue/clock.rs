//! Time in the queue. Due times and leases are kept in *queue time*, which goes on with a monotonic clock: a wall clock that is set forwards or
//! back moves nothing while the process lives. Between two processes the wall clock is asked, because nothing else has counted; but queue
//! time never begins before where the last process left it, so that a clock that was set back holds nothing up.

use std::sync::Arc;
use std::time::Instant;

use belljar::{Source, System};

/// Where time and randomness come from.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in microseconds; it may jump.
    fn wall_us(&self) -> u64;
    /// Microseconds since some moment; they only go on.
    fn elapsed_us(&self) -> u64;
    /// 64 random bits.
    fn random(&self) -> u64;
}

/// The machine's clocks and random generator.
#[derive(Debug)]
pub struct SystemClock {
    begun: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall_us(&self) -> u64 {
        System.now_us()
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        System.random(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// Queue time of one process.
pub struct QueueTime {
    clock: Arc<dyn Clock>,
    /// Queue time when `elapsed_us` was 0.
    base_us: u64,
}

impl QueueTime {
    /// Queue time that is not earlier than `left_us`, where the last process left it.
    pub(super) fn begin(clock: Arc<dyn Clock>, left_us: u64) -> Self {
        let base_us = clock.wall_us().max(left_us).saturating_sub(clock.elapsed_us());
        Self { clock, base_us }
    }

    /// Now, microseconds of queue time.
    pub fn now_us(&self) -> u64 {
        self.base_us + self.clock.elapsed_us()
    }

    /// Now on the wall, Unix time in microseconds.
    pub fn wall_us(&self) -> u64 {
        self.clock.wall_us()
    }

    /// 64 random bits.
    pub(crate) fn random(&self) -> u64 {
        self.clock.random()
    }
}

#[cfg(test)]
pub(crate) mod manual {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A clock that tests turn, with random bits from a seed.
    #[derive(Debug)]
    pub(crate) struct Manual {
        wall_us: AtomicU64,
        elapsed_us: AtomicU64,
        seed: AtomicU64,
    }

    impl Manual {
        pub(crate) fn new(wall_us: u64, seed: u64) -> Arc<Self> {
            Arc::new(Self { wall_us: wall_us.into(), elapsed_us: 0.into(), seed: seed.into() })
        }

        /// Time goes on.
        pub(crate) fn pass_ms(&self, ms: u64) {
            self.wall_us.fetch_add(ms * 1000, Ordering::SeqCst);
            self.elapsed_us.fetch_add(ms * 1000, Ordering::SeqCst);
        }

        /// Somebody sets the clock.
        pub(crate) fn set_wall_us(&self, wall_us: u64) {
            self.wall_us.store(wall_us, Ordering::SeqCst);
        }
    }

    impl Clock for Manual {
        fn wall_us(&self) -> u64 {
            self.wall_us.load(Ordering::SeqCst)
        }

        fn elapsed_us(&self) -> u64 {
            self.elapsed_us.load(Ordering::SeqCst)
        }

        fn random(&self) -> u64 {
            // SplitMix64 (Steele, Lea, Flood 2014).
            let mut z = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }
    }
}
