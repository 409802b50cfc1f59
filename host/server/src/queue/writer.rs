//! The one thread that writes. Commands that have come while it was busy are one transaction: they share one sync of the disk, and are
//! answered after it. A command that is refused changes nothing; when the file fails, all of the transaction is undone and all of its commands
//! are told.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::clock::QueueTime;
use super::lanes::Lanes;
use super::write::Work;
use super::{QueueConfig, QueueError};

/// Commands that may wait; further callers wait before they hand theirs over.
const COMMANDS_WAITING_MAX: usize = 4_096;
/// Commands of one transaction: how long the first of them waits for its answer is bounded.
const COMMANDS_PER_TRANSACTION_MAX: usize = 512;
/// Queue time is written down at least this often while anything is written, microseconds.
const CLOCK_WRITTEN_EVERY_US: u64 = 1_000_000;

/// Tells its caller, once it is known whether the transaction holds.
type Answer = Box<dyn FnOnce(Result<(), QueueError>) + Send>;
/// Does its work in the transaction. The error says that the file failed.
type Command = Box<dyn FnOnce(&mut Work<'_>) -> (Answer, Option<QueueError>) + Send>;

pub(super) struct Writer {
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Puts right what the last process left, and starts the thread.
    pub(super) fn start(db: Connection, time: Arc<QueueTime>, config: Arc<QueueConfig>) -> Result<Self, QueueError> {
        let (commands, waiting) = mpsc::channel(COMMANDS_WAITING_MAX);
        let mut thread = Thread { db, lanes: Lanes::default(), time, config, clock_written_us: 0 };
        thread.transaction(vec![recovery()])?;
        let spawned = std::thread::Builder::new().name("queue-writer".into()).spawn(move || thread.work(waiting));
        let thread = spawned.map_err(|error| QueueError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { commands: Mutex::new(Some(commands)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs a command in the next transaction and answers when it is on disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Work<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (tell, told) = oneshot::channel();
        let sender = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(QueueError::Closed)?;
        let boxed: Command = Box::new(move |work| {
            let done = command(work);
            let failure = match &done {
                Err(error @ QueueError::Unavailable(_)) => Some(error.clone()),
                _ => None,
            };
            let answer: Answer = Box::new(move |held| {
                // A caller that has gone does not want to know.
                let _ = tell.send(held.and(done));
            });
            (answer, failure)
        });
        sender.send(boxed).await.map_err(|_| QueueError::Closed)?;
        drop(sender);
        told.await.map_err(|_| QueueError::Closed)?
    }

    /// Ends the thread after what was handed over.
    pub(super) fn close(&self) {
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has told so on standard error.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What was running when the last process ended is given out again.
fn recovery() -> Command {
    Box::new(|work| {
        let failure = work.recover().err();
        (Box::new(|_| {}), failure)
    })
}

struct Thread {
    db: Connection,
    lanes: Lanes,
    time: Arc<QueueTime>,
    config: Arc<QueueConfig>,
    clock_written_us: u64,
}

impl Thread {
    fn work(mut self, mut waiting: mpsc::Receiver<Command>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut commands = vec![first];
            while commands.len() < COMMANDS_PER_TRANSACTION_MAX
                && let Ok(next) = waiting.try_recv()
            {
                commands.push(next);
            }
            if let Err(error) = self.transaction(commands) {
                tracing::error!(%error, "the queue cannot be written");
            }
        }
        if let Err(error) = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the queue's log was not cut");
        }
    }

    /// Runs commands as one transaction, and answers them.
    fn transaction(&mut self, commands: Vec<Command>) -> Result<(), QueueError> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut held = self.db.execute_batch("BEGIN IMMEDIATE").map_err(QueueError::from);
        if self.lanes.is_stale() && held.is_ok() {
            held = self.lanes.load(&self.db);
        }
        for command in commands {
            let now_us = self.time.now_us();
            let mut work = Work::new(&self.db, &mut self.lanes, &self.time, &self.config, now_us);
            if let Err(error) = &held {
                // The command still owns what it has to answer with.
                work.refuse(error.clone());
            }
            let (answer, failure) = command(&mut work);
            answers.push(answer);
            if let (Some(failure), Ok(())) = (failure, &held) {
                held = Err(failure);
            }
        }
        let held = held.and_then(|()| self.commit());
        if held.is_err() {
            // What is in memory may tell of what was undone.
            self.lanes.forget();
            if !self.db.is_autocommit()
                && let Err(error) = self.db.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the queue's transaction cannot be undone");
            }
        }
        for answer in answers {
            answer(held.clone());
        }
        held
    }

    fn commit(&mut self) -> Result<(), QueueError> {
        let now_us = self.time.now_us();
        if now_us.saturating_sub(self.clock_written_us) >= CLOCK_WRITTEN_EVERY_US {
            // What follows until the next time counts as passed.
            let at_us = now_us + CLOCK_WRITTEN_EVERY_US;
            self.db.prepare_cached("UPDATE clock SET at_us = ?1 WHERE only = 0")?.execute([at_us])?;
            self.clock_written_us = now_us;
        }
        Ok(self.db.execute_batch("COMMIT")?)
    }
}
