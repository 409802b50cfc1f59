//! Reading the history: by tenant, applet, time and the like, page by page. Each answer has a bound in rows and in time. All of it
//! blocks.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use belljar::TenantId;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row};
use serde::Deserialize;

use super::rows::{AuditRow, InvocationRow, LogRow, Page, UsageRow, day_number, day_text, id_bytes, id_text};
use super::{History, schema};

/// Rows of one page.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Rows of one page, unless it is said.
const PAGE_ROWS: u32 = 100;
/// Time that one query may take.
const QUERY_MS_MAX: u64 = 5_000;
/// Connections kept for the next query.
const CONNECTIONS_KEPT: usize = 4;
/// Rows of usage in one answer.
const USAGE_ROWS_MAX: u32 = 100_000;
/// Applets of a tenant that are looked through one by one; with more, all rows are.
const APPLETS_MERGED_MAX: usize = 64;

/// Which rows of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::IntoParams, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Selection {
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// Of this applet only.
    pub applet: Option<String>,
    /// From this time on, Unix microseconds.
    pub since_us: Option<u64>,
    /// Before this time, Unix microseconds.
    pub until_us: Option<u64>,
    /// Rows older than this `seq`: `next` of the page before.
    pub before: Option<u64>,
    /// Rows newer than this `seq`, oldest first.
    pub after: Option<u64>,
    /// Rows of the page, 1 to 1,000; 100 unless it is said.
    pub limit: Option<u32>,
}

/// Which invocations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvocationQuery {
    /// Which rows.
    pub selection: Selection,
    /// `answered`, `faulted`, `refused`, or the code of a fault.
    pub ended: Option<String>,
    /// Of this handler only.
    pub handler: Option<String>,
}

/// Which log lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Which rows.
    pub selection: Selection,
    /// At least this level.
    pub level: Option<String>,
    /// Of this invocation only.
    pub invocation: Option<String>,
}

/// Which uses of capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which rows.
    pub selection: Selection,
    /// Of this capability only.
    pub capability: Option<String>,
    /// `done`, `denied` or `failed`.
    pub ended: Option<String>,
}

/// Which days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// Of this applet only.
    pub applet: Option<String>,
    /// First day (UTC), `2026-01-31`; 30 days ago unless it is said.
    pub from: Option<String>,
    /// Last day (UTC); today unless it is said.
    pub to: Option<String>,
}

/// What a tenant has used on one day, of what has a daily quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDay {
    /// The tenant.
    pub tenant: TenantId,
    /// Body bytes sent by outgoing http.
    pub egress_bytes: u64,
    /// Log bytes kept.
    pub log_bytes: u64,
}

/// A query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It asks for what cannot be.
    #[error("{0}")]
    Invalid(String),
    /// It took too long.
    #[error("the query took longer than {QUERY_MS_MAX} ms: ask for one applet, or for less time")]
    TooLong,
    /// SQLite failed.
    #[error("the history cannot be read")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::TooLong,
            _ => Self::Database(error),
        }
    }
}

/// Connections for reading.
pub(super) struct Readers {
    path: PathBuf,
    kept: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, kept: Mutex::default() }
    }

    fn with<T>(&self, query: impl FnOnce(&Connection) -> Result<T, QueryError>) -> Result<T, QueryError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => schema::open_to_read(&self.path)?,
        };
        let until = Instant::now() + Duration::from_millis(QUERY_MS_MAX);
        connection.progress_handler(10_000, Some(move || Instant::now() > until))?;
        let answer = query(&connection);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.is_ok() && kept.len() < CONNECTIONS_KEPT {
            kept.push(connection);
        }
        answer
    }
}

/// A statement in the making: what has to hold, and with what.
#[derive(Default, Clone)]
struct Where {
    clauses: Vec<&'static str>,
    values: Vec<Sql>,
}

impl Where {
    fn and(&mut self, clause: &'static str, value: impl Into<Sql>) {
        self.clauses.push(clause);
        self.values.push(value.into());
    }
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Selection {
    fn limit(&self) -> Result<usize, QueryError> {
        let limit = self.limit.unwrap_or(PAGE_ROWS);
        match limit {
            1..=PAGE_ROWS_MAX => Ok(limit as usize),
            _ => Err(QueryError::Invalid(format!("limit is {limit}: it goes from 1 to {PAGE_ROWS_MAX}"))),
        }
    }

    fn conditions(&self) -> Where {
        let mut conditions = Where::default();
        let bounds = [
            ("t.seq >= ?", self.since_us),
            ("t.seq < ?", self.until_us),
            ("t.seq < ?", self.before),
            ("t.seq > ?", self.after),
        ];
        for (clause, value) in bounds {
            if let Some(value) = value {
                conditions.and(clause, int(value));
            }
        }
        conditions
    }

    /// The applets meant; `None` for all.
    fn applets(&self, connection: &Connection) -> Result<Option<Vec<i64>>, QueryError> {
        if self.tenant.is_none() && self.applet.is_none() {
            return Ok(None);
        }
        let sql = "SELECT id FROM applets WHERE ifnull(?1, tenant) = tenant AND ifnull(?2, applet) = applet";
        let mut statement = connection.prepare_cached(sql)?;
        let ids = statement.query_map([&self.tenant, &self.applet], |row| row.get(0))?;
        Ok(Some(ids.collect::<Result<_, _>>()?))
    }

    /// The page of `table` (called `t`, its applet `a`) for which `conditions` hold.
    fn page<T>(
        &self,
        connection: &Connection,
        table: &str,
        mut conditions: Where,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        seq: impl Fn(&T) -> u64,
    ) -> Result<Page<T>, QueryError> {
        let limit = self.limit()?;
        let own = self.conditions();
        conditions.clauses.extend(own.clauses);
        conditions.values.extend(own.values);
        let is_upward = self.after.is_some();
        let select = |applets: &str| {
            let mut sql = format!(
                "SELECT a.tenant, a.applet, t.* FROM {table} t JOIN applets a ON a.id = t.applet WHERE {applets}"
            );
            for clause in &conditions.clauses {
                sql.push_str(" AND ");
                sql.push_str(clause);
            }
            // One more than wanted tells whether there are others.
            sql.push_str(&format!(" ORDER BY t.seq {} LIMIT {}", if is_upward { "ASC" } else { "DESC" }, limit + 1));
            sql
        };
        let run = |sql: &str| -> Result<Vec<T>, QueryError> {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(rusqlite::params_from_iter(&conditions.values), &read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        let mut items = match self.applets(connection)? {
            None => run(&select("true"))?,
            // The index by applet gives each one's rows in order.
            Some(applets) if applets.len() <= APPLETS_MERGED_MAX => {
                let mut all = Vec::new();
                for applet in applets {
                    all.extend(run(&select(&format!("t.applet = {applet}")))?);
                }
                all
            }
            Some(applets) => {
                let list: Vec<String> = applets.iter().map(i64::to_string).collect();
                run(&select(&format!("+t.applet IN ({})", list.join(","))))?
            }
        };
        items.sort_by_key(|item| if is_upward { seq(item) } else { u64::MAX - seq(item) });
        let has_more = items.len() > limit;
        items.truncate(limit);
        Ok(Page { next: items.last().filter(|_| has_more).map(seq), items })
    }
}

impl History {
    /// A page of invocations.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn invocations(&self, query: &InvocationQuery) -> Result<Page<InvocationRow>, QueryError> {
        let mut conditions = Where::default();
        match query.ended.as_deref() {
            None => {}
            Some(ended @ ("answered" | "faulted" | "refused")) => conditions.and("t.ended = ?", ended.to_owned()),
            Some(code) => conditions.and("t.code = ?", code.to_owned()),
        }
        if let Some(handler) = &query.handler {
            conditions.and("t.handler = ?", handler.clone());
        }
        self.readers()
            .with(|connection| query.selection.page(connection, "invocations", conditions, invocation, |row| row.seq))
    }

    /// The invocation with this id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn invocation(&self, id: &str) -> Result<Option<InvocationRow>, QueryError> {
        let bytes = id_bytes(id).ok_or_else(|| invalid_id(id))?;
        let mut conditions = Where::default();
        conditions.and("t.id = ?", Sql::Blob(bytes.to_vec()));
        let selection = Selection { limit: Some(1), ..Selection::default() };
        let page = self
            .readers()
            .with(|connection| selection.page(connection, "invocations", conditions, invocation, |row| row.seq))?;
        Ok(page.items.into_iter().next())
    }

    /// A page of log lines.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn logs(&self, query: &LogQuery) -> Result<Page<LogRow>, QueryError> {
        let mut conditions = Where::default();
        if let Some(level) = &query.level {
            let number = LEVELS.iter().position(|name| name == level);
            let number = number
                .ok_or_else(|| QueryError::Invalid(format!("level {level:?} is none of: {}", LEVELS.join(", "))))?;
            conditions.and("t.level >= ?", number as i64);
        }
        if let Some(id) = &query.invocation {
            let bytes = id_bytes(id).ok_or_else(|| invalid_id(id))?;
            conditions.and("t.invocation = ?", Sql::Blob(bytes.to_vec()));
        }
        self.readers().with(|connection| query.selection.page(connection, "logs", conditions, log, |row| row.seq))
    }

    /// The `seq` of the newest log line; 0 when there is none.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn newest_log(&self) -> Result<u64, QueryError> {
        let newest = "SELECT ifnull(max(seq), 0) FROM logs";
        self.readers()
            .with(|connection| Ok(connection.query_row(newest, [], |row| row.get::<_, i64>(0))?.unsigned_abs()))
    }

    /// A page of the audit trail.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn audit(&self, query: &AuditQuery) -> Result<Page<AuditRow>, QueryError> {
        let mut conditions = Where::default();
        if let Some(capability) = &query.capability {
            conditions.and("t.capability = ?", capability.clone());
        }
        if let Some(ended) = &query.ended {
            conditions.and("t.ended = ?", ended.clone());
        }
        self.readers().with(|connection| query.selection.page(connection, "uses", conditions, used, |row| row.seq))
    }

    /// Daily sums, oldest day first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, QueryError> {
        let day = |text: &Option<String>, otherwise: i64| match text {
            None => Ok(otherwise),
            Some(text) => {
                day_number(text).ok_or_else(|| QueryError::Invalid(format!("{text:?} is no day: 2026-01-31")))
            }
        };
        let today = super::writer::day_of(super::now_us());
        let (from, to) = (day(&query.from, today - 30)?, day(&query.to, today)?);
        let sql = format!(
            "SELECT a.tenant, a.applet, u.* FROM usage u JOIN applets a ON a.id = u.applet WHERE u.day BETWEEN ?1 AND ?2 \
             AND ifnull(?3, a.tenant) = a.tenant AND ifnull(?4, a.applet) = a.applet ORDER BY u.day, a.tenant, a.applet LIMIT {USAGE_ROWS_MAX}"
        );
        self.readers().with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(rusqlite::params![from, to, query.tenant, query.applet], usage)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

impl History {
    /// What each tenant has used today (UTC), of what has a daily quota: for a server that starts.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn used_today(&self) -> Result<Vec<TenantDay>, QueryError> {
        let sums = "SELECT tenant, sum(egress_bytes) AS egress_bytes, sum(log_bytes) AS log_bytes \
                    FROM usage JOIN applets ON applets.id = usage.applet WHERE day = ? GROUP BY tenant";
        self.readers().with(|connection| {
            let mut statement = connection.prepare_cached(sums)?;
            let mut rows = statement.query([super::writer::day_of(super::now_us())])?;
            let mut days = Vec::new();
            while let Some(row) = rows.next()? {
                let Ok(tenant) = TenantId::new(row.get::<_, String>(0)?) else { continue };
                days.push(TenantDay {
                    tenant,
                    egress_bytes: number(row, "egress_bytes")?,
                    log_bytes: number(row, "log_bytes")?,
                });
            }
            Ok(days)
        })
    }
}

const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

fn invalid_id(id: &str) -> QueryError {
    QueryError::Invalid(format!("{id:?} is no invocation: `inv_` and 32 hexadecimal digits"))
}

fn number(row: &Row<'_>, name: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(name).map(i64::unsigned_abs)
}

fn json(row: &Row<'_>, name: &str) -> rusqlite::Result<serde_json::Value> {
    Ok(serde_json::from_str(&row.get::<_, String>(name)?).unwrap_or_default())
}

fn id(row: &Row<'_>, name: &str) -> rusqlite::Result<Option<String>> {
    Ok(row.get::<_, Option<[u8; 16]>>(name)?.map(id_text))
}

fn invocation(row: &Row<'_>) -> rusqlite::Result<InvocationRow> {
    Ok(InvocationRow {
        tenant: row.get(0)?,
        applet: row.get(1)?,
        seq: number(row, "seq")?,
        id: id(row, "id")?,
        release: number(row, "release")?,
        version: row.get("version")?,
        handler: row.get("handler")?,
        trigger: row.get("trigger")?,
        user: row.get("user")?,
        begun_us: number(row, "begun_us")?,
        queued_us: number(row, "queued_us")?,
        total_us: number(row, "total_us")?,
        ended: row.get("ended")?,
        http_status: row.get("http_status")?,
        code: row.get("code")?,
        message: row.get("message")?,
        usage: json(row, "usage")?,
        recorded: false,
    })
}

fn log(row: &Row<'_>) -> rusqlite::Result<LogRow> {
    Ok(LogRow {
        tenant: row.get(0)?,
        applet: row.get(1)?,
        seq: number(row, "seq")?,
        time_us: number(row, "time_us")?,
        level: usize::try_from(row.get::<_, i64>("level")?)
            .ok()
            .and_then(|level| LEVELS.get(level))
            .copied()
            .unwrap_or("error"),
        version: row.get("version")?,
        handler: row.get("handler")?,
        invocation: id(row, "invocation")?,
        origin: row.get("origin")?,
        message: row.get("message")?,
        fields: json(row, "fields")?,
        truncated: row.get("truncated")?,
    })
}

fn used(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        tenant: row.get(0)?,
        applet: row.get(1)?,
        seq: number(row, "seq")?,
        version: row.get("version")?,
        handler: row.get("handler")?,
        invocation: id(row, "invocation")?,
        capability: row.get("capability")?,
        operation: row.get("operation")?,
        target: row.get("target")?,
        ended: row.get("ended")?,
        begun_us: number(row, "begun_us")?,
        wall_us: number(row, "wall_us")?,
    })
}

fn usage(row: &Row<'_>) -> rusqlite::Result<UsageRow> {
    Ok(UsageRow {
        tenant: row.get(0)?,
        applet: row.get(1)?,
        day: day_text(row.get("day")?),
        invocations: number(row, "invocations")?,
        faulted: number(row, "faulted")?,
        refused: number(row, "refused")?,
        fuel: number(row, "fuel")?,
        wall_us: number(row, "wall_us")?,
        operations: number(row, "operations")?,
        db_statements: number(row, "db_statements")?,
        db_rows: number(row, "db_rows")?,
        http_requests: number(row, "http_requests")?,
        egress_bytes: number(row, "egress_bytes")?,
        ingress_bytes: number(row, "ingress_bytes")?,
        log_lines: number(row, "log_lines")?,
        log_bytes: number(row, "log_bytes")?,
        log_lines_dropped: number(row, "log_lines_dropped")?,
    })
}
