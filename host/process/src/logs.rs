//! What a process writes to stdout and stderr: lines, JSON ones parsed, cut to a length and a rate, handed to the embedder's sink; the last
//! of them are kept for crash reports. Lines of an invocation do not come this way (`log` of the protocol).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits::{ProcessLimits, TAIL_BYTES_MAX};

/// Takes the lines of processes.
pub trait LogSink: Send + Sync + 'static {
    /// One line. Called from the task that reads the process: it must not wait.
    fn line(&self, line: &Line);

    /// What may be kept of a text: secrets are taken out here, before anything else sees it.
    fn redact(&self, text: String) -> String {
        text
    }
}

/// Takes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLogs;

impl LogSink for NoLogs {
    fn line(&self, _: &Line) {}
}

/// One line of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The applet's label ([`crate::Spec::label`]).
    pub label: String,
    /// The process's id.
    pub process: u32,
    /// Where it was written.
    pub stream: Stream,
    /// What it says of itself, or else `Info` for stdout and `Warn` for stderr.
    pub level: Level,
    /// The text; of a JSON line its `message` or `msg`.
    pub message: String,
    /// The other members of a JSON line.
    pub fields: Map<String, Value>,
    /// Whether it was cut.
    pub truncated: bool,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// To stdout.
    Out,
    /// To stderr.
    Err,
    /// By the host itself: how many lines were dropped.
    Host,
}

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding mistakes.
    Debug,
    /// As usual.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "trace" | "debug" => Some(Self::Debug),
                "info" | "log" | "notice" => Some(Self::Info),
                "warn" | "warning" => Some(Self::Warn),
                "error" | "fatal" | "critical" => Some(Self::Error),
                _ => None,
            },
            // pino's numbers.
            Value::Number(number) => number.as_u64().map(|number| match number {
                0..30 => Self::Debug,
                30..40 => Self::Info,
                40..50 => Self::Warn,
                _ => Self::Error,
            }),
            _ => None,
        }
    }
}

/// The last lines of a process.
#[derive(Debug)]
pub(crate) struct Tail {
    lines_max: usize,
    kept: Mutex<(VecDeque<String>, usize)>,
}

impl Tail {
    fn push(&self, line: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, bytes) = &mut *kept;
        *bytes += line.len();
        lines.push_back(line);
        while lines.len() > self.lines_max || *bytes > TAIL_BYTES_MAX {
            let Some(gone) = lines.pop_front() else { break };
            *bytes -= gone.len();
        }
    }

    /// Oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).0.iter().cloned().collect()
    }
}

/// Where the lines of one process go; both of its streams share it.
#[derive(Clone)]
pub(crate) struct Logs {
    label: String,
    process: u32,
    sink: Arc<dyn LogSink>,
    line_bytes_max: usize,
    rate: Arc<Mutex<Rate>>,
    pub(crate) tail: Arc<Tail>,
}

struct Rate {
    per_second_max: u32,
    second: Option<Instant>,
    taken: u32,
    dropped: u64,
}

impl Rate {
    /// Whether one more line goes through, and how many did not in the second that is over.
    fn take(&mut self, now: Instant) -> (bool, u64) {
        let mut told = 0;
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            self.second = Some(now);
            self.taken = 0;
            told = std::mem::take(&mut self.dropped);
        }
        let fits = self.taken < self.per_second_max;
        if fits {
            self.taken += 1;
        } else {
            self.dropped += 1;
        }
        (fits, told)
    }
}

impl Logs {
    pub(crate) fn new(label: &str, process: u32, sink: Arc<dyn LogSink>, limits: &ProcessLimits) -> Self {
        let rate = Rate { per_second_max: limits.lines_per_second_max, second: None, taken: 0, dropped: 0 };
        let tail = Tail { lines_max: limits.tail_lines_max, kept: Mutex::default() };
        Self {
            label: label.to_owned(),
            process,
            sink,
            line_bytes_max: limits.line_bytes_max.max(1),
            rate: Arc::new(Mutex::new(rate)),
            tail: Arc::new(tail),
        }
    }

    /// Reads until the stream ends.
    pub(crate) async fn read(self, stream: Stream, mut from: impl AsyncRead + Unpin) {
        let mut lines = Lines { held: Vec::new(), truncated: false, line_bytes_max: self.line_bytes_max };
        let mut chunk = vec![0; 16 << 10];
        while let Ok(count) = from.read(&mut chunk).await {
            if count == 0 {
                break;
            }
            lines.push(&chunk[..count], |line, truncated| self.take(stream, line, truncated));
        }
        lines.finish(|line, truncated| self.take(stream, line, truncated));
        let dropped = std::mem::take(&mut self.rate.lock().unwrap_or_else(PoisonError::into_inner).dropped);
        self.tell_dropped(dropped);
    }

    fn take(&self, stream: Stream, line: &[u8], truncated: bool) {
        let text = self.sink.redact(String::from_utf8_lossy(line).into_owned());
        let (fits, dropped) = self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        self.tell_dropped(dropped);
        let line = self.parse(stream, &text, truncated);
        if fits {
            self.sink.line(&line);
        }
        // For people: of a JSON line what it says.
        self.tail.push(if line.message.is_empty() || !line.fields.is_empty() { text } else { line.message });
    }

    fn tell_dropped(&self, dropped: u64) {
        if dropped > 0 {
            let message = format!("{dropped} lines were dropped: the process writes too many");
            let (stream, level) = (Stream::Host, Level::Warn);
            let (label, process) = (self.label.clone(), self.process);
            self.sink.line(&Line { label, process, stream, level, message, fields: Map::new(), truncated: false });
        }
    }

    fn parse(&self, stream: Stream, text: &str, truncated: bool) -> Line {
        let level = if stream == Stream::Err { Level::Warn } else { Level::Info };
        let (label, process) = (self.label.clone(), self.process);
        let plain = |text: &str| Line {
            label,
            process,
            stream,
            level,
            message: text.to_owned(),
            fields: Map::new(),
            truncated,
        };
        if !text.starts_with('{') {
            return plain(text);
        }
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return plain(text) };
        let message = ["message", "msg"].into_iter().find_map(|name| match fields.get(name) {
            Some(Value::String(_)) => fields.shift_remove(name),
            _ => None,
        });
        let message = match message {
            Some(Value::String(message)) => message,
            _ => String::new(),
        };
        let said = fields.get("level").and_then(Level::parse);
        if said.is_some() {
            fields.shift_remove("level");
        }
        Line { level: said.unwrap_or(level), message, fields, ..plain("") }
    }
}

/// Bytes as lines of bounded length. What a line has beyond that is thrown away, not made a line of its own.
struct Lines {
    held: Vec<u8>,
    truncated: bool,
    line_bytes_max: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8], bool)) {
        let mut pieces = bytes.split(|&byte| byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = self.line_bytes_max - self.held.len();
            self.truncated |= piece.len() > room;
            self.held.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                self.end(&mut line);
            }
        }
    }

    fn end(&mut self, mut line: impl FnMut(&[u8], bool)) {
        let text = self.held.strip_suffix(b"\r").unwrap_or(&self.held);
        if !text.is_empty() {
            line(text, self.truncated);
        }
        self.held.clear();
        self.truncated = false;
    }

    fn finish(&mut self, line: impl FnMut(&[u8], bool)) {
        self.end(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Line>>);

    impl LogSink for Kept {
        fn line(&self, line: &Line) {
            self.0.lock().expect("unpoisoned").push(line.clone());
        }

        fn redact(&self, text: String) -> String {
            text.replace("hunter2", "[secret]")
        }
    }

    async fn read(limits: ProcessLimits, bytes: &[u8]) -> (Vec<Line>, Vec<String>) {
        let sink = Arc::new(Kept::default());
        let logs = Logs::new("shop", 7, Arc::clone(&sink) as Arc<dyn LogSink>, &limits);
        let tail = Arc::clone(&logs.tail);
        logs.read(Stream::Out, bytes).await;
        let lines = sink.0.lock().expect("unpoisoned").clone();
        (lines, tail.lines())
    }

    #[tokio::test]
    async fn lines_are_parsed_and_redacted() {
        let text = b"plain hunter2\r\n\n{\"level\":\"error\",\"msg\":\"no\",\"n\":1}\n{\"level\":50,\"x\":2}\n{broken\n\xff last";
        let (lines, tail) = read(ProcessLimits::default(), text).await;
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.level, line.message.as_str(), Value::Object(line.fields.clone()).to_string()))
            .collect();
        assert_eq!(
            seen,
            [
                (Level::Info, "plain [secret]", "{}".to_owned()),
                (Level::Error, "no", "{\"n\":1}".to_owned()),
                (Level::Error, "", "{\"x\":2}".to_owned()),
                (Level::Info, "{broken", "{}".to_owned()),
                (Level::Info, "\u{fffd} last", "{}".to_owned()),
            ]
        );
        assert_eq!(
            tail,
            [
                "plain [secret]",
                "{\"level\":\"error\",\"msg\":\"no\",\"n\":1}",
                "{\"level\":50,\"x\":2}",
                "{broken",
                "\u{fffd} last"
            ]
        );
        assert_eq!(
            read(ProcessLimits::default(), b"{\"level\":\"error\",\"message\":\"it\\nfailed\"}").await.1,
            ["it\nfailed"]
        );
        assert_eq!((lines[0].label.as_str(), lines[0].process), ("shop", 7));
    }

    #[tokio::test]
    async fn length_rate_and_tail_are_bounded() {
        let limits = ProcessLimits {
            line_bytes_max: 8,
            lines_per_second_max: 10,
            tail_lines_max: 3,
            ..ProcessLimits::default()
        };
        let mut text = b"0123456789abcdef\n".to_vec();
        for n in 0..100 {
            text.extend_from_slice(format!("{n}\n").as_bytes());
        }
        let (lines, tail) = read(limits, &text).await;
        assert_eq!((lines[0].message.as_str(), lines[0].truncated), ("01234567", true));
        assert_eq!((lines[1].message.as_str(), lines[1].truncated), ("0", false));
        assert_eq!(lines.len(), 11, "ten, and one that tells");
        assert_eq!(lines[10].message, "91 lines were dropped: the process writes too many");
        assert_eq!(tail, ["97", "98", "99"]);
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let mut lines = Lines { held: Vec::new(), truncated: false, line_bytes_max: 4 };
        let mut seen = Vec::new();
        for piece in [b"ab".as_slice(), b"cd", b"ef\ngh", b"\n"] {
            lines.push(piece, |line, truncated| seen.push((String::from_utf8_lossy(line).into_owned(), truncated)));
        }
        assert_eq!(seen, [("abcd".to_owned(), true), ("gh".to_owned(), false)]);
    }
}
