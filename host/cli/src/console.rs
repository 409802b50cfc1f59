//! Where lines of `belljar eval` go, as from a shell: `console.log` and `print` to stdout as they are, `console.warn` and
//! `console.error` to stderr, `sdk.log` to stderr as log lines. Lines are written by a thread of their own, so that a slow reader
//! never holds up the sandbox's deadline; the invocation's log limits bound what can wait.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use belljar::{LogLevel, LogOrigin, LogRecord, LogSink};

/// Lines of `sdk.log` that are shown, and their bytes: they are for people, who do not read more.
const SDK_LINES_MAX: u64 = 1_000;
const SDK_BYTES_MAX: u64 = 192 << 10;

/// Splits lines between stdout and stderr.
pub(crate) struct Console {
    /// `None` after the end.
    sender: Mutex<Option<Sender<Line>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    colour: bool,
    sdk_lines: AtomicU64,
    sdk_bytes: AtomicU64,
    truncated: AtomicBool,
}

/// One piece of output.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Out(String),
    Err(String),
}

impl Console {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(colour: bool) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("belljar-console".to_owned())
            .spawn(move || write_all(&receiver, &mut io::stdout(), &mut io::stderr()))?;
        let console = Self::sending(sender, colour);
        *console.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(console)
    }

    fn sending(sender: Sender<Line>, colour: bool) -> Self {
        Self {
            sender: Mutex::new(Some(sender)),
            thread: Mutex::default(),
            colour,
            sdk_lines: AtomicU64::new(0),
            sdk_bytes: AtomicU64::new(0),
            truncated: AtomicBool::new(false),
        }
    }

    /// Tells what was not shown, and waits until everything is written.
    pub(crate) fn finish(&self) {
        let hidden = self.sdk_lines.load(Ordering::Relaxed).saturating_sub(SDK_LINES_MAX);
        if hidden > 0 || self.sdk_bytes.load(Ordering::Relaxed) > SDK_BYTES_MAX {
            self.send(Line::Err("belljar: not all lines of sdk.log are shown (--json has all)\n".into()));
        }
        if self.truncated.load(Ordering::Relaxed) {
            self.send(Line::Err("belljar: long lines were cut (--output-max)\n".into()));
        }
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A thread that panicked has lost its lines; there is nobody left to tell.
            let _ = thread.join();
        }
    }

    fn send(&self, line: Line) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread ends only after the sender.
            let _ = sender.send(line);
        }
    }
}

impl LogSink for Console {
    fn write(&self, record: &LogRecord) {
        if record.truncated {
            self.truncated.store(true, Ordering::Relaxed);
        }
        match (record.origin, record.level) {
            (LogOrigin::Console, LogLevel::Debug | LogLevel::Info) | (LogOrigin::Stdout, _) => {
                self.send(Line::Out(format!("{}\n", record.message)))
            }
            (LogOrigin::Console, LogLevel::Warn | LogLevel::Error) | (LogOrigin::Stderr, _) => {
                self.send(Line::Err(format!("{}\n", record.message)))
            }
            (LogOrigin::Host, _) => self.send(Line::Err(format!("belljar: {} (--output-max)\n", record.message))),
            (LogOrigin::Sdk, _) => {
                let line = format!("{}\n", record.to_terminal_line(self.colour));
                let bytes = self.sdk_bytes.fetch_add(line.len() as u64, Ordering::Relaxed) + line.len() as u64;
                let lines = self.sdk_lines.fetch_add(1, Ordering::Relaxed) + 1;
                if lines <= SDK_LINES_MAX && bytes <= SDK_BYTES_MAX {
                    self.send(Line::Err(line));
                }
            }
        }
    }
}

/// Writes until the other side ends. A stream that fails is given up; the other goes on.
fn write_all(lines: &Receiver<Line>, out: &mut dyn Write, err: &mut dyn Write) {
    let (mut out_broken, mut err_broken) = (false, false);
    let mut buffer = Vec::new();
    while let Ok(first) = lines.recv() {
        // What has come meanwhile goes with it, in one write per turn of stream.
        let mut next = Some(first);
        while let Some(line) = next {
            let to_out = matches!(line, Line::Out(_));
            let (Line::Out(text) | Line::Err(text)) = line;
            buffer.extend_from_slice(text.as_bytes());
            next = lines.try_recv().ok();
            let goes_on = next.as_ref().is_some_and(|next| matches!(next, Line::Out(_)) == to_out);
            if goes_on && buffer.len() < 1 << 20 {
                continue;
            }
            if to_out {
                put(out, &mut out_broken, &buffer);
            } else {
                put(err, &mut err_broken, &buffer);
            }
            buffer.clear();
        }
    }
}

fn put(stream: &mut dyn Write, broken: &mut bool, bytes: &[u8]) {
    *broken = *broken || stream.write_all(bytes).and_then(|()| stream.flush()).is_err();
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_stream_gets_its_lines_in_order() {
        let (sender, receiver) = channel();
        for (n, out) in [true, true, false, true].into_iter().enumerate() {
            sender
                .send(if out { Line::Out(format!("{n}\n")) } else { Line::Err(format!("{n}\n")) })
                .expect("the receiver lives");
        }
        drop(sender);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        write_all(&receiver, &mut out, &mut err);
        assert_eq!((out.as_slice(), err.as_slice()), (&b"0\n1\n3\n"[..], &b"2\n"[..]));
    }

    #[test]
    fn a_closed_pipe_ends_only_its_own_stream() {
        let (sender, receiver) = channel();
        for line in [Line::Out("a".into()), Line::Err("b".into()), Line::Out("c".into())] {
            sender.send(line).expect("the receiver lives");
        }
        drop(sender);
        let mut err = Vec::new();
        write_all(&receiver, &mut Broken, &mut err);
        assert_eq!(err, b"b");
    }
}
