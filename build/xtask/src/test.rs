//! `cargo xtask test`: everything that can fail. The runner's own summary comes last.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{self, cargo, exists, target_dir};
use crate::{engine, engine_inputs, npm};

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    All,
    /// Without node and doctests.
    Quick,
}

/// Runs the tests.
pub(crate) fn run(repository: &Path, extent: Extent) -> Result<()> {
    engine::build(repository)?;
    if extent == Extent::All {
        web_platform(repository)?;
        npm::install(repository)?;
        npm::install_runtimes(repository)?;
    }
    // Command and tests in one go, so that both are built with the same features, once.
    eprintln!("xtask: building the command and the tests");
    command::run(cargo(repository).args(["build", "-j2", "--workspace", "--bins", "--tests", "--locked"]))?;
    if extent == Extent::All {
        eprintln!("xtask: doctests");
        command::run(cargo(repository).args(["test", "-j2", "--workspace", "--doc", "--locked", "--quiet"]))
            .context("a doctest failed")?;
    }
    let binary = target_dir()?.join("debug/belljar");
    let mut tests = cargo(repository);
    if exists("cargo-nextest", &["nextest", "--version"]) {
        tests.args(["nextest", "run", "--build-jobs", "2", "--workspace", "--locked", "--no-fail-fast"]);
    } else {
        eprintln!("xtask: cargo-nextest is not installed: running the tests with cargo test");
        tests.args(["test", "-j2", "--workspace", "--lib", "--bins", "--tests", "--locked", "--no-fail-fast"]);
    }
    command::run(tests.env("BELLJAR_BIN", binary)).context("some tests failed")
}

/// The tests of guest-js/web, on the bundle that goes into the engine, and of guest-js/test, on that and its own.
fn web_platform(repository: &Path) -> Result<()> {
    if !exists("node", &["--version"]) {
        eprintln!("xtask: skipped: the tests of guest-js/web run in node, which is not installed");
        return Ok(());
    }
    let bundle = engine_inputs::cache_dir().join("web-platform.js");
    // A cached engine comes without the bundle it was made of, or with another version's.
    engine::bundle(repository, "guest-js/web/src/main.ts", &bundle)?;
    eprintln!("xtask: the tests of guest-js/web");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=dot", "test/"]).current_dir(repository.join("guest-js/web"));
    command::run(node.env("BELLJAR_WEB_BUNDLE", &bundle)).context("a test of guest-js/web failed")?;
    let library = engine_inputs::cache_dir().join("test-library.js");
    engine::bundle(repository, "guest-js/test/src/whole.ts", &library)?;
    eprintln!("xtask: the tests of guest-js/test");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=dot", "test/"]).current_dir(repository.join("guest-js/test"));
    command::run(node.env("BELLJAR_WEB_BUNDLE", bundle).env("BELLJAR_TEST_BUNDLE", library))
        .context("a test of guest-js/test failed")
}
