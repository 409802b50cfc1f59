//! The private directory of one process: made fresh for it, for this user alone, with a name that cannot be guessed, and two sockets.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::StartError;
use crate::limits::SOCKET_PATH_BYTES_MAX;
use crate::system::{self, Listener};

/// Random bytes of the name: 96 bits.
const NAME_BYTES: usize = 12;

/// Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Whose it is, when it is not the host's user.
    user: Option<u32>,
}

impl Directory {
    /// A new one in `parent`, which must be there, for a process of this user.
    pub(crate) fn make(parent: &Path, user: Option<u32>) -> Result<Self, StartError> {
        let failed = |source| StartError::Directory { parent: parent.display().to_string(), source };
        let mut name = [0; NAME_BYTES];
        getrandom::fill(&mut name).map_err(std::io::Error::other).map_err(failed)?;
        let path = parent.join(URL_SAFE_NO_PAD.encode(name));
        for socket in [path.join(OURS), path.join(THEIRS)] {
            let length = socket.as_os_str().as_encoded_bytes().len() + 1;
            if length > SOCKET_PATH_BYTES_MAX {
                let path = socket.display().to_string();
                return Err(StartError::PathTooLong { path, length, length_max: SOCKET_PATH_BYTES_MAX });
            }
        }
        // Fails when there is one of that name already: it is never one that somebody else has made.
        system::make_directory(&path).map_err(failed)?;
        let made = Self { path, user };
        made.give(&made.path).map_err(failed)?;
        Ok(made)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The socket that the host listens on.
    pub(crate) fn ours(&self) -> PathBuf {
        self.path.join(OURS)
    }

    /// The socket that the process listens on.
    pub(crate) fn theirs(&self) -> PathBuf {
        self.path.join(THEIRS)
    }

    pub(crate) fn script(&self) -> PathBuf {
        self.path.join("runtime.mjs")
    }

    pub(crate) fn listen(&self) -> std::io::Result<Listener> {
        let listener = Listener::bind(self.ours())?;
        self.give(&self.ours())?;
        Ok(listener)
    }

    /// Writes the script that runs inside.
    pub(crate) fn write_script(&self, text: &str) -> std::io::Result<()> {
        fs::write(self.script(), text)?;
        self.give(&self.script())
    }

    fn give(&self, path: &Path) -> std::io::Result<()> {
        match self.user {
            Some(user) => system::give(path, user),
            None => Ok(()),
        }
    }
}

const OURS: &str = "host.sock";
const THEIRS: &str = "app.sock";

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the directory of a process could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_private_and_goes_away() {
        let parent = tempfile::tempdir().expect("a directory");
        let [first, second] = [(); 2].map(|()| Directory::make(parent.path(), None).expect("made"));
        assert_ne!(first.path(), second.path());
        let mode = fs::metadata(first.path()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_long_path_is_told() {
        let parent = tempfile::tempdir().expect("a directory");
        let long = parent.path().join("x".repeat(100));
        fs::create_dir(&long).expect("made");
        let error = Directory::make(&long, None).expect_err("too long").to_string();
        assert!(error.contains("the operating system allows 108: choose a shorter directory"), "{error}");
        assert_eq!(fs::read_dir(&long).expect("readable").count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_parent_that_is_not_there_is_told() {
        let error = Directory::make(Path::new("/nowhere/at/all"), None).expect_err("not there");
        assert!(matches!(error, StartError::Directory { .. }), "{error}");
    }
}
