//! Uses of `Intl` that the sandbox cannot serve, seen in the sources that a bundle was made of. It knows text, not syntax: what it finds is
//! a notice, because a library may look before it uses.

use crate::diagnostic::{Problem, SourceFile};

/// What ECMA-402 has and the sandbox has not.
const MISSING: [&str; 4] = ["DisplayNames", "DurationFormat", "Locale", "Segmenter"];

/// `source_map` names the sources and holds their text.
pub(crate) fn notices(code: &str, source_map: &str, has_locales: bool) -> Vec<Problem> {
    // Sources are looked at only when something of it has come through into the bundle.
    if !code.contains("Intl.") {
        return Vec::new();
    }
    let Ok(map) = serde_json::from_str::<serde_json::Value>(source_map) else { return Vec::new() };
    let texts = |key: &str| map.get(key).and_then(|list| list.as_array()).cloned().unwrap_or_default();
    let mut problems = Vec::new();
    let mut told = false;
    for (name, text) in texts("sources").iter().zip(texts("sourcesContent").iter()) {
        let (Some(name), Some(text)) = (name.as_str(), text.as_str()) else { continue };
        let file = SourceFile::new(name, text);
        for member in MISSING {
            let used = format!("Intl.{member}");
            if let Some(at) = first_use(text, &used).filter(|_| code.contains(&used)) {
                let problem = Problem::notice("bundle.intl-missing", format!("{used} is not in the sandbox"))
                    .with_help("an applet that needs it runs on a process engine (runtime.engine: node, bun or deno)");
                problems.push(problem.at(&file, at, at + used.len(), "not there"));
            }
        }
        // Packages often ask first whether there is an Intl; the author's own files are told, once.
        if !has_locales
            && !told
            && !name.starts_with("node_modules/")
            && let Some(at) = first_use(text, "Intl.")
        {
            told = true;
            let problem = Problem::notice("bundle.no-locales", "Intl is used, and the manifest declares no locales")
                .with_help("add them, such as 'runtime: { locales: [en, de-AT] }': an applet without has no Intl");
            problems.push(problem.at(&file, at, at + 4, "not defined"));
        }
    }
    problems
}

/// The first place that is a name of its own and not in a comment's line.
fn first_use(text: &str, used: &str) -> Option<usize> {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    text.match_indices(used).map(|(at, _)| at).find(|at| {
        let (before, after) = (&text[..*at], &text[at + used.len()..]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let comment = line.contains("//") || line.trim_start().starts_with('*') || line.contains("/*");
        let whole =
            !before.ends_with(|c: char| name(c) || c == '.') && (used.ends_with('.') || !after.starts_with(name));
        whole && !comment
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, has_locales: bool, expected: &[&str]) {
        let map = serde_json::json!({ "sources": ["src/main.ts"], "sourcesContent": [text] }).to_string();
        let found: Vec<_> = notices(text, &map, has_locales).into_iter().map(|problem| problem.message).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn uses_are_seen() {
        let undeclared = "Intl is used, and the manifest declares no locales";
        check("new Intl.Segmenter('en')", true, &["Intl.Segmenter is not in the sandbox"]);
        check("new Intl.NumberFormat('en')", true, &[]);
        check("new Intl.NumberFormat('en')", false, &[undeclared]);
        check("Intl.LocaleMatcher", true, &[]);
        check("my.Intl.Segmenter; // Intl.Segmenter\n/* Intl.Segmenter */", true, &[]);
        check("myIntl.Segmenter", false, &[]);
    }
}
