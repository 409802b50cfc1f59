//! Draws what is wrong with an author's files, with the lines it is about.

use std::fmt;

use belljar_build::{Problem, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan};

use crate::terminal::{self, disturbs, one_line};

/// Writes problems to stderr, and how many there are.
pub(crate) fn show(problems: &[Problem]) {
    if problems.is_empty() {
        return;
    }
    terminal::stderr(&draw(problems, terminal::stderr_paint().on));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    terminal::stderr(&format!("{}, {}\n", count(errors, "error"), count(problems.len() - errors, "notice")));
}

fn draw(problems: &[Problem], colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_urls(false);
    let mut drawn = String::new();
    for problem in problems {
        // A report that cannot be drawn is still told.
        if handler.render_report(&mut drawn, &Shown::new(problem)).is_err() {
            drawn.push_str(&one_line(&problem.to_string()));
        }
        drawn.push('\n');
    }
    drawn
}

/// A problem that is safe to draw: a folder from a stranger can hold anything.
#[derive(Debug)]
struct Shown {
    problem: Problem,
    text: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    label: Option<LabeledSpan>,
}

impl Shown {
    fn new(problem: &Problem) -> Self {
        let place = problem.place.as_deref();
        Self {
            text: terminal::lines(&problem.to_string()),
            help: problem.help.as_deref().map(terminal::lines),
            source: place.map(|place| NamedSource::new(one_line(place.file.path()), same_length(place.file.text()))),
            label: place.map(|place| {
                let label = (!place.label.is_empty()).then(|| one_line(&place.label));
                LabeledSpan::new_primary_with_span(label, SourceSpan::from(place.start..place.end))
            }),
            problem: problem.clone(),
        }
    }
}

/// Source text with what disturbs replaced by as many bytes, so that positions stay right.
fn same_length(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c {
            '\n' | '\r' | '\t' => shown.push(c),
            c if disturbs(c) && c.len_utf8() == 3 => shown.push('\u{fffd}'),
            c if disturbs(c) => shown.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => shown.push(c),
        }
        shown
    })
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.code()
    }

    fn severity(&self) -> Option<miette::Severity> {
        miette::Diagnostic::severity(&self.problem)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone()?)))
    }
}

#[cfg(test)]
mod tests {
    use belljar_build::SourceFile;

    use super::*;

    #[test]
    fn the_authors_line_is_shown_without_what_disturbs() {
        let file = SourceFile::new("src/a\u{1b}.ts", "let a;\nlet \u{1b}[2Jö\u{202e} = 1;\n");
        let problem = Problem::error("x.y", "bad\u{1b}[1A").with_help("do that").at(&file, 11, 13, "here");
        let drawn = draw(&[problem], false);
        assert!(!drawn.contains(['\u{1b}', '\u{202e}']), "{drawn}");
        for expected in ["x.y", "bad\\u001b[1A", "src/a\\u001b.ts:2:5", "let ?[2Jö\u{fffd} = 1;", "here", "do that"] {
            assert!(drawn.contains(expected), "{expected}: {drawn}");
        }
    }
}
