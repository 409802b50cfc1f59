//! Samples of times, and the memory of this process.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Times of one measurement.
#[derive(Default)]
pub(crate) struct Sample(Vec<u64>);

impl Sample {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Times `work`.
    pub(crate) fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let begun = Instant::now();
        let result = work();
        self.add(begun.elapsed());
        result
    }

    /// Nanoseconds at a quantile from 0 to 1; 0 without samples.
    pub(crate) fn quantile(&self, at: f64) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * at) as usize).copied().unwrap_or(0)
    }

    /// Microseconds at a quantile.
    pub(crate) fn us(&self, at: f64) -> f64 {
        self.quantile(at) as f64 / 1e3
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "n": self.0.len(), "min": self.quantile(0.0), "p50": self.quantile(0.5), "p90": self.quantile(0.9),
            "p99": self.quantile(0.99), "max": self.quantile(1.0),
        })
    }
}

/// Resident and private KiB of this process.
pub(crate) fn memory_kib() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let field = |name: &str| -> u64 {
        text.lines().filter(|l| l.starts_with(name)).filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
    };
    (field("Rss:"), field("Private_Dirty:") + field("Private_Clean:"))
}

/// KiB of this process's files that lie in memory, mapped or not.
pub(crate) fn memory_files_kib() -> u64 {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let of_memory = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:")));
    of_memory.filter_map(|fd| Some(std::fs::metadata(fd.path()).ok()?.len() / 1024)).sum()
}
