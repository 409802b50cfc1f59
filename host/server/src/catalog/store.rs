//! The catalog's file: one connection that writes, a few that read. It knows nothing of what is in the tables.
//!
//! *Nothing acknowledged is lost*: write-ahead log with `synchronous=FULL`, so that a commit returns after its frames are synced.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::CatalogError;
use super::schema;
use crate::failpoint;

/// Time to wait for another process that has the file locked (a backup tool, a shell).
const BUSY: Duration = Duration::from_secs(5);
/// Connections that are kept open for look-ups.
const READERS_KEPT: usize = 8;
/// Prepared statements kept by each connection.
const STATEMENTS_KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    /// Closed before the one that writes: the last connection writes the log back, which one that reads cannot.
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the file, makes it if it is missing, and upgrades its schema.
    pub(super) fn open(path: &Path) -> Result<Self, CatalogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut writer = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
        configure(&writer)?;
        let mode: String = writer.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(CatalogError::Storage(format!(
                "the catalog cannot use a write-ahead log here (it is in mode {mode:?})"
            )));
        }
        writer.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA journal_size_limit=16777216;")?;
        schema::upgrade(&mut writer, path)?;
        Ok(Self { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() })
    }

    /// Does `work` in a transaction that is committed when it succeeds. Writers follow one another.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let mut writer = locked(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        failpoint::hit("catalog.before-commit");
        transaction.commit()?;
        failpoint::hit("catalog.committed");
        Ok(done)
    }

    /// Does `work` with a connection that reads.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, CatalogError>) -> Result<T, CatalogError> {
        let kept = locked(&self.readers).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let reader = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
                configure(&reader)?;
                reader
            }
        };
        let done = work(&reader);
        let mut kept = locked(&self.readers);
        // A connection that has met an error may be the reason for it.
        if done.is_ok() && kept.len() < READERS_KEPT {
            kept.push(reader);
        }
        done
    }
}

fn configure(connection: &Connection) -> Result<(), CatalogError> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(
        "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA cache_size=-2048; PRAGMA temp_store=MEMORY;",
    )?;
    Ok(())
}
