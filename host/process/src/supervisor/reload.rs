//! Replaces what runs: a new process first, on a new socket, checked; then calls go to it; then the old one ends when its calls have. Code
//! that does not become ready changes nothing.

use std::sync::Arc;

use super::machine::{Machine, State};
use super::{Slot, Supervisor, attend};
use crate::error::{EndReason, StartError};
use crate::process::Process;
use crate::process::spec::Spec;

impl Supervisor {
    /// Starts a process by the new spec for each one that there is (one at least), and puts them in their place when all are ready. Calls
    /// that are going on end where they are. Failures of the old code are forgotten.
    ///
    /// # Errors
    /// [`StartError`]; what was there before goes on.
    pub async fn reload(&self, spec: Spec) -> Result<(), StartError> {
        let _one = self.shared.reloading.lock().await;
        let spec = Arc::new(spec);
        let running = self.shared.lock().slots.iter().filter(|slot| slot.process.is_some()).count().max(1);
        let replicas = spec.supervision.replicas.max(1);
        let mut launched = Unplaced(Vec::new());
        for _ in 0..running.min(replicas) {
            launched.0.push(Process::launch(Arc::clone(&spec)).await?);
        }
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        if inner.closed {
            return Ok(());
        }
        inner.spec = Arc::clone(&spec);
        let mut old: Vec<Arc<Process>> = Vec::new();
        // Replicas that are no longer wanted.
        let kept = replicas.min(inner.slots.len());
        old.extend(inner.slots.drain(kept..).filter_map(|slot| slot.process));
        while inner.slots.len() < replicas {
            let machine = Machine::new(spec.supervision.clone());
            inner.slots.push(Slot { machine, process: None, generation: 0 });
        }
        let mut launched = std::mem::take(&mut launched.0).into_iter();
        for (index, slot) in inner.slots.iter_mut().enumerate() {
            slot.generation += 1;
            slot.machine.set_policy(spec.supervision.clone());
            old.extend(slot.process.take());
            slot.machine.reset(now);
            if let Some(process) = launched.next() {
                slot.machine.ready(now);
                attend::place(&self.shared, slot, index, process);
            }
        }
        debug_assert!(inner.slots.iter().any(|slot| slot.machine.state() == State::Healthy));
        drop(inner);
        self.shared.changed.notify_waiters();
        for process in old {
            attend::retire(process, EndReason::Replaced);
        }
        Ok(())
    }
}

/// Processes that have no place yet: they end when they get none.
struct Unplaced(Vec<Arc<Process>>);

impl Drop for Unplaced {
    fn drop(&mut self) {
        for process in self.0.drain(..) {
            process.end(EndReason::Stopped);
        }
    }
}
