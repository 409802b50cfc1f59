//! The real `belljar` command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The command's binary: `BELLJAR_BIN` as `cargo xtask test` sets it, else built now.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("BELLJAR_BIN") {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "BELLJAR_BIN names {}, which is no file", path.display());
            return path;
        }
        // This test is `TARGET/PROFILE/deps/NAME`.
        let test = std::env::current_exe().expect("this process has a file");
        let profile = test.ancestors().nth(2).expect("a target directory");
        let target = profile.parent().expect("a target directory");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "-j2", "--package", "belljar-cli", "--bin", "belljar", "--target-dir"])
            .arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.current_dir(crate::repository()).status().expect("cargo starts");
        assert!(status.success(), "the command cannot be built");
        profile.join("belljar")
    })
}

/// Runs the command to its end, with nothing on its standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Ran {
    let mut command = Command::new(binary());
    command.args(args).env("NO_COLOR", "1").stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command prints UTF-8");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// What a run of the command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// The one JSON object of `--json`.
    ///
    /// # Panics
    /// When standard output is something else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON value ({error}): {self:#?}"))
    }
}
