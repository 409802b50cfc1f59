//! A program as a suite hands it to an engine, and what came of it: the same for the sandbox and for any other engine, so that one
//! judge is enough.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A program for one fresh realm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// Whether it is an ES module, not a sloppy global script.
    pub is_module: bool,
    /// Path below `folder`, with slashes: imports are resolved against it.
    pub name: String,
    /// Its text.
    pub source: String,
    /// Where files that it imports are.
    pub folder: PathBuf,
    /// A module without a file: its specifier, and its source.
    pub extra: Option<(String, String)>,
}

/// What came of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// What was printed.
    pub lines: Vec<String>,
    /// How it ended.
    pub end: End,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Evaluated, and nothing is left to do.
    Completed,
    /// Threw: the error's name (of anything else `Uncaught`), and its message.
    Threw(String, String),
    /// A limit ended it: which one.
    Limit(String),
    /// The engine failed: a trap, a panic, an exit of the process. Never the program's doing.
    Crashed(String),
}

impl Program {
    /// The module that `specifier` means when `referrer` imports it: its name and its source.
    ///
    /// # Errors
    /// Why there is none.
    pub fn import(&self, specifier: &str, referrer: &str) -> Result<(String, String), String> {
        if let Some((name, source)) = self.extra.as_ref().filter(|(name, _)| name == specifier) {
            return Ok((name.clone(), source.clone()));
        }
        let name =
            resolve(specifier, referrer).ok_or_else(|| format!("there is no module {specifier:?} for {referrer}"))?;
        // A module that imports itself is loaded already.
        if self.is_module && name == self.name {
            return Ok((name, self.source.clone()));
        }
        let source =
            read(&self.folder.join(&name)).map_err(|error| format!("module {name:?} cannot be read: {error}"))?;
        Ok((name, source))
    }
}

/// A relative specifier as a path below the folder.
fn resolve(specifier: &str, referrer: &str) -> Option<String> {
    if !specifier.starts_with("./") && !specifier.starts_with("../") {
        return None;
    }
    let mut parts: Vec<&str> = referrer.split('/').collect();
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Text of a file; suites have files that are not UTF-8 on purpose: what is none becomes U+FFFD.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> std::io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_files_below_the_folder_or_the_extra_module() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(folder.path().join("a")).expect("makes a folder");
        std::fs::write(folder.path().join("a/dep.js"), "1").expect("writes");
        let program = Program {
            is_module: true,
            name: "a/main.js".into(),
            source: "2".into(),
            folder: folder.path().to_owned(),
            extra: Some(("./extra".into(), "3".into())),
        };
        let load = |specifier: &str, referrer: &str| program.import(specifier, referrer);
        assert_eq!(load("./dep.js", "a/main.js"), Ok(("a/dep.js".into(), "1".into())));
        assert_eq!(load("../a/main.js", "a/dep.js"), Ok(("a/main.js".into(), "2".into())));
        assert_eq!(load("./extra", "a/main.js"), Ok(("./extra".into(), "3".into())));
        for wrong in ["dep.js", "../../x.js", "./none.js", "/a/dep.js"] {
            assert!(load(wrong, "a/main.js").is_err(), "{wrong}");
        }
    }
}
