//! Enters namespaces: all at once where the kernel allows, and one after the other to find out which it does not.

use rustix::thread::UnshareFlags;

use super::{Launch, users};
use crate::report::{Layer, Refusal};
use crate::system::unshare;

const EACH: [(Layer, UnshareFlags); 5] = [
    (Layer::MountNamespace, UnshareFlags::NEWNS),
    (Layer::PidNamespace, UnshareFlags::NEWPID),
    (Layer::IpcNamespace, UnshareFlags::NEWIPC),
    (Layer::UtsNamespace, UnshareFlags::NEWUTS),
    (Layer::NetNamespace, UnshareFlags::NEWNET),
];

/// Enters what can be entered. The host's root makes its namespaces as root, so that nothing in them belongs to the process, and enters
/// that of users last; anybody else must enter that of users first to make the others.
pub(super) fn enter(launch: &mut Launch) -> Result<(), Refusal> {
    if !launch.is_root {
        let entered = users::enter_namespace(&launch.proc)?;
        launch.report.tried(Layer::UserNamespace, entered.map(|()| "users and groups are mapped to themselves"));
    }
    let all = EACH.iter().fold(UnshareFlags::empty(), |all, (_, flag)| all | *flag);
    let at_once = unshare(all);
    for (layer, flag) in EACH {
        let entered = if at_once.is_ok() { Ok(()) } else { unshare(flag) };
        launch.report.tried(layer, entered.map(|()| ""));
    }
    // It hides where in the tree of control groups the process is; nothing depends on it.
    let _ = unshare(UnshareFlags::NEWCGROUP);
    if launch.report.has(Layer::UtsNamespace) {
        // The old name is no secret: a layer that holds otherwise.
        let _ = rustix::system::sethostname(b"applet");
    }
    Ok(())
}
