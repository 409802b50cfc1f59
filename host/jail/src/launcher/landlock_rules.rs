//! The second wall: Landlock allows what the mounts show, and refuses the rest even where a mount was forgotten or could not be made.
//! What it also refuses: regular files in the folder of sockets, which is on the host's disk, programs in what can be written, TCP, and
//! signals and abstract sockets to the outside.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    PathFdError, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
    Scope,
};
use std::path::Path;

use super::Launch;
use crate::report::Layer;

/// What is asked for; of an older kernel what it has. Version 7 adds nothing to 6 that can be asked for.
const VERSION: ABI = ABI::V6;
/// The oldest one that is a wall: version 2 has all that is said of files but truncation.
const VERSION_MIN: ABI = ABI::V2;

/// Refuses what is not allowed from here on.
pub(super) fn enforce(launch: &mut Launch) {
    let enforced = rules(launch).and_then(|rules| rules.restrict_self().map_err(|error| error.to_string()));
    let (active, note) = match enforced {
        Err(told) => (false, told),
        Ok(status) => match (status.landlock, status.ruleset) {
            (LandlockStatus::Available { effective_abi, kernel_abi }, RulesetStatus::FullyEnforced) => {
                (true, format!("version {}", kernel_abi.unwrap_or(effective_abi as i32)))
            }
            (LandlockStatus::Available { effective_abi, .. }, RulesetStatus::PartiallyEnforced) => (
                effective_abi >= VERSION_MIN,
                format!("version {}, and {} has more", effective_abi as i32, VERSION as i32),
            ),
            (LandlockStatus::NotEnabled, _) => (false, "the kernel has it, and it was not enabled at its start".into()),
            (LandlockStatus::NotImplemented, _) => (false, "the kernel does not have it".into()),
            (_, RulesetStatus::NotEnforced) => (false, "the kernel enforces nothing of it".into()),
        },
    };
    // Rules are for a folder with all that is in it, whatever is mounted there.
    let within_tmp = active && launch.policy.sockets.as_deref().is_some_and(|path| path.starts_with("/tmp"));
    let note = if within_tmp {
        format!("{note}; the folder of sockets is within /tmp: files can be made there")
    } else {
        note
    };
    launch.report.set(Layer::Landlock, active, note);
}

fn rules(launch: &Launch) -> Result<RulesetCreated, String> {
    let told = |error: RulesetError| error.to_string();
    let policy = &launch.policy;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))
        .map_err(told)?
        .handle_access(AccessNet::from_all(VERSION))
        .map_err(told)?
        .scope(Scope::from_all(VERSION))
        .map_err(told)?
        .create()
        .map_err(told)?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let both = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    for path in &policy.programs {
        allow(&mut rules, path, read | AccessFs::Execute)?;
    }
    allow(&mut rules, Path::new("/etc/ld.so.cache"), read)?;
    for path in &policy.package {
        allow(&mut rules, path, read)?;
        // Bun finds no file in a folder that it cannot list. In a root of the process's own there is nothing else in it.
        if let Some(folder) = path.parent().filter(|_| path.is_file()) {
            allow(&mut rules, folder, AccessFs::ReadDir.into())?;
        }
    }
    if let Some(path) = &policy.sockets {
        allow(&mut rules, path, read | AccessFs::MakeSock | AccessFs::RemoveFile)?;
    }
    for device in ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"] {
        allow(&mut rules, Path::new(device), both)?;
    }
    // Elsewhere these are the host's.
    if launch.report.has(Layer::MountNamespace) {
        let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
        allow(&mut rules, Path::new("/tmp"), AccessFs::from_all(VERSION) & !never)?;
        for path in ["/proc", "/etc/passwd", "/etc/group"] {
            allow(&mut rules, Path::new(path), read)?;
        }
    } else {
        // Node does not start when it may not read its settings where they are there, nor Bun when it does not find its own stack
        // (/proc/self is the folder of this process only, which stays the same one when it becomes the program).
        for path in ["/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/proc/self"] {
            allow(&mut rules, Path::new(path), read)?;
        }
    }
    Ok(rules)
}

/// Of what is not there, nothing is allowed.
fn allow(rules: &mut RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<(), String> {
    let place = match PathFd::new(path) {
        Ok(place) => place,
        Err(PathFdError::OpenCall { .. }) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    // Of rights that only a folder can give, a file has none.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
    rules.add_rule(PathBeneath::new(place, access)).map(|_| ()).map_err(|error| error.to_string())
}
