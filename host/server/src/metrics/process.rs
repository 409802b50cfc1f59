//! The process itself, from `/proc/self`. What cannot be read is left out.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::encode_one;

/// Reads when it is asked.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { started: crate::history::now_us() as f64 / 1_000_000.0 }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut put = |name: &str, help: &str, is_counter: bool, value: Option<f64>| match value {
            Some(value) => encode_one(&mut encoder, name, help, is_counter, value),
            None => Ok(()),
        };
        put("process_start_time_seconds", "Unix time at which the process began", false, Some(self.started))?;
        put("process_resident_memory_bytes", "Resident memory", false, resident_bytes())?;
        put("process_open_fds", "Open file descriptors", false, open_files())?;
        put("process_threads", "Threads", false, status("Threads:"))?;
        put("process_cpu_seconds", "Processor time, user and system", true, cpu_seconds())
    }
}

fn resident_bytes() -> Option<f64> {
    status("VmRSS:").map(|kib| kib * 1_024.0)
}

fn open_files() -> Option<f64> {
    std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64)
}

fn status(key: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; what is wanted are the 14th and 15th fields.
    let after = &text[text.rfind(')')? + 1..];
    let ticks = |nth: usize| after.split_whitespace().nth(nth)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / ticks_per_second()?)
}

#[cfg(unix)]
fn ticks_per_second() -> Option<f64> {
    Some(rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(not(unix))]
fn ticks_per_second() -> Option<f64> {
    None
}
