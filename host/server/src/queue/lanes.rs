//! What the writing thread remembers, so that it need not count rows: how much each tenant holds, and which applets have something ready.
//! Applets take turns, so that nobody's thousand events stand before another's one.

use std::collections::{HashMap, VecDeque};

use rusqlite::Connection;

use super::QueueError;
use super::state::State;

/// What a tenant has in the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Deliveries that wait, run or are dead.
    pub(super) deliveries: u64,
    /// Bytes of these.
    pub(super) bytes: u64,
    /// Deliveries that have ended otherwise, and are kept.
    pub(super) ended: u64,
}

/// A tenant and one of its applets.
pub(super) type Lane = (String, String);

#[derive(Debug)]
pub(super) struct Lanes {
    is_stale: bool,
    tenants: HashMap<String, Held>,
    ready: HashMap<Lane, u64>,
    /// Lanes that may have something ready, each once.
    turns: VecDeque<Lane>,
    /// Events that linger for others to come, by tenant, applet and handler.
    lingering: HashMap<(String, String, String), u64>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            is_stale: true,
            tenants: HashMap::new(),
            ready: HashMap::new(),
            turns: VecDeque::new(),
            lingering: HashMap::new(),
        }
    }
}

impl Lanes {
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Counts.
    pub(super) fn load(&mut self, db: &Connection) -> Result<(), QueueError> {
        self.forget();
        let mut rows = db.prepare(
            "SELECT tenant, applet, state, count(*), sum(bytes) FROM deliveries GROUP BY tenant, applet, state",
        )?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (tenant, applet): (String, String) = (row.get(0)?, row.get(1)?);
            let (state, count, bytes): (i64, u64, u64) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let state = State::from_code(state);
            let held = self.tenants.entry(tenant.clone()).or_default();
            if state.is_held() {
                held.deliveries += count;
                held.bytes += bytes;
            } else {
                held.ended += count;
            }
            if state == State::Ready {
                self.ready.insert((tenant.clone(), applet.clone()), count);
                self.turns.push_back((tenant, applet));
            }
        }
        self.is_stale = false;
        Ok(())
    }

    pub(super) fn held(&self, tenant: &str) -> Held {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    pub(super) fn tenants(&self) -> Vec<String> {
        self.tenants.keys().cloned().collect()
    }

    /// A delivery goes from one state to another; `None` for not being there.
    pub(super) fn change(&mut self, lane: (&str, &str), bytes: u64, from: Option<State>, to: Option<State>) {
        let (tenant, applet) = lane;
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.to_owned(), Held::default());
        }
        if let Some(held) = self.tenants.get_mut(tenant) {
            if let Some(from) = from {
                if from.is_held() {
                    held.deliveries = held.deliveries.saturating_sub(1);
                    held.bytes = held.bytes.saturating_sub(bytes);
                } else {
                    held.ended = held.ended.saturating_sub(1);
                }
            }
            if let Some(to) = to {
                if to.is_held() {
                    held.deliveries += 1;
                    held.bytes += bytes;
                } else {
                    held.ended += 1;
                }
            }
        }
        match (from == Some(State::Ready), to == Some(State::Ready)) {
            (false, true) => {
                let lane = (tenant.to_owned(), applet.to_owned());
                match self.ready.get_mut(&lane) {
                    Some(count) => *count += 1,
                    None => {
                        self.ready.insert(lane.clone(), 1);
                        self.turns.push_back(lane);
                    }
                }
            }
            (true, false) => {
                let lane = (tenant.to_owned(), applet.to_owned());
                if let Some(count) = self.ready.get_mut(&lane) {
                    *count = count.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// Whether anything is ready at all.
    pub(super) fn ready_count(&self) -> u64 {
        self.ready.values().sum()
    }

    /// Lanes in their turns: as many as there are now.
    pub(super) fn turns(&self) -> usize {
        self.turns.len()
    }

    /// The next lane that has something ready.
    pub(super) fn take_turn(&mut self) -> Option<Lane> {
        while let Some(lane) = self.turns.pop_front() {
            if self.ready.get(&lane).is_some_and(|count| *count > 0) {
                return Some(lane);
            }
            self.ready.remove(&lane);
        }
        None
    }

    /// Gives a lane its next turn, if it still has something ready.
    pub(super) fn give_turn(&mut self, lane: Lane) {
        if self.ready.get(&lane).is_some_and(|count| *count > 0) {
            self.turns.push_back(lane);
        } else {
            self.ready.remove(&lane);
        }
    }

    /// One more event lingers; answers how many do.
    pub(super) fn linger(&mut self, tenant: &str, applet: &str, handler: &str) -> u64 {
        let count = self.lingering.entry((tenant.to_owned(), applet.to_owned(), handler.to_owned())).or_default();
        *count += 1;
        *count
    }

    /// Those that lingered go.
    pub(super) fn linger_no_more(&mut self, tenant: &str, applet: &str, handler: &str) {
        self.lingering.remove(&(tenant.to_owned(), applet.to_owned(), handler.to_owned()));
    }
}
