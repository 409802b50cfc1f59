//! Results as people read them: failures with the author's lines, what was expected and what came, what the test logged; then the counts.

use std::fmt::Write as _;

use anstream::{AutoStream, ColorChoice};
use belljar_testing::{Failure, FileCoverage, Place, Status, TestResult};

use crate::present::{self, grouped};
use crate::sources::Sources;
use crate::terminal::{Paint, lines, one_line};

/// Log lines shown of a test that has failed: the last ones.
const LOG_LINES_SHOWN: usize = 20;

/// Draws results, for standard output.
pub(super) struct Human<'a> {
    sources: &'a Sources,
    paint: Paint,
}

impl<'a> Human<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self { sources, paint: Paint { on: AutoStream::choice(&std::io::stdout()) != ColorChoice::Never } }
    }

    /// A sign for a test that has ended.
    pub(super) fn progress(&self, result: &TestResult) -> String {
        match result.status {
            Status::Passed => ".".to_owned(),
            Status::Failed => self.paint.error("x"),
            Status::Skipped | Status::Todo => self.paint.dim("-"),
        }
    }

    /// Everything.
    pub(super) fn all(
        &self,
        results: &[TestResult],
        coverage: Option<&[FileCoverage]>,
        shuffle: Option<u64>,
        wall_ms: u64,
    ) -> String {
        let mut text = String::from("\n");
        let mut file = "";
        for result in results {
            if result.test.file != file {
                file = &result.test.file;
                let _ = writeln!(text, "{}", self.paint.bold(&one_line(file)));
            }
            self.line(&mut text, result);
        }
        for result in results.iter().filter(|result| result.status == Status::Failed) {
            self.failed(&mut text, result);
        }
        if let Some(files) = coverage {
            text.push_str(&table(files));
        }
        self.counts(&mut text, results, wall_ms);
        if let Some(seed) = shuffle {
            let _ = writeln!(text, "shuffled: --shuffle={seed} repeats this order");
        }
        text
    }

    fn line(&self, text: &mut String, result: &TestResult) {
        let title = one_line(&result.test.title());
        let _ = match result.status {
            Status::Passed => writeln!(
                text,
                "  {} {title} {}",
                self.paint.hint("✓"),
                self.paint.dim(&format!("{} fuel", grouped(result.usage.fuel)))
            ),
            Status::Failed => writeln!(text, "  {} {title}", self.paint.error("✗")),
            Status::Skipped => writeln!(text, "  {}", self.paint.dim(&format!("- {title}"))),
            Status::Todo => writeln!(text, "  {}", self.paint.dim(&format!("- {title} (todo)"))),
        };
    }

    fn failed(&self, text: &mut String, result: &TestResult) {
        let _ = writeln!(text, "\n{} {}", self.paint.error("FAILED"), self.paint.bold(&one_line(&result.test.key())));
        for failure in &result.failures {
            self.failure(text, failure);
        }
        let hidden = result.log.len().saturating_sub(LOG_LINES_SHOWN);
        if !result.log.is_empty() {
            let _ = writeln!(text, "  {}", self.paint.bold("log:"));
            if hidden > 0 {
                let _ = writeln!(text, "    {}", self.paint.dim(&format!("… {hidden} lines before")));
            }
        }
        for record in result.log.iter().skip(hidden) {
            let fields: String = record
                .fields
                .iter()
                .map(|(name, value)| format!(" {}={}", one_line(name), one_line(&value.to_string())))
                .collect();
            let _ = writeln!(text, "    {:<5} {}{fields}", record.level.as_str(), one_line(&record.message));
        }
    }

    fn failure(&self, text: &mut String, failure: &Failure) {
        let place = if failure.place == Place::Test { String::new() } else { format!("{}: ", failure.place.as_str()) };
        let code =
            failure.code.filter(|code| code.is_limit()).map(|code| format!("limit {code}: ")).unwrap_or_default();
        let message = lines(&failure.message).replace('\n', "\n  ");
        let _ = writeln!(text, "  {place}{code}{message}");
        if let Some(diff) = &failure.diff {
            text.push('\n');
            for line in lines(diff).lines() {
                let line = match line.chars().next() {
                    Some('-') => self.paint.hint(line),
                    Some('+') => self.paint.error(line),
                    _ => line.to_owned(),
                };
                let _ = writeln!(text, "    {line}");
            }
            text.push('\n');
        }
        for (index, error) in failure.errors.iter().enumerate() {
            if index > 0 {
                let _ = writeln!(
                    text,
                    "  {} {}: {}",
                    self.paint.bold("caused by:"),
                    one_line(&error.name),
                    lines(&error.message).replace('\n', "\n    ")
                );
            }
            present::stack(text, &error.frames, "", false, self.sources, self.paint);
        }
        present::stack(text, &failure.frames, "", true, self.sources, self.paint);
    }

    fn counts(&self, text: &mut String, results: &[TestResult], wall_ms: u64) {
        let count = |status: Status| results.iter().filter(|result| result.status == status).count();
        let failed = count(Status::Failed);
        let mut parts = vec![format!("{} passed", count(Status::Passed))];
        if failed > 0 {
            parts.insert(0, self.paint.error(&format!("{failed} failed")));
        }
        for (status, word) in [(Status::Skipped, "skipped"), (Status::Todo, "todo")] {
            if count(status) > 0 {
                parts.push(format!("{} {word}", count(status)));
            }
        }
        let fuel: u64 = results.iter().map(|result| result.usage.fuel).sum();
        let _ = writeln!(text, "\n{} ({} fuel, {wall_ms} ms)", parts.join(", "), grouped(fuel));
    }
}

/// Lines that were executed, by file.
fn table(files: &[FileCoverage]) -> String {
    let width = files.iter().map(|file| one_line(&file.file).chars().count()).chain([9]).max().unwrap_or(9);
    let mut text = format!("\n{:width$}  {:>7}  {:>11}  not executed\n", "file", "lines", "executed");
    let row = |name: &str, all: usize, covered: usize, rest: &str| {
        let percent = if all == 0 { 100.0 } else { covered as f64 * 100.0 / all as f64 };
        format!("{name:width$}  {all:>7}  {:>11}  {rest}", format!("{percent:.1} %")).trim_end().to_owned()
    };
    let (mut all, mut covered) = (0, 0);
    for file in files {
        (all, covered) = (all + file.lines.len(), covered + file.covered());
        let _ = writeln!(text, "{}", row(&one_line(&file.file), file.lines.len(), file.covered(), &file.uncovered()));
    }
    let _ = writeln!(text, "{}", row("all files", all, covered, ""));
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_table_has_each_file_and_all_of_them() {
        let files = [
            FileCoverage { file: "src/a.ts".into(), lines: BTreeMap::from([(1, 1), (2, 0), (3, 0)]) },
            FileCoverage { file: "src/long-name.ts".into(), lines: BTreeMap::from([(1, 1)]) },
        ];
        assert_eq!(
            table(&files),
            "\nfile                lines     executed  not executed\nsrc/a.ts                3       33.3 %  2-3\nsrc/long-name.ts        1      100.0 %\nall files               4       50.0 %\n"
        );
    }
}
