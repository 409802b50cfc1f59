//! System calls that are refused: those that reach other processes, mounts, namespaces, the kernel's own machinery, or any network.
//! A list of what is refused, not of what is allowed: three runtimes with compilers in them use hundreds of calls, and another version of
//! one must not die of a new one. Calls that are newer than the list are answered as an older kernel would.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::report::{Layer, Report};

/// The last call that this list has been compared with (`mseal`, Linux 6.10). Above it are newer ones, and on x86 those of the x32 ABI,
/// which would go by other numbers past every rule (seccomp(2)).
const LAST_KNOWN: u32 = 462;

/// Answered with EPERM, whatever their arguments.
const REFUSED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    STATMOUNT,
    LISTMOUNT,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // Namespaces.
    libc::SYS_setns,
    libc::SYS_unshare,
    // The kernel's machinery.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_lookup_dcookie,
    libc::SYS_syslog,
    libc::SYS_kexec_load,
    #[cfg(not(target_arch = "riscv64"))]
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    // The machine's clock and name.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

const STATMOUNT: i64 = 457;
const LISTMOUNT: i64 = 458;

/// Answered with ENOSYS: whoever asks does without, as on a kernel that has no such call. The flags of `clone3` are in memory, where a
/// filter cannot look; C libraries then use `clone`, whose flags are looked at.
const ABSENT: &[i64] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Namespaces that `clone` would make.
const CLONE_FLAGS: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// `PER_LINUX`, and the question which it is.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// Installs the filters, for good.
pub(super) fn install(report: &mut Report) {
    let installed = filters().and_then(|filters| {
        filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter).map_err(|error| error.to_string()))
    });
    let note =
        format!("{} calls are refused, sockets of all families but AF_UNIX with them", REFUSED.len() + ABSENT.len());
    report.tried(Layer::Seccomp, installed.map(|()| note));
}

fn filters() -> Result<[BpfProgram; 3], String> {
    let told = |error: seccompiler::BackendError| error.to_string();
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(told)?;
    let filter = |rules, errno: i32| -> Result<BpfProgram, String> {
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()), arch)
            .and_then(BpfProgram::try_from)
            .map_err(told)
    };
    let absent: BTreeMap<i64, Vec<SeccompRule>> = ABSENT.iter().map(|&call| (call, Vec::new())).collect();
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    refused.extend(by_argument().map_err(told)?);
    // The one for other ABIs comes last: the last that was installed is asked first, but all are asked, and the strictest answer counts.
    Ok([filter(absent, libc::ENOSYS)?, filter(refused, libc::EPERM)?, newer_than_known()])
}

/// Rules for calls that are refused with some arguments only. Arguments of 32 bits are compared as such: the kernel ignores the rest.
fn by_argument() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let when = |argument, operator, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    let unix = u64::from(libc::AF_UNIX.unsigned_abs());
    let mut rules = BTreeMap::new();
    let namespaces = CLONE_FLAGS.into_iter().map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        when(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![when(0, SeccompCmpOp::Ne, unix)?]);
    }
    let others = PERSONALITIES
        .into_iter()
        .map(|allowed| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, allowed));
    rules.insert(libc::SYS_personality, vec![SeccompRule::new(others.collect::<Result<_, _>>()?)?]);
    // Typing into the terminal of whoever started the host.
    let requests = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing = requests.into_iter().map(|request| when(1, SeccompCmpOp::Eq, u64::from(request as u32)));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    Ok(rules)
}

/// ENOSYS for every number above the last known one.
fn newer_than_known() -> BpfProgram {
    // The number of a call is the first word of what a filter sees (struct seccomp_data).
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    vec![
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        sock_filter { jt: 0, jf: 1, ..statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, LAST_KNOWN) },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sound() {
        let mut all: Vec<i64> = [REFUSED, ABSENT].concat();
        all.extend(by_argument().expect("rules").into_keys());
        assert!(all.iter().all(|&call| (0..=i64::from(LAST_KNOWN)).contains(&call)), "a newer call is refused already");
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "each call once");
        let lengths = filters().expect("filters").map(|filter| filter.len());
        assert!(lengths.iter().all(|&length| length < 4_096), "{lengths:?}: the kernel takes no more");
    }
}
