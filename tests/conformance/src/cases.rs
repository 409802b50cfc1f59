//! Lists of this repository: what is known to fail, each with its reason.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use belljar_conformance::Listed;
use serde::Deserialize;

/// Reads a list of names with reasons.
///
/// # Errors
/// When it cannot be read, a name is listed twice, or has no reason.
pub(crate) fn listed(path: &Path) -> Result<Listed> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Listed::parse(&text).map_err(|problem| anyhow!("{}: {problem}", path.display()))
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
