//! Giving out what is due.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Stored, Work};
use crate::queue::QueueError;
use crate::queue::lanes::Lane;
use crate::queue::state::{Kind, Next, State};

/// Deliveries that one claim makes ready, or takes from lost attempts.
const MOVED_MAX: u32 = 2_000;

/// A delivery that an attempt holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The delivery.
    pub id: u64,
    /// What proves that it is held.
    pub lease: u64,
    /// The message.
    pub uid: String,
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// The handler.
    pub handler: String,
    /// What it is.
    pub kind: Kind,
    /// Name of the event; of anything else, of the handler.
    pub name: String,
    /// JSON text.
    pub payload: String,
    /// Who published it.
    pub source: String,
    /// `applet/event` of each event that led to it.
    pub chain: Vec<String>,
    /// Events that led to it.
    pub depth: u32,
    /// Its order key.
    pub order_key: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Attempts in all.
    pub attempts_max: u32,
    /// When it was published, Unix time in microseconds.
    pub published_us: u64,
}

/// What a claim gives out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Each is one call of one handler; it has several deliveries when the handler takes batches.
    pub calls: Vec<Vec<Claimed>>,
    /// When the next one is due, milliseconds from now; `None` when none waits.
    pub next_due_ms: Option<u64>,
    /// Whether more was ready than was given out, or was given out to nobody because its applet is busy.
    pub has_more: bool,
}

const CLAIMED: &str = "d.id, m.uid, d.tenant, d.applet, d.handler, d.kind, m.name, m.payload, m.source, m.chain, m.depth, m.order_key, \
                       d.attempt, d.attempts_max, m.published_us, d.batch_max";

impl Claimed {
    /// With the number of deliveries its call may have.
    fn read(row: &Row<'_>) -> rusqlite::Result<(Self, u32)> {
        let chain: String = row.get(9)?;
        let claimed = Self {
            id: row.get(0)?,
            lease: 0,
            uid: row.get(1)?,
            tenant: row.get(2)?,
            applet: row.get(3)?,
            handler: row.get(4)?,
            kind: Kind::from_code(row.get(5)?),
            name: row.get(6)?,
            payload: row.get(7)?,
            source: row.get(8)?,
            chain: serde_json::from_str(&chain).unwrap_or_default(),
            depth: row.get(10)?,
            order_key: row.get(11)?,
            attempt: row.get(12)?,
            attempts_max: row.get(13)?,
            published_us: row.get(14)?,
        };
        Ok((claimed, row.get(15)?))
    }
}

impl Work<'_> {
    /// Gives out up to `calls_max` calls.
    pub(crate) fn claim(&mut self, calls_max: usize, busy: &[Lane]) -> Result<Claims, QueueError> {
        self.promote()?;
        self.take_from_lost_attempts()?;
        let mut calls = Vec::new();
        // A lane that is busy, or has had its turn, goes to the end: after one round without a call there is nothing more to give.
        let mut without = 0;
        while calls.len() < calls_max && without < self.lanes.turns() {
            let Some(lane) = self.lanes.take_turn() else { break };
            let call = if busy.contains(&lane) { Vec::new() } else { self.claim_one(&lane)? };
            self.lanes.give_turn(lane);
            if call.is_empty() {
                without += 1;
            } else {
                without = 0;
                calls.push(call);
            }
        }
        let next: Option<u64> = self
            .db()?
            .prepare_cached("SELECT min(due_us) FROM deliveries WHERE state = 0")?
            .query_row([], |row| row.get(0))?;
        let next_due_ms = next.map(|due_us| due_us.saturating_sub(self.now_us).div_ceil(1_000));
        Ok(Claims { calls, next_due_ms, has_more: self.lanes.ready_count() > 0 })
    }

    /// Renews leases; answers the deliveries that are lost.
    pub(crate) fn renew(&mut self, held: &[(u64, u64)]) -> Result<Vec<u64>, QueueError> {
        let until_us = self.lease_until_us();
        let mut renew = self
            .db()?
            .prepare_cached("UPDATE deliveries SET lease_until_us = ?3 WHERE id = ?1 AND lease = ?2 AND state = 3")?;
        let mut lost = Vec::new();
        for (id, lease) in held {
            if renew.execute(params![id, lease.cast_signed(), until_us])? == 0 {
                lost.push(*id);
            }
        }
        Ok(lost)
    }

    /// What the last process had running begins anew, as after any lost attempt.
    pub(in crate::queue) fn recover(&mut self) -> Result<(), QueueError> {
        for stored in self.stored_where("state = 3", [])? {
            self.lose(&stored, "the server was stopped or killed while it ran")?;
        }
        Ok(())
    }

    fn lease_until_us(&self) -> u64 {
        self.now_us + self.config.lease_ms * 1_000
    }

    /// What waited and is due now is ready.
    fn promote(&mut self) -> Result<(), QueueError> {
        let due =
            self.stored_where("state = 0 AND due_us <= ?1 ORDER BY due_us LIMIT ?2", params![self.now_us, MOVED_MAX])?;
        for stored in &due {
            self.change(
                stored,
                State::Ready,
                &Change { error: self.error_of(stored.id)?.as_deref(), ..Change::default() },
            )?;
            self.lanes.linger_no_more(&stored.tenant, &stored.applet, &stored.handler);
        }
        Ok(())
    }

    /// Of the last attempt: it stays until the next one has ended.
    fn error_of(&self, id: u64) -> Result<Option<String>, QueueError> {
        Ok(self
            .db()?
            .prepare_cached("SELECT error FROM deliveries WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?)
    }

    fn take_from_lost_attempts(&mut self) -> Result<(), QueueError> {
        let lapsed = "state = 3 AND lease_until_us < ?1 ORDER BY lease_until_us LIMIT ?2";
        for stored in self.stored_where(lapsed, params![self.now_us, MOVED_MAX])? {
            self.lose(&stored, "its lease lapsed: the attempt was lost")?;
        }
        Ok(())
    }

    /// An attempt will not answer any more. It has counted.
    fn lose(&mut self, stored: &Stored, why: &str) -> Result<(), QueueError> {
        match stored.retries.after(stored.attempt, 0) {
            // It was nobody's failure that could repeat itself: no wait.
            Next::After { .. } => {
                let change = Change { due_us: Some(self.now_us), error: Some(why), ..Change::default() };
                self.change(stored, State::Ready, &change)
            }
            Next::Dead => self.change(stored, State::Dead, &Change { error: Some(why), ..Change::default() }),
        }
    }

    /// One call for a lane.
    fn claim_one(&mut self, (tenant, applet): &Lane) -> Result<Vec<Claimed>, QueueError> {
        let db = self.db()?;
        let mut first = db.prepare_cached(&format!(
            "SELECT {CLAIMED} FROM deliveries d JOIN messages m ON m.id = d.message \
             WHERE d.tenant = ?1 AND d.applet = ?2 AND d.state = 1 ORDER BY d.priority DESC, d.id LIMIT 1"
        ))?;
        let found = first.query_row(params![tenant, applet], Claimed::read).optional()?;
        let Some((first, batch_max)) = found else { return Ok(Vec::new()) };
        let mut call = Vec::with_capacity(batch_max as usize);
        // What has failed before is tried alone, so that one event that nobody can handle does not use up the attempts of others.
        if batch_max > 1 && first.attempt == 0 {
            // Those that linger for others to come are taken along: here they are.
            let mut batch = db.prepare_cached(&format!(
                "SELECT {CLAIMED} FROM deliveries d JOIN messages m ON m.id = d.message \
                 WHERE d.tenant = ?1 AND d.applet = ?2 AND d.handler = ?3 AND d.batch_max > 1 AND d.state <= 1 \
                 AND (d.state = 1 OR d.lingers = 1) AND d.attempt = 0 AND d.id != ?4 ORDER BY d.id LIMIT ?5"
            ))?;
            let others =
                batch.query_map(params![tenant, applet, first.handler, first.id, batch_max - 1], Claimed::read)?;
            for other in others {
                call.push(other?.0);
            }
            self.lanes.linger_no_more(tenant, applet, &first.handler);
        }
        call.push(first);
        call.sort_by_key(|claimed| claimed.id);
        let lease = self.time.random();
        for claimed in &mut call {
            claimed.lease = lease;
            claimed.attempt += 1;
            self.begin(claimed)?;
        }
        Ok(call)
    }

    /// An attempt begins: it counts from here on, whatever becomes of it.
    fn begin(&mut self, claimed: &Claimed) -> Result<(), QueueError> {
        let Some(stored) = self.stored(claimed.id)? else { return Ok(()) };
        let mut begin = self.db()?.prepare_cached(
            "UPDATE deliveries SET state = 3, attempt = ?2, lease = ?3, lease_until_us = ?4, lingers = 0, changed_us = ?5 WHERE id = ?1",
        )?;
        begin.execute(params![
            claimed.id,
            claimed.attempt,
            claimed.lease.cast_signed(),
            self.lease_until_us(),
            self.wall_us()
        ])?;
        self.lanes.change((&stored.tenant, &stored.applet), stored.bytes, Some(stored.state), Some(State::Running));
        Ok(())
    }
}
