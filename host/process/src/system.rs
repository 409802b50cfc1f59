//! What applets in processes need of the operating system. All of it is there on Linux (`linux.rs`). On other systems (`absent.rs`) there
//! are the same names, and nothing can be started: `UNSUPPORTED` says why, to whoever sets up a host and to whoever starts a process.

#[cfg(not(target_os = "linux"))]
#[path = "system/absent.rs"]
mod platform;
#[cfg(target_os = "linux")]
#[path = "system/linux.rs"]
mod platform;

pub(crate) use platform::*;

/// Why applets with `engine: bun`, `node` or `deno` do not run on this operating system; `None` where they do.
///
/// ```
/// assert_eq!(belljar_process::UNSUPPORTED.is_none(), cfg!(target_os = "linux"));
/// ```
pub const UNSUPPORTED: Option<&str> = if cfg!(target_os = "linux") {
    None
} else {
    Some(
        "applets with `engine: bun`, `node` or `deno` need Linux, where a jail can hold their processes; those with `engine: wasm` run everywhere",
    )
};

/// What a process or a group is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Come to an end (SIGTERM).
    End,
    /// End now (SIGKILL).
    Kill,
}

/// Who may be at the other end of a socket: the processes of one group, all of one user. Both are as the host sees them, whatever
/// namespaces the processes are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) group: u32,
    pub(crate) user: u32,
}
