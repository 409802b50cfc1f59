//! Faults that operators meet: processes killed at any moment, full and read-only disks, damaged files, clocks that leap.
//!
//! What was acknowledged is kept outside the process that dies: it is a child (this binary, run again), and the parent's memory is the ledger.

// Values in tests are made a line above where they are unwrapped.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod child;
mod kills;
mod ledger;
mod packages;
mod storage;
mod triggers;
mod work;
mod writes;
