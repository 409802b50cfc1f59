//! One log line as data, and its two written forms: JSON for machines, text for terminals. Neither lets the applet's part of a
//! line end the line, start another, move the cursor or turn the reading direction.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use serde_json::{Map, Value};

use crate::floor::ids::{AppletId, InvocationId, TenantId};

/// Who logs, as the host knows it. The applet has no part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogContext {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// The applet's version.
    pub version: String,
    /// The handler that runs.
    pub handler: String,
    /// The invocation.
    pub invocation: InvocationId,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogOrigin {
    /// `console.*`.
    Console,
    /// `sdk.log.*`.
    Sdk,
    /// The standard output of a component.
    Stdout,
    /// The standard error of a component.
    Stderr,
    /// The host itself: how many lines were dropped.
    Host,
}

/// One log line.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// Unix time in microseconds.
    pub time_us: u64,
    /// Who logs.
    pub context: Arc<LogContext>,
    /// Where the line comes from.
    pub origin: LogOrigin,
    /// How much it matters.
    pub level: LogLevel,
    /// The applet's text, as it wrote it: it may hold anything.
    pub message: String,
    /// The applet's fields, as it wrote them.
    pub fields: Map<String, Value>,
    /// Whether something was cut off to keep to the line's limit.
    pub truncated: bool,
}

impl LogLevel {
    /// The level as text, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl LogOrigin {
    /// The origin as text, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Sdk => "sdk",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Host => "host",
        }
    }
}

impl Serialize for LogRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let context = &*self.context;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time_us", &self.time_us)?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("tenant", context.tenant.as_str())?;
        map.serialize_entry("applet", context.applet.as_str())?;
        map.serialize_entry("version", &context.version)?;
        map.serialize_entry("handler", &context.handler)?;
        map.serialize_entry("invocation", context.invocation.as_str())?;
        map.serialize_entry("origin", self.origin.as_str())?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("fields", &self.fields)?;
        map.serialize_entry("truncated", &self.truncated)?;
        map.end()
    }
}

impl LogRecord {
    /// The record as one line of JSON, without the line end. All that could disturb a terminal or a line reader is escaped, so
    /// that the bytes are safe to show as they are.
    pub fn to_json_line(&self) -> String {
        to_json(self)
    }

    /// The record as one line for people, without the line end: time (UTC), level, applet, handler and invocation, then the
    /// applet's own part, escaped. `colour` marks the level with ANSI sequences.
    pub fn to_terminal_line(&self, colour: bool) -> String {
        let (on, off) = match (colour, self.level) {
            (false, _) => ("", ""),
            (true, LogLevel::Debug) => ("\u{1b}[2m", "\u{1b}[0m"),
            (true, LogLevel::Info) => ("\u{1b}[32m", "\u{1b}[0m"),
            (true, LogLevel::Warn) => ("\u{1b}[33m", "\u{1b}[0m"),
            (true, LogLevel::Error) => ("\u{1b}[31m", "\u{1b}[0m"),
        };
        let LogContext { tenant, applet, version, handler, invocation } = &*self.context;
        let mut line = format!("{} {on}{:<5}{off} {tenant}/{applet}@", utc(self.time_us), self.level.as_str());
        escape_into(&mut line, version);
        line.push(' ');
        escape_into(&mut line, handler);
        // Writing to a string cannot fail.
        let _ = write!(line, " {invocation} {}: ", self.origin.as_str());
        escape_into(&mut line, &self.message);
        for (name, value) in &self.fields {
            line.push(' ');
            escape_into(&mut line, name);
            line.push('=');
            line.push_str(&to_json(value));
        }
        if self.truncated {
            line.push_str(" (truncated)");
        }
        line
    }
}

/// Whether a character, shown as it is, could forge a line: controls (C0, DEL, C1), line and paragraph separators, and
/// everything that turns the reading direction.
fn forges(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn escape_into(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if forges(c) => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
}

fn to_json(value: &impl Serialize) -> String {
    let mut bytes = Vec::with_capacity(256);
    // Neither of the two can fail: keys are strings, and the writer is memory. An empty line would still be no lie.
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Inert(CompactFormatter)));
    written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// serde_json's own format, with everything escaped that [`forges`] a line. JSON itself allows most of it unescaped.
struct Inert(CompactFormatter);

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(forges) {
            self.0.write_string_fragment(writer, &rest[..at])?;
            let mut after = rest[at..].chars();
            // All of them are in the basic plane: one escape each.
            let code = after.next().map_or(0xfffd, u32::from);
            write!(writer, "\\u{code:04x}")?;
            rest = after.as_str();
        }
        self.0.write_string_fragment(writer, rest)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(writer, escape)
    }
}

/// Unix time as RFC 3339 in UTC, to the microsecond.
fn utc(time_us: u64) -> String {
    let (seconds, us) = (time_us / 1_000_000, time_us % 1_000_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // The Gregorian calendar in eras of 400 years, each year beginning in March (so that the leap day comes last).
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}Z")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn context() -> Arc<LogContext> {
        Arc::new(LogContext {
            tenant: TenantId::new("acme").expect("valid"),
            applet: AppletId::new("hook").expect("valid"),
            version: "1.2.3".to_owned(),
            handler: "main".to_owned(),
            invocation: InvocationId::new([7; 16]),
        })
    }

    fn record(message: &str, fields: Value) -> LogRecord {
        let Value::Object(fields) = fields else { panic!("fields are an object") };
        let (origin, level) = (LogOrigin::Console, LogLevel::Info);
        LogRecord {
            time_us: 1_700_000_000_000_001,
            context: context(),
            origin,
            level,
            message: message.to_owned(),
            fields,
            truncated: false,
        }
    }

    /// Everything that must not reach a reader as it is.
    const FORGERIES: &str = "a\r\n{\"tenant\":\"evil\"}\u{1b}[2K\u{1b}[1A\u{8}\u{0}\u{7f}\u{85}\u{9b}31m\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{200f}\u{61c}\u{feff}";

    fn check_inert(line: &str) {
        assert!(!line.chars().any(forges), "{line:?}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_json_line_is_one_line_and_reads_back_exactly() {
        let record = record(FORGERIES, serde_json::json!({ FORGERIES: [FORGERIES, 1, null], "tenant": "evil" }));
        let line = record.to_json_line();
        check_inert(&line);
        let back: Value = serde_json::from_str(&line).expect("valid JSON");
        assert_eq!((&back["message"], &back["tenant"]), (&Value::from(FORGERIES), &Value::from("acme")));
        assert_eq!(back["fields"], Value::Object(record.fields.clone()));
        assert_eq!(back["invocation"], "inv_07070707070707070707070707070707");
    }

    #[test]
    fn a_terminal_line_is_one_line_and_starts_with_the_hosts_part() {
        let record = record(FORGERIES, serde_json::json!({ FORGERIES: FORGERIES }));
        let line = record.to_terminal_line(false);
        check_inert(&line);
        let start = "2023-11-14T22:13:20.000001Z info  acme/hook@1.2.3 main inv_07070707070707070707070707070707 console: a\\r\\n{";
        assert!(line.starts_with(start), "{line}");
        let coloured = record.to_terminal_line(true);
        assert_eq!(coloured.matches('\u{1b}').count(), 2);
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let line = record("größe 日本 🎉", serde_json::json!({ "n": 1.5, "o": { "k": "v" } })).to_terminal_line(false);
        assert!(line.ends_with("console: größe 日本 🎉 n=1.5 o={\"k\":\"v\"}"), "{line}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_forges_a_line(message: String, name: String, value: String) {
            let record = record(&message, serde_json::json!({ name: value }));
            proptest::prop_assert!(!record.to_terminal_line(false).chars().any(forges));
            let json = record.to_json_line();
            proptest::prop_assert!(!json.chars().any(forges));
            let back: Value = serde_json::from_str(&json).expect("valid JSON");
            proptest::prop_assert_eq!(&back["message"], &Value::from(message));
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        for (time_us, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (951_868_799_999_999, "2000-02-29T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(utc(time_us), expected);
        }
    }
}
