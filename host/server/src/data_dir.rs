//! The data directory: one server's state, for its user only, and for one process at a time.
//!
//! ```text
//! LOCK              held by the process that uses the directory; its number is in it
//! catalog.sqlite    tenants, releases, grants, config, secrets, keys
//! packages/         DIGEST.belljar
//! db/TENANT/        APPLET.sqlite, the applets' databases
//! kv.sqlite         the applets' keys and values
//! recordings/       INVOCATION.recording
//! tmp/              what is being written; emptied at the start
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use belljar_files::Sharing;

/// The file that is locked.
pub const LOCK_FILE: &str = "LOCK";
/// The catalog's file.
pub const CATALOG_FILE: &str = "catalog.sqlite";

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process uses it.
    #[error("the data directory {} is used by another server{}: stop that one, or give this one a directory of its own", path.display(), pid.map_or(String::new(), |pid| format!(", process {pid}")))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, if it has said.
        pid: Option<u32>,
    },
    /// It belongs to another user.
    #[error("the data directory {} belongs to another user (uid {owner})", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It cannot be made, read or written.
    #[error("the data directory {} cannot be used: {what}: {}", path.display(), explain(source))]
    Io {
        /// The directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Says what to do about the errors that operators meet.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "it is on a read-only file system".into(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full".into(),
        io::ErrorKind::PermissionDenied => "this user may not".into(),
        _ => error.to_string(),
    }
}

/// The directory, locked for this process until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory (0700) if it is missing, and takes it for this process. On Windows it is as private as the directory it is in.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing in the directory was changed then.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |what| move |source| DataDirError::Io { path: path.to_owned(), what, source };
        belljar_files::make_directory(path).map_err(failed("making it"))?;
        let path = &path.canonicalize().map_err(failed("finding it"))?;
        let failed = |what| move |source| DataDirError::Io { path: path.clone(), what, source };
        let sharing = Sharing::of(&fs::metadata(path).map_err(failed("looking at it"))?);
        if let Some(owner) = sharing.owner {
            return Err(DataDirError::Foreign { path: path.clone(), owner });
        }
        let mut lock = belljar_files::open_or_create(&path.join(LOCK_FILE)).map_err(failed("opening its LOCK"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = (&lock).take(32).read_to_string(&mut text);
                return Err(DataDirError::InUse { path: path.clone(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(failed("locking its LOCK")(error)),
        }
        let written =
            lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.and_then(|()| lock.sync_all()).map_err(failed("writing its LOCK"))?;
        if sharing.mode.is_some() {
            belljar_files::close_to_others(path).map_err(failed("making it private"))?;
        }
        let dir = Self { path: path.clone(), _lock: lock };
        // What a process that was killed has left.
        match fs::remove_dir_all(dir.tmp()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("emptying tmp")(error)),
            _ => {}
        }
        for sub in [dir.tmp(), dir.packages()] {
            belljar_files::make_directory(&sub).map_err(failed("making a directory in it"))?;
        }
        Ok(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The catalog's file.
    pub fn catalog(&self) -> PathBuf {
        self.path.join(CATALOG_FILE)
    }

    /// Where packages are.
    pub fn packages(&self) -> PathBuf {
        self.path.join("packages")
    }

    /// Where files are while they are written.
    pub fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_for_one_process() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        let dir = DataDir::open(&path).expect("it opens");
        assert!(Sharing::of(&fs::metadata(&path).expect("it is there")).is_private());
        let error = DataDir::open(&path).expect_err("it is in use");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        fs::write(dir.tmp().join("left"), "x").expect("it can be written");
        drop(dir);
        let dir = DataDir::open(&path).expect("it opens again");
        assert!(!dir.tmp().join("left").exists());
    }

    #[test]
    fn what_is_no_directory_is_told() {
        let parent = tempfile::tempdir().expect("a directory");
        let file = parent.path().join("file");
        fs::write(&file, "x").expect("it can be written");
        let error = DataDir::open(&file).expect_err("it is a file");
        assert!(matches!(error, DataDirError::Io { .. }), "{error}");
        assert_eq!(fs::read(&file).expect("it is there"), b"x");
    }
}
