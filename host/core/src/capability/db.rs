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
//! ```
//!
//! In a transaction an error undoes its own statement and leaves the transaction open, as in SQLite (`ABORT`). A statement stopped by
//! time or cancellation ends the transaction; so does `ON CONFLICT ROLLBACK`, and a full database may. Then the transaction
//! answers `no-transaction`.

mod authorizer;
mod connection;
mod error;
mod functions;
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
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub use connection::SQL_BYTES_MAX;
pub use error::DbError;
pub use pool::DatabasesConfig;
pub use session::DbSession;
pub use value::{Changes, DbOperation, DbReply, Parameters, Statement, Value};

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

/// When an invocation must be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The moment.
    pub at: Instant,
    /// The limit `deadline_ms` it comes from, milliseconds: told when it is hit.
    pub allowed_ms: u64,
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
