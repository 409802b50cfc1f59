//! The file: its tables, and how it is opened.
//!
//! A row's `seq` is the time at which it was written, in Unix microseconds, made unique: it orders, pages, filters by time and expires
//! rows with one index.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::HistoryError;

/// Schema of this version.
const VERSION: u32 = 1;

const TABLES: &str = "
CREATE TABLE applets (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, applet TEXT NOT NULL, UNIQUE (tenant, applet)) STRICT;

CREATE TABLE invocations (
  seq INTEGER PRIMARY KEY, applet INTEGER NOT NULL, id BLOB, release INTEGER NOT NULL, version TEXT NOT NULL, handler TEXT NOT NULL,
  trigger TEXT NOT NULL, user TEXT, begun_us INTEGER NOT NULL, queued_us INTEGER NOT NULL, total_us INTEGER NOT NULL, ended TEXT NOT NULL,
  http_status INTEGER, code TEXT, message TEXT, fuel INTEGER NOT NULL, usage TEXT NOT NULL
) STRICT;
CREATE INDEX invocations_by_applet ON invocations (applet, seq);
CREATE INDEX invocations_by_id ON invocations (id) WHERE id IS NOT NULL;

CREATE TABLE logs (
  seq INTEGER PRIMARY KEY, applet INTEGER NOT NULL, invocation BLOB, version TEXT NOT NULL, handler TEXT NOT NULL, time_us INTEGER NOT NULL,
  level INTEGER NOT NULL, origin TEXT NOT NULL, message TEXT NOT NULL, fields TEXT NOT NULL, truncated INTEGER NOT NULL
) STRICT;
CREATE INDEX logs_by_applet ON logs (applet, seq);
CREATE INDEX logs_by_invocation ON logs (invocation);

CREATE TABLE uses (
  seq INTEGER PRIMARY KEY, applet INTEGER NOT NULL, invocation BLOB, version TEXT NOT NULL, handler TEXT NOT NULL, capability TEXT NOT NULL,
  operation TEXT NOT NULL, target TEXT NOT NULL, ended TEXT NOT NULL, begun_us INTEGER NOT NULL, wall_us INTEGER NOT NULL
) STRICT;
CREATE INDEX uses_by_applet ON uses (applet, seq);

CREATE TABLE usage (
  day INTEGER NOT NULL, applet INTEGER NOT NULL, invocations INTEGER NOT NULL, faulted INTEGER NOT NULL, refused INTEGER NOT NULL,
  fuel INTEGER NOT NULL, wall_us INTEGER NOT NULL, operations INTEGER NOT NULL, db_statements INTEGER NOT NULL, db_rows INTEGER NOT NULL,
  http_requests INTEGER NOT NULL, egress_bytes INTEGER NOT NULL, ingress_bytes INTEGER NOT NULL, log_lines INTEGER NOT NULL,
  log_bytes INTEGER NOT NULL, log_lines_dropped INTEGER NOT NULL, PRIMARY KEY (day, applet)
) STRICT, WITHOUT ROWID;
";

/// Opens the file for writing; makes it, and its tables, when they are not there.
pub(super) fn open(path: &Path) -> Result<Connection, HistoryError> {
    let failed = |source| HistoryError::Database { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let prepared = (|| {
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        // Has an effect before there are tables only.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -8_192)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    })();
    match prepared.map_err(failed)? {
        0 => connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))
            .map_err(failed)?,
        VERSION => {}
        found => return Err(HistoryError::Newer { path: path.to_owned(), found, known: VERSION }),
    }
    Ok(connection)
}

/// Opens the file for reading.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
