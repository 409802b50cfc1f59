//! The leader of the process group: what the host waits for and signals. It exits as the program did, when nothing of it is left.

use std::convert::Infallible;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, kill_process, pidfd_open,
};

use super::Launch;
use crate::report::Refusal;
use crate::system;

/// How long the program has to end by itself when the host has gone, milliseconds.
const GRACE_MS: u64 = 200;
/// How long a probe may take, milliseconds.
const PROBE_MS_MAX: u64 = 5_000;
/// How long orphans are looked for when they come faster than they are killed, milliseconds.
const ORPHANS_MS_MAX: u64 = 2_000;
/// Signals that a program may send to its own group, or the host to ask it to end: all but those that cannot be ignored, and the one
/// that tells of children.
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;

/// Returns only when it could not even wait.
pub(super) fn run(launch: &Launch, program: Pid, init: Option<Pid>) -> Result<Infallible, Refusal> {
    for number in SIGNALS.filter(|number| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(number)) {
        system::ignore_signal(number, true);
    }
    let kill = |error: Errno| {
        let _ = kill_process(program, Signal::KILL);
        Refusal::new(format!("the program cannot be waited for: {error}"))
    };
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let status = wait(launch, program).map_err(kill)?;
    match init {
        Some(init) => {
            let _ = kill_process(init, Signal::KILL);
            // Returns when all in its namespace have gone (pid_namespaces(7)).
            let _ = reap(init);
        }
        None => end_orphans(launch),
    }
    exit_as(status)
}

/// Waits for the program, or ends it when the host has gone: its end of standard input is closed then.
fn wait(launch: &Launch, program: Pid) -> Result<WaitStatus, Errno> {
    let exit = pidfd_open(program, PidfdFlags::empty())?;
    let stdin = std::io::stdin();
    let mut until = launch.program.is_empty().then(|| Instant::now() + Duration::from_millis(PROBE_MS_MAX));
    let mut is_host_there = true;
    loop {
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
        if rest.is_some_and(|rest| rest.is_zero()) {
            let _ = kill_process(program, Signal::KILL);
            until = None;
            continue;
        }
        let mut looks =
            [PollFd::new(&exit, PollFlags::IN), PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty())];
        let looks = if is_host_there { &mut looks[..] } else { &mut looks[..1] };
        let rest =
            rest.map(|rest| Timespec { tv_sec: rest.as_secs().cast_signed(), tv_nsec: rest.subsec_nanos().into() });
        match poll(looks, rest.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        if !looks[0].revents().is_empty() {
            return reap(program);
        }
        if let Some(look) = looks.get(1)
            && !look.revents().is_empty()
        {
            is_host_there = false;
            // An input that was closed from the start, or that is no pipe, tells nothing.
            if look.revents().contains(PollFlags::HUP) && !look.revents().contains(PollFlags::NVAL) {
                until = Some(Instant::now() + Duration::from_millis(GRACE_MS));
            }
        }
    }
}

fn reap(id: Pid) -> Result<WaitStatus, Errno> {
    loop {
        match rustix::process::waitpid(Some(id), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Without a namespace of processes: kills what has come to this process as the nearest reaper, until there is nothing.
fn end_orphans(launch: &Launch) {
    let until = Instant::now() + Duration::from_millis(ORPHANS_MS_MAX);
    while Instant::now() < until {
        for orphan in children(launch) {
            let _ = kill_process(orphan, Signal::KILL);
        }
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            // There is no child.
            Err(_) => return,
        }
    }
}

fn children(launch: &Launch) -> Vec<Pid> {
    let path = format!("self/task/{}/children", rustix::thread::gettid().as_raw_nonzero());
    let read = || -> std::io::Result<String> {
        let file = openat(&launch.proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        std::io::read_to_string(std::fs::File::from(file))
    };
    let text = read().unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok().and_then(Pid::from_raw)).collect()
}

/// Exits with the same code, or by the same signal.
fn exit_as(status: WaitStatus) -> ! {
    if let Some(code) = status.exit_status() {
        std::process::exit(code);
    }
    let number = status.terminating_signal().unwrap_or(libc::SIGKILL);
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    system::ignore_signal(number, false);
    if let Some(signal) = Signal::from_named_raw(number) {
        let _ = kill_process(rustix::process::getpid(), signal);
    }
    // A real-time signal, which ends nothing here.
    std::process::exit(128 + number)
}
