//! `cargo xtask conformance`: runs the suites of tests/conformance, which write docs/compat.md.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, run, target_dir};
use crate::engine;

/// Builds and runs `belljar-compat`; `args` are its own. Without any, all suites are run.
pub(crate) fn run_suites(repository: &Path, args: &[&str]) -> Result<()> {
    engine::build(repository)?;
    run(cargo(repository).args(["build", "-j2", "--locked", "--workspace", "--bins"]))?;
    let mut suites = Command::new(target_dir()?.join("debug/belljar-compat"));
    let args = if args.is_empty() { &["all"] } else { args };
    run(suites.args(args))
}
