//! `cargo xtask semver`: what embedders would notice. cargo-semver-checks compares the public API of the library with that of the last release,
//! a tag `v…`; until there is one, with where this branch left main, and then it tells without failing: before a release nothing is promised.
//!
//! It documents the crate twice, with all it depends on, which takes minutes: so it is part of `cargo xtask ci` and not of `cargo xtask test`. `.ci/run`
//! does it once there is a release.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::command::{cargo, output, run};
use crate::engine;
use crate::tools::Tool;

/// The version that knows what this Rust's rustdoc writes (its format 57, of 1.95).
const TOOL: Tool = Tool { name: "cargo-semver-checks", version: "0.51.0" };
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

/// Compares. The tool is installed in the cache folder, if it is not there.
pub(crate) fn run_checks(repository: &Path) -> Result<()> {
    let git = |args: &[&str]| {
        output(Command::new("git").current_dir(repository).args(args)).ok().map(|text| text.trim().to_owned())
    };
    let Some(baseline) = baseline(&git) else {
        eprintln!("xtask: skipped: there is no release and no main to compare the API with");
        return Ok(());
    };
    let path = TOOL.path(repository)?;
    // The baseline's sources have an engine of their own, which the API does not depend on.
    let engine = engine::build(repository)?;
    let (revision, is_binding) = match &baseline {
        Baseline::Release(tag) => (tag, true),
        Baseline::Commit(commit) => (commit, false),
    };
    eprintln!("xtask: comparing the public API with that of {revision}");
    let mut check = cargo(repository);
    check.args(["semver-checks", "check-release", "--default-features", "--baseline-rev", revision]);
    check.args(CRATES.iter().flat_map(|name| ["--package", name])).env("BELLJAR_ENGINE_DIR", engine).env("PATH", path);
    // Both sides are written to the same file. Cargo does not notice that the one it finds there is the other side's, so it must not find either fresh.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    check.env("RUSTDOCFLAGS", format!("--cfg belljar_semver_{now}"));
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
