//! Limits of the kernel's for each process (setrlimit(2)). Not for address space: the runtimes reserve far more than they use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Launch;
use crate::report::Layer;

/// Sets them. A limit that is lower already stays.
pub(super) fn set(launch: &mut Launch) {
    let policy = &launch.policy;
    let mut all = vec![
        (Resource::Core, 0, "no core files"),
        (Resource::Fsize, policy.file_bytes_max, "size of files"),
        (Resource::Nofile, policy.files_open_max, "open files"),
    ];
    // The kernel counts by user and namespace of users (5.14 and later).
    if launch.report.has(Layer::UserNamespace) {
        all.push((Resource::Nproc, policy.threads_max, "threads"));
    }
    let mut done = Vec::new();
    for (resource, value, what) in all {
        let lower = getrlimit(resource).maximum.map_or(value, |old| old.min(value));
        match setrlimit(resource, Rlimit { current: Some(lower), maximum: Some(lower) }) {
            Ok(()) => done.push(what),
            Err(error) => {
                launch.report.set(Layer::ResourceLimits, false, format!("{what}: {error}"));
                return;
            }
        }
    }
    launch.report.set(Layer::ResourceLimits, true, done.join(", "));
}
