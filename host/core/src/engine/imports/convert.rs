//! Between the types Wasmtime's macro makes from `wit/` and the capabilities' own.

use super::super::bindings::belljar::applet::completions::Outcome;
use super::super::bindings::belljar::applet::types::Refusal;
use super::super::bindings::belljar::applet::{bodies, crypto, custom, db, http, log, types};
use super::capabilities;
use crate::capability::bodies::{BodyError, BodyReader};
use crate::capability::db::{Changes, DbError, DbReply, Parameters, Statement, Value};
use crate::capability::http::{
    Header, HttpError, HttpOptions, HttpRequest, HttpResponse, Redirect, RequestBody, ResponseBody,
};
use crate::capability::log::{LogLevel, LogOrigin};
use crate::floor::fault::Fault;
use crate::floor::limits::LimitHit;
use crate::invocation::ResponseHead;
use crate::observe::UseEnd;

pub(super) fn origin(origin: log::Origin) -> LogOrigin {
    match origin {
        log::Origin::Console => LogOrigin::Console,
        log::Origin::Sdk => LogOrigin::Sdk,
    }
}

pub(super) fn level(level: log::Level) -> LogLevel {
    match level {
        log::Level::Debug => LogLevel::Debug,
        log::Level::Info => LogLevel::Info,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Error => LogLevel::Error,
    }
}

fn value(value: db::Value) -> Value {
    match value {
        db::Value::Null => Value::Null,
        db::Value::Integer(n) => Value::Integer(n),
        db::Value::Real(n) => Value::Real(n),
        db::Value::Text(text) => Value::Text(text),
        db::Value::Blob(bytes) => Value::Blob(bytes),
    }
}

fn value_out(value: Value) -> db::Value {
    match value {
        Value::Null => db::Value::Null,
        Value::Integer(n) => db::Value::Integer(n),
        Value::Real(n) => db::Value::Real(n),
        Value::Text(text) => db::Value::Text(text),
        Value::Blob(bytes) => db::Value::Blob(bytes),
    }
}

pub(super) fn statement(statement: db::Statement) -> Statement {
    let parameters = match statement.parameters {
        db::Parameters::Positional(values) => Parameters::Positional(values.into_iter().map(value).collect()),
        db::Parameters::Named(values) => {
            Parameters::Named(values.into_iter().map(|v| (v.name, value(v.value))).collect())
        }
    };
    Statement { sql: statement.sql, parameters }
}

fn changes(changes: Changes) -> db::Changes {
    db::Changes { changes: changes.changes, last_insert_rowid: changes.last_insert_rowid }
}

pub(super) fn db_outcome(result: Result<DbReply, DbError>) -> Outcome {
    Outcome::Db(match result {
        Ok(DbReply::Rows(rows)) => Ok(db::Reply::Rows(db::Rows {
            columns: rows.columns,
            rows: rows.rows.into_iter().map(|row| row.into_iter().map(value_out).collect()).collect(),
        })),
        Ok(DbReply::Changes(one)) => Ok(db::Reply::Changes(changes(one))),
        Ok(DbReply::Batch(all)) => Ok(db::Reply::Batch(all.into_iter().map(changes).collect())),
        Ok(DbReply::Transaction(id)) => Ok(db::Reply::Transaction(id)),
        Ok(DbReply::Ended) => Ok(db::Reply::Ended),
        Err(error) => Err(db_error(error)),
    })
}

/// Bytes the host holds for an outcome.
pub(super) fn outcome_bytes(outcome: &Outcome) -> u64 {
    let bytes = match outcome {
        Outcome::Db(Ok(db::Reply::Rows(rows))) => {
            rows.rows.iter().map(|row| row.iter().map(value_bytes).sum::<usize>()).sum()
        }
        Outcome::Http(Ok(response)) => {
            let body = match &response.body {
                types::Body::Empty | types::Body::Stream(_) => 0,
                types::Body::Bytes(bytes) => bytes.len(),
            };
            body + response.headers.iter().map(|h| h.name.len() + h.value.len()).sum::<usize>()
        }
        Outcome::Body(Ok(bodies::Reply::Chunk(Some(bytes)))) | Outcome::Crypto(Ok(crypto::Reply::Bytes(bytes))) => {
            bytes.len()
        }
        Outcome::Kv(Ok(reply)) => capabilities::kv_bytes(reply),
        Outcome::Secrets(Ok(text)) => text.as_ref().map_or(0, String::len),
        Outcome::Custom(Ok(json)) => json.len(),
        _ => 0,
    };
    bytes as u64
}

fn value_bytes(value: &db::Value) -> usize {
    size_of::<db::Value>()
        + match value {
            db::Value::Text(text) => text.len(),
            db::Value::Blob(bytes) => bytes.len(),
            _ => 0,
        }
}

/// The same capability's error for a result that cannot be held.
pub(super) fn too_large(outcome: &Outcome, hit: &LimitHit) -> Outcome {
    let (limit, allowed, used) = (hit.name.to_owned(), hit.allowed, hit.used);
    match outcome {
        Outcome::Db(_) => Outcome::Db(Err(db::Error::Limit(db::LimitExceeded { limit, allowed, used }))),
        Outcome::Http(_) => Outcome::Http(Err(http::Error::Limit(http::LimitExceeded { limit, allowed, used }))),
        Outcome::Body(_) => Outcome::Body(Err(bodies::Error::Limit(bodies::LimitExceeded { limit, allowed, used }))),
        Outcome::Crypto(_) => {
            Outcome::Crypto(Err(crypto::Error::Limit(crypto::LimitExceeded { limit, allowed, used })))
        }
        Outcome::Kv(_) => Outcome::Kv(Err(Refusal::Limit(capabilities::limit(hit)))),
        Outcome::Secrets(_) => Outcome::Secrets(Err(Refusal::Limit(capabilities::limit(hit)))),
        Outcome::Events(_) => Outcome::Events(Err(Refusal::Limit(capabilities::limit(hit)))),
        Outcome::Jobs(_) => Outcome::Jobs(Err(Refusal::Limit(capabilities::limit(hit)))),
        Outcome::Custom(_) => Outcome::Custom(Err(custom::Error::Refused(Refusal::Limit(capabilities::limit(hit))))),
    }
}

fn db_error(error: DbError) -> db::Error {
    match error {
        DbError::Denied(text) => db::Error::Denied(text),
        DbError::Invalid(text) => db::Error::Invalid(text),
        DbError::Constraint(text) => db::Error::Constraint(text),
        DbError::Busy => db::Error::Busy,
        DbError::Limit(LimitHit { name, allowed, used }) => {
            db::Error::Limit(db::LimitExceeded { limit: name.into(), allowed, used })
        }
        DbError::NoTransaction => db::Error::NoTransaction,
        DbError::Failed(text) => db::Error::Failed(text),
    }
}

/// The request, and the bytes of what is not its body (the session counts that).
pub(super) fn request(request: types::Request, body: RequestBody) -> (HttpRequest, u64) {
    let headers: Vec<_> = request.headers.into_iter().map(|h| Header { name: h.name, value: h.value }).collect();
    let bytes = request.url.len() + headers.iter().map(|h| h.name.len() + h.value.len()).sum::<usize>();
    (HttpRequest { method: request.method, url: request.url, headers, body }, bytes as u64)
}

pub(super) fn options(options: http::Options) -> HttpOptions {
    let redirect = match options.redirect {
        http::Redirect::Follow => Redirect::Follow,
        http::Redirect::Error => Redirect::Error,
        http::Redirect::Manual => Redirect::Manual,
    };
    HttpOptions { redirect, timeout_ms: options.timeout_ms }
}

/// The outcome, and the reader of a body that streams: `number` names it.
pub(super) fn http_outcome(result: Result<HttpResponse, HttpError>, number: u32) -> (Outcome, Option<BodyReader>) {
    let response = match result {
        Ok(response) => response,
        Err(error) => return (Outcome::Http(Err(http_error(error))), None),
    };
    let (body, reader) = match response.body {
        ResponseBody::Bytes(bytes) => (types::Body::Bytes(bytes.into()), None),
        ResponseBody::Stream(reader) => (types::Body::Stream(number), Some(reader)),
    };
    let response = http::Response {
        status: response.status,
        status_text: response.status_text,
        url: response.url,
        redirected: response.redirected,
        headers: response.headers.into_iter().map(|h| types::Header { name: h.name, value: h.value }).collect(),
        body,
    };
    (Outcome::Http(Ok(response)), reader)
}

pub(super) fn body_outcome(result: Result<bodies::Reply, BodyError>) -> Outcome {
    let limit = |hit: LimitHit| bodies::LimitExceeded { limit: hit.name.into(), allowed: hit.allowed, used: hit.used };
    Outcome::Body(result.map_err(|error| match error {
        BodyError::NotOpen => bodies::Error::NotOpen,
        BodyError::Busy => bodies::Error::Busy,
        BodyError::Closed => bodies::Error::Closed,
        BodyError::Broken(text) => bodies::Error::Broken(text),
        BodyError::Timeout(hit) => bodies::Error::Timeout(limit(hit)),
        BodyError::Limit(hit) => bodies::Error::Limit(limit(hit)),
    }))
}

/// Checks the head of a handler's response: the guest has done so too, but guest data is input.
///
/// # Errors
/// The fault `invalid-result`.
pub(in super::super) fn response_head(status: u16, given: Vec<types::Header>) -> Result<ResponseHead, Fault> {
    ResponseHead::checked(status, given.into_iter().map(|header| (header.name, header.value)).collect())
}

fn http_error(error: HttpError) -> http::Error {
    let limit = |hit: LimitHit| http::LimitExceeded { limit: hit.name.into(), allowed: hit.allowed, used: hit.used };
    match error {
        HttpError::NotGranted => http::Error::NotGranted,
        HttpError::Denied(text) => http::Error::Denied(text),
        HttpError::Invalid(text) => http::Error::Invalid(text),
        HttpError::Dns(text) => http::Error::Dns(text),
        HttpError::Connect(text) => http::Error::Connect(text),
        HttpError::Tls(text) => http::Error::Tls(text),
        HttpError::Timeout(hit) => http::Error::Timeout(limit(hit)),
        HttpError::Limit(hit) => http::Error::Limit(limit(hit)),
        HttpError::TooManyRedirects(hit) => http::Error::TooManyRedirects(limit(hit)),
        HttpError::Redirected(text) => http::Error::Redirected(text),
        HttpError::Protocol(text) => http::Error::Protocol(text),
    }
}

/// How a use of a capability ended, for whoever watches.
pub(super) fn use_end(outcome: &Outcome) -> UseEnd {
    let of_refusal = |refusal: &Refusal| match refusal {
        Refusal::NotGranted | Refusal::Denied(_) => UseEnd::Denied,
        _ => UseEnd::Failed,
    };
    match outcome {
        Outcome::Db(Ok(_)) | Outcome::Http(Ok(_)) | Outcome::Body(Ok(_)) | Outcome::Crypto(Ok(_)) => UseEnd::Done,
        Outcome::Kv(Ok(_))
        | Outcome::Secrets(Ok(_))
        | Outcome::Events(Ok(_))
        | Outcome::Jobs(Ok(_))
        | Outcome::Custom(Ok(_)) => UseEnd::Done,
        Outcome::Db(Err(db::Error::NotGranted | db::Error::Denied(_))) => UseEnd::Denied,
        Outcome::Http(Err(http::Error::NotGranted | http::Error::Denied(_))) => UseEnd::Denied,
        Outcome::Crypto(Err(crypto::Error::NotExtractable)) => UseEnd::Denied,
        Outcome::Kv(Err(refusal)) => of_refusal(refusal),
        Outcome::Secrets(Err(refusal)) => of_refusal(refusal),
        Outcome::Events(Err(refusal)) => of_refusal(refusal),
        Outcome::Jobs(Err(refusal)) => of_refusal(refusal),
        Outcome::Custom(Err(custom::Error::Refused(refusal))) => of_refusal(refusal),
        Outcome::Custom(Err(custom::Error::Failed(_))) => UseEnd::Failed,
        Outcome::Db(Err(_)) | Outcome::Http(Err(_)) | Outcome::Body(Err(_)) | Outcome::Crypto(Err(_)) => UseEnd::Failed,
    }
}

/// Scheme, host and port of a URL; paths and queries may hold what is secret.
pub(super) fn origin_of(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}
