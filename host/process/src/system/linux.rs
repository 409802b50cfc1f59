//! Linux: process groups, descriptors of processes, sockets that say who is at the other end.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, getpgid};
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

use super::{Peer, Signal};

pub(crate) use tokio::net::{UnixListener as Listener, UnixStream as Socket};

/// A connection to the socket at `path`.
pub(crate) async fn connect(path: &Path) -> io::Result<Socket> {
    Socket::connect(path).await
}

/// Makes the first process of a command the leader of a group of its own.
pub(crate) fn lead_group(command: &mut Command) {
    command.process_group(0);
}

/// Signals all processes of a group.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    Ok(rustix::process::kill_process_group(pid(leader)?, number(signal))?)
}

/// Kills one process.
pub(crate) fn kill(id: u32) -> io::Result<()> {
    Ok(rustix::process::kill_process(pid(id)?, rustix::process::Signal::KILL)?)
}

fn pid(id: u32) -> io::Result<Pid> {
    // Never 0 or less: those mean groups of ours.
    Ok(i32::try_from(id).ok().filter(|id| *id > 0).and_then(Pid::from_raw).ok_or(Errno::SRCH)?)
}

fn number(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::End => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
    }
}

/// The exit of a process, which is seen before it is reaped.
pub(crate) struct Exit(AsyncFd<OwnedFd>);

impl Exit {
    #[expect(
        deprecated,
        reason = "what replaces it is unsafe for types that change their descriptor under it; an OwnedFd does not"
    )]
    pub(crate) fn of(leader: u32) -> io::Result<Self> {
        Ok(Self(AsyncFd::new(rustix::process::pidfd_open(pid(leader)?, rustix::process::PidfdFlags::NONBLOCK)?)?))
    }

    /// Returns when it has exited.
    pub(crate) async fn seen(&self) {
        // An error is one of polling: then too the process is to be waited for.
        drop(self.0.readable().await);
    }
}

/// The user that this process is.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Gives a file to a user.
pub(crate) fn give(path: &Path, user: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(user))
}

/// Makes a directory for this user alone, which must not be there yet.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Whether the other end of a socket is held by one that may.
pub(crate) fn check_peer(socket: impl AsFd, allowed: Peer) -> Result<(), String> {
    let peer = rustix::net::sockopt::socket_peercred(socket)
        .map_err(|error| format!("who is at the other end of the socket is not known: {error}"))?;
    let Peer { group, user } = allowed;
    if peer.uid.as_raw() != user {
        return Err(format!("user {} is at the other end of the socket, not {user}", peer.uid.as_raw()));
    }
    let id = peer.pid.as_raw_nonzero();
    match getpgid(Some(peer.pid)).map(|found| found.as_raw_nonzero().get().unsigned_abs()) {
        Ok(found) if found == group => Ok(()),
        Ok(found) => Err(format!(
            "process {id} of the group {found} is at the other end of the socket, not one of the group {group}"
        )),
        Err(error) => Err(format!("process {id} was at the other end of the socket: {error}")),
    }
}

/// Whether a file may be run.
pub(crate) fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// What a file takes up on its disk, bytes.
pub(crate) fn disk_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// Units in which /proc counts processor time, in a second; at least 1.
pub(crate) fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Bytes of a page of memory.
pub(crate) fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stranger_at_the_socket_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("s");
        let listener = Listener::bind(&path).expect("listens");
        let _client = connect(&path).await.expect("connects");
        let (socket, _) = listener.accept().await.expect("accepts");
        let group = getpgid(None).expect("we have one").as_raw_nonzero().get().unsigned_abs();
        let own = Peer { group, user: own_user() };
        assert_eq!(check_peer(&socket, own), Ok(()));
        let other = check_peer(&socket, Peer { group: group + 1, ..own });
        assert!(other.expect_err("refused").contains("not one of the group"));
        assert!(check_peer(&socket, Peer { user: own.user + 1, ..own }).expect_err("refused").starts_with("user "));
    }

    #[test]
    fn no_group_of_our_own_is_signalled_by_mistake() {
        for id in [0, u32::MAX, i32::MAX as u32 + 1] {
            assert!(signal_group(id, Signal::Kill).is_err() && kill(id).is_err(), "{id}");
        }
    }
}
