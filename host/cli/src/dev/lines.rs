//! What `belljar dev` tells: what it serves, each request, each log line of the applet, each build. For people on stderr, or as JSON on stdout, one
//! object a line.

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
