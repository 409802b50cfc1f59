//! Migrations: SQL that a package ships, run once in an applet's database by the host.
//!
//! What was applied is written in the database itself, in the same transaction: after any crash both are there or neither. The table is
//! [`BOOKKEEPING`], which an applet may read and not write. All migrations of one call are one transaction, so that a failure leaves the
//! database as it was. The statements keep the applet's own rules (no ATTACH, no PRAGMA, no virtual tables) and its limits, but for time.
//!
//! Foreign keys are not enforced meanwhile, and are checked before the commit: rebuilding a table, the only way to change much of it, drops
//! the old one, and with keys enforced that would delete what refers to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::OptionalExtension as _;

use super::authorizer::BOOKKEEPING;
use super::connection::SqlConnection;
use super::error::DbError;
use super::pool::{Database, Key, Pool, block_on};
use super::statement::{Outcome, Want, run};
use super::value::{Parameters, Statement};
use super::watch::{Run, TimeLimit, WrittenLimit};
use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::DbLimits;

/// Time all migrations of one call may take together, milliseconds.
pub const MIGRATION_MS_MAX: u64 = 60_000;
/// Time to wait for a transaction of another process, milliseconds.
const BUSY_MS: u64 = 10_000;
/// `PRAGMA user_version` of a database whose bookkeeping the host has made. An applet cannot write it, but could make a table of any name by
/// renaming one.
const VERSION: i64 = 1;

/// One migration, as a package ships it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// 0 to 9,999: the order, and what it is known by.
    pub number: u16,
    /// The file's name.
    pub name: String,
    /// One statement or several.
    pub sql: String,
}

impl Migration {
    fn checksum(&self) -> String {
        blake3::hash(self.sql.as_bytes()).to_hex().to_string()
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Names of those applied now, in order.
    pub applied: Vec<String>,
    /// How many of the package's had been applied before.
    pub before: usize,
}

/// How far migrations are. Told to whoever started them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationStep<'a> {
    /// The transaction is open, and nothing was applied yet.
    Begun,
    /// One was applied, within the transaction.
    Applied(&'a str),
    /// The transaction is committed.
    Committed,
}

/// Why migrations were not applied. The database is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// A statement failed.
    #[error("migrations/{name}:{line}:{column}: {message}")]
    Sql {
        /// The file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What SQLite says, or which limit was hit.
        message: String,
    },
    /// One that was applied has another text now.
    #[error("migrations/{name} is not what was applied as {applied}: put the old text back and write a new migration")]
    Changed {
        /// The file.
        name: String,
        /// The file's name when it was applied.
        applied: String,
    },
    /// One that was not applied comes before one that was.
    #[error("migrations/{name} comes before {after}, which is applied already: give it a higher number")]
    Late {
        /// The file.
        name: String,
        /// The last one applied.
        after: String,
    },
    /// Rows refer to others that are not there any more.
    #[error(
        "after the migrations {rows} rows of table {table:?} refer to rows of {parent:?} that do not exist (foreign keys do not act during migrations: delete or change such rows in the migration)"
    )]
    ForeignKey {
        /// The table that refers.
        table: String,
        /// The table referred to.
        parent: String,
        /// How many rows, of this pair of tables.
        rows: usize,
    },
    /// The applet made a table of the bookkeeping's name.
    #[error("the database has a table {BOOKKEEPING} that the host did not make: the applet has to rename it")]
    Forged,
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Applies what is missing. Blocks: for other writers, and for as long as it takes.
pub(super) fn migrate(
    pool: &Arc<Pool>,
    key: &Key,
    migrations: &[Migration],
    limits: &DbLimits,
    mut told: impl FnMut(MigrationStep<'_>),
) -> Result<Migrated, MigrateError> {
    let database = pool.database(key).map_err(|_| DbError::Failed("the database cannot be opened".into()))?;
    let permit = block_on(database.writer.clone().acquire_owned());
    let _writer = permit.map_err(|_| DbError::Busy)?;
    // Closed afterwards: another use would find the rules of this one.
    let mut connection = pool.connect(&database)?;
    let time = TimeLimit::new("migration_ms_max", MIGRATION_MS_MAX, Instant::now());
    let mut session = Session { connection: &mut connection, database: &database, limits, time };
    session.prepare()?;
    let result = session.apply(migrations, &mut told);
    // A transaction that cannot be rolled back ends with its connection.
    session.connection.roll_back();
    result
}

/// Names of the migrations applied, in order. Blocks.
pub(super) fn applied(pool: &Arc<Pool>, key: &Key) -> Result<Vec<String>, MigrateError> {
    let unreadable = |_| DbError::Failed("the database cannot be opened".into());
    if pool.store().existing(&key.tenant, &key.applet).map_err(unreadable)?.is_none() && !pool.knows(key) {
        return Ok(Vec::new());
    }
    let database = pool.database(key).map_err(unreadable)?;
    let connection = pool.connect(&database)?;
    if !is_ours(&connection)? {
        return Ok(Vec::new());
    }
    Ok(known(&connection)?.into_iter().map(|(_, name, _)| name).collect())
}

struct Session<'a> {
    connection: &'a mut SqlConnection,
    database: &'a Database,
    limits: &'a DbLimits,
    time: TimeLimit,
}

impl Session<'_> {
    fn prepare(&mut self) -> Result<(), DbError> {
        self.connection.bound(self.limits)?;
        self.connection.cut_log(&self.database.place)?;
        self.host("PRAGMA foreign_keys=OFF")
    }

    fn apply(
        &mut self,
        migrations: &[Migration],
        told: &mut impl FnMut(MigrationStep<'_>),
    ) -> Result<Migrated, MigrateError> {
        self.host("BEGIN IMMEDIATE")?;
        told(MigrationStep::Begun);
        self.keep_books()?;
        let known = known(self.connection)?;
        let mut migrated = Migrated::default();
        for migration in migrations {
            match known.iter().find(|(number, ..)| *number == migration.number) {
                Some((_, _, checksum)) if *checksum == migration.checksum() => migrated.before += 1,
                Some((_, applied, _)) => {
                    return Err(MigrateError::Changed { name: migration.name.clone(), applied: applied.clone() });
                }
                None => {
                    if let Some((_, after, _)) = known.iter().rfind(|(number, ..)| *number > migration.number) {
                        return Err(MigrateError::Late { name: migration.name.clone(), after: after.clone() });
                    }
                    self.run(migration)?;
                    self.record(migration)?;
                    told(MigrationStep::Applied(&migration.name));
                    migrated.applied.push(migration.name.clone());
                }
            }
        }
        if !migrated.applied.is_empty() {
            self.check_foreign_keys()?;
        }
        self.host("COMMIT")?;
        told(MigrationStep::Committed);
        Ok(migrated)
    }

    /// Makes the table of what was applied, unless it is there.
    fn keep_books(&mut self) -> Result<(), MigrateError> {
        if is_ours(self.connection)? {
            return Ok(());
        }
        let exists = "SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?1)";
        let forged = self.connection.sqlite.query_row(exists, [BOOKKEEPING], |_| Ok(())).optional();
        if forged.map_err(|error| self.connection.explain(&error))?.is_some() {
            return Err(MigrateError::Forged);
        }
        self.host(&format!(
            "CREATE TABLE {BOOKKEEPING} (number INTEGER PRIMARY KEY, name TEXT NOT NULL, blake3 TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT (datetime())) STRICT; \
             PRAGMA user_version={VERSION}"
        ))?;
        Ok(())
    }

    /// Runs the statements of one migration.
    fn run(&mut self, migration: &Migration) -> Result<(), MigrateError> {
        for statement in belljar_package::statements(&migration.sql) {
            let task = Run { by_applet: true, in_transaction: true, ..self.run_of() };
            let sql = Statement { sql: statement.text.to_owned(), parameters: Parameters::Positional(Vec::new()) };
            let result = self.connection.watched(task, |connection| {
                if connection.is_idle() {
                    return Err(DbError::NoTransaction);
                }
                run(connection, &sql, Want::Changes, true, self.limits)
            });
            let error = match result {
                // `ON CONFLICT ROLLBACK` ends the transaction without an error of its own afterwards.
                Ok(Outcome::Changes(_) | Outcome::Rows { .. }) if !self.connection.is_idle() => continue,
                Ok(_) => DbError::Invalid("the statement ended the transaction".into()),
                Err(DbError::Failed(_)) if self.database.place.disk_is_full() => {
                    DbError::Failed("the disk is full".into())
                }
                Err(error) => error,
            };
            let (message, within) = position(&error.to_string(), statement.text.len());
            let (line, column) = line_column(&migration.sql, statement.start + within);
            return Err(MigrateError::Sql { name: migration.name.clone(), line, column, message });
        }
        Ok(())
    }

    fn record(&mut self, migration: &Migration) -> Result<(), DbError> {
        let insert = format!("INSERT INTO {BOOKKEEPING} (number, name, blake3) VALUES (?1, ?2, ?3)");
        let result = self.connection.sqlite.execute(&insert, (migration.number, &migration.name, migration.checksum()));
        result.map(drop).map_err(|error| self.connection.explain(&error))
    }

    fn check_foreign_keys(&mut self) -> Result<(), MigrateError> {
        let run = self.run_of();
        let pairs = self.connection.watched(run, |connection| {
            let mut pairs: Vec<(String, String, usize)> = Vec::new();
            let mut check =
                connection.sqlite.prepare("PRAGMA foreign_key_check").map_err(|error| connection.explain(&error))?;
            let rows = check.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?)));
            for row in rows.map_err(|error| connection.explain(&error))? {
                let (table, parent) = row.map_err(|error| connection.explain(&error))?;
                match pairs.iter_mut().find(|(t, p, _)| (t, p) == (&table, &parent)) {
                    Some((.., rows)) => *rows += 1,
                    None => pairs.push((table, parent, 1)),
                }
            }
            Ok(pairs)
        })?;
        match pairs.into_iter().next() {
            None => Ok(()),
            Some((table, parent, rows)) => Err(MigrateError::ForeignKey { table, parent, rows }),
        }
    }

    /// Runs SQL of the host's own.
    fn host(&mut self, sql: &str) -> Result<(), DbError> {
        let run = self.run_of();
        let result = self.connection.watched(run, |connection| {
            connection.sqlite.execute_batch(sql).map_err(|error| connection.explain(&error))
        });
        result.map_err(|error| match error {
            DbError::Failed(_) | DbError::Limit(_) if self.database.place.disk_is_full() => {
                DbError::Failed("the disk is full".into())
            }
            error => error,
        })
    }

    fn run_of(&self) -> Run {
        Run {
            times: vec![self.time],
            cancels: Vec::new(),
            busy: Duration::from_millis(BUSY_MS),
            written: WrittenLimit {
                allowed: self.limits.database_bytes_max.saturating_mul(2),
                name: "database_bytes_max",
            },
            by_applet: false,
            in_transaction: false,
        }
    }
}

/// Whether the host has made the bookkeeping.
fn is_ours(connection: &SqlConnection) -> Result<bool, DbError> {
    let version = connection.sqlite.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    version.map(|version| version == VERSION).map_err(|error| connection.explain(&error))
}

/// What was applied: number, name, checksum; in order.
fn known(connection: &SqlConnection) -> Result<Vec<(u16, String, String)>, DbError> {
    let explain = |error: rusqlite::Error| connection.explain(&error);
    let select = format!("SELECT number, name, blake3 FROM {BOOKKEEPING} ORDER BY number");
    let mut select = connection.sqlite.prepare(&select).map_err(explain)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(explain)?;
    rows.collect::<Result<_, _>>().map_err(explain)
}

/// Takes `(at byte N)` off a message of SQLite.
fn position(message: &str, bytes: usize) -> (String, usize) {
    let parts = message.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (at byte "));
    match parts.and_then(|(text, offset)| Some((text, offset.parse::<usize>().ok()?))) {
        Some((text, offset)) => (text.to_owned(), offset.min(bytes)),
        None => (message.to_owned(), 0),
    }
}

fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The key of one database.
pub(super) fn key(tenant: &TenantId, applet: &AppletId) -> Key {
    Key { tenant: tenant.clone(), applet: applet.clone() }
}
