//! Which files of a package travel: all but those whose name begins with a dot, source maps, and packages in the package, which have a
//! place of their own. It knows names and sizes, not what the files mean.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
};

use belljar_package::{FILES_MAX, PACKAGE_BYTES_MAX, rules};

use super::{Installed, layout::Failure};
use crate::diagnostic::Problem;

/// Deepest nesting of folders in a package.
const FOLDERS_DEPTH_MAX: usize = 16;

/// Reads the files of all places.
///
/// # Errors
/// A file that cannot be read, is a link, has no portable name; too many of them, or too many bytes.
pub(crate) fn read(
    packages: &[Installed],
    places: &BTreeMap<String, usize>,
) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut files = BTreeMap::new();
    let mut bytes = 0_u64;
    let mut listed: HashMap<usize, Vec<String>> = HashMap::new();
    for (place, index) in places {
        let folder = &packages[*index].folder;
        let fail =
            |message: String, help: &str| (Problem::error("build.external", message).with_help(help), Some(*index));
        let unreadable = |error: io::Error| {
            fail(format!("{place} cannot be read: {error}"), "only plain files travel; install the package again")
        };
        if !listed.contains_key(index) {
            listed.insert(*index, names(folder).map_err(unreadable)?);
        }
        for name in &listed[index] {
            let path = format!("{place}/{name}");
            rules::package_file_path(&path, true).map_err(|rule| {
                fail(
                    format!("the path {path} is not allowed in a package: {rule}"),
                    "bundle this package: take it out of runtime.external",
                )
            })?;
            let file = folder.join(name);
            bytes = bytes.saturating_add(file.metadata().map_err(unreadable)?.len());
            if files.len() >= FILES_MAX || bytes > PACKAGE_BYTES_MAX as u64 {
                let message = format!(
                    "the packages of runtime.external are more than {FILES_MAX} files or {PACKAGE_BYTES_MAX} bytes, at {path}"
                );
                return Err(fail(message, "name less of them: what can be bundled takes less room in the bundle"));
            }
            files.insert(path, fs::read(file).map_err(unreadable)?);
        }
    }
    Ok(files)
}

/// The files of a package that travel, relative to its folder, sorted.
///
/// # Errors
/// What cannot be read; links, and what is no file.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    walk(folder, "", 0, &mut names)?;
    names.sort_unstable();
    Ok(names)
}

fn walk(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> io::Result<()> {
    if depth > FOLDERS_DEPTH_MAX || names.len() > FILES_MAX {
        return Err(io::Error::other(format!("{prefix} has too many files or folders")));
    }
    for entry in folder.join(prefix).read_dir()? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| io::Error::other(format!("{prefix} has a file whose name is not UTF-8")))?;
        if name.starts_with('.') || name == "node_modules" || name.ends_with(".map") {
            continue;
        }
        let (path, kind) = (format!("{prefix}{name}"), entry.file_type()?);
        if kind.is_dir() {
            walk(folder, &format!("{path}/"), depth + 1, names)?;
        } else if kind.is_file() {
            names.push(path);
        } else {
            return Err(io::Error::other(format!("{path} is a link")));
        }
    }
    Ok(())
}
