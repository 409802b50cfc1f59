//! Looking at the queue, on connections that only read.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::{Kind, State};
use super::{Queue, QueueError};

/// Connections kept for the next reader.
const IDLE_MAX: usize = 4;
/// Deliveries of one page.
pub const PAGE_MAX: u32 = 1_000;

/// Hands out connections.
pub(super) struct Reader {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), idle: Mutex::default() }
    }

    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, QueueError>) -> Result<T, QueueError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = match idle {
            Some(db) => db,
            None => {
                let db = Connection::open_with_flags(
                    &self.file,
                    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
                )?;
                db.busy_timeout(std::time::Duration::from_secs(2))?;
                db
            }
        };
        let answer = read(&db);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.is_ok() && idle.len() < IDLE_MAX {
            idle.push(db);
        }
        answer
    }
}

/// Which deliveries to list. All that is said has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// For this applet.
    pub applet: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// In this state.
    pub state: Option<State>,
    /// Of the event, or for the handler, of this name.
    pub name: Option<String>,
    /// With a smaller id: the last one of the page before.
    pub before: Option<u64>,
    /// At most so many, up to [`PAGE_MAX`]; 0 for 100.
    pub limit: u32,
}

/// A delivery, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// The delivery.
    pub id: u64,
    /// The message it delivers.
    pub message: String,
    /// The tenant.
    pub tenant: String,
    /// The applet that gets it.
    pub applet: String,
    /// The handler that gets it.
    pub handler: String,
    /// What it is.
    pub kind: Kind,
    /// Name of the event; of anything else, of the handler.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Higher ones begin first.
    pub priority: i32,
    /// Attempts so far.
    pub attempt: u32,
    /// Attempts in all.
    pub attempts_max: u32,
    /// For one that waits: when it is due, milliseconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_in_ms: Option<u64>,
    /// Deliveries of the same handler with the same one wait for each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_key: Option<String>,
    /// When it was published, Unix time in milliseconds.
    pub published_ms: u64,
    /// When it came into its state, Unix time in milliseconds.
    pub changed_ms: u64,
    /// Why the last attempt failed, or why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the handler answered: JSON. Not kept of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// What a job last told of its progress: JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<serde_json::Value>,
}

/// A message with its deliveries, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// What it is.
    pub kind: Kind,
    /// Name of the event; of anything else, of the handler.
    pub name: String,
    /// JSON.
    pub payload: serde_json::Value,
    /// Who published it.
    pub source: String,
    /// `applet/event` of each event that led to it, the first one first.
    pub chain: Vec<String>,
    /// When it was published, Unix time in milliseconds.
    pub published_ms: u64,
    /// Who gets it.
    pub deliveries: Vec<DeliveryView>,
}

/// How many deliveries there are, by tenant, kind and state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// The tenant.
    pub tenant: String,
    /// What they are.
    pub kind: Kind,
    /// Where they stand.
    pub state: State,
    /// How many.
    pub count: u64,
}

const VIEW: &str = "d.id, m.uid, d.tenant, d.applet, d.handler, d.kind, m.name, d.state, d.priority, d.attempt, d.attempts_max, d.due_us, \
                    d.order_key, m.published_us, d.changed_us, d.error, d.result, d.progress";

impl DeliveryView {
    fn read(row: &Row<'_>, now_us: u64) -> rusqlite::Result<Self> {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let state = State::from_code(row.get(7)?);
        let due_us: u64 = row.get(11)?;
        let (published_us, changed_us): (u64, u64) = (row.get(13)?, row.get(14)?);
        Ok(Self {
            id: row.get(0)?,
            message: row.get(1)?,
            tenant: row.get(2)?,
            applet: row.get(3)?,
            handler: row.get(4)?,
            kind: Kind::from_code(row.get(5)?),
            name: row.get(6)?,
            state,
            priority: row.get(8)?,
            attempt: row.get(9)?,
            attempts_max: row.get(10)?,
            due_in_ms: (state == State::Waiting).then(|| due_us.saturating_sub(now_us) / 1_000),
            order_key: row.get(12)?,
            published_ms: published_us / 1_000,
            changed_ms: changed_us / 1_000,
            error: row.get(15)?,
            result: json(row.get(16)?),
            progress: json(row.get(17)?),
        })
    }
}

impl Queue {
    /// Lists deliveries, the latest first.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn list(&self, filter: Filter) -> Result<Vec<DeliveryView>, QueueError> {
        let now_us = self.time.now_us();
        self.read(move |db| {
            let mut sql = format!("SELECT {VIEW} FROM deliveries d JOIN messages m ON m.id = d.message WHERE 1");
            let mut values: Vec<rusqlite::types::Value> = Vec::new();
            let mut and = |condition: &str, value: Option<rusqlite::types::Value>| {
                if let Some(value) = value {
                    values.push(value);
                    sql.push_str(&format!(" AND {condition} ?{}", values.len()));
                }
            };
            and("d.tenant =", filter.tenant.map(Into::into));
            and("d.applet =", filter.applet.map(Into::into));
            and("d.kind =", filter.kind.map(|kind| kind.code().into()));
            and("d.state =", filter.state.map(|state| state.code().into()));
            and("m.name =", filter.name.map(Into::into));
            and("d.id <", filter.before.map(|id| id.cast_signed().into()));
            let limit = if filter.limit == 0 { 100 } else { filter.limit.min(PAGE_MAX) };
            sql.push_str(&format!(" ORDER BY d.id DESC LIMIT {limit}"));
            let mut found = db.prepare(&sql)?;
            let rows = found.query_map(params_from_iter(values), |row| DeliveryView::read(row, now_us))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A message with its deliveries.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] when there is none, or it is another tenant's.
    pub async fn message(&self, tenant: String, uid: String) -> Result<MessageView, QueueError> {
        let now_us = self.time.now_us();
        self.read(move |db| {
            let sql = "SELECT id, kind, name, payload, source, chain, published_us FROM messages WHERE uid = ?1 AND tenant = ?2";
            let message = db.query_row(sql, params![uid, tenant], |row| {
                let (payload, chain): (String, String) = (row.get(3)?, row.get(5)?);
                let published_us: u64 = row.get(6)?;
                let view = MessageView {
                    id: uid.clone(),
                    tenant: tenant.clone(),
                    kind: Kind::from_code(row.get(1)?),
                    name: row.get(2)?,
                    payload: serde_json::from_str(&payload).unwrap_or(serde_json::Value::Null),
                    source: row.get(4)?,
                    chain: serde_json::from_str(&chain).unwrap_or_default(),
                    published_ms: published_us / 1_000,
                    deliveries: Vec::new(),
                };
                Ok((row.get::<_, i64>(0)?, view))
            });
            let Some((id, mut message)) = message.optional()? else {
                return Err(QueueError::NotFound(format!("message {uid} of tenant {tenant}: what has ended is not kept for ever")));
            };
            let sql = format!("SELECT {VIEW} FROM deliveries d JOIN messages m ON m.id = d.message WHERE d.message = ?1 ORDER BY d.id");
            let mut found = db.prepare(&sql)?;
            let rows = found.query_map([id], |row| DeliveryView::read(row, now_us))?;
            message.deliveries = rows.collect::<Result<_, _>>()?;
            Ok(message)
        })
        .await
    }

    /// How many deliveries there are, by tenant, kind and state.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub async fn counts(&self, tenant: Option<String>) -> Result<Vec<Counts>, QueueError> {
        self.read(move |db| {
            let sql = "SELECT tenant, kind, state, count(*) FROM deliveries WHERE ?1 IS NULL OR tenant = ?1 GROUP BY tenant, kind, state";
            let mut found = db.prepare(sql)?;
            let rows = found.query_map([tenant], |row| {
                let (kind, state): (i64, i64) = (row.get(1)?, row.get(2)?);
                Ok(Counts { tenant: row.get(0)?, kind: Kind::from_code(kind), state: State::from_code(state), count: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
