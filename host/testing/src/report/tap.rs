//! The Test Anything Protocol, version 14 (<https://testanything.org/tap-version-14-specification.html>).

use std::fmt::Write as _;

use crate::result::{Failure, Status, TestResult};

/// The whole document.
pub fn tap(results: &[TestResult]) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", results.len());
    for (index, result) in results.iter().enumerate() {
        let ok = if result.status == Status::Failed { "not ok" } else { "ok" };
        let directive = match result.status {
            Status::Skipped => " # SKIP",
            Status::Todo => " # TODO",
            Status::Passed | Status::Failed => "",
        };
        let _ = writeln!(text, "{ok} {} - {}{directive}", index + 1, described(&result.test.key()));
        if !result.failures.is_empty() {
            diagnostics(&mut text, result);
        }
    }
    text
}

/// A description: on one line, without what would end it.
fn described(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' | '\\' => shown.extend(['\\', c]),
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown
}

/// A YAML block. Texts are JSON strings, which YAML has too.
fn diagnostics(text: &mut String, result: &TestResult) {
    text.push_str("  ---\n");
    let _ = writeln!(text, "  fuel: {}\n  duration_ms: {}", result.usage.fuel, result.usage.wall_us / 1_000);
    text.push_str("  failures:\n");
    for failure in &result.failures {
        let Failure { place, message, diff, .. } = failure;
        let _ = writeln!(text, "    - where: {}\n      message: {}", place.as_str(), quoted(message));
        if let Some(at) = failure.position() {
            let _ = writeln!(text, "      at: {}", quoted(&at.to_string()));
        }
        if let Some(diff) = diff {
            let _ = writeln!(text, "      diff: {}", quoted(diff));
        }
    }
    text.push_str("  ...\n");
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn all_that_can_become_of_a_test() {
        assert_eq!(
            tap(&example()),
            "TAP version 14\n1..4\nok 1 - a.test.ts > s > passes\nnot ok 2 - a.test.ts > s > fails \\# 1\n  ---\n  fuel: 7\n  duration_ms: 1\n  failures:\n    - where: test\n      message: \"expected 1 to be 2\"\n      at: \"a.test.ts:3:5\"\n      diff: \"- 2\\n+ 1\"\n  ...\nok 3 - a.test.ts > s > skipped # SKIP\nok 4 - a.test.ts > s > later # TODO\n"
        );
    }
}
