//! Running other programs.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs a command to its end, with its output on ours.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    ensure!(status.success(), "{name} failed: {status} (arguments: {:?})", command.get_args().collect::<Vec<_>>());
    Ok(())
}

/// Runs a command and takes what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed something that is not UTF-8"))
}
