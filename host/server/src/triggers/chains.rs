//! Which events led to what runs now: the loop guard. A chain lists `applet/event` for each event that was handled on the way; an event
//! that would reach the same handler's applet a second time in its own chain is not delivered there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What led to a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Led {
    /// `applet/event` of each event, the first one first.
    pub(super) chain: Vec<String>,
    /// Events, one caused by another.
    pub(super) depth: u32,
}

/// The chains of what runs now, by the message that each call handles.
#[derive(Debug, Default)]
pub(super) struct Chains {
    running: Mutex<HashMap<String, (Arc<Led>, u32)>>,
}

/// One call's entry; it goes when it is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    chains: Arc<Chains>,
    uid: String,
}

impl Chains {
    /// A call begins that handles `uid`. Several calls may handle the same one, for different subscribers, with different chains: `by` is
    /// part of the name.
    pub(super) fn enter(self: &Arc<Self>, by: &str, uid: &str, led: Led) -> Entered {
        let uid = format!("{by}:{uid}");
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.entry(uid.clone()).or_insert_with(|| (Arc::new(led), 0)).1 += 1;
        Entered { chains: self.clone(), uid }
    }

    /// What led to a call of `by` that handles `uid`.
    pub(super) fn of(&self, by: &str, uid: &str) -> Option<Arc<Led>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(&format!("{by}:{uid}")).map(|(led, _)| led.clone())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut running = self.chains.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = running.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.uid);
            }
        }
    }
}

/// `applet/event`, as chains have it.
pub(super) fn link(applet: &str, event: &str) -> String {
    format!("{applet}/{event}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_as_long_as_its_calls() {
        let chains = Arc::new(Chains::default());
        let led = Led { chain: vec![link("a", "x")], depth: 1 };
        let first = chains.enter("acme/a", "evt_1", led.clone());
        let second = chains.enter("acme/a", "evt_1", led.clone());
        drop(first);
        assert_eq!(chains.of("acme/a", "evt_1").as_deref(), Some(&led));
        assert_eq!(chains.of("acme/b", "evt_1"), None);
        drop(second);
        assert_eq!(chains.of("acme/a", "evt_1"), None);
    }
}
