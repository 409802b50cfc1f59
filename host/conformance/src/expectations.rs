//! What is expected to fail: a file that is written from one report and held against the next, so that a change of the engine, or of the
//! suite, shows as what is new. Reasons that people write into it stay when it is written anew.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checkout::Suite;
use crate::error::Error;
use crate::report::{Failing, Report};

/// Version of the file.
const FORMAT: u32 = 1;

/// Cases that are expected to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    format: u32,
    /// The suite they are of.
    pub suite: Suite,
    /// The engine they were written with, for people: a later one may be held against them.
    pub engine: String,
    /// The checkout they were written for.
    pub checkout: String,
    /// In the order of the checkout.
    pub failing: Vec<Expected>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Path in the checkout, with a variant if it has one.
    pub test: String,
    /// Which part of it; empty for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subtest: String,
    /// Why, if somebody has said so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A report beside what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Failures that are not expected: new ones.
    pub regressions: Vec<Failing>,
    /// What was expected to fail, and fails no more: it passes, or is not run any longer.
    pub fixed: Vec<Expected>,
    /// Failures as expected.
    pub as_expected: usize,
}

type Key<'a> = (&'a str, &'a str);

impl Expectations {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Expectations`] when it is another suite's, of another version, or malformed.
    pub fn read(path: &Path, suite: Suite) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::reading(path))?;
        let wrong = |problem: String| Error::Expectations { path: path.to_owned(), problem };
        let read: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match &read {
            _ if read.format != FORMAT => {
                Err(wrong(format!("its format is {}, and this version knows {FORMAT}", read.format)))
            }
            _ if read.suite != suite => Err(wrong(format!("it is of {}, not of {suite}", read.suite))),
            _ => Ok(read),
        }
    }

    /// What a report leaves for the next one. Reasons are taken over from `before`.
    ///
    /// ```
    /// use belljar_conformance::{Case, Expectations, Kind, Report, State, Suite};
    ///
    /// let report = |state| {
    ///     let case = Case { area: "a".into(), test: "a/b.js".into(), subtest: String::new(), state };
    ///     Report::new(Suite::Test262, "e".into(), "c".into(), [case])
    /// };
    /// let failed = report(State::Failed(Kind::Failed, "threw".into()));
    /// let expected = Expectations::of(&failed, None);
    /// assert!(expected.compare(&failed, |_| true).regressions.is_empty());
    /// assert_eq!(expected.compare(&report(State::Passed), |_| true).fixed.len(), 1);
    /// ```
    pub fn of(report: &Report, before: Option<&Self>) -> Self {
        let reasons: BTreeMap<Key<'_>, &str> =
            before.iter().flat_map(|before| &before.failing).map(|one| (one.key(), one.reason.as_str())).collect();
        let expected = |one: &Failing| Expected {
            test: one.test.clone(),
            subtest: one.subtest.clone(),
            reason: reasons.get(&(one.test.as_str(), one.subtest.as_str())).copied().unwrap_or_default().to_owned(),
        };
        Self {
            format: FORMAT,
            suite: report.suite,
            engine: report.engine.clone(),
            checkout: report.checkout.clone(),
            failing: report.failing.iter().map(expected).collect(),
        }
    }

    /// Writes the file whole, or not at all. One entry is one line.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let lines: Vec<_> = self.failing.iter().map(|one| format!("\n  {}", json(one))).collect();
        let text = format!(
            "{{\"format\":{FORMAT},\"suite\":{},\"engine\":{},\"checkout\":{},\"failing\":[{}{}]}}\n",
            json(&self.suite),
            json(&self.engine),
            json(&self.checkout),
            lines.join(","),
            if lines.is_empty() { "" } else { "\n" },
        );
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::writing(path))?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(Error::writing(path))?;
        file.persist(path).map(drop).map_err(|error| Error::writing(path)(error.error))
    }

    /// Holds a report against them. Of a part of the suite, `chosen` says of a test whether it was in it.
    pub fn compare(&self, report: &Report, chosen: impl Fn(&str) -> bool) -> Comparison {
        let expected: BTreeMap<Key<'_>, &Expected> = self.failing.iter().map(|one| (one.key(), one)).collect();
        let failing: BTreeMap<Key<'_>, &Failing> =
            report.failing.iter().map(|one| ((one.test.as_str(), one.subtest.as_str()), one)).collect();
        let regressions: Vec<_> = report
            .failing
            .iter()
            .filter(|one| !expected.contains_key(&(one.test.as_str(), one.subtest.as_str())))
            .cloned()
            .collect();
        let fixed =
            self.failing.iter().filter(|one| chosen(&one.test) && !failing.contains_key(&one.key())).cloned().collect();
        Comparison { as_expected: report.failing.len() - regressions.len(), regressions, fixed }
    }
}

impl Expected {
    fn key(&self) -> Key<'_> {
        (&self.test, &self.subtest)
    }
}

/// Our own plain data as JSON: it cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Case, Kind, State};

    fn report(states: &[(&str, &str, bool)]) -> Report {
        let cases = states.iter().map(|(test, subtest, passes)| Case {
            area: "a".into(),
            test: (*test).into(),
            subtest: (*subtest).into(),
            state: if *passes { State::Passed } else { State::Failed(Kind::Failed, "no".into()) },
        });
        Report::new(Suite::Wpt, "engine".into(), "checkout".into(), cases)
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_told_apart() {
        let expected = Expectations::of(&report(&[("a", "1", false), ("a", "2", false), ("b", "", false)]), None);
        let now = report(&[("a", "1", false), ("a", "2", true), ("a", "3", false)]);
        let compared = expected.compare(&now, |_| true);
        assert_eq!(compared.as_expected, 1);
        assert_eq!(compared.regressions.iter().map(|one| one.subtest.as_str()).collect::<Vec<_>>(), ["3"]);
        assert_eq!(compared.fixed.iter().map(Expected::key).collect::<Vec<_>>(), [("a", "2"), ("b", "")]);
        let of_a = expected.compare(&now, |test| test == "a");
        assert_eq!(of_a.fixed.len(), 1, "b was not run");
    }

    #[test]
    fn a_file_comes_back_and_keeps_reasons() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("expected.json");
        let mut written = Expectations::of(&report(&[("a", "\u{2028}\"", false), ("b", "", false)]), None);
        written.failing[1].reason = "it is so".into();
        written.write(&path).expect("it is written");
        let read = Expectations::read(&path, Suite::Wpt).expect("it is read");
        assert_eq!(read, written);
        let anew = Expectations::of(&report(&[("b", "", false), ("c", "", false)]), Some(&read));
        assert_eq!(anew.failing.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), ["it is so", ""]);
    }

    #[test]
    fn another_suites_or_versions_file_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("expected.json");
        let said = |text: &str| {
            std::fs::write(&path, text).expect("writes");
            Expectations::read(&path, Suite::Wpt).expect_err("it is refused").to_string()
        };
        let of = |format: u32, suite: &str| {
            said(&format!(r#"{{"format":{format},"suite":"{suite}","engine":"","checkout":"","failing":[]}}"#))
        };
        assert!(of(2, "wpt").contains("format is 2"), "{}", of(2, "wpt"));
        assert!(of(1, "test262").contains("of test262, not of web-platform-tests"), "{}", of(1, "test262"));
        assert!(said("{").contains("line 1"), "{}", said("{"));
        assert!(Expectations::read(&folder.path().join("none"), Suite::Wpt).is_err());
    }
}
