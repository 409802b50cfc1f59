//! Bytes the host holds for a guest: a gauge with a bound, and holds on it that end by themselves. It does not know what the
//! bytes are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::floor::limits::LimitHit;

/// How many bytes the host holds for one invocation. Clones count together.
#[derive(Debug, Clone)]
pub struct HostBytes {
    held: Arc<AtomicU64>,
    max: u64,
}

impl HostBytes {
    /// Nothing is held; at most `host_bytes_max` bytes can be.
    pub fn new(host_bytes_max: u64) -> Self {
        Self { held: Arc::default(), max: host_bytes_max }
    }

    /// Bytes held now.
    #[cfg(test)]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Holds `bytes` until the answer is dropped.
    ///
    /// # Errors
    /// The limit `host_bytes_max`, when there is no room. Nothing is held then.
    pub fn hold(&self, bytes: u64) -> Result<Held, LimitHit> {
        let mut held = Held { gauge: self.clone(), bytes: 0 };
        held.grow(bytes)?;
        Ok(held)
    }
}

/// Bytes held; dropping it gives them back.
#[derive(Debug)]
pub struct Held {
    gauge: HostBytes,
    bytes: u64,
}

impl Held {
    /// Holds `more` bytes too.
    ///
    /// # Errors
    /// The limit `host_bytes_max`, when there is no room. What was held stays held.
    pub fn grow(&mut self, more: u64) -> Result<(), LimitHit> {
        let max = self.gauge.max;
        let room = |held: u64| held.checked_add(more).filter(|&sum| sum <= max);
        match self.gauge.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => {
                self.bytes += more;
                Ok(())
            }
            Err(held) => Err(LimitHit { name: "host_bytes_max", allowed: max, used: held.saturating_add(more) }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_bounded_and_given_back() {
        let gauge = HostBytes::new(10);
        let mut first = gauge.hold(4).expect("fits");
        first.grow(3).expect("fits");
        let hit = gauge.hold(4).expect_err("7 + 4 > 10");
        assert_eq!((hit.allowed, hit.used, gauge.held()), (10, 11, 7));
        assert!(first.grow(u64::MAX).is_err());
        drop(first);
        assert_eq!(gauge.held(), 0);
    }
}
