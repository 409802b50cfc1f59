//! What people and jobs do with deliveries: retry, replay, drop, cancel, tell of progress; and forgetting what was kept long enough.

use rusqlite::params;

use super::{Change, Work};
use crate::queue::QueueError;
use crate::queue::state::State;

/// Deliveries forgotten in one transaction.
const SWEPT_MAX: u32 = 1_000;

/// A delivery that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Whether an attempt held it: whoever runs it has to be told.
    pub was_running: bool,
}

impl Work<'_> {
    /// A delivery that waits is due now.
    pub(crate) fn retry(&mut self, tenant: &str, id: u64) -> Result<(), QueueError> {
        let stored = self.stored_of(tenant, id)?;
        match stored.state {
            State::Waiting => {
                self.change(&stored, State::Ready, &Change { due_us: Some(self.now_us), ..Change::default() })
            }
            State::Ready => Ok(()),
            state => {
                let what = "only one that waits can be retried now; one that has ended can be replayed";
                Err(QueueError::WrongState { id, state, what })
            }
        }
    }

    /// A delivery that has ended begins anew.
    pub(crate) fn replay(&mut self, tenant: &str, id: u64) -> Result<(), QueueError> {
        let stored = self.stored_of(tenant, id)?;
        if !stored.state.has_ended() {
            let what = "only one that has ended can be replayed; one that waits can be retried now";
            return Err(QueueError::WrongState { id, state: stored.state, what });
        }
        let (held, most) = (self.lanes.held(tenant).deliveries, self.config.deliveries_per_tenant_max);
        if stored.state != State::Dead && held >= most {
            let (name, tenant) = ("deliveries_per_tenant_max", tenant.to_owned());
            return Err(QueueError::Full { tenant, name, allowed: most, used: held + 1 });
        }
        let lane = (stored.tenant.as_str(), stored.applet.as_str(), stored.handler.as_str());
        let blocked = match &stored.order_key {
            Some(key) => self.is_blocked(lane, key, Some(id))?,
            None => false,
        };
        let to = if blocked { State::Blocked } else { State::Ready };
        self.change(&stored, to, &Change { due_us: Some(self.now_us), attempt: Some(0), ..Change::default() })
    }

    /// A delivery is given up: dropped or cancelled.
    pub(crate) fn remove(&mut self, tenant: &str, id: u64, to: State, why: &str) -> Result<Removed, QueueError> {
        let stored = self.stored_of(tenant, id)?;
        let was_running = stored.state == State::Running;
        let can = match stored.state {
            State::Dead => to == State::Dropped,
            state => !state.has_ended(),
        };
        if !can {
            return Err(QueueError::WrongState { id, state: stored.state, what: "it has ended" });
        }
        self.change(&stored, to, &Change { error: Some(why), ..Change::default() })?;
        Ok(Removed { was_running })
    }

    /// Everything that waits for an applet is given up.
    pub(crate) fn remove_applet(&mut self, tenant: &str, applet: &str, why: &str) -> Result<u64, QueueError> {
        let waiting =
            self.stored_where("tenant = ?1 AND applet = ?2 AND state < 4 ORDER BY id DESC", params![tenant, applet])?;
        for stored in &waiting {
            self.change(stored, State::Dropped, &Change { error: Some(why), ..Change::default() })?;
        }
        Ok(waiting.len() as u64)
    }

    /// A running job tells how far it is.
    pub(crate) fn progress(&mut self, tenant: &str, uid: &str, progress: &str) -> Result<(), QueueError> {
        let mut tell = self.db()?.prepare_cached(
            "UPDATE deliveries SET progress = ?3 WHERE state = 3 AND tenant = ?1 AND message = (SELECT id FROM messages WHERE uid = ?2)",
        )?;
        let told = tell.execute(params![tenant, uid, progress])?;
        if told == 0 { Err(QueueError::NotFound(format!("running job {uid} of tenant {tenant}"))) } else { Ok(()) }
    }

    /// Forgets what was kept long enough; answers how many deliveries.
    pub(crate) fn sweep(&mut self) -> Result<u64, QueueError> {
        let db = self.db()?;
        db.prepare_cached("DELETE FROM keys WHERE (tenant, scope, key) IN (SELECT tenant, scope, key FROM keys WHERE until_us <= ?1 LIMIT ?2)")?
            .execute(params![self.now_us, SWEPT_MAX])?;
        let before = |kept_ms: u64| self.now_us.saturating_sub(kept_ms.saturating_mul(1_000));
        let (ended, dead) = (before(self.config.ended_kept_ms), before(self.config.dead_kept_ms));
        let noted = self.wall_us().saturating_sub(self.config.dead_kept_ms.saturating_mul(1_000));
        db.prepare_cached("DELETE FROM missed WHERE id IN (SELECT id FROM missed WHERE noted_us < ?1 LIMIT ?2)")?
            .execute(params![noted, SWEPT_MAX])?;
        let mut swept = 0;
        for tenant in self.lanes.tenants() {
            let sql = "tenant = ?1 AND ended_us IS NOT NULL AND ended_us < ?2 LIMIT ?3";
            let mut old = self.stored_where(sql, params![tenant, ended, SWEPT_MAX])?;
            let sql = "tenant = ?1 AND dead_us IS NOT NULL AND dead_us < ?2 LIMIT ?3";
            old.extend(self.stored_where(sql, params![tenant, dead, SWEPT_MAX])?);
            for stored in &old {
                self.delete(stored)?;
            }
            swept += old.len() as u64;
            if swept >= SWEPT_MAX.into() {
                break;
            }
        }
        Ok(swept)
    }
}

#[cfg(test)]
impl Work<'_> {
    /// Whether what is remembered of each tenant is what its rows say.
    pub(in crate::queue) fn check_counts(&mut self) -> Result<(), QueueError> {
        let mut counted = crate::queue::lanes::Lanes::default();
        counted.load(self.db()?)?;
        for tenant in counted.tenants() {
            assert_eq!(self.lanes.held(&tenant), counted.held(&tenant));
        }
        assert_eq!(self.lanes.ready_count(), counted.ready_count());
        Ok(())
    }
}
