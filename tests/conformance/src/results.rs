//! What is kept of a run in the cache folder: for `docs/compat.md`, and for whoever looks into a failure.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::options;

/// Whether everything was as it is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
}

impl Verdict {
    /// Good when both are.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == Self::Good { other } else { Self::Bad }
    }

    /// Good when there is nothing to complain about; what there is, is told.
    pub(crate) fn of(suite: &str, complaints: &[String]) -> Self {
        for complaint in complaints {
            eprintln!("conformance: {suite}: {complaint}");
        }
        if complaints.is_empty() { Self::Good } else { Self::Bad }
    }
}

/// Keeps a suite's results.
///
/// # Errors
/// When the cache folder cannot be written.
pub(crate) fn keep(name: &str, results: &impl Serialize) -> Result<PathBuf> {
    let path = options::cache().join(format!("{name}.json"));
    write(&path, &serde_json::to_vec_pretty(results)?)?;
    Ok(path)
}

/// What an earlier run has kept.
pub(crate) fn kept<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_slice(&fs::read(options::cache().join(format!("{name}.json"))).ok()?).ok()
}

/// Keeps lines for people.
///
/// # Errors
/// When the cache folder cannot be written.
pub(crate) fn lines(name: &str, lines: &[String]) -> Result<PathBuf> {
    let path = options::cache().join(name);
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    write(&path, text.as_bytes())?;
    Ok(path)
}

/// Writes a file whole, or not at all.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
