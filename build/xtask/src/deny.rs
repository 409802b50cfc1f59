//! `cargo xtask deny`: what this project depends on is what deny.toml allows: licences, sources, crates that must not be there or not twice.
//!
//! Advisories are left out: their database is fetched, and is another one each day. `cargo deny check advisories` asks for them.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{cargo, run};
use crate::tools::Tool;

const TOOL: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Each with a lock file of its own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "guest-js/engine/Cargo.toml"];

/// Checks both trees of dependencies.
pub(crate) fn check(repository: &Path) -> Result<()> {
    let path = TOOL.path(repository)?;
    for manifest in MANIFESTS {
        let mut check = cargo(repository);
        check.args(["deny", "--locked", "--log-level", "error", "--manifest-path", manifest, "--config", "deny.toml"]);
        check.args(["check", "bans", "licenses", "sources"]).env("PATH", &path);
        run(&mut check).with_context(|| format!("{manifest} depends on what deny.toml does not allow"))?;
    }
    Ok(())
}
