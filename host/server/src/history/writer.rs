//! The thread that writes: gathers entries, writes them in one transaction, and deletes what is too old or too much.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use belljar::{CapabilityUse, LogContext, LogRecord};
use rusqlite::{Connection, Transaction, params};
use serde_json::Value;
use tokio::sync::watch;

use super::rows::id_bytes;
use super::{Counts, HistoryConfig, now_us};
use crate::record::{Ended, InvocationRecord};

/// How long entries gather.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is looked for them meanwhile: whoever records does not have to wake this thread for each.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Entries of one transaction.
const BATCH_MAX: usize = 8_192;
/// How often it is looked for what is to be deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Rows deleted at a time, so that writing never waits for long.
const SWEEP_ROWS: usize = 5_000;
/// Of the oldest rows, how many go at a time when there is too much.
const OLDEST_ROWS: usize = 500;
/// Names kept in memory.
const NAMES_MAX: usize = 100_000;
const DAY_US: u64 = 86_400_000_000;

/// Something to be written.
pub(super) enum Entry {
    Invocation(Box<InvocationRecord>),
    Log(Box<LogRecord>),
    Use(Box<(LogContext, CapabilityUse)>),
    /// Told when everything before it is written.
    Flush(SyncSender<()>),
}

impl Entry {
    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Invocation(record) => match &record.ended {
                Ended::Faulted { message, .. } => 600 + message.len() as u64,
                _ => 600,
            },
            Self::Log(record) => 400 + bytes_of(record),
            Self::Use(used) => 300 + used.1.target.len() as u64,
            Self::Flush(_) => 16,
        }
    }
}

/// The day (UTC, counted from 1970) of a time.
pub(super) fn day_of(time_us: u64) -> i64 {
    int(time_us / DAY_US)
}

/// As SQLite has it; what is too large is the largest.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What a line counts for: its message and fields, as in an invocation's log.
fn bytes_of(record: &LogRecord) -> u64 {
    let fields: usize = record.fields.iter().map(|(name, value)| name.len() + value_bytes(value) + 4).sum();
    (record.message.len() + fields) as u64
}

/// About as many bytes as its JSON has.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| value_bytes(item) + 1).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(name, value)| name.len() + value_bytes(value) + 4).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
    }
}

/// Sums of one applet and day.
#[derive(Default)]
struct Sums([u64; 14]);

pub(super) struct Writer {
    connection: Connection,
    config: HistoryConfig,
    counts: Arc<Counts>,
    told: watch::Sender<u64>,
    /// The last `seq` that was given.
    seq: u64,
    names: HashMap<(String, String), i64>,
    swept: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        config: HistoryConfig,
        counts: Arc<Counts>,
        told: watch::Sender<u64>,
    ) -> rusqlite::Result<Self> {
        let last = "SELECT max(ifnull((SELECT max(seq) FROM invocations), 0), ifnull((SELECT max(seq) FROM logs), 0), \
                    ifnull((SELECT max(seq) FROM uses), 0))";
        let seq = connection.query_row(last, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        let writer = Self { connection, config, counts, told, seq, names: HashMap::new(), swept: None };
        writer.measure()?;
        Ok(writer)
    }

    /// Writes until the other side ends.
    pub(super) fn run(mut self, entries: &Receiver<Entry>) {
        let mut batch = Vec::new();
        loop {
            let is_over = match entries.recv_timeout(SWEEP_EVERY) {
                Ok(first) => {
                    batch.push(first);
                    gather(entries, &mut batch)
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            self.put(&mut batch);
            self.sweep_when_due();
            if is_over {
                break;
            }
        }
        // So that the file is whole by itself; when it fails, the next start does it.
        let _ = self.connection.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()));
    }

    fn put(&mut self, batch: &mut Vec<Entry>) {
        let flushes: Vec<_> = batch.extract_if(.., |entry| matches!(entry, Entry::Flush(_))).collect();
        if !batch.is_empty() {
            let (entries, bytes) = (batch.len() as u64, batch.iter().map(Entry::bytes).sum());
            match self.write(batch) {
                Ok(()) => drop(self.counts.written.fetch_add(entries, Ordering::Relaxed)),
                Err(error) => {
                    let earlier = self.counts.failed_writes.fetch_add(1, Ordering::Relaxed);
                    self.counts.lost.fetch_add(entries, Ordering::Relaxed);
                    self.names.clear();
                    // A full disk would tell it twenty times a second.
                    if earlier.is_power_of_two() || earlier == 0 {
                        tracing::error!(%error, entries, "the history cannot be written: entries are lost");
                    }
                }
            }
            self.counts.queued.fetch_sub(entries, Ordering::Relaxed);
            self.counts.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            batch.clear();
            self.told.send_replace(self.seq);
        }
        for entry in flushes {
            if let Entry::Flush(done) = entry {
                // Whoever asked may have gone.
                let _ = done.try_send(());
            }
        }
    }

    fn write(&mut self, batch: &[Entry]) -> rusqlite::Result<()> {
        let Self { connection, seq, names, .. } = self;
        let transaction = connection.transaction()?;
        let mut sums: HashMap<(i64, i64), Sums> = HashMap::new();
        for entry in batch {
            *seq = now_us().max(*seq + 1);
            match entry {
                Entry::Invocation(record) => {
                    let applet = name(&transaction, names, record.tenant.as_str(), record.applet.as_str())?;
                    put_invocation(&transaction, *seq, applet, record)?;
                    sums.entry((day_of(record.begun_us), applet)).or_default().add_invocation(record);
                }
                Entry::Log(record) => {
                    let context = &*record.context;
                    let applet = name(&transaction, names, context.tenant.as_str(), context.applet.as_str())?;
                    put_log(&transaction, *seq, applet, record)?;
                    let sums = sums.entry((day_of(record.time_us), applet)).or_default();
                    sums.0[LOG_LINES] += 1;
                    sums.0[LOG_BYTES] += bytes_of(record);
                }
                Entry::Use(told) => {
                    let (context, used) = &**told;
                    let applet = name(&transaction, names, context.tenant.as_str(), context.applet.as_str())?;
                    put_use(&transaction, *seq, applet, context, used)?;
                }
                Entry::Flush(_) => {}
            }
        }
        for ((day, applet), Sums(sums)) in sums {
            let mut values = vec![day, applet];
            values.extend(sums.map(int));
            transaction.prepare_cached(ADD_USAGE)?.execute(rusqlite::params_from_iter(values))?;
        }
        transaction.commit()
    }

    fn sweep_when_due(&mut self) {
        if self.swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            return;
        }
        match self.sweep() {
            // There is more: next time around.
            Ok(true) => {}
            Ok(false) => self.swept = Some(Instant::now()),
            Err(error) => {
                tracing::warn!(%error, "old history cannot be deleted");
                self.swept = Some(Instant::now());
            }
        }
    }

    /// Deletes some of what is too old, and of what is too much. Answers whether there is more.
    fn sweep(&mut self) -> rusqlite::Result<bool> {
        let now = now_us();
        let mut cutoff = now.saturating_sub(u64::from(self.config.days) * DAY_US);
        let bytes = self.measure()?;
        if bytes > self.config.bytes_max {
            cutoff = cutoff.max(self.end_of_oldest()?);
        }
        let mut deleted = 0;
        for table in ["invocations", "logs", "uses"] {
            let sql = format!(
                "DELETE FROM {table} WHERE seq IN (SELECT seq FROM {table} WHERE seq < ? ORDER BY seq LIMIT {SWEEP_ROWS})"
            );
            deleted += self.connection.prepare_cached(&sql)?.execute([int(cutoff)])?;
        }
        let oldest_day = day_of(now) - i64::from(self.config.usage_days);
        self.connection.prepare_cached("DELETE FROM usage WHERE day < ?")?.execute([oldest_day])?;
        if deleted > 0 {
            self.connection.prepare_cached("PRAGMA incremental_vacuum(2000)")?.query([])?.next()?;
        }
        self.measure()?;
        Ok(deleted >= SWEEP_ROWS || (deleted > 0 && self.counts.bytes.load(Ordering::Relaxed) > self.config.bytes_max))
    }

    /// The time before which the oldest rows are, a few of them: a burst may fill the file within a moment, so that no share of the time
    /// that the rows span is a share of them. At least one stays.
    fn end_of_oldest(&self) -> rusqlite::Result<u64> {
        let mut oldest = Vec::new();
        for table in ["invocations", "logs", "uses"] {
            let sql = format!("SELECT seq FROM {table} ORDER BY seq LIMIT {OLDEST_ROWS}");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
            oldest.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        oldest.sort_unstable();
        let at = OLDEST_ROWS.min(oldest.len() / 2);
        Ok(oldest.get(at).map_or(0, |seq| seq.unsigned_abs()))
    }

    /// Bytes in use in the file.
    fn measure(&self) -> rusqlite::Result<u64> {
        let pages = "SELECT (pages.page_count - free.freelist_count) * size.page_size \
                     FROM pragma_page_count pages, pragma_freelist_count free, pragma_page_size size";
        let bytes = self.connection.query_row(pages, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        self.counts.bytes.store(bytes, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Takes what comes within [`GATHER`]. Answers whether the other side has ended.
fn gather(entries: &Receiver<Entry>, batch: &mut Vec<Entry>) -> bool {
    let until = Instant::now() + GATHER;
    while batch.len() < BATCH_MAX {
        if matches!(batch.last(), Some(Entry::Flush(_))) {
            return false;
        }
        match entries.try_recv() {
            Ok(entry) => batch.push(entry),
            Err(TryRecvError::Disconnected) => return true,
            Err(TryRecvError::Empty) if Instant::now() >= until => return false,
            Err(TryRecvError::Empty) => std::thread::sleep(LOOK_EVERY),
        }
    }
    false
}

/// The number of a tenant's applet.
fn name(
    transaction: &Transaction<'_>,
    names: &mut HashMap<(String, String), i64>,
    tenant: &str,
    applet: &str,
) -> rusqlite::Result<i64> {
    let key = (tenant.to_owned(), applet.to_owned());
    if let Some(&id) = names.get(&key) {
        return Ok(id);
    }
    transaction
        .prepare_cached("INSERT OR IGNORE INTO applets (tenant, applet) VALUES (?, ?)")?
        .execute([tenant, applet])?;
    let id = transaction
        .prepare_cached("SELECT id FROM applets WHERE tenant = ? AND applet = ?")?
        .query_row([tenant, applet], |row| row.get(0))?;
    if names.len() >= NAMES_MAX {
        names.clear();
    }
    names.insert(key, id);
    Ok(id)
}

fn put_invocation(
    transaction: &Transaction<'_>,
    seq: u64,
    applet: i64,
    record: &InvocationRecord,
) -> rusqlite::Result<()> {
    let (ended, status, code, message) = match &record.ended {
        Ended::Answered { status } => ("answered", *status, None, None),
        Ended::Faulted { code, message } => ("faulted", None, Some(code.as_str()), Some(message.as_str())),
        Ended::Refused { why } => ("refused", None, Some(*why), None),
    };
    // Serialising our own plain data cannot fail.
    let usage = serde_json::to_string(&record.usage).unwrap_or_else(|_| "{}".to_owned());
    let sql = "INSERT INTO invocations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![
        int(seq),
        applet,
        id_bytes(&record.id),
        int(record.release_number),
        record.version,
        record.handler,
        record.trigger,
        record.user,
        int(record.begun_us),
        int(record.queued_us),
        int(record.total_us),
        ended,
        status,
        code,
        message,
        int(record.usage.fuel),
        usage,
    ])?;
    Ok(())
}

fn put_log(transaction: &Transaction<'_>, seq: u64, applet: i64, record: &LogRecord) -> rusqlite::Result<()> {
    let fields = serde_json::to_string(&record.fields).unwrap_or_else(|_| "{}".to_owned());
    let sql = "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![
        int(seq),
        applet,
        id_bytes(record.context.invocation.as_str()),
        record.context.version,
        record.context.handler,
        int(record.time_us),
        record.level as u8,
        record.origin.as_str(),
        record.message,
        fields,
        record.truncated,
    ])?;
    Ok(())
}

fn put_use(
    transaction: &Transaction<'_>,
    seq: u64,
    applet: i64,
    context: &LogContext,
    used: &CapabilityUse,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![
        int(seq),
        applet,
        id_bytes(context.invocation.as_str()),
        context.version,
        context.handler,
        used.capability,
        used.operation,
        used.target,
        used.ended.as_str(),
        int(used.begun_us),
        int(used.wall_us),
    ])?;
    Ok(())
}

const LOG_LINES: usize = 11;
const LOG_BYTES: usize = 12;

const ADD_USAGE: &str = "
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  invocations = invocations + excluded.invocations, faulted = faulted + excluded.faulted, refused = refused + excluded.refused,
  fuel = fuel + excluded.fuel, wall_us = wall_us + excluded.wall_us, operations = operations + excluded.operations,
  db_statements = db_statements + excluded.db_statements, db_rows = db_rows + excluded.db_rows,
  http_requests = http_requests + excluded.http_requests, egress_bytes = egress_bytes + excluded.egress_bytes,
  ingress_bytes = ingress_bytes + excluded.ingress_bytes, log_lines = log_lines + excluded.log_lines,
  log_bytes = log_bytes + excluded.log_bytes, log_lines_dropped = log_lines_dropped + excluded.log_lines_dropped";

impl Sums {
    /// In the order of the table's columns; lines of the log are counted as they are written.
    fn add_invocation(&mut self, record: &InvocationRecord) {
        let usage = &record.usage;
        let (ran, faulted, refused) = match record.ended {
            Ended::Answered { .. } => (1, 0, 0),
            Ended::Faulted { .. } => (1, 1, 0),
            Ended::Refused { .. } => (0, 0, 1),
        };
        let more = [
            ran,
            faulted,
            refused,
            usage.fuel,
            usage.wall_us,
            usage.operations,
            usage.db.statements,
            usage.db.rows,
            usage.http.requests,
            usage.http.bytes_sent,
            usage.http.bytes_received,
            0,
            0,
            usage.log.lines_dropped,
        ];
        for (sum, more) in self.0.iter_mut().zip(more) {
            *sum = sum.saturating_add(more);
        }
    }
}
