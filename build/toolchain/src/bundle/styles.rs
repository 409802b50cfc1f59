//! The stylesheet of a page: the `.css` files that its modules import for nothing but their effect (`import './page.css'`), one after the
//! other as the imports are executed. A `.css` file that is imported by a name stays what it is everywhere: a text.

use std::{collections::BTreeSet, path::Path};

use super::{imports::ImportGraph, portable, specifier::import_offset};
use crate::diagnostic::{Problem, SourceFile};

/// Whether a text imports a specifier without a name for it.
pub(crate) fn is_bare(text: &str, specifier: &str) -> bool {
    import_offset(text, specifier).is_some_and(|at| text[..at].trim_end().ends_with("import"))
}

/// Joins the stylesheets that are reached from `entry`; `generated` gives the text of modules that are no files.
///
/// # Errors
/// What a stylesheet may not have, at its place.
pub(crate) fn join<'a>(
    folder: &Path,
    entry: &str,
    imports: &ImportGraph,
    generated: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, Problem> {
    let mut files = Vec::new();
    let mut visited = BTreeSet::new();
    // Depth first, each module once, as modules are executed.
    let mut stack = vec![entry.to_owned()];
    while let Some(id) = stack.pop() {
        if !visited.insert(id.clone()) {
            continue;
        }
        if is_stylesheet(&id) {
            files.push(id);
            continue;
        }
        let text = match generated(&id) {
            Some(text) => text.to_owned(),
            None => std::fs::read_to_string(&id).unwrap_or_default(),
        };
        let mut next: Vec<(usize, &str)> = imports
            .of(&id)
            .filter(|(target, specifier)| !is_stylesheet(target) || is_bare(&text, specifier))
            .map(|(target, specifier)| (import_offset(&text, specifier).unwrap_or(usize::MAX), target))
            .collect();
        next.sort_unstable();
        stack.extend(next.into_iter().rev().map(|(_, target)| target.to_owned()));
    }
    let mut joined = String::new();
    for file in files {
        let path = Path::new(&file);
        let name = portable::name(folder, path);
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::error("bundle.unreadable", format!("{name} cannot be read: {error}")))?;
        if let Some(at) = import_rule(&text) {
            let file = SourceFile::new(&name, text);
            return Err(Problem::error("bundle.css-import", "a stylesheet of a page cannot import another one")
                .with_help("import that file from the component instead, before this one: \"import './other.css'\"")
                .at(&file, at, at + "@import".len(), "here"));
        }
        joined.push_str(text.trim_start_matches('\u{feff}').trim_end());
        joined.push('\n');
    }
    Ok(joined)
}

pub(crate) fn is_stylesheet(id: &str) -> bool {
    id.ends_with(".css")
}

/// Where an `@import` rule stands, outside comments and strings.
fn import_rule(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b'/' if rest.starts_with(b"/*") => text[at + 2..].find("*/").map_or(rest.len(), |end| end + 4),
            quote @ (b'"' | b'\'') => {
                let mut end = 1;
                while end < rest.len() && rest[end] != quote && rest[end] != b'\n' {
                    end += if rest[end] == b'\\' { 2 } else { 1 };
                }
                end + 1
            }
            b'@' if rest.len() >= 7 && rest[..7].eq_ignore_ascii_case(b"@import") => return Some(at),
            _ => 1,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_without_a_name() {
        let check = |text: &str, expected: bool| assert_eq!(is_bare(text, "./a.css"), expected, "{text}");
        check("import './a.css';", true);
        check("import\n  \"./a.css\";", true);
        check("import text from './a.css';", false);
        check("import('./a.css');", false);
        check("require('./a.css');", false);
        check("'./a.css'", false);
    }

    #[test]
    fn import_rules() {
        let check = |text: &str, expected: Option<usize>| assert_eq!(import_rule(text), expected, "{text}");
        check("a {}\n@import 'x.css';", Some(5));
        check("@IMPORT url(x)", Some(0));
        check("/* @import */ a { content: '@import' }", None);
        check("a { content: 'it\\'s @import' }", None);
        check("/* open @import", None);
        check("ü { content: \"", None);
    }
}
