//! `cargo xtask ci`: what a change must pass before it is merged, cheapest first.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{cargo, run};
use crate::{deny, engine, portability, semver, test, tidy};

/// Tidy, dependencies, lints, documentation, other systems, the public API, tests.
pub(crate) fn run_all(repository: &Path) -> Result<()> {
    tidy::run(repository)?;
    deny::check(repository)?;
    // The core embeds the engine: without one, it does not compile.
    engine::build(repository)?;
    run(cargo(repository).args(["clippy", "-j2", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
        .context("clippy has something to say")?;
    let mut document = cargo(repository);
    document.args(["doc", "-j2", "--workspace", "--lib", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    run(&mut document).context("the documentation of the crates has links that lead nowhere")?;
    portability::check(repository)?;
    semver::run_checks(repository)?;
    test::run(repository, test::Extent::All)
}
