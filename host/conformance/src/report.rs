//! What came of a run: counts by area, and each case that did not pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkout::Suite;

/// Version of the JSON that reports are written as.
const FORMAT: u32 = 1;

/// One thing that passes or fails: a file of test262, a subtest of web-platform-tests, a vector of Wycheproof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The row of the table it counts in.
    pub area: String,
    /// Path in the checkout, with a variant if it has one.
    pub test: String,
    /// Which part of it; empty for the whole.
    pub subtest: String,
    /// What came of it.
    pub state: State,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As the suite wants it.
    Passed,
    /// It was not run, for this reason.
    Skipped(String),
    /// It was, or should have been, and is not as the suite wants it: in what way, and what happened.
    Failed(Kind, String),
}

/// In what way a case failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The suite's own judgement.
    Failed,
    /// A limit ended it: fuel, memory, the wall clock.
    Limit,
    /// The engine failed: a trap, or a panic of the host.
    Crash,
    /// The test itself cannot be read.
    Unreadable,
}

/// A case that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Path in the checkout, with a variant if it has one.
    pub test: String,
    /// Which part of it; empty for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subtest: String,
    /// In what way.
    pub kind: Kind,
    /// What happened, in one line.
    pub what: String,
}

/// Counts of cases.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// As the suite wants it.
    pub passed: usize,
    /// Not so, in whatever way.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

impl Counts {
    /// Cases that were run.
    pub fn run(self) -> usize {
        self.passed + self.failed
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form: 1.
    pub format: u32,
    /// The suite.
    pub suite: Suite,
    /// Digest of the engine, 64 hexadecimal digits: what results belong to.
    pub engine: String,
    /// The checkout by content, 16 hexadecimal digits; of the tests that were chosen.
    pub checkout: String,
    /// By area.
    pub areas: BTreeMap<String, Counts>,
    /// Cases that were not run, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// Cases that failed, in the order of the checkout.
    pub failing: Vec<Failing>,
}

impl Report {
    /// Counts cases.
    ///
    /// ```
    /// use belljar_conformance::{Case, Kind, Report, State, Suite};
    ///
    /// let case = |test: &str, state| Case { area: "url".into(), test: test.into(), subtest: String::new(), state };
    /// let cases = [case("a", State::Passed), case("b", State::Failed(Kind::Limit, "fuel".into()))];
    /// let report = Report::new(Suite::Wpt, "e".into(), "c".into(), cases);
    /// assert_eq!((report.total().passed, report.total().run()), (1, 2));
    /// ```
    pub fn new(suite: Suite, engine: String, checkout: String, cases: impl IntoIterator<Item = Case>) -> Self {
        let (mut areas, mut skipped, mut failing) = (BTreeMap::<String, Counts>::new(), BTreeMap::new(), Vec::new());
        for Case { area, test, subtest, state } in cases {
            let counts = areas.entry(area).or_default();
            match state {
                State::Passed => counts.passed += 1,
                State::Skipped(reason) => {
                    counts.skipped += 1;
                    *skipped.entry(reason).or_default() += 1;
                }
                State::Failed(kind, what) => {
                    counts.failed += 1;
                    failing.push(Failing { test, subtest, kind, what });
                }
            }
        }
        Self { format: FORMAT, suite, engine, checkout, areas, skipped, failing }
    }

    /// All areas together.
    pub fn total(&self) -> Counts {
        self.areas.values().fold(Counts::default(), |total, counts| Counts {
            passed: total.passed + counts.passed,
            failed: total.failed + counts.failed,
            skipped: total.skipped + counts.skipped,
        })
    }

    /// How many failed in this way.
    pub fn of_kind(&self, kind: Kind) -> usize {
        self.failing.iter().filter(|one| one.kind == kind).count()
    }
}
