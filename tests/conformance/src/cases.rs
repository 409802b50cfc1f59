//! Lists of this repository: what is not run, and what is known to fail, each with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// A list of names with reasons: `NAME REASON` a line, `#` begins a comment.
#[derive(Debug, Default)]
pub(crate) struct Listed(BTreeMap<String, String>);

impl Listed {
    /// Reads a list.
    ///
    /// # Errors
    /// When it cannot be read, a name is listed twice, or has no reason.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut names = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, reason)) = line.split_once(char::is_whitespace) else {
                bail!("line {number}: {line} has no reason");
            };
            let known = names.insert(name.to_owned(), reason.trim().to_owned());
            ensure!(known.is_none(), "line {number}: {name} is listed twice");
        }
        Ok(Self(names))
    }

    /// The reason, if the name is listed.
    pub(crate) fn reason(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The reason of the first entry that the name matches: an entry with `*` matches whatever is in its place.
    pub(crate) fn matching(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(pattern, _)| matches(pattern, name)).map(|(_, reason)| reason.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))),
    }
}

/// `wpt-expected.json`: subtests that are known to fail.
#[derive(Debug, Deserialize)]
pub(crate) struct ExpectedSubtests {
    format: u32,
    pub(crate) expected: Vec<ExpectedSubtest>,
}

/// One of them, or with the subtest `*` all that fail in its test.
#[derive(Debug, Deserialize)]
pub(crate) struct ExpectedSubtest {
    /// Path in the checkout, with or without a variant.
    pub(crate) test: String,
    pub(crate) subtest: String,
    pub(crate) reason: String,
}

impl ExpectedSubtests {
    /// Reads the list; a missing one is empty.
    ///
    /// # Errors
    /// When it is malformed.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self { format: 1, expected: Vec::new() });
        }
        let text = std::fs::read_to_string(path)?;
        let list: Self = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        ensure!(list.format == 1, "{}: format {} is not known", path.display(), list.format);
        if let Some(bare) = list.expected.iter().find(|one| one.reason.trim().is_empty()) {
            bail!("{}: {} has no reason", path.display(), bare.test);
        }
        Ok(list)
    }

    /// The index of the entry that a failure belongs to; one with the subtest's name comes before `*`.
    pub(crate) fn entry(&self, test: &str, subtest: &str) -> Option<usize> {
        let without_variant = test.split('?').next().unwrap_or(test);
        let find = |named: bool| {
            self.expected.iter().position(|one| {
                (one.test == test || one.test == without_variant)
                    && if named { one.subtest == subtest } else { one.subtest == "*" }
            })
        };
        find(true).or_else(|| find(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_names_with_reasons() {
        let list = Listed::parse("# why\n\na/b.js   it is so\nc/*.js another\n").expect("it is sound");
        assert_eq!((list.reason("a/b.js"), list.reason("c")), (Some("it is so"), None));
        assert_eq!((list.matching("c/d/e.js"), list.matching("c/d/e.ts")), (Some("another"), None));
        assert!(Listed::parse("a").is_err());
        assert!(Listed::parse("a 1\na 2").is_err());
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b*", "abc", true),
            ("*.sub.any.js", "x/y.sub.any.js", true),
            ("*b", "abc", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn expected_subtests_are_found_by_name_before_star() {
        let json = r#"{"format":1,"expected":[
            {"test":"a.any.js","subtest":"*","reason":"r"},{"test":"a.any.js?1","subtest":"one","reason":"r"}]}"#;
        let list: ExpectedSubtests = serde_json::from_str(json).expect("it is sound");
        let entry = |test, subtest| list.entry(test, subtest);
        assert_eq!(
            (entry("a.any.js?1", "one"), entry("a.any.js?2", "one"), entry("b.any.js", "one")),
            (Some(1), Some(0), None)
        );
    }
}
