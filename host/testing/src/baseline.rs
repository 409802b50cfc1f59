//! The fuel that tests took when somebody looked: a file that is committed. Figures belong to one engine, whose digest is in the file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use belljar::Digest;
use serde::{Deserialize, Serialize};

use crate::result::{Failure, Status, TestResult};

/// The file's name, in the applet's folder.
pub const BASELINE_FILE: &str = "belljar.fuel.json";
/// How much more a test may take than it did, in percent.
pub const TOLERANCE_PERCENT: u64 = 10;
/// Largest file, bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read or written.
    #[error("{BASELINE_FILE} cannot be read or written")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("{BASELINE_FILE} is not a baseline: delete it, or write it anew with --update-baseline")]
    Json(#[from] serde_json::Error),
}

/// What tests took, by their keys ([`Test::key`](crate::Test::key)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The digest of the engine, as 64 hexadecimal digits.
    engine: String,
    /// Fuel of each test.
    fuel: BTreeMap<String, u64>,
}

impl Baseline {
    /// One without figures.
    pub fn new(engine: Digest) -> Self {
        Self { engine: engine.to_hex(), fuel: BTreeMap::new() }
    }

    /// Reads the file of an applet's folder; `None` when there is none.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn read(folder: &Path) -> Result<Option<Self>, BaselineError> {
        let path = folder.join(BASELINE_FILE);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                return Err(io::Error::other("the file is too large").into());
            }
            other => other?,
        };
        Ok(Some(serde_json::from_slice(&std::fs::read(path)?)?))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn write(&self, folder: &Path) -> Result<(), BaselineError> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        let new = folder.join(format!("{BASELINE_FILE}.{}", std::process::id()));
        std::fs::write(&new, json)?;
        Ok(std::fs::rename(new, folder.join(BASELINE_FILE))?)
    }

    /// Whether its figures are of this engine.
    pub fn is_of(&self, engine: Digest) -> bool {
        self.engine == engine.to_hex()
    }

    /// Fails the tests that took more than they did, by more than [`TOLERANCE_PERCENT`]. Those it does not know pass.
    pub fn hold(&self, results: &mut [TestResult]) {
        for result in results {
            let Some(before) = self.fuel.get(&result.test.key()).copied().filter(|_| result.status == Status::Passed)
            else {
                continue;
            };
            let (fuel, allowed) = (
                result.usage.fuel,
                before.saturating_add(before / 100 * TOLERANCE_PERCENT + before % 100 * TOLERANCE_PERCENT / 100),
            );
            if fuel > allowed {
                let more = (fuel - before).saturating_mul(100) / before.max(1);
                result.fail(Failure::budget(format!(
                    "it took {fuel} fuel, {more} % more than the {before} of {BASELINE_FILE}; more than {TOLERANCE_PERCENT} % is too much (--update-baseline accepts it)"
                )));
            }
        }
    }

    /// Takes the figures of tests that have passed. When `is_whole`, tests that are not among the results are forgotten.
    pub fn update(&mut self, engine: Digest, results: &[TestResult], is_whole: bool) {
        if !self.is_of(engine) {
            *self = Self::new(engine);
        }
        if is_whole {
            let known = |key: &String| results.iter().any(|result| result.test.key() == *key);
            self.fuel.retain(|key, _| known(key));
        }
        for result in results.iter().filter(|result| result.status == Status::Passed) {
            self.fuel.insert(result.test.key(), result.usage.fuel);
        }
    }
}

#[cfg(test)]
mod tests {
    use belljar::Usage;

    use super::*;
    use crate::suite::{Mode, Test};

    fn result(name: &str, fuel: u64) -> TestResult {
        let test = Test {
            file: "a.test.ts".into(),
            suites: Vec::new(),
            name: name.into(),
            number: 1,
            mode: Mode::Run,
            at: None,
            fuel_max: None,
            timeout_ms: None,
        };
        TestResult {
            test,
            status: Status::Passed,
            failures: Vec::new(),
            usage: Usage { fuel, ..Usage::default() },
            log: Vec::new(),
        }
    }

    #[test]
    fn more_than_a_tenth_more_is_too_much() {
        let engine = Digest::of(b"engine");
        let mut baseline = Baseline::new(engine);
        baseline.update(engine, &[result("a", 1_050)], true);
        let check = |fuel: u64, expected: Status| {
            let mut results = [result("a", fuel), result("new", u64::MAX)];
            baseline.hold(&mut results);
            assert_eq!((results[0].status, results[1].status), (expected, Status::Passed), "{fuel}");
        };
        check(1, Status::Passed);
        check(1_155, Status::Passed);
        check(1_156, Status::Failed);
    }

    #[test]
    fn figures_are_of_one_engine_and_of_tests_that_are_there() {
        let (engine, other) = (Digest::of(b"engine"), Digest::of(b"other"));
        let mut baseline = Baseline::new(engine);
        baseline.update(engine, &[result("a", 1), result("b", 2)], true);
        baseline.update(engine, &[result("a", 3)], false);
        assert_eq!(baseline.fuel.values().copied().collect::<Vec<_>>(), [3, 2]);
        baseline.update(engine, &[result("a", 4)], true);
        assert_eq!(baseline.fuel.len(), 1);
        baseline.update(other, &[result("b", 5)], false);
        assert!(baseline.is_of(other) && !baseline.is_of(engine));
        assert_eq!(baseline.fuel.keys().collect::<Vec<_>>(), ["a.test.ts > b"]);
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(Baseline::read(folder.path()).expect("it can be looked for"), None);
        let mut baseline = Baseline::new(Digest::of(b"engine"));
        baseline.update(Digest::of(b"engine"), &[result("a", 7)], true);
        baseline.write(folder.path()).expect("it can be written");
        assert_eq!(Baseline::read(folder.path()).expect("it can be read"), Some(baseline));
        std::fs::write(folder.path().join(BASELINE_FILE), "{}").expect("it can be written");
        assert!(matches!(Baseline::read(folder.path()), Err(BaselineError::Json(_))));
    }
}
