//! The store there is: `kv.sqlite` in the data directory, or one in memory. Writes go to one thread (`writer.rs`); reads of a file go on
//! beside it, on connections of their own, and see what was committed. In memory the one thread does all.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Semaphore;

use super::schema::{self, At, failed};
use super::value::{KvBounds, KvEntry, KvKeys, KvOperation, KvOwner, KvReply, KvUsed, KvValue};
use super::writer::Writer;
use super::{KvAnswer, KvStore};
use crate::capability::refusal::{CapabilityError, within};
use crate::floor::ids::{AppletId, TenantId};

/// Reads at work at the same time, each on a thread and a connection of its own.
const READERS_MAX: usize = 4;

/// Name of the file in the data directory.
const FILE: &str = "kv.sqlite";

/// Keys and values in SQLite.
#[derive(Debug)]
pub struct SqliteKv {
    at: At,
    /// Begun at the first use.
    writer: OnceLock<Writer>,
    readers: Arc<Readers>,
}

/// Connections that read.
#[derive(Debug)]
struct Readers {
    at: At,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl SqliteKv {
    /// The store in `kv.sqlite` of the directory `data`, which is made (mode 0700) if it is missing. The file is opened when it is first used,
    /// or by [`check`](Self::check).
    ///
    /// # Errors
    /// When the directory cannot be made or found.
    pub fn open(data: &Path) -> io::Result<Self> {
        belljar_files::make_directory(data)?;
        // Resolved once: below it no link is followed.
        Ok(Self::new(At::File(data.canonicalize()?.join(FILE))))
    }

    /// A store in memory, gone with this value.
    pub fn in_memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::new(At::Memory(format!("file:/belljar-kv-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed))))
    }

    fn new(at: At) -> Self {
        let readers = Readers { at: at.clone(), turns: Arc::new(Semaphore::new(READERS_MAX)), idle: Mutex::default() };
        Self { at, writer: OnceLock::new(), readers: Arc::new(readers) }
    }

    /// Opens the file, and says what is wrong with it. Blocks.
    ///
    /// # Errors
    /// When it cannot be opened or read: locked, damaged, of a newer version, or no regular file.
    pub fn check(&self) -> io::Result<()> {
        self.writer().ready()
    }

    fn writer(&self) -> &Writer {
        self.writer.get_or_init(|| Writer::begin(self.at.clone()))
    }

    /// Reads once all that was queued before is written.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> io::Result<T>) -> io::Result<T> {
        self.check()?;
        self.readers.with(work)
    }
}

impl Readers {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> io::Result<T>) -> io::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::reader(&self.at)?,
        };
        let done = work(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if done.is_ok() && idle.len() < READERS_MAX {
            idle.push(connection);
        }
        done
    }
}

impl KvStore for SqliteKv {
    fn run(&self, owner: KvOwner, operation: KvOperation, bounds: KvBounds, now_ms: u64) -> KvAnswer<'_> {
        if !operation.is_read() || !self.at.is_file() {
            return Box::pin(self.writer().run(owner, operation, bounds, now_ms));
        }
        Box::pin(async move {
            let opened = self.writer().opened();
            let turn = self.readers.turns.clone().acquire_owned().await.map_err(|_| gone())?;
            // The file is there, with its tables, once the writer has opened it.
            opened.await?;
            let readers = self.readers.clone();
            let job = move || {
                let _turn = turn;
                readers.with(|connection| Ok(read(connection, &owner, &operation, &bounds, now_ms)))
            };
            let done = tokio::task::spawn_blocking(job).await.map_err(|_| gone())?;
            done.map_err(|error| broken(&error))?
        })
    }

    fn used(&self, tenant: Option<&TenantId>) -> io::Result<Vec<KvUsed>> {
        self.read(|connection| {
            let sql = "SELECT tenant, applet, keys, bytes FROM owners WHERE keys > 0 AND (?1 IS NULL OR tenant = ?1) ORDER BY tenant, applet";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            let rows = statement.query_map(params![tenant.map(TenantId::as_str)], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, count(row.get(2)?), count(row.get(3)?)))
            });
            rows.map_err(failed)?
                .map(|row| {
                    let (tenant, applet, keys, bytes) = row.map_err(failed)?;
                    let tenant = TenantId::new(tenant).map_err(io::Error::other)?;
                    let applet = AppletId::new(applet).map_err(io::Error::other)?;
                    Ok(KvUsed { owner: KvOwner { tenant, applet }, keys, bytes })
                })
                .collect()
        })
    }

    fn delete_all(&self, owner: &KvOwner) -> io::Result<u64> {
        self.writer().delete_all(owner.clone())
    }

    fn export(&self, owner: &KvOwner, now_ms: u64, each: &mut dyn FnMut(KvEntry) -> io::Result<()>) -> io::Result<()> {
        self.read(|connection| {
            let Some(id) = owner_id(connection, owner).map_err(failed)? else { return Ok(()) };
            let sql = "SELECT key, is_json, value, expires_ms FROM entries WHERE owner = ?1 AND (expires_ms IS NULL OR expires_ms > ?2) ORDER BY key";
            let mut statement = connection.prepare_cached(sql).map_err(failed)?;
            // One statement sees one moment.
            let mut rows = statement.query(params![id, time(now_ms)]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let key = text(row.get(0).map_err(failed)?).map_err(failed)?;
                let value = value(row.get(1).map_err(failed)?, row.get(2).map_err(failed)?).map_err(failed)?;
                let expires_ms = row.get::<_, Option<i64>>(3).map_err(failed)?.map(count);
                each(KvEntry { key, value, expires_ms })?;
            }
            Ok(())
        })
    }

    fn import(&self, owner: &KvOwner, entries: Vec<KvEntry>) -> io::Result<()> {
        self.writer().import(owner.clone(), entries)
    }
}

/// Does an operation that only reads.
pub(super) fn read(
    connection: &Connection,
    owner: &KvOwner,
    operation: &KvOperation,
    bounds: &KvBounds,
    now_ms: u64,
) -> Result<KvReply, CapabilityError> {
    let id = owner_id(connection, owner).map_err(broken)?;
    match operation {
        KvOperation::Get { keys } => {
            let Some(id) = id else { return Ok(KvReply::Values(vec![None; keys.len()])) };
            let mut bytes = 0;
            let values = keys.iter().map(|key| {
                let value = live(connection, id, key, now_ms).map_err(broken)?.map(|(value, _)| value);
                bytes += value.as_ref().map_or(0, KvValue::size_bytes);
                within("kv.result_bytes_max", bounds.result_bytes_max, bytes)?;
                Ok(value)
            });
            Ok(KvReply::Values(values.collect::<Result<_, CapabilityError>>()?))
        }
        KvOperation::List { prefix, after, limit } => {
            let Some(id) = id else { return Ok(KvReply::Keys(KvKeys { keys: Vec::new(), has_more: false })) };
            keys(connection, id, prefix, after.as_deref(), *limit, now_ms).map(KvReply::Keys).map_err(broken)
        }
        _ => Err(CapabilityError::Failed("the store does not read this".into())),
    }
}

fn keys(
    connection: &Connection,
    id: i64,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
    now_ms: u64,
) -> rusqlite::Result<KvKeys> {
    let sql = "SELECT key FROM entries WHERE owner = ?1 AND key >= ?2 AND key > ?3 AND (?4 IS NULL OR key < ?4)
        AND (expires_ms IS NULL OR expires_ms > ?5) ORDER BY key LIMIT ?6";
    let mut statement = connection.prepare_cached(sql)?;
    let (from, after) = (prefix.as_bytes(), after.unwrap_or_default().as_bytes());
    let rows = statement
        .query_map(params![id, from, after, beyond(from), time(now_ms), i64::from(limit) + 1], |row| {
            text(row.get(0)?)
        })?;
    let mut keys: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
    let has_more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    Ok(KvKeys { keys, has_more })
}

/// The least bytes that are beyond all that begin with `prefix`. Bytes of UTF-8 are below 0xff.
fn beyond(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = prefix.to_vec();
    *bytes.last_mut()? += 1;
    Some(bytes)
}

/// The number of an owner that has been here before.
pub(super) fn owner_id(connection: &Connection, owner: &KvOwner) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM owners WHERE tenant = ?1 AND applet = ?2")?;
    statement.query_row(params![owner.tenant.as_str(), owner.applet.as_str()], |row| row.get(0)).optional()
}

/// A value that has not expired, and when it will.
pub(super) fn live(
    connection: &Connection,
    id: i64,
    key: &str,
    now_ms: u64,
) -> rusqlite::Result<Option<(KvValue, Option<i64>)>> {
    let sql = "SELECT is_json, value, expires_ms FROM entries WHERE owner = ?1 AND key = ?2 AND (expires_ms IS NULL OR expires_ms > ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    let row = statement.query_row(params![id, key.as_bytes(), time(now_ms)], |row| {
        Ok((value(row.get(0)?, row.get(1)?)?, row.get(2)?))
    });
    row.optional()
}

/// Numbers of SQLite are signed; those of ours are never negative.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Times of SQLite are signed.
pub(super) fn time(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn text(bytes: Vec<u8>) -> rusqlite::Result<String> {
    String::from_utf8(bytes).map_err(|error| rusqlite::Error::Utf8Error(0, error.utf8_error()))
}

fn value(is_json: bool, bytes: Vec<u8>) -> rusqlite::Result<KvValue> {
    Ok(if is_json { KvValue::Json(text(bytes)?) } else { KvValue::Bytes(bytes) })
}

/// The store failed: the applet learns no more, the operator's log does.
pub(super) fn broken(error: impl std::fmt::Display) -> CapabilityError {
    tracing::error!(%error, "the key-value store failed");
    CapabilityError::Failed("the key-value store failed".into())
}

pub(super) fn gone() -> CapabilityError {
    CapabilityError::Failed("the key-value store has ended".into())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_prefix_ends_where_no_key_begins_with_it() {
        assert_eq!(beyond(b""), None);
        assert_eq!(beyond(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(beyond("\u{10ffff}".as_bytes()), Some(vec![0xf4, 0x8f, 0xbf, 0xc0]));
    }
}
