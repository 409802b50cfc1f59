//! Time and randomness: the one place they come from, so that both can be replaced.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Source of time and randomness for a host. Implement it to replay a run or to test.
pub trait Source: Send + Sync + 'static {
    /// Unix time in microseconds.
    fn now_us(&self) -> u64;
    /// Fills `bytes` with random bytes.
    fn random(&self, bytes: &mut [u8]);
    /// Time that passes only where it is waited for, if it does so here. By default it passes by itself.
    fn virtual_time(&self) -> Option<&Virtual> {
        None
    }
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

/// What random bytes follow from: a number that somebody has chosen, or 256 bits that nobody can guess.
///
/// Its text is 64 hexadecimal digits; it is read from that, or from a number.
///
/// ```
/// use belljar::Seed;
///
/// let seed: Seed = "7".parse()?;
/// assert_eq!(seed, Seed::from(7));
/// assert_eq!(seed.to_string().parse(), Ok(seed));
/// assert_ne!(Seed::drawn(), Seed::drawn());
/// # Ok::<_, belljar::SeedError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// One of the operating system's random generator: what follows from it is as secret as it is.
    ///
    /// # Panics
    /// When the operating system has no random generator.
    #[must_use]
    pub fn drawn() -> Self {
        let mut bytes = [0; 32];
        System.random(&mut bytes);
        Self(bytes)
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        Self(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        if text.len() == 64 {
            return blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| SeedError);
        }
        text.parse::<u64>().map(Self::from).map_err(|_| SeedError)
    }
}

/// A text that is no seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a seed is a number from 0 to 18446744073709551615, or 64 hexadecimal digits")]
pub struct SeedError;

/// A fixed time, and random bytes from a seed: two runs see the same.
#[derive(Debug, Clone)]
pub struct Seeded {
    now_us: u64,
    seed: Seed,
    used: std::sync::Arc<AtomicU64>,
}

impl Seeded {
    /// Time stands at `now_us` (Unix microseconds); random bytes follow from `seed`.
    pub fn new(now_us: u64, seed: impl Into<Seed>) -> Self {
        Self { now_us, seed: seed.into(), used: Default::default() }
    }
}

impl Source for Seeded {
    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn random(&self, bytes: &mut [u8]) {
        let at = self.used.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut reader = blake3::Hasher::new_keyed(&self.seed.0).finalize_xof();
        reader.set_position(at);
        reader.fill(bytes);
    }
}

/// Time that passes only where it is waited for, and random bytes from a seed: for tests and simulations of one invocation at a time.
///
/// While the invocation computes, time stands: computing does not carry it on, as it does with every other source, unless
/// [`Virtual::with_fuel_clock`] says so. When it waits for operations, no timer is due, and they are done one after the other, in the order in
/// which they were made. When it waits for nothing but timers, it is the time of the next one at once. So a wait of a year takes no time, and
/// two runs see the same (`docs/determinism.md`).
///
/// ```
/// use belljar::{Source, Virtual};
///
/// let time = Virtual::new(1_767_225_600_000_000, 7);
/// time.set(1_767_225_600_000_001);
/// assert_eq!(time.now_us(), 1_767_225_600_000_001);
/// ```
#[derive(Debug)]
pub struct Virtual {
    now_us: AtomicU64,
    random: Seeded,
    is_carried_by_fuel: bool,
}

impl Virtual {
    /// Time begins at `now_us` (Unix microseconds); random bytes follow from `seed`.
    pub fn new(now_us: u64, seed: impl Into<Seed>) -> Self {
        Self { now_us: AtomicU64::new(now_us), random: Seeded::new(now_us, seed), is_carried_by_fuel: false }
    }

    /// Computing carries time on: 1,000 units of fuel are one microsecond, as they are outside of tests.
    ///
    /// ```
    /// use belljar::{Host, Virtual};
    ///
    /// let builder = Host::builder().source(Virtual::new(1_767_225_600_000_000, 7).with_fuel_clock());
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn with_fuel_clock(mut self) -> Self {
        self.is_carried_by_fuel = true;
        self
    }

    pub(crate) fn is_carried_by_fuel(&self) -> bool {
        self.is_carried_by_fuel
    }

    /// It is `now_us` (Unix microseconds), which may be earlier than it was. An invocation sees it when it goes on after a wait.
    pub fn set(&self, now_us: u64) {
        self.now_us.store(now_us, Ordering::Relaxed);
    }

    /// A timer is due: it is its time, unless it is later already.
    pub(crate) fn reach(&self, due_us: u64) {
        self.now_us.fetch_max(due_us, Ordering::Relaxed);
    }
}

impl Source for Virtual {
    fn now_us(&self) -> u64 {
        self.now_us.load(Ordering::Relaxed)
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.random(bytes);
    }

    fn virtual_time(&self) -> Option<&Virtual> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_passes_to_what_is_due() {
        let time = Virtual::new(1_000, 1);
        time.reach(5_000);
        time.reach(2_000);
        assert_eq!(time.now_us(), 5_000, "what was due before does not turn it back");
        time.set(10);
        assert_eq!(time.now_us(), 10);
    }

    #[test]
    fn a_seed_is_a_number_or_64_digits() {
        let drawn = Seed::drawn();
        assert_eq!(drawn.to_string().parse(), Ok(drawn));
        assert_eq!(drawn.to_string().to_uppercase().parse(), Ok(drawn));
        assert_eq!("0".parse(), Ok(Seed::from(0)));
        for wrong in ["", "-1", "1e3", "18446744073709551616", &"g".repeat(64), &"a".repeat(63)] {
            assert_eq!(wrong.parse::<Seed>(), Err(SeedError), "{wrong:?}");
        }
    }

    #[test]
    fn random_bytes_follow_from_the_seed() {
        let bytes = |seed: u64| {
            let mut bytes = [0; 16];
            Virtual::new(0, seed).random(&mut bytes);
            bytes
        };
        assert_eq!(
            bytes(1),
            [123, 61, 106, 40, 242, 219, 203, 15, 128, 167, 69, 126, 33, 85, 129, 149],
            "what was recorded with a seed repeats in later versions"
        );
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }
}
