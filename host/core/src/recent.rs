//! A bounded map that drops what was not used for the longest time.

use std::collections::HashMap;
use std::hash::Hash;

/// At most `max` values, each with the time (a count of uses) it was used last.
pub(crate) struct Recent<K, V> {
    values: HashMap<K, (u64, V)>,
    uses: u64,
    max: usize,
}

impl<K: Eq + Hash + Clone, V: Default> Recent<K, V> {
    /// An empty map for at least one value.
    pub(crate) fn new(max: usize) -> Self {
        Self { values: HashMap::new(), uses: 0, max: max.max(1) }
    }

    /// The value for `key`, made when it is missing; what was not used for the longest time gives way.
    pub(crate) fn entry(&mut self, key: &K) -> &mut V {
        self.uses += 1;
        if !self.values.contains_key(key) && self.values.len() >= self.max {
            // A walk over all, once for each value that is made: making one costs far more.
            let oldest = self.values.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.map(|key| self.values.remove(&key));
        }
        let (used, value) = self.values.entry(key.clone()).or_default();
        *used = self.uses;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut recent: Recent<u32, u32> = Recent::new(2);
        *recent.entry(&1) = 10;
        *recent.entry(&2) = 20;
        recent.entry(&1);
        *recent.entry(&3) = 30;
        assert_eq!((*recent.entry(&1), *recent.entry(&3)), (10, 30));
        assert_eq!(*recent.entry(&2), 0, "it was dropped");
        assert_eq!(*recent.entry(&1), 0, "and gave way to that");
    }
}
