//! How often a client may call a handler: the generic cell rate algorithm, with room for a minute's worth at once, in a table that cannot
//! grow past its bound.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use belljar::{AppletId, TenantId};

/// Parts of the table with locks of their own.
const SHARDS: usize = 16;
const MINUTE_US: u64 = 60_000_000;

/// A client of a handler.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RateKey {
    /// Whose applet it is; `None` for the server itself.
    pub(crate) of: Option<(TenantId, AppletId, String)>,
    pub(crate) client: Client,
}

/// Who counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// A known user of the tenant.
    User(String),
    /// An address, or a network of one customer.
    Address(IpAddr),
}

/// When each client's next call would be on time, microseconds.
pub(crate) struct RateLimits {
    shards: Vec<Mutex<HashMap<RateKey, u64>>>,
    hasher: RandomState,
    keys_per_shard_max: usize,
    begun: Instant,
}

impl RateLimits {
    /// For at most so many clients at the same time. When there are more, those are forgotten first that have called least.
    pub(crate) fn new(keys_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
            keys_per_shard_max: (keys_max / SHARDS).max(2),
            begun: Instant::now(),
        }
    }

    /// A call at this rate.
    ///
    /// # Errors
    /// Seconds until the next one would be allowed, from 1.
    pub(crate) fn call(&self, key: &RateKey, per_minute: u32) -> Result<(), u64> {
        self.call_at(key, per_minute, u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Whether a call would be allowed, without one.
    ///
    /// # Errors
    /// As for [`RateLimits::call`].
    pub(crate) fn look(&self, key: &RateKey, per_minute: u32) -> Result<(), u64> {
        let now_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        allowed(shard.get(key).copied().unwrap_or(0), per_minute, now_us).map(drop)
    }

    fn call_at(&self, key: &RateKey, per_minute: u32, now_us: u64) -> Result<(), u64> {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due_us) = shard.get_mut(key) {
            *due_us = allowed(*due_us, per_minute, now_us)?;
            return Ok(());
        }
        if shard.len() >= self.keys_per_shard_max {
            make_room(&mut shard, now_us);
        }
        shard.insert(key.clone(), allowed(0, per_minute, now_us)?);
        Ok(())
    }

    fn shard(&self, key: &RateKey) -> &Mutex<HashMap<RateKey, u64>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

/// When the call after this one is due.
fn allowed(due_us: u64, per_minute: u32, now_us: u64) -> Result<u64, u64> {
    let step_us = MINUTE_US / u64::from(per_minute.max(1));
    let next_us = due_us.max(now_us) + step_us;
    // As many calls at once as a minute has.
    match next_us.checked_sub(now_us + MINUTE_US) {
        None | Some(0) => Ok(next_us),
        Some(late_us) => Err(late_us.div_ceil(1_000_000)),
    }
}

/// Forgets who would be allowed as much as anybody new; failing that, the half that has called least.
fn make_room(shard: &mut HashMap<RateKey, u64>, now_us: u64) {
    let before = shard.len();
    shard.retain(|_, due_us| *due_us > now_us);
    if shard.len() == before {
        let mut dues: Vec<u64> = shard.values().copied().collect();
        let (_, median, _) = dues.select_nth_unstable(before / 2);
        let median = *median;
        shard.retain(|_, due_us| *due_us > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: u32) -> RateKey {
        RateKey { of: None, client: Client::User(client.to_string()) }
    }

    #[test]
    fn a_minutes_worth_is_allowed_at_once_and_then_the_rate() {
        let limits = RateLimits::new(1_000);
        for _ in 0..60 {
            assert_eq!(limits.call_at(&key(1), 60, 5_000_000), Ok(()));
        }
        assert_eq!(limits.call_at(&key(1), 60, 5_000_000), Err(1));
        assert_eq!(limits.call_at(&key(2), 60, 5_000_000), Ok(()));
        assert_eq!(limits.call_at(&key(1), 60, 6_000_000), Ok(()));
        assert_eq!(limits.call_at(&key(1), 60, 6_100_000), Err(1));
        assert_eq!(limits.call_at(&key(3), 1, 6_100_000), Ok(()));
        assert_eq!(limits.call_at(&key(3), 1, 6_100_000), Err(60));
    }

    #[test]
    fn the_table_keeps_its_bound_and_those_who_call_most() {
        let limits = RateLimits::new(320);
        for _ in 0..60 {
            let _ = limits.call_at(&key(0), 60, 0);
        }
        for client in 1..100_000 {
            let _ = limits.call_at(&key(client), 60, 1_000);
        }
        let kept: usize = limits.shards.iter().map(|shard| shard.lock().expect("not poisoned").len()).sum();
        assert!(kept <= 320, "{kept}");
        assert!(limits.call_at(&key(0), 60, 1_000).is_err(), "the one who has used up everything is remembered");
    }
}
