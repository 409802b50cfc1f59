//! The suites, and whether a folder is a checkout of one: known by what every checkout has, so that a wrong folder is told before a run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::wpt;

/// A third-party suite.
///
/// ```
/// use belljar_conformance::Suite;
///
/// assert_eq!(Suite::Wpt.to_string(), "web-platform-tests");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// test262: ECMAScript.
    Test262,
    /// web-platform-tests, as far as they need no server.
    Wpt,
    /// Wycheproof's vectors, against `crypto.subtle`.
    Wycheproof,
}

impl Suite {
    /// Where checkouts of it come from.
    pub fn origin(self) -> &'static str {
        match self {
            Self::Test262 => "https://github.com/tc39/test262",
            Self::Wpt => "https://github.com/web-platform-tests/wpt",
            Self::Wycheproof => "https://github.com/C2SP/wycheproof",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test262 => "test262",
            Self::Wpt => "web-platform-tests",
            Self::Wycheproof => "Wycheproof",
        })
    }
}

/// A folder that has what a checkout of the suite has.
#[derive(Debug, Clone)]
pub struct Checkout {
    pub(crate) suite: Suite,
    pub(crate) folder: PathBuf,
}

impl Checkout {
    /// Looks into a folder.
    ///
    /// # Errors
    /// [`Error::NoCheckout`], which says what was looked for, and what to do.
    ///
    /// ```
    /// use belljar_conformance::{Checkout, Suite};
    ///
    /// let error = Checkout::open(Suite::Test262, "/nowhere".as_ref()).unwrap_err();
    /// assert!(error.hint().is_some_and(|hint| hint.contains("git clone")));
    /// ```
    pub fn open(suite: Suite, folder: &Path) -> Result<Self, Error> {
        let (is_file, is_folder) = (|name: &str| folder.join(name).is_file(), |name: &str| folder.join(name).is_dir());
        let clone = format!("get one with `git clone --depth 1 {}`", suite.origin());
        let old = |since: &str| format!("it seems to be a checkout from before {since}: {clone}");
        let problem = match suite {
            _ if !folder.is_dir() => Some(("there is no such folder".into(), clone)),
            Suite::Test262 if is_folder("test/suite") => Some(("its tests are in test/suite".into(), old("2014"))),
            Suite::Test262 => ["harness/assert.js", "harness/sta.js"]
                .into_iter()
                .find(|name| !is_file(name))
                .or_else(|| (!is_folder("test")).then_some("test"))
                .map(|name| (format!("there is no {name} in it"), clone)),
            Suite::Wpt if !is_file("resources/testharness.js") => {
                Some(("there is no resources/testharness.js in it".into(), clone))
            }
            Suite::Wpt if !wpt::FOLDERS.iter().any(|name| is_folder(name)) => {
                Some((format!("none of the folders that are run is in it ({})", wpt::FOLDERS.join(", ")), clone))
            }
            Suite::Wpt => None,
            Suite::Wycheproof if is_folder("testvectors_v1") => None,
            Suite::Wycheproof if is_folder("testvectors") => Some((
                "there is no testvectors_v1 in it, only testvectors, which have another form".into(),
                old("2023"),
            )),
            Suite::Wycheproof => Some(("there is no testvectors_v1 in it".into(), clone)),
        };
        match problem {
            Some((missing, hint)) => Err(Error::NoCheckout { suite, folder: folder.to_owned(), missing, hint }),
            None => Ok(Self { suite, folder: folder.to_owned() }),
        }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Names files by content: what a checkout without a version is told apart by.
#[derive(Debug, Default)]
pub struct Corpus(BTreeMap<String, [u8; 32]>);

impl Corpus {
    /// Adds a file.
    pub fn add(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), *blake3::hash(text.as_bytes()).as_bytes());
    }

    /// 16 hexadecimal digits of a hash over names and contents.
    ///
    /// ```
    /// let mut corpus = belljar_conformance::Corpus::default();
    /// let empty = corpus.name();
    /// corpus.add("a.js", "1");
    /// assert_ne!(corpus.name(), empty);
    /// ```
    pub fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (name, hash) in &self.0 {
            hasher.update(name.as_bytes()).update(&[0]).update(hash);
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

/// Files below a folder whose names end in `end`, in order. Links are not followed: a checkout has none that matter, and a loop of them no end.
pub(crate) fn files(folder: &Path, end: &str, found: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::reading(folder))? {
        let entry = entry.map_err(Error::reading(folder))?;
        entries.push((entry.path(), entry.file_type().map_err(Error::reading(entry.path()))?));
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, kind) in entries {
        if kind.is_dir() {
            files(&path, end, found)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
    Ok(())
}

/// A path below a folder, with slashes.
pub(crate) fn name_in(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a folder with these files in it; nothing when it is taken.
    fn said(suite: Suite, files: &[&str]) -> Option<(String, String)> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes folders");
            std::fs::write(path, "").expect("writes");
        }
        let error = Checkout::open(suite, folder.path()).err()?;
        Some((error.to_string(), error.hint().unwrap_or_default().to_owned()))
    }

    #[test]
    fn checkouts_are_known_by_what_they_have() {
        assert_eq!(said(Suite::Test262, &["harness/assert.js", "harness/sta.js", "test/a.js"]), None);
        assert_eq!(said(Suite::Wpt, &["resources/testharness.js", "url/a.any.js"]), None);
        assert_eq!(said(Suite::Wycheproof, &["testvectors_v1/a_test.json"]), None);
    }

    #[test]
    fn what_was_looked_for_is_said() {
        for (suite, files, missing, to_do) in [
            (Suite::Test262, &["README.md"][..], "no harness/assert.js", "git clone"),
            (Suite::Test262, &["harness/assert.js", "harness/sta.js"], "no test in it", "git clone"),
            (Suite::Test262, &["test/suite/ch06/a.js"], "test/suite", "before 2014"),
            (Suite::Wpt, &["url/a.any.js"], "no resources/testharness.js", "git clone"),
            (Suite::Wpt, &["resources/testharness.js"], "WebCryptoAPI", "git clone"),
            (Suite::Wycheproof, &["testvectors/a_test.json"], "no testvectors_v1", "before 2023"),
            (Suite::Wycheproof, &["README.md"], "no testvectors_v1", "git clone"),
        ] {
            let (message, hint) = said(suite, files).unwrap_or_else(|| panic!("{suite} {files:?}"));
            assert!(message.contains(missing) && hint.contains(to_do), "{message}; {hint}");
        }
    }
}
