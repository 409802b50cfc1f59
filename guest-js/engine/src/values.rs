//! Between JavaScript values and WIT values.

use javy::quickjs::{
    Array, ArrayBuffer, BigInt, Ctx, Error, Exception, FromJs, IntoJs, Object, Result, String as JsString, TypedArray, Value,
};

use crate::bindings::belljar::applet::{
    bodies,
    completions::{BodyError, BodyReply, CustomError, DbError, DbReply, HttpError, HttpResponse, Outcome},
    db, http, types,
};
use crate::capabilities;

/// The largest whole number that a double holds exactly (Number.MAX_SAFE_INTEGER).
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// A JavaScript string as UTF-8; lone surrogates become U+FFFD.
pub(crate) fn text(string: &JsString<'_>) -> String {
    match string.to_string() {
        Ok(text) => text,
        // Only ill-formed strings come here: `to_string` refuses their surrogates, in bytes that WTF-8 encodes.
        Err(_) => match string.clone().to_cstring() {
            Ok(bytes) => String::from_utf8_lossy(bytes.as_str().as_bytes()).into_owned(),
            Err(_) => String::new(),
        },
    }
}

/// Any string argument of a native function, lone surrogates replaced.
pub(crate) struct Text(pub(crate) String);

impl<'js> FromJs<'js> for Text {
    fn from_js(_: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        match value.as_string() {
            Some(string) => Ok(Self(text(string))),
            None => Err(Error::new_from_js(value.type_name(), "string")),
        }
    }
}

/// Bytes of a Uint8Array (or of an ArrayBuffer).
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl<'js> FromJs<'js> for Bytes {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        bytes_of(&value).map(Self).ok_or_else(|| Exception::throw_type(ctx, "a Uint8Array is wanted"))
    }
}

fn bytes_of(value: &Value<'_>) -> Option<Vec<u8>> {
    let object = value.as_object()?;
    if let Some(array) = object.as_typed_array::<u8>() {
        return array.as_bytes().map(<[u8]>::to_vec);
    }
    object.as_array_buffer()?.as_bytes().map(<[u8]>::to_vec)
}

/// Bytes of a Uint8Array where they are: for functions that call no JavaScript while they read them.
pub(crate) struct Viewed<'js>(TypedArray<'js, u8>);

impl<'js> FromJs<'js> for Viewed<'js> {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        let array = value.as_object().and_then(|object| object.as_typed_array::<u8>().cloned());
        array.map(Self).ok_or_else(|| Exception::throw_type(ctx, "a Uint8Array is wanted"))
    }
}

impl Viewed<'_> {
    /// Of an array whose buffer has gone there are none.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes().unwrap_or_default()
    }
}

/// A body that goes out: bytes, or the number of a stream.
pub(crate) struct Body(types::Body);

impl<'js> FromJs<'js> for Body {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        match value.as_number() {
            Some(stream) => Ok(Self(types::Body::Stream(stream as u32))),
            None => Bytes::from_js(ctx, value).map(|bytes| Self(types::Body::Bytes(bytes.0))),
        }
    }
}

/// A new Uint8Array that owns `bytes`.
pub(crate) fn uint8_array<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    Ok(TypedArray::<u8>::from_arraybuffer(ArrayBuffer::new_copy(ctx.clone(), bytes)?)?.into_value())
}

/// Name, value, name, value, … as pairs.
pub(crate) fn pairs(flat: Vec<Text>) -> Vec<(String, String)> {
    let mut pairs = Vec::with_capacity(flat.len() / 2);
    let mut flat = flat.into_iter();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        pairs.push((name.0, value.0));
    }
    pairs
}

pub(crate) fn headers(flat: Vec<Text>) -> Vec<types::Header> {
    pairs(flat).into_iter().map(|(name, value)| types::Header { name, value }).collect()
}

pub(crate) fn flat_headers<'js>(ctx: &Ctx<'js>, headers: &[types::Header]) -> Result<Array<'js>> {
    let flat = Array::new(ctx.clone())?;
    for (i, header) in headers.iter().enumerate() {
        flat.set(2 * i, header.name.as_str())?;
        flat.set(2 * i + 1, header.value.as_str())?;
    }
    Ok(flat)
}

pub(crate) fn body(body: Option<Body>) -> types::Body {
    body.map_or(types::Body::Empty, |body| body.0)
}

/// Sets `body`, or `stream` when it comes in pieces; neither for none.
pub(crate) fn set_body<'js>(ctx: &Ctx<'js>, object: &Object<'js>, body: &types::Body) -> Result<()> {
    match body {
        types::Body::Empty => Ok(()),
        types::Body::Bytes(bytes) => object.set("body", uint8_array(ctx, bytes)?),
        types::Body::Stream(stream) => object.set("stream", *stream),
    }
}

/// SQL parameters: none, an array, or an object of named values.
pub(crate) struct Parameters(pub(crate) db::Parameters);

impl<'js> FromJs<'js> for Parameters {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        if value.is_undefined() || value.is_null() {
            return Ok(Self(db::Parameters::Positional(Vec::new())));
        }
        if let Some(array) = value.as_array() {
            let values = array.iter::<Value>().enumerate().map(|(i, v)| sql_value(ctx, &format!("number {}", i + 1), v?));
            return Ok(Self(db::Parameters::Positional(values.collect::<Result<_>>()?)));
        }
        let Some(object) = value.as_object().filter(|_| bytes_of(&value).is_none() && !value.is_function()) else {
            return Err(Exception::throw_type(ctx, "SQL parameters are an array, or an object of named values"));
        };
        let named = object.props::<String, Value>().map(|property| {
            let (name, value) = property?;
            let value = sql_value(ctx, &name, value)?;
            let name = name.trim_start_matches([':', '@', '$']).to_owned();
            Ok(db::NamedValue { name, value })
        });
        Ok(Self(db::Parameters::Named(named.collect::<Result<_>>()?)))
    }
}

fn sql_value<'js>(ctx: &Ctx<'js>, which: &str, value: Value<'js>) -> Result<db::Value> {
    if value.is_null() || value.is_undefined() {
        return Ok(db::Value::Null);
    }
    if let Some(flag) = value.as_bool() {
        return Ok(db::Value::Integer(flag.into()));
    }
    if let Some(number) = value.as_int() {
        return Ok(db::Value::Integer(number.into()));
    }
    if let Some(number) = value.as_float() {
        let whole = number as i64;
        let exact = whole as f64 == number && whole.abs() <= SAFE_INTEGER_MAX && !(whole == 0 && number.is_sign_negative());
        return Ok(if exact { db::Value::Integer(whole) } else { db::Value::Real(number) });
    }
    if let Some(string) = value.as_string() {
        return Ok(db::Value::Text(text(string)));
    }
    if let Some(big) = value.as_big_int() {
        // `to_i64` wraps; a round trip through JavaScript's own comparison is dearer than reading the digits.
        let digits: javy::quickjs::Coerced<String> = FromJs::from_js(ctx, value.clone())?;
        return match digits.0.parse::<i64>() {
            Ok(number) => Ok(db::Value::Integer(number)),
            Err(_) => {
                let _ = big;
                Err(Exception::throw_range(ctx, &format!("SQL parameter {which} does not fit into 64 bits")))
            }
        };
    }
    if let Some(bytes) = bytes_of(&value) {
        return Ok(db::Value::Blob(bytes));
    }
    let found = value.type_name();
    Err(Exception::throw_type(
        ctx,
        &format!("SQL parameter {which} is of type {found}: use null, a number, bigint, string, boolean or Uint8Array"),
    ))
}

fn sql_value_to_js<'js>(ctx: &Ctx<'js>, value: db::Value) -> Result<Value<'js>> {
    match value {
        db::Value::Null => Ok(Value::new_null(ctx.clone())),
        db::Value::Integer(n) => integer(ctx, n),
        db::Value::Real(n) => Ok(Value::new_float(ctx.clone(), n)),
        db::Value::Text(text) => text.into_js(ctx),
        db::Value::Blob(bytes) => uint8_array(ctx, &bytes),
    }
}

fn integer<'js>(ctx: &Ctx<'js>, n: i64) -> Result<Value<'js>> {
    match i32::try_from(n) {
        Ok(small) => Ok(Value::new_int(ctx.clone(), small)),
        Err(_) if n.abs() <= SAFE_INTEGER_MAX => Ok(Value::new_float(ctx.clone(), n as f64)),
        Err(_) => Ok(BigInt::from_i64(ctx.clone(), n)?.into_value()),
    }
}

/// The `Outcome` object of guest-js/web/src/bindings.ts.
pub(crate) fn outcome<'js>(ctx: &Ctx<'js>, outcome: Outcome) -> Result<Object<'js>> {
    match outcome {
        Outcome::Db(Ok(reply)) => db_reply(ctx, reply),
        Outcome::Db(Err(error)) => {
            let (code, message, limit) = db_error(error);
            error_object(ctx, "db", code, &message, limit)
        }
        Outcome::Http(Ok(response)) => http_response(ctx, &response),
        Outcome::Http(Err(error)) => {
            let (code, message, limit) = http_error(error);
            error_object(ctx, "http", code, &message, limit)
        }
        Outcome::Body(Ok(reply)) => body_reply(ctx, reply),
        Outcome::Body(Err(error)) => {
            let (code, message, limit) = body_error(error);
            error_object(ctx, "body", code, &message, limit)
        }
        Outcome::Crypto(Ok(reply)) => crate::crypto::reply(ctx, reply),
        Outcome::Crypto(Err(error)) => {
            let (code, message, limit) = crate::crypto::error(error);
            error_object(ctx, "crypto", code, &message, limit)
        }
        Outcome::Kv(Ok(reply)) => capabilities::kv_reply(ctx, reply),
        Outcome::Secrets(Ok(text)) => capabilities::text_reply(ctx, text),
        Outcome::Events(Ok(id)) => capabilities::text_reply(ctx, Some(id)),
        Outcome::Jobs(Ok(reply)) => capabilities::jobs_reply(ctx, reply),
        Outcome::Custom(Ok(json)) => capabilities::text_reply(ctx, Some(json)),
        Outcome::Kv(Err(error)) => refused(ctx, "kv", error),
        Outcome::Secrets(Err(error)) => refused(ctx, "secrets", error),
        Outcome::Events(Err(error)) => refused(ctx, "events", error),
        Outcome::Jobs(Err(error)) => refused(ctx, "jobs", error),
        Outcome::Custom(Err(CustomError::Refused(error))) => refused(ctx, "custom", error),
        Outcome::Custom(Err(CustomError::Failed(failure))) => error_object(ctx, "custom", &failure.code, &failure.message, None),
    }
}

fn refused<'js>(ctx: &Ctx<'js>, capability: &str, refusal: types::Refusal) -> Result<Object<'js>> {
    let (code, message, limit) = capabilities::refusal(capability, refusal);
    error_object(ctx, capability, code, &message, limit)
}

fn db_reply<'js>(ctx: &Ctx<'js>, reply: DbReply) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    match reply {
        DbReply::Rows(rows) => {
            object.set("kind", "rows")?;
            object.set("columns", rows.columns)?;
            let all = Array::new(ctx.clone())?;
            for (i, row) in rows.rows.into_iter().enumerate() {
                let values = Array::new(ctx.clone())?;
                for (j, value) in row.into_iter().enumerate() {
                    values.set(j, sql_value_to_js(ctx, value)?)?;
                }
                all.set(i, values)?;
            }
            object.set("rows", all)?;
        }
        DbReply::Changes(changes) => {
            object.set("kind", "changes")?;
            set_changes(ctx, &object, changes)?;
        }
        DbReply::Batch(batch) => {
            object.set("kind", "batch")?;
            let results = Array::new(ctx.clone())?;
            for (i, changes) in batch.into_iter().enumerate() {
                let one = Object::new(ctx.clone())?;
                set_changes(ctx, &one, changes)?;
                results.set(i, one)?;
            }
            object.set("results", results)?;
        }
        DbReply::Transaction(id) => {
            object.set("kind", "transaction")?;
            object.set("transaction", id)?;
        }
        DbReply::Ended => object.set("kind", "ended")?,
    }
    Ok(object)
}

fn set_changes<'js>(ctx: &Ctx<'js>, object: &Object<'js>, changes: db::Changes) -> Result<()> {
    object.set("changes", changes.changes as f64)?;
    object.set("lastInsertRowid", integer(ctx, changes.last_insert_rowid)?)
}

/// A limit that was hit: its name, what was allowed, what was used.
pub(crate) type Limit = Option<(String, u64, u64)>;

fn db_error(error: DbError) -> (&'static str, String, Limit) {
    match error {
        DbError::NotGranted => ("not-granted", "the applet was not granted a database (permissions.db)".into(), None),
        DbError::Denied(message) => ("denied", message, None),
        DbError::Invalid(message) => ("invalid", message, None),
        DbError::Constraint(message) => ("constraint", message, None),
        DbError::Busy => ("busy", "another transaction holds the write lock".into(), None),
        DbError::Limit(hit) => ("limit", over(&hit.limit, hit.allowed, hit.used), Some((hit.limit, hit.allowed, hit.used))),
        DbError::NoTransaction => ("no-transaction", "the transaction is not open any more".into(), None),
        DbError::Failed(message) => ("failed", message, None),
    }
}

fn http_error(error: HttpError) -> (&'static str, String, Limit) {
    let limited = |code, hit: http::LimitExceeded| {
        (code, over(&hit.limit, hit.allowed, hit.used), Some((hit.limit, hit.allowed, hit.used)))
    };
    match error {
        HttpError::NotGranted => ("not-granted", "the applet was not granted http (permissions.http)".into(), None),
        HttpError::Denied(message) => ("denied", message, None),
        HttpError::Invalid(message) => ("invalid", message, None),
        HttpError::Dns(message) => ("dns", message, None),
        HttpError::Connect(message) => ("connect", message, None),
        HttpError::Tls(message) => ("tls", message, None),
        HttpError::Timeout(hit) => limited("timeout", hit),
        HttpError::Limit(hit) => limited("limit", hit),
        HttpError::TooManyRedirects(hit) => limited("too-many-redirects", hit),
        HttpError::Redirected(message) => ("redirected", message, None),
        HttpError::Protocol(message) => ("protocol", message, None),
    }
}

fn body_reply<'js>(ctx: &Ctx<'js>, reply: BodyReply) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    match reply {
        BodyReply::Chunk(bytes) => {
            object.set("kind", "chunk")?;
            if let Some(bytes) = bytes {
                object.set("bytes", uint8_array(ctx, &bytes)?)?;
            }
        }
        BodyReply::Written => object.set("kind", "written")?,
    }
    Ok(object)
}

fn body_error(error: BodyError) -> (&'static str, String, Limit) {
    let limited = |code, hit: bodies::LimitExceeded| {
        (code, over(&hit.limit, hit.allowed, hit.used), Some((hit.limit, hit.allowed, hit.used)))
    };
    match error {
        BodyError::NotOpen => ("not-open", "the body is not open: it was closed or aborted".into(), None),
        BodyError::Busy => ("busy", "the body is being read already".into(), None),
        BodyError::Closed => ("closed", "the other side takes no more of the body".into(), None),
        BodyError::Broken(message) => ("broken", message, None),
        BodyError::Timeout(hit) => limited("timeout", hit),
        BodyError::Limit(hit) => limited("limit", hit),
    }
}

pub(crate) fn over(limit: &str, allowed: u64, used: u64) -> String {
    format!("limit {limit} exceeded: {allowed} allowed, {used} used")
}

fn error_object<'js>(ctx: &Ctx<'js>, capability: &str, code: &str, message: &str, limit: Limit) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("kind", "error")?;
    object.set("capability", capability)?;
    object.set("code", code)?;
    object.set("message", message)?;
    if let Some((name, allowed, used)) = limit {
        object.set("limit", name)?;
        object.set("allowed", allowed as f64)?;
        object.set("used", used as f64)?;
    }
    Ok(object)
}

fn http_response<'js>(ctx: &Ctx<'js>, response: &HttpResponse) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("kind", "response")?;
    object.set("status", response.status)?;
    object.set("statusText", response.status_text.as_str())?;
    object.set("url", response.url.as_str())?;
    object.set("redirected", response.redirected)?;
    object.set("headers", flat_headers(ctx, &response.headers)?)?;
    set_body(ctx, &object, &response.body)?;
    Ok(object)
}
