//! What a component writes to its standard output and error, as lines for the log. They wait here until the log is at hand, no more of them
//! than it would keep; the rest is counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::capability::log::LogOrigin;
use crate::floor::limits::Limits;

/// Bytes of one write.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// Bytes after which whoever writes gives others a chance.
const TURN_BYTES: usize = 256 << 10;

/// One of the two outputs of an invocation. Clones are the same.
#[derive(Clone)]
pub(super) struct Output {
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    /// The line that has not ended; the part of it that is kept.
    partial: Vec<u8>,
    /// Whether there is such a line, kept or not.
    has_partial: bool,
    whole: Vec<String>,
    bytes: u64,
    dropped: u64,
    line_bytes_max: usize,
    lines_max: usize,
    bytes_max: u64,
    /// Written since others had a chance.
    turn_bytes: usize,
}

impl Output {
    pub(super) fn new(limits: &Limits) -> Self {
        let lines = Lines {
            partial: Vec::new(),
            has_partial: false,
            whole: Vec::new(),
            bytes: 0,
            dropped: 0,
            // One more, so that the log can tell that it was cut.
            line_bytes_max: usize::try_from(limits.log_line_bytes_max).unwrap_or(usize::MAX).saturating_add(1),
            lines_max: limits.log_lines_max as usize + 1,
            bytes_max: limits.log_bytes_max,
            turn_bytes: 0,
        };
        Self { lines: Arc::new(Mutex::new(lines)) }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that are whole, and how many more there were. With `end` what has no line end is a line, too.
    pub(super) fn take(&self, end: bool) -> (Vec<String>, u64) {
        let mut lines = self.lines();
        if end && lines.has_partial {
            lines.end_line();
        }
        lines.bytes = 0;
        (std::mem::take(&mut lines.whole), std::mem::take(&mut lines.dropped))
    }
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        self.turn_bytes += bytes.len();
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.extend(&rest[..at]);
            self.end_line();
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            self.extend(rest);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.has_partial = true;
        let room = self.line_bytes_max.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        self.has_partial = false;
        // The line that reaches the log's cap is handed over as well: it is the log that says so.
        if self.dropped > 0 || self.whole.len() >= self.lines_max || self.bytes > self.bytes_max {
            self.dropped += 1;
            return;
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.bytes += line.len() as u64;
        self.whole.push(String::from_utf8_lossy(&line).into_owned());
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // For WASI 0.3, which is not linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        if self.lines().turn_bytes >= TURN_BYTES {
            tokio::task::yield_now().await;
            self.lines().turn_bytes = 0;
        }
    }
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lines().write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.lines().turn_bytes >= TURN_BYTES { 0 } else { WRITE_BYTES_MAX })
    }
}

/// The two outputs.
pub(super) struct Outputs {
    pub(super) out: Output,
    pub(super) err: Output,
}

impl Outputs {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { out: Output::new(limits), err: Output::new(limits) }
    }

    pub(super) fn each(&self) -> [(LogOrigin, Output); 2] {
        [(LogOrigin::Stdout, self.out.clone()), (LogOrigin::Stderr, self.err.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(lines_max: u32, bytes_max: u64, line_bytes_max: u64) -> Output {
        Output::new(&Limits {
            log_lines_max: lines_max,
            log_bytes_max: bytes_max,
            log_line_bytes_max: line_bytes_max,
            ..Limits::default()
        })
    }

    fn write(output: &mut Output, text: &str) {
        output.write(Bytes::copy_from_slice(text.as_bytes())).expect("it takes all");
    }

    #[test]
    fn lines_end_where_they_end() {
        let mut output = output(10, 1_000, 100);
        write(&mut output, "one\ntw");
        assert_eq!(output.take(false), (vec!["one".into()], 0));
        write(&mut output, "o\r\n\nthree");
        assert_eq!(output.take(false), (vec!["two".into(), String::new()], 0));
        assert_eq!(output.take(true), (vec!["three".into()], 0));
        assert_eq!(output.take(true), (vec![], 0));
    }

    #[test]
    fn what_the_log_would_not_keep_is_counted_and_takes_no_room() {
        let mut output = output(2, 1_000, 4);
        write(&mut output, "123456789\n");
        write(&mut output, &"a\n".repeat(9));
        let (lines, dropped) = output.take(false);
        assert_eq!((lines.len(), lines[0].as_str(), dropped), (3, "12345", 7));
        write(&mut output, &"x".repeat(1 << 20));
        assert!(output.lines().partial.capacity() < 100);
    }

    #[tokio::test]
    async fn whoever_writes_much_lets_others_go_first() {
        let mut output = output(2, 1_000, 4);
        for _ in 0..4 {
            write(&mut output, &"x".repeat(WRITE_BYTES_MAX));
        }
        assert_eq!(output.check_write().expect("it is open"), 0);
        output.ready().await;
        assert_eq!(output.check_write().expect("it is open"), WRITE_BYTES_MAX);
    }
}
