//! Rows as they are read, and as the admin API shows them.

use serde::Serialize;
use serde_json::Value;

/// Some rows, and where the others begin.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// Newest first, unless they were asked for from a point on.
    pub items: Vec<T>,
    /// For the next page, as `before` (or `after`); missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct InvocationRow {
    /// Orders rows: the time of its end, Unix microseconds, made unique.
    pub seq: u64,
    /// The invocation's id; missing for a call that was refused before it had one.
    pub id: Option<String>,
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// Number of the release that ran.
    pub release: u64,
    /// The applet's version.
    pub version: String,
    /// The handler.
    pub handler: String,
    /// What caused it: `http`, `event`, `schedule`, `job`, `one-off`, `lifecycle`, `health`.
    pub trigger: String,
    /// On whose behalf.
    pub user: Option<String>,
    /// When it was asked for, Unix time in microseconds.
    pub begun_us: u64,
    /// From asking to its turn, microseconds.
    pub queued_us: u64,
    /// From asking to its end, microseconds.
    pub total_us: u64,
    /// `answered`, `faulted` or `refused`.
    pub ended: String,
    /// Status of the HTTP response, if it was one.
    pub http_status: Option<u16>,
    /// Code of the fault, or why it was refused.
    pub code: Option<String>,
    /// What the fault says.
    pub message: Option<String>,
    /// What it used.
    #[schema(value_type = Object)]
    pub usage: Value,
    /// Whether a recording of it is kept.
    pub recorded: bool,
}

/// A log line of an applet.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LogRow {
    /// Orders rows.
    pub seq: u64,
    /// When it was written, Unix time in microseconds.
    pub time_us: u64,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// The applet's version.
    pub version: String,
    /// The handler.
    pub handler: String,
    /// The invocation.
    pub invocation: Option<String>,
    /// `console`, `sdk`, or `host` for lines of the host's own.
    pub origin: String,
    /// The applet's text.
    pub message: String,
    /// The applet's fields.
    #[schema(value_type = Object)]
    pub fields: Value,
    /// Whether something was cut off.
    pub truncated: bool,
}

/// One use of a capability.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AuditRow {
    /// Orders rows.
    pub seq: u64,
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// The applet's version.
    pub version: String,
    /// The handler.
    pub handler: String,
    /// The invocation.
    pub invocation: Option<String>,
    /// As in the manifest's `permissions`: `db`, `http`, `kv`, `secrets`, …
    pub capability: String,
    /// For example `query`, `send`, `get`.
    pub operation: String,
    /// On what: a host, a key, a name, never a value.
    pub target: String,
    /// `done`, `denied` or `failed`.
    pub ended: String,
    /// When it was asked for, Unix time in microseconds.
    pub begun_us: u64,
    /// From asking to its end, microseconds.
    pub wall_us: u64,
}

/// What one applet of one tenant used in a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UsageRow {
    /// The day (UTC), `2026-01-31`.
    pub day: String,
    /// The tenant.
    pub tenant: String,
    /// The applet.
    pub applet: String,
    /// Calls that ran.
    pub invocations: u64,
    /// Those of them that ended in a fault.
    pub faulted: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Fuel.
    pub fuel: u64,
    /// Wall clock, microseconds.
    pub wall_us: u64,
    /// Operations handed to the host.
    pub operations: u64,
    /// Statements of databases.
    pub db_statements: u64,
    /// Rows handed to applets.
    pub db_rows: u64,
    /// Outgoing requests.
    pub http_requests: u64,
    /// Body bytes sent by outgoing http.
    pub egress_bytes: u64,
    /// Body bytes received by outgoing http.
    pub ingress_bytes: u64,
    /// Log lines kept.
    pub log_lines: u64,
    /// Log bytes kept.
    pub log_bytes: u64,
    /// Log lines dropped: over a limit of the invocation, or over the tenant's daily quota.
    pub log_lines_dropped: u64,
}

/// An invocation's id as 16 bytes; `None` for what is none.
pub(super) fn id_bytes(id: &str) -> Option<[u8; 16]> {
    let digits = id.strip_prefix("inv_").filter(|digits| digits.len() == 32)?;
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

/// The id of these bytes.
pub(super) fn id_text(bytes: [u8; 16]) -> String {
    format!("inv_{:032x}", u128::from_be_bytes(bytes))
}

/// The day with this number since 1970-01-01.
pub(super) fn day_text(day: i64) -> String {
    jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(day).unwrap_or_default())
        .map_or_else(|_| day.to_string(), |date| date.to_string())
}

/// The number of a day `2026-01-31`.
pub(super) fn day_number(text: &str) -> Option<i64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let since = jiff::civil::date(1970, 1, 1).until(date).ok()?;
    Some(i64::from(since.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_days_go_both_ways() {
        let id = "inv_00000000000000000000000000abcdef";
        assert_eq!(id_bytes(id).map(id_text).as_deref(), Some(id));
        for wrong in ["", "inv_1", "inv_0000000000000000000000000000000g", "00000000000000000000000000000000"] {
            assert_eq!(id_bytes(wrong), None, "{wrong:?}");
        }
        for (day, text) in [(0, "1970-01-01"), (59, "1970-03-01"), (20_454, "2026-01-01")] {
            assert_eq!((day_text(day).as_str(), day_number(text)), (text, Some(day)));
        }
        assert_eq!(day_number("2026-02-30"), None);
    }
}
