//! The server's own log: events of `tracing`, as JSON or for people, to standard error or a file. Lines of applets can go to the same place.
//!
//! Whoever logs never waits: lines go through a bounded queue to a thread; what does not fit is counted, and the next line that is written
//! says how many were lost. Files are opened to append, so that they can be cut by whatever rotates them (`copytruncate`).

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use belljar::{LogRecord, LogSink};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::settings::{LogFormat, Settings};

/// Lines that wait to be written.
const QUEUE_LINES_MAX: usize = 8_192;
/// Bytes of them.
const QUEUE_BYTES_MAX: u64 = 16 << 20;

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The file cannot be opened.
    #[error("log_file {path} cannot be opened")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is to be logged is not understood.
    #[error("log_level is not understood")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    /// The thread cannot be started.
    #[error("the thread that writes the log cannot be started")]
    Thread(#[source] io::Error),
    /// There is a log already.
    #[error("the log is set up already")]
    Twice,
}

/// The log. Clones are the same one; the last that is dropped writes what waits.
#[derive(Clone)]
pub struct Logs {
    lines: Lines,
    is_json: bool,
    colour: bool,
}

impl Logs {
    /// Opens the log of these settings, and sends all events of the process to it.
    ///
    /// # Errors
    /// [`LogsError`].
    pub fn install(settings: &Settings) -> Result<Self, LogsError> {
        let (logs, filter) = Self::open(settings)?;
        tracing::subscriber::set_global_default(logs.subscriber(filter)).map_err(|_| LogsError::Twice)?;
        Ok(logs)
    }

    fn open(settings: &Settings) -> Result<(Self, EnvFilter), LogsError> {
        let filter = EnvFilter::try_new(&settings.log_level).map_err(LogsError::Level)?;
        let (writer, is_terminal): (Box<dyn Write + Send>, _) = match &settings.log_file {
            None => (Box::new(io::stderr()), io::stderr().is_terminal()),
            Some(path) => {
                let failed = |source| LogsError::File { path: path.clone(), source };
                let file = belljar_files::append(path).map_err(failed)?;
                (Box::new(file), false)
            }
        };
        let is_json = match settings.log_format {
            LogFormat::Json => true,
            LogFormat::Terminal => false,
            LogFormat::Auto => !is_terminal,
        };
        let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok((Self { lines: Lines::start(writer)?, is_json, colour }, filter))
    }

    fn subscriber(&self, filter: EnvFilter) -> Box<dyn Subscriber + Send + Sync> {
        let lines = self.lines.clone();
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_ansi(self.colour);
        if self.is_json {
            Box::new(builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish())
        } else {
            Box::new(builder.compact().with_target(false).finish())
        }
    }

    /// Lines lost because whoever reads them did not keep up.
    pub fn lines_lost(&self) -> u64 {
        self.lines.shared.lost.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("is_json", &self.is_json).finish_non_exhaustive()
    }
}

/// Lines of applets, in the same form.
impl LogSink for Logs {
    fn write(&self, record: &LogRecord) {
        let mut line = if self.is_json { record.to_json_line() } else { record.to_terminal_line(self.colour) };
        line.push('\n');
        self.lines.put(line.into_bytes());
    }
}

/// The queue to the thread that writes.
#[derive(Clone)]
struct Lines {
    shared: Arc<Shared>,
}

struct Shared {
    sender: Mutex<Option<SyncSender<Vec<u8>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    queued_bytes: Arc<AtomicU64>,
    lost: AtomicU64,
    /// Lost since the last line that was queued.
    lost_lately: AtomicU64,
}

impl Lines {
    fn start(writer: Box<dyn Write + Send>) -> Result<Self, LogsError> {
        let (sender, receiver) = sync_channel(QUEUE_LINES_MAX);
        let queued_bytes = Arc::<AtomicU64>::default();
        let bytes = queued_bytes.clone();
        let thread = std::thread::Builder::new()
            .name("belljar-logs".to_owned())
            .spawn(move || write_all(&receiver, &bytes, writer))
            .map_err(LogsError::Thread)?;
        let shared = Shared {
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            queued_bytes,
            lost: AtomicU64::new(0),
            lost_lately: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    fn put(&self, line: Vec<u8>) {
        let shared = &*self.shared;
        let bytes = line.len() as u64;
        let has_room = shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUE_BYTES_MAX;
        let sender = shared.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = shared.lost_lately.swap(0, Ordering::Relaxed);
        let told = (lately > 0).then(|| format!("belljar: {lately} log lines were lost\n").into_bytes());
        let is_sent = has_room
            && sender.as_ref().is_some_and(|sender| {
                if let Some(told) = told {
                    shared.queued_bytes.fetch_add(told.len() as u64, Ordering::Relaxed);
                    if let Err(error) = sender.try_send(told) {
                        let (std::sync::mpsc::TrySendError::Full(told)
                        | std::sync::mpsc::TrySendError::Disconnected(told)) = error;
                        shared.queued_bytes.fetch_sub(told.len() as u64, Ordering::Relaxed);
                        return false;
                    }
                }
                sender.try_send(line).is_ok()
            });
        if !is_sent {
            shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            shared.lost.fetch_add(1, Ordering::Relaxed);
            shared.lost_lately.fetch_add(lately + 1, Ordering::Relaxed);
        }
    }
}

fn write_all(lines: &Receiver<Vec<u8>>, queued_bytes: &AtomicU64, mut writer: Box<dyn Write + Send>) {
    while let Ok(line) = lines.recv() {
        // There is nobody to tell when the log cannot be written; the next line may find room again.
        let _ = writer.write_all(&line).and_then(|()| writer.flush());
        queued_bytes.fetch_sub(line.len() as u64, Ordering::Relaxed);
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

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, bytes: Vec::new() }
    }
}

/// One line in the making; it goes off when it is dropped.
struct Line<'a> {
    lines: &'a Lines,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.lines.put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.log");
        let settings = Settings { log_format: format, log_file: Some(path.clone()), ..Settings::default() };
        let (logs, filter) = Logs::open(&settings).expect("it opens");
        tracing::subscriber::with_default(logs.subscriber(filter), log);
        drop(logs);
        std::fs::read_to_string(path).expect("it was written")
    }

    #[test]
    fn events_are_lines_of_json_or_text() {
        let log = || {
            tracing::info!(tenant = "acme", "a line\nof two");
            tracing::debug!("not this one");
        };
        let text = logged(LogFormat::Json, log);
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("one object");
        assert_eq!(
            (&line["level"], &line["tenant"], &line["message"]),
            (&"INFO".into(), &"acme".into(), &"a line\nof two".into())
        );
        assert!(line["timestamp"].is_string(), "{line}");
        let text = logged(LogFormat::Terminal, log);
        assert!(text.contains("INFO") && text.contains("tenant=\"acme\"") && !text.contains("not this one"), "{text}");
    }

    struct Stuck(Receiver<()>, std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that the test has let go for good.
            let _ = self.0.recv();
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_no_time() {
        let ((go, wait), (out, written)) = (channel(), channel());
        let lines = Lines::start(Box::new(Stuck(wait, out))).expect("it starts");
        for _ in 0..20 {
            lines.put(vec![b'x'; 1 << 20]);
        }
        assert_eq!(lines.shared.lost.load(Ordering::Relaxed), 4, "16 of a MiB fit");
        drop(go);
        while lines.shared.queued_bytes.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        lines.put(b"after\n".to_vec());
        drop(lines);
        let texts: Vec<Vec<u8>> = written.try_iter().collect();
        assert_eq!(texts.len(), 18);
        assert_eq!(texts[16], b"belljar: 4 log lines were lost\n");
        assert_eq!(texts[17], b"after\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told() {
        let settings = Settings { log_file: Some("/nowhere/at/all.log".into()), ..Settings::default() };
        assert!(matches!(Logs::open(&settings), Err(LogsError::File { .. })));
    }
}
