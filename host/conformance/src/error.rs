//! Why a suite cannot be run at all. A test that cannot be read is no such reason: it is a failure of its own in the report.

use std::path::PathBuf;

use belljar::HostError;

use crate::checkout::Suite;

/// A suite cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder is no checkout of the suite.
    #[error("{} is no checkout of {suite}: {missing}", folder.display())]
    NoCheckout {
        /// The suite that was asked for.
        suite: Suite,
        /// The folder that was given.
        folder: PathBuf,
        /// What was looked for, and is not there.
        missing: String,
        /// What to do.
        hint: String,
    },
    /// No test is left to run.
    #[error("{} has no test of {suite}{}", folder.display(), whose(filters))]
    NothingChosen {
        /// The suite.
        suite: Suite,
        /// The checkout.
        folder: PathBuf,
        /// What names were to have.
        filters: Vec<String>,
    },
    /// A file or folder cannot be read or written.
    #[error("{} cannot be {done}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What was to be done with it: `read`, `written`.
        done: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A list of expectations is not one that this version writes.
    #[error("{} is no list of expectations: {problem}", path.display())]
    Expectations {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// A thread for programs cannot be set up.
    #[error("a runtime for programs cannot be started")]
    Runtime(#[source] std::io::Error),
    /// The host cannot be set up.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Error {
    pub(crate) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, done: "read", source }
    }

    pub(crate) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, done: "written", source }
    }

    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoCheckout { hint, .. } => Some(hint),
            Self::NothingChosen { .. } => {
                Some("a filter is a part of a test's path in the checkout, such as built-ins/Array/")
            }
            Self::Expectations { .. } => Some("write it anew with --write-expectations FILE"),
            Self::File { .. } | Self::Runtime(_) | Self::Host(_) => None,
        }
    }
}

fn whose(filters: &[String]) -> String {
    let filters: Vec<_> = filters.iter().map(|text| format!("{text:?}")).collect();
    if filters.is_empty() { " that is run".into() } else { format!(" whose path has {}", filters.join(" or ")) }
}
