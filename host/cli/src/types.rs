//! `belljar check --types`: the author's own TypeScript compiler, run over the applet's folder, and its diagnostics as problems of ours.
//! It is a program of the author's machine, outside of any sandbox, and so runs only when it is asked for. What the types mean is its
//! business; here is known where it is found, how it is called, and the lines it prints.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use belljar_build::{Problem, Severity, SourceFile};

/// Diagnostics that are told one by one.
const PROBLEMS_MAX: usize = 50;
/// Bytes of a source file that is shown.
const SOURCE_BYTES_MAX: u64 = 5 << 20;
/// Bytes told of what is no diagnostic.
const OUTPUT_BYTES_MAX: usize = 2_000;

/// What the compiler has to say about the folder; what keeps it from saying anything is a problem as well.
pub(crate) fn check(folder: &Path) -> Vec<Problem> {
    let Ok(folder) = folder.canonicalize() else { return Vec::new() };
    if !folder.ancestors().any(|at| at.join("tsconfig.json").is_file()) {
        let problem =
            Problem::error("types.no-tsconfig", "there is no tsconfig.json in the applet's folder, or above it");
        return vec![problem.with_help(
            "`belljar new` makes one: make an applet beside this one and copy its tsconfig.json and types",
        )];
    }
    let Some(compiler) = compiler(&folder) else {
        let problem = Problem::error(
            "types.no-compiler",
            "there is no TypeScript compiler: neither in a node_modules here or above, nor as `tsc` in the PATH",
        );
        return vec![problem.with_help(
            "install it with 'npm install --save-dev typescript'; without --types everything else is checked",
        )];
    };
    let mut command = Command::new(&compiler);
    command.args(["--noEmit", "--pretty", "false"]).current_dir(&folder).stdin(Stdio::null());
    match command.output() {
        Err(error) => {
            vec![Problem::error("types.compiler", format!("{} cannot be started: {error}", compiler.display()))]
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let problems = problems(&folder, &text);
            if output.status.success() || problems.iter().any(|problem| problem.severity == Severity::Error) {
                return problems;
            }
            let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
            let said = said.trim().get(..said.trim().floor_char_boundary(OUTPUT_BYTES_MAX)).unwrap_or_default();
            let problem =
                Problem::error("types.compiler", format!("{} failed ({}): {said}", compiler.display(), output.status));
            vec![problem.with_help("run it by hand in the applet's folder: `tsc --noEmit`")]
        }
    }
}

/// `tsc` of the nearest `node_modules`, else of the PATH.
fn compiler(folder: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = folder.ancestors().map(|at| at.join("node_modules/.bin/tsc"));
    let global = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("tsc"));
    installed.chain(global).find(|path| path.is_file())
}

/// Reads lines of `file(line,column): error TS1234: message`, or without a place; lines that are indented go on with the message.
fn problems(folder: &Path, output: &str) -> Vec<Problem> {
    let mut files: HashMap<&str, Option<SourceFile>> = HashMap::new();
    let mut found = Vec::new();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(diagnostic) = Diagnostic::parse(line) else { continue };
        let mut message = diagnostic.message.trim_end_matches('.').to_owned();
        while let Some(more) = lines.next_if(|next| next.starts_with("  ")) {
            message = format!("{message}\n{}", more.trim_end());
        }
        let message = format!("{message} ({})", diagnostic.number);
        let problem = match diagnostic.severity {
            Severity::Error => Problem::error("types.error", message),
            Severity::Notice => Problem::notice("types.warning", message),
        };
        found.push(match diagnostic.place {
            None => problem,
            Some((name, line, column)) => {
                let file = files.entry(name).or_insert_with(|| source(folder, name));
                match file.as_ref().and_then(|file| Some((file, offset(file.text(), line, column)?))) {
                    Some((file, start)) => problem.at(file, start, start + word_length(&file.text()[start..]), ""),
                    None => problem.in_file(format!("{name}:{line}:{column}")),
                }
            }
        });
    }
    if found.len() > PROBLEMS_MAX {
        let more = found.len() - PROBLEMS_MAX;
        found.truncate(PROBLEMS_MAX);
        found.push(Problem::notice(
            "types.more",
            format!("the compiler has {more} more to say: run `tsc --noEmit` for all"),
        ));
    }
    found
}

fn source(folder: &Path, name: &str) -> Option<SourceFile> {
    let path = folder.join(name);
    let is_small = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= SOURCE_BYTES_MAX);
    let text = is_small.then(|| std::fs::read_to_string(&path).ok()).flatten()?;
    Some(SourceFile::new(name, text))
}

/// One line of the compiler's.
#[derive(Debug, PartialEq)]
struct Diagnostic<'a> {
    /// File, line and column, both from 1; columns count UTF-16 units.
    place: Option<(&'a str, usize, usize)>,
    severity: Severity,
    /// Such as `TS2322`.
    number: &'a str,
    message: &'a str,
}

impl<'a> Diagnostic<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, rest) = match line.split_once("): ") {
            Some((before, rest)) if !line.starts_with("error ") => (Some(place(before)?), rest),
            _ => (None, line),
        };
        let (severity, rest) = match rest.split_once(' ')? {
            ("error", rest) => (Severity::Error, rest),
            ("warning" | "message", rest) => (Severity::Notice, rest),
            _ => return None,
        };
        let (number, message) = rest.split_once(": ")?;
        let is_number =
            number.strip_prefix("TS").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        is_number.then_some(Self { place, severity, number, message })
    }
}

fn place(text: &str) -> Option<(&str, usize, usize)> {
    let (file, position) = text.rsplit_once('(')?;
    let (line, column) = position.split_once(',')?;
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

/// The byte at a line and a column in UTF-16 units, both from 1.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start = match line {
        0 => return None,
        1 => 0,
        line => text.match_indices('\n').nth(line - 2)?.0 + 1,
    };
    let mut units = 1;
    for (index, character) in text[start..].char_indices() {
        if units >= column || character == '\n' {
            return Some(start + index);
        }
        units += character.len_utf16();
    }
    Some(text.len())
}

/// Bytes of the word that a text begins with, or of its first character.
fn word_length(text: &str) -> usize {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len());
    if word > 0 { word } else { text.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_lines_are_read() {
        let error = |place, number, message| Some(Diagnostic { place, severity: Severity::Error, number, message });
        let check =
            |line: &str, expected: Option<Diagnostic<'_>>| assert_eq!(Diagnostic::parse(line), expected, "{line}");
        check("src/a (1).ts(3,7): error TS2322: Type 'x'.", error(Some(("src/a (1).ts", 3, 7)), "TS2322", "Type 'x'."));
        check("error TS5083: Cannot read file 'x'.", error(None, "TS5083", "Cannot read file 'x'."));
        check("error TS6053: File 'a (b): c' not found.", error(None, "TS6053", "File 'a (b): c' not found."));
        for line in ["", "Found 2 errors.", "a.ts(x,1): error TS1: m", "a.ts(1,1): error X1: m", "Version 5.9.3"] {
            check(line, None);
        }
    }

    #[test]
    fn diagnostics_have_the_authors_place() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("a.ts"), "let a = 1;\n/* 😀 */ let b: string = 2;\n").expect("writes");
        let output = "a.ts(2,14): error TS2322: Type 'number'\n  is not 'string'.\ngone.ts(1,2): error TS1: Gone.\n";
        let found = problems(folder.path(), output);
        assert_eq!(found[0].message, "Type 'number'\n  is not 'string'. (TS2322)");
        let place = found[0].place.as_ref().expect("it has one");
        assert_eq!(
            (&place.file.text()[place.start..place.end], found[0].location()),
            ("b", (Some("a.ts"), Some((2, 13))))
        );
        assert_eq!(found[1].location(), (Some("gone.ts:1:2"), None));
        let many = "a.ts(1,1): error TS1: m\n".repeat(PROBLEMS_MAX + 3);
        assert!(problems(folder.path(), &many).last().is_some_and(|problem| problem.message.contains("3 more")));
    }

    #[test]
    fn offsets_are_held_to_the_text() {
        let check = |line, column, expected| assert_eq!(offset("äb\ncd", line, column), expected, "{line}:{column}");
        check(1, 1, Some(0));
        check(1, 2, Some(2));
        check(1, 99, Some(3));
        check(2, 2, Some(5));
        check(2, 99, Some(6));
        check(3, 1, None);
        check(0, 1, None);
    }
}
