//! A connection of SQLite, made harmless: what it may do, how much it may hold, how it keeps what was acknowledged. It knows
//! nothing of sessions and of who waits for what.
//!
//! *Nothing acknowledged is lost*: write-ahead log with `synchronous=FULL`, so that a commit returns after its frames are
//! synced (`NORMAL` would survive `kill -9` but lose the last commits when the machine loses power).
//!
//! *Memory*: SQLite has no bound of its own for a statement. The page cache is small, sorting and materialising
//! spill to temporary files (`temp_store=FILE`; in memory a sorter would grow without end; what a statement writes is bounded by
//! [`super::watch`]), values and columns are few. What is left (one row of many large values) is caught by a heap limit for all
//! of SQLite in this process, [`super::DatabasesConfig::heap_bytes_max`]: at the limit a statement fails, not the host.
//!
//! *Disk*: `max_page_count` bounds the file. The log grows past its checkpoints only while readers overlap without end;
//! it is cut before a write that finds it too long, and the write is refused when that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

use super::authorizer::authorize;
use super::error::{Bounds, DbError, from_sqlite};
use super::place::Place;
use super::watch::{INSTRUCTIONS_BETWEEN_LOOKS, Run, Watch};
use crate::floor::limits::DbLimits;

/// Bytes of one SQL statement: parsing takes a multiple of it, and data belongs into parameters.
pub const SQL_BYTES_MAX: u64 = 1 << 20;

/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;
/// The log may always be this long; beyond that, as long as the database may be.
const WAL_BYTES_MIN: u64 = 16 << 20;

/// Zero would mean no limit, and far less would not open a database.
const HEAP_BYTES_MIN: u64 = 16 << 20;

/// Limits of SQLite that no operator needs to change (<https://www.sqlite.org/limits.html>).
const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX as i32),
    (Limit::SQLITE_LIMIT_COLUMN, 256),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 500),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    // LIKE and GLOB take text × pattern steps within one instruction, where nothing stops them.
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 128),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32_766),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 16),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Switches of SQLite (<https://www.sqlite.org/c3ref/c_dbconfig_defensive.html>).
const SWITCHES: [(DbConfig, bool); 9] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    // A misspelt column in double quotes is an error, not a text.
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
];

/// A configured connection. It is used by one thread at a time and belongs to the host until [`SqlConnection::watched`].
#[derive(Debug)]
pub(super) struct SqlConnection {
    pub(super) sqlite: Connection,
    pub(super) watch: Arc<Watch>,
    /// Of the session that uses it; `None` before the first.
    bounds: Option<Bounds>,
    /// `bounds.value_bytes_max`, for functions that make values.
    value_bytes_max: Arc<AtomicU64>,
}

impl SqlConnection {
    /// Opens `place` and configures the connection.
    pub(super) fn open(place: &Place, heap_bytes_max: u64) -> Result<Self, DbError> {
        let sqlite = place.connect()?;
        let watch = Arc::new(Watch::default());
        let mut connection = Self { sqlite, watch, bounds: None, value_bytes_max: Arc::default() };
        match connection.configure(matches!(place, Place::File { .. }), heap_bytes_max) {
            Ok(()) => Ok(connection),
            Err(error) => Err(connection.explain(&error)),
        }
    }

    fn configure(&mut self, file: bool, heap_bytes_max: u64) -> rusqlite::Result<()> {
        let sqlite = &mut self.sqlite;
        let watch = self.watch.clone();
        sqlite.busy_handler(Some(move |_| watch.busy()))?;
        sqlite.set_prepared_statement_cache_capacity(0);
        for (switch, on) in SWITCHES {
            sqlite.set_db_config(switch, on)?;
        }
        // Only ever lowers the limit of the process (https://www.sqlite.org/pragma.html#pragma_hard_heap_limit).
        sqlite.execute_batch(&format!(
            "PRAGMA hard_heap_limit={}",
            heap_bytes_max.clamp(HEAP_BYTES_MIN, i64::MAX as u64)
        ))?;
        sqlite.execute_batch(&format!(
            "PRAGMA page_size={PAGE_BYTES}; PRAGMA cache_size=-1024; PRAGMA temp_store=FILE; PRAGMA mmap_size=0; \
             PRAGMA cell_size_check=ON; PRAGMA recursive_triggers=OFF;"
        ))?;
        if file {
            sqlite.execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000; \
                 PRAGMA journal_size_limit=16777216;",
            )?;
        }
        for (limit, value) in LIMITS {
            sqlite.set_limit(limit, value)?;
        }
        super::functions::install(sqlite, self.value_bytes_max.clone())?;
        let watch = self.watch.clone();
        sqlite.progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(move || watch.progress()))?;
        let watch = self.watch.clone();
        sqlite.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| authorize(context, &watch)))
    }

    /// Applies a session's bounds; cheap when they are those of the last one.
    pub(super) fn bound(&mut self, limits: &DbLimits) -> Result<(), DbError> {
        let bounds = Bounds { value_bytes_max: limits.value_bytes_max, database_bytes_max: limits.database_bytes_max };
        if self.bounds == Some(bounds) {
            return Ok(());
        }
        self.bounds = Some(bounds);
        self.value_bytes_max.store(bounds.value_bytes_max, Ordering::Relaxed);
        // SQLite keeps schemas under the same limit; below this nothing works.
        const VALUE_BYTES_MIN: u64 = 4096;
        let length = i32::try_from(bounds.value_bytes_max.max(VALUE_BYTES_MIN)).unwrap_or(i32::MAX);
        let pages = (bounds.database_bytes_max / PAGE_BYTES).clamp(1, 4_294_967_294);
        let applied = self
            .sqlite
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, length)
            .and_then(|_| self.sqlite.execute_batch(&format!("PRAGMA max_page_count={pages}")));
        applied.map_err(|error| self.explain(&error))
    }

    /// Runs `work` under `run`, if there is time for it, and the host's own rules again afterwards.
    pub(super) fn watched<T>(
        &mut self,
        run: Run,
        work: impl FnOnce(&mut Self) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let result = match self.watch.start(run) {
            Some(stop) => Err(stop.into()),
            None => work(self),
        };
        self.watch.end();
        result
    }

    /// What `error` means to an applet.
    pub(super) fn explain(&self, error: &rusqlite::Error) -> DbError {
        from_sqlite(error, &self.watch, self.bounds.unwrap_or_default())
    }

    /// Whether no transaction is open.
    pub(super) fn is_idle(&self) -> bool {
        self.sqlite.is_autocommit()
    }

    /// Rolls back what is open. False when that failed: such a connection must be closed, which rolls back as well.
    pub(super) fn roll_back(&mut self) -> bool {
        self.watch.end();
        self.is_idle() || (self.sqlite.execute_batch("ROLLBACK").is_ok() && self.is_idle())
    }

    /// Cuts a log that overlapping readers let grow.
    ///
    /// # Errors
    /// The limit `database_bytes_max` when it stays too long.
    pub(super) fn cut_log(&mut self, place: &Place) -> Result<(), DbError> {
        let allowed = self.bounds.unwrap_or_default().database_bytes_max.max(WAL_BYTES_MIN);
        if place.wal_bytes() <= allowed {
            return Ok(());
        }
        // Its outcome is looked up in the file itself.
        let _ = self.sqlite.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let used = place.wal_bytes();
        if used <= allowed { Ok(()) } else { Err(DbError::limit("database_bytes_max", allowed, used)) }
    }
}
