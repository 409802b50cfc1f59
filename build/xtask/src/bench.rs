//! `cargo xtask bench [FOLDER]`: every figure the project quotes, measured in one run against native QuickJS.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, run, target_dir};
use crate::engine;

/// Builds the command and the benchmark, in the same profile as everything else, and prints the tables. `folder` holds further
/// applets, each `NAME.js` (defining `handle(text) -> text`) with its input `NAME.json`, and scripts without an input (defining `run(n)`).
pub(crate) fn report(repository: &Path, folder: Option<&str>) -> Result<()> {
    engine::build(repository)?;
    run(cargo(repository).args(["build", "-j2", "--locked", "--workspace", "--bins"]))?;
    let bin = target_dir()?.join("debug");
    let mut bench = Command::new(bin.join("belljar-bench"));
    bench.arg("report").args(folder).env("BELLJAR_BIN", bin.join("belljar")).current_dir(repository);
    run(&mut bench)?;
    for rest in [&["server"][..], &["many", "10000"], &["soak", "1000000"]] {
        run(Command::new(bin.join("belljar-bench"))
            .args(rest)
            .env("BELLJAR_BIN", bin.join("belljar"))
            .current_dir(repository))?;
    }
    Ok(())
}
