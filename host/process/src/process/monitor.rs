//! Attends a process from its start to its end: the watchdog of its limits, its exit, what is left of its group, its report.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::directory::Directory;
use super::usage::Watch;
use super::{Process, locked};
use crate::error::{CrashReport, EndReason};
use crate::limits::WATCH_MS;

/// How long the last lines are waited for when the process has ended: something that left the group may hold the pipe, milliseconds.
const LAST_LINES_MS: u64 = 100;

/// What goes on beside a process.
pub(super) struct Tasks {
    server: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

impl Tasks {
    pub(super) fn new(server: JoinHandle<()>) -> Self {
        Self { server, readers: Vec::new() }
    }

    pub(super) fn reads(&mut self, reader: JoinHandle<()>) {
        self.readers.push(reader);
    }
}

/// Kills the group if the monitor itself is dropped, with the runtime it runs on.
struct KillOnDrop(Arc<Process>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.signal(rustix::process::Signal::KILL);
    }
}

/// Becomes readable when the process has exited.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe for types that change their descriptor under it; an OwnedFd does not"
)]
pub(super) fn exit_of(leader: Pid) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(rustix::process::pidfd_open(leader, rustix::process::PidfdFlags::NONBLOCK)?)
}

/// Returns when the process has ended and nothing of it is left.
pub(super) async fn attend(
    process: Arc<Process>,
    mut child: Child,
    exit: AsyncFd<OwnedFd>,
    tasks: Tasks,
    directory: Directory,
) {
    let guard = KillOnDrop(Arc::clone(&process));
    let watching = watch(Arc::clone(&process));
    tokio::select! {
        // Its exit is seen before it is reaped: until then its number cannot be given to another group.
        _ = exit.readable() => {}
        () = watching => {}
    }
    let calls = process.seats();
    process.kill();
    *locked(&process.signalled) = false;
    let exit = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => format!("unknown exit: {error}"),
    };
    drop(guard);
    tasks.server.abort();
    let mut readers = tasks.readers;
    let last_lines = async {
        for reader in &mut readers {
            drop(reader.await);
        }
    };
    if tokio::time::timeout(Duration::from_millis(LAST_LINES_MS), last_lines).await.is_err() {
        readers.iter().for_each(JoinHandle::abort);
    }
    drop(directory);
    let (reason, calls) = locked(&process.verdict).clone().unwrap_or((EndReason::Exited, calls));
    let report = CrashReport { reason, exit, calls, tail: process.tail.lines() };
    if report.reason.is_failure() {
        tracing::warn!(applet = process.spec.label, process = process.id, %report, "a process ended");
    }
    process.ended.send_replace(Some(Arc::new(report)));
}

/// Looks at what the process uses; returns when that is too much.
async fn watch(process: Arc<Process>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(WATCH_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = Instant::now();
    let mut watch = Watch::new(process.group, &process.spec.limits);
    loop {
        ticks.tick().await;
        let spec = Arc::clone(&process.spec);
        // /proc answers from memory, but a look at every process of the machine takes a while.
        let looked = tokio::task::spawn_blocking(move || {
            let verdict = watch.look(begin.elapsed(), &spec.limits);
            (watch, verdict)
        });
        let Ok((back, verdict)) = looked.await else { return };
        watch = back;
        if let Some(reason) = verdict {
            process.end(reason);
            // The exit comes.
            std::future::pending::<()>().await;
        }
    }
}
