//! Which test files there are: in an applet's folder, but not in what tools keep there. It opens no file.

use std::io;
use std::path::{Path, PathBuf};

use belljar_build::is_test_file;
use belljar_build::manifest::MANIFEST_NAMES;

/// Most test files of one applet.
const FILES_MAX: usize = 10_000;
/// Deepest nesting of folders.
const DEPTH_MAX: usize = 32;
/// Folders that hold no tests, besides those whose names begin with a dot.
const NOT_SOURCES: [&str; 4] = ["node_modules", "target", "assets", "migrations"];

/// An applet and its test files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The applet's folder, canonical.
    pub folder: PathBuf,
    /// The files, relative to it, with `/` between parts, sorted.
    pub files: Vec<String>,
}

/// There is nothing to test.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// No folder above has a manifest.
    #[error("{0} is not in an applet's folder: no folder above it has a manifest.yaml")]
    NoApplet(String),
    /// The paths belong to several applets.
    #[error("{0} and {1} are different applets: test one at a time")]
    Several(String, String),
    /// A file is none with tests.
    #[error("{0} is no test file: their names end in .test.ts (or tsx, mts, js, jsx, mjs)")]
    NotATest(String),
    /// There is no test file.
    #[error("there is no test file in {0}{1}")]
    None(String, String),
    /// There are too many.
    #[error("{0} has more than {FILES_MAX} test files")]
    TooMany(String),
    /// A folder cannot be read.
    #[error("{0} cannot be read: {1}")]
    Io(String, #[source] io::Error),
}

/// Finds the test files that `paths` mean: a folder means those in it and below, a file itself, and any other text those whose names have it.
/// Without paths it is all of the applet that `current` is in.
///
/// # Errors
/// [`DiscoverError`] when there are none, or the paths are not of one applet.
pub fn discover(paths: &[PathBuf], current: &Path) -> Result<Found, DiscoverError> {
    let (there, filters): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| current.join(path).exists());
    let mut roots = Vec::new();
    for path in there {
        roots.push(canonical(&current.join(path))?);
    }
    if roots.is_empty() {
        roots.push(canonical(current)?);
    }
    let mut folder: Option<PathBuf> = None;
    let mut files = Vec::new();
    for root in roots {
        let applet = applet_of(&root)?;
        if let Some(other) = folder.as_ref().filter(|other| **other != applet) {
            return Err(DiscoverError::Several(shown(other), shown(&applet)));
        }
        if root.is_dir() {
            collect(&applet, &root, 0, &mut files)?;
        } else {
            let name = name_of(&applet, &root);
            if !is_test_file(&name) {
                return Err(DiscoverError::NotATest(shown(&root)));
            }
            files.push(name);
        }
        folder = Some(applet);
    }
    let filters: Vec<String> = filters.iter().map(|filter| filter.to_string_lossy().into_owned()).collect();
    files.retain(|file| filters.is_empty() || filters.iter().any(|filter| file.contains(filter.as_str())));
    files.sort_unstable();
    files.dedup();
    // There was at least one root.
    let folder = folder.unwrap_or_default();
    if files.is_empty() {
        let asked =
            if filters.is_empty() { String::new() } else { format!(" whose name has {}", filters.join(" or ")) };
        return Err(DiscoverError::None(shown(&folder), asked));
    }
    Ok(Found { folder, files })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn canonical(path: &Path) -> Result<PathBuf, DiscoverError> {
    path.canonicalize().map_err(|error| DiscoverError::Io(shown(path), error))
}

/// The nearest folder with a manifest.
fn applet_of(path: &Path) -> Result<PathBuf, DiscoverError> {
    let has_manifest = |folder: &&Path| MANIFEST_NAMES.iter().any(|name| folder.join(name).is_file());
    path.ancestors().find(has_manifest).map(Path::to_owned).ok_or_else(|| DiscoverError::NoApplet(shown(path)))
}

fn name_of(folder: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(folder).unwrap_or(file);
    inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn collect(applet: &Path, folder: &Path, depth: usize, files: &mut Vec<String>) -> Result<(), DiscoverError> {
    let unreadable = |error| DiscoverError::Io(shown(folder), error);
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if kind.is_dir() {
            let is_other = name.starts_with('.') || NOT_SOURCES.contains(&name);
            // A folder with a manifest of its own is another applet.
            let is_applet = MANIFEST_NAMES.iter().any(|manifest| entry.path().join(manifest).is_file());
            if !is_other && !is_applet && depth < DEPTH_MAX {
                collect(applet, &entry.path(), depth + 1, files)?;
            }
        } else if kind.is_file() && is_test_file(name) {
            if files.len() >= FILES_MAX {
                return Err(DiscoverError::TooMany(shown(applet)));
            }
            files.push(name_of(applet, &entry.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for name in [
            "manifest.yaml",
            "b.test.ts",
            "src/a.test.tsx",
            "src/a.ts",
            "node_modules/x/x.test.js",
            ".git/y.test.ts",
            "other/manifest.yaml",
            "other/z.test.ts",
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            std::fs::write(path, "").expect("it can be written");
        }
        folder
    }

    fn check(paths: &[&str], within: &str, expected: Result<&[&str], &str>) {
        let folder = folder();
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let found = discover(&paths, &folder.path().join(within));
        match expected {
            Ok(files) => assert_eq!(found.expect("there are tests").files, files),
            Err(part) => assert!(found.expect_err("there are none").to_string().contains(part)),
        }
    }

    #[test]
    fn files_are_found_by_folder_file_and_name() {
        check(&[], "", Ok(&["b.test.ts", "src/a.test.tsx"]));
        check(&[], "src", Ok(&["src/a.test.tsx"]));
        check(&["src"], "", Ok(&["src/a.test.tsx"]));
        check(&["b.test.ts", "src/a.test.tsx", "src"], "", Ok(&["b.test.ts", "src/a.test.tsx"]));
        check(&["a.te"], "", Ok(&["src/a.test.tsx"]));
        check(&["other"], "", Ok(&["z.test.ts"]));
    }

    #[test]
    fn what_cannot_be_tested_says_so() {
        check(&["nothing"], "", Err("whose name has nothing"));
        check(&["src/a.ts"], "", Err("is no test file"));
        check(&["src", "other"], "", Err("different applets"));
        check(&["/"], "", Err("not in an applet's folder"));
    }
}
