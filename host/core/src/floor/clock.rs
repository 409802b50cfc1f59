//! Time and randomness: the one place they come from, so that both can be replaced.

use std::time::{SystemTime, UNIX_EPOCH};

/// Source of time and randomness for a host. Implement it to replay a run or to test.
pub trait Source: Send + Sync + 'static {
    /// Unix time in microseconds.
    fn now_us(&self) -> u64;
    /// Fills `bytes` with random bytes.
    fn random(&self, bytes: &mut [u8]);
}

/// The machine's clock and the operating system's random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Source for System {
    fn now_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has a random generator");
    }
}

/// A fixed time, and random bytes from a seed: two runs see the same.
#[derive(Debug, Clone)]
pub struct Seeded {
    now_us: u64,
    seed: [u8; 32],
    used: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Seeded {
    /// Time stands at `now_us` (Unix microseconds); random bytes follow from `seed`.
    pub fn new(now_us: u64, seed: u64) -> Self {
        Self { now_us, seed: *blake3::hash(&seed.to_le_bytes()).as_bytes(), used: Default::default() }
    }
}

impl Source for Seeded {
    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn random(&self, bytes: &mut [u8]) {
        let at = self.used.fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        let mut reader = blake3::Hasher::new_keyed(&self.seed).finalize_xof();
        reader.set_position(at);
        reader.fill(bytes);
    }
}
