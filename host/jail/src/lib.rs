//! The jail of a process engine: a small program, the launcher, that the host starts in place of a JavaScript runtime. It enters
//! namespaces, builds a root of its own, gives up what the process must not have, says on standard error what of all this is active, and
//! becomes the runtime.
//!
//! Read in the order of a start: a [`Policy`] says what the process may see and use; [`main`] is the launcher; [`Told`] is what it says;
//! [`Report`] lists each [`Layer`]. [`probe`] asks a launcher what works on this machine. The crate knows no runtime, no protocol and no
//! supervisor (`docs/jail.md`).

mod policy;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "the launcher says it, and there is none"))]
mod report;

mod control_group;
#[cfg(target_os = "linux")]
mod launcher;
mod probe;
#[cfg(target_os = "linux")]
mod system;

use std::ffi::OsString;
use std::process::ExitCode;

pub use control_group::{ControlGroup, ControlGroups, GroupLimits, control_groups, prepare_control_groups};
#[cfg(target_os = "linux")]
pub use launcher::can_change_user;
pub use policy::{Policy, PolicyError, Require};
pub use probe::{ProbeError, probe};
pub use report::{Layer, LayerReport, Refusal, Report, Told};

/// The exit of a launcher that has refused to start the process, or could not.
pub const REFUSED: u8 = 125;

/// The launcher: `run POLICY PROGRAM [ARGUMENT…]` becomes the program in a jail, `probe` only says what would be active. `args` are those
/// after the name of the command. It must be called before the process has started a thread, and returns only when it has refused.
#[cfg(target_os = "linux")]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    launcher::main(args.into_iter().collect())
}

/// There is no jail on this platform: nobody changes users for one.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn can_change_user() -> bool {
    false
}

/// There is no jail on this platform: refuses.
#[cfg(not(target_os = "linux"))]
pub fn main(_: impl IntoIterator<Item = OsString>) -> ExitCode {
    let refusal = Refusal { message: "there is a jail on Linux only".into(), missing: Vec::new() };
    eprintln!("{}", Told::Refused(refusal).line());
    ExitCode::from(REFUSED)
}
