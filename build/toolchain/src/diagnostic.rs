//! What a build tells its author: one problem, where it is, and what to do. It knows nothing of terminals; [`miette`]
//! draws it, and [`Problem::to_json`] gives it to programs.

use std::{fmt, sync::Arc};

use miette::{LabeledSpan, NamedSource, SourceSpan};

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the build goes on.
    Notice,
    /// The build stops.
    Error,
}

impl Severity {
    /// `notice` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Error => "error",
        }
    }
}

/// A file of the author's, as text, by its path relative to the applet's folder.
#[derive(Debug, Clone)]
pub struct SourceFile(Arc<NamedSource<String>>);

impl SourceFile {
    /// Names `text`.
    pub fn new(path: impl AsRef<str>, text: impl Into<String>) -> Self {
        Self(Arc::new(NamedSource::new(path, text.into())))
    }

    /// Path relative to the applet's folder.
    pub fn path(&self) -> &str {
        self.0.name()
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.0.inner()
    }

    /// Line and column of a byte offset, both from 1; columns count characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let text = self.text();
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A place in a file: bytes `start..end`.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub file: SourceFile,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// A word or two under the snippet; may be empty.
    pub label: String,
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for programs: `manifest.unknown-key`, `bundle.unresolved-import`, …
    pub code: &'static str,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is, if it is at one place.
    pub place: Option<Box<Place>>,
    /// The file it is about, when there is no one place in it. Relative to the applet's folder.
    pub file: Option<String>,
}

impl Problem {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), help: None, place: None, file: None }
    }

    /// A notice without a place yet.
    pub fn notice(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, ..Self::error(code, message) }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says where; offsets are held to the file's text.
    #[must_use]
    pub fn at(mut self, file: &SourceFile, start: usize, end: usize, label: impl Into<String>) -> Self {
        let length = file.text().len();
        let start = start.min(length);
        let end = end.clamp(start, length);
        self.place = Some(Box::new(Place { file: file.clone(), start, end, label: label.into() }));
        self
    }

    /// Says which file, when no place in it is known.
    #[must_use]
    pub fn in_file(mut self, path: impl Into<String>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// File, line and column, as far as they are known. Line and column count from 1.
    pub fn location(&self) -> (Option<&str>, Option<(usize, usize)>) {
        match &self.place {
            Some(place) => (Some(place.file.path()), Some(place.file.line_column(place.start))),
            None => (self.file.as_deref(), None),
        }
    }

    /// `{severity, code, message, help, file, line, column}`; what is not known is `null`.
    pub fn to_json(&self) -> serde_json::Value {
        let (file, position) = self.location();
        serde_json::json!({
            "severity": self.severity.as_str(),
            "code": self.code,
            "message": self.message,
            "help": self.help,
            "file": file,
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            (Some(file), None) => write!(f, "{}: {file}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Problem {}

impl miette::Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Notice => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.place.as_ref().map(|place| &*place.file.0 as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let label = (!place.label.is_empty()).then(|| place.label.clone());
        let span = SourceSpan::from(place.start..place.end);
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(label, span))))
    }
}

/// A build that failed: at least one error, then whatever else was noticed on the way.
#[derive(Debug, Clone)]
pub struct BuildError {
    problems: Vec<Problem>,
}

impl BuildError {
    /// From problems of which at least one is an error.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
        Self { problems }
    }

    /// Errors first, then notices.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems, one JSON object each; see [`Problem::to_json`].
    pub fn to_json(&self) -> serde_json::Value {
        self.problems.iter().map(Problem::to_json).collect()
    }
}

impl From<Problem> for BuildError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.iter().filter(|problem| problem.severity == Severity::Error).count() {
            1 => f.write_str("the applet cannot be built"),
            count => write!(f, "the applet cannot be built: {count} errors"),
        }
    }
}

impl std::error::Error for BuildError {}

impl miette::Diagnostic for BuildError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn miette::Diagnostic)))
    }
}

/// The known name nearest to what was written, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let flat = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let target = flat(written);
    let scored = known.iter().map(|name| (distance(&target, &flat(name)), *name));
    let (best, name) = scored.min_by_key(|(score, _)| *score)?;
    (best <= target.chars().count().min(64) / 3).then_some(name)
}

/// Edits (insert, delete, replace, swap neighbours) between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name() {
        let known = ["max_memory_mb", "entrypoint", "handlers", "http"];
        let check = |written: &str, expected: Option<&str>| assert_eq!(nearest(written, &known), expected, "{written}");
        check("entryPoint", Some("entrypoint"));
        check("handler", Some("handlers"));
        check("maxMemoryMb", Some("max_memory_mb"));
        check("htpt", Some("http"));
        check("banana", None);
        check("", None);
    }

    #[test]
    fn line_and_column_count_characters_from_one() {
        let file = SourceFile::new("a.txt", "äb\ncd\n");
        let check = |offset, expected| assert_eq!(file.line_column(offset), expected, "offset {offset}");
        check(0, (1, 1));
        check(1, (1, 1));
        check(2, (1, 2));
        check(4, (2, 1));
        check(6, (2, 3));
        check(999, (3, 1));
    }

    #[test]
    fn json_says_what_is_known() {
        let file = SourceFile::new("a.txt", "one\ntwo");
        let json = Problem::error("x.y", "bad").with_help("good").at(&file, 4, 7, "").to_json();
        let expected = serde_json::json!({"severity": "error", "code": "x.y", "message": "bad", "help": "good",
            "file": "a.txt", "line": 2, "column": 1});
        assert_eq!(json, expected);
        assert_eq!(Problem::notice("x.y", "so").to_json()["line"], serde_json::Value::Null);
    }
}
