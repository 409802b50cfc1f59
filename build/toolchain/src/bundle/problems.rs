//! From the bundler's diagnostics to ours: the author's file, line and column, and what to do.

use std::path::{Path, PathBuf};

use rolldown_error::{
    BuildDiagnostic, DiagnosableArcstr, DiagnosableResolveError, DiagnosticOptions, EventKind, Severity,
};

use super::{Target, fence::Fence, node_builtins, portable, specifier::package_name};
use crate::diagnostic::{Problem, SourceFile, nearest};

/// Longest import chain shown.
const CHAIN_MAX: usize = 12;

/// Translates diagnostics of one build.
pub(crate) struct Translator<'a> {
    /// The applet's folder, canonical.
    pub(crate) folder: &'a Path,
    /// The entry's id: its file, absolute, or that of a generated module.
    pub(crate) entry: &'a str,
    pub(crate) fence: &'a Fence,
    /// Where the bundle runs.
    pub(crate) target: &'a Target,
}

impl Translator<'_> {
    /// What a diagnostic means for the author; `None` for what is not worth a word.
    pub(crate) fn translate(&self, mut diagnostic: BuildDiagnostic) -> Option<Problem> {
        let kind = diagnostic.kind();
        match kind {
            // A warning for the bundler, which would leave the import in; nothing could answer it in a sandbox.
            EventKind::UnresolvedImport | EventKind::ResolveError => {
                let specifier = diagnostic.exporter().unwrap_or_default();
                let error: &mut DiagnosableResolveError = diagnostic.downcast_mut()?;
                Some(self.unresolved(&specifier, error, matches!(kind, EventKind::ResolveError)))
            }
            EventKind::UnloadableDependencyError => Some(self.unloadable(&diagnostic)),
            EventKind::ParseError => Some(self.at_place(&diagnostic, "bundle.syntax", true)),
            EventKind::JsonParseError => {
                let mut problem = self.at_place(&diagnostic, "bundle.json", true);
                // The parser's own words repeat the place.
                if let Some(cut) = problem.message.find(" at line ") {
                    problem.message.truncate(cut);
                }
                Some(problem)
            }
            EventKind::MissingExportError => Some(self.at_place(&diagnostic, "bundle.missing-export", true)),
            EventKind::TsConfigError => Some(self.at_place(&diagnostic, "bundle.tsconfig", true)),
            EventKind::ImportIsUndefined
            | EventKind::CommonJsVariableInEsm
            | EventKind::CannotCallNamespace
            | EventKind::UnsupportedTsconfigOption
            | EventKind::Eval
                if diagnostic.severity() != Severity::Error =>
            {
                let problem = self.at_place(&diagnostic, "bundle.suspicious", false);
                let packaged = problem.location().0.is_some_and(|file| file.contains("node_modules/"));
                (!packaged).then_some(problem)
            }
            _ if diagnostic.severity() == Severity::Error => Some(self.at_place(&diagnostic, "bundle.failed", true)),
            _ => None,
        }
    }

    fn unresolved(&self, specifier: &str, error: &DiagnosableResolveError, refused: bool) -> Problem {
        let importer = Path::new(error.importer_id.as_str());
        let mut problem;
        if let Some(advice) = node_builtins::advice(specifier).filter(|_| *self.target == Target::Sandbox) {
            problem = Problem::error(
                "bundle.node-import",
                format!("'{specifier}' is a module of Node, which a sandbox does not have"),
            )
            .with_help(advice);
        } else {
            let reason = if refused { format!(": {}", error.reason.to_lowercase()) } else { String::new() };
            problem = Problem::error("bundle.unresolved-import", format!("'{specifier}' cannot be found{reason}"))
                .with_help(self.unresolved_help(specifier, importer));
        }
        let chain = self.fence.chain(self.entry, error.importer_id.as_str());
        if chain.len() > 1 {
            let shown: Vec<&str> = chain.iter().rev().take(CHAIN_MAX).map(String::as_str).collect();
            let help = problem.help.take().unwrap_or_default();
            problem.help = Some(format!("{help}\nimported by {}", shown.join("\n  which is imported by ")));
        }
        let file = SourceFile::new(portable::name(self.folder, importer), error.source.as_str());
        match &error.importee {
            DiagnosableArcstr::Span(span) if span.end > span.start => {
                problem.at(&file, span.start as usize, span.end as usize, "imported here")
            }
            _ => problem.in_file(file.path()),
        }
    }

    fn unresolved_help(&self, specifier: &str, importer: &Path) -> String {
        if specifier.ends_with("/jsx-runtime") || specifier.ends_with("/jsx-dev-runtime") {
            let package = specifier.split("/jsx-").next().unwrap_or(specifier);
            return format!(
                "JSX needs it: install '{package}', or name another library with 'compilerOptions.jsxImportSource' in tsconfig.json"
            );
        }
        if specifier == "bun" || specifier.starts_with("bun:") {
            return "this is a module of Bun: declare 'runtime.engine: bun'".to_owned();
        }
        if let Some((scheme @ ("npm" | "jsr"), _)) = specifier.split_once(':') {
            return format!(
                "install the package and import it by its name: a bundle never downloads code, as '{scheme}:' would"
            );
        }
        if !specifier.starts_with(['.', '/', '#']) {
            let package = package_name(specifier).unwrap_or(specifier);
            return format!("install the package in the applet's folder, for example with 'npm install {package}'");
        }
        let folder = importer.parent().unwrap_or(self.folder);
        let wanted = portable::normal(&folder.join(specifier));
        let siblings: Vec<String> = wanted
            .parent()
            .filter(|parent| parent.starts_with(self.folder))
            .and_then(|parent| parent.read_dir().ok())
            .into_iter()
            .flatten()
            .take(1000)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        let mut names: Vec<&str> = siblings.iter().map(String::as_str).collect();
        names.sort_unstable();
        let written = wanted.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Imports usually leave the extension out, so names are compared without it.
        let stem = |name: &'_ str| name.split('.').next().unwrap_or_default().to_owned();
        let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
        let near = nearest(&stem(&written), &stems.iter().map(String::as_str).collect::<Vec<_>>());
        match near.and_then(|near| names.iter().zip(&stems).find(|(_, stem)| *stem == near)) {
            Some((name, stem)) => {
                let folder = specifier.strip_suffix(&written).unwrap_or_default();
                let name = if written.contains('.') { name } else { stem.as_str() };
                format!("check the path; did you mean '{folder}{name}'?")
            }
            None => "check the path: it is relative to the importing file".to_owned(),
        }
    }

    fn unloadable(&self, diagnostic: &BuildDiagnostic) -> Problem {
        let message = self.message(diagnostic);
        match self.fence.problem(&message) {
            // What the fence found inside a file already has its place.
            Some(problem) if problem.place.is_some() => problem,
            Some(problem) => self.place(diagnostic, problem),
            None => self.place(diagnostic, Problem::error("bundle.unreadable", self.scrub(&message))),
        }
    }

    fn at_place(&self, diagnostic: &BuildDiagnostic, code: &'static str, error: bool) -> Problem {
        let message = self.scrub(&self.message(diagnostic));
        let message = message.trim_end_matches('.').to_owned();
        let problem = if error { Problem::error(code, message) } else { Problem::notice(code, message) };
        self.place(diagnostic, problem)
    }

    fn options(&self) -> DiagnosticOptions {
        DiagnosticOptions { cwd: self.folder.to_owned() }
    }

    fn message(&self, diagnostic: &BuildDiagnostic) -> String {
        diagnostic.to_message_with(&self.options())
    }

    /// Takes the machine's own paths out of a message.
    fn scrub(&self, message: &str) -> String {
        let folder = self.folder.to_string_lossy();
        message.replace(&format!("{folder}/"), "").replace(&*folder, ".")
    }

    /// Adds the place the diagnostic names, if the file can still be read.
    fn place(&self, diagnostic: &BuildDiagnostic, problem: Problem) -> Problem {
        let located = diagnostic.to_diagnostic_with(&self.options()).get_primary_location();
        let Some((file, _, _, utf16)) = located else {
            return match diagnostic.id() {
                Some(id) if Path::new(&id).is_absolute() => {
                    problem.in_file(portable::name(self.folder, Path::new(&id)))
                }
                _ => problem,
            };
        };
        let path: PathBuf = self.folder.join(&file);
        let name = portable::name(self.folder, &path);
        let Ok(text) = std::fs::read_to_string(&path) else { return problem.in_file(name) };
        let start = byte_offset(&text, utf16);
        let end = start + token_length(&text[start..]);
        problem.at(&SourceFile::new(name, text), start, end, "here")
    }
}

/// The byte at an offset in UTF-16 units.
fn byte_offset(text: &str, utf16: usize) -> usize {
    let mut units = 0;
    for (index, character) in text.char_indices() {
        if units >= utf16 {
            return index;
        }
        units += character.len_utf16();
    }
    text.len()
}

/// Bytes of the word, the quoted text or the one character a text starts with.
fn token_length(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    if matches!(first, '"' | '\'') {
        let line = text.lines().next().unwrap_or_default();
        return line[1..].find(first).map_or(1, |end| end + 2);
    }
    if !first.is_alphanumeric() && first != '_' && first != '$' {
        return first.len_utf8();
    }
    text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_utf16_become_bytes() {
        let check =
            |text: &str, utf16: usize, expected: usize| assert_eq!(byte_offset(text, utf16), expected, "{text}");
        check("abc", 2, 2);
        check("äbc", 2, 3);
        check("😀bc", 2, 4);
        check("ab", 9, 2);
    }

    #[test]
    fn tokens() {
        let check = |text: &str, expected: usize| assert_eq!(token_length(text), expected, "{text}");
        check("'a b' c", 5);
        check("'open", 1);
        check("name(", 4);
        check("}", 1);
        check("", 0);
    }
}
