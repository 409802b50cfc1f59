//! npm packages: each has a script that uses it, built as an applet and run in the sandbox, and run in Node; both must print the same.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::options::Options;
use crate::results::Verdict;

/// What a whole run found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) engine: String,
    pub(crate) node: String,
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What is wrong, if something is.
    pub(crate) problem: Option<String>,
}

impl Report {
    pub(crate) fn passed(&self) -> usize {
        self.packages.iter().filter(|one| one.problem.is_none()).count()
    }
}

pub(crate) fn run(_: &Options) -> Result<Verdict> {
    eprintln!("conformance: npm: skipped: there are no scripts");
    Ok(Verdict::Good)
}
