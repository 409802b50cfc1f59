//! Which of the tests run, and in which order.

use crate::suite::Test;

/// Which tests run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only tests whose names (suites and all) have this text; all when it is empty.
    pub name: String,
    /// The seed of their order; `None` for the one in which they were declared.
    pub shuffle: Option<u64>,
}

impl Selection {
    /// The places of the tests that are reported, in the order in which they begin. What is left out by its name is not among them.
    pub fn of(&self, tests: &[Test]) -> Vec<usize> {
        let mut chosen: Vec<usize> =
            (0..tests.len()).filter(|index| tests[*index].title().contains(&self.name)).collect();
        if let Some(seed) = self.shuffle {
            shuffle(&mut chosen, seed);
        }
        chosen
    }
}

/// Puts items into an order that follows from the seed, the same everywhere (Fisher and Yates, over SplitMix64).
///
/// ```
/// let mut one = [1, 2, 3, 4, 5, 6];
/// let mut other = one;
/// belljar_testing::shuffle(&mut one, 7);
/// belljar_testing::shuffle(&mut other, 7);
/// assert_eq!(one, other);
/// assert_ne!(one, [1, 2, 3, 4, 5, 6]);
/// ```
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for end in (1..items.len()).rev() {
        // The bias of the remainder is far below what a list of tests could show.
        let place = usize::try_from(next(&mut state) % (end as u64 + 1)).unwrap_or(0);
        items.swap(place, end);
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut state = 1_234_567;
        assert_eq!([next(&mut state), next(&mut state)], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn every_order_has_all_items() {
        for seed in 0..50 {
            let mut items: Vec<u32> = (0..20).collect();
            shuffle(&mut items, seed);
            items.sort_unstable();
            assert_eq!(items, (0..20).collect::<Vec<_>>());
        }
        shuffle::<u8>(&mut [], 1);
    }
}
