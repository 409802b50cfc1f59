//! What the web platform may call: the `Native` object of guest-js/web/src/bindings.ts. While an applet is prepared, capability
//! functions throw, so that the error carries the author's position.

use javy::quickjs::{Ctx, Exception, Object, Result, Value, prelude::Func, qjs};

use crate::bindings::belljar::applet::{bodies, clock, completions, db, http, intl, log, random, types};
use crate::codec;
use crate::values::{self, Body, Bytes, Parameters, Text, Viewed};

/// Bytes of one `random.bytes` call, as in wit/random.wit and in the Web Crypto standard's quota.
const RANDOM_BYTES_MAX: u32 = 65_536;

/// Throws while top-level code runs.
pub(crate) fn open(ctx: &Ctx<'_>, what: &str) -> Result<()> {
    if crate::engine::preparing() {
        let message = format!(
            "{what} cannot be used while top-level code runs: it runs once for all invocations and tenants. Call it inside a handler"
        );
        return Err(Exception::throw_message(ctx, &message));
    }
    Ok(())
}

fn statement(sql: Text, parameters: Parameters) -> db::Statement {
    db::Statement { sql: sql.0, parameters: parameters.0 }
}

/// Makes the `Native` object.
pub(crate) fn object<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    native.set("nowUs", Func::from(|| clock::now_us() as f64))?;
    native.set("thrownStack", Func::from(crate::thrown::stack))?;
    native.set("randomBytes", Func::from(random_bytes))?;
    native.set("log", Func::from(write_log))?;
    set_db(&native)?;
    native.set("httpSend", Func::from(http_send))?;
    set_bodies(&native)?;
    native.set("cancel", Func::from(completions::cancel))?;
    native.set("intl", Func::from(intl_answer))?;
    native.set("intlCompare", Func::from(|recipe: Text, a: Text, b: Text| intl::compare(&recipe.0, &a.0, &b.0)))?;
    crate::text::set(&native)?;
    crate::url::set(&native)?;
    crate::pattern::set(&native)?;
    native.set("timingSafeEqual", Func::from(|a: Bytes, b: Bytes| timing_safe_equal(&a.0, &b.0)))?;
    native.set("codecOpen", Func::from(codec::open))?;
    native.set("codecWrite", Func::from(|ctx: Ctx<'js>, handle: u32, bytes: Bytes| coded(&ctx, codec::write(handle, &bytes.0))))?;
    native.set("codecFinish", Func::from(|ctx: Ctx<'js>, handle: u32| coded(&ctx, codec::finish(handle))))?;
    native.set("codecClose", Func::from(codec::abandon))?;
    native.set("hash", Func::from(hash))?;
    crate::crypto::set(&native)?;
    crate::capabilities::set(&native)?;
    define_context(ctx, &native)?;
    Ok(native)
}

unsafe extern "C" {
    /// Our own function in QuickJS (c/quickjs.insertions).
    fn belljar_define_context(ctx: *mut qjs::JSContext, target: qjs::JSValue) -> i32;
}

/// `asyncContext`, `nextTick` and `readsOne`, which are C functions.
fn define_context<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    // SAFETY: both are alive, and the function borrows them.
    if unsafe { belljar_define_context(ctx.as_raw().as_ptr(), native.as_value().as_raw()) } < 0 {
        return Err(javy::quickjs::Error::Exception);
    }
    Ok(())
}

/// In the order of wit/intl.wit; guest-js/web/src/intl/host.ts has the numbers.
const QUESTIONS: [intl::Question; 19] = [
    intl::Question::CanonicalLocale,
    intl::Question::Negotiate,
    intl::Question::SupportedValues,
    intl::Question::ResolveNumber,
    intl::Question::Number,
    intl::Question::NumberParts,
    intl::Question::ResolveDate,
    intl::Question::Date,
    intl::Question::DateParts,
    intl::Question::DateRange,
    intl::Question::DateRangeParts,
    intl::Question::ResolvePlural,
    intl::Question::Plural,
    intl::Question::PluralRange,
    intl::Question::List,
    intl::Question::ListParts,
    intl::Question::RelativeTime,
    intl::Question::RelativeTimeParts,
    intl::Question::ResolveCollator,
];

/// Pure, and so open to top-level code.
fn intl_answer(ctx: Ctx<'_>, question: usize, recipe: Text, value: Text) -> Result<String> {
    match intl::answer(QUESTIONS[question], &recipe.0, &value.0) {
        Ok(answer) => Ok(answer),
        Err(message) => Err(Exception::throw_range(&ctx, &message)),
    }
}

fn set_db(native: &Object<'_>) -> Result<()> {
    native.set(
        "dbQuery",
        Func::from(|ctx: Ctx<'_>, sql: Text, parameters: Parameters, transaction: Option<u32>| {
            open(&ctx, "sdk.db")?;
            Ok::<_, javy::quickjs::Error>(db::query(&statement(sql, parameters), transaction))
        }),
    )?;
    native.set(
        "dbQueryOne",
        Func::from(|ctx: Ctx<'_>, sql: Text, parameters: Parameters, transaction: Option<u32>| {
            open(&ctx, "sdk.db")?;
            Ok::<_, javy::quickjs::Error>(db::query_one(&statement(sql, parameters), transaction))
        }),
    )?;
    native.set(
        "dbExecute",
        Func::from(|ctx: Ctx<'_>, sql: Text, parameters: Parameters, transaction: Option<u32>| {
            open(&ctx, "sdk.db")?;
            Ok::<_, javy::quickjs::Error>(db::execute(&statement(sql, parameters), transaction))
        }),
    )?;
    native.set(
        "dbBatch",
        Func::from(|ctx: Ctx<'_>, sqls: Vec<Text>, parameters: Vec<Parameters>| {
            open(&ctx, "sdk.db")?;
            let statements: Vec<_> = sqls.into_iter().zip(parameters).map(|(sql, p)| statement(sql, p)).collect();
            Ok::<_, javy::quickjs::Error>(db::batch(&statements))
        }),
    )?;
    native.set(
        "dbBegin",
        Func::from(|ctx: Ctx<'_>| {
            open(&ctx, "sdk.db")?;
            Ok::<_, javy::quickjs::Error>(db::begin())
        }),
    )?;
    native.set("dbCommit", Func::from(db::commit))?;
    native.set("dbRollback", Func::from(db::rollback))
}

/// Streams come into being inside a handler: while top-level code runs there is none to read, write or close.
fn set_bodies(native: &Object<'_>) -> Result<()> {
    native.set(
        "bodyOpen",
        Func::from(|ctx: Ctx<'_>| {
            open(&ctx, "a streamed body")?;
            Ok::<_, javy::quickjs::Error>(bodies::open())
        }),
    )?;
    native.set("bodyRead", Func::from(bodies::read))?;
    native.set("bodyWrite", Func::from(|stream: u32, bytes: Bytes| bodies::write(stream, &bytes.0)))?;
    native.set("bodyClose", Func::from(bodies::close))?;
    native.set("bodyAbort", Func::from(|stream: u32, reason: Text| bodies::abort(stream, &reason.0)))?;
    native.set(
        "respond",
        Func::from(|status: u16, headers: Vec<Text>, stream: u32| {
            let headers = values::headers(headers);
            bodies::respond(&types::Response { status, headers, body: types::Body::Stream(stream) });
        }),
    )
}

fn random_bytes<'js>(ctx: Ctx<'js>, length: u32) -> Result<Value<'js>> {
    open(&ctx, "cryptographic randomness")?;
    if length > RANDOM_BYTES_MAX {
        return Err(Exception::throw_range(&ctx, "at most 65536 random bytes at once"));
    }
    values::uint8_array(&ctx, &random::bytes(length))
}

fn write_log(origin: u32, level: u32, message: Text, fields: Vec<Text>) {
    let origin = if origin == 0 { log::Origin::Console } else { log::Origin::Sdk };
    let level = match level {
        0 => log::Level::Debug,
        1 => log::Level::Info,
        2 => log::Level::Warn,
        _ => log::Level::Error,
    };
    let fields: Vec<_> = values::pairs(fields).into_iter().map(|(name, value)| log::Field { name, value }).collect();
    log::write(origin, level, &message.0, &fields);
}

fn http_send(
    ctx: Ctx<'_>,
    method: Text,
    url: Text,
    headers: Vec<Text>,
    body: Option<Body>,
    redirect: u32,
    timeout_ms: Option<f64>,
) -> Result<u32> {
    open(&ctx, "fetch")?;
    let request =
        http::Request { method: method.0, url: url.0, headers: values::headers(headers), body: values::body(body) };
    let redirect = match redirect {
        0 => http::Redirect::Follow,
        1 => http::Redirect::Error,
        _ => http::Redirect::Manual,
    };
    // A cast of a float saturates, and NaN becomes 0: a nonsensical time-out only ever shortens.
    Ok(http::send(&request, http::Options { redirect, timeout_ms: timeout_ms.map(|ms| ms as u32) }))
}

fn coded<'js>(ctx: &Ctx<'js>, result: std::result::Result<Vec<u8>, String>) -> Result<Value<'js>> {
    match result {
        Ok(bytes) => values::uint8_array(ctx, &bytes),
        Err(message) => Err(Exception::throw_type(ctx, &message)),
    }
}

/// A digest by Node's name of it, or with a key an HMAC; undefined for a name that is not known.
fn hash<'js>(ctx: Ctx<'js>, name: Text, message: Viewed<'js>, key: Option<Viewed<'js>>) -> Result<Value<'js>> {
    match crate::hash::digest(&name.0, message.bytes(), key.as_ref().map(Viewed::bytes)) {
        Some(digest) => values::uint8_array(&ctx, &digest),
        None => Ok(Value::new_undefined(ctx)),
    }
}

fn timing_safe_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |different, (x, y)| different | (x ^ y))) == 0
}
