//! This program itself in a jail: it makes the system calls that no runtime offers, and says what came of them.

use std::process::Stdio;

use belljar_jail::Require;

use crate::harness::{command, policy, said, strict};

#[test]
fn system_calls_are_refused() {
    if strict().is_none() {
        return;
    }
    let program = std::env::current_exe().expect("a path");
    let program = program.to_str().expect("text");
    let arguments = [program, "--exact", "inside::from_inside", "--ignored", "--nocapture", "--test-threads=1"];
    let mut command = command(&policy(Require::Strict, &[program]), &arguments);
    let output = command.stdin(Stdio::null()).output().expect("the launcher");
    let (told, errors) = said(&output.stderr);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}: {told:?}\n{out}\n{errors}", output.status);
    assert!(out.contains("1 passed"), "{out}");
    eprintln!("{errors}");
}

/// What the kernel answers to a call with these arguments.
#[expect(unsafe_code, reason = "calls that must be refused have no safe form")]
fn call(number: libc::c_long, arguments: [usize; 6]) -> Result<libc::c_long, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: all of them are refused before an argument is looked at, or look at null pointers and small numbers.
    let done = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if done >= 0 { Ok(done) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or_default()) }
}

/// Not a test of its own: run by `system_calls_are_refused`, in a jail.
#[test]
#[ignore = "it is run inside the jail, by another test"]
fn from_inside() {
    const NEW_USER: usize = 0x1000_0000;
    const TIOCSTI: usize = 0x5412;
    const X32: libc::c_long = 0x4000_0000;
    let none = [0; 6];
    let (eperm, enosys) = (Err(libc::EPERM), Err(libc::ENOSYS));
    let family = |family: i32| [family as usize, libc::SOCK_STREAM as usize, 0, 0, 0, 0];
    for (name, number, arguments, expected) in [
        ("ptrace", libc::SYS_ptrace, [16, 1, 0, 0, 0, 0], eperm),
        ("process_vm_readv", libc::SYS_process_vm_readv, [1, 0, 0, 0, 0, 0], eperm),
        ("mount", libc::SYS_mount, none, eperm),
        ("umount2", libc::SYS_umount2, none, eperm),
        ("fsopen", libc::SYS_fsopen, none, eperm),
        ("open_tree", libc::SYS_open_tree, none, eperm),
        ("pivot_root", libc::SYS_pivot_root, none, eperm),
        ("unshare", libc::SYS_unshare, [NEW_USER, 0, 0, 0, 0, 0], eperm),
        ("setns", libc::SYS_setns, none, eperm),
        ("clone with a namespace", libc::SYS_clone, [NEW_USER | 17, 0, 0, 0, 0, 0], eperm),
        ("clone3", libc::SYS_clone3, none, enosys),
        ("io_uring_setup", libc::SYS_io_uring_setup, [8, 0, 0, 0, 0, 0], enosys),
        ("bpf", libc::SYS_bpf, none, eperm),
        ("perf_event_open", libc::SYS_perf_event_open, none, eperm),
        ("userfaultfd", libc::SYS_userfaultfd, none, eperm),
        ("keyctl", libc::SYS_keyctl, none, eperm),
        ("add_key", libc::SYS_add_key, none, eperm),
        ("init_module", libc::SYS_init_module, none, eperm),
        ("reboot", libc::SYS_reboot, none, eperm),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, none, eperm),
        ("personality READ_IMPLIES_EXEC", libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0], eperm),
        ("personality", libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0, 0], Ok(0)),
        ("ioctl TIOCSTI", libc::SYS_ioctl, [0, TIOCSTI, 0, 0, 0, 0], eperm),
        ("ioctl TIOCSTI with more bits", libc::SYS_ioctl, [0, TIOCSTI | 1 << 40, 0, 0, 0, 0], eperm),
        ("socket AF_INET", libc::SYS_socket, family(libc::AF_INET), eperm),
        ("socket AF_INET6", libc::SYS_socket, family(libc::AF_INET6), eperm),
        ("socket AF_NETLINK", libc::SYS_socket, family(libc::AF_NETLINK), eperm),
        ("socket AF_PACKET", libc::SYS_socket, family(libc::AF_PACKET), eperm),
        ("socket AF_VSOCK", libc::SYS_socket, family(libc::AF_VSOCK), eperm),
        ("a call that is newer", 500, none, enosys),
        ("ptrace of the x32 ABI", X32 | 521, [16, 1, 0, 0, 0, 0], enosys),
    ] {
        let found = call(number, arguments);
        eprintln!("  {name}: {found:?}");
        assert_eq!(found, expected, "{name}");
    }
    call(libc::SYS_socket, family(libc::AF_UNIX)).expect("unix sockets are what it speaks on");
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    for line in ["CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    let descriptors: Vec<_> = std::fs::read_dir("/proc/self/fd").expect("readable").flatten().collect();
    assert_eq!(descriptors.len(), 4 + 1, "the standard ones, the socket, and the one that lists: {descriptors:?}");
    assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Core).maximum, Some(0));
    assert_eq!(std::env::vars_os().count(), 0, "nothing is added to the environment");
}
