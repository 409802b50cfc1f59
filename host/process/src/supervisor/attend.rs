//! What goes on for a replica beside its calls: its start, its health checks, its end when it is idle, and what is noted when its process
//! has ended. These tasks hold no supervisor alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::machine::{State, Verdict};
use super::{Shared, Slot};
use crate::error::{CrashReport, EndReason};
use crate::limits::Bound;
use crate::process::Process;
use crate::process::spec::Spec;

/// How often it is asked whether a process is idle or has given up too many calls, and whether one is to be kept alive, milliseconds.
const LOOK_MS: u64 = 50;

/// Starts a process for a replica, and notes what came of it.
pub(super) async fn start(shared: Weak<Shared>, index: usize, generation: u64, spec: Arc<Spec>) {
    let launched = Process::launch(spec).await;
    let Some(shared) = shared.upgrade() else {
        if let Ok(process) = launched {
            process.kill();
        }
        return;
    };
    let now = shared.now();
    let mut inner = shared.lock();
    let current = !inner.closed && inner.slots.get(index).is_some_and(|slot| slot.generation == generation);
    match launched {
        Ok(process) if !current => process.end(EndReason::Stopped),
        Ok(process) => {
            let slot = &mut inner.slots[index];
            slot.machine.ready(now);
            place(&shared, slot, index, process);
        }
        Err(error) if current => {
            let reason = error.told();
            tracing::warn!(applet = inner.spec.label, reason, "a process did not start");
            inner.slots[index].machine.failed(now, reason, chance());
        }
        Err(_) => {}
    }
    drop(inner);
    shared.changed.notify_waiters();
}

/// Puts a process that answers into a replica's place.
pub(super) fn place(shared: &Arc<Shared>, slot: &mut Slot, index: usize, process: Arc<Process>) {
    slot.process = Some(Arc::clone(&process));
    tokio::spawn(attend(Arc::downgrade(shared), index, process));
}

/// From 0 to 1. Without randomness the longest wait is as good as any.
fn chance() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Attends a process that answers, until it has ended.
async fn attend(shared: Weak<Shared>, index: usize, process: Arc<Process>) {
    let ending = tokio::select! {
        report = process.until_ended() => report,
        () = look_after(&shared, index, &process) => process.until_ended().await,
    };
    let Some(shared) = shared.upgrade() else { return };
    shared.note_end(index, &process, &ending);
}

/// Returns when the process has been told to end.
async fn look_after(shared: &Weak<Shared>, index: usize, process: &Arc<Process>) {
    let supervision = &process.spec.supervision;
    let interval = Duration::from_millis(supervision.health_interval_ms.max(1));
    let mut next_check = Instant::now() + interval;
    let mut failures = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(LOOK_MS).min(interval)).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.retire_if_idle(index, process) {
            return;
        }
        if let Some(count) = process.has_abandoned()
            && shared.take(index, process, EndReason::Abandoned(count))
        {
            retire(Arc::clone(process), EndReason::Abandoned(count));
            return;
        }
        drop(shared);
        if Instant::now() < next_check {
            continue;
        }
        match process.health().await {
            Ok(()) => failures = 0,
            Err(told) => {
                failures += 1;
                if failures >= supervision.health_failures_max.max(1) {
                    process.end(EndReason::Unhealthy(told));
                    return;
                }
            }
        }
        next_check = Instant::now() + interval;
    }
}

/// Ends a process that gets no more calls, when those in it are done.
pub(super) fn retire(process: Arc<Process>, reason: EndReason) {
    tokio::spawn(async move {
        let drain = Duration::from_millis(process.spec.supervision.drain_ms_max);
        process.drained(Instant::now() + drain).await;
        process.end(reason);
    });
}

impl Shared {
    fn note_end(&self, index: usize, process: &Arc<Process>, ending: &CrashReport) {
        let now = self.now();
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(index) else { return };
        // A process that was replaced has no place to be noted in.
        if slot.process.as_ref().is_some_and(|current| Arc::ptr_eq(current, process)) {
            slot.process = None;
            slot.generation += 1;
            if ending.reason.is_failure() {
                slot.machine.failed(now, ending.to_string(), chance());
            } else {
                slot.machine.stopped(now, ending.reason.to_string());
            }
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Ends a process that has had no call for too long. Seats are taken under the same lock, so that none is lost.
    fn retire_if_idle(&self, index: usize, process: &Arc<Process>) -> bool {
        let supervision = &process.spec.supervision;
        let Bound::At(idle_ms_max) = supervision.idle_ms_max else { return false };
        if supervision.keep_alive {
            return false;
        }
        let now = self.now();
        let mut inner = self.lock();
        if process.seats() > 0 || process.unused_for() < Duration::from_millis(idle_ms_max) {
            return false;
        }
        let Some(slot) = inner.slots.get_mut(index) else { return false };
        if !slot.process.as_ref().is_some_and(|current| Arc::ptr_eq(current, process)) {
            return false;
        }
        slot.process = None;
        slot.generation += 1;
        slot.machine.stopped(now, EndReason::Idle.to_string());
        process.end(EndReason::Idle);
        true
    }

    /// Starts the first replica if there is none and it may be; whether the supervisor goes on.
    fn revive(self: &Arc<Self>) -> bool {
        let now = self.now();
        let mut inner = self.lock();
        let spec = Arc::clone(&inner.spec);
        if inner.closed {
            return false;
        }
        if let Some(slot) = inner.slots.first_mut()
            && slot.process.is_none()
            && slot.machine.state() != State::Healthy
            && slot.machine.wanted(now, false) == Verdict::Start
        {
            self.start(slot, 0, &spec);
        }
        true
    }

    /// Takes a process out of its place, if it is still there; the next call starts another one.
    fn take(&self, index: usize, process: &Arc<Process>, why: EndReason) -> bool {
        let now = self.now();
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(index) else { return false };
        if !slot.process.as_ref().is_some_and(|current| Arc::ptr_eq(current, process)) {
            return false;
        }
        slot.process = None;
        slot.generation += 1;
        slot.machine.stopped(now, why.to_string());
        drop(inner);
        self.changed.notify_waiters();
        true
    }
}

/// Starts the first replica, and again whenever it may be.
pub(super) async fn keep_alive(shared: Weak<Shared>) {
    loop {
        match shared.upgrade() {
            Some(shared) if shared.revive() => {}
            Some(_) | None => return,
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
