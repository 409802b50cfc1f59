//! The process that becomes the program: everything that it gives up on the way, in an order in which each step is still allowed.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, Mode, accessat};
use rustix::process::DumpableBehavior;

use super::{Launch, die_with_keeper, landlock_rules, limits, mounts, say, seccomp, users};
use crate::policy::Require;
use crate::report::{Layer, Refusal, Told};
use crate::system::{self, Close};

/// Returns only when it has failed.
pub(super) fn run(
    mut launch: Launch,
    directory: &Path,
    shown_as: Option<OwnedFd>,
    alive: &OwnedFd,
) -> Result<Infallible, Refusal> {
    die_with_keeper(alive)?;
    if launch.report.has(Layer::MountNamespace) {
        mounts::enter_root(&mut launch, shown_as.as_ref())?;
    } else if !launch.policy.tmp_files.is_empty() {
        // Others could have put theirs there.
        return Err(Refusal::new("it is to have files in a /tmp of its own, and has no /tmp of its own"));
    }
    drop(shown_as);
    // Not before: the folders of the root are for the user that it will be.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    become_nobody(&mut launch, alive)?;
    limits::set(&mut launch);
    let given_up = users::give_up_capabilities();
    launch.report.tried(Layer::Capabilities, given_up.map(|()| "none, and none in the bounding set"));
    let set = rustix::thread::set_no_new_privs(true);
    launch.report.tried(Layer::NoNewPrivileges, set.map(|()| ""));
    reach(&launch, directory)?;
    landlock_rules::enforce(&mut launch);
    seccomp::install(&mut launch.report);
    if launch.policy.require == Require::Strict {
        let missing = launch.report.missing_for(&launch.policy);
        if !missing.is_empty() {
            return Err(Refusal::missing(missing));
        }
    }
    // A program may be asked for its memory by itself (and, without a namespace of processes, by others of its user: Landlock and Yama).
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
    system::close_from(3, Close::OnExec)
        .map_err(|error| Refusal::new(format!("descriptors would be inherited: {error}")))?;
    let Launch { program, report, .. } = launch;
    say(&Told::Started(report));
    let mut words = program.into_iter();
    let Some(name) = words.next() else {
        // A probe.
        std::process::exit(0)
    };
    let error = std::process::Command::new(&name).args(words).exec();
    // What was said cannot be taken back; this is the last line of a process that has ended at once.
    eprintln!("{} could not be started: {error}", name.display());
    std::process::exit(127)
}

/// Changes the user when the launcher is root, and enters a namespace of users if it is not in one already.
fn become_nobody(launch: &mut Launch, alive: &OwnedFd) -> Result<(), Refusal> {
    if launch.is_root {
        if let Some(user) = launch.policy.user {
            users::become_user(user)
                .map_err(|error| Refusal::new(format!("it cannot become the user {user}: {error}")))?;
            // Forgotten with the change.
            die_with_keeper(alive)?;
        }
        let entered = users::enter_namespace(&launch.proc)?;
        launch.report.tried(Layer::UserNamespace, entered.map(|()| "users and groups are mapped to themselves"));
    }
    // As the host sees it: inside, users are mapped to themselves.
    launch.report.user = rustix::process::getuid().as_raw();
    match launch.report.user {
        0 => launch.report.set(Layer::OwnUser, false, "it is the host's root"),
        user => launch.report.set(Layer::OwnUser, true, format!("user {user}")),
    }
    Ok(())
}

/// Looks whether the process can use what it was given: it says more here than the program would.
fn reach(launch: &Launch, directory: &Path) -> Result<(), Refusal> {
    let user = launch.report.user;
    let look = |path: &Path, access: Access, what: &str| {
        accessat(CWD, path, access, AtFlags::EACCESS)
            .map_err(|error| Refusal::new(format!("user {user} may not {what} {}: {error}", path.display())))
    };
    for path in &launch.policy.package {
        let access = if path.is_dir() { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK };
        look(path, access, "read")?;
    }
    if let Some(path) = &launch.policy.sockets {
        look(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, "make sockets in")?;
    }
    if let Some(program) = launch.program.first() {
        look(Path::new::<OsStr>(program), Access::EXEC_OK, "execute")?;
        rustix::process::chdir(directory)
            .map_err(|error| Refusal::new(format!("it cannot stand in {}: {error}", directory.display())))?;
    }
    Ok(())
}
