//! Taking messages.

use rusqlite::{OptionalExtension, params};

use super::{Change, DELIVERY_BYTES, Stored, Work};
use crate::queue::QueueError;
use crate::queue::state::{Kind, State};

/// A message that is handed to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The tenant.
    pub tenant: String,
    /// What it is.
    pub kind: Kind,
    /// Name of the event; of anything else, of the handler.
    pub name: String,
    /// JSON text.
    pub payload: String,
    /// Who published it: an applet's name and handler, a key, a schedule. For people.
    pub source: String,
    /// `applet/event` of each event that led to this one, the first one first.
    pub chain: Vec<String>,
    /// Events that led to this one.
    pub depth: u32,
    /// Makes it the same message as an earlier one with the same scope and key.
    pub key: Option<(String, String)>,
    /// Shown, and handed to the handler; which deliveries wait for each other is said by each of them.
    pub order_key: Option<String>,
    /// Who gets it.
    pub deliveries: Vec<NewDelivery>,
}

/// What one handler gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The applet.
    pub applet: String,
    /// The handler.
    pub handler: String,
    /// How long it waits before it is due, milliseconds.
    pub delay_ms: u64,
    /// Higher ones begin first.
    pub priority: i32,
    /// Attempts in all.
    pub attempts_max: u32,
    /// The wait before the first retry, milliseconds.
    pub backoff_ms: u64,
    /// The longest wait before any retry, milliseconds.
    pub backoff_ms_max: u64,
    /// Deliveries of the same handler with the same one wait for each other.
    pub order_key: Option<String>,
    /// How many one call may get.
    pub batch_max: u32,
    /// How long it waits for others to come, milliseconds.
    pub batch_wait_ms: u64,
    /// Why it is not delivered at all, when it is only to be seen.
    pub dropped: Option<String>,
}

/// A message that has been taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub uid: String,
    /// Deliveries to come; of a message that was there already, 0.
    pub deliveries: u64,
    /// Deliveries that were dropped at once.
    pub dropped: u64,
    /// Whether it is an earlier message with the same key.
    pub is_duplicate: bool,
}

impl Work<'_> {
    /// Takes several messages, or none.
    pub(crate) fn publish_all(&mut self, messages: &[NewMessage]) -> Result<Vec<Published>, QueueError> {
        // Within its bounds one tenant's messages are counted together.
        if let Some(first) = messages.first() {
            let same: Vec<_> = messages.iter().filter(|message| message.tenant == first.tenant).collect();
            self.admit(&first.tenant, &same)?;
        }
        messages.iter().map(|message| self.publish(message)).collect()
    }

    /// Takes a message.
    pub(crate) fn publish(&mut self, message: &NewMessage) -> Result<Published, QueueError> {
        let db = self.db()?;
        if let Some(uid) = self.earlier(message)? {
            return Ok(Published { uid, deliveries: 0, dropped: 0, is_duplicate: true });
        }
        self.admit(&message.tenant, &[message])?;
        let uid = self.new_uid(message.kind);
        if !message.deliveries.is_empty() {
            let chain =
                serde_json::to_string(&message.chain).map_err(|error| QueueError::Unavailable(error.to_string()))?;
            let mut insert = db.prepare_cached(
                "INSERT INTO messages (uid, tenant, kind, name, payload, source, chain, depth, order_key, published_us) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            insert.execute(params![
                uid,
                message.tenant,
                message.kind.code(),
                message.name,
                message.payload,
                message.source,
                chain,
                message.depth,
                message.order_key,
                self.wall_us(),
            ])?;
            let id = db.last_insert_rowid();
            for delivery in &message.deliveries {
                self.deliver(message, id, delivery)?;
            }
        }
        if let Some((scope, key)) = &message.key {
            let until_us = self.now_us + self.config.key_kept_ms * 1_000;
            let mut remember = db.prepare_cached(
                "INSERT OR REPLACE INTO keys (tenant, scope, key, uid, until_us) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            remember.execute(params![message.tenant, scope, key, uid, until_us])?;
        }
        let dropped = message.deliveries.iter().filter(|delivery| delivery.dropped.is_some()).count() as u64;
        Ok(Published { uid, deliveries: message.deliveries.len() as u64 - dropped, dropped, is_duplicate: false })
    }

    /// The message that this one repeats.
    fn earlier(&self, message: &NewMessage) -> Result<Option<String>, QueueError> {
        let Some((scope, key)) = &message.key else { return Ok(None) };
        let db = self.db()?;
        let mut find =
            db.prepare_cached("SELECT uid FROM keys WHERE tenant = ?1 AND scope = ?2 AND key = ?3 AND until_us > ?4")?;
        let uid: Option<String> =
            find.query_row(params![message.tenant, scope, key, self.now_us], |row| row.get(0)).optional()?;
        let Some(uid) = uid else { return Ok(None) };
        if message.kind != Kind::Job {
            return Ok(Some(uid));
        }
        // A job's key holds only while the job has not ended.
        let mut open = db.prepare_cached(
            "SELECT 1 FROM messages m JOIN deliveries d ON d.message = m.id WHERE m.uid = ?1 AND d.state < 4",
        )?;
        Ok(open.exists([&uid])?.then_some(uid))
    }

    /// Whether the tenant may hold these, too.
    fn admit(&self, tenant: &str, messages: &[&NewMessage]) -> Result<(), QueueError> {
        let held = self.lanes.held(tenant);
        let full = |name, allowed, used| Err(QueueError::Full { tenant: tenant.to_owned(), name, allowed, used });
        let count: u64 = messages.iter().map(|message| message.deliveries.len() as u64).sum();
        let bytes: u64 = messages.iter().map(|message| message.deliveries.len() as u64 * delivery_bytes(message)).sum();
        if held.deliveries + count > self.config.deliveries_per_tenant_max {
            return full("deliveries_per_tenant_max", self.config.deliveries_per_tenant_max, held.deliveries + count);
        }
        if held.bytes + bytes > self.config.bytes_per_tenant_max {
            return full("bytes_per_tenant_max", self.config.bytes_per_tenant_max, held.bytes + bytes);
        }
        Ok(())
    }

    fn deliver(&mut self, message: &NewMessage, message_id: i64, delivery: &NewDelivery) -> Result<(), QueueError> {
        let db = self.db()?;
        let now_us = self.now_us;
        let (tenant, applet, handler) = (message.tenant.as_str(), delivery.applet.as_str(), delivery.handler.as_str());
        let mut due_us = now_us.saturating_add(delivery.delay_ms.saturating_mul(1_000)).min(i64::MAX as u64);
        let mut lingers = false;
        let state = if delivery.dropped.is_some() {
            State::Dropped
        } else if let Some(key) = &delivery.order_key
            && self.is_blocked((tenant, applet, handler), key, None)?
        {
            State::Blocked
        } else if due_us > now_us {
            State::Waiting
        } else if delivery.batch_max > 1 && delivery.batch_wait_ms > 0 {
            lingers = true;
            due_us = now_us + delivery.batch_wait_ms * 1_000;
            State::Waiting
        } else {
            State::Ready
        };
        let bytes = delivery_bytes(message);
        let mut insert = db.prepare_cached(
            "INSERT INTO deliveries (message, tenant, applet, handler, kind, state, priority, due_us, attempt, attempts_max, backoff_ms, \
             backoff_ms_max, order_key, batch_max, lingers, bytes, changed_us, ended_us, error) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?;
        insert.execute(params![
            message_id,
            tenant,
            applet,
            handler,
            message.kind.code(),
            state.code(),
            delivery.priority,
            due_us,
            delivery.attempts_max.max(1),
            delivery.backoff_ms,
            delivery.backoff_ms_max,
            delivery.order_key,
            delivery.batch_max.max(1),
            lingers,
            bytes,
            self.wall_us(),
            state.has_ended().then_some(now_us),
            delivery.dropped,
        ])?;
        self.lanes.change((tenant, applet), bytes, None, Some(state));
        if lingers && self.lanes.linger(tenant, applet, handler) >= u64::from(delivery.batch_max) {
            self.end_lingering(tenant, applet, handler)?;
        }
        Ok(())
    }

    /// There are enough for a batch.
    pub(super) fn end_lingering(&mut self, tenant: &str, applet: &str, handler: &str) -> Result<(), QueueError> {
        self.lanes.linger_no_more(tenant, applet, handler);
        let sql = "tenant = ?1 AND applet = ?2 AND handler = ?3 AND batch_max > 1 AND state <= 1 AND state = 0 AND lingers = 1";
        let lingering: Vec<Stored> = self.stored_where(sql, params![tenant, applet, handler])?;
        for stored in &lingering {
            self.change(stored, State::Ready, &Change { due_us: Some(self.now_us), ..Change::default() })?;
        }
        Ok(())
    }

    /// The time and 80 random bits: ids of messages that come together stand together in the index.
    fn new_uid(&self, kind: Kind) -> String {
        let (high, low) = (self.time.random(), self.time.random());
        format!("{}{:012x}{:04x}{low:016x}", kind.prefix(), self.now_us / 1_000, high & 0xffff)
    }
}

fn delivery_bytes(message: &NewMessage) -> u64 {
    message.payload.len() as u64 + DELIVERY_BYTES
}
