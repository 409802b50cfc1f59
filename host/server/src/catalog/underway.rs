//! One installation at a time for each applet of each tenant; those of different ones go on side by side.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Underway {
    keys: Mutex<HashSet<String>>,
    freed: Condvar,
}

/// Held for as long as it lasts.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    underway: &'a Underway,
    key: String,
}

impl Underway {
    /// Waits for what is under way for the same key.
    pub(super) fn turn(&self, key: String) -> Turn<'_> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        while !keys.insert(key.clone()) {
            keys = self.freed.wait(keys).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { underway: self, key }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.underway.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.underway.freed.notify_all();
    }
}
