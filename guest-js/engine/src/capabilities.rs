//! `kv`, `secrets`, `events`, `jobs` and the embedder's own for the web platform: what it may call, and how outcomes become its values.

use javy::quickjs::{Array, Ctx, FromJs, IntoJs, Object, Result, Value, prelude::Func};

use crate::bindings::belljar::applet::completions::{JobsReply, KvReply};
use crate::bindings::belljar::applet::types::{CustomCapability, Refusal};
use crate::bindings::belljar::applet::{custom, events, jobs, kv, secrets};
use crate::native::open;
use crate::values::{self, Bytes, Limit, Text};

/// JSON text, or bytes.
struct KvValue(kv::Value);

impl<'js> FromJs<'js> for KvValue {
    fn from_js(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Self> {
        if value.is_string() {
            return Text::from_js(ctx, value).map(|text| Self(kv::Value::Json(text.0)));
        }
        Bytes::from_js(ctx, value).map(|bytes| Self(kv::Value::Bytes(bytes.0)))
    }
}

/// Adds the functions to the `Native` object.
pub(crate) fn set(native: &Object<'_>) -> Result<()> {
    set_kv(native)?;
    native.set(
        "secretGet",
        Func::from(|ctx: Ctx<'_>, name: Text| {
            open(&ctx, "sdk.secrets")?;
            Ok::<_, javy::quickjs::Error>(secrets::get(&name.0))
        }),
    )?;
    native.set("eventPublish", Func::from(publish))?;
    native.set(
        "customCall",
        Func::from(|ctx: Ctx<'_>, capability: Text, function: Text, argument: Text| {
            open(&ctx, &format!("sdk.{}", capability.0))?;
            Ok::<_, javy::quickjs::Error>(custom::call(&capability.0, &function.0, &argument.0))
        }),
    )?;
    native.set("jobEnqueue", Func::from(enqueue))?;
    native.set(
        "jobCancel",
        Func::from(|ctx: Ctx<'_>, id: Text| {
            open(&ctx, "sdk.jobs")?;
            Ok::<_, javy::quickjs::Error>(jobs::cancel(&id.0))
        }),
    )?;
    native.set(
        "jobProgress",
        Func::from(|ctx: Ctx<'_>, progress: Text| {
            open(&ctx, "sdk.jobs")?;
            Ok::<_, javy::quickjs::Error>(jobs::progress(&progress.0))
        }),
    )
}

fn set_kv(native: &Object<'_>) -> Result<()> {
    native.set(
        "kvGet",
        Func::from(|ctx: Ctx<'_>, keys: Vec<Text>| {
            open(&ctx, "sdk.kv")?;
            let keys: Vec<_> = keys.into_iter().map(|key| key.0).collect();
            Ok::<_, javy::quickjs::Error>(kv::get(&keys))
        }),
    )?;
    native.set(
        "kvSet",
        Func::from(|ctx: Ctx<'_>, key: Text, value: KvValue, ttl_ms: Option<f64>| {
            open(&ctx, "sdk.kv")?;
            Ok::<_, javy::quickjs::Error>(kv::set(&key.0, &value.0, whole(ttl_ms)))
        }),
    )?;
    native.set(
        "kvDelete",
        Func::from(|ctx: Ctx<'_>, key: Text| {
            open(&ctx, "sdk.kv")?;
            Ok::<_, javy::quickjs::Error>(kv::delete(&key.0))
        }),
    )?;
    native.set(
        "kvIncrement",
        Func::from(|ctx: Ctx<'_>, key: Text, by: f64, ttl_ms: Option<f64>| {
            open(&ctx, "sdk.kv")?;
            Ok::<_, javy::quickjs::Error>(kv::increment(&key.0, by as i64, whole(ttl_ms)))
        }),
    )?;
    native.set("kvCompareAndSet", Func::from(compare_and_set))?;
    native.set(
        "kvList",
        Func::from(|ctx: Ctx<'_>, prefix: Text, after: Option<Text>, limit: u32| {
            open(&ctx, "sdk.kv")?;
            Ok::<_, javy::quickjs::Error>(kv::list(&prefix.0, after.as_ref().map(|after| after.0.as_str()), limit))
        }),
    )
}

fn compare_and_set(
    ctx: Ctx<'_>,
    key: Text,
    expected: Option<KvValue>,
    value: Option<KvValue>,
    ttl_ms: Option<f64>,
) -> Result<u32> {
    open(&ctx, "sdk.kv")?;
    let (expected, value) = (expected.map(|value| value.0), value.map(|value| value.0));
    Ok(kv::compare_and_set(&key.0, expected.as_ref(), value.as_ref(), whole(ttl_ms)))
}

fn publish(
    ctx: Ctx<'_>,
    name: Text,
    payload: Text,
    key: Option<Text>,
    order_key: Option<Text>,
    delay_ms: f64,
) -> Result<u32> {
    open(&ctx, "sdk.events")?;
    let event = events::Event {
        name: name.0,
        payload: payload.0,
        key: key.map(|key| key.0),
        order_key: order_key.map(|key| key.0),
        delay_ms: delay_ms as u64,
    };
    Ok(events::publish(&event))
}

fn enqueue(
    ctx: Ctx<'_>,
    handler: Text,
    payload: Text,
    delay_ms: f64,
    at_ms: Option<f64>,
    priority: i32,
    key: Option<Text>,
) -> Result<u32> {
    open(&ctx, "sdk.jobs")?;
    let due = match at_ms {
        Some(at_ms) => jobs::Due::AtMs(at_ms as u64),
        None => jobs::Due::InMs(delay_ms as u64),
    };
    let job = jobs::Job { handler: handler.0, payload: payload.0, due, priority, key: key.map(|key| key.0) };
    Ok(jobs::enqueue(&job))
}

/// A cast of a float saturates, and NaN becomes 0.
fn whole(ms: Option<f64>) -> Option<u64> {
    ms.map(|ms| ms as u64)
}

fn of_kind<'js>(ctx: &Ctx<'js>, kind: &str) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("kind", kind)?;
    Ok(object)
}

pub(crate) fn kv_reply<'js>(ctx: &Ctx<'js>, reply: KvReply) -> Result<Object<'js>> {
    match reply {
        KvReply::Values(values) => {
            let object = of_kind(ctx, "values")?;
            let all = Array::new(ctx.clone())?;
            for (i, value) in values.into_iter().enumerate() {
                let value = match value {
                    Some(kv::Value::Json(text)) => text.into_js(ctx)?,
                    Some(kv::Value::Bytes(bytes)) => values::uint8_array(ctx, &bytes)?,
                    None => Value::new_undefined(ctx.clone()),
                };
                all.set(i, value)?;
            }
            object.set("values", all)?;
            Ok(object)
        }
        KvReply::Done => of_kind(ctx, "ended"),
        KvReply::Flag(flag) => flag_reply(ctx, flag),
        KvReply::Number(number) => {
            let object = of_kind(ctx, "number")?;
            object.set("number", number as f64)?;
            Ok(object)
        }
        KvReply::Keys(page) => {
            let object = of_kind(ctx, "keys")?;
            object.set("keys", page.keys)?;
            object.set("hasMore", page.has_more)?;
            Ok(object)
        }
    }
}

fn flag_reply<'js>(ctx: &Ctx<'js>, flag: bool) -> Result<Object<'js>> {
    let object = of_kind(ctx, "flag")?;
    object.set("flag", flag)?;
    Ok(object)
}

/// A text, or none.
pub(crate) fn text_reply<'js>(ctx: &Ctx<'js>, text: Option<String>) -> Result<Object<'js>> {
    let object = of_kind(ctx, "text")?;
    if let Some(text) = text {
        object.set("text", text)?;
    }
    Ok(object)
}

pub(crate) fn jobs_reply<'js>(ctx: &Ctx<'js>, reply: JobsReply) -> Result<Object<'js>> {
    match reply {
        JobsReply::Id(id) => text_reply(ctx, Some(id)),
        JobsReply::Cancelled(is_cancelled) => flag_reply(ctx, is_cancelled),
        JobsReply::Told => of_kind(ctx, "ended"),
    }
}

/// What an applet was granted of the embedder's own: name, functions, name, functions, …
pub(crate) fn granted<'js>(ctx: &Ctx<'js>, capabilities: Vec<CustomCapability>) -> Result<Array<'js>> {
    let flat = Array::new(ctx.clone())?;
    for (i, capability) in capabilities.into_iter().enumerate() {
        flat.set(2 * i, capability.name)?;
        flat.set(2 * i + 1, capability.functions)?;
    }
    Ok(flat)
}

pub(crate) fn refusal(capability: &str, refusal: Refusal) -> (&'static str, String, Limit) {
    match refusal {
        Refusal::NotGranted => {
            ("not-granted", format!("the applet was not granted {capability} (permissions.{capability})"), None)
        }
        Refusal::Unavailable(what) => ("unavailable", format!("not available on this host: {what}"), None),
        Refusal::Denied(message) => ("denied", message, None),
        Refusal::Invalid(message) => ("invalid", message, None),
        Refusal::Limit(hit) => {
            ("limit", values::over(&hit.name, hit.allowed, hit.used), Some((hit.name, hit.allowed, hit.used)))
        }
        Refusal::Busy => ("busy", "the host is busy: try again".into(), None),
        Refusal::Failed(message) => ("failed", message, None),
    }
}
