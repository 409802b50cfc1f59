//! Runs the tests of an applet (`*.test.ts`) in the sandbox. It stands on the public API of [`belljar`] alone, as any embedder does.
//!
//! In the order of a run: [`discover`] finds the files, `belljar_build::build_tests` puts them into a package, a [`Bench`] (a host whose
//! capabilities are doubles) prepares it once and lists the tests ([`Suite`]), and each test is one invocation, with a tenant, a
//! clock, random bytes and a database of its own (`Suite::run`). What came of it ([`TestResult`]) is held against budgets ([`Baseline`]) and
//! written for other programs ([`report`]). Nothing here knows a terminal.

mod baseline;
mod bench;
mod coverage;
mod discover;
mod doubles;
mod echo;
mod guest;
pub mod report;
mod result;
mod select;
mod suite;

pub use baseline::{BASELINE_FILE, Baseline, BaselineError, TOLERANCE_PERCENT};
pub use bench::{Bench, Report, SuiteError};
pub use coverage::{Coverage, FileCoverage};
pub use discover::{DiscoverError, Found, discover};
pub use result::{Failure, Place, Status, TestResult};
pub use select::{Selection, shuffle};
pub use suite::{Mode, Suite, Test};
