//! What came of a test.

use belljar::{ErrorRole, Fault, FaultCode, Frame, LogRecord, ThrownError, Usage};

use crate::guest::Failed;
use crate::suite::Test;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing went wrong.
    Passed,
    /// Something did.
    Failed,
    /// It was not run: `skip`, or another one is `only`.
    Skipped,
    /// It is still to be written.
    Todo,
}

/// Where a test failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In its own function, or a limit ended it.
    Test,
    /// In a hook.
    BeforeAll,
    /// In a hook.
    BeforeEach,
    /// In a hook.
    AfterEach,
    /// In a hook.
    AfterAll,
    /// It took more fuel than it may.
    Budget,
}

impl Place {
    /// As the author writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::BeforeAll => "beforeAll",
            Self::BeforeEach => "beforeEach",
            Self::AfterEach => "afterEach",
            Self::AfterAll => "afterAll",
            Self::Budget => "budget",
        }
    }

    fn read(text: &str) -> Self {
        [Self::BeforeAll, Self::BeforeEach, Self::AfterEach, Self::AfterAll]
            .into_iter()
            .find(|place| place.as_str() == text)
            .unwrap_or(Self::Test)
    }
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Where.
    pub place: Place,
    /// For people, in one line or several. It is the applet's text: it may hold anything.
    pub message: String,
    /// What was expected (lines that begin with `-`) and what came (`+`).
    pub diff: Option<String>,
    /// What was thrown, then its causes; empty when a limit ended the test.
    pub errors: Vec<ThrownError>,
    /// Where a limit ended the test, innermost first.
    pub frames: Vec<Frame>,
    /// The code of the fault that ended the test.
    pub code: Option<FaultCode>,
}

impl Failure {
    /// A budget that is exceeded.
    pub(crate) fn budget(message: String) -> Self {
        Self { place: Place::Budget, message, diff: None, errors: Vec::new(), frames: Vec::new(), code: None }
    }

    /// The end of a test by a fault.
    pub(crate) fn of_fault(fault: Fault) -> Self {
        let Fault { code, message, errors, frames, .. } = fault;
        let frames = frames.into_iter().filter(is_shown).collect();
        Self { place: Place::Test, message, diff: None, errors, frames, code: Some(code) }
    }

    /// What the library inside tells; `frames` reads its stacks.
    pub(crate) fn told(failed: Failed, frames: impl Fn(&str) -> Vec<Frame>) -> Self {
        let Failed { place, diff, errors } = failed;
        let errors: Vec<ThrownError> = errors
            .into_iter()
            .enumerate()
            .map(|(index, thrown)| ThrownError {
                role: match thrown.role {
                    1 => ErrorRole::Cause,
                    2 => ErrorRole::Member,
                    _ => ErrorRole::Thrown,
                },
                // Always one before it, whatever is told.
                parent: Some(thrown.parent).filter(|parent| *parent < index).unwrap_or(0),
                name: thrown.name,
                message: thrown.message,
                code: thrown.code,
                details: thrown
                    .details
                    .map(|json| serde_json::from_str(&json).unwrap_or(serde_json::Value::String(json))),
                frames: frames(&thrown.stack).into_iter().filter(is_shown).collect(),
            })
            .collect();
        let message = errors.first().map_or_else(
            || "it failed".to_owned(),
            |error| match error.name.as_str() {
                // Its message says what was expected.
                "AssertionError" => error.message.clone(),
                name => format!("{name}: {}", error.message),
            },
        );
        Self { place: Place::read(&place), message, diff, errors, frames: Vec::new(), code: None }
    }

    /// The innermost position in the author's files, if it is known.
    pub fn position(&self) -> Option<&Frame> {
        let frames = self.errors.first().map_or(&self.frames, |error| &error.frames);
        frames.iter().find(|frame| frame.in_author_file)
    }
}

/// Frames of the library say nothing to an author; its modules are no files.
fn is_shown(frame: &Frame) -> bool {
    !frame.file.starts_with('\0')
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// The test.
    pub test: Test,
    /// How it ended.
    pub status: Status,
    /// What went wrong, in order.
    pub failures: Vec<Failure>,
    /// What it used; nothing when it was not run.
    pub usage: Usage,
    /// What it logged.
    pub log: Vec<LogRecord>,
}

impl TestResult {
    /// Adds a failure.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
        self.status = Status::Failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Thrown;

    #[test]
    fn every_place_is_read_as_it_is_written() {
        for place in [Place::Test, Place::BeforeAll, Place::BeforeEach, Place::AfterEach, Place::AfterAll] {
            assert_eq!(Place::read(place.as_str()), place);
        }
    }

    #[test]
    fn frames_of_the_library_are_left_out() {
        let frame = |file: &str, in_author_file: bool| Frame {
            function: String::new(),
            file: file.into(),
            line: 3,
            column: 5,
            in_author_file,
        };
        let thrown = Thrown {
            role: 0,
            parent: 7,
            name: "AssertionError".into(),
            message: "expected 1 to be 2".into(),
            stack: String::new(),
            code: None,
            details: None,
        };
        let failed = Failed { place: "beforeEach".into(), diff: None, errors: vec![thrown] };
        let failure = Failure::told(failed, |_| {
            vec![frame("\0belljar-module:belljar:test/expect.ts", false), frame("a.test.ts", true)]
        });
        assert_eq!((failure.place, failure.message.as_str()), (Place::BeforeEach, "expected 1 to be 2"));
        assert_eq!(failure.position().map(ToString::to_string).as_deref(), Some("a.test.ts:3:5"));
        assert_eq!((failure.errors[0].frames.len(), failure.errors[0].parent), (1, 0));
    }
}
