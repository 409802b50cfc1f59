//! An open transaction: a connection that holds the write lock, for as long as the transaction's time lasts. It owns the promise
//! that the transaction ends – by commit, rollback, time, or the end of its session – and that its connection is free then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::task::AbortHandle;

use super::pool::Lease;
use super::watch::TimeLimit;

/// An open transaction. Operations on it follow one another.
#[derive(Debug)]
pub(super) struct Transaction {
    /// `None` once it has ended.
    lease: Arc<Mutex<Option<Lease>>>,
    /// Set when it must end; stops the statement that runs in it.
    pub(super) over: Arc<AtomicBool>,
    pub(super) time: TimeLimit,
    expiry: AbortHandle,
    /// One of the transactions the session may have open.
    _counted: OwnedSemaphorePermit,
}

impl Transaction {
    /// Starts the transaction's time. Call within a runtime.
    pub(super) fn new(lease: Lease, time: TimeLimit, counted: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            let expiry = tokio::spawn(async move {
                tokio::time::sleep_until(time.at.into()).await;
                if let Some(transaction) = weak.upgrade() {
                    transaction.end();
                }
            });
            Self {
                lease: Arc::new(Mutex::new(Some(lease))),
                over: Arc::default(),
                time,
                expiry: expiry.abort_handle(),
                _counted: counted,
            }
        })
    }

    /// Waits for the operations before and takes the connection.
    pub(super) async fn hold(self: Arc<Self>) -> Held {
        // Made first, so that even a caller that goes away while it waits looks after a transaction that is over.
        let reaper = Reaper(self.clone());
        let lease = self.lease.clone().lock_owned().await;
        Held { lease, reaper }
    }

    /// Whether it has ended or must.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends it: what is open is rolled back, now or, when a statement runs in it, as soon as that is stopped.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.reap();
    }

    /// Lets go of the connection of a transaction that is over. Whoever holds it comes back here when done.
    fn reap(&self) {
        if self.is_over()
            && let Ok(mut lease) = self.lease.try_lock()
        {
            drop(lease.take());
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.expiry.abort();
    }
}

/// The transaction, held by one operation.
#[derive(Debug)]
pub(super) struct Held {
    // The order of the fields is the order of their ends: first the lock, then the look whether the transaction is over.
    lease: OwnedMutexGuard<Option<Lease>>,
    reaper: Reaper,
}

impl Held {
    /// The connection; `None` when the transaction is over.
    pub(super) fn lease(&mut self) -> Option<&mut Lease> {
        if self.reaper.0.is_over() { None } else { self.lease.as_mut() }
    }

    /// Marks the transaction as ended when SQLite has no transaction open any more.
    pub(super) fn settle(&mut self) {
        if self.lease.as_ref().is_some_and(Lease::is_idle) {
            self.reaper.0.over.store(true, Ordering::SeqCst);
            drop(self.lease.take());
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nobody knows what state a panic left the connection in: it is closed, and the transaction with it.
        if std::thread::panicking() {
            self.reaper.0.over.store(true, Ordering::SeqCst);
            drop(self.lease.take());
        }
    }
}

#[derive(Debug)]
struct Reaper(Arc<Transaction>);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.reap();
    }
}
