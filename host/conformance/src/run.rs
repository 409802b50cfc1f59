//! One run of a suite: what is chosen, on how many threads, within which bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use belljar::HostBuilder;
use tokio::runtime::Runtime;

use crate::checkout::{Checkout, Suite};
use crate::error::Error;
use crate::report::{Report, State};
use crate::sandbox::{self, Bounds, Sandbox};
use crate::{test262, wpt, wycheproof};

/// What is run, and how.
///
/// ```
/// use belljar_conformance::Options;
///
/// let options = Options { filters: vec!["url/".into()], ..Options::default() };
/// assert!(options.takes("url/a.any.js") && !options.takes("encoding/a.any.js"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Tests whose paths have one of these texts; without any, all of them.
    pub filters: Vec<String>,
    /// Programs at the same time (1 to 200); by default as many as there are processors, and four times that for web-platform-tests,
    /// which mostly wait.
    pub threads: Option<usize>,
    /// What one program may take.
    pub bounds: Bounds,
}

impl Options {
    /// Whether a test is chosen.
    pub fn takes(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|text| name.contains(text.as_str()))
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files that are done.
    pub done: usize,
    /// Files that are to be run or skipped.
    pub of: usize,
    /// Cases that have failed so far.
    pub failed: usize,
}

/// Runs a suite. `told` hears of each file that is done, from several threads.
///
/// # Errors
/// [`Error`], when there is nothing to report. That tests fail is no error.
pub fn run(
    checkout: &Checkout,
    builder: HostBuilder,
    options: &Options,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Report, Error> {
    let sandbox = Sandbox::new(builder)?;
    let watch = Watch { of: AtomicUsize::new(0), failed: AtomicUsize::new(0), told };
    let (corpus, cases) = match checkout.suite {
        Suite::Test262 => test262::run(checkout, &sandbox, options, &watch)?,
        Suite::Wpt => wpt::run(checkout, &sandbox, options, &watch)?,
        Suite::Wycheproof => wycheproof::run(checkout, &sandbox, options, &watch)?,
    };
    if cases.is_empty() {
        let (folder, filters) = (checkout.folder.clone(), options.filters.clone());
        return Err(Error::NothingChosen { suite: checkout.suite, folder, filters });
    }
    Ok(Report::new(checkout.suite, sandbox.host().engine_digest().to_hex(), corpus, cases))
}

/// Counts for whoever watches.
pub(crate) struct Watch<'a> {
    of: AtomicUsize,
    failed: AtomicUsize,
    told: &'a (dyn Fn(Progress) + Sync),
}

impl Watch<'_> {
    /// So many files are to come.
    pub(crate) fn begin(&self, of: usize) {
        self.of.store(of, Ordering::Relaxed);
    }

    pub(crate) fn saw<'s>(&self, states: impl IntoIterator<Item = &'s State>) {
        let failed = states.into_iter().filter(|state| matches!(state, State::Failed(..))).count();
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    pub(crate) fn told(&self, done: usize) {
        (self.told)(Progress {
            done,
            of: self.of.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        });
    }
}

/// The state of one worker.
pub(crate) fn worker() -> Result<Runtime, Error> {
    sandbox::runtime().map_err(Error::Runtime)
}
