//! Uses of `Intl`, and of the methods that follow a locale, that the sandbox cannot serve, seen in the sources that a bundle was made of. It
//! knows text, not syntax: what it finds is a notice, because a library may look before it uses.

use crate::diagnostic::{Problem, SourceFile};

/// What ECMA-402 has and the sandbox has not.
const MISSING: [&str; 4] = ["DisplayNames", "DurationFormat", "Locale", "Segmenter"];
/// Constructors whose first argument names locales.
const CONSTRUCTORS: [&str; 6] =
    ["Collator", "DateTimeFormat", "ListFormat", "NumberFormat", "PluralRules", "RelativeTimeFormat"];
/// Methods that follow a locale, the argument that names it, and what they do where no locale is declared.
const METHODS: [(&str, usize, &str); 4] = [
    ("toLocaleString", 0, "follows no locale's conventions"),
    ("toLocaleDateString", 0, "follows no locale's conventions"),
    ("toLocaleTimeString", 0, "follows no locale's conventions"),
    ("localeCompare", 1, "compares by code points"),
];

const NO_LOCALES_HELP: &str =
    "add them, such as 'runtime: { locales: [en, de-AT] }': an applet without has no Intl, and no locale's conventions";

/// `source_map` names the sources and holds their text; `locales` are those that the manifest declares.
pub(crate) fn notices(code: &str, source_map: &str, locales: &[&str]) -> Vec<Problem> {
    // Sources are looked at only when something of it has come through into the bundle.
    if !["Intl.", ".toLocale", ".localeCompare"].iter().any(|used| code.contains(used)) {
        return Vec::new();
    }
    let Ok(map) = serde_json::from_str::<serde_json::Value>(source_map) else { return Vec::new() };
    let texts = |key: &str| map.get(key).and_then(|list| list.as_array()).cloned().unwrap_or_default();
    let mut found = Found { locales, told: Vec::new(), problems: Vec::new() };
    for (name, text) in texts("sources").iter().zip(texts("sourcesContent").iter()) {
        let (Some(name), Some(text)) = (name.as_str(), text.as_str()) else { continue };
        let file = SourceFile::new(name, text);
        found.missing(code, &file);
        // Packages often ask first whether there is an Intl, and are not the author's to change.
        if !name.contains("node_modules/") {
            found.undeclared(code, &file);
        }
    }
    found.problems
}

struct Found<'a> {
    locales: &'a [&'a str],
    /// What has been told, so that each thing is told once.
    told: Vec<String>,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn is_new(&mut self, what: &str) -> bool {
        let new = !self.told.iter().any(|told| told == what);
        if new {
            self.told.push(what.to_owned());
        }
        new
    }

    /// Uses of what is not there, whoever's they are: once for each file.
    fn missing(&mut self, code: &str, file: &SourceFile) {
        for member in MISSING {
            let used = format!("Intl.{member}");
            if let Some(at) = uses(file.text(), &used).next().filter(|_| code.contains(&used)) {
                let problem = Problem::notice("bundle.intl-missing", format!("{used} is not in the sandbox"))
                    .with_help("an applet that needs it runs on a process engine (runtime.engine: node, bun or deno)");
                self.problems.push(problem.at(file, at, at + used.len(), "not there"));
            }
        }
    }

    /// The author's uses that the manifest's locales do not cover.
    fn undeclared(&mut self, code: &str, file: &SourceFile) {
        let text = file.text();
        if self.locales.is_empty()
            && let Some(at) = uses(text, "Intl.").next().filter(|_| code.contains("Intl."))
            && self.is_new("Intl")
        {
            let problem = Problem::notice("bundle.no-locales", "Intl is used, and the manifest declares no locales")
                .with_help(NO_LOCALES_HELP);
            self.problems.push(problem.at(file, at, at + 4, "not defined"));
        }
        for (method, argument, without) in METHODS {
            let used = format!(".{method}(");
            if !code.contains(&used) {
                continue;
            }
            for at in uses(text, &used) {
                if self.locales.is_empty() {
                    if self.is_new(method) {
                        let message = format!("{method} {without}: the manifest declares no locales");
                        let problem = Problem::notice("bundle.no-locales", message).with_help(NO_LOCALES_HELP);
                        self.problems.push(problem.at(file, at + 1, at + used.len() - 1, "the same everywhere"));
                    }
                    break;
                }
                self.asked(file, at + used.len(), argument);
            }
        }
        for constructor in CONSTRUCTORS {
            let used = format!("Intl.{constructor}(");
            if !self.locales.is_empty() && code.contains(&used) {
                for at in uses(text, &used) {
                    self.asked(file, at + used.len(), 0);
                }
            }
        }
    }

    /// The locales that an argument names in so many words; `arguments` is where they begin.
    fn asked(&mut self, file: &SourceFile, arguments: usize, argument: usize) {
        for (at, tag) in literals(file.text(), arguments, argument) {
            let Some(canonical) = belljar_intl::canonical(tag) else { continue };
            // A declared locale stands for narrower ones, and meets wider ones (host/intl, negotiation).
            let narrower = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'));
            let is_served = |declared: &&str| {
                *declared == canonical || narrower(&canonical, declared) || narrower(declared, &canonical)
            };
            if !self.locales.iter().any(is_served) && self.is_new(&format!("locale {canonical}")) {
                let message = format!("the locale '{tag}' is asked for, and the manifest does not declare it");
                let help = format!("add it to runtime.locales; without it the answer is in '{}'", self.locales[0]);
                let problem = Problem::notice("bundle.undeclared-locale", message).with_help(help);
                self.problems.push(problem.at(file, at, at + tag.len(), "not declared"));
            }
        }
    }
}

/// Places of what is a name of its own (or a member, when it begins with a dot) and not in a comment's line.
fn uses<'a>(text: &'a str, used: &'a str) -> impl Iterator<Item = usize> + 'a {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    text.match_indices(used).map(|(at, _)| at).filter(move |at| {
        let (before, after) = (&text[..*at], &text[at + used.len()..]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let comment = line.contains("//") || line.trim_start().starts_with('*') || line.contains("/*");
        let begins = used.starts_with('.') || !before.ends_with(|c: char| name(c) || c == '.');
        let ends = used.ends_with(['.', '(']) || !after.starts_with(name);
        begins && ends && !comment
    })
}

/// Texts that stand in an argument as such, alone or in a list, with their places. Nothing when the argument is anything else.
fn literals(text: &str, arguments: usize, argument: usize) -> Vec<(usize, &str)> {
    let Some(mut at) = skip_arguments(text, arguments, argument) else { return Vec::new() };
    let list = text[at..].starts_with('[');
    let mut found = Vec::new();
    at += usize::from(list);
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let Some(quote) = text[at..].chars().next().filter(|c| matches!(c, '\'' | '"')) else { break };
        let Some(length) = text[at + 1..].find([quote, '\n']) else { break };
        found.push((at + 1, &text[at + 1..at + 1 + length]));
        at += length + 2;
        match text.get(at..).map(str::trim_start).and_then(|rest| rest.chars().next()) {
            Some(',') if list => at += text[at..].find(',').map_or(0, |comma| comma + 1),
            _ => break,
        }
    }
    found
}

/// Where an argument begins, `skipped` arguments on; commas within brackets and quotes do not count.
fn skip_arguments(text: &str, from: usize, skipped: usize) -> Option<usize> {
    let (mut left, mut depth, mut quote) = (skipped, 0_u32, None);
    let start = |at: usize| at + text[at..].len() - text[at..].trim_start().len();
    if skipped == 0 {
        return Some(start(from));
    }
    for (index, c) in text[from..].char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                left -= 1;
                if left == 0 {
                    return Some(start(from + index + 1));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, locales: &[&str], expected: &[&str]) {
        let map = serde_json::json!({ "sources": ["src/main.ts"], "sourcesContent": [text] }).to_string();
        let found: Vec<_> = notices(text, &map, locales).into_iter().map(|problem| problem.message).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_is_not_there_is_told() {
        let missing = |name: &str| format!("Intl.{name} is not in the sandbox");
        for member in MISSING {
            check(&format!("new Intl.{member}('en')"), &["en"], &[&missing(member)]);
        }
        check("new Intl.NumberFormat('en')", &["en"], &[]);
        check("Intl.LocaleMatcher", &["en"], &[]);
        check("my.Intl.Segmenter; // Intl.Segmenter\n/* Intl.Segmenter */", &["en"], &[]);
        check("myIntl.Segmenter", &[], &[]);
    }

    #[test]
    fn locales_that_are_not_declared_are_told() {
        let undeclared = |tag: &str| format!("the locale '{tag}' is asked for, and the manifest does not declare it");
        check("new Intl.NumberFormat('fr')", &["en"], &[&undeclared("fr")]);
        check("new Intl.NumberFormat('fr'), n.toLocaleString(\"fr\")", &["en"], &[&undeclared("fr")]);
        check("n.toLocaleString([ 'en', 'it' , \"fr\"], {})", &["en"], &[&undeclared("it"), &undeclared("fr")]);
        check("a.localeCompare(f(b, 'x'), 'sv')", &["en"], &[&undeclared("sv")]);
        for served in ["'de'", "'de-AT'", "'DE-at'", "'de-AT-u-nu-latn'", "locale", "", "[]", "['de'"] {
            check(&format!("d.toLocaleDateString({served})"), &["de-AT"], &[]);
        }
        check("a.localeCompare(b)", &["en"], &[]);
        check("a.localeCompare('b, c')", &["en"], &[]);
    }

    #[test]
    fn an_applet_without_locales_is_told_what_it_gets() {
        check("Intl.NumberFormat('en')", &[], &["Intl is used, and the manifest declares no locales"]);
        let text = "n.toLocaleString('de'); d.toLocaleString(); x.localeCompare(y)";
        let follows = "toLocaleString follows no locale's conventions: the manifest declares no locales";
        check(text, &[], &[follows, "localeCompare compares by code points: the manifest declares no locales"]);
        check("const toLocaleString = 1; toLocaleString(2)", &[], &[]);
    }

    #[test]
    fn packages_are_told_only_of_what_is_missing() {
        let text = "Intl.Segmenter; Intl.NumberFormat('fr'); n.toLocaleString('fr')";
        let map = serde_json::json!({ "sources": ["../node_modules/p/i.js"], "sourcesContent": [text] }).to_string();
        for locales in [&[][..], &["en"][..]] {
            let found = notices(text, &map, locales);
            assert_eq!(found.len(), 1, "{found:?}");
        }
    }
}
