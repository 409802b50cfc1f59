//! The db capability: one SQLite database for each tenant and applet. This file owns its public face; the parts below own one
//! subject each. It knows plain values only, neither the engine nor the guest.
//!
//! ```text
//! Databases ── session ──> DbSession ── run(DbOperation) ──> DbReply | DbError
//!     place        where the files are, and that they are ours
//!     pool         connections, threads, and the write lock of each database
//!     connection   a connection made harmless, with authorizer, functions and watch
//!     statement    one statement, bound and stepped within its limits
//!     transaction  an open transaction: one connection, its own time, surely rolled back
//!     session      operations of one invocation
//!     migrate      the host's changes of a schema, with their bookkeeping
//!     operate      databases as files: sizes, copies, deletion
//! ```
//!
//! In a transaction an error undoes its own statement and leaves the transaction open, as in SQLite (`ABORT`). A statement stopped by
//! time or cancellation ends the transaction; so does `ON CONFLICT ROLLBACK`, and a full database may. Then the transaction
//! answers `no-transaction`.

mod authorizer;
mod connection;
mod error;
mod functions;
mod migrate;
mod operate;
mod place;
mod pool;
mod session;
mod statement;
mod transaction;
mod value;
mod watch;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod migrate_tests;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use connection::SQL_BYTES_MAX;
pub use error::DbError;
pub use migrate::{MIGRATION_MS_MAX, MigrateError, Migrated, Migration, MigrationStep};
pub use operate::DatabaseFileError;
pub use pool::DatabasesConfig;
pub use session::DbSession;
pub use value::{Changes, DbOperation, DbReply, Parameters, Statement, Value};

use crate::floor::deadline::Deadline;
use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::DbLimits;
use place::Store;
use pool::{Key, Pool};

/// All databases of a host. Clones share them.
///
/// One process at a time should own a data directory: several are safe, but their writers do not queue fairly.
#[derive(Debug, Clone)]
pub struct Databases {
    pool: Arc<Pool>,
}

impl Databases {
    /// Databases below `db` in the directory `data`, which is made (mode 0700) when it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made or opened, or its `db` is a link or belongs to another user.
    pub fn open(data: &Path, config: DatabasesConfig) -> io::Result<Self> {
        Ok(Self { pool: Arc::new(Pool::new(Store::directory(data)?, config)) })
    }

    /// Databases in memory, gone with the last clone and session: for tests and `belljar eval`. Unlike with files, who reads beside
    /// an open transaction waits for it, too. They count against `heap_bytes_max`.
    pub fn in_memory(config: DatabasesConfig) -> Self {
        Self { pool: Arc::new(Pool::new(Store::memory(), config)) }
    }

    /// Applies the migrations that are missing, in one transaction: on an error the database is as it was. `told` hears how far it
    /// is. Blocks, for other writers too: call it from a thread that may.
    ///
    /// # Errors
    /// [`MigrateError`], with file, line and column where SQL is the reason.
    pub fn migrate(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        migrations: &[Migration],
        limits: &DbLimits,
        told: impl FnMut(MigrationStep<'_>),
    ) -> Result<Migrated, MigrateError> {
        migrate::migrate(&self.pool, &migrate::key(tenant, applet), migrations, limits, told)
    }

    /// Names of the migrations that were applied, in order. Blocks.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn migrations_applied(&self, tenant: &TenantId, applet: &AppletId) -> Result<Vec<String>, MigrateError> {
        migrate::applied(&self.pool, &migrate::key(tenant, applet))
    }

    /// The size of a database with its log, bytes; `None` when there is none, or it is in memory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn size_bytes(&self, tenant: &TenantId, applet: &AppletId) -> io::Result<Option<u64>> {
        self.pool.store().existing(tenant, applet)
    }

    /// The size of all databases of a tenant, bytes.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn tenant_size_bytes(&self, tenant: &TenantId) -> io::Result<u64> {
        let mut bytes: u64 = 0;
        for applet in self.pool.store().list_of(tenant)? {
            bytes = bytes.saturating_add(self.size_bytes(tenant, &applet)?.unwrap_or(0));
        }
        Ok(bytes)
    }

    /// All databases there are files for, sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<(TenantId, AppletId)>> {
        operate::list(&self.pool)
    }

    /// Writes a copy, as of one moment and while the database is in use, to the file `to`, which must not exist. Answers its size in
    /// bytes, or `None` when there is no database. Blocks.
    ///
    /// # Errors
    /// [`DatabaseFileError`].
    pub fn copy(&self, tenant: &TenantId, applet: &AppletId, to: &Path) -> Result<Option<u64>, DatabaseFileError> {
        operate::copy(&self.pool, &migrate::key(tenant, applet), to)
    }

    /// Deletes a database as soon as nobody uses it. Answers whether there was one. Blocks.
    ///
    /// # Errors
    /// [`DatabaseFileError`].
    pub fn delete(&self, tenant: &TenantId, applet: &AppletId) -> Result<bool, DatabaseFileError> {
        operate::delete(&self.pool, &migrate::key(tenant, applet))
    }

    /// The database of one applet at one tenant, for one invocation. Costs nothing until the first operation; whatever is
    /// still open when the session is dropped is rolled back.
    pub fn session(
        &self,
        tenant: TenantId,
        applet: AppletId,
        limits: DbLimits,
        deadline: Option<Deadline>,
    ) -> DbSession {
        DbSession::new(self.pool.clone(), Key { tenant, applet }, limits, deadline)
    }
}
