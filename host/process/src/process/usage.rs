//! What a process and its children use, read from /proc: the watchdog's eyes. Children are found by their parents and by the process
//! group, so that one that leaves the group is still counted while its parent lives.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::EndReason;
use crate::limits::{Bound, DIRECTORY_BYTES_MAX, ProcessLimits};
use crate::system;

/// A look at everything in /proc is dear: one in so many looks.
const FULL_EVERY: u32 = 10;
/// Children whose own children are asked for.
const CHILDREN_MAX: usize = 4_096;
/// What a name in a directory counts at least, bytes.
const ENTRY_BYTES_MIN: u64 = 4_096;

/// Watches one process group.
pub(crate) struct Watch {
    leader: u32,
    page_bytes: u64,
    tick_ms: u64,
    looks: u32,
    /// Found by group at the last full look.
    strays: Vec<u32>,
    cpu: CpuWindow,
    /// The private directory: the one folder on the host's disk that a process in a jail can write to.
    directory: PathBuf,
    /// Processes that belong to the jail and not to the applet.
    pub(crate) helpers: u32,
}

/// What was found in one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) processes: u64,
}

impl Watch {
    pub(crate) fn new(leader: u32, directory: PathBuf, limits: &ProcessLimits) -> Self {
        Self {
            leader,
            page_bytes: system::page_bytes(),
            tick_ms: (1_000 / system::ticks_per_second()).max(1),
            looks: 0,
            strays: Vec::new(),
            cpu: CpuWindow::new(limits.cpu_window_ms),
            directory,
            helpers: 0,
        }
    }

    /// Looks once; why the process must end, if it must. `now` is counted from any moment.
    pub(crate) fn look(&mut self, now: Duration, limits: &ProcessLimits) -> Option<EndReason> {
        let usage = self.usage();
        let cpu_ms = self.cpu.within(now, usage.cpu_ms);
        let over =
            |name, bound: Bound, used| bound.crossed_by(used).map(|allowed| EndReason::Limit { name, allowed, used });
        over("memory_bytes_max", limits.memory_bytes_max, usage.memory_bytes)
            .or_else(|| over("cpu_ms_max", limits.cpu_ms_max, cpu_ms))
            .or_else(|| {
                over("processes_max", limits.processes_max, usage.processes.saturating_sub(self.helpers.into()))
            })
            .or_else(|| over("directory_bytes_max", Bound::At(DIRECTORY_BYTES_MAX), disk_bytes(&self.directory)))
    }

    pub(crate) fn usage(&mut self) -> Usage {
        if self.looks.is_multiple_of(FULL_EVERY) {
            self.strays = of_group(self.leader);
        }
        self.looks = self.looks.wrapping_add(1);
        let mut all: BTreeSet<u32> = self.strays.iter().copied().collect();
        all.insert(self.leader);
        let mut open: Vec<u32> = all.iter().copied().collect();
        descend(&mut open, &mut all);
        let mut usage = Usage { memory_bytes: 0, cpu_ms: 0, processes: 0 };
        let mut ticks = HashMap::new();
        for id in all {
            if let Some(pages) = resident_pages(id) {
                usage.memory_bytes += pages * self.page_bytes;
                usage.processes += 1;
            }
            if let Some(stat) = Stat::of(id) {
                ticks.insert(id, stat.cpu_ticks);
            }
        }
        usage.cpu_ms = ticks.values().sum::<u64>() * self.tick_ms;
        usage
    }
}

/// Processor time within a window that moves along.
#[derive(Debug)]
struct CpuWindow {
    length: Duration,
    seen: VecDeque<(Duration, u64)>,
}

impl CpuWindow {
    fn new(length_ms: u64) -> Self {
        Self { length: Duration::from_millis(length_ms), seen: VecDeque::new() }
    }

    /// What was used in the window that ends now, given what was used in all.
    fn within(&mut self, now: Duration, total_ms: u64) -> u64 {
        self.seen.push_back((now, total_ms));
        // One before the window is kept: what was used since then is what is asked for.
        while self.seen.get(1).is_some_and(|&(at, _)| at + self.length <= now) {
            self.seen.pop_front();
        }
        // Children that have ended take their time with them: never below nothing.
        self.seen.front().map_or(0, |&(_, before)| total_ms.saturating_sub(before))
    }
}

/// What is in a directory, with what is in its directories, as far as matters: more than is allowed is too much.
fn disk_bytes(directory: &Path) -> u64 {
    let mut used = 0;
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        // Gone meanwhile, or not to be read by us: then there is nobody who could have filled it but ourselves.
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let Ok(data) = entry.metadata() else { continue };
            // Names take place too.
            used += system::disk_bytes(&data).max(ENTRY_BYTES_MIN);
            if data.is_dir() {
                open.push(entry.path());
            }
            if used > DIRECTORY_BYTES_MAX {
                return used;
            }
        }
    }
    used
}

fn resident_pages(id: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{id}/statm")).ok()?.split(' ').nth(1)?.parse().ok()
}

fn children(id: u32, mut found: impl FnMut(u32)) {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return };
    for thread in threads.flatten() {
        let Ok(text) = fs::read_to_string(thread.path().join("children")) else { continue };
        text.split_whitespace().filter_map(|child| child.parse().ok()).for_each(&mut found);
    }
}

/// Parts of /proc/PID/stat (proc_pid_stat(5)).
struct Stat {
    group: u32,
    cpu_ticks: u64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The name is in parentheses and may hold any of them itself, so what comes after the last one counts.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
        let group = fields.nth(2)?.parse().ok()?;
        let user: u64 = fields.nth(8)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        // Of children that have been waited for.
        let waited_user: u64 = fields.next()?.parse().unwrap_or(0);
        let waited_system: u64 = fields.next()?.parse().unwrap_or(0);
        Some(Self { group, cpu_ticks: user + system + waited_user + waited_system })
    }
}

fn of_group(group: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&id| Stat::of(id).is_some_and(|stat| stat.group == group))
        .collect()
}

/// Adds the children of the processes in `open`, and theirs, to `all`.
fn descend(open: &mut Vec<u32>, all: &mut BTreeSet<u32>) {
    while let Some(id) = open.pop() {
        if all.len() >= CHILDREN_MAX {
            break;
        }
        children(id, |child| {
            if all.insert(child) {
                open.push(child);
            }
        });
    }
}

/// The children of a process, and theirs: those that may have left its group.
pub(crate) fn descendants(leader: u32) -> Vec<u32> {
    let mut all = BTreeSet::new();
    let mut open = vec![leader];
    descend(&mut open, &mut all);
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_whatever_the_name() {
        let stat = Stat::parse("7 (a) b (c) S 1 42 7 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0").expect("read");
        assert_eq!((stat.group, stat.cpu_ticks), (42, 110));
        assert!(Stat::parse("7 (a").is_none());
        assert!(Stat::parse("").is_none());
    }

    #[test]
    fn the_window_moves() {
        let at = Duration::from_millis;
        let mut window = CpuWindow::new(1_000);
        assert_eq!(window.within(at(0), 500), 0, "what was used before is not counted");
        assert_eq!(window.within(at(500), 900), 400);
        assert_eq!(window.within(at(1_000), 1_000), 500);
        assert_eq!(window.within(at(1_600), 1_100), 200, "the first is out of it");
        assert_eq!(window.within(at(1_700), 0), 0, "children have ended");
    }

    #[test]
    fn a_full_directory_is_seen() {
        let folder = tempfile::tempdir().expect("a directory");
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).expect("made");
        fs::write(deep.join("small"), "x").expect("written");
        assert_eq!(disk_bytes(folder.path()), 3 * ENTRY_BYTES_MIN);
        fs::write(deep.join("large"), vec![1; 5 << 20]).expect("written");
        assert!(disk_bytes(folder.path()) > DIRECTORY_BYTES_MAX);
        assert_eq!(disk_bytes(Path::new("/no/such/directory")), 0);
    }

    #[test]
    fn sees_a_group_and_what_left_it() {
        use std::os::unix::process::CommandExt as _;
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 30 & setsid sleep 30 & wait"])
            .process_group(0)
            .spawn()
            .expect("a shell");
        let leader = child.id();
        let folder = tempfile::tempdir().expect("a directory");
        let mut watch = Watch::new(leader, folder.path().to_owned(), &ProcessLimits::default());
        let seen = (0..200).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            watch.looks = 0;
            Some(watch.usage()).filter(|usage| usage.processes == 3)
        });
        let left = descendants(leader);
        let limits = ProcessLimits { processes_max: Bound::At(2), ..ProcessLimits::default() };
        let verdict = watch.look(Duration::ZERO, &limits);
        for id in left.iter().copied().chain([leader]) {
            system::kill(id).expect("killed");
        }
        child.wait().expect("reaped");
        assert!(seen.is_some_and(|usage| usage.memory_bytes > 0), "{seen:?}");
        assert_eq!(left.len(), 2);
        assert_eq!(verdict, Some(EndReason::Limit { name: "processes_max", allowed: 2, used: 3 }));
    }
}
