//! Where the files of processes are: each package unpacked once, under its digest, and a directory for sockets. The folder is private to
//! the host's user.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use belljar_package::Package;

use crate::floor::ids::Digest;
use crate::positions::BUNDLE;

/// Files of a package that its code may import.
const MODULES: &str = "node_modules/";

/// Makes a directory that nobody else may enter.
pub(super) fn private(directory: &Path) -> io::Result<()> {
    belljar_files::make_directory(directory)?;
    belljar_files::make_directory(&sockets(directory))
}

/// Where the directories of sockets are made.
pub(super) fn sockets(directory: &Path) -> PathBuf {
    // Short, because the paths of sockets must be.
    directory.join("s")
}

/// Where compiled code of runtimes is kept.
pub(super) fn code(directory: &Path) -> PathBuf {
    directory.join("code")
}

/// Unpacks what a process needs of a package: its bundle, and packages that were left out of it. Answers the bundle's path.
pub(super) fn unpack(directory: &Path, package: &Package, digest: Digest) -> io::Result<PathBuf> {
    let folder = directory.join("bundles").join(digest.to_hex());
    let bundle = folder.join(BUNDLE);
    if bundle.is_file() {
        return Ok(bundle);
    }
    // Written beside, and renamed when it is whole: what is there is always complete.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let beside = directory.join("bundles").join(format!(".{:016x}", u64::from_le_bytes(random)));
    belljar_files::make_directory(&beside)?;
    let written = write(&beside, package).and_then(|()| match fs::rename(&beside, &folder) {
        // Another caller was faster.
        Err(_) if bundle.is_file() => fs::remove_dir_all(&beside),
        renamed => renamed,
    });
    if written.is_err() {
        // The error that came first says more.
        let _ = fs::remove_dir_all(&beside);
    }
    written.map(|()| bundle)
}

fn write(folder: &Path, package: &Package) -> io::Result<()> {
    fs::write(folder.join(BUNDLE), &package.bundle)?;
    // Paths were checked when the package was read: they are relative, and do not lead out.
    for (path, bytes) in package.files.iter().filter(|(path, _)| path.starts_with(MODULES)) {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            belljar_files::make_directory(parent)?;
        }
        fs::write(file, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_unpacked_once_and_privately() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("process");
        private(&directory).expect("made");
        let descriptor = serde_json::from_value(serde_json::json!({
            "format": 1, "id": "shop", "version": "1.0.0", "name": "Shop", "description": null,
            "runtime": { "engine": "bun", "version": null, "entrypoint": "main.ts", "limits": {}, "health_check": null },
            "handlers": [{ "name": "default", "export": "default", "trigger": { "type": "call" } }],
            "permissions": { "db": false, "http": [], "events_publish": [], "events_subscribe": [], "secrets": [], "kv": false, "jobs": false },
        }));
        let files = [("assets/a.txt", "a"), ("node_modules/p/i.js", "module.exports = 1;")];
        let package = Package {
            descriptor: descriptor.expect("a descriptor"),
            bundle: "export default () => 1;\n".into(),
            source_map: String::new(),
            files: files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).into(),
        };
        let digest = Digest::of(b"package");
        let bundle = unpack(&directory, &package, digest).expect("unpacked");
        assert_eq!(fs::read_to_string(&bundle).expect("a file"), package.bundle);
        let folder = bundle.parent().expect("a folder");
        assert!(folder.join("node_modules/p/i.js").is_file() && !folder.join("assets").exists());
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(folder).expect("a folder")) & 0o777, 0o700);
        fs::write(&bundle, "kept").expect("written");
        assert_eq!(unpack(&directory, &package, digest).expect("there"), bundle);
        assert_eq!(fs::read_to_string(&bundle).expect("a file"), "kept");
        assert_eq!(fs::read_dir(directory.join("bundles")).expect("a folder").count(), 1);
    }
}
