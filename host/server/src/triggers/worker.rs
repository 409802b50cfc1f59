//! The worker lane: takes deliveries from the queue and has them run, a bounded number at the same time, beside HTTP and apart from it. It
//! renews the leases of what runs, and ends each attempt as it came out.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cancelling::Running;
use crate::queue::{Claimed, Ended, Finish, Queue, QueueError};

/// How long the worker sleeps at most when it knows of nothing to do.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// How long it waits after the queue has failed.
const FAILED_WAIT: Duration = Duration::from_millis(500);
/// How often what was kept long enough is forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Bytes of an answer that is kept as a job's result.
pub const RESULT_BYTES_MAX: usize = 64 << 10;

/// How an attempt came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The handler has answered.
    Answered {
        /// JSON text, if it answered anything.
        result: Option<String>,
        /// Messages that it wants again, by their ids, and in how many milliseconds.
        again: Vec<(String, Option<u64>)>,
    },
    /// The handler has failed.
    Failed {
        /// For people.
        error: String,
        /// Whether trying again is of no use.
        is_final: bool,
    },
    /// It was not begun.
    NotBegun {
        /// When to try again, milliseconds.
        delay_ms: u64,
        /// Why, for people.
        why: String,
    },
    /// It was ended from outside.
    Cancelled,
}

/// Runs calls.
pub trait Runner: Send + Sync + 'static {
    /// Has a handler called with one or more deliveries that belong to it. Resolves soon after `end` is cancelled.
    fn run(
        &self,
        call: Arc<Vec<Claimed>>,
        end: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + '_>>;
}

/// How much the worker lane does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Calls at the same time.
    pub calls_max: usize,
    /// Calls of one applet at the same time.
    pub calls_per_applet_max: usize,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { calls_max: 64, calls_per_applet_max: 32 }
    }
}

/// The worker. Made once.
pub struct Worker {
    queue: Queue,
    runner: Arc<dyn Runner>,
    running: Arc<Running>,
    wake: Arc<Notify>,
    config: WorkerConfig,
    places: Arc<Semaphore>,
    by_applet: Mutex<HashMap<(String, String), usize>>,
    tasks: TaskTracker,
    /// No more is claimed.
    stop: CancellationToken,
    was_cut_short: AtomicBool,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn new(
        queue: Queue,
        runner: Arc<dyn Runner>,
        running: Arc<Running>,
        wake: Arc<Notify>,
        config: WorkerConfig,
    ) -> Arc<Self> {
        let config = WorkerConfig {
            calls_max: config.calls_max.max(1),
            calls_per_applet_max: config.calls_per_applet_max.max(1),
        };
        Arc::new(Self {
            queue,
            runner,
            running,
            wake,
            places: Arc::new(Semaphore::new(config.calls_max)),
            config,
            by_applet: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            was_cut_short: AtomicBool::new(false),
        })
    }

    /// Calls that run.
    pub fn running(&self) -> usize {
        self.config.calls_max - self.places.available_permits()
    }

    /// Takes and runs, until it is stopped.
    pub(super) async fn work(self: Arc<Self>) {
        let leases = tokio::spawn(self.clone().keep_leases());
        let sweeping = tokio::spawn(self.clone().keep_sweeping());
        while !self.stop.is_cancelled() {
            let wait = match self.take().await {
                Ok(wait) => wait,
                Err(QueueError::Closed) => break,
                Err(error) => {
                    tracing::error!(%error, "nothing can be taken from the queue");
                    FAILED_WAIT
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
        leases.abort();
        sweeping.abort();
    }

    /// Takes no more; waits up to `grace` for what runs, then ends it. Whether everything ended by itself. What was ended is tried again by
    /// the next process; the attempt counts, because it had begun.
    pub(super) async fn stop(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            return true;
        }
        self.was_cut_short.store(true, Ordering::SeqCst);
        self.running.end_all();
        self.tasks.wait().await;
        false
    }

    /// Claims as much as there is room for, and starts it. Answers how long there is nothing to do.
    async fn take(self: &Arc<Self>) -> Result<Duration, QueueError> {
        let free = self.places.available_permits();
        if free == 0 {
            // Whoever ends wakes us.
            return Ok(SLEEP_MAX);
        }
        let busy: Vec<_> = {
            let by_applet = self.by_applet.lock().unwrap_or_else(PoisonError::into_inner);
            by_applet
                .iter()
                .filter(|(_, count)| **count >= self.config.calls_per_applet_max)
                .map(|(lane, _)| lane.clone())
                .collect()
        };
        let claims = self.queue.claim(free, busy).await?;
        if self.stop.is_cancelled() {
            // It was asked for before, and not begun.
            let back = |claimed: &Claimed| {
                let ended = Ended::Returned { delay_ms: 0, why: "the server was stopping".into() };
                Finish { delivery: claimed.id, lease: claimed.lease, ended }
            };
            self.queue.finish(claims.calls.iter().flatten().map(back).collect()).await?;
            return Ok(Duration::ZERO);
        }
        let is_whole = claims.calls.len() == free;
        for call in claims.calls {
            self.start(call);
        }
        if is_whole && claims.has_more {
            // There may be room again by now.
            return Ok(Duration::ZERO);
        }
        Ok(claims.next_due_ms.map_or(SLEEP_MAX, Duration::from_millis).min(SLEEP_MAX))
    }

    fn start(self: &Arc<Self>, call: Vec<Claimed>) {
        let Some(first) = call.first() else { return };
        let lane = (first.tenant.clone(), first.applet.clone());
        *self.by_applet.lock().unwrap_or_else(PoisonError::into_inner).entry(lane.clone()).or_default() += 1;
        let permit = self.places.clone().try_acquire_owned();
        let this = self.clone();
        self.tasks.spawn(async move {
            this.attempt(call).await;
            drop(permit);
            {
                let mut by_applet = this.by_applet.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(count) = by_applet.get_mut(&lane) {
                    *count -= 1;
                    if *count == 0 {
                        by_applet.remove(&lane);
                    }
                }
            }
            this.wake.notify_one();
        });
    }

    async fn attempt(&self, call: Vec<Claimed>) {
        let call = Arc::new(call);
        let held: Vec<_> = call.iter().map(|claimed| (claimed.id, claimed.lease)).collect();
        let end = CancellationToken::new();
        let entered = self.running.enter(&held, &end);
        let attempt = self.runner.run(call.clone(), end).await;
        let finished: Vec<_> = call
            .iter()
            .filter_map(|claimed| {
                let ended = self.ended(claimed, &attempt)?;
                Some(Finish { delivery: claimed.id, lease: claimed.lease, ended })
            })
            .collect();
        drop(entered);
        if finished.is_empty() {
            return;
        }
        match self.queue.finish(finished).await {
            Ok(lost) => {
                for delivery in lost {
                    tracing::warn!(delivery, "an attempt ended after its delivery had been taken from it");
                }
            }
            // The lease lapses, or the next process finds it: it is tried again.
            Err(error) => tracing::error!(%error, "the end of an attempt cannot be written"),
        }
    }

    /// What an attempt means for one of its deliveries; `None` when the delivery is held no more.
    fn ended(&self, claimed: &Claimed, attempt: &Attempt) -> Option<Ended> {
        Some(match attempt {
            Attempt::Answered { result, again } => match again.iter().find(|(uid, _)| *uid == claimed.uid) {
                Some((_, delay_ms)) => Ended::Failed {
                    error: "the handler asked for it again".into(),
                    delay_ms: *delay_ms,
                    is_final: false,
                },
                None => Ended::Done { result: result.as_ref().map(|result| kept(result)) },
            },
            Attempt::Failed { error, is_final } => {
                Ended::Failed { error: error.clone(), delay_ms: None, is_final: *is_final }
            }
            Attempt::NotBegun { delay_ms, why } => Ended::Returned { delay_ms: *delay_ms, why: why.clone() },
            Attempt::Cancelled if self.was_cut_short.load(Ordering::SeqCst) => {
                Ended::Failed { error: "the server stopped while it ran".into(), delay_ms: Some(0), is_final: false }
            }
            Attempt::Cancelled => return None,
        })
    }

    /// Renews what runs, three times in the life of a lease.
    async fn keep_leases(self: Arc<Self>) {
        let every = Duration::from_millis((self.queue.config().lease_ms / 3).max(1));
        loop {
            tokio::time::sleep(every).await;
            let held = self.running.held();
            if held.is_empty() {
                continue;
            }
            match self.queue.renew(held).await {
                Ok(lost) => lost.into_iter().for_each(|delivery| self.running.cancel(delivery)),
                Err(QueueError::Closed) => return,
                Err(error) => tracing::error!(%error, "leases cannot be renewed"),
            }
        }
    }

    async fn keep_sweeping(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            // Each transaction forgets a bounded number.
            loop {
                match self.queue.sweep().await {
                    Ok(0) => break,
                    Ok(_) => tokio::task::yield_now().await,
                    Err(QueueError::Closed) => return,
                    Err(error) => {
                        tracing::error!(%error, "old deliveries cannot be forgotten");
                        break;
                    }
                }
            }
        }
    }
}

/// A result that is kept, or a note that it was too large.
fn kept(result: &str) -> String {
    if result.len() <= RESULT_BYTES_MAX {
        return result.to_owned();
    }
    serde_json::json!({ "tooLarge": { "bytes": result.len(), "bytesMax": RESULT_BYTES_MAX } }).to_string()
}
