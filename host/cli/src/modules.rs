//! Modules of `belljar eval`: files in the folder of the program's file, and below it. A module's name is its path relative to that
//! folder. What lies outside is refused by its path; links are followed, because they are the folder's owner's decision.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use belljar::Modules;

/// Bytes of one module.
const MODULE_BYTES_MAX: u64 = 32 << 20;

/// Modules of one folder.
#[derive(Debug)]
pub(crate) struct FolderModules {
    folder: PathBuf,
}

impl FolderModules {
    /// Modules beside the file `entry`.
    ///
    /// # Errors
    /// When its folder has no absolute path.
    pub(crate) fn beside(entry: &Path) -> std::io::Result<Self> {
        let folder = entry.parent().unwrap_or(Path::new(""));
        let folder =
            if folder.as_os_str().is_empty() { std::env::current_dir()? } else { std::path::absolute(folder)? };
        Ok(Self { folder })
    }

    /// The module's name.
    fn resolve(&self, specifier: &str, referrer: &str) -> Result<String, String> {
        let outside = || format!("module {specifier:?} (imported by {referrer}) is outside the program's folder");
        if specifier.contains('\0') {
            return Err(format!("module {specifier:?} (imported by {referrer}) is no path"));
        }
        if specifier.starts_with('/') {
            return self.in_folder(Path::new(specifier)).ok_or_else(outside);
        }
        if !(specifier.starts_with("./") || specifier.starts_with("../") || specifier == "." || specifier == "..") {
            return Err(format!(
                "there is no module {specifier:?} (imported by {referrer}): packages cannot be imported here, only files, by './', '../' \
                 or an absolute path, and those of Node's modules that a sandbox has; `belljar build` bundles packages"
            ));
        }
        let mut parts: Vec<&str> = referrer.split('/').collect();
        parts.pop();
        for part in specifier.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(outside)?;
                }
                part => parts.push(part),
            }
        }
        Ok(parts.join("/"))
    }

    /// Name of an absolute path, by the folder's path as it was given, or as it is without links.
    fn in_folder(&self, path: &Path) -> Option<String> {
        // `..` could lead out of the folder again.
        if path.components().any(|part| part == Component::ParentDir) {
            return None;
        }
        let real = self.folder.canonicalize();
        let inside = [Some(&self.folder), real.as_ref().ok()]
            .into_iter()
            .flatten()
            .find_map(|folder| path.strip_prefix(folder).ok())?;
        Some(inside.to_str()?.to_owned())
    }
}

impl Modules for FolderModules {
    fn load(&self, specifier: &str, referrer: &str) -> Result<(String, String), String> {
        let name = self.resolve(specifier, referrer)?;
        let source = read(&self.folder.join(&name))
            .map_err(|what| format!("module {name:?} (imported by {referrer}) {what}"))?;
        Ok((name, source))
    }
}

/// What is said to programs without a file.
#[derive(Debug)]
pub(crate) struct NoModules;

impl Modules for NoModules {
    fn load(&self, specifier: &str, _: &str) -> Result<(String, String), String> {
        Err(format!(
            "there is no module {specifier:?}: a program without a file can import nothing; use --module FILE or --script FILE"
        ))
    }
}

/// Reads a source file; the error is the end of a sentence.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    // Asked before opening: opening a pipe would wait for its other end.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a file".into());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MODULE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MODULE_BYTES_MAX {
        return Err(format!("is larger than {MODULE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8: byte {} is wrong", error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_are_paths_in_the_folder() {
        let modules = FolderModules { folder: "/srv/app".into() };
        for (specifier, referrer, expected) in [
            ("./a.js", "main.js", Some("a.js")),
            ("./lib/../a.js", "main.js", Some("a.js")),
            ("../a.js", "lib/b.js", Some("a.js")),
            (".//a.js", "lib/b.js", Some("lib/a.js")),
            ("/srv/app/lib/a.js", "main.js", Some("lib/a.js")),
            ("../a.js", "main.js", None),
            ("./../../a.js", "lib/b.js", None),
            ("./../app/a.js", "main.js", None),
            ("/srv/application/a.js", "main.js", None),
            ("/srv/app/../x.js", "main.js", None),
            ("/etc/passwd", "main.js", None),
            ("a.js", "main.js", None),
            ("node:fs", "main.js", None),
            ("", "main.js", None),
            ("./a\0.js", "main.js", None),
            ("https://example.com/a.js", "main.js", None),
        ] {
            assert_eq!(modules.resolve(specifier, referrer).ok().as_deref(), expected, "{specifier:?} from {referrer}");
        }
    }

    #[test]
    fn files_and_links_to_files_are_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (app, elsewhere) = (dir.path().join("app"), dir.path().join("elsewhere.js"));
        fs::create_dir_all(app.join("lib")).expect("makes a folder");
        fs::write(app.join("lib/a.js"), "export default 1").expect("writes");
        fs::write(&elsewhere, "export default 2").expect("writes");
        fs::write(app.join("bad.js"), b"\xff").expect("writes");
        symlink(&elsewhere, app.join("linked.js")).expect("links");
        symlink(dir.path().join("nowhere"), app.join("broken.js")).expect("links");
        let modules = FolderModules::beside(&app.join("main.js")).expect("a folder");

        let load = |specifier: &str| modules.load(specifier, "main.js");
        assert_eq!(load("./lib/a.js"), Ok(("lib/a.js".into(), "export default 1".into())));
        assert_eq!(load("./linked.js"), Ok(("linked.js".into(), "export default 2".into())));
        let absolute = app.canonicalize().expect("exists").join("lib/a.js");
        assert_eq!(load(absolute.to_str().expect("UTF-8")).map(|found| found.0), Ok("lib/a.js".into()));
        for (specifier, expected) in [
            ("./missing.js", "does not exist"),
            ("./broken.js", "does not exist"),
            ("./lib", "is not a file"),
            (".", "is not a file"),
            ("./bad.js", "is not UTF-8"),
            ("../elsewhere.js", "is outside"),
            ("lodash", "there is no module \"lodash\""),
        ] {
            let error = load(specifier).expect_err("there is none");
            assert!(error.contains(expected), "{specifier}: {error}");
        }
    }
}
