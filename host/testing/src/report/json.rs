//! Everything, as one JSON object.

use belljar::LogRecord;
use serde_json::{Value, json};

use crate::coverage::FileCoverage;
use crate::result::{Failure, Status, TestResult};

/// What the document tells besides the results.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The digest of the engine.
    pub engine: String,
    /// The seed of the order, if it is one.
    pub shuffle: Option<u64>,
    /// Time from the first test to the last, milliseconds.
    pub wall_ms: u64,
    /// The lines that were executed, if they were counted.
    pub coverage: Option<Vec<FileCoverage>>,
}

/// The whole document, with its line end.
pub fn json(results: &[TestResult], about: &About) -> String {
    let count = |status: Status| results.iter().filter(|result| result.status == status).count();
    let coverage = about.coverage.as_ref().map(|files| files.iter().map(file).collect::<Vec<_>>());
    let document = json!({
        "ok": count(Status::Failed) == 0,
        "passed": count(Status::Passed),
        "failed": count(Status::Failed),
        "skipped": count(Status::Skipped),
        "todo": count(Status::Todo),
        "engine": about.engine,
        "shuffle": about.shuffle,
        "wall_ms": about.wall_ms,
        "tests": results.iter().map(test).collect::<Vec<_>>(),
        "coverage": coverage,
    });
    format!("{document}\n")
}

fn test(result: &TestResult) -> Value {
    let TestResult { test, status, failures, usage, log } = result;
    let status = match status {
        Status::Passed => "passed",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
        Status::Todo => "todo",
    };
    let log: Vec<Value> =
        log.iter().map(LogRecord::to_json_line).filter_map(|line| serde_json::from_str(&line).ok()).collect();
    json!({
        "file": test.file, "suites": test.suites, "name": test.name, "key": test.key(),
        "line": test.at.as_ref().map(|at| at.line), "column": test.at.as_ref().map(|at| at.column),
        "status": status, "failures": failures.iter().map(failure).collect::<Vec<_>>(), "usage": usage, "log": log,
    })
}

fn failure(failure: &Failure) -> Value {
    json!({
        "where": failure.place.as_str(), "message": failure.message, "diff": failure.diff, "code": failure.code, "errors": failure.errors,
        "frames": failure.frames, "at": failure.position().map(ToString::to_string),
    })
}

fn file(file: &FileCoverage) -> Value {
    json!({ "file": file.file, "lines": file.lines.len(), "covered": file.covered(), "uncovered": file.uncovered() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::example;

    #[test]
    fn everything_is_told() {
        let coverage = vec![FileCoverage { file: "a.ts".into(), lines: BTreeMap::from([(1, 1), (2, 0)]) }];
        let about = About { engine: "e".into(), shuffle: Some(5), wall_ms: 9, coverage: Some(coverage) };
        let document: Value = serde_json::from_str(&json(&example(), &about)).expect("it is JSON");
        assert_eq!((&document["ok"], &document["passed"], &document["shuffle"]), (&json!(false), &json!(1), &json!(5)));
        let failed = &document["tests"][1];
        assert_eq!((&failed["status"], &failed["failures"][0]["at"]), (&json!("failed"), &json!("a.test.ts:3:5")));
        assert_eq!(document["coverage"], json!([{ "file": "a.ts", "lines": 2, "covered": 1, "uncovered": "2" }]));
    }
}
