//! Commands of cargo's that are no part of Rust: each in the one version that is known to work, installed in the cache folder when it is first needed.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{cargo, exists, run};
use crate::engine_inputs::cache_dir;

/// A crate with a program `cargo-NAME`.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// Where programs are found, this one among them: a value for `PATH`.
    ///
    /// # Errors
    /// When it cannot be installed.
    pub(crate) fn path(&self, repository: &Path) -> Result<OsString> {
        let Self { name, version } = self;
        let root = cache_dir().join("tools").join(format!("{name}-{version}"));
        let programs = root.join("bin");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(std::iter::once(programs.clone()).chain(env::split_paths(&path)))
            .context("the cache folder cannot be a part of PATH")?;
        let subcommand = name.trim_start_matches("cargo-");
        if !exists(programs.join(name), &[subcommand, "--version"]) {
            eprintln!("xtask: installing {name} {version}, which takes some minutes");
            let mut install = cargo(repository);
            install.args(["install", "-j2", "--locked", "--root"]).arg(&root).arg(format!("{name}@{version}"));
            // It is built in a folder that goes away.
            run(install.env_remove("CARGO_TARGET_DIR")).with_context(|| format!("{name} cannot be installed"))?;
        }
        Ok(path)
    }
}
