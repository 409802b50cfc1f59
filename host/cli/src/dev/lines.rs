//! What `belljar dev` tells: what it serves, each request, each log line of the applet, each build. For people on stderr, or as JSON on stdout, one
//! object a line.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use belljar::{LogFormat, LogRecord, LogSink, WriterSink};
use belljar_build::Problem;
use belljar_server::record::{Ended, InvocationRecord, Recorder};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::present::grouped;
use crate::problems;
use crate::terminal::{self, Paint, one_line};

/// Tells.
pub(super) struct Lines {
    is_json: bool,
    paint: Paint,
    log: WriterSink,
}

impl Lines {
    pub(super) fn new(is_json: bool) -> Result<Self, Failure> {
        let paint = terminal::stderr_paint();
        let log = if is_json {
            WriterSink::new(LogFormat::Json, io::stdout())
        } else {
            WriterSink::new(LogFormat::Terminal { colour: paint.on }, io::stderr())
        };
        Ok(Self { is_json, paint, log: log.context("lines cannot be written")? })
    }

    /// It is there.
    pub(super) fn serving(&self, at: SocketAddr, folder: &Path) {
        let url = format!("http://localhost:{}/", at.port());
        self.tell(json!({ "event": "serving", "url": url, "folder": folder.display().to_string() }), || {
            format!("serving {} on {}; Ctrl-C ends it", folder.display(), self.paint.bold(&url))
        });
    }

    /// What was saved is served.
    pub(super) fn swapped(
        &self,
        applet: &str,
        version: &str,
        release: u64,
        ms: u128,
        notices: &[Problem],
        applied: &[String],
    ) {
        if !self.is_json {
            problems::show(notices);
        }
        let notices: Vec<Value> = notices.iter().map(Problem::to_json).collect();
        let object = json!({
            "event": "swapped", "applet": applet, "version": version, "release": release, "ms": ms, "migrations": applied, "notices": notices
        });
        self.tell(object, || {
            let applied = if applied.is_empty() {
                String::new()
            } else {
                format!(", migrations applied: {}", applied.join(", "))
            };
            self.paint.hint(&format!("{applet} {version} is served, after {ms} ms{applied}"))
        });
    }

    /// It cannot be built; what was served goes on.
    pub(super) fn unbuilt(&self, problems: &[Problem], message: &str, goes_on: bool) {
        if !self.is_json {
            problems::show(problems);
        }
        let told: Vec<Value> = problems.iter().map(Problem::to_json).collect();
        self.tell(json!({ "event": "failed", "message": message, "problems": told }), || {
            self.failure(message, goes_on)
        });
    }

    /// It was built and cannot be served; what was served goes on.
    pub(super) fn unserved(&self, message: &str, shown: &str, goes_on: bool) {
        self.tell(json!({ "event": "failed", "message": message, "problems": [] }), || {
            let shown = if shown.is_empty() { String::new() } else { format!("{}\n", shown.trim_end()) };
            format!("{shown}{}", self.failure(message, goes_on))
        });
    }

    /// A call was recorded.
    pub(super) fn recorded(&self, invocation: &str, file: &Path) {
        let path = file.display().to_string();
        self.tell(json!({ "event": "recorded", "invocation": invocation, "file": path }), || {
            self.paint.hint(&format!("recorded; `belljar replay {}` runs it again", quoted(&one_line(&path))))
        });
    }

    /// A call that was to be recorded was not, or not whole.
    pub(super) fn unrecorded(&self, invocation: &str, why: &str) {
        self.tell(json!({ "event": "unrecorded", "invocation": invocation, "message": why }), || {
            format!("{}: the recording of {}: {}", self.paint.error("error"), one_line(invocation), one_line(why))
        });
    }

    /// Waits until everything is written.
    pub(super) fn flush(&self) {
        self.log.flush();
    }

    fn failure(&self, message: &str, goes_on: bool) -> String {
        let old = if goes_on { "the version before is still served" } else { "nothing is served yet" };
        format!("{}: {}; {old}", self.paint.error("error"), one_line(message))
    }

    fn tell(&self, object: Value, words: impl FnOnce() -> String) {
        if self.is_json {
            // A reader that has gone away is no reason to end.
            let _ = terminal::stdout(format!("{}\n", terminal::json(&object.to_string())).as_bytes());
        } else {
            terminal::stderr(&format!("{}\n", words()));
        }
    }
}

impl LogSink for Lines {
    fn write(&self, record: &LogRecord) {
        self.log.write(record);
    }
}

impl Recorder for Lines {
    fn record(&self, record: InvocationRecord) {
        let (how, is_good) = match &record.ended {
            Ended::Answered { status: Some(status) } => (status.to_string(), *status < 500),
            Ended::Answered { status: None } => ("done".to_owned(), true),
            // Of a fault the message begins with its code.
            Ended::Faulted { code, message } if message.starts_with(code.as_str()) => (message.clone(), false),
            Ended::Faulted { code, message } => (format!("{code}: {message}"), false),
            Ended::Refused { why } => (format!("refused: {why}"), false),
        };
        let object = json!({
            "event": "request", "invocation": record.id, "handler": record.handler, "trigger": record.trigger, "how": how,
            "ms": record.total_us as f64 / 1_000.0, "fuel": record.usage.fuel
        });
        self.tell(object, || {
            let how = if is_good { self.paint.bold(&one_line(&how)) } else { self.paint.error(&one_line(&how)) };
            let (ms, fuel) = (record.total_us as f64 / 1_000.0, grouped(record.usage.fuel));
            format!(
                "{} {} {how} {}",
                record.trigger,
                one_line(&record.handler),
                self.paint.dim(&format!("{ms:.2} ms, {fuel} fuel"))
            )
        });
    }
}

/// As a word of a shell's.
fn quoted(path: &str) -> Cow<'_, str> {
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || "/\\:._-".contains(c));
    if is_plain { path.into() } else { format!("'{}'", path.replace('\'', "'\\''")).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        let check = |path: &str, expected: &str| assert_eq!(quoted(path), expected);
        check("/a/b-c_1/inv_2.recording", "/a/b-c_1/inv_2.recording");
        check("/my applets/é.recording", "'/my applets/é.recording'");
        check("it's $HOME", "'it'\\''s $HOME'");
    }
}
