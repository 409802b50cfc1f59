//! Connections and who may use one: one writer and a few readers for each database, a bounded number of statements at work in
//! the whole host, and a bounded number of idle connections kept for the next call. It knows nothing of SQL or of sessions.
//!
//! A thread never waits for a lock of this process: writers queue here, asynchronously, before they take a thread. Otherwise
//! writers that wait would hold the threads the lock's owner needs to commit.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::SqlConnection;
use super::error::DbError;
use super::place::{Place, Store};
use crate::floor::ids::{AppletId, TenantId};

/// Bounds of all databases of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabasesConfig {
    /// Statements at work at the same time, each on a thread of its own; at least 1.
    pub workers_max: usize,
    /// Connections that read one database at the same time; at least 1. One more writes. Below `workers_max`, so that one
    /// applet cannot keep all others waiting.
    pub readers_per_database_max: usize,
    /// Idle connections kept open; the one unused the longest is closed first.
    pub idle_connections_max: usize,
    /// Memory of SQLite in this process, bytes, other users of SQLite in it included. A statement that needs more fails. It can
    /// only be lowered while the process lives.
    pub heap_bytes_max: u64,
}

impl Default for DatabasesConfig {
    fn default() -> Self {
        Self { workers_max: 8, readers_per_database_max: 4, idle_connections_max: 64, heap_bytes_max: 256 << 20 }
    }
}

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) tenant: TenantId,
    pub(super) applet: AppletId,
}

/// All databases of a host.
#[derive(Debug)]
pub(super) struct Pool {
    store: Store,
    config: DatabasesConfig,
    workers: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    databases: HashMap<Key, Weak<Database>>,
    /// Least recently used first.
    idle: VecDeque<Idle>,
    /// In memory a database lives as long as a connection to it: one is kept for each.
    anchors: HashMap<Key, SqlConnection>,
    /// Entries of `databases` at which dead ones are looked for.
    sweep_at: usize,
}

#[derive(Debug)]
struct Idle {
    database: Arc<Database>,
    connection: SqlConnection,
}

/// One database: its place and its locks.
#[derive(Debug)]
pub(super) struct Database {
    key: Key,
    pub(super) place: Place,
    /// Its single permit is the write lock.
    pub(super) writer: Arc<Semaphore>,
    pub(super) readers: Arc<Semaphore>,
    /// Opening makes the file: one at a time.
    opening: Mutex<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(store: Store, config: DatabasesConfig) -> Self {
        let workers = Arc::new(Semaphore::new(config.workers_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { store, config, workers, state: Mutex::default() }
    }

    /// The database of `key`, known to all its sessions as the same.
    pub(super) fn database(&self, key: &Key) -> io::Result<Arc<Database>> {
        let mut state = locked(&self.state);
        if let Some(known) = state.databases.get(key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let readers = self.readers_max();
        let database = Arc::new(Database {
            key: key.clone(),
            place: self.store.place(&key.tenant, &key.applet)?,
            writer: Arc::new(Semaphore::new(1)),
            readers: Arc::new(Semaphore::new(readers)),
            opening: Mutex::new(()),
        });
        if state.databases.len() >= state.sweep_at {
            state.databases.retain(|_, database| database.strong_count() > 0);
            state.sweep_at = 2 * state.databases.len() + 64;
        }
        state.databases.insert(key.clone(), Arc::downgrade(&database));
        Ok(database)
    }

    /// Runs `work` on a thread of its own when one is free. When the caller goes away, work that has begun goes on.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let ended = || DbError::Failed("the database failed".into());
        let worker = self.workers.clone().acquire_owned().await.map_err(|_| ended())?;
        let job = move || {
            let _worker = worker;
            work()
        };
        tokio::task::spawn_blocking(job).await.map_err(|_| ended())?
    }

    /// An open connection: one that is idle, or a new one. Blocks.
    pub(super) fn connect(&self, database: &Arc<Database>) -> Result<SqlConnection, DbError> {
        let idle = {
            let mut state = locked(&self.state);
            let at = state.idle.iter().rposition(|idle| Arc::ptr_eq(&idle.database, database));
            at.and_then(|at| state.idle.remove(at))
        };
        if let Some(idle) = idle {
            return Ok(idle.connection);
        }
        let _one_at_a_time = locked(&database.opening);
        let heap = self.config.heap_bytes_max;
        let connection = SqlConnection::open(&database.place, heap)?;
        if matches!(self.store, Store::Memory(_)) && !locked(&self.state).anchors.contains_key(&database.key) {
            let anchor = SqlConnection::open(&database.place, heap)?;
            locked(&self.state).anchors.insert(database.key.clone(), anchor);
        }
        Ok(connection)
    }

    /// Keeps a connection for the next call and closes those too many.
    fn keep(&self, database: Arc<Database>, connection: SqlConnection) {
        let mut state = locked(&self.state);
        state.idle.push_back(Idle { database, connection });
        let surplus = state.idle.len().saturating_sub(self.config.idle_connections_max);
        let closed: Vec<Idle> = state.idle.drain(..surplus).collect();
        drop(state);
        if !closed.is_empty() {
            // Closing the last connection of a database writes its log back.
            aside(move || drop(closed));
        }
    }

    /// Where the databases are.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Readers of one database at the same time.
    pub(super) fn readers_max(&self) -> usize {
        self.config.readers_per_database_max.clamp(1, Semaphore::MAX_PERMITS)
    }

    /// Whether a database is in use, or was lately.
    pub(super) fn knows(&self, key: &Key) -> bool {
        let state = locked(&self.state);
        state.anchors.contains_key(key) || state.databases.get(key).is_some_and(|database| database.strong_count() > 0)
    }

    /// Closes what is idle of a database, one in memory with all that is in it. Whoever asks for it next opens it anew.
    pub(super) fn forget(&self, database: &Arc<Database>) {
        let mut state = locked(&self.state);
        let (of_it, others): (Vec<Idle>, Vec<Idle>) =
            state.idle.drain(..).partition(|idle| Arc::ptr_eq(&idle.database, database));
        state.idle.extend(others);
        let anchor = state.anchors.remove(&database.key);
        state.databases.remove(&database.key);
        drop(state);
        drop((of_it, anchor));
    }

    /// Idle connections.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        locked(&self.state).idle.len()
    }
}

/// A connection in use, with the permit to use it. However it ends – a panic included – what is open is rolled back before
/// the permit is free again.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Option<SqlConnection>,
    pool: Arc<Pool>,
    database: Arc<Database>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Takes a connection. Blocks.
    pub(super) fn open(
        pool: Arc<Pool>,
        database: Arc<Database>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, DbError> {
        let connection = pool.connect(&database)?;
        Ok(Self { connection: Some(connection), pool, database, permit: Some(permit) })
    }

    /// The connection and where it leads.
    pub(super) fn parts(&mut self) -> Result<(&mut SqlConnection, &Place), DbError> {
        let connection = self.connection.as_mut().ok_or(DbError::NoTransaction)?;
        Ok((connection, &self.database.place))
    }

    /// Whether no transaction is open.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.as_ref().is_none_or(SqlConnection::is_idle)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let permit = self.permit.take();
        if std::thread::panicking() {
            drop(connection);
            drop(permit);
            return;
        }
        if connection.is_idle() {
            self.pool.keep(self.database.clone(), connection);
            drop(permit);
            return;
        }
        let (pool, database) = (self.pool.clone(), self.database.clone());
        aside(move || {
            if connection.roll_back() {
                pool.keep(database, connection);
            } else {
                drop(connection);
            }
            drop(permit);
        });
    }
}

/// Does work that may touch the disk without holding up an asynchronous thread. Work a runtime refuses because it shuts down is
/// dropped, and with it the connection, which rolls back and closes it.
fn aside(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// Waits on this thread, which must not be one that runs other futures. For an operator's work, which is not asynchronous.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A permit, or `None` when `patience` ends first.
pub(super) async fn permit(
    semaphore: &Arc<Semaphore>,
    patience: impl Future<Output = ()>,
) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        permit = semaphore.clone().acquire_owned() => permit.ok(),
        () = patience => None,
    }
}
