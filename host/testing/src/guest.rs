//! What is said between the host and the library inside (guest-js/test/src/run.ts), as JSON. What comes from inside is input: what does not fit
//! is a failure of the run, never a panic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the handler of the tests is asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// All tests.
    List(bool),
    /// One of them, by its place in the list.
    Run(usize),
}

/// How often each statement was executed, by file.
pub(crate) type Executed = BTreeMap<String, Vec<u64>>;

/// The answer to [`Order::List`].
#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    pub(crate) tests: Vec<Listed>,
    pub(crate) executed: Executed,
}

/// One test, as it was declared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) suites: Vec<String>,
    pub(crate) file: String,
    pub(crate) mode: ListedMode,
    pub(crate) stack: String,
    #[serde(default)]
    pub(crate) fuel_max: Option<u64>,
    #[serde(default)]
    pub(crate) timeout_ms: Option<u64>,
}

/// What is to become of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListedMode {
    Run,
    Skip,
    Todo,
}

/// The answer to [`Order::Run`].
#[derive(Debug, Deserialize)]
pub(crate) struct Ran {
    pub(crate) failed: Vec<Failed>,
    pub(crate) executed: Executed,
}

/// What went wrong in a test or in a hook around it.
#[derive(Debug, Deserialize)]
pub(crate) struct Failed {
    #[serde(rename = "where")]
    pub(crate) place: String,
    #[serde(default)]
    pub(crate) diff: Option<String>,
    pub(crate) errors: Vec<Thrown>,
}

/// One error, as the driver reports it.
#[derive(Debug, Deserialize)]
pub(crate) struct Thrown {
    pub(crate) role: u8,
    pub(crate) parent: usize,
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) stack: String,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) details: Option<String>,
}

/// What a test asks its host, as the payload of an event.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Question {
    /// Sets the time: Unix time in milliseconds.
    Clock(Moment),
    /// Sets a secret, or takes it away.
    Secret((String, Option<String>)),
    /// What was published.
    Events(bool),
    /// What was enqueued.
    Jobs(bool),
    /// What was told of progress.
    Progress(bool),
}

/// A moment, as JavaScript has it: Unix time in milliseconds, with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "f64")]
pub(crate) struct Moment {
    pub(crate) unix_us: u64,
}

impl From<f64> for Moment {
    fn from(ms: f64) -> Self {
        // What is negative or no number becomes 0.
        Self { unix_us: (ms * 1_000.0) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_questions_are_what_the_library_has() {
        assert_eq!(serde_json::to_string(&Order::List(true)).ok().as_deref(), Some(r#"{"list":true}"#));
        assert_eq!(serde_json::to_string(&Order::Run(3)).ok().as_deref(), Some(r#"{"run":3}"#));
        let check = |json: &str, expected: Question| {
            assert_eq!(serde_json::from_str::<Question>(json).ok(), Some(expected), "{json}")
        };
        check(r#"{"clock":1.5}"#, Question::Clock(Moment { unix_us: 1_500 }));
        check(r#"{"secret":["A",null]}"#, Question::Secret(("A".into(), None)));
        check(r#"{"events":true}"#, Question::Events(true));
        check(r#"{"jobs":true}"#, Question::Jobs(true));
        check(r#"{"progress":true}"#, Question::Progress(true));
    }
}
