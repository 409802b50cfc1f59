//! Called on the core module, before there is a component: making the base image and preparing an applet in it.
//!
//! `belljar_compile(script, len)` compiles the web platform and leaves the bytecode where a report would be; `belljar_boot(bytecode,
//! len)`, in a fresh memory, makes the base image of it. `belljar_buffer(bytes)` gives room for a text; `belljar_prepare(name, name_len, source,
//! source_len, locales, locales_len, seed)` evaluates an applet's bundle (locales are separated by spaces) and answers 0, or 1 with a report (JSON: `{reason, errors}`, see `Failure` in
//! guest-js/web/src/bindings.ts) at `belljar_report_at()`, `belljar_report_bytes()`.

use std::cell::RefCell;

use javy::quickjs::{CatchResultExt, CaughtError, Ctx, Function, Module, Object, Persistent, Promise, Value, promise::PromiseState};

use crate::allocator::FreeBlocks;
use crate::engine;

/// Room left free above the heap, so that a call of ordinary size needs no `memory.grow`.
const HEADROOM_BYTES: usize = 256 << 10;

thread_local! {
    static REPORT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// # Safety
/// The range was made by `belljar_buffer` and filled with UTF-8.
#[unsafe(no_mangle)]
unsafe extern "C" fn belljar_compile(script: *mut u8, script_len: usize) {
    // SAFETY: the caller's promise: this is the box that `belljar_buffer` leaked.
    let script = unsafe { Vec::from_raw_parts(script, script_len, script_len) };
    let script = String::from_utf8(script).expect("the web platform is UTF-8");
    REPORT.set(engine::compile(&script));
}

/// # Safety
/// The range was made by `belljar_buffer`, filled with what `belljar_compile` left, and is never used again.
#[unsafe(no_mangle)]
unsafe extern "C" fn belljar_boot(bytecode: *const u8, bytecode_len: usize) {
    // SAFETY: the caller's promise: a buffer is leaked until it is taken back, and this one never is.
    unsafe { engine::boot(core::slice::from_raw_parts(bytecode, bytecode_len)) };
    settle_heap(FreeBlocks::Keep);
}

#[unsafe(no_mangle)]
extern "C" fn belljar_buffer(bytes: usize) -> *mut u8 {
    Box::leak(vec![0u8; bytes].into_boxed_slice()).as_mut_ptr()
}

/// # Safety
/// All ranges were made by `belljar_buffer` and filled with UTF-8; they are taken back here.
#[unsafe(no_mangle)]
unsafe extern "C" fn belljar_prepare(
    name: *mut u8,
    name_len: usize,
    source: *mut u8,
    source_len: usize,
    locales: *mut u8,
    locales_len: usize,
    seed: u64,
) -> u32 {
    // SAFETY: the caller's promise: these are the boxes that `belljar_buffer` leaked.
    let text = |at, len| unsafe { Vec::from_raw_parts(at, len, len) };
    let (name, source, locales) = (text(name, name_len), text(source, source_len), text(locales, locales_len));
    fastrand::seed(seed);
    let prepared = engine::with(|ctx, driver| prepare(ctx, driver, name, source, &locales));
    settle_heap(FreeBlocks::Forget);
    match prepared {
        Ok(()) => {
            engine::set_preparing(false);
            0
        }
        Err(report) => {
            REPORT.set(report.into_bytes());
            1
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn belljar_report_at() -> *const u8 {
    REPORT.with_borrow(|report| report.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn belljar_report_bytes() -> usize {
    REPORT.with_borrow(|report| report.len())
}

/// Shapes and names that a call may add before a table grows, which would dirty every page with one of them.
const CALL_ROOM: i32 = 256;
/// The same for top-level code and a call together: the base image's tables are then part of no other image.
const APPLET_ROOM: i32 = 512;

/// Collects garbage, keeps the rest for good, and leaves room at the top: what stays is the image.
fn settle_heap(free: FreeBlocks) {
    engine::with(|ctx, _| {
        ctx.run_gc();
        engine::keep(ctx, if free == FreeBlocks::Keep { APPLET_ROOM } else { CALL_ROOM });
    });
    crate::allocator::settle(free);
    crate::allocator::reserve(HEADROOM_BYTES);
}

fn prepare<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, name: Vec<u8>, source: Vec<u8>, locales: &[u8]) -> Result<(), String> {
    let caught = |error: CaughtError<'js>| report(driver, thrown(ctx, error));
    if !locales.is_empty() {
        let locales: Vec<String> = String::from_utf8_lossy(locales).split(' ').map(str::to_owned).collect();
        driver.get("locales").and_then(|f: Function| f.call::<_, ()>((locales,))).catch(ctx).map_err(caught)?;
    }
    let module = Module::declare(ctx.clone(), name, source).catch(ctx).map_err(caught)?;
    let (module, promise) = module.eval().catch(ctx).map_err(caught)?;
    while ctx.execute_pending_job() {}
    settled(ctx, driver, &promise)?;
    for rejection in engine::take_rejections() {
        if let Ok(reason) = rejection.reason.restore(ctx) {
            return Err(report(driver, reason));
        }
    }
    let left: u32 = driver.get("outstanding").and_then(|f: Function| f.call(())).unwrap_or(0);
    let timer: Option<f64> = driver.get("nextTimerUs").and_then(|f: Function| f.call(())).unwrap_or(None);
    if left > 0 || timer.is_some() {
        return Err(leftover("a timer or an operation"));
    }
    let namespace = module.namespace().catch(ctx).map_err(caught)?;
    engine::set_namespace(Persistent::save(ctx, namespace));
    Ok(())
}

fn settled<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, promise: &Promise<'js>) -> Result<(), String> {
    match promise.state() {
        PromiseState::Resolved => Ok(()),
        PromiseState::Pending => Err(leftover("a top-level await")),
        PromiseState::Rejected => {
            // `result` throws the reason; it is taken back from the context.
            let _ = promise.result::<Value>();
            // The rejection is reported here, so the tracker's note of it is dropped.
            engine::take_rejections();
            Err(report(driver, ctx.catch()))
        }
    }
}

fn leftover(what: &str) -> String {
    format!(
        r#"{{"reason":0,"errors":[{{"name":"PreparationError","message":"{what} is still waiting when the top-level code has run: every invocation starts from a copy of this moment, so start it inside a handler","stack":""}}]}}"#
    )
}

/// The thrown value behind an error of the bindings.
pub(crate) fn thrown<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Value<'js> {
    match error {
        CaughtError::Exception(exception) => exception.into_value(),
        CaughtError::Value(value) => value,
        CaughtError::Error(error) => {
            // An error of the bindings themselves becomes an ordinary JavaScript error.
            let _ = javy::quickjs::Exception::throw_message(ctx, &error.to_string());
            ctx.catch()
        }
    }
}

fn report<'js>(driver: &Object<'js>, error: Value<'js>) -> String {
    let ctx = error.ctx().clone();
    driver
        .get("report")
        .and_then(|f: Function| f.call::<_, Value>((error,)))
        .and_then(|failure| ctx.json_stringify(failure))
        .ok()
        .flatten()
        .map(|text| crate::values::text(&text))
        .unwrap_or_else(|| r#"{"reason":0,"errors":[]}"#.into())
}
