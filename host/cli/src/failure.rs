//! What a command answers when it fails: an exit code, a stable name for programs, a message and what to do. Faults of applets are
//! not failures of commands; they are in `present`.

use belljar::{CatalogError, HostError};
use belljar_build::{BuildError, Problem};

use crate::exit_codes;

/// A command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One of [`exit_codes`].
    pub(crate) exit: i32,
    /// A stable name, as faults have one.
    pub(crate) code: &'static str,
    /// What, where, why.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// What is wrong with the author's files, if that is it.
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    /// A failure with exit code 1.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: exit_codes::FAILED, code, message: message.into(), hint: None, problems: Vec::new() }
    }

    /// The command line asks for what does not go together.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", message).exiting(exit_codes::USAGE)
    }

    /// With another exit code.
    pub(crate) fn exiting(mut self, exit: i32) -> Self {
        self.exit = exit;
        self
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new("failed", format!("{error:#}"))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self { problems: error.problems().to_vec(), ..Self::new("build", error.to_string()) }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Package(reason) => Self::new("corrupt-package", chain(&reason))
                .exiting(exit_codes::CORRUPT_PACKAGE)
                .hint("build it again with `belljar build DIR`, or copy it again from where it came"),
            other => Self::new("failed", chain(&other)),
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let hint = match &error {
            HostError::Cache(_) => Some("set BELLJAR_CACHE to a folder that only you can use (mode 0700)"),
            HostError::Data { .. } => Some("choose another folder with --data-dir"),
            HostError::Sandbox(_) => Some("`belljar doctor` tells what this machine lacks"),
            HostError::Http(_) | HostError::Capability { .. } => None,
        };
        Self { hint: hint.map(Into::into), ..Self::new("host", chain(&error)) }
    }
}

/// An error and all its causes on one line, none twice: transparent errors repeat theirs.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        source = cause.source();
    }
    text
}
