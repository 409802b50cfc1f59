//! One invocation: `start`, then `resume` for as long as the answer is `pending`. Nothing here ever waits.

use std::cell::RefCell;

use javy::quickjs::context::EvalOptions;
use javy::quickjs::{
    Array, CatchResultExt, CaughtError, Ctx, Exception, Function, Module, Object, Persistent, Promise, Result as JsResult, Value,
    promise::PromiseState,
};

use crate::bindings::belljar::applet::completions::Completion;
use crate::bindings::belljar::applet::types::{
    Body, Call, Caller, ErrorReport, ErrorRole, Failure, FailureReason, Header, Invocation, Payload, Program, ProgramKind, Reply, Response, Step,
    Task, Wait,
};
use crate::bindings::belljar::applet::random;
use crate::capabilities;
use crate::engine;
use crate::preparation::thrown;
use crate::values;

/// What the invocation is waiting for.
#[derive(Clone)]
enum Awaited {
    /// The promise of a handler's reply, or of a module.
    Promise { promise: Persistent<Promise<'static>>, is_program: bool },
    /// A script: nothing but an empty event loop.
    EventLoop,
}

thread_local! {
    static AWAITED: RefCell<Option<Awaited>> = const { RefCell::new(None) };
}

pub(crate) fn start(invocation: Invocation) -> Step {
    fastrand::seed(random::seed());
    engine::set_preparing(false);
    engine::with(|ctx, driver| match invocation.task {
        Task::Call(call) => {
            let begun = begin_call(ctx, driver, &invocation.id, invocation.deadline_ms, &invocation.caller, call);
            match begun.catch(ctx) {
                Ok(value) => match value.as_promise() {
                    Some(promise) => {
                        await_promise(ctx, promise.clone(), false);
                        advance(ctx, driver)
                    }
                    None => done(ctx, driver, value),
                },
                Err(error) => failed(ctx, driver, error),
            }
        }
        Task::Program(program) => {
            if let Err(error) = begin_program(ctx, driver, program).catch(ctx) {
                return failed(ctx, driver, error);
            }
            advance(ctx, driver)
        }
    })
}

pub(crate) fn resume(completions: Vec<Completion>) -> Step {
    engine::with(|ctx, driver| {
        for completion in completions {
            let delivered = values::outcome(ctx, completion.outcome).and_then(|outcome| {
                let complete: Function = driver.get("complete")?;
                complete.call::<_, ()>((completion.operation, outcome))
            });
            if let Err(error) = delivered.catch(ctx) {
                return failed(ctx, driver, error);
            }
            // Each completion is a task of its own: its promise jobs run before the next one is delivered.
            while ctx.execute_pending_job() {}
        }
        advance(ctx, driver)
    })
}

fn await_promise<'js>(ctx: &Ctx<'js>, promise: Promise<'js>, is_program: bool) {
    AWAITED.set(Some(Awaited::Promise { promise: Persistent::save(ctx, promise), is_program }));
}

fn begin_call<'js>(
    ctx: &Ctx<'js>,
    driver: &Object<'js>,
    id: &str,
    deadline_ms: u64,
    caller: &Caller,
    call: Call,
) -> JsResult<Value<'js>> {
    let Some(namespace) = engine::namespace(ctx) else {
        return Err(Exception::throw_message(ctx, "no applet is prepared in this image"));
    };
    let who = Object::new(ctx.clone())?;
    who.set("tenant", caller.tenant.as_str())?;
    who.set("applet", caller.applet.as_str())?;
    who.set("version", caller.version.as_str())?;
    who.set("user", caller.user.as_deref())?;
    who.set("organisation", caller.organisation.as_deref())?;
    who.set("permissions", caller.permissions.clone())?;
    who.set("locale", caller.locale.as_str())?;
    let object = Object::new(ctx.clone())?;
    object.set("id", id)?;
    object.set("deadlineMs", deadline_ms as f64)?;
    object.set("caller", who)?;
    object.set("handler", call.handler)?;
    object.set("export", call.export)?;
    object.set("trigger", call.trigger)?;
    // What most calls do not have costs them nothing.
    if !call.params.is_empty() {
        let flat: Vec<_> = call.params.into_iter().flat_map(|parameter| [parameter.name, parameter.value]).collect();
        object.set("params", flat)?;
    }
    if !call.config.is_empty() {
        object.set("config", call.config)?;
    }
    if call.attempt != 1 {
        object.set("attempt", call.attempt)?;
    }
    if let Some(event) = call.event {
        object.set("eventId", event)?;
    }
    if let Some(job) = call.job {
        object.set("jobId", job)?;
    }
    if !call.custom.is_empty() {
        object.set("custom", capabilities::granted(ctx, call.custom)?)?;
    }
    match call.payload {
        Payload::Json(json) => object.set("json", json)?,
        Payload::Messages(messages) => {
            let all = Array::new(ctx.clone())?;
            for (i, message) in messages.into_iter().enumerate() {
                let one = Object::new(ctx.clone())?;
                one.set("id", message.id)?;
                one.set("publishedMs", message.published_ms as f64)?;
                one.set("attempt", message.attempt)?;
                one.set("json", message.payload)?;
                all.set(i, one)?;
            }
            object.set("messages", all)?;
        }
        Payload::Request(request) => {
            let parts = Object::new(ctx.clone())?;
            parts.set("method", request.method)?;
            parts.set("url", request.url)?;
            parts.set("headers", values::flat_headers(ctx, &request.headers)?)?;
            values::set_body(ctx, &parts, &request.body)?;
            object.set("request", parts)?;
        }
    }
    let function: Function = driver.get("call")?;
    function.call((namespace, object))
}

fn begin_program<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, program: Program) -> JsResult<()> {
    let shell: Function = driver.get("shell")?;
    shell.call::<_, ()>((program.grants, program.locales, capabilities::granted(ctx, program.custom)?))?;
    match program.kind {
        ProgramKind::Script => {
            AWAITED.set(Some(Awaited::EventLoop));
            let mut options = EvalOptions::default();
            options.strict = false;
            options.filename = Some(program.name);
            ctx.eval_with_options::<Value, _>(program.source, options)?;
        }
        ProgramKind::Module => {
            let (_, promise) = Module::declare(ctx.clone(), program.name, program.source)?.eval()?;
            await_promise(ctx, promise, true);
        }
    }
    Ok(())
}

/// Runs whatever can run: promise jobs, then due timers one by one. Says `done`, `failed`, or what is waited for.
fn advance<'js>(ctx: &Ctx<'js>, driver: &Object<'js>) -> Step {
    loop {
        while ctx.execute_pending_job() {}
        let Some(awaited) = AWAITED.with_borrow(Clone::clone) else {
            return Step::Failed(Failure { reason: FailureReason::Threw, errors: Vec::new() });
        };
        let is_program = !matches!(awaited, Awaited::Promise { is_program: false, .. });
        let state = match &awaited {
            Awaited::Promise { promise, .. } => {
                let promise = promise.clone().restore(ctx).expect("the promise belongs to this runtime");
                match promise.state() {
                    PromiseState::Pending => PromiseState::Pending,
                    settled => {
                        // Whatever else was rejected by now is told before the call ends.
                        if !is_program && let Some(step) = tell_rejections(ctx, driver, Some(promise.as_value())) {
                            return step;
                        }
                        if !is_program || settled == PromiseState::Rejected {
                            return finish(ctx, driver, &promise);
                        }
                        settled
                    }
                }
            }
            Awaited::EventLoop => PromiseState::Resolved,
        };
        if let Some(step) = tell_rejections(ctx, driver, None) {
            return step;
        }
        // What a listener has queued runs before the next timer.
        if ctx.execute_pending_job() {
            continue;
        }
        match idle(driver).catch(ctx) {
            Ok(Idle::Ran) => {}
            // The module has run to its end (or it is a script), and the event loop is empty.
            Ok(Idle::Nothing) if is_program && state == PromiseState::Resolved => return Step::Done(Reply::Value(None)),
            Ok(Idle::Nothing) => return Step::Pending(Wait { wake_at_us: None }),
            Ok(Idle::Operations(wake_at_us)) => return Step::Pending(Wait { wake_at_us }),
            Err(error) => return failed(ctx, driver, error),
        }
    }
}

/// Tells the driver of promises that were rejected and not handled, but for the one that is the call itself, and of those that have been
/// handled since. Answers a step when that is the end.
fn tell_rejections<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, call: Option<&Value<'js>>) -> Option<Step> {
    for rejection in engine::take_rejections() {
        let (Ok(promise), Ok(reason)) = (rejection.promise.restore(ctx), rejection.reason.restore(ctx)) else { continue };
        if call == Some(&promise) {
            continue;
        }
        let told = driver.get("rejected").and_then(|f: Function| f.call::<_, bool>((promise, reason.clone())));
        match told.catch(ctx) {
            Ok(true) => {}
            Ok(false) => return Some(Step::Failed(report(driver, reason))),
            Err(error) => return Some(failed(ctx, driver, error)),
        }
    }
    for rejection in engine::take_handled() {
        let (Ok(promise), Ok(reason)) = (rejection.promise.restore(ctx), rejection.reason.restore(ctx)) else { continue };
        let told = driver.get("handled").and_then(|f: Function| f.call::<_, ()>((promise, reason)));
        if let Err(error) = told.catch(ctx) {
            return Some(failed(ctx, driver, error));
        }
    }
    None
}

enum Idle {
    /// A timer was due and has run.
    Ran,
    /// Operations are outstanding, or a timer is (with its time).
    Operations(Option<u64>),
    Nothing,
}

fn idle(driver: &Object<'_>) -> JsResult<Idle> {
    let next: Function = driver.get("nextTimerUs")?;
    let timer: Option<f64> = next.call(())?;
    if timer.is_some() && driver.get::<_, Function>("fireTimer")?.call::<_, bool>(())? {
        return Ok(Idle::Ran);
    }
    let outstanding: u32 = driver.get::<_, Function>("outstanding")?.call(())?;
    match timer {
        // Rounded up: at that time the timer is due.
        Some(at) => Ok(Idle::Operations(Some(at.ceil() as u64))),
        None if outstanding > 0 => Ok(Idle::Operations(None)),
        None => Ok(Idle::Nothing),
    }
}

fn finish<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, promise: &Promise<'js>) -> Step {
    match promise.result::<Value>() {
        Some(Ok(value)) => done(ctx, driver, value),
        _ => Step::Failed(report(driver, ctx.catch())),
    }
}

/// The `Reply` of guest-js/web/src/bindings.ts.
fn done<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, value: Value<'js>) -> Step {
    if value.is_undefined() {
        return Step::Done(Reply::Value(None));
    }
    if let Some(json) = value.as_string() {
        return Step::Done(Reply::Value(Some(values::text(json))));
    }
    // Answered by `respond`, and the body is complete.
    if value.as_bool() == Some(true) {
        return Step::Done(Reply::Responded);
    }
    let response = value.get::<Object>().and_then(|parts| {
        let headers = values::headers(parts.get("headers")?);
        let headers = headers.into_iter().map(|h| Header { name: h.name, value: h.value }).collect();
        let body = match parts.get::<_, Option<values::Bytes>>("body")? {
            Some(bytes) => Body::Bytes(bytes.0),
            None => Body::Empty,
        };
        Ok(Response { status: parts.get("status")?, headers, body })
    });
    match response.catch(ctx) {
        Ok(response) => Step::Done(Reply::Response(response)),
        Err(error) => failed(ctx, driver, error),
    }
}

fn failed<'js>(ctx: &Ctx<'js>, driver: &Object<'js>, error: CaughtError<'js>) -> Step {
    Step::Failed(report(driver, thrown(ctx, error)))
}

fn report<'js>(driver: &Object<'js>, error: Value<'js>) -> Failure {
    let ctx = error.ctx().clone();
    let read = || -> JsResult<Failure> {
        let failure: Object = driver.get::<_, Function>("report")?.call((error,))?;
        let reason = match failure.get::<_, u32>("reason")? {
            1 => FailureReason::HandlerNotFound,
            2 => FailureReason::InvalidPayload,
            3 => FailureReason::InvalidResult,
            4 => FailureReason::StackOverflow,
            _ => FailureReason::Threw,
        };
        let mut errors = Vec::new();
        for one in failure.get::<_, Array>("errors")?.iter::<Object>() {
            let one = one?;
            let text = |key: &str| -> JsResult<String> { Ok(one.get::<_, values::Text>(key)?.0) };
            let optional = |key: &str| -> JsResult<Option<String>> { Ok(one.get::<_, Option<values::Text>>(key)?.map(|t| t.0)) };
            errors.push(ErrorReport {
                role: match one.get::<_, u32>("role")? {
                    1 => ErrorRole::Cause,
                    2 => ErrorRole::Member,
                    _ => ErrorRole::Thrown,
                },
                parent: one.get("parent")?,
                name: text("name")?,
                message: text("message")?,
                stack: text("stack")?,
                code: optional("code")?,
                details: optional("details")?,
            });
        }
        Ok(Failure { reason, errors })
    };
    read().unwrap_or_else(|_| {
        // Reporting itself failed, which happens when the stack or the memory is exhausted where the error was thrown.
        ctx.catch();
        Failure { reason: FailureReason::Threw, errors: Vec::new() }
    })
}
