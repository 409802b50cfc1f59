//! Control groups, version 2: whether there are any that this user may make, one for each process, and the end of one with all in it.
//! Limits that the kernel keeps are exact where a watchdog looks ten times in a second.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a control group can bound.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
/// The group that a host moves into, so that groups beside it can have limits.
const HOST: &str = "belljar-host";
/// How long a group may take to become empty when all in it were killed, milliseconds.
const EMPTY_MS_MAX: u64 = 500;

/// What is known of control groups on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlGroups {
    /// There is none of version 2.
    Absent,
    /// It is there, but this user may not make groups in it.
    ReadOnly {
        /// The group of the host.
        path: PathBuf,
    },
    /// Groups can be made, with these controllers.
    Usable {
        /// The group of the host.
        path: PathBuf,
        /// Those of `memory`, `cpu` and `pids` that there are.
        controllers: Vec<String>,
    },
}

/// Looks for control groups, and changes nothing.
#[must_use]
pub fn control_groups() -> ControlGroups {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let (Some(mount), Some(own)) = (mount_point(&mounts), own.lines().find_map(|line| line.strip_prefix("0::/")))
    else {
        return ControlGroups::Absent;
    };
    look_at(mount.join(own.strip_suffix(HOST).unwrap_or(own).trim_end_matches('/')))
}

fn look_at(path: PathBuf) -> ControlGroups {
    let Ok(found) = fs::read_to_string(path.join("cgroup.controllers")) else { return ControlGroups::Absent };
    if may_write(&path) && may_write(&path.join("cgroup.procs")) {
        let controllers = found.split_whitespace().filter(|name| CONTROLLERS.contains(name)).map(str::to_owned);
        ControlGroups::Usable { path, controllers: controllers.collect() }
    } else {
        ControlGroups::ReadOnly { path }
    }
}

#[cfg(target_os = "linux")]
fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(target_os = "linux")]
fn is_of_ended_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Only Linux has control groups: elsewhere none is found to ask about.
#[cfg(not(target_os = "linux"))]
fn may_write(_: &Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn is_of_ended_process(_: &io::Error) -> bool {
    false
}

/// Where version 2 is mounted, by `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        after.starts_with("cgroup2 ").then(|| before.split(' ').nth(4)).flatten().map(PathBuf::from)
    })
}

/// Makes room for groups with limits: moves all processes of the host's own group into one beside them, because the kernel gives no
/// limits to groups within one that has processes itself, and hands on the controllers. To be called once, before the first process is
/// started. The group it returns is where groups are made.
///
/// # Errors
/// The kernel's refusal; then there are no groups, and watchdogs keep the limits.
pub fn prepare_control_groups() -> io::Result<PathBuf> {
    match control_groups() {
        ControlGroups::Usable { path, controllers } if !controllers.is_empty() => {
            hand_on(&path, &controllers)?;
            Ok(path)
        }
        ControlGroups::Usable { .. } => Err(io::Error::other("the host's group has none of memory, cpu and pids")),
        ControlGroups::ReadOnly { path } => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{} may not be written", path.display())))
        }
        ControlGroups::Absent => Err(io::Error::new(io::ErrorKind::NotFound, "there is no cgroup v2")),
    }
}

fn hand_on(path: &Path, controllers: &[String]) -> io::Result<()> {
    let host = path.join(HOST);
    match fs::create_dir(&host) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for process in fs::read_to_string(path.join("cgroup.procs"))?.lines() {
        // One that has ended meanwhile need not move.
        match fs::write(host.join("cgroup.procs"), process) {
            Err(error) if !is_of_ended_process(&error) => return Err(error),
            _ => {}
        }
    }
    let all: Vec<_> = controllers.iter().map(|name| format!("+{name}")).collect();
    fs::write(path.join("cgroup.subtree_control"), all.join(" "))
}

/// Limits of one group; those that are none are not set, nor those whose controller the group does not have. What is set is told by the
/// launcher's report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupLimits {
    /// Memory of all processes together, bytes, without swap.
    pub memory_bytes_max: Option<u64>,
    /// Processors, in thousandths of one: 1,500 are one and a half.
    pub cpu_thousandths_max: Option<u64>,
    /// Processes and threads together.
    pub threads_max: Option<u64>,
}

/// The group of one process. When it is dropped, all in it are killed, and it is removed.
#[derive(Debug)]
pub struct ControlGroup {
    path: PathBuf,
}

impl ControlGroup {
    /// Makes one in `parent`, which [`prepare_control_groups`] has returned.
    ///
    /// # Errors
    /// The kernel's refusal of the group or of one of its limits.
    pub fn create(parent: &Path, name: &str, limits: &GroupLimits) -> io::Result<Self> {
        let path = parent.join(format!("belljar-{name}"));
        fs::create_dir(&path)?;
        let group = Self { path };
        group.limit(limits)?;
        Ok(group)
    }

    fn limit(&self, limits: &GroupLimits) -> io::Result<()> {
        const PERIOD_US: u64 = 100_000;
        let has = |name: &str| self.path.join(name).exists();
        if let Some(bytes) = limits.memory_bytes_max.filter(|_| has("memory.max")) {
            self.write("memory.max", &bytes.to_string())?;
            // All of them, not the one that the kernel likes least: half a process is none.
            self.write("memory.oom.group", "1")?;
            match self.write("memory.swap.max", "0") {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // A kernel without swap.
                _ => {}
            }
        }
        if let Some(thousandths) = limits.cpu_thousandths_max.filter(|_| has("cpu.max")) {
            self.write("cpu.max", &format!("{} {PERIOD_US}", thousandths.saturating_mul(PERIOD_US / 1_000)))?;
        }
        if let Some(threads) = limits.threads_max.filter(|_| has("pids.max")) {
            self.write("pids.max", &threads.to_string())?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        // Never a new file: the kernel makes those that there are.
        let mut file = fs::OpenOptions::new().write(true).open(self.path.join(name))?;
        io::Write::write_all(&mut file, text.as_bytes())
    }

    /// Its folder, for [`crate::Policy::control_group`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the kernel has killed in it for want of memory.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        events.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count != "0")
    }

    /// Kills all processes in it (Linux 5.14 and later).
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn kill(&self) -> io::Result<()> {
        self.write("cgroup.kill", "1")
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let _ = self.kill();
        let until = std::time::Instant::now() + std::time::Duration::from_millis(EMPTY_MS_MAX);
        // It can be removed when the last process has been waited for.
        while let Err(error) = fs::remove_dir(&self.path) {
            if error.kind() != io::ErrorKind::ResourceBusy || std::time::Instant::now() >= until {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

/// Puts this process into a group; what the group limits. It is an error when that is nothing, though it is in the group then.
#[cfg(target_os = "linux")]
pub(crate) fn enter(group: &Path) -> io::Result<String> {
    let mut file = fs::OpenOptions::new().write(true).open(group.join("cgroup.procs"))?;
    // 0 is the one that writes (cgroups(7)).
    io::Write::write_all(&mut file, b"0")?;
    let limits = |name: &&str| {
        // Of the processor there is a period behind it.
        let text = fs::read_to_string(group.join(format!("{name}.max"))).unwrap_or_default();
        !text.is_empty() && !text.starts_with("max")
    };
    let limited: Vec<_> = CONTROLLERS.into_iter().filter(limits).collect();
    if limited.is_empty() {
        return Err(io::Error::other(format!("it is in {}, which has none of memory, cpu and pids", group.display())));
    }
    Ok(limited.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_found_wherever_it_is() {
        let mounts = "24 1 0:22 / /proc rw - proc proc rw\n31 24 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point("24 1 0:22 / /proc rw - proc proc rw\n"), None);
    }

    /// Files as the kernel has them, in a folder of ours: what is written where, not what comes of it.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            fs::write(folder.path().join(file), "").expect("written");
        }
        folder
    }

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        let folder = folder(&["memory.max", "memory.oom.group", "cpu.max", "pids.max"]);
        let group = ControlGroup { path: folder.path().to_owned() };
        let limits =
            GroupLimits { memory_bytes_max: Some(512), cpu_thousandths_max: Some(1_500), threads_max: Some(64) };
        group.limit(&limits).expect("written");
        let read = |name| fs::read_to_string(folder.path().join(name)).expect("there");
        assert_eq!(
            ["memory.max", "memory.oom.group", "cpu.max", "pids.max"].map(read),
            ["512", "1", "150000 100000", "64"]
        );
        assert!(!folder.path().join("memory.swap.max").exists(), "nothing is made that the kernel has not");
        fs::write(folder.path().join("cgroup.procs"), "").expect("written");
        assert_eq!(enter(folder.path()).expect("entered"), "memory, cpu, pids");
        fs::write(folder.path().join("cpu.max"), "max 100000").expect("written");
        fs::remove_file(folder.path().join("pids.max")).expect("removed");
        group.limit(&limits).expect("what it has");
        fs::write(folder.path().join("cpu.max"), "max 100000").expect("written");
        assert_eq!(enter(folder.path()).expect("entered"), "memory");
        fs::remove_file(folder.path().join("memory.max")).expect("removed");
        assert!(enter(folder.path()).expect_err("nothing").to_string().contains("none of memory, cpu and pids"));
        fs::write(folder.path().join("memory.events"), "low 0\noom 1\noom_kill 2\n").expect("written");
        assert!(group.is_out_of_memory());
        fs::write(folder.path().join("memory.events"), "low 0\noom 1\noom_kill 0\n").expect("written");
        assert!(!group.is_out_of_memory());
    }

    #[test]
    fn controllers_are_handed_on_when_the_host_has_moved() {
        let folder = folder(&["cgroup.procs", "cgroup.subtree_control"]);
        fs::write(folder.path().join("cgroup.procs"), "12\n").expect("written");
        fs::create_dir(folder.path().join(HOST)).expect("made");
        hand_on(folder.path(), &["memory".into(), "pids".into()]).expect("handed on");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("there");
        assert_eq!(read("belljar-host/cgroup.procs"), "12");
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids");
    }

    #[test]
    fn what_is_told_of_this_machine_is_there() {
        match control_groups() {
            ControlGroups::Absent => {}
            ControlGroups::ReadOnly { path } | ControlGroups::Usable { path, .. } => assert!(path.is_dir()),
        }
    }

    /// Where this user may make groups: one is made, a process put into it, killed with it, and it goes away.
    #[test]
    fn a_group_ends_with_all_in_it() {
        let ControlGroups::Usable { path, .. } = control_groups() else {
            eprintln!("skipped: no control group may be made here: {:?}", control_groups());
            return;
        };
        let name = format!("test-{}", std::process::id());
        let group = match ControlGroup::create(&path, &name, &GroupLimits::default()) {
            Ok(group) => group,
            Err(error) => {
                eprintln!("skipped: {} lets no group be made: {error}", path.display());
                return;
            }
        };
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("sleep");
        fs::write(group.path().join("cgroup.procs"), child.id().to_string()).expect("entered");
        group.kill().expect("killed");
        assert!(!child.wait().expect("reaped").success());
        let path = group.path().to_owned();
        drop(group);
        assert!(!path.exists());
    }
}
