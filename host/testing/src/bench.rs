//! The host of tests: an ordinary one, whose capabilities are doubles. It outlives a suite, so that a watcher prepares what has changed only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use belljar::{CatalogError, Fault, Host, HostBuilder, HostError, Limits, TenantId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::coverage::Coverage;
use crate::doubles::Doubles;
use crate::echo::Echo;
use crate::result::TestResult;
use crate::select::Selection;
use crate::suite::Suite;

/// Wall clock of a test that says nothing else, milliseconds.
const DEADLINE_MS: u64 = 10_000;
/// Events that a test may publish, its questions to the host included.
const EVENTS_MAX: u32 = 1_000_000;

/// A host for tests.
pub struct Bench {
    pub(crate) host: Host,
    pub(crate) doubles: Arc<Doubles>,
    /// Tenants that were used.
    begun: AtomicU64,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("host", &self.host).finish_non_exhaustive()
    }
}

/// There is no list of tests.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The package cannot be admitted.
    #[error(transparent)]
    Package(#[from] CatalogError),
    /// The top-level code failed, or listing the tests did.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// What was answered is not what the library answers.
    #[error("the tests gave an answer that cannot be read")]
    Answer(#[source] serde_json::Error),
    /// Nothing was answered.
    #[error("the tests gave no answer")]
    NoAnswer,
}

impl From<Fault> for SuiteError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// Of each test that was chosen, in the order of the run.
    pub results: Vec<TestResult>,
    /// What was executed.
    pub coverage: Coverage,
}

impl Bench {
    /// Makes a host of `builder`, with doubles in the place of its capabilities and its log. Databases are in memory unless the
    /// builder says otherwise.
    ///
    /// # Errors
    /// [`HostError`] as [`HostBuilder::build`].
    pub fn new(builder: HostBuilder) -> Result<Self, HostError> {
        let doubles = Arc::new(Doubles::default());
        let mut limits = Limits { deadline_ms: DEADLINE_MS, ..Limits::default() };
        // The applet's own are held against the limit that it has elsewhere; see `doubles.rs`.
        limits.events.published_max = EVENTS_MAX;
        let host = builder
            .limits(limits)
            .http_transport(Arc::new(Echo))
            .events(doubles.clone())
            .jobs(doubles.clone())
            .secrets(doubles.clone())
            .kv(doubles.clone())
            .log(doubles.clone())
            .build()?;
        Ok(Self { host, doubles, begun: AtomicU64::new(1) })
    }

    /// The host: its engine's digest is what figures of fuel belong to.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A tenant that no test has had.
    pub(crate) fn tenant(&self) -> TenantId {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        TenantId::new(format!("test-{number}")).expect("a valid name")
    }
}

impl Suite {
    /// Runs the tests that are chosen, at most `jobs_max` at the same time, on the runtime that polls it. Budgets count when `is_bounded`;
    /// `told` hears of each test as soon as it has ended.
    pub async fn run_all(
        self: &Arc<Self>,
        selection: &Selection,
        jobs_max: usize,
        is_bounded: bool,
        mut told: impl FnMut(&TestResult),
    ) -> Report {
        let chosen = selection.of(self.tests());
        let places = Arc::new(Semaphore::new(jobs_max.max(1)));
        let mut tasks = JoinSet::new();
        for (order, index) in chosen.iter().copied().enumerate() {
            let (suite, places) = (self.clone(), places.clone());
            tasks.spawn(async move {
                // Closed never.
                let _place = places.acquire_owned().await;
                let (result, executed) = suite.run(index, is_bounded).await;
                (order, result, executed)
            });
        }
        let mut results: Vec<Option<TestResult>> = chosen.iter().map(|_| None).collect();
        let mut coverage = Coverage::new(self.executed());
        while let Some(done) = tasks.join_next().await {
            let Ok((order, result, executed)) = done else { continue };
            told(&result);
            coverage.add(&executed);
            results[order] = Some(result);
        }
        Report { results: results.into_iter().flatten().collect(), coverage }
    }
}
