//! Where log lines go. A sink is called while an applet runs, so it never waits: what writes, writes on its own thread.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::record::LogRecord;

/// Takes log lines. Many invocations write at the same time.
pub trait LogSink: Send + Sync + 'static {
    /// Takes one line. It must not block: it runs on a thread that serves applets.
    fn write(&self, record: &LogRecord);
}

/// Every line goes to each of them.
impl LogSink for Vec<Arc<dyn LogSink>> {
    fn write(&self, record: &LogRecord) {
        for sink in self {
            sink.write(record);
        }
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people, with or without colour.
    Terminal {
        /// Mark levels with ANSI sequences.
        colour: bool,
    },
}

/// Bytes of lines that wait to be written.
const QUEUE_BYTES_MAX: usize = 8 << 20;

/// Writes lines to a file, a pipe or a terminal, on a thread of its own.
///
/// When the other end does not keep up, at most 8 MiB of lines wait; what comes then is counted, and the next line that is
/// written says how many were lost. Dropping the sink writes what still waits.
pub struct WriterSink {
    format: LogFormat,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when there is something to write, or to end.
    filled: Condvar,
    /// Told when everything is written.
    drained: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<String>,
    bytes: usize,
    writing: bool,
    ended: bool,
    /// Lines lost since the last one that was queued.
    lost: u64,
}

impl WriterSink {
    /// Writes to `writer`. Should it fail, lines are counted as lost from then on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(format: LogFormat, writer: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let work = shared.clone();
        let thread = std::thread::Builder::new().name("belljar-log".to_owned()).spawn(move || work.run(writer))?;
        Ok(Self { format, shared, thread: Some(thread) })
    }

    /// Waits until everything taken so far is written. For command lines and tests, not for threads that serve applets.
    pub fn flush(&self) {
        let mut queue = self.shared.lock();
        while !queue.lines.is_empty() || queue.writing {
            queue = self.shared.drained.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lines lost because the other end did not keep up, or broke.
    pub fn lines_lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl LogSink for WriterSink {
    fn write(&self, record: &LogRecord) {
        let mut line = match self.format {
            LogFormat::Json => record.to_json_line(),
            LogFormat::Terminal { colour } => record.to_terminal_line(colour),
        };
        line.push('\n');
        let mut queue = self.shared.lock();
        if queue.ended || queue.bytes + line.len() > QUEUE_BYTES_MAX {
            queue.lost += 1;
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = std::mem::take(&mut queue.lost);
        if lost > 0 {
            let told = match self.format {
                LogFormat::Json => format!(
                    "{{\"time_us\":{},\"level\":\"warn\",\"origin\":\"host\",\"log_lines_lost\":{lost}}}\n",
                    record.time_us
                ),
                LogFormat::Terminal { .. } => format!("belljar: {lost} log lines were lost\n"),
            };
            queue.bytes += told.len();
            queue.lines.push_back(told);
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        self.shared.filled.notify_one();
    }
}

impl Drop for WriterSink {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has lost its lines; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut writer: impl Write) {
        loop {
            let mut queue = self.lock();
            while queue.lines.is_empty() && !queue.ended {
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let lines = std::mem::take(&mut queue.lines);
            if lines.is_empty() {
                return;
            }
            // The bytes count until they are written.
            let bytes = queue.bytes;
            queue.writing = true;
            drop(queue);

            let failed = lines.iter().find_map(|line| writer.write_all(line.as_bytes()).err());
            let failed = failed.or_else(|| writer.flush().err()).is_some();

            let mut queue = self.lock();
            queue.bytes -= bytes;
            queue.writing = false;
            if failed {
                queue.ended = true;
                self.lost.fetch_add((lines.len() + queue.lines.len()) as u64, Ordering::Relaxed);
                queue.lines.clear();
            }
            self.drained.notify_all();
        }
    }
}

/// Keeps lines in memory, for tests and for results. Clones are the same sink.
#[derive(Debug, Clone)]
pub struct MemorySink {
    records: Arc<Mutex<Vec<LogRecord>>>,
    records_max: usize,
}

impl MemorySink {
    /// Keeps the first `records_max` lines.
    pub fn new(records_max: usize) -> Self {
        Self { records: Arc::default(), records_max }
    }

    /// Takes out what was kept so far.
    pub fn take(&self) -> Vec<LogRecord> {
        std::mem::take(&mut *self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LogSink for MemorySink {
    fn write(&self, record: &LogRecord) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() < self.records_max {
            records.push(record.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::super::record::tests::context;
    use super::super::record::{LogLevel, LogOrigin};
    use super::*;

    fn record(message: String) -> LogRecord {
        let (origin, level, fields) = (LogOrigin::Sdk, LogLevel::Error, Default::default());
        LogRecord { time_us: 5, context: context(), origin, level, message, fields, truncated: false }
    }

    #[derive(Clone, Default)]
    struct Shelf(Arc<Mutex<Vec<u8>>>);

    impl Write for Shelf {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_the_rest_when_dropped() {
        let shelf = Shelf::default();
        let sink = WriterSink::new(LogFormat::Json, shelf.clone()).expect("a thread");
        for n in 0..100 {
            sink.write(&record(n.to_string()));
        }
        sink.flush();
        assert_eq!(shelf.0.lock().expect("not poisoned").iter().filter(|&&byte| byte == b'\n').count(), 100);
        sink.write(&record("last\nline".to_owned()));
        drop(sink);
        let text = String::from_utf8(shelf.0.lock().expect("not poisoned").clone()).expect("text");
        let messages: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(messages.len(), 101);
        assert_eq!((&messages[41]["message"], &messages[100]["message"]), (&"41".into(), &"last\nline".into()));
    }

    /// Writes nothing until it is told to.
    struct Stuck(Receiver<()>, Shelf);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // An error means that the test has let go for good.
            let _ = self.0.recv();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_no_time() {
        let ((go, wait), shelf) = (channel(), Shelf::default());
        let sink =
            WriterSink::new(LogFormat::Terminal { colour: false }, Stuck(wait, shelf.clone())).expect("a thread");
        for _ in 0..12 {
            sink.write(&record("x".repeat(1 << 20)));
        }
        assert_eq!(sink.lines_lost(), 5, "7 lines of a little over 1 MiB fit into 8 MiB");
        drop(go);
        sink.flush();
        sink.write(&record("after".to_owned()));
        drop(sink);
        let text = String::from_utf8(shelf.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(text.contains("belljar: 5 log lines were lost\n"));
        assert!(text.ends_with("sdk: after\n"));
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_broken_pipe_loses_lines_and_nothing_else() {
        let sink = WriterSink::new(LogFormat::Json, Broken).expect("a thread");
        sink.write(&record("a".to_owned()));
        sink.flush();
        sink.write(&record("b".to_owned()));
        assert_eq!(sink.lines_lost(), 2);
    }

    #[test]
    fn memory_is_bounded_and_a_list_writes_to_all() {
        let (a, b) = (MemorySink::new(2), MemorySink::new(9));
        let all: Vec<Arc<dyn LogSink>> = vec![Arc::new(a.clone()), Arc::new(b.clone())];
        for _ in 0..3 {
            all.write(&record("x".to_owned()));
        }
        assert_eq!((a.take().len(), b.take().len(), b.take().len()), (2, 3, 0));
    }
}
