//! The queue's file: its tables, and what is put right when it is opened.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::QueueError;
use super::clock::{Clock, QueueTime};

/// Version of the tables; a file of another one is refused.
const SCHEMA_VERSION: i64 = 1;

/// The states by their numbers: 0 waiting, 1 ready, 2 blocked, 3 running, 4 done, 5 dead, 6 dropped, 7 cancelled (`state.rs`).
///
/// `due_us`, `lease_until_us`, `ended_us` and `dead_us` are queue time, `published_us`, `changed_us` and `fires_us` are Unix time.
const TABLES: &str = "
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    source TEXT NOT NULL,
    chain TEXT NOT NULL,
    depth INTEGER NOT NULL,
    order_key TEXT,
    published_us INTEGER NOT NULL
) STRICT;
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    handler TEXT NOT NULL,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    backoff_ms INTEGER NOT NULL,
    backoff_ms_max INTEGER NOT NULL,
    order_key TEXT,
    batch_max INTEGER NOT NULL,
    lingers INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    lease INTEGER,
    lease_until_us INTEGER,
    changed_us INTEGER NOT NULL,
    ended_us INTEGER,
    dead_us INTEGER,
    error TEXT,
    result TEXT,
    progress TEXT
) STRICT;
CREATE INDEX ready ON deliveries (tenant, applet, priority DESC, id) WHERE state = 1;
CREATE INDEX waiting ON deliveries (due_us) WHERE state = 0;
CREATE INDEX running ON deliveries (lease_until_us) WHERE state = 3;
CREATE INDEX ordered ON deliveries (tenant, applet, handler, order_key, id) WHERE order_key IS NOT NULL AND state < 4;
CREATE INDEX batched ON deliveries (tenant, applet, handler, id) WHERE batch_max > 1 AND state <= 1;
CREATE INDEX open_runs ON deliveries (tenant, applet, handler) WHERE kind = 2 AND state < 4;
CREATE INDEX of_message ON deliveries (message);
CREATE INDEX ended ON deliveries (tenant, ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX dead ON deliveries (tenant, dead_us) WHERE dead_us IS NOT NULL;
CREATE TABLE keys (
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    uid TEXT NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_until ON keys (until_us);
CREATE TABLE schedules (
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    handler TEXT NOT NULL,
    cron TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    next_us INTEGER,
    last_us INTEGER,
    paused INTEGER NOT NULL,
    fired INTEGER NOT NULL,
    missed INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    PRIMARY KEY (tenant, applet, handler)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_next ON schedules (next_us) WHERE next_us IS NOT NULL AND paused = 0;
CREATE TABLE applets (
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    release INTEGER NOT NULL,
    is_enabled INTEGER NOT NULL,
    triggers TEXT NOT NULL,
    PRIMARY KEY (tenant, applet)
) STRICT, WITHOUT ROWID;
CREATE TABLE missed (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    handler TEXT NOT NULL,
    fires_us INTEGER NOT NULL,
    why TEXT NOT NULL,
    noted_us INTEGER NOT NULL
) STRICT;
CREATE INDEX missed_of ON missed (tenant, applet, handler, fires_us);
CREATE TABLE clock (only INTEGER PRIMARY KEY CHECK (only = 0), at_us INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0, 0);
";

/// A connection with the queue's settings.
pub(super) fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(file)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(128);
    // Plans do not depend on what is bound: statements are compiled once.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864; \
         PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF;",
    )?;
    Ok(db)
}

/// Opens the file, or makes it, and begins queue time.
pub(super) fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<(Connection, QueueTime), QueueError> {
    let db = connect(file)?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => db.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"))?,
        SCHEMA_VERSION => {}
        other => {
            let what = format!("{} has version {other}, this server reads version {SCHEMA_VERSION}", file.display());
            return Err(QueueError::Unavailable(what));
        }
    }
    let left: Option<u64> = db.query_row("SELECT at_us FROM clock", [], |row| row.get(0)).optional()?;
    Ok((db, QueueTime::begin(clock, left.unwrap_or(0))))
}
