//! Results for other programs: TAP, JUnit's XML, JSON, and LCOV's lines. How people see them is the command's business.

mod json;
mod junit;
mod lcov;
mod tap;

pub use json::{About, json};
pub use junit::junit;
pub use lcov::lcov;
pub use tap::tap;

/// One test of each kind.
#[cfg(test)]
fn example() -> Vec<crate::TestResult> {
    use belljar::{ErrorRole, Frame, ThrownError, Usage};

    use crate::result::{Failure, Place, Status, TestResult};
    use crate::suite::{Mode, Test};

    let frame =
        |line: u32| Frame { function: String::new(), file: "a.test.ts".into(), line, column: 5, in_author_file: true };
    let result = |name: &str, status: Status, mode: Mode, wall_us: u64| TestResult {
        test: Test {
            file: "a.test.ts".into(),
            suites: vec!["s".into()],
            name: name.into(),
            number: 1,
            mode,
            at: Some(frame(2)),
            fuel_max: None,
            timeout_ms: None,
        },
        status,
        failures: Vec::new(),
        usage: Usage { fuel: 7, wall_us, ..Usage::default() },
        log: Vec::new(),
    };
    let error = ThrownError {
        role: ErrorRole::Thrown,
        parent: 0,
        name: "AssertionError".into(),
        message: "expected 1 to be 2".into(),
        code: None,
        details: None,
        frames: vec![frame(3)],
    };
    let failure = Failure {
        place: Place::Test,
        message: error.message.clone(),
        diff: Some("- 2\n+ 1".into()),
        errors: vec![error],
        frames: Vec::new(),
        code: None,
    };
    let failed = result("fails # 1", Status::Failed, Mode::Run, 1_500);
    vec![
        result("passes", Status::Passed, Mode::Run, 1_500),
        TestResult { failures: vec![failure], ..failed },
        result("skipped", Status::Skipped, Mode::Skip, 0),
        result("later", Status::Todo, Mode::Todo, 0),
    ]
}
