//! The operations of one invocation: who waits for which lock, for how long, and what is counted. It knows nothing of SQL.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::SqlConnection;
use super::error::DbError;
use super::pool::{Database, Key, Lease, Pool, permit};
use super::statement::{Outcome, Want, admit, run};
use super::transaction::Transaction;
use super::value::{Changes, DbOperation, DbReply, Statement, TransactionNumber};
use super::watch::{Run, TimeLimit, WrittenLimit, later};
use crate::floor::deadline::Deadline;
use crate::floor::limits::DbLimits;
use crate::floor::usage::DbUsage;

/// One invocation's use of its database. Dropping it stops what runs and rolls back what is open.
#[derive(Debug)]
pub struct DbSession {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pool: Arc<Pool>,
    key: Key,
    limits: DbLimits,
    deadline: Option<Deadline>,
    database: OnceLock<Arc<Database>>,
    /// Set when the session is gone.
    over: Arc<AtomicBool>,
    transactions: Mutex<HashMap<TransactionNumber, Arc<Transaction>>>,
    transactions_free: Arc<Semaphore>,
    transactions_begun: AtomicU32,
    usage: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    statements: AtomicU64,
    rows: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl DbSession {
    pub(super) fn new(pool: Arc<Pool>, key: Key, limits: DbLimits, deadline: Option<Deadline>) -> Self {
        let transactions_free = Arc::new(Semaphore::new(limits.transactions_max as usize));
        let shared = Shared {
            pool,
            key,
            limits,
            deadline,
            database: OnceLock::new(),
            over: Arc::default(),
            transactions: Mutex::default(),
            transactions_free,
            transactions_begun: AtomicU32::new(0),
            usage: Counters::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Does one operation, beginning when the future is first polled, which must be within a tokio runtime that has time.
    /// Dropping the future cancels: what waits never runs, a statement that runs is stopped; one that is committing at
    /// that moment may still commit.
    ///
    /// # Errors
    /// Every case of [`DbError`].
    pub fn run(&self, operation: DbOperation) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        let shared = self.shared.clone();
        async move {
            let cancel = CancelOnDrop::default();
            let operation = shared.clone().operate(operation, cancel.0.clone());
            let Some(deadline) = shared.deadline.clone() else { return operation.await };
            // What runs is stopped by its watch, which says more precisely why; this ends what waits.
            tokio::select! {
                biased;
                result = operation => result,
                () = deadline.passed() => Err(DbError::Limit(deadline.hit())),
            }
        }
    }

    /// Whether a transaction of it is open.
    pub fn is_in_transaction(&self) -> bool {
        self.shared.transactions().values().any(|transaction| !transaction.is_over())
    }

    /// What the session used so far.
    pub fn usage(&self) -> DbUsage {
        let usage = &self.shared.usage;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DbUsage {
            statements: read(&usage.statements),
            rows: read(&usage.rows),
            bytes_in: read(&usage.bytes_in),
            bytes_out: read(&usage.bytes_out),
        }
    }
}

impl Drop for DbSession {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let open: Vec<_> = self.shared.transactions().drain().collect();
        for (_, transaction) in open {
            transaction.end();
        }
    }
}

/// Set when the operation's future is gone, finished or not.
#[derive(Debug, Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    async fn operate(self: Arc<Self>, operation: DbOperation, cancel: Arc<AtomicBool>) -> Result<DbReply, DbError> {
        match operation {
            DbOperation::Query { statement, transaction } => {
                self.statement(statement, Want::Rows, transaction, cancel).await
            }
            DbOperation::QueryOne { statement, transaction } => {
                self.statement(statement, Want::FirstRow, transaction, cancel).await
            }
            DbOperation::Execute { statement, transaction } => {
                self.statement(statement, Want::Changes, transaction, cancel).await
            }
            DbOperation::Batch { statements } => self.batch(statements, cancel).await,
            DbOperation::Begin => self.begin(cancel).await,
            DbOperation::Commit { transaction } => self.finish(transaction, true, cancel).await,
            DbOperation::Rollback { transaction } => self.finish(transaction, false, cancel).await,
        }
    }

    async fn statement(
        self: Arc<Self>,
        statement: Statement,
        want: Want,
        transaction: Option<TransactionNumber>,
        cancel: Arc<AtomicBool>,
    ) -> Result<DbReply, DbError> {
        self.admit(&statement)?;
        let outcome = match transaction {
            Some(number) => {
                self.clone()
                    .within(number, cancel.clone(), move |shared, lease, time, over| {
                        let mut run = shared.run_of(&[time], &[cancel, over]);
                        run.in_transaction = true;
                        let (connection, place) = lease.parts()?;
                        let result =
                            connection.watched(run, |connection| shared.step(connection, &statement, want, true));
                        // SQLite leaves that to what the statement was doing; here it is always the same.
                        if connection.watch.stopped().is_some() {
                            connection.roll_back();
                        }
                        result.map_err(|error| shared.or_disk_full(error, place))
                    })
                    .await?
            }
            None => self.clone().alone(Arc::new(statement), want, cancel).await?,
        };
        match outcome {
            Outcome::Rows { rows, bytes } => {
                self.usage.rows.fetch_add(rows.rows.len() as u64, Ordering::Relaxed);
                self.usage.bytes_out.fetch_add(bytes, Ordering::Relaxed);
                Ok(DbReply::Rows(rows))
            }
            Outcome::Changes(changes) => Ok(DbReply::Changes(changes)),
            Outcome::NeedsWriteLock => Err(DbError::Busy),
        }
    }

    /// Runs a statement by itself: first as a reader when it asks for rows, again as the writer when it turns out to write.
    async fn alone(
        self: Arc<Self>,
        statement: Arc<Statement>,
        want: Want,
        cancel: Arc<AtomicBool>,
    ) -> Result<Outcome, DbError> {
        let database = self.database()?;
        let mut writes = want == Want::Changes;
        loop {
            let permit = if writes {
                self.write_lock(&database).await?
            } else {
                permit(&database.readers, std::future::pending()).await.ok_or(DbError::Busy)?
            };
            let (shared, statement, cancel) = (self.clone(), statement.clone(), cancel.clone());
            let outcome = self.lease(&database, permit, move |lease| {
                let (connection, place) = lease.parts()?;
                if writes {
                    connection.cut_log(place)?;
                }
                let full = |error| shared.or_disk_full(error, place);
                let run = shared.run_of(&[], &[cancel]);
                connection.watched(run, |connection| shared.step(connection, &statement, want, writes)).map_err(full)
            });
            match outcome.await? {
                Outcome::NeedsWriteLock if !writes => writes = true,
                outcome => return Ok(outcome),
            }
        }
    }

    async fn batch(self: Arc<Self>, statements: Vec<Statement>, cancel: Arc<AtomicBool>) -> Result<DbReply, DbError> {
        let (allowed, used) = (u64::from(self.limits.batch_statements_max), statements.len() as u64);
        if used > allowed {
            return Err(DbError::limit("batch_statements_max", allowed, used));
        }
        for (index, statement) in statements.iter().enumerate() {
            self.admit(statement).map_err(|error| error.of_statement(index + 1))?;
        }
        if statements.is_empty() {
            return Ok(DbReply::Batch(Vec::new()));
        }
        let database = self.database()?;
        let permit = self.write_lock(&database).await?;
        let shared = self.clone();
        let work = move |lease: &mut Lease| {
            let (connection, place) = lease.parts()?;
            connection.cut_log(place)?;
            let time = shared.transaction_time();
            let host = || Run { by_applet: false, ..shared.run_of(&[time], std::slice::from_ref(&cancel)) };
            let plain = |connection: &mut SqlConnection, sql: &str| {
                connection.watched(host(), |connection| {
                    connection.sqlite.execute_batch(sql).map_err(|error| connection.explain(&error))
                })
            };
            plain(connection, "BEGIN IMMEDIATE")?;
            let mut all = Vec::with_capacity(statements.len());
            for (index, statement) in statements.iter().enumerate() {
                let mut run = shared.run_of(&[time], std::slice::from_ref(&cancel));
                run.in_transaction = true;
                let result =
                    connection.watched(run, |connection| shared.step(connection, statement, Want::Changes, true));
                // A statement can end the transaction (`ON CONFLICT ROLLBACK`): nothing may run after it then. On any
                // error the end of the lease rolls back.
                match result.map_err(|error| shared.or_disk_full(error.of_statement(index + 1), place))? {
                    Outcome::Changes(changes) if !connection.is_idle() => all.push(changes),
                    _ => return Err(DbError::NoTransaction),
                }
            }
            plain(connection, "COMMIT").map_err(|error| shared.or_disk_full(error, place))?;
            Ok(all)
        };
        let all: Vec<Changes> = self.lease(&database, permit, work).await?;
        Ok(DbReply::Batch(all))
    }

    async fn begin(self: Arc<Self>, cancel: Arc<AtomicBool>) -> Result<DbReply, DbError> {
        let allowed = u64::from(self.limits.transactions_max);
        // Those over their time are still known by their number, and no longer open.
        self.transactions().retain(|_, transaction| !transaction.is_over());
        let counted = self.transactions_free.clone().try_acquire_owned();
        let counted = counted.map_err(|_| DbError::limit("transactions_max", allowed, allowed + 1))?;
        let database = self.database()?;
        let permit = self.write_lock(&database).await?;
        let (shared, pool) = (self.clone(), self.pool.clone());
        let work = move || {
            let mut lease = Lease::open(pool, database, permit)?;
            let (connection, place) = lease.parts()?;
            connection.bound(&shared.limits)?;
            connection.cut_log(place)?;
            let run = Run { by_applet: false, ..shared.run_of(&[], &[cancel]) };
            connection.watched(run, |connection| {
                connection.sqlite.execute_batch("BEGIN IMMEDIATE").map_err(|error| connection.explain(&error))
            })?;
            Ok(lease)
        };
        let lease = self.pool.work(work).await?;
        let transaction = Transaction::new(lease, self.transaction_time(), counted);
        let number = self.transactions_begun.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut open = self.transactions();
        // Looked at under the lock: either the session's end sees this transaction, or we see the end.
        if self.over.load(Ordering::SeqCst) {
            return Err(DbError::cancelled());
        }
        open.insert(number, transaction);
        Ok(DbReply::Transaction(number))
    }

    async fn finish(
        self: Arc<Self>,
        number: TransactionNumber,
        commit: bool,
        cancel: Arc<AtomicBool>,
    ) -> Result<DbReply, DbError> {
        let work = move |shared: &Self, lease: &mut Lease, time: TimeLimit, over: Arc<AtomicBool>| {
            let (connection, place) = lease.parts()?;
            if !commit {
                let done = connection.roll_back();
                return if done {
                    Ok(())
                } else {
                    Err(DbError::Failed("the transaction could not be rolled back".into()))
                };
            }
            let run = Run { by_applet: false, ..shared.run_of(&[time], &[cancel, over]) };
            let result = connection.watched(run, |connection| {
                connection.sqlite.execute_batch("COMMIT").map_err(|error| connection.explain(&error))
            });
            // A deferred constraint leaves the transaction open, to be mended or rolled back; nothing else does.
            if result.as_ref().is_err_and(|error| !matches!(error, DbError::Constraint(_))) {
                connection.roll_back();
            }
            result.map_err(|error| shared.or_disk_full(error, place))
        };
        let ended = Arc::new(AtomicBool::new(false));
        self.within(number, ended, work).await.map(|()| DbReply::Ended)
    }

    /// Does `work` in an open transaction, after the operations before it. `work` gets the transaction's time and what tells
    /// that it is over.
    async fn within<T: Send + 'static>(
        self: Arc<Self>,
        number: TransactionNumber,
        cancel: Arc<AtomicBool>,
        work: impl FnOnce(&Self, &mut Lease, TimeLimit, Arc<AtomicBool>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let transaction = self.transactions().get(&number).cloned().ok_or(DbError::NoTransaction)?;
        let (time, over) = (transaction.time, transaction.over.clone());
        let mut held = transaction.clone().hold().await;
        let shared = self.clone();
        let result = self.pool.work(move || {
            if cancel.load(Ordering::SeqCst) {
                return Err(DbError::cancelled());
            }
            let lease = held.lease().ok_or(DbError::NoTransaction)?;
            let result = work(&shared, lease, time, over);
            held.settle();
            result
        });
        let result = result.await;
        if transaction.is_over() {
            self.transactions().remove(&number);
        }
        result
    }

    /// Does `work` with a connection of its own, on a thread.
    async fn lease<T: Send + 'static>(
        &self,
        database: &Arc<Database>,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&mut Lease) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let (pool, database, limits) = (self.pool.clone(), database.clone(), self.limits.clone());
        let job = move || {
            let mut lease = Lease::open(pool, database, permit)?;
            lease.parts()?.0.bound(&limits)?;
            work(&mut lease)
        };
        self.pool.work(job).await
    }

    fn step(
        &self,
        connection: &mut SqlConnection,
        statement: &Statement,
        want: Want,
        may_write: bool,
    ) -> Result<Outcome, DbError> {
        let outcome = run(connection, statement, want, may_write, &self.limits);
        if !matches!(outcome, Ok(Outcome::NeedsWriteLock)) {
            self.usage.statements.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    fn admit(&self, statement: &Statement) -> Result<(), DbError> {
        admit(statement, &self.limits)?;
        self.usage.bytes_in.fetch_add(statement.size_bytes(), Ordering::Relaxed);
        Ok(())
    }

    async fn write_lock(&self, database: &Database) -> Result<OwnedSemaphorePermit, DbError> {
        let until = later(Instant::now(), self.limits.busy_ms_max);
        permit(&database.writer, tokio::time::sleep_until(until.into())).await.ok_or(DbError::Busy)
    }

    fn database(&self) -> Result<Arc<Database>, DbError> {
        if let Some(database) = self.database.get() {
            return Ok(database.clone());
        }
        let database = self.pool.database(&self.key);
        let database = database.map_err(|_| DbError::Failed("the database cannot be opened".into()))?;
        Ok(self.database.get_or_init(|| database).clone())
    }

    fn transactions(&self) -> MutexGuard<'_, HashMap<TransactionNumber, Arc<Transaction>>> {
        self.transactions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transaction_time(&self) -> TimeLimit {
        TimeLimit::new("transaction_ms_max", self.limits.transaction_ms_max, Instant::now())
    }

    /// What holds for a statement that starts now.
    fn run_of(&self, times: &[TimeLimit], cancels: &[Arc<AtomicBool>]) -> Run {
        let own = TimeLimit::new("statement_ms_max", self.limits.statement_ms_max, Instant::now());
        let deadline = self.deadline.as_ref().map(|deadline| {
            let hit = deadline.hit();
            TimeLimit { name: hit.name, allowed_ms: hit.allowed, at: deadline.at() }
        });
        Run {
            times: times.iter().copied().chain([own]).chain(deadline).collect(),
            cancels: cancels.iter().cloned().chain([self.over.clone()]).collect(),
            busy: Duration::from_millis(self.limits.busy_ms_max),
            // Sorting what the database holds, and writing it anew.
            written: WrittenLimit {
                name: "database_bytes_max",
                allowed: self.limits.database_bytes_max.saturating_mul(2),
            },
            by_applet: true,
            in_transaction: false,
        }
    }

    /// Tells a full disk from a database at its limit, which SQLite does not.
    fn or_disk_full(&self, error: DbError, place: &super::place::Place) -> DbError {
        match error {
            DbError::Limit(hit) if hit.name == "database_bytes_max" && place.disk_is_full() => {
                DbError::Failed("the host's disk is full".into())
            }
            error => error,
        }
    }
}
