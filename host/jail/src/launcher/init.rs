//! The first process of the namespace: it is there so that the kernel kills all others with it, and takes what has lost its parents.
//! The program can see it, so it has nothing that the program could want.

use std::os::fd::OwnedFd;

use rustix::process::DumpableBehavior;

use super::{die_with_keeper, seccomp, users};
use crate::report::{Refusal, Report};
use crate::system::{self, Close};

/// Never returns.
pub(super) fn run(alive: &OwnedFd) -> ! {
    if prepare(alive).is_err() {
        // The program's process sees its namespace go, and the keeper says that it went.
        std::process::exit(1);
    }
    loop {
        system::pause();
    }
}

fn prepare(alive: &OwnedFd) -> Result<(), Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::new(format!("init: {error}"));
    die_with_keeper(alive)?;
    // Those that end here need not be waited for (SA_NOCLDWAIT in wait(2)).
    system::ignore_signal(libc::SIGCHLD, true);
    // Nobody can read its memory or write to it, not even one who is the same user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| failed(&error))?;
    users::give_up_capabilities().map_err(|error| failed(&error))?;
    rustix::thread::set_no_new_privs(true).map_err(|error| failed(&error))?;
    seccomp::install(&mut Report::default());
    system::close_from(0, Close::Now).map_err(|error| failed(&error))
}
