//! The private directory of one process: made fresh for it, for this user alone, with a name that cannot be guessed, and two sockets. Who
//! speaks on them is asked of the operating system.

use std::fs::{self, DirBuilder};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::{Pid, Uid, getpgid};
use tokio::net::UnixListener;

use crate::error::StartError;
use crate::limits::SOCKET_PATH_BYTES_MAX;

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
            let length = socket.as_os_str().as_bytes().len() + 1;
            if length > SOCKET_PATH_BYTES_MAX {
                let path = socket.display().to_string();
                return Err(StartError::PathTooLong { path, length, length_max: SOCKET_PATH_BYTES_MAX });
            }
        }
        // Fails when there is one of that name already: it is never one that somebody else has made.
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
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

    pub(crate) fn listen(&self) -> std::io::Result<UnixListener> {
        let listener = UnixListener::bind(self.ours())?;
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
            Some(user) => std::os::unix::fs::lchown(path, Some(user), Some(user)),
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

/// Who may be at the other end of a socket: the processes of one group, all of one user. Both are as the host sees them, whatever
/// namespaces the processes are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) group: Pid,
    pub(crate) user: Uid,
}

/// Whether the other end of a socket is held by one that may.
pub(crate) fn check_peer(socket: impl AsFd, allowed: Peer) -> Result<(), String> {
    let peer = rustix::net::sockopt::socket_peercred(socket)
        .map_err(|error| format!("who is at the other end of the socket is not known: {error}"))?;
    let Peer { group, user } = allowed;
    if peer.uid != user {
        return Err(format!("user {} is at the other end of the socket, not {}", peer.uid.as_raw(), user.as_raw()));
    }
    match getpgid(Some(peer.pid)) {
        Ok(found) if found == group => Ok(()),
        Ok(found) => Err(format!(
            "process {} of the group {} is at the other end of the socket, not one of the group {}",
            peer.pid.as_raw_nonzero(),
            found.as_raw_nonzero(),
            group.as_raw_nonzero()
        )),
        Err(error) => Err(format!("process {} was at the other end of the socket: {error}", peer.pid.as_raw_nonzero())),
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

    #[tokio::test]
    async fn a_stranger_at_the_socket_is_refused() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = Directory::make(parent.path(), None).expect("made");
        let listener = directory.listen().expect("listens");
        let _client = tokio::net::UnixStream::connect(directory.ours()).await.expect("connects");
        let (socket, _) = listener.accept().await.expect("accepts");
        let own = Peer { group: getpgid(None).expect("we have one"), user: rustix::process::geteuid() };
        assert_eq!(check_peer(&socket, own), Ok(()));
        let group = Pid::from_raw(own.group.as_raw_nonzero().get() + 1).expect("a number");
        let other = check_peer(&socket, Peer { group, ..own });
        assert!(other.expect_err("refused").contains("not one of the group"));
        let user = Uid::from_raw(own.user.as_raw() + 1);
        assert!(check_peer(&socket, Peer { user, ..own }).expect_err("refused").starts_with("user "));
    }
}
