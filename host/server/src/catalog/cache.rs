//! Answers kept in memory, bounded. What was not asked for since the hand last came by gives way first (the clock algorithm), so that a
//! hit needs no exclusive lock.
//!
//! An answer read from the disk may be older than a write that came meanwhile. So a reader takes the [`Epoch`] before it reads, and what it
//! brings is kept only if no write has ended since.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// A moment between two writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: u64,
    is_wanted: AtomicBool,
}

#[derive(Debug)]
struct State<V> {
    entries: HashMap<String, Entry<V>>,
    /// Every key once, in the order in which the hand comes by.
    order: VecDeque<String>,
    weight: u64,
    epoch: u64,
}

/// At most `weight_max` of values.
#[derive(Debug)]
pub(super) struct Cache<V> {
    state: RwLock<State<V>>,
    weight_max: u64,
}

impl<V: Clone> Cache<V> {
    pub(super) fn new(weight_max: u64) -> Self {
        let state = State { entries: HashMap::new(), order: VecDeque::new(), weight: 0, epoch: 0 };
        Self { state: RwLock::new(state), weight_max }
    }

    /// The value, if it is kept.
    pub(super) fn get(&self, key: &str) -> Option<V> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let entry = state.entries.get(key)?;
        if !entry.is_wanted.load(Ordering::Relaxed) {
            entry.is_wanted.store(true, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    /// Another number whenever something was forgotten.
    pub(super) fn generation(&self) -> u64 {
        self.state.read().unwrap_or_else(PoisonError::into_inner).epoch
    }

    /// To be taken before a value is read.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.state.read().unwrap_or_else(PoisonError::into_inner).epoch)
    }

    /// Keeps a value that was read since `epoch`, unless something was forgotten meanwhile.
    pub(super) fn keep(&self, key: String, value: V, weight: u64, epoch: Epoch) {
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        if state.epoch != epoch.0 || weight > self.weight_max {
            return;
        }
        let entry = Entry { value, weight, is_wanted: AtomicBool::new(false) };
        match state.entries.insert(key.clone(), entry) {
            Some(before) => state.weight -= before.weight,
            None => state.order.push_back(key),
        }
        state.weight += weight;
        while state.weight > self.weight_max {
            let Some(key) = state.order.pop_front() else { break };
            let Some(entry) = state.entries.get(&key) else { continue };
            if entry.is_wanted.swap(false, Ordering::Relaxed) {
                state.order.push_back(key);
            } else {
                state.weight -= entry.weight;
                state.entries.remove(&key);
            }
        }
    }

    /// Forgets the keys that `stale` chooses. To be called after a write, before it is acknowledged.
    pub(super) fn forget(&self, stale: impl Fn(&str) -> bool) {
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        state.epoch += 1;
        let mut weight = 0;
        state.entries.retain(|key, entry| {
            let keep = !stale(key);
            weight += if keep { entry.weight } else { 0 };
            keep
        });
        state.weight = weight;
        state.order.retain(|key| state.entries.contains_key(key));
    }

    /// Forgets one key.
    pub(super) fn forget_one(&self, key: &str) {
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        guard.epoch += 1;
        if let Some(entry) = guard.entries.remove(key) {
            guard.weight -= entry.weight;
            guard.order.retain(|other| other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays() {
        let cache = Cache::new(3);
        for key in ["a", "b", "c"] {
            cache.keep(key.into(), key.to_uppercase(), 1, cache.epoch());
        }
        assert_eq!(cache.get("a").as_deref(), Some("A"));
        cache.keep("d".into(), "D".into(), 1, cache.epoch());
        assert_eq!(cache.get("b"), None, "the hand came by, and nobody had asked for it");
        assert_eq!(cache.get("a").as_deref(), Some("A"));
        cache.keep("e".into(), "E".into(), 4, cache.epoch());
        assert_eq!(cache.get("e"), None, "it would not fit at all");
    }

    #[test]
    fn what_was_read_before_a_write_is_not_kept() {
        let cache = Cache::new(10);
        let epoch = cache.epoch();
        cache.forget_one("a");
        cache.keep("a".into(), 1, 1, epoch);
        assert_eq!(cache.get("a"), None);
        cache.keep("a".into(), 2, 1, cache.epoch());
        cache.keep("ab".into(), 3, 1, cache.epoch());
        cache.forget(|key| key == "a");
        assert_eq!((cache.get("a"), cache.get("ab")), (None, Some(3)));
    }
}
