//! What an operator does with databases as files: list, measure, copy while they are in use, delete. It knows nothing of what is in them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};

use super::error::DbError;
use super::place::Place;
use super::pool::{Key, Pool, block_on};
use crate::floor::ids::{AppletId, TenantId};

/// A database could not be copied or deleted.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFileError {
    /// A file cannot be read, written or removed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// SQLite cannot open or copy it.
    #[error("{0}")]
    Database(String),
}

impl From<DbError> for DatabaseFileError {
    fn from(error: DbError) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<rusqlite::Error> for DatabaseFileError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// Writes a copy, as of one moment, to the file `to`, which must not exist. Answers its size in bytes; `None` when there is no database.
pub(super) fn copy(pool: &Arc<Pool>, key: &Key, to: &Path) -> Result<Option<u64>, DatabaseFileError> {
    if pool.store().existing(&key.tenant, &key.applet)?.is_none() {
        return Ok(None);
    }
    let database = pool.database(key)?;
    // Closed afterwards rather than kept: a copy is rare.
    let from = pool.connect(&database)?;
    copy_connection(&from.sqlite, to).map(Some)
}

/// Copies what a connection sees into a new file.
fn copy_connection(from: &rusqlite::Connection, to: &Path) -> Result<u64, DatabaseFileError> {
    let file = belljar_files::create_new(to)?;
    let mut target = rusqlite::Connection::open(to)?;
    {
        let backup = Backup::new(from, &mut target)?;
        // All pages in one step are read in one transaction: writers do not make it begin again.
        match backup.step(-1)? {
            StepResult::Done => {}
            _ => return Err(DatabaseFileError::Database("the database is locked".into())),
        }
    }
    target.close().map_err(|(_, error)| error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Removes a database and all that belongs to it, when nobody uses it any more. Answers whether there was one. Blocks.
pub(super) fn delete(pool: &Arc<Pool>, key: &Key) -> Result<bool, DatabaseFileError> {
    let exists = pool.store().existing(&key.tenant, &key.applet)?.is_some();
    if !exists && !pool.knows(key) {
        return Ok(false);
    }
    let database = pool.database(key)?;
    let ended = |_| DatabaseFileError::Database("the database is closed".into());
    let _writer = block_on(database.writer.clone().acquire_owned()).map_err(ended)?;
    let readers = u32::try_from(pool.readers_max()).unwrap_or(u32::MAX);
    let _readers = block_on(database.readers.clone().acquire_many_owned(readers)).map_err(ended)?;
    // The last connection that is closed writes the log back: what is deleted below is whole until it is gone.
    pool.forget(&database);
    match &database.place {
        Place::Memory { .. } => Ok(true),
        Place::File { directory, name, .. } => {
            // The file comes last: a log without its database would be taken for the next one's.
            for suffix in ["-wal", "-shm", "-journal", ""] {
                directory.remove(&format!("{name}{suffix}"))?;
            }
            directory.sync()?;
            Ok(exists)
        }
    }
}

/// All databases, sorted.
pub(super) fn list(pool: &Pool) -> io::Result<Vec<(TenantId, AppletId)>> {
    let mut found = pool.store().list()?;
    found.sort_unstable();
    Ok(found)
}
