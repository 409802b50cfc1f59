//! JUnit's XML, as build servers read it: a suite for each file, a case for each test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use belljar::LogRecord;

use crate::result::{Status, TestResult};

/// The whole document. Files come in the order of their names.
pub fn junit(results: &[TestResult]) -> String {
    let mut files: BTreeMap<&str, Vec<&TestResult>> = BTreeMap::new();
    for result in results {
        files.entry(&result.test.file).or_default().push(result);
    }
    let all: Vec<&TestResult> = results.iter().collect();
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites{}>\n", counts(&all));
    for (file, results) in files {
        let _ = writeln!(text, "  <testsuite name=\"{}\"{}>", escaped(file), counts(&results));
        for result in results {
            case(&mut text, result);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts(results: &[&TestResult]) -> String {
    let count = |statuses: &[Status]| results.iter().filter(|result| statuses.contains(&result.status)).count();
    let seconds = results.iter().map(|result| result.usage.wall_us).sum::<u64>() as f64 / 1e6;
    let (failures, skipped) = (count(&[Status::Failed]), count(&[Status::Skipped, Status::Todo]));
    format!(
        " tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.6}\"",
        results.len()
    )
}

fn case(text: &mut String, result: &TestResult) {
    let line = result.test.at.as_ref().map(|at| format!(" line=\"{}\"", at.line)).unwrap_or_default();
    let _ = write!(
        text,
        "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\"{line} time=\"{:.6}\">",
        escaped(&result.test.title()),
        result.usage.wall_us as f64 / 1e6,
        file = escaped(&result.test.file),
    );
    let mut inner = String::new();
    for failure in &result.failures {
        let at = failure.position().map(|at| format!("\n  at {at}")).unwrap_or_default();
        let diff = failure.diff.as_ref().map(|diff| format!("\n\n{diff}")).unwrap_or_default();
        let whole = format!("{}{at}{diff}", failure.message);
        let _ = writeln!(
            inner,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>",
            failure.place.as_str(),
            escaped(&failure.message),
            escaped(&whole)
        );
    }
    match result.status {
        Status::Skipped => inner.push_str("      <skipped/>\n"),
        Status::Todo => inner.push_str("      <skipped message=\"todo\"/>\n"),
        Status::Passed | Status::Failed => {}
    }
    if !result.log.is_empty() {
        let lines: Vec<String> = result.log.iter().map(LogRecord::to_json_line).collect();
        let _ = writeln!(inner, "      <system-out>{}</system-out>", escaped(&lines.join("\n")));
    }
    if inner.is_empty() {
        text.push_str("</testcase>\n");
    } else {
        let _ = write!(text, "\n{inner}    </testcase>\n");
    }
}

/// Text in XML 1.0; characters it cannot have are replaced.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\n' => shown.push_str("&#10;"),
            '\t' => shown.push_str("&#9;"),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn all_that_can_become_of_a_test() {
        let xml = junit(&example());
        for part in [
            "<testsuites tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"2\" time=\"0.003000\">",
            "  <testsuite name=\"a.test.ts\" tests=\"4\"",
            "<testcase classname=\"a.test.ts\" name=\"s &gt; passes\" file=\"a.test.ts\" line=\"2\" time=\"0.001500\"></testcase>",
            "<failure type=\"test\" message=\"expected 1 to be 2\">expected 1 to be 2&#10;  at a.test.ts:3:5&#10;&#10;- 2&#10;+ 1</failure>",
            "<skipped message=\"todo\"/>",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
    }

    #[test]
    fn no_text_breaks_the_document() {
        assert_eq!(escaped("<a & \"b\"\u{1b}>\n"), "&lt;a &amp; &quot;b&quot;\u{fffd}&gt;&#10;");
    }
}
