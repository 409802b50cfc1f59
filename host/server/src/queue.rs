//! The durable queue: events, jobs, runs of schedules and asynchronous calls, each as a *message* with a *delivery* for every handler that is
//! to get it. It knows what is to be done, not how: no applets, no host, no HTTP.
//!
//! What holds:
//!
//! * What was acknowledged is on disk (SQLite, write-ahead log, `synchronous=FULL`). One thread writes; commands that wait together are
//!   one transaction, and are answered once it is synced (`writer`).
//! * *At least once*: an attempt is counted, durably, before it begins, so that no crash makes a handler run more often than its attempts
//!   allow. A delivery whose attempts are used up is *dead*, and stays until somebody replays or drops it (`state`).
//! * An attempt holds a lease that is renewed while it runs. When it lapses the delivery is given out again, and whatever the lost
//!   attempt still answers is refused.
//! * Deliveries with the same order key wait for each other: the next begins when the earlier one is done, dead, dropped or cancelled.
//! * Time in the queue never goes backwards and never jumps while a process lives ([`clock`]).
//! * Each tenant has bounds for what it has waiting; past them publishing is refused ([`QueueError::Full`]).

pub mod clock;
mod lanes;
mod read;
mod schema;
mod state;
mod write;
mod writer;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use read::{Counts, DeliveryView, Filter, MessageView, PAGE_MAX};
pub use state::{Kind, State};
pub(crate) use write::Work;
pub use write::{Claimed, Claims, Ended, Finish, NewDelivery, NewMessage, Published, Removed};

use clock::{Clock, QueueTime};
use writer::Writer;

/// Bounds and times of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Deliveries of one tenant that wait, run or are dead.
    pub deliveries_per_tenant_max: u64,
    /// Bytes of the payloads of these.
    pub bytes_per_tenant_max: u64,
    /// How long an attempt may go on without renewing its lease, milliseconds.
    pub lease_ms: u64,
    /// How long an idempotency key is remembered, milliseconds.
    pub key_kept_ms: u64,
    /// How long deliveries that have ended are kept, dead ones excepted, milliseconds.
    pub ended_kept_ms: u64,
    /// How many of these are kept for one tenant.
    pub ended_per_tenant_max: u64,
    /// How long dead deliveries are kept, milliseconds.
    pub dead_kept_ms: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            deliveries_per_tenant_max: 100_000,
            bytes_per_tenant_max: 256 << 20,
            lease_ms: 30_000,
            key_kept_ms: 24 * 3_600_000,
            ended_kept_ms: 24 * 3_600_000,
            ended_per_tenant_max: 1_000,
            dead_kept_ms: 30 * 24 * 3_600_000,
        }
    }
}

/// The queue does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The tenant has as much waiting as it may have. It can be tried again when some of it is done.
    #[error(
        "the queue of tenant {tenant} is full: {name} allows {allowed}, {used} would be held; let handlers catch up, or replay or drop dead deliveries"
    )]
    Full {
        /// The tenant.
        tenant: String,
        /// The bound's name.
        name: &'static str,
        /// How much it allows.
        allowed: u64,
        /// How much there would be.
        used: u64,
    },
    /// The attempt's lease has lapsed, or the delivery was cancelled: somebody else has it, or nobody.
    #[error("delivery {0} is not held by this attempt any more")]
    LeaseLost(u64),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// It cannot be done in the state it is in.
    #[error("delivery {id} is {state}: {what}")]
    WrongState {
        /// The delivery.
        id: u64,
        /// Its state.
        state: State,
        /// What cannot be done, and what could.
        what: &'static str,
    },
    /// The file cannot be read or written: the disk fails, is full, or the file is damaged.
    #[error("the queue cannot be used: {0}")]
    Unavailable(String),
    /// The server is stopping.
    #[error("the queue is closed: the server is stopping")]
    Closed,
}

impl From<rusqlite::Error> for QueueError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The queue. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    writer: Arc<Writer>,
    reader: Arc<read::Reader>,
    time: Arc<QueueTime>,
    config: Arc<QueueConfig>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens the queue in `file`, or makes it. What was running when the last process ended is given out again, or is dead when that was
    /// its last attempt.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    pub fn open(file: &Path, config: QueueConfig, clock: Arc<dyn Clock>) -> Result<Self, QueueError> {
        let config = Arc::new(config);
        let (db, time) = schema::open(file, clock)?;
        let time = Arc::new(time);
        let writer = Arc::new(Writer::start(db, time.clone(), config.clone())?);
        Ok(Self { writer, reader: Arc::new(read::Reader::new(file)), time, config })
    }

    /// Its bounds.
    pub fn config(&self) -> &QueueConfig {
        &self.config
    }

    /// Where its time comes from.
    pub fn time(&self) -> &QueueTime {
        &self.time
    }

    /// Takes a message; answers once it will not be lost.
    ///
    /// # Errors
    /// [`QueueError::Full`], [`QueueError::Unavailable`], [`QueueError::Closed`].
    pub async fn publish(&self, message: NewMessage) -> Result<Published, QueueError> {
        self.writer.run(move |work| work.publish(&message)).await
    }

    /// Takes several messages together: all of them or none.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_all(&self, messages: Vec<NewMessage>) -> Result<Vec<Published>, QueueError> {
        self.writer.run(move |work| work.publish_all(&messages)).await
    }

    /// Gives out up to `calls_max` calls: deliveries that are due, and may begin. `busy` are the tenants and applets that take no more at
    /// present. A call has several deliveries when its handler takes batches.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Closed`].
    pub async fn claim(&self, calls_max: usize, busy: Vec<(String, String)>) -> Result<Claims, QueueError> {
        self.writer.run(move |work| work.claim(calls_max, &busy)).await
    }

    /// Ends attempts. Answers which of them did not hold their deliveries any more.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Closed`].
    pub async fn finish(&self, finished: Vec<Finish>) -> Result<Vec<u64>, QueueError> {
        self.writer.run(move |work| work.finish(&finished)).await
    }

    /// Renews leases: deliveries and their tokens. Answers which are lost.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Closed`].
    pub async fn renew(&self, held: Vec<(u64, u64)>) -> Result<Vec<u64>, QueueError> {
        self.writer.run(move |work| work.renew(&held)).await
    }

    /// Keeps what a job tells of its progress: JSON text.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] when it is not running.
    pub async fn progress(&self, tenant: String, message: String, progress: String) -> Result<(), QueueError> {
        self.writer.run(move |work| work.progress(&tenant, &message, &progress)).await
    }

    /// Makes a delivery that waits for its retry due now.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::WrongState`].
    pub async fn retry(&self, tenant: String, delivery: u64) -> Result<(), QueueError> {
        self.writer.run(move |work| work.retry(&tenant, delivery)).await
    }

    /// Gives out a delivery that has ended again, with all its attempts.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::WrongState`], [`QueueError::Full`].
    pub async fn replay(&self, tenant: String, delivery: u64) -> Result<(), QueueError> {
        self.writer.run(move |work| work.replay(&tenant, delivery)).await
    }

    /// Gives up a delivery: it is dropped, or, when `state` is [`State::Cancelled`], cancelled. A running one is not held by its attempt
    /// any more: whoever runs it has to be told.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::WrongState`].
    pub async fn remove(
        &self,
        tenant: String,
        delivery: u64,
        state: State,
        why: String,
    ) -> Result<Removed, QueueError> {
        self.writer.run(move |work| work.remove(&tenant, delivery, state, &why)).await
    }

    /// Gives up everything that waits for an applet, as when it is uninstalled. Answers how many deliveries.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Closed`].
    pub async fn remove_applet(&self, tenant: String, applet: String, why: String) -> Result<u64, QueueError> {
        self.writer.run(move |work| work.remove_applet(&tenant, &applet, &why)).await
    }

    /// Forgets what has been kept long enough. Answers how many deliveries.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`], [`QueueError::Closed`].
    pub async fn sweep(&self) -> Result<u64, QueueError> {
        self.writer.run(|work| work.sweep()).await
    }

    /// Runs a command of another part (schedules) in the queue's next transaction.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Work<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.writer.run(command).await
    }

    /// Reads, on a connection of its own: what is seen may be some milliseconds old.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let reader = self.reader.clone();
        let joined = tokio::task::spawn_blocking(move || reader.with(read)).await;
        joined.unwrap_or_else(|error| Err(QueueError::Unavailable(error.to_string())))
    }

    /// Ends the writing thread, after everything that was handed to it. What comes later answers [`QueueError::Closed`].
    pub async fn close(&self) {
        let writer = self.writer.clone();
        // Joining a thread blocks; if this task is cancelled the thread ends by itself all the same.
        let _ = tokio::task::spawn_blocking(move || writer.close()).await;
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
