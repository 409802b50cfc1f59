//! The calls that run, so that one of them can be called off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Calls by their deliveries.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: Mutex<HashMap<u64, Call>>,
}

#[derive(Debug, Clone)]
struct Call {
    lease: u64,
    end: CancellationToken,
    /// Of a call with several deliveries one alone cannot be called off.
    is_alone: bool,
}

/// One call's entries; they go when it is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    running: Arc<Running>,
    deliveries: Vec<u64>,
}

impl Running {
    /// A call begins. `end` ends it.
    pub(super) fn enter(self: &Arc<Self>, held: &[(u64, u64)], end: &CancellationToken) -> Entered {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (delivery, lease) in held {
            calls.insert(*delivery, Call { lease: *lease, end: end.clone(), is_alone: held.len() == 1 });
        }
        Entered { running: self.clone(), deliveries: held.iter().map(|(delivery, _)| *delivery).collect() }
    }

    /// A delivery is held no more: its call ends, if it handles nothing else.
    pub(super) fn cancel(&self, delivery: u64) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get(&delivery).filter(|call| call.is_alone) {
            call.end.cancel();
        }
    }

    /// Deliveries and leases of all calls.
    pub(super) fn held(&self) -> Vec<(u64, u64)> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|(delivery, call)| (*delivery, call.lease)).collect()
    }

    /// Ends every call.
    pub(super) fn end_all(&self) {
        for call in self.calls.lock().unwrap_or_else(PoisonError::into_inner).values() {
            call.end.cancel();
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut calls = self.running.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in &self.deliveries {
            calls.remove(delivery);
        }
    }
}
