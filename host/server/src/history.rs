//! What has happened: invocations, log lines of applets, the trail of capability use, and daily sums of usage, in `history.sqlite`.
//!
//! Whoever tells it something hands it to a bounded queue and goes on; one thread writes what has gathered, every 50 ms or so, in one
//! transaction (`history/writer.rs`). It is a record, not a ledger: what does not fit into the queue is dropped and counted, and a
//! power failure can cost the last moments. Nothing else depends on it.

mod query;
mod rows;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use belljar::{CapabilityUse, LogContext, LogRecord, LogSink, Observer};
use tokio::sync::watch;

pub use query::{AuditQuery, InvocationQuery, LogQuery, PAGE_ROWS_MAX, QueryError, Selection, TenantDay, UsageQuery};
pub use rows::{AuditRow, InvocationRow, LogRow, Page, UsageRow};

use crate::record::{InvocationRecord, Recorder};
use query::Readers;
use writer::{Entry, Writer};

/// Entries that wait to be written.
const QUEUE_ENTRIES_MAX: usize = 65_536;
/// Bytes of texts in them.
const QUEUE_BYTES_MAX: u64 = 32 << 20;
/// Name of the file in the data directory.
pub const FILE_NAME: &str = "history.sqlite";

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Age at which rows are deleted, days.
    pub days: u32,
    /// Size on disk at which the oldest rows are deleted, bytes.
    pub bytes_max: u64,
    /// Age at which daily sums are deleted, days.
    pub usage_days: u32,
    /// Whether uses of capabilities are kept.
    pub audit: bool,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { days: 30, bytes_max: 4 << 30, usage_days: 400, audit: true }
    }
}

/// The history cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// SQLite cannot use the file.
    #[error(
        "{path} cannot be used: {source}; if it is damaged, move it away: a new one is made, and nothing else depends on it"
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A later version has made it.
    #[error(
        "{path} was made by a later version of Belljar (schema {found}, this one knows {known}): use that version, or move the file away"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The latest one known here.
        known: u32,
    },
    /// The thread cannot be started.
    #[error("the thread that writes the history cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The history of one server. Clones are the same one.
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
    audit: bool,
}

struct Shared {
    /// `None` after the end.
    sender: Mutex<Option<SyncSender<Entry>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
    readers: Readers,
    written: watch::Receiver<u64>,
}

/// How the writing goes.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) queued: AtomicU64,
    pub(crate) queued_bytes: AtomicU64,
    pub(crate) written: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) failed_writes: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// How the writing goes, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct HistoryState {
    /// Entries that wait to be written.
    pub queued: u64,
    /// Entries written since the start.
    pub written: u64,
    /// Entries dropped since the start, because the queue was full or the disk failed.
    pub lost: u64,
    /// Transactions that failed since the start.
    pub failed_writes: u64,
    /// Size of the history on disk, bytes.
    pub bytes: u64,
}

impl History {
    /// Opens `history.sqlite` in a folder, which exists; makes it when it is not there.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn open(data_dir: &Path, config: &HistoryConfig) -> Result<Self, HistoryError> {
        let path = data_dir.join(FILE_NAME);
        let connection = schema::open(&path)?;
        let failed = |source| HistoryError::Database { path: path.clone(), source };
        let counts = Arc::<Counts>::default();
        let (told, written) = watch::channel(0);
        let writer = Writer::new(connection, config.clone(), counts.clone(), told).map_err(failed)?;
        let (sender, receiver) = sync_channel(QUEUE_ENTRIES_MAX);
        let thread = std::thread::Builder::new()
            .name("belljar-history".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(HistoryError::Thread)?;
        let shared = Shared {
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            counts,
            readers: Readers::new(path),
            written,
        };
        Ok(Self { shared: Arc::new(shared), audit: config.audit })
    }

    /// Changes whenever something has been written.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.shared.written.clone()
    }

    /// How the writing goes.
    pub fn state(&self) -> HistoryState {
        let Counts { queued, written, lost, failed_writes, bytes, .. } = &*self.shared.counts;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HistoryState {
            queued: get(queued),
            written: get(written),
            lost: get(lost),
            failed_writes: get(failed_writes),
            bytes: get(bytes),
        }
    }

    /// Waits until everything told so far is written. Blocks.
    pub fn flush(&self) {
        let sender = self.shared.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(sender) = sender else { return };
        let (done, wait) = sync_channel(1);
        if sender.send(Entry::Flush(done)).is_ok() {
            // An error means that the thread has ended: nothing waits any more.
            let _ = wait.recv();
        }
    }

    /// Writes what waits and ends the thread. Blocks; what is told afterwards is dropped.
    pub fn close(&self) {
        drop(self.shared.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A thread that panicked has lost its entries; there is nobody left to tell.
            let _ = thread.join();
        }
    }

    fn readers(&self) -> &Readers {
        &self.shared.readers
    }

    fn tell(&self, entry: Entry) {
        let counts = &self.shared.counts;
        let bytes = entry.bytes();
        let has_room = counts.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES_MAX;
        counts.queued.fetch_add(1, Ordering::Relaxed);
        let sender = self.shared.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match &*sender {
            Some(sender) if has_room => sender.try_send(entry),
            _ => Err(TrySendError::Disconnected(entry)),
        };
        if sent.is_err() {
            counts.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            counts.queued.fetch_sub(1, Ordering::Relaxed);
            counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.sender.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Recorder for History {
    fn record(&self, record: InvocationRecord) {
        self.tell(Entry::Invocation(Box::new(record)));
    }
}

impl LogSink for History {
    fn write(&self, record: &LogRecord) {
        self.tell(Entry::Log(Box::new(record.clone())));
    }
}

impl Observer for History {
    fn used(&self, context: &LogContext, used: CapabilityUse) {
        if self.audit {
            self.tell(Entry::Use(Box::new((context.clone(), used))));
        }
    }
}

/// Unix time in microseconds.
pub(crate) fn now_us() -> u64 {
    belljar::Source::now_us(&belljar::System)
}

#[cfg(test)]
#[path = "history/tests.rs"]
mod tests;
