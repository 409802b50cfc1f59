//! The tables of the store, and connections to them.
//!
//! Keys are kept as bytes: their order is that of the bytes, and any character is part of them. `owners` has the sums of what
//! each applet has, changed in the same transaction as its entries.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Version of the tables, kept in `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE owners (
        id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, applet TEXT NOT NULL, keys INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
        UNIQUE (tenant, applet)
    ) STRICT;
    CREATE TABLE entries (
        owner INTEGER NOT NULL REFERENCES owners (id), key BLOB NOT NULL, is_json INTEGER NOT NULL, value BLOB NOT NULL, expires_ms INTEGER,
        UNIQUE (owner, key)
    ) STRICT;
    CREATE INDEX entries_expiring ON entries (expires_ms) WHERE expires_ms IS NOT NULL;
";

/// How long a connection waits for another process's lock: the operator's backup, as a rule.
const BUSY: Duration = Duration::from_secs(5);

/// Where the store is.
#[derive(Debug, Clone)]
pub(super) enum At {
    /// A file.
    File(std::path::PathBuf),
    /// A name that the connections of this process share.
    Memory(String),
}

impl At {
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

/// Opens a connection that writes, and makes the tables if there are none.
pub(super) fn writer(at: &At) -> io::Result<Connection> {
    let connection = connect(at)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    if version > VERSION {
        return Err(io::Error::other(format!(
            "the key-value store has version {version}, and this Belljar knows {VERSION}: use a newer one"
        )));
    }
    if version < VERSION {
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT"))
            .map_err(failed)?;
    }
    Ok(connection)
}

/// Opens a connection that reads. The writer's has been opened before.
pub(super) fn reader(at: &At) -> io::Result<Connection> {
    let connection = connect(at)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(failed)?;
    Ok(connection)
}

fn connect(at: &At) -> io::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match at {
        At::Memory(uri) => {
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI)
        }
        At::File(path) => {
            make_private(path)?;
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)
        }
    };
    let connection = connection.map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch("PRAGMA page_size=4096; PRAGMA cache_size=-4096; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON").map_err(failed)?;
    if at.is_file() {
        // As for applets' databases: what was answered survives a loss of power, too.
        let pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=16777216";
        connection.execute_batch(pragmas).map_err(failed)?;
    }
    Ok(connection)
}

/// Makes the file (0600) if it is missing: SQLite would make it by the process's mask.
fn make_private(path: &Path) -> io::Result<()> {
    match belljar_files::create_new(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// An error of SQLite's as one of the system's.
pub(super) fn failed(error: rusqlite::Error) -> io::Error {
    io::Error::other(error)
}
