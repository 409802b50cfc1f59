//! The one thread that writes. It takes what is queued, does all of it in one transaction, and answers after the commit: so many writers
//! share one wait for the disk, and nothing is answered that is not on it.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

use super::schema::{self, At};
use super::sqlite::{broken, gone, live, owner_id, read, time};
use super::value::{KvBounds, KvEntry, KvOperation, KvOwner, KvReply, KvValue};
use crate::capability::refusal::{CapabilityError, within};

/// Operations of one transaction.
const BATCH_MAX: usize = 512;
/// Operations that wait for the next one.
const QUEUED_MAX: usize = 4_096;
/// Bytes of theirs.
const QUEUED_BYTES_MAX: u64 = 64 << 20;
/// Expired keys that a transaction takes along.
const SWEPT_MAX: i64 = 256;
/// Whole numbers that JavaScript and JSON hold exactly.
const WHOLE_MAX: i64 = (1 << 53) - 1;

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    queued_bytes: Arc<AtomicU64>,
    is_open: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is asked to do.
enum Job {
    Run {
        owner: KvOwner,
        operation: KvOperation,
        bounds: KvBounds,
        now_ms: u64,
        answer: oneshot::Sender<Answer>,
    },
    /// Nothing: answers whether the store can be used.
    Open {
        answer: oneshot::Sender<Result<(), CapabilityError>>,
    },
    Ready {
        answer: Sender<io::Result<()>>,
    },
    DeleteAll {
        owner: KvOwner,
        answer: Sender<io::Result<u64>>,
    },
    Import {
        owner: KvOwner,
        entries: Vec<KvEntry>,
        answer: Sender<io::Result<()>>,
    },
}

type Answer = Result<KvReply, CapabilityError>;

/// Tells whoever asked, when the transaction has ended: the error says why it was not committed.
type Told = Box<dyn FnOnce(Result<(), &str>)>;

/// Why an operation was not done.
enum Stop {
    /// By its own fault: nothing was written for it.
    Refused(CapabilityError),
    /// The store does not work.
    Broken(rusqlite::Error),
}

impl From<CapabilityError> for Stop {
    fn from(error: CapabilityError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl Writer {
    /// Begins the thread; it opens the store before its first work.
    pub(super) fn begin(at: At) -> Self {
        let (queue, jobs) = sync_channel(QUEUED_MAX);
        let (queued_bytes, is_open) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (taken, opened) = (queued_bytes.clone(), is_open.clone());
        let thread = std::thread::Builder::new().name("kv".into()).spawn(move || work(&at, &jobs, &taken, &opened));
        // Without a thread the queue has no other end, and every operation says so.
        Self { queue: Some(queue), queued_bytes, is_open, thread: thread.ok() }
    }

    /// Queues an operation; resolves when it is committed.
    pub(super) fn run(
        &self,
        owner: KvOwner,
        operation: KvOperation,
        bounds: KvBounds,
        now_ms: u64,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let bytes = operation.size_bytes();
        let room = |queued: u64| queued.checked_add(bytes).filter(|&sum| queued == 0 || sum <= QUEUED_BYTES_MAX);
        let queued = match self.queued_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => self.send(Job::Run { owner, operation, bounds, now_ms, answer }).inspect_err(|_| {
                self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            }),
            Err(_) => Err(CapabilityError::Busy),
        };
        async move {
            queued?;
            answered.await.map_err(|_| gone())?
        }
    }

    /// Resolves when the store has been opened.
    pub(super) fn opened(&self) -> impl Future<Output = Result<(), CapabilityError>> + Send + use<> {
        let asked = (!self.is_open.load(Ordering::Acquire)).then(|| {
            let (answer, answered) = oneshot::channel();
            self.send(Job::Open { answer }).map(|()| answered)
        });
        async move {
            match asked {
                None => Ok(()),
                Some(answered) => answered?.await.map_err(|_| gone())?,
            }
        }
    }

    /// Opens the store, and waits until what was queued before is written.
    pub(super) fn ready(&self) -> io::Result<()> {
        self.ask(|answer| Job::Ready { answer })
    }

    pub(super) fn delete_all(&self, owner: KvOwner) -> io::Result<u64> {
        self.ask(|answer| Job::DeleteAll { owner, answer })
    }

    pub(super) fn import(&self, owner: KvOwner, entries: Vec<KvEntry>) -> io::Result<()> {
        self.ask(|answer| Job::Import { owner, entries, answer })
    }

    fn send(&self, job: Job) -> Result<(), CapabilityError> {
        match self.queue.as_ref().ok_or_else(gone)?.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(CapabilityError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }

    fn ask<T>(&self, job: impl FnOnce(Sender<io::Result<T>>) -> Job) -> io::Result<T> {
        let ended = || io::Error::other("the thread of the key-value store has ended");
        let (answer, answered) = channel();
        self.queue.as_ref().ok_or_else(ended)?.send(job(answer)).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // What it was told it has told others; a panic of its own was shown when it happened.
            let _ = thread.join();
        }
    }
}

fn work(at: &At, jobs: &Receiver<Job>, queued_bytes: &AtomicU64, is_open: &AtomicBool) {
    let mut connection: Option<Connection> = None;
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        let bytes = |job: &Job| if let Job::Run { operation, .. } = job { operation.size_bytes() } else { 0 };
        queued_bytes.fetch_sub(batch.iter().map(bytes).sum(), Ordering::Relaxed);
        if connection.is_none() {
            match schema::writer(at) {
                Ok(opened) => {
                    connection = Some(opened);
                    is_open.store(true, Ordering::Release);
                }
                Err(error) => {
                    tracing::error!(%error, "the key-value store cannot be opened");
                    batch.into_iter().for_each(|job| refuse(job, &error));
                    continue;
                }
            }
        }
        if let Some(open) = &connection {
            commit(open, batch);
        }
    }
}

/// The store cannot be opened.
fn refuse(job: Job, error: &io::Error) {
    let io = || io::Error::other(format!("the key-value store cannot be opened: {error}"));
    let failed = || CapabilityError::Failed("the key-value store cannot be opened".into());
    match job {
        Job::Run { answer, .. } => drop(answer.send(Err(failed()))),
        Job::Open { answer } => drop(answer.send(Err(failed()))),
        Job::Ready { answer } | Job::Import { answer, .. } => drop(answer.send(Err(io()))),
        Job::DeleteAll { answer, .. } => drop(answer.send(Err(io()))),
    }
}

/// Does a batch in one transaction, and tells everybody.
fn commit(connection: &Connection, batch: Vec<Job>) {
    let mut tell: Vec<Told> = Vec::with_capacity(batch.len());
    let mut jobs = batch.into_iter();
    let done = transact(connection, &mut jobs, &mut tell);
    match done {
        Ok(()) => tell.into_iter().for_each(|tell| tell(Ok(()))),
        Err(error) => {
            tracing::error!(%error, "the key-value store cannot be written");
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the key-value store cannot be rolled back");
            }
            let why = error.to_string();
            tell.into_iter().for_each(|tell| tell(Err(&why)));
            // Those behind the one that failed.
            jobs.for_each(|job| refuse(job, &io::Error::other(why.clone())));
        }
    }
}

fn transact(
    connection: &Connection,
    jobs: &mut impl Iterator<Item = Job>,
    tell: &mut Vec<Told>,
) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut now_ms = 0;
    for job in jobs {
        match job {
            // Whoever asked has gone.
            Job::Run { answer, .. } if answer.is_closed() => {}
            Job::Run { owner, operation, bounds, now_ms: at, answer } => {
                now_ms = now_ms.max(at);
                let done = if operation.is_read() {
                    Ok(read(connection, &owner, &operation, &bounds, at))
                } else {
                    match write(connection, &owner, operation, &bounds, at) {
                        Ok(reply) => Ok(Ok(reply)),
                        Err(Stop::Refused(error)) => Ok(Err(error)),
                        Err(Stop::Broken(error)) => Err(error),
                    }
                };
                let (result, error) = match done {
                    Ok(result) => (result, None),
                    Err(error) => (Err(broken(&error)), Some(error)),
                };
                tell.push(Box::new(move |committed| {
                    let failed = |_: &str| CapabilityError::Failed("the key-value store cannot be written".into());
                    // What was refused was refused for its own sake.
                    drop(answer.send(result.and_then(|reply| committed.map(|()| reply).map_err(failed))));
                }));
                if let Some(error) = error {
                    return Err(error);
                }
            }
            Job::Open { answer } => tell.push(Box::new(move |_| drop(answer.send(Ok(()))))),
            Job::Ready { answer } => tell.push(Box::new(move |committed| drop(answer.send(committed.map_err(undone))))),
            Job::DeleteAll { owner, answer } => {
                let deleted = delete_all(connection, &owner);
                let (count, error) = deleted.map_or_else(|error| (0, Some(error)), |count| (count, None));
                tell.push(Box::new(move |committed| drop(answer.send(committed.map(|()| count).map_err(undone)))));
                if let Some(error) = error {
                    return Err(error);
                }
            }
            Job::Import { owner, entries, answer } => {
                let error = import(connection, &owner, entries).err();
                tell.push(Box::new(move |committed| drop(answer.send(committed.map_err(undone)))));
                if let Some(error) = error {
                    return Err(error);
                }
            }
        }
    }
    sweep(connection, None, now_ms)?;
    connection.execute_batch("COMMIT")
}

/// What was done was not committed.
fn undone(why: &str) -> io::Error {
    io::Error::other(why.to_owned())
}

fn write(
    connection: &Connection,
    owner: &KvOwner,
    operation: KvOperation,
    bounds: &KvBounds,
    now_ms: u64,
) -> Result<KvReply, Stop> {
    let expires = |ttl_ms: Option<u64>| ttl_ms.map(|ttl_ms| time(now_ms.saturating_add(ttl_ms)));
    match operation {
        KvOperation::Set { key, value, ttl_ms } => {
            let id = own(connection, owner)?;
            put(connection, id, &key, &value, expires(ttl_ms), bounds, now_ms)?;
            Ok(KvReply::Done)
        }
        KvOperation::Delete { key } => {
            let Some(id) = owner_id(connection, owner)? else { return Ok(KvReply::Flag(false)) };
            Ok(KvReply::Flag(delete(connection, id, &key, now_ms)?))
        }
        KvOperation::Increment { key, by, ttl_ms } => {
            let id = own(connection, owner)?;
            let (number, expires_ms) = match live(connection, id, &key, now_ms)? {
                None => (0, None),
                Some((value, expires_ms)) => (whole(&value)?, expires_ms),
            };
            let sum = number.checked_add(by).filter(|sum| (-WHOLE_MAX..=WHOLE_MAX).contains(sum));
            let sum = sum.ok_or_else(|| {
                CapabilityError::Invalid(format!("{number} and {by} is beyond what a number holds exactly"))
            })?;
            put(connection, id, &key, &KvValue::Json(sum.to_string()), expires(ttl_ms).or(expires_ms), bounds, now_ms)?;
            Ok(KvReply::Number(sum))
        }
        KvOperation::CompareAndSet { key, expected, value, ttl_ms } => {
            let id = own(connection, owner)?;
            let is_same = match (live(connection, id, &key, now_ms)?, &expected) {
                (None, None) => true,
                (Some((value, _)), Some(expected)) => value.is_same(expected),
                _ => false,
            };
            if is_same {
                match value {
                    Some(value) => put(connection, id, &key, &value, expires(ttl_ms), bounds, now_ms)?,
                    None => drop(delete(connection, id, &key, now_ms)?),
                }
            }
            Ok(KvReply::Flag(is_same))
        }
        KvOperation::Get { .. } | KvOperation::List { .. } => {
            Err(CapabilityError::Failed("the store does not write this".into()).into())
        }
    }
}

/// The number of an owner, who has one from now on.
fn own(connection: &Connection, owner: &KvOwner) -> rusqlite::Result<i64> {
    if let Some(id) = owner_id(connection, owner)? {
        return Ok(id);
    }
    let mut statement = connection.prepare_cached("INSERT INTO owners (tenant, applet) VALUES (?1, ?2)")?;
    statement.insert(params![owner.tenant.as_str(), owner.applet.as_str()])
}

fn whole(value: &KvValue) -> Result<i64, CapabilityError> {
    let number = match value {
        KvValue::Json(text) => text.parse::<i64>().ok().filter(|number| (-WHOLE_MAX..=WHOLE_MAX).contains(number)),
        KvValue::Bytes(_) => None,
    };
    number.ok_or_else(|| CapabilityError::Invalid("the value is no whole number, and cannot be counted up".into()))
}

/// Bytes of a key's value, expired or not.
fn size(connection: &Connection, id: i64, key: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT length(value) FROM entries WHERE owner = ?1 AND key = ?2")?;
    statement.query_row(params![id, key.as_bytes()], |row| row.get(0)).optional()
}

fn put(
    connection: &Connection,
    id: i64,
    key: &str,
    value: &KvValue,
    expires_ms: Option<i64>,
    bounds: &KvBounds,
    now_ms: u64,
) -> Result<(), Stop> {
    let (is_json, bytes) = match value {
        KvValue::Json(text) => (true, text.as_bytes()),
        KvValue::Bytes(bytes) => (false, bytes.as_slice()),
    };
    within("kv.value_bytes_max", bounds.value_bytes_max, bytes.len() as u64)?;
    let added = || -> rusqlite::Result<(i64, i64)> {
        let (key_bytes, bytes) = (key.len() as i64, bytes.len() as i64);
        Ok(match size(connection, id, key)? {
            None => (1, key_bytes + bytes),
            Some(before) => (0, bytes - before),
        })
    };
    let room = |(keys, bytes): (i64, i64)| -> Result<(), Stop> {
        let (had_keys, had_bytes): (i64, i64) = connection
            .prepare_cached("SELECT keys, bytes FROM owners WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let sum = |had: i64, more: i64| u64::try_from(had.saturating_add(more)).unwrap_or(0);
        if keys > 0 {
            within("kv.keys_max", bounds.keys_max, sum(had_keys, keys))?;
        }
        if bytes > 0 {
            within("kv.store_bytes_max", bounds.store_bytes_max, sum(had_bytes, bytes))?;
        }
        Ok(())
    };
    let mut more = added()?;
    if let Err(Stop::Refused(_)) = room(more) {
        // What has expired is not counted against the applet.
        sweep(connection, Some(id), now_ms)?;
        more = added()?;
    }
    room(more)?;
    let sql = "INSERT INTO entries (owner, key, is_json, value, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (owner, key) DO UPDATE SET is_json = excluded.is_json, value = excluded.value, expires_ms = excluded.expires_ms";
    connection.prepare_cached(sql)?.execute(params![id, key.as_bytes(), is_json, bytes, expires_ms])?;
    count(connection, id, more.0, more.1)?;
    Ok(())
}

fn count(connection: &Connection, id: i64, keys: i64, bytes: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE owners SET keys = keys + ?2, bytes = bytes + ?3 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, keys, bytes]).map(drop)
}

/// Answers whether it was there, and not expired.
fn delete(connection: &Connection, id: i64, key: &str, now_ms: u64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM entries WHERE owner = ?1 AND key = ?2 RETURNING length(key) + length(value), expires_ms";
    let deleted: Option<(i64, Option<i64>)> = connection
        .prepare_cached(sql)?
        .query_row(params![id, key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((bytes, expires_ms)) = deleted else { return Ok(false) };
    count(connection, id, -1, -bytes)?;
    Ok(expires_ms.is_none_or(|expires_ms| expires_ms > time(now_ms)))
}

/// Deletes what has expired: a few of everybody's, or all of one owner's.
fn sweep(connection: &Connection, owner: Option<i64>, now_ms: u64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires_ms <= ?1 AND (?2 IS NULL OR owner = ?2) LIMIT ?3)
        RETURNING owner, length(key) + length(value)";
    let limit = if owner.is_some() { -1 } else { SWEPT_MAX };
    let mut sums: HashMap<i64, (i64, i64)> = HashMap::new();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![time(now_ms), owner, limit])?;
    while let Some(row) = rows.next()? {
        let sum = sums.entry(row.get(0)?).or_default();
        sum.0 += 1;
        sum.1 += row.get::<_, i64>(1)?;
    }
    drop(rows);
    sums.into_iter().try_for_each(|(id, (keys, bytes))| count(connection, id, -keys, -bytes))
}

fn delete_all(connection: &Connection, owner: &KvOwner) -> rusqlite::Result<u64> {
    let Some(id) = owner_id(connection, owner)? else { return Ok(0) };
    let keys = connection.execute("DELETE FROM entries WHERE owner = ?1", [id])?;
    connection.execute("DELETE FROM owners WHERE id = ?1", [id])?;
    Ok(keys as u64)
}

/// Puts entries as they are; they come from an operator, not from an applet.
fn import(connection: &Connection, owner: &KvOwner, entries: Vec<KvEntry>) -> rusqlite::Result<()> {
    let bounds = KvBounds {
        keys_max: u64::MAX,
        store_bytes_max: u64::MAX,
        value_bytes_max: u64::MAX,
        result_bytes_max: u64::MAX,
    };
    let id = own(connection, owner)?;
    for KvEntry { key, value, expires_ms } in entries {
        match put(connection, id, &key, &value, expires_ms.map(time), &bounds, 0) {
            Ok(()) => {}
            Err(Stop::Broken(error)) => return Err(error),
            // Nothing is too much.
            Err(Stop::Refused(_)) => {}
        }
    }
    Ok(())
}
