//! Who the process is: its user, its namespace of users, its capabilities.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use rustix::thread::{capabilities, set_capabilities};

use super::Launch;
use crate::report::Refusal;
use crate::system::{self, Forked, unshare};

/// The highest capability that there may ever be: they are kept in 64 bits.
const CAPABILITIES: u32 = 64;

/// Whether this process has what it takes to make namespaces without one of users, and to become another user; and its host, to give a
/// folder to that user, connect to its sockets and signal it.
pub(super) fn can_be_root() -> bool {
    let launcher = CapabilitySet::SYS_ADMIN | CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SETPCAP;
    let needed = launcher | CapabilitySet::CHOWN | CapabilitySet::DAC_OVERRIDE | CapabilitySet::KILL;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Enters a namespace of users in which this user and group are themselves, and there are no others. It needs no rights.
///
/// # Errors
/// It is in one where it is nobody, from which there is no way back. The inner error is that it is in none.
pub(super) fn enter_namespace(proc: &OwnedFd) -> Result<io::Result<()>, Refusal> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let has_setfcap = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SETFCAP));
    if user == 0 && !has_setfcap {
        return Ok(Err(io::Error::other("root without CAP_SETFCAP may not be mapped (user_namespaces(7))")));
    }
    if let Err(error) = unshare(UnshareFlags::NEWUSER) {
        return Ok(Err(error));
    }
    let map = || {
        // The kernel wants it before groups may be mapped.
        write(proc, "self/setgroups", "deny")?;
        write(proc, "self/uid_map", &format!("{user} {user} 1"))?;
        write(proc, "self/gid_map", &format!("{group} {group} 1"))
    };
    let mapped = map().map_err(|error| Refusal::new(format!("user {user} cannot be mapped to itself: {error}")));
    mapped.map(Ok)
}

/// Becomes another user for good.
pub(super) fn become_user(user: u32) -> io::Result<()> {
    use rustix::process::{Gid, Uid};
    rustix::thread::set_thread_groups(&[])?;
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    // The kernel lets nobody touch a process that was somebody else, not even itself: its files in /proc are needed.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(())
}

/// Gives up all capabilities, and what could bring them back.
pub(super) fn give_up_capabilities() -> io::Result<()> {
    for number in 0..CAPABILITIES {
        let Some(capability) = CapabilitySet::from_bits(1 << number) else { continue };
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // There is none of that number, or no right to remove it: looked at below.
            Ok(()) | Err(_) => {}
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    let left = capabilities(None)?;
    if !(left.permitted | left.effective | left.inheritable).is_empty() {
        return Err(io::Error::other("some are left"));
    }
    // Only root gets what is bounded back with a program it executes (capabilities(7)).
    if rustix::process::getuid().is_root() && any_in_bounding_set() {
        return Err(io::Error::other("root would have some again"));
    }
    Ok(())
}

fn any_in_bounding_set() -> bool {
    (0..CAPABILITIES)
        .filter_map(|number| CapabilitySet::from_bits(1 << number))
        .any(|capability| rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false))
}

/// A namespace of users in which the files of the launcher's user belong to the user that the process will be: mounts that are shown
/// through it need not be readable for everyone. None when the user stays.
pub(super) fn for_owned_files(launch: &Launch) -> io::Result<Option<OwnedFd>> {
    let Some(user) = launch.policy.user.filter(|_| launch.is_root) else { return Ok(None) };
    let (entered, enters) = pipe_with(PipeFlags::CLOEXEC)?;
    let (ends, ended) = pipe_with(PipeFlags::CLOEXEC)?;
    match system::fork()? {
        Forked::Child => {
            drop((entered, ended));
            if unshare(UnshareFlags::NEWUSER).is_ok() {
                let _ = rustix::io::write(&enters, b"+");
            }
            // Until the other end is closed.
            let _ = rustix::io::read(&ends, &mut [0_u8; 1]);
            std::process::exit(0)
        }
        Forked::Parent(child) => {
            drop((enters, ends));
            let made = map_owner(launch, child, &entered, user);
            drop(ended);
            let _ = rustix::process::kill_process(child, Signal::KILL);
            let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
            Ok(made.ok())
        }
    }
}

fn map_owner(launch: &Launch, child: Pid, entered: &OwnedFd, user: u32) -> io::Result<OwnedFd> {
    if rustix::io::read(entered, &mut [0_u8; 1])? != 1 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let child = child.as_raw_nonzero();
    let (owner, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    write(&launch.proc, &format!("{child}/uid_map"), &format!("{owner} {user} 1"))?;
    write(&launch.proc, &format!("{child}/gid_map"), &format!("{group} {user} 1"))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(&launch.proc, format!("{child}/ns/user"), flags, Mode::empty())?)
}

fn write(proc: &OwnedFd, path: &str, text: &str) -> io::Result<()> {
    let file = openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    File::from(file).write_all(text.as_bytes())
}
