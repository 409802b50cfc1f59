//! A bucket of fuel that fills at a steady rate. A turn may begin while there is anything in it, and is taken out of it when it has
//! ended, so that it may be overdrawn by the turns under way and by no more.

/// A bucket; times are microseconds of the scheduler's clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bucket {
    /// Fuel in a second.
    per_second: f64,
    /// Fuel it holds at most.
    capacity: f64,
    level: f64,
    at_us: u64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: f64, capacity: f64, now_us: u64) -> Self {
        Self { per_second: per_second.max(1.0), capacity: capacity.max(1.0), level: capacity.max(1.0), at_us: now_us }
    }

    /// Changes rate and size; what is in it stays, as far as there is room.
    pub(crate) fn resize(&mut self, per_second: f64, capacity: f64, now_us: u64) {
        self.fill(now_us);
        (self.per_second, self.capacity) = (per_second.max(1.0), capacity.max(1.0));
        self.level = self.level.min(self.capacity);
    }

    /// Whether rate and size are these.
    pub(crate) fn is(&self, per_second: f64, capacity: f64) -> bool {
        self.per_second == per_second.max(1.0) && self.capacity == capacity.max(1.0)
    }

    /// How long until there is something in it, microseconds; 0 for now.
    pub(crate) fn wait_us(&mut self, now_us: u64) -> u64 {
        self.fill(now_us);
        if self.level > 0.0 {
            return 0;
        }
        // One unit more than nothing, and never a wait that rounds to none.
        (((1.0 - self.level) / self.per_second * 1e6).ceil() as u64).max(1)
    }

    /// Takes fuel out.
    pub(crate) fn take(&mut self, fuel: u64, now_us: u64) {
        self.fill(now_us);
        self.level -= fuel as f64;
    }

    /// Whether it is full: forgetting it changes nothing.
    pub(crate) fn is_full(&mut self, now_us: u64) -> bool {
        self.fill(now_us);
        self.level >= self.capacity
    }

    fn fill(&mut self, now_us: u64) {
        let passed_us = now_us.saturating_sub(self.at_us);
        self.at_us = self.at_us.max(now_us);
        self.level = (self.level + passed_us as f64 / 1e6 * self.per_second).min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_at_its_rate() {
        let mut bucket = Bucket::new(100.0, 1_000.0, 0);
        assert_eq!(bucket.wait_us(0), 0);
        bucket.take(1_500, 0);
        let wait = bucket.wait_us(0);
        assert!((5_000_000..=5_020_000).contains(&wait), "{wait}");
        assert!(bucket.wait_us(wait - 100_000) > 0);
        assert_eq!(bucket.wait_us(wait), 0);
        assert!(!bucket.is_full(wait + 9_000_000));
        assert!(bucket.is_full(wait + 10_000_000));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(100.0, 100.0, 10_000_000);
        bucket.take(200, 10_000_000);
        assert!(bucket.wait_us(5_000_000) > 0);
        assert_eq!(bucket.wait_us(5_000_000), bucket.wait_us(10_000_000));
    }
}
