//! What the writing thread does, one command at a time, within its transaction. Whatever can be refused is refused before anything is changed.

mod claim;
mod finish;
mod manage;
mod publish;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::clock::QueueTime;
use super::lanes::Lanes;
use super::state::{Kind, Retries, State};
use super::{QueueConfig, QueueError};

pub use claim::{Claimed, Claims};
pub use finish::{Ended, Finish};
pub use manage::Removed;
pub use publish::{NewDelivery, NewMessage, Published};

/// Bytes that a delivery counts beside its payload.
const DELIVERY_BYTES: u64 = 512;
/// Bytes of an error's text that are kept.
const ERROR_BYTES_MAX: usize = 4 << 10;

/// The transaction, as commands see it.
pub(crate) struct Work<'a> {
    db: Result<&'a Connection, QueueError>,
    lanes: &'a mut Lanes,
    time: &'a QueueTime,
    config: &'a QueueConfig,
    now_us: u64,
}

/// A delivery, as far as changing its state needs it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: u64,
    pub(super) message: i64,
    pub(super) tenant: String,
    pub(super) applet: String,
    pub(super) handler: String,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) due_us: u64,
    pub(super) attempt: u32,
    pub(super) retries: Retries,
    pub(super) order_key: Option<String>,
    pub(super) bytes: u64,
    pub(super) lease: Option<u64>,
}

const STORED: &str = "id, message, tenant, applet, handler, kind, state, due_us, attempt, attempts_max, backoff_ms, backoff_ms_max, \
                      order_key, bytes, lease";

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            message: row.get(1)?,
            tenant: row.get(2)?,
            applet: row.get(3)?,
            handler: row.get(4)?,
            kind: Kind::from_code(row.get(5)?),
            state: State::from_code(row.get(6)?),
            due_us: row.get(7)?,
            attempt: row.get(8)?,
            retries: Retries { attempts_max: row.get(9)?, backoff_ms: row.get(10)?, backoff_ms_max: row.get(11)? },
            order_key: row.get(12)?,
            bytes: row.get(13)?,
            lease: row.get::<_, Option<i64>>(14)?.map(i64::cast_unsigned),
        })
    }
}

/// What a delivery becomes.
#[derive(Debug, Default)]
struct Change<'a> {
    due_us: Option<u64>,
    attempt: Option<u32>,
    error: Option<&'a str>,
    result: Option<&'a str>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        db: &'a Connection,
        lanes: &'a mut Lanes,
        time: &'a QueueTime,
        config: &'a QueueConfig,
        now_us: u64,
    ) -> Self {
        Self { db: Ok(db), lanes, time, config, now_us }
    }

    /// Everything that is asked from here on answers `error`.
    pub(super) fn refuse(&mut self, error: QueueError) {
        self.db = Err(error);
    }

    /// The transaction's connection.
    pub(crate) fn db(&self) -> Result<&'a Connection, QueueError> {
        self.db.clone()
    }

    /// Now, Unix time.
    pub(crate) fn wall_us(&self) -> u64 {
        self.time.wall_us()
    }

    fn stored(&self, id: u64) -> Result<Option<Stored>, QueueError> {
        let mut found = self.db()?.prepare_cached(&format!("SELECT {STORED} FROM deliveries WHERE id = ?1"))?;
        Ok(found.query_row([id], Stored::read).optional()?)
    }

    fn stored_of(&self, tenant: &str, id: u64) -> Result<Stored, QueueError> {
        let found = self.stored(id)?.filter(|stored| stored.tenant == tenant);
        found.ok_or_else(|| QueueError::NotFound(format!("delivery {id} of tenant {tenant}")))
    }

    /// The first of what a query finds.
    fn stored_where(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Stored>, QueueError> {
        let mut found = self.db()?.prepare_cached(&format!("SELECT {STORED} FROM deliveries WHERE {sql}"))?;
        let rows = found.query_map(params, Stored::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes a delivery from one state to another, and what waits for it along. No attempt holds it any more.
    fn change(&mut self, stored: &Stored, to: State, change: &Change<'_>) -> Result<(), QueueError> {
        let db = self.db()?;
        let now_us = self.now_us;
        let (ended_us, dead_us) = match to {
            State::Dead => (None, Some(now_us)),
            state if state.has_ended() => (Some(now_us), None),
            _ => (None, None),
        };
        let mut update = db.prepare_cached(
            "UPDATE deliveries SET state = ?2, due_us = ?3, attempt = ?4, lease = NULL, lease_until_us = NULL, lingers = 0, changed_us = ?5, \
             ended_us = ?6, dead_us = ?7, error = ?8, result = ?9 WHERE id = ?1",
        )?;
        update.execute(params![
            stored.id,
            to.code(),
            change.due_us.unwrap_or(stored.due_us),
            change.attempt.unwrap_or(stored.attempt),
            self.wall_us(),
            ended_us,
            dead_us,
            change.error.map(shortened),
            change.result,
        ])?;
        self.lanes.change((&stored.tenant, &stored.applet), stored.bytes, Some(stored.state), Some(to));
        if to.has_ended() && !stored.state.has_ended() {
            self.unblock(stored)?;
        }
        if to.has_ended() && to != State::Dead {
            self.prune(&stored.tenant)?;
        }
        Ok(())
    }

    /// Whether an earlier delivery, or any other when `id` is `None`, with the same order key has not ended.
    fn is_blocked(&self, lane: (&str, &str, &str), key: &str, id: Option<u64>) -> Result<bool, QueueError> {
        let (tenant, applet, handler) = lane;
        let mut found = self.db()?.prepare_cached(
            "SELECT 1 FROM deliveries WHERE tenant = ?1 AND applet = ?2 AND handler = ?3 AND order_key = ?4 AND state < 4 AND id != ?5 LIMIT 1",
        )?;
        Ok(found.exists(params![tenant, applet, handler, key, id.map_or(-1, u64::cast_signed)])?)
    }

    /// The next one that waits for a delivery that has ended.
    fn unblock(&mut self, ended: &Stored) -> Result<(), QueueError> {
        let Some(key) = &ended.order_key else { return Ok(()) };
        let sql = "tenant = ?1 AND applet = ?2 AND handler = ?3 AND order_key = ?4 AND state < 4 ORDER BY id LIMIT 1";
        let next = self.stored_where(sql, params![ended.tenant, ended.applet, ended.handler, key])?;
        for next in next.iter().filter(|next| next.state == State::Blocked) {
            let to = if next.due_us > self.now_us { State::Waiting } else { State::Ready };
            self.change(next, to, &Change::default())?;
        }
        Ok(())
    }

    /// Keeps no more of what has ended than the tenant's bound, give or take some.
    fn prune(&mut self, tenant: &str) -> Result<(), QueueError> {
        const SLACK: u64 = 64;
        let (kept, most) = (self.lanes.held(tenant).ended, self.config.ended_per_tenant_max);
        if kept <= most + SLACK {
            return Ok(());
        }
        let sql = "tenant = ?1 AND ended_us IS NOT NULL ORDER BY ended_us LIMIT ?2";
        for stored in self.stored_where(sql, params![tenant, kept - most])? {
            self.delete(&stored)?;
        }
        Ok(())
    }

    fn delete(&mut self, stored: &Stored) -> Result<(), QueueError> {
        let db = self.db()?;
        db.prepare_cached("DELETE FROM deliveries WHERE id = ?1")?.execute([stored.id])?;
        let unused = "DELETE FROM messages WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = ?1)";
        db.prepare_cached(unused)?.execute([stored.message])?;
        self.lanes.change((&stored.tenant, &stored.applet), stored.bytes, Some(stored.state), None);
        Ok(())
    }
}

/// The beginning of a text, cut at a character.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(ERROR_BYTES_MAX)]
}
