//! The launcher: from its arguments to a process in a jail. Three processes come of it, all of one process group, whose leader is the one
//! that the host has started:
//!
//! * the *keeper*, the leader, which waits for the program, ends what is left, and exits as the program did;
//! * the *init* of the namespace of processes, which does nothing but be there: when it is killed, all in the namespace are;
//! * the *program*.

mod init;
mod keeper;
mod landlock_rules;
mod limits;
mod mounts;
mod namespaces;
mod program;
mod seccomp;
mod users;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal};

use crate::policy::{Policy, Require};
use crate::report::{Layer, Refusal, Report, Told};
use crate::system::{self, Close, Forked};
use crate::{REFUSED, control_group};

/// What is launched.
struct Launch {
    policy: Policy,
    /// The program with its arguments; a probe has none.
    program: Vec<OsString>,
    report: Report,
    /// Whether namespaces are made with the rights of the host's root, and the user is changed.
    is_root: bool,
    /// The host's `/proc`, which is still needed when the process has a root of its own.
    proc: OwnedFd,
}

/// Whether a launcher that this process starts can make its process another user ([`Policy::user`]).
#[must_use]
pub fn can_change_user() -> bool {
    users::can_be_root()
}

/// See [`crate::main`].
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let Err(refusal) = parse(args).and_then(|(policy, program)| launch(policy, program));
    say(&Told::Refused(refusal));
    ExitCode::from(REFUSED)
}

/// The first line on standard error.
fn say(told: &Told) {
    // One write: the host reads nothing else before its end. Whoever closed the other end does not want to know.
    let _ = std::io::stderr().write_all(format!("{}\n", told.line()).as_bytes());
}

const USAGE: &str = "usage: run POLICY PROGRAM [ARGUMENT…], or probe [USER]";

fn parse(args: Vec<OsString>) -> Result<(Policy, Vec<OsString>), Refusal> {
    let mut args = args.into_iter();
    let command = args.next();
    match command.as_ref().and_then(|word| word.to_str()) {
        Some("run") => {
            let policy = args.next().and_then(|text| text.into_string().ok()).ok_or_else(|| Refusal::new(USAGE))?;
            let policy =
                Policy::from_argument(&policy).map_err(|error| Refusal::new(format!("{error}: {}", cause(&error))))?;
            let program: Vec<_> = args.collect();
            if program.is_empty() { Err(Refusal::new(USAGE)) } else { Ok((policy, program)) }
        }
        Some("probe") => {
            let user = args.next().and_then(|text| text.to_str().and_then(|text| text.parse().ok()));
            let programs = vec!["/usr/lib".into()];
            Ok((Policy { require: Require::BestEffort, user, programs, ..Policy::default() }, Vec::new()))
        }
        _ => Err(Refusal::new(USAGE)),
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// Returns only when it has failed.
fn launch(policy: Policy, program: Vec<OsString>) -> Result<Infallible, Refusal> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| Refusal::new(format!("{what}: {error}"))
    };
    system::require_one_thread().map_err(Refusal::new)?;
    system::close_from(3, Close::Now).map_err(failed("descriptors could not be closed"))?;
    let mut report = Report::default();
    if let Some(group) = &policy.control_group {
        report.tried(Layer::ControlGroup, control_group::enter(group));
    }
    // Keys of the user's session are out of reach by seccomp too; without keys in the kernel there is nothing to leave.
    let _ = system::new_session_keyring();
    let proc = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| failed("/proc could not be opened")(error.into()))?;
    let directory = std::env::current_dir().map_err(failed("it stands in no folder"))?;
    let is_root = users::can_be_root();
    if let Some(user) = policy.user.filter(|user| !is_root && *user != rustix::process::geteuid().as_raw()) {
        return Err(Refusal::new(format!(
            "it cannot become the user {user}: the host is not root, or has too few capabilities"
        )));
    }
    let mut launch = Launch { policy, program, report, is_root, proc };
    // From here on it stands in nothing that a new root would have to keep.
    let shown_as = users::for_owned_files(&launch).map_err(failed("owners of files cannot be shown as others"))?;
    let (here, outside) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed("no pipe")(error.into()))?;
    namespaces::enter(&mut launch)?;
    let has_init = launch.report.has(Layer::PidNamespace);
    let mut init = None;
    if has_init {
        init = match system::fork().map_err(failed("no init for the namespace of processes"))? {
            Forked::Child => {
                drop(outside);
                init::run(&here)
            }
            Forked::Parent(id) => Some(id),
        };
    } else {
        // What outlives its parents comes to the keeper, which ends it.
        rustix::process::set_child_subreaper(Pid::from_raw(1))
            .map_err(|error| failed("it cannot take orphans")(error.into()))?;
    }
    launch.report.helpers = if has_init { 2 } else { 1 };
    match system::fork().map_err(failed("no process for the program"))? {
        Forked::Child => {
            drop(outside);
            let Err(refusal) = program::run(launch, &directory, shown_as, &here);
            say(&Told::Refused(refusal));
            std::process::exit(REFUSED.into());
        }
        Forked::Parent(program) => keeper::run(&launch, program, init),
    }
}

/// Dies when the keeper does, however it goes; `alive` is a pipe that the keeper holds the other end of. To be called again when the user
/// has changed, which makes the kernel forget it.
fn die_with_keeper(alive: &OwnedFd) -> Result<(), Refusal> {
    use rustix::event::{PollFd, PollFlags, poll};
    let failed = |error: rustix::io::Errno| Refusal::new(format!("it would outlive the keeper: {error}"));
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    // It may have died before.
    let mut look = [PollFd::new(alive, PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut look, Some(&now)).map_err(failed)?;
    if look[0].revents().contains(PollFlags::HUP) { Err(Refusal::new("the keeper is gone")) } else { Ok(()) }
}
