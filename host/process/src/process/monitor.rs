//! Attends a process from its start to its end: the watchdog of its limits, its exit, what is left of its group, its report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use belljar_jail::ControlGroup;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::directory::Directory;
use super::usage::Watch;
use super::{Process, locked};
use crate::error::{CrashReport, EndReason};
use crate::limits::{Bound, WATCH_MS};
use crate::system::{Exit, Signal};

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

/// What a process leaves behind.
pub(super) struct Left {
    pub(super) directory: Directory,
    pub(super) group: Option<ControlGroup>,
}

/// Kills the group if the monitor itself is dropped, with the runtime it runs on.
struct KillOnDrop(Arc<Process>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.signal(Signal::Kill);
    }
}

/// Returns when the process has ended and nothing of it is left.
pub(super) async fn attend(process: Arc<Process>, mut child: Child, exit: Exit, tasks: Tasks, left: Left) {
    let guard = KillOnDrop(Arc::clone(&process));
    let watching = watch(Arc::clone(&process), left.directory.path().to_owned());
    tokio::select! {
        // Its exit is seen before it is reaped: until then its number cannot be given to another group.
        () = exit.seen() => {}
        () = watching => {}
    }
    let calls = process.seats();
    process.kill();
    if let Some(group) = &left.group
        && let Err(error) = group.kill()
    {
        tracing::debug!(process = process.id, %error, "a control group could not be killed");
    }
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
    let by_itself = match (left.group.as_ref(), process.spec.limits.memory_bytes_max) {
        (Some(group), Bound::At(allowed)) if group.is_out_of_memory() => {
            EndReason::Limit { name: "memory_bytes_max", allowed, used: allowed }
        }
        _ => EndReason::Exited,
    };
    // It waits until the kernel has let go of the group.
    drop(tokio::task::spawn_blocking(move || drop(left)).await);
    let (reason, calls) = locked(&process.verdict).clone().unwrap_or((by_itself, calls));
    let report = CrashReport { reason, exit, calls, tail: process.tail.lines() };
    if report.reason.is_failure() {
        tracing::warn!(applet = process.spec.label, process = process.id, %report, "a process ended");
    }
    process.ended.send_replace(Some(Arc::new(report)));
}

/// Looks at what the process uses; returns when that is too much.
async fn watch(process: Arc<Process>, directory: PathBuf) {
    let mut ticks = tokio::time::interval(Duration::from_millis(WATCH_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = Instant::now();
    let mut watch = Watch::new(process.group, directory, &process.spec.limits);
    loop {
        ticks.tick().await;
        watch.helpers =
            process.jail.borrow().as_ref().and_then(|said| said.as_ref().ok()).map_or(0, |report| report.helpers);
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
