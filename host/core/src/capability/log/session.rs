//! One invocation's log: its caps, and the line that tells what they cost.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::record::{LogContext, LogLevel, LogOrigin, LogRecord};
use super::sink::LogSink;
use crate::floor::clock::Source;
use crate::floor::limits::{LimitHit, Limits};
use crate::floor::usage::LogUsage;

/// Bytes a field costs besides its name and value: JSON's quotes, colon and comma. So a line has a bounded number of fields.
const FIELD_BYTES: u64 = 4;

/// The log of one invocation.
///
/// Lines are kept until a cap is reached; that line and all after it are dropped and counted, so that what is kept is always
/// a complete beginning. When the session ends (by [`finish`](Self::finish), or by being dropped, whatever became of the
/// instance), a last line of the host's own says how many were dropped. It counts towards nothing.
pub struct LogSession {
    context: Arc<LogContext>,
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Source>,
    lines_max: u32,
    bytes_max: u64,
    line_bytes_max: u64,
    usage: LogUsage,
    /// The cap that was reached.
    reached: Option<LimitHit>,
    finished: bool,
}

impl LogSession {
    /// Opens the log of one invocation, within `log_lines_max`, `log_bytes_max` and `log_line_bytes_max` of `limits`.
    pub fn new(context: LogContext, sink: Arc<dyn LogSink>, clock: Arc<dyn Source>, limits: &Limits) -> Self {
        Self {
            context: Arc::new(context),
            sink,
            clock,
            lines_max: limits.log_lines_max,
            bytes_max: limits.log_bytes_max,
            line_bytes_max: limits.log_line_bytes_max,
            usage: LogUsage::default(),
            reached: None,
            finished: false,
        }
    }

    /// Takes one line. `fields` are names and JSON texts; what is no JSON is kept as a string. Of a name that comes twice the
    /// last value counts, as in JavaScript.
    ///
    /// A line costs the bytes of its message, and of each field name and JSON text, and 4 for each field. A message that is too
    /// long is cut; fields that do not fit are left out; the record is then marked as truncated.
    pub fn write(&mut self, origin: LogOrigin, level: LogLevel, mut message: String, fields: Vec<(String, String)>) {
        if self.finished || self.reached.is_some() {
            self.usage.lines_dropped += 1;
            return;
        }
        let mut truncated = false;
        let line_bytes_max = usize::try_from(self.line_bytes_max).unwrap_or(usize::MAX);
        if message.len() > line_bytes_max {
            message.truncate(message.floor_char_boundary(line_bytes_max));
            truncated = true;
        }
        let mut bytes = message.len() as u64;
        let mut kept = Map::new();
        for (name, json) in fields {
            let cost = name.len() as u64 + json.len() as u64 + FIELD_BYTES;
            if bytes + cost > self.line_bytes_max {
                truncated = true;
                continue;
            }
            bytes += cost;
            let value = serde_json::from_str(&json).unwrap_or(Value::String(json));
            kept.insert(name, value);
        }
        let (lines, total) = (self.usage.lines + 1, self.usage.bytes + bytes);
        if lines > u64::from(self.lines_max) {
            return self.drop_first(LimitHit {
                name: "log_lines_max",
                allowed: u64::from(self.lines_max),
                used: lines,
            });
        }
        if total > self.bytes_max {
            return self.drop_first(LimitHit { name: "log_bytes_max", allowed: self.bytes_max, used: total });
        }
        (self.usage.lines, self.usage.bytes) = (lines, total);
        self.emit(origin, level, message, kept, truncated);
    }

    /// Counts lines that whoever made them did not keep, because a cap is reached.
    pub(crate) fn drop_lines(&mut self, lines: u64) {
        self.usage.lines_dropped += lines;
    }

    /// What was used so far.
    pub fn usage(&self) -> LogUsage {
        self.usage.clone()
    }

    /// Ends the log: tells how many lines were dropped, if any were. What is written afterwards is dropped and counted.
    pub fn finish(&mut self) -> LogUsage {
        if !std::mem::replace(&mut self.finished, true)
            && let Some(hit) = self.reached.clone()
        {
            let dropped = self.usage.lines_dropped;
            let lines = if dropped == 1 { "line was" } else { "lines were" };
            let message = format!("{dropped} log {lines} dropped: {} of {} reached", hit.name, hit.allowed);
            let fields = [
                ("lines_dropped", Value::from(dropped)),
                ("limit", Value::from(hit.name)),
                ("allowed", Value::from(hit.allowed)),
            ];
            let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            self.emit(LogOrigin::Host, LogLevel::Warn, message, fields, false);
        }
        self.usage()
    }

    fn drop_first(&mut self, hit: LimitHit) {
        self.usage.lines_dropped += 1;
        self.reached = Some(hit);
    }

    fn emit(&self, origin: LogOrigin, level: LogLevel, message: String, fields: Map<String, Value>, truncated: bool) {
        let (time_us, context) = (self.clock.now_us(), self.context.clone());
        self.sink.write(&LogRecord { time_us, context, origin, level, message, fields, truncated });
    }
}

impl Drop for LogSession {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::context;
    use super::super::sink::MemorySink;
    use super::*;
    use crate::floor::clock::Seeded;

    fn session(lines: u32, bytes: u64, line: u64) -> (LogSession, MemorySink) {
        let sink = MemorySink::new(1_000);
        let limits =
            Limits { log_lines_max: lines, log_bytes_max: bytes, log_line_bytes_max: line, ..Limits::default() };
        let clock = Arc::new(Seeded::new(77, 1));
        (LogSession::new((*context()).clone(), Arc::new(sink.clone()), clock, &limits), sink)
    }

    fn say(session: &mut LogSession, message: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|&(name, json)| (name.to_owned(), json.to_owned())).collect();
        session.write(LogOrigin::Sdk, LogLevel::Info, message.to_owned(), fields);
    }

    #[test]
    fn a_record_carries_the_hosts_facts_and_the_applets_words() {
        let (mut session, sink) = session(10, 1_000, 1_000);
        say(
            &mut session,
            "hello",
            &[("n", "1"), ("s", "\"x\""), ("o", "{\"a\":[true]}"), ("bad", "{oops"), ("tenant", "\"evil\"")],
        );
        let records = sink.take();
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((record.time_us, record.context.tenant.as_str(), record.truncated), (77, "acme", false));
        let expected = serde_json::json!({ "n": 1, "s": "x", "o": { "a": [true] }, "bad": "{oops", "tenant": "evil" });
        assert_eq!(Value::Object(record.fields.clone()), expected);
        assert_eq!(session.finish(), LogUsage { lines: 1, bytes: 64, lines_dropped: 0 });
        assert!(sink.take().is_empty());
    }

    #[test]
    fn what_comes_after_a_cap_is_counted_and_told_once() {
        for (lines, bytes, name, allowed) in [(3, 1_000, "log_lines_max", 3), (100, 8, "log_bytes_max", 8)] {
            let (mut session, sink) = session(lines, bytes, 1_000);
            for message in ["aa", "bb", "cc", "dddd", "e"] {
                say(&mut session, message, &[]);
            }
            assert_eq!(session.usage(), LogUsage { lines: 3, bytes: 6, lines_dropped: 2 }, "{name}");
            session.finish();
            drop(session);
            let records = sink.take();
            assert_eq!(records.len(), 4, "{name}");
            let last = &records[3];
            assert_eq!((last.origin, last.level), (LogOrigin::Host, LogLevel::Warn));
            assert_eq!(last.message, format!("2 log lines were dropped: {name} of {allowed} reached"));
            assert_eq!(last.fields["lines_dropped"], 2);
        }
    }

    #[test]
    fn a_session_that_is_only_dropped_tells_too() {
        let (mut session, sink) = session(0, 1_000, 1_000);
        say(&mut session, "x", &[]);
        drop(session);
        assert_eq!(sink.take()[0].message, "1 log line was dropped: log_lines_max of 0 reached");
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let (mut session, sink) = session(10, 1_000, 7);
        say(&mut session, "ääää", &[("a", "1")]);
        say(&mut session, "", &[("a", "1"), ("b", "2")]);
        say(&mut session, "1234567", &[]);
        let records = sink.take();
        assert_eq!((records[0].message.as_str(), records[0].truncated, records[0].fields.len()), ("äää", true, 0));
        assert_eq!((records[1].fields.len(), records[1].truncated), (1, true));
        assert_eq!((records[2].message.as_str(), records[2].truncated), ("1234567", false));
        assert_eq!(session.usage().bytes, 6 + 6 + 7);
    }

    #[test]
    fn deep_json_is_kept_as_text() {
        let (mut session, sink) = session(10, 100_000, 100_000);
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        say(&mut session, "", &[("deep", &deep)]);
        assert_eq!(sink.take()[0].fields["deep"], Value::String(deep));
    }
}
