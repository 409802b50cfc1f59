//! Between the JSON that a process sends and gets (`docs/process.md`) and the capabilities' own types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belljar_process::{CapabilityFailure, CapabilityReply};
use serde_json::{Map, Value as Json, json};

use crate::capability::custom::CustomError;
use crate::capability::db::{Changes, DbError, DbOperation, DbReply, Parameters, Statement, Value};
use crate::capability::events::Publication;
use crate::capability::http::{Header, HttpError, HttpOptions, HttpRequest, HttpResponse, Redirect, RequestBody};
use crate::capability::jobs::Enqueueing;
use crate::capability::kv::{KvOperation, KvReply, KvValue};
use crate::capability::log::{LogLevel, LogOrigin};
use crate::capability::refusal::CapabilityError;
use crate::floor::limits::LimitHit;

/// The largest whole number that JavaScript's numbers hold exactly.
const SAFE_MAX: u64 = (1 << 53) - 1;

/// The arguments of one operation, read field by field.
pub(super) struct Arguments(Map<String, Json>);

/// What is wrong with an argument: the script checks what applets give it, so that only one who speaks the protocol himself sees this.
pub(super) fn invalid(what: &str) -> CapabilityFailure {
    CapabilityFailure::new("invalid", format!("the argument {what} is missing or of another type (docs/process.md)"))
}

impl Arguments {
    pub(super) fn read(arguments: Json) -> Result<Self, CapabilityFailure> {
        match arguments {
            Json::Object(fields) => Ok(Self(fields)),
            Json::Null => Ok(Self(Map::new())),
            _ => Err(CapabilityFailure::new("invalid", "the arguments must be a JSON object")),
        }
    }

    /// A field that is neither missing nor null.
    fn some(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, CapabilityFailure> {
        self.optional_text(name)?.ok_or_else(|| invalid(name))
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, CapabilityFailure> {
        match self.some(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name)),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, CapabilityFailure> {
        self.some(name).map(|value| value.as_u64().ok_or_else(|| invalid(name))).transpose()
    }

    fn integer(&mut self, name: &str) -> Result<Option<i64>, CapabilityFailure> {
        self.some(name).map(|value| value.as_i64().ok_or_else(|| invalid(name))).transpose()
    }

    fn small(&mut self, name: &str) -> Result<Option<u32>, CapabilityFailure> {
        let number = self.number(name)?;
        number.map(|number| u32::try_from(number).map_err(|_| invalid(name))).transpose()
    }

    fn transaction(&mut self) -> Result<u32, CapabilityFailure> {
        self.small("transaction")?.ok_or_else(|| invalid("transaction"))
    }

    fn statement(&mut self) -> Result<Statement, CapabilityFailure> {
        let parameters = match self.some("params") {
            None => Parameters::default(),
            Some(Json::Array(values)) => Parameters::Positional(values.into_iter().map(sql).collect::<Result<_, _>>()?),
            Some(Json::Object(values)) => {
                let named = values.into_iter().map(|(name, value)| Ok::<_, CapabilityFailure>((name, sql(value)?)));
                Parameters::Named(named.collect::<Result<_, _>>()?)
            }
            Some(_) => return Err(invalid("params")),
        };
        Ok(Statement { sql: self.text("sql")?, parameters })
    }

    /// An operation of `db`.
    pub(super) fn db(mut self, operation: &str) -> Result<Option<DbOperation>, CapabilityFailure> {
        let mut statement = || Ok((self.small("transaction")?, self.statement()?));
        Ok(Some(match operation {
            "query" => statement().map(|(transaction, statement)| DbOperation::Query { statement, transaction })?,
            "queryOne" => {
                statement().map(|(transaction, statement)| DbOperation::QueryOne { statement, transaction })?
            }
            "execute" => statement().map(|(transaction, statement)| DbOperation::Execute { statement, transaction })?,
            "batch" => {
                let Some(Json::Array(statements)) = self.some("statements") else { return Err(invalid("statements")) };
                let statements = statements.into_iter().map(|one| Self::read(one)?.statement());
                DbOperation::Batch { statements: statements.collect::<Result<_, _>>()? }
            }
            "begin" => DbOperation::Begin,
            "commit" => DbOperation::Commit { transaction: self.transaction()? },
            "rollback" => DbOperation::Rollback { transaction: self.transaction()? },
            _ => return Ok(None),
        }))
    }

    fn kv_value(&mut self, name: &str) -> Result<Option<KvValue>, CapabilityFailure> {
        let Some(value) = self.some(name) else { return Ok(None) };
        let mut fields = Self::read(value)?;
        match (fields.optional_text("json")?, fields.optional_text("bytes")?) {
            (Some(json), None) => Ok(Some(KvValue::Json(json))),
            (None, Some(base64)) => Ok(Some(KvValue::Bytes(bytes(&base64)?))),
            _ => Err(invalid(name)),
        }
    }

    /// An operation of `kv`.
    pub(super) fn kv(mut self, operation: &str) -> Result<Option<KvOperation>, CapabilityFailure> {
        Ok(Some(match operation {
            "get" => {
                let Some(Json::Array(keys)) = self.some("keys") else { return Err(invalid("keys")) };
                let text = |key| if let Json::String(key) = key { Ok(key) } else { Err(invalid("keys")) };
                KvOperation::Get { keys: keys.into_iter().map(text).collect::<Result<_, _>>()? }
            }
            "set" => {
                let value = self.kv_value("value")?.ok_or_else(|| invalid("value"))?;
                KvOperation::Set { key: self.text("key")?, value, ttl_ms: self.number("ttlMs")? }
            }
            "delete" => KvOperation::Delete { key: self.text("key")? },
            "increment" => {
                let by = self.integer("by")?.ok_or_else(|| invalid("by"))?;
                KvOperation::Increment { key: self.text("key")?, by, ttl_ms: self.number("ttlMs")? }
            }
            "compareAndSet" => {
                let (expected, value) = (self.kv_value("expected")?, self.kv_value("value")?);
                KvOperation::CompareAndSet { key: self.text("key")?, expected, value, ttl_ms: self.number("ttlMs")? }
            }
            "list" => {
                let limit = self.small("limit")?.ok_or_else(|| invalid("limit"))?;
                KvOperation::List { prefix: self.text("prefix")?, after: self.optional_text("after")?, limit }
            }
            _ => return Ok(None),
        }))
    }

    /// What `events.publish` publishes.
    pub(super) fn publication(mut self) -> Result<Publication, CapabilityFailure> {
        Ok(Publication {
            name: self.text("name")?,
            payload: self.text("payload")?,
            key: self.optional_text("key")?,
            order_key: self.optional_text("orderKey")?,
            delay_ms: self.number("delayMs")?.unwrap_or(0),
        })
    }

    /// What `jobs.enqueue` enqueues.
    pub(super) fn job(mut self) -> Result<Enqueueing, CapabilityFailure> {
        let priority = self.integer("priority")?.unwrap_or(0);
        Ok(Enqueueing {
            handler: self.text("handler")?,
            payload: self.text("payload")?,
            delay_ms: self.number("delayMs")?.unwrap_or(0),
            at_ms: self.number("atMs")?,
            priority: i32::try_from(priority).map_err(|_| invalid("priority"))?,
            key: self.optional_text("key")?,
        })
    }

    /// What `http.fetch` sends, and how.
    pub(super) fn request(mut self, body: RequestBody) -> Result<(HttpRequest, HttpOptions), CapabilityFailure> {
        let redirect = match self.optional_text("redirect")?.as_deref() {
            None | Some("follow") => Redirect::Follow,
            Some("error") => Redirect::Error,
            Some("manual") => Redirect::Manual,
            Some(_) => return Err(invalid("redirect")),
        };
        let headers = match self.some("headers") {
            None => Vec::new(),
            Some(headers) => {
                let pairs: Vec<(String, String)> = serde_json::from_value(headers).map_err(|_| invalid("headers"))?;
                pairs.into_iter().map(|(name, value)| Header { name, value }).collect()
            }
        };
        let options = HttpOptions { redirect, timeout_ms: self.small("timeoutMs")? };
        Ok((HttpRequest { method: self.text("method")?, url: self.text("url")?, headers, body }, options))
    }

    /// Whether a body follows the arguments.
    pub(super) fn has_body(&self) -> bool {
        self.0.get("hasBody").and_then(Json::as_bool).unwrap_or(false)
    }

    /// What `log.write` writes.
    pub(super) fn lines(mut self) -> Result<Vec<LogLine>, CapabilityFailure> {
        let Some(Json::Array(lines)) = self.some("lines") else { return Err(invalid("lines")) };
        lines.into_iter().map(|line| Self::read(line)?.line()).collect()
    }

    fn line(mut self) -> Result<LogLine, CapabilityFailure> {
        let level = match self.optional_text("level")?.as_deref() {
            Some("debug") => LogLevel::Debug,
            Some("warn") => LogLevel::Warn,
            Some("error") => LogLevel::Error,
            _ => LogLevel::Info,
        };
        // What the host says of itself does not come from an applet.
        let origin =
            if self.optional_text("origin")?.as_deref() == Some("sdk") { LogOrigin::Sdk } else { LogOrigin::Console };
        let fields = match self.some("fields") {
            Some(Json::Object(fields)) => fields.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
            _ => Vec::new(),
        };
        Ok(LogLine { origin, level, message: self.optional_text("message")?.unwrap_or_default(), fields })
    }
}

/// One line of `log.write`.
pub(super) struct LogLine {
    pub(super) origin: LogOrigin,
    pub(super) level: LogLevel,
    pub(super) message: String,
    /// Names and JSON texts.
    pub(super) fields: Vec<(String, String)>,
}

fn bytes(base64: &str) -> Result<Vec<u8>, CapabilityFailure> {
    STANDARD.decode(base64).map_err(|_| CapabilityFailure::new("invalid", "bytes are sent as base64"))
}

/// A value for SQL.
fn sql(value: Json) -> Result<Value, CapabilityFailure> {
    Ok(match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Integer(flag.into()),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text),
        Json::Object(_) => {
            let mut fields = Arguments::read(value)?;
            if let Some(digits) = fields.optional_text("$bigint")? {
                let whole = digits.parse();
                whole.map(Value::Integer).map_err(|_| {
                    CapabilityFailure::new("invalid", format!("the bigint {digits} has more than 64 bits"))
                })?
            } else if let Some(base64) = fields.optional_text("$bytes")? {
                Value::Blob(bytes(&base64)?)
            } else {
                let text = fields.text("$real").map_err(|_| invalid("params"))?;
                Value::Real(text.parse().map_err(|_| invalid("params"))?)
            }
        }
        Json::Array(_) => return Err(invalid("params")),
    })
}

fn whole(number: i64) -> Json {
    if number.unsigned_abs() <= SAFE_MAX { number.into() } else { json!({ "$bigint": number.to_string() }) }
}

fn sql_out(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => whole(number),
        Value::Real(number) if number.is_finite() => number.into(),
        Value::Real(number) => {
            let name = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            json!({ "$real": name })
        }
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => json!({ "$bytes": STANDARD.encode(bytes) }),
    }
}

fn changes(changes: Changes) -> Json {
    json!({ "changes": changes.changes, "lastInsertRowid": whole(changes.last_insert_rowid) })
}

pub(super) fn db_reply(reply: DbReply) -> CapabilityReply {
    match reply {
        DbReply::Rows(found) => {
            let rows: Vec<Json> = found.rows.into_iter().map(|row| row.into_iter().map(sql_out).collect()).collect();
            json!({ "columns": found.columns, "rows": rows })
        }
        DbReply::Changes(one) => changes(one),
        DbReply::Batch(all) => all.into_iter().map(changes).collect(),
        DbReply::Transaction(number) => number.into(),
        DbReply::Ended => Json::Null,
    }
    .into()
}

pub(super) fn kv_reply(reply: KvReply) -> CapabilityReply {
    let value = |value: Option<KvValue>| match value {
        None => Json::Null,
        Some(KvValue::Json(text)) => json!({ "json": text }),
        Some(KvValue::Bytes(bytes)) => json!({ "bytes": STANDARD.encode(bytes) }),
    };
    match reply {
        KvReply::Values(values) => values.into_iter().map(value).collect(),
        KvReply::Done => Json::Null,
        KvReply::Flag(flag) => flag.into(),
        KvReply::Number(number) => number.into(),
        KvReply::Keys(page) => json!({ "keys": page.keys, "hasMore": page.has_more }),
    }
    .into()
}

/// The head of an answer of `http.fetch`.
pub(super) fn response_head(response: &HttpResponse) -> Json {
    let headers: Vec<_> = response.headers.iter().map(|header| [&header.name, &header.value]).collect();
    json!({
        "status": response.status, "statusText": response.status_text, "url": response.url, "redirected": response.redirected,
        "headers": headers,
    })
}

fn limited(code: &str, hit: &LimitHit) -> CapabilityFailure {
    CapabilityFailure {
        code: code.into(),
        message: hit.to_string(),
        limit: Some(hit.name.into()),
        allowed: Some(hit.allowed),
        used: Some(hit.used),
    }
}

/// The capability is not there: as the sandbox tells it.
pub(super) fn not_granted(capability: &str) -> CapabilityFailure {
    let what = if capability == "db" { "a database" } else { capability };
    CapabilityFailure::new("not-granted", format!("the applet was not granted {what} (permissions.{capability})"))
}

pub(super) fn db_failure(error: DbError) -> CapabilityFailure {
    match error {
        DbError::Denied(text) => CapabilityFailure::new("denied", text),
        DbError::Invalid(text) => CapabilityFailure::new("invalid", text),
        DbError::Constraint(text) => CapabilityFailure::new("constraint", text),
        DbError::Busy => CapabilityFailure::new("busy", "another transaction holds the write lock"),
        DbError::Limit(hit) => limited("limit", &hit),
        DbError::NoTransaction => CapabilityFailure::new("no-transaction", "the transaction is not open any more"),
        DbError::Failed(text) => CapabilityFailure::new("failed", text),
    }
}

pub(super) fn http_failure(error: HttpError) -> CapabilityFailure {
    match error {
        HttpError::NotGranted => not_granted("http"),
        HttpError::Denied(text) => CapabilityFailure::new("denied", text),
        HttpError::Invalid(text) => CapabilityFailure::new("invalid", text),
        HttpError::Dns(text) => CapabilityFailure::new("dns", text),
        HttpError::Connect(text) => CapabilityFailure::new("connect", text),
        HttpError::Tls(text) => CapabilityFailure::new("tls", text),
        HttpError::Timeout(hit) => limited("timeout", &hit),
        HttpError::Limit(hit) => limited("limit", &hit),
        HttpError::TooManyRedirects(hit) => limited("too-many-redirects", &hit),
        HttpError::Redirected(text) => CapabilityFailure::new("redirected", text),
        HttpError::Protocol(text) => CapabilityFailure::new("protocol", text),
    }
}

pub(super) fn failure(capability: &str, error: CapabilityError) -> CapabilityFailure {
    match error {
        CapabilityError::NotGranted => not_granted(capability),
        CapabilityError::Unavailable(what) => {
            CapabilityFailure::new("unavailable", format!("not available on this host: {what}"))
        }
        CapabilityError::Denied(text) => CapabilityFailure::new("denied", text),
        CapabilityError::Invalid(text) => CapabilityFailure::new("invalid", text),
        CapabilityError::Limit(hit) => limited("limit", &hit),
        CapabilityError::Busy => CapabilityFailure::new("busy", "the host is busy: try again"),
        CapabilityError::Failed(text) => CapabilityFailure::new("failed", text),
    }
}

pub(super) fn custom_failure(error: CustomError) -> CapabilityFailure {
    match error {
        CustomError::Refused(error) => failure("custom", error),
        CustomError::Failed { code, message } => CapabilityFailure::new(&code, message),
    }
}

/// A limit that is the invocation's own.
pub(super) fn over(hit: &LimitHit) -> CapabilityFailure {
    limited("limit", hit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(value: Json) -> Arguments {
        Arguments::read(value).expect("an object")
    }

    #[test]
    fn values_of_sql_go_both_ways() {
        let values = [
            (json!(null), Value::Null),
            (json!(1), Value::Integer(1)),
            (json!(1.5), Value::Real(1.5)),
            (json!("a"), Value::Text("a".into())),
            (json!({ "$bigint": "9223372036854775807" }), Value::Integer(i64::MAX)),
            (json!({ "$bytes": "AQI=" }), Value::Blob(vec![1, 2])),
            (json!({ "$real": "-Infinity" }), Value::Real(f64::NEG_INFINITY)),
        ];
        for (written, value) in values {
            assert_eq!(sql(written.clone()), Ok(value.clone()), "{written}");
            assert_eq!(sql_out(value), written);
        }
        for wrong in [json!([1]), json!({}), json!({ "$bigint": "x" }), json!({ "$bytes": "%" }), json!({ "$real": 1 })]
        {
            assert_eq!(sql(wrong.clone()).expect_err("no value").code, "invalid", "{wrong}");
        }
    }

    #[test]
    fn operations_are_read() {
        let statement =
            Statement { sql: "SELECT :a".into(), parameters: Parameters::Named(vec![("a".into(), Value::Integer(1))]) };
        let read = arguments(json!({ "sql": "SELECT :a", "params": { "a": 1 }, "transaction": 2 })).db("query");
        assert_eq!(read, Ok(Some(DbOperation::Query { statement, transaction: Some(2) })));
        assert_eq!(arguments(json!({})).db("vacuum"), Ok(None));
        let read = arguments(json!({ "key": "k", "expected": null, "value": { "json": "1" }, "ttlMs": 5 }))
            .kv("compareAndSet");
        let (expected, value) = (None, Some(KvValue::Json("1".into())));
        assert_eq!(read, Ok(Some(KvOperation::CompareAndSet { key: "k".into(), expected, value, ttl_ms: Some(5) })));
        for (operation, wrong) in
            [("query", json!({})), ("query", json!({ "sql": 1 })), ("commit", json!({ "transaction": -1 }))]
        {
            assert_eq!(arguments(wrong.clone()).db(operation).expect_err("invalid").code, "invalid", "{wrong}");
        }
        assert_eq!(Arguments::read(json!([])).map(drop).expect_err("no object").code, "invalid");
    }
}
