//! The calls that need `unsafe`, each behind a function that is safe for a process with one thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};

use rustix::process::Pid;

/// What a fork has made of the caller.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one.
    Parent(Pid),
}

/// Forks. The launcher has one thread only, which [`require_one_thread`] has seen.
#[expect(unsafe_code, reason = "there is no safe fork")]
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: this process has one thread, so that no lock is held by a thread that the child does not have.
    let id = unsafe { libc::fork() };
    if id < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(id).map_or(Forked::Child, Forked::Parent))
}

/// Whether there is one thread only.
pub(crate) fn require_one_thread() -> Result<(), String> {
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => Ok(()),
        Ok(count) => Err(format!("the launcher has {count} threads, and must have one")),
        // Where there is no /proc it cannot be looked at; a new user namespace would be refused with several threads.
        Err(_) => Ok(()),
    }
}

/// Enters new namespaces.
#[expect(unsafe_code, reason = "rustix marks it for UnshareFlags::FILES, which is not used")]
pub(crate) fn unshare(flags: rustix::thread::UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(rustix::thread::UnshareFlags::FILES));
    // SAFETY: the table of descriptors stays shared; there is no other thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(Into::into)
}

/// Whether a signal is ignored, or does what it does by itself.
#[expect(unsafe_code, reason = "signal(2) takes functions; none is given here")]
pub(crate) fn ignore_signal(number: i32, ignored: bool) {
    let handler = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither is a function that would run. Numbers that are no signals are refused by the kernel.
    unsafe { libc::signal(number, handler) };
}

/// Waits for signals, one of which ends the process.
#[expect(unsafe_code, reason = "a call without arguments")]
pub(crate) fn pause() {
    // SAFETY: it only waits.
    unsafe { libc::pause() };
}

/// Descriptors above standard error: closed now, or when another program takes the process over.
#[derive(Clone, Copy)]
pub(crate) enum Close {
    Now,
    OnExec,
}

/// Closes them from `first` on.
#[expect(unsafe_code, reason = "closing descriptors that something owns would be unsound")]
pub(crate) fn close_from(first: RawFd, how: Close) -> io::Result<()> {
    let flags = match how {
        Close::Now => 0,
        Close::OnExec => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: `Now` is used at the start of a process, and in one that uses none of its descriptors any more; `OnExec` closes nothing yet.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A session keyring of its own, so that keys of the user's session are not found (keyrings(7)).
#[expect(unsafe_code, reason = "a call that neither rustix nor libc has")]
pub(crate) fn new_session_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: the name is null, which means one without a name.
    let done = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    if done >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What is changed of a mount (mount_setattr(2)).
pub(crate) struct MountChange<'a> {
    /// Attributes that are set.
    pub(crate) set: u64,
    /// Whose users the owners of files are shown as.
    pub(crate) users: Option<&'a dyn AsFd>,
    /// Whether mounts within it are changed too.
    pub(crate) recursive: bool,
}

/// Changes a mount.
#[expect(unsafe_code, reason = "a call that rustix does not have")]
pub(crate) fn change_mount(mount: impl AsFd, change: &MountChange<'_>) -> io::Result<()> {
    let users = change.users.map(|users| users.as_fd().as_raw_fd());
    let attributes = libc::mount_attr {
        attr_set: change.set | if users.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 },
        attr_clr: 0,
        propagation: 0,
        userns_fd: users.map_or(0, |fd| u64::from(fd.unsigned_abs())),
    };
    let flags = libc::AT_EMPTY_PATH | if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is empty and ends with a zero, the attributes live until the call returns, and their size is the one that is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
