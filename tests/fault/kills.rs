//! A catalog whose process is killed at each of its named places, and at random moments.

use std::time::Duration;

use belljar_server::directory::Quotas;
use belljar_server::failpoint;

use crate::child::start;
use crate::ledger::Ledger;
use crate::work::{Numbers, open, tenant};

/// Kills of a process at random moments.
const AT_RANDOM: u64 = 60;

/// What a test works in: the data directory, and directories restored beside it.
fn fresh() -> (tempfile::TempDir, std::path::PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    open(&data).create_tenant(&tenant(), Quotas::default(), "parent").unwrap();
    (parent, data)
}

#[test]
fn a_process_that_is_killed_at_any_place_leaves_what_it_acknowledged() {
    let (_parent, data) = fresh();
    let mut ledger = Ledger::default();
    for (index, name) in failpoint::NAMES.iter().enumerate() {
        for visit in [1, 2, 3] {
            let seed = 1_000 * index as u64 + visit;
            // A place that a run does not come to is tried with other steps.
            let reached = (0..20).any(|attempt| {
                let child = start("catalog", &data, seed + 100 * attempt, Some(&format!("{name}:{visit}")));
                let (lines, signal) = child.end();
                lines.iter().for_each(|line| ledger.hear(line));
                ledger.verify(&data);
                signal.is_some()
            });
            assert!(reached, "no run came to {name} {visit} times; {}", ledger.told());
        }
    }
}

#[test]
fn a_process_that_is_killed_at_random_leaves_what_it_acknowledged() {
    let (_parent, data) = fresh();
    let mut ledger = Ledger::default();
    let mut numbers = Numbers(7);
    let mut killed = 0;
    for round in 0..AT_RANDOM {
        let child = start("catalog", &data, round, None);
        while let Some(line) = child.line() {
            if line == "open" {
                break;
            }
        }
        // So much is done however slow the machine is; then at any moment.
        let mut lines: Vec<String> = (0..numbers.below(12)).map_while(|_| child.line()).collect();
        std::thread::sleep(Duration::from_micros(numbers.below(50_000)));
        let (rest, was_alive) = child.kill();
        lines.extend(rest);
        killed += u64::from(was_alive);
        lines.iter().for_each(|line| ledger.hear(line));
        ledger.verify(&data);
    }
    assert!(killed > AT_RANDOM / 2, "{killed} of {AT_RANDOM} were killed at work");
    assert!(ledger.steps > AT_RANDOM, "it has done something in between: {}", ledger.told());
}
