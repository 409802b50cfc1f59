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

    /// Takes the processor time that `work` has this thread use, which other programs on the machine change far less than the time it takes.
    pub(crate) fn time_cpu<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let begun = cpu_ns();
        let result = work();
        self.0.push(cpu_ns().saturating_sub(begun));
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

/// Processor time of this thread, nanoseconds.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Resident and private KiB of this process.
pub(crate) fn memory_kib() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let field = |name: &str| -> u64 {
        text.lines()
            .filter(|l| l.starts_with(name))
            .filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum()
    };
    // What is mapped of a file in memory is the file's.
    (field("Rss:"), field("Anonymous:"))
}

/// KiB of this process's files that lie in memory, mapped or not.
pub(crate) fn memory_files_kib() -> u64 {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let of_memory =
        open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:")));
    of_memory.filter_map(|fd| Some(std::fs::metadata(fd.path()).ok()?.len() / 1024)).sum()
}

/// Pages of 4 KiB that the images' copies hold for themselves: what calls have written to. A warm slot keeps those of its last call.
pub(crate) fn pages_written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    // Each mapping: where it begins and ends, whether it can be written to, whether it is of an image, KiB that are not the file's.
    let mut mappings: Vec<(u64, u64, bool, bool, u64)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some((start, end)) = first.split_once('-')
            && let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16))
        {
            let is_writable = words.next().is_some_and(|permissions| permissions.starts_with("rw"));
            mappings.push((start, end, is_writable, line.contains("memfd:belljar-image"), 0));
        } else if let (Some(last), "Anonymous:", Some(Ok(kib))) =
            (mappings.last_mut(), first, words.next().map(str::parse::<u64>))
        {
            last.4 = kib;
        }
    }
    // A memory is the image and, right before and behind it, what the image has nothing of.
    let is_memory = |at: usize| {
        let is_image = |at: usize| mappings.get(at).is_some_and(|m| m.2 && m.3);
        let touches = |a: usize, b: usize| mappings.get(a).zip(mappings.get(b)).is_some_and(|(a, b)| a.1 == b.0);
        is_image(at) || (touches(at, at + 1) && is_image(at + 1)) || (at > 0 && touches(at - 1, at) && is_image(at - 1))
    };
    (0..mappings.len()).filter(|at| mappings[*at].2 && is_memory(*at)).map(|at| mappings[at].4 / 4).sum()
}
