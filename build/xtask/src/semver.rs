//! `cargo xtask semver`: what embedders would notice. cargo-semver-checks compares the public API of the library with that of the last release,
//! a tag `v…`; until there is one, with where this branch left main, and then it tells without failing: before a release nothing is promised.
//!
//! It documents the crate twice, with all it depends on, which takes minutes: so it is part of `cargo xtask ci` and not of `cargo xtask test`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{cargo, exists, output, run};
use crate::engine;

/// The version that knows what this Rust's rustdoc writes (its format 57, of 1.95).
const TOOL: &str = "cargo-semver-checks";
const TOOL_VERSION: &str = "0.51.0";
/// What embedders depend on.
const CRATES: [&str; 2] = ["belljar", "belljar-package"];

/// What the API is compared with.
#[derive(Debug, PartialEq, Eq)]
enum Baseline {
    /// The last release: a change that breaks must come with a version that says so.
    Release(String),
    /// A commit that was no release.
    Commit(String),
}

/// Compares, if the tool is installed.
pub(crate) fn run_checks(repository: &Path) -> Result<()> {
    if !exists(TOOL, &["semver-checks", "--version"]) {
        eprintln!(
            "xtask: skipped: {TOOL} is not installed; `cargo install --locked {TOOL}@{TOOL_VERSION}` installs it"
        );
        return Ok(());
    }
    let git = |args: &[&str]| {
        output(Command::new("git").current_dir(repository).args(args)).ok().map(|text| text.trim().to_owned())
    };
    let Some(baseline) = baseline(&git) else {
        eprintln!("xtask: skipped: there is no release and no main to compare the API with");
        return Ok(());
    };
    // The baseline's sources have an engine of their own, which the API does not depend on.
    let engine = engine::build(repository)?;
    let (revision, is_binding) = match &baseline {
        Baseline::Release(tag) => (tag, true),
        Baseline::Commit(commit) => (commit, false),
    };
    eprintln!("xtask: comparing the public API with that of {revision}");
    let mut check = cargo(repository);
    check.args(["semver-checks", "check-release", "--default-features", "--baseline-rev", revision]);
    check.args(CRATES.iter().flat_map(|name| ["--package", name])).env("BELLJAR_ENGINE_DIR", engine);
    match run(&mut check) {
        Err(error) if !is_binding => {
            eprintln!("xtask: {error:#}: told only, because nothing is released yet");
            Ok(())
        }
        done => done.context("the public API has changed in a way that needs another version"),
    }
}

/// Decides, by what git answers.
fn baseline(git: &dyn Fn(&[&str]) -> Option<String>) -> Option<Baseline> {
    if let Some(tag) = git(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]) {
        return Some(Baseline::Release(tag));
    }
    let head = git(&["rev-parse", "HEAD"])?;
    let left = ["origin/main", "main"].into_iter().find_map(|main| git(&["merge-base", "HEAD", main]));
    // On main itself: the change before.
    let commit = left.filter(|commit| *commit != head).or_else(|| git(&["rev-parse", "HEAD^"]))?;
    Some(Baseline::Commit(commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(known: &[(&str, &str)]) -> Option<Baseline> {
        baseline(&|args| {
            known.iter().find(|(asked, _)| args.join(" ").starts_with(asked)).map(|(_, answer)| (*answer).to_owned())
        })
    }

    #[test]
    fn a_release_comes_before_a_commit() {
        let (head, left) = (("rev-parse HEAD", "h"), ("merge-base HEAD main", "m"));
        assert_eq!(decided(&[("describe", "v1.2.3"), head, left]), Some(Baseline::Release("v1.2.3".into())));
        assert_eq!(decided(&[head, left]), Some(Baseline::Commit("m".into())));
        assert_eq!(
            decided(&[("rev-parse HEAD^", "p"), head, ("merge-base HEAD main", "h")]),
            Some(Baseline::Commit("p".into()))
        );
        assert_eq!(decided(&[]), None);
    }
}
