//! What a component calls of `wit/component`: each function hands its operation to the same code as the JavaScript engine's
//! (`engine/imports.rs` counts it, bounds it and gives it to its capability), and waits for the outcome in one place, [`answer`].

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Linker, LinkerInstance, Lower};

use super::types::{HttpResponse, Request};
use super::wasi::{Guest, begin_call, pause};
use crate::capability::bodies::BodyError;
use crate::engine::bindings::belljar::applet::completions::{Completion, Outcome};
use crate::engine::bindings::belljar::applet::types::{self, Body, Refusal};
use crate::engine::bindings::belljar::applet::{db, events, http, jobs, kv, log, secrets};
use crate::engine::imports::{State, abort, charge};
use crate::engine::player::Halt;
use crate::engine::tape::{Phase, Tape};
use crate::floor::fault::{Fault, FaultCode};

/// Bytes of a log line that cost one unit of fuel.
const LOG_BYTES_PER_FUEL: u64 = 16;

/// Links every function of `wit/component`.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.instance("belljar:component/types@0.1.0")?;
    link_log(&mut linker.instance("belljar:component/log@0.1.0")?)?;
    link_db(&mut linker.instance("belljar:component/db@0.1.0")?)?;
    link_http(&mut linker.instance("belljar:component/http@0.1.0")?)?;
    link_kv(&mut linker.instance("belljar:component/kv@0.1.0")?)?;
    link_secrets(&mut linker.instance("belljar:component/secrets@0.1.0")?)?;
    link_events(&mut linker.instance("belljar:component/events@0.1.0")?)?;
    link_jobs(&mut linker.instance("belljar:component/jobs@0.1.0")?)
}

/// Waits for an operation that was begun: the one place where anything of the world comes into a call of a component, but for its clock
/// and its random bytes. `call` names the function, as `db.query`. Fuel is told to the turns; the time goes on. A recording has what came back, as
/// the engine of JavaScript is entered with it; a replay takes it from there, and waits for nothing.
async fn answer(
    store: &mut StoreContextMut<'_, Guest>,
    call: &'static str,
    operation: u32,
) -> wasmtime::Result<Outcome> {
    let fuel_left = store.get_fuel()?;
    let guest = store.data_mut();
    guest.see_fuel(fuel_left);
    let burnt = guest.burnt(fuel_left);
    let state = &mut guest.state;
    if let Tape::Replaying(player) = &mut state.tape {
        let is_another = player.matching().is_some();
        let slice = player.slice(burnt, None)?;
        let recorded = slice.completions.into_iter().find(|completion| completion.operation == operation);
        let outcome = recorded.map(|completion| completion.outcome);
        let outcome = outcome.ok_or_else(|| player.halt(Halt::Unreadable("an operation's outcome is missing")))?;
        match is_another {
            true => state.go_on(fuel_left, slice.base_us),
            false => state.repeat_slice(fuel_left, slice.base_us),
        }
        return Ok(outcome);
    }
    state.phase = Phase::Waiting;
    // In virtual time an operation has to be given its turn.
    let joined = if state.source.virtual_time().is_some() {
        state.next_in_order(false).await
    } else {
        state.tasks.join_next().await
    };
    let completed = match joined {
        Some(Ok(completed)) => completed,
        Some(Err(_)) | None => return Err(abort(Fault::new(FaultCode::Internal, "a capability failed"))),
    };
    let mut completion: Completion = state.deliver(completed);
    if let Outcome::Http(outcome) = &mut completion.outcome {
        take_body(state, outcome).await;
    }
    // Capabilities end what they do at the same moment: the applet must not be asked what it makes of that.
    if state.deadline.has_passed() {
        return Err(abort(Fault::limit(FaultCode::Deadline, state.deadline.hit())));
    }
    debug_assert_eq!(completion.operation, operation, "{call}: a component has one operation under way");
    tracing::trace!(call, operation, "answered");
    state.begin_slice(fuel_left, 0);
    state.entering(burnt, false, std::slice::from_ref(&completion));
    Ok(completion.outcome)
}

/// Reads the body of a response that comes in pieces: a component takes it whole.
async fn take_body(state: &mut State, outcome: &mut Result<http::Response, http::Error>) {
    let Ok(response) = outcome else { return };
    let Body::Stream(number) = response.body else { return };
    match state.read_whole(number).await {
        Ok(bytes) => response.body = Body::Bytes(bytes),
        Err(error) => *outcome = Err(body_error(error)),
    }
}

fn body_error(error: BodyError) -> http::Error {
    let limit = |hit: crate::floor::limits::LimitHit| http::LimitExceeded {
        limit: hit.name.into(),
        allowed: hit.allowed,
        used: hit.used,
    };
    match error {
        BodyError::Limit(hit) => http::Error::Limit(limit(hit)),
        BodyError::Timeout(hit) => http::Error::Timeout(limit(hit)),
        other => http::Error::Protocol(other.to_string()),
    }
}

/// Links a function that waits: `begin` hands its operation over and answers its number, `end` reads the outcome.
fn waiting<P, R>(
    instance: &mut LinkerInstance<'_, Guest>,
    call: &'static str,
    begin: impl Fn(&mut State, P) -> wasmtime::Result<u32> + Copy + Send + Sync + 'static,
    end: impl Fn(Outcome) -> Option<R> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + Send + 'static,
    R: ComponentType + Lower + Send + 'static,
    (R,): ComponentNamedList + Lower,
{
    let name = call.split_once('.').map_or(call, |(_, name)| name);
    instance.func_wrap_async(name, move |mut store, params: P| {
        Box::new(async move {
            let operation = begin(&mut begin_call(&mut store)?.state, params)?;
            let outcome = answer(&mut store, call, operation).await?;
            end(outcome)
                .map(|result| (result,))
                .ok_or_else(|| abort(Fault::new(FaultCode::Internal, "a capability failed")))
        })
    })
}

fn link_log(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    instance.func_wrap_async("write", |mut store, (level, message, fields): (log::Level, String, Vec<log::Field>)| {
        Box::new(async move {
            let bytes = message.len() + fields.iter().map(|field| field.name.len() + field.value.len()).sum::<usize>();
            charge(&mut store, bytes as u64 / LOG_BYTES_PER_FUEL)?;
            log::Host::write(&mut begin_call(&mut store)?.state, log::Origin::Sdk, level, message, fields)?;
            pause(&mut store).await
        })
    })
}

/// What was asked of the database.
fn of_db<T>(outcome: Outcome, pick: impl Fn(db::Reply) -> Option<T>) -> Option<Result<T, db::Error>> {
    let Outcome::Db(result) = outcome else { return None };
    match result {
        Ok(reply) => pick(reply).map(Ok),
        Err(error) => Some(Err(error)),
    }
}

fn link_db(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    let rows = |outcome| of_db(outcome, |reply| if let db::Reply::Rows(rows) = reply { Some(rows) } else { None });
    let changes =
        |outcome| of_db(outcome, |reply| if let db::Reply::Changes(changes) = reply { Some(changes) } else { None });
    let batch = |outcome| of_db(outcome, |reply| if let db::Reply::Batch(all) = reply { Some(all) } else { None });
    let transaction =
        |outcome| of_db(outcome, |reply| if let db::Reply::Transaction(id) = reply { Some(id) } else { None });
    let ended = |outcome| of_db(outcome, |reply| matches!(reply, db::Reply::Ended).then_some(()));
    waiting(
        instance,
        "db.query",
        |state, (statement, of): (db::Statement, Option<u32>)| db::Host::query(state, statement, of),
        rows,
    )?;
    waiting(
        instance,
        "db.query-one",
        |state, (statement, of): (db::Statement, Option<u32>)| db::Host::query_one(state, statement, of),
        rows,
    )?;
    waiting(
        instance,
        "db.execute",
        |state, (statement, of): (db::Statement, Option<u32>)| db::Host::execute(state, statement, of),
        changes,
    )?;
    waiting(
        instance,
        "db.batch",
        |state, (statements,): (Vec<db::Statement>,)| db::Host::batch(state, statements),
        batch,
    )?;
    waiting(instance, "db.begin", |state, (): ()| db::Host::begin(state), transaction)?;
    waiting(instance, "db.commit", |state, (transaction,): (u32,)| db::Host::commit(state, transaction), ended)?;
    waiting(instance, "db.rollback", |state, (transaction,): (u32,)| db::Host::rollback(state, transaction), ended)
}

fn link_http(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    let send = |state: &mut State, (request, options): (Request, http::Options)| {
        let Request { method, url, headers, body } = request;
        let body = if body.is_empty() { Body::Empty } else { Body::Bytes(body) };
        http::Host::send(state, types::Request { method, url, headers, body }, options)
    };
    let response = |outcome| {
        let Outcome::Http(result) = outcome else { return None };
        Some(result.map(|response| {
            let http::Response { status, status_text, url, redirected, headers, body } = response;
            let body = match body {
                Body::Bytes(bytes) => bytes,
                Body::Empty | Body::Stream(_) => Vec::new(),
            };
            HttpResponse { status, status_text, url, redirected, headers, body }
        }))
    };
    waiting(instance, "http.send", send, response)
}

/// What was asked of the store.
fn of_kv<T>(outcome: Outcome, pick: impl Fn(kv::Reply) -> Option<T>) -> Option<Result<T, Refusal>> {
    let Outcome::Kv(result) = outcome else { return None };
    match result {
        Ok(reply) => pick(reply).map(Ok),
        Err(refusal) => Some(Err(refusal)),
    }
}

fn link_kv(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    type Expected = (String, Option<kv::Value>, Option<kv::Value>, Option<u64>);
    let values =
        |outcome| of_kv(outcome, |reply| if let kv::Reply::Values(values) = reply { Some(values) } else { None });
    let done = |outcome| of_kv(outcome, |reply| matches!(reply, kv::Reply::Done).then_some(()));
    let flag = |outcome| of_kv(outcome, |reply| if let kv::Reply::Flag(flag) = reply { Some(flag) } else { None });
    let number =
        |outcome| of_kv(outcome, |reply| if let kv::Reply::Number(number) = reply { Some(number) } else { None });
    let page = |outcome| of_kv(outcome, |reply| if let kv::Reply::Keys(page) = reply { Some(page) } else { None });
    waiting(instance, "kv.get", |state, (keys,): (Vec<String>,)| kv::Host::get(state, keys), values)?;
    waiting(
        instance,
        "kv.set",
        |state, (key, value, ttl): (String, kv::Value, Option<u64>)| kv::Host::set(state, key, value, ttl),
        done,
    )?;
    waiting(instance, "kv.delete", |state, (key,): (String,)| kv::Host::delete(state, key), flag)?;
    waiting(
        instance,
        "kv.increment",
        |state, (key, by, ttl): (String, i64, Option<u64>)| kv::Host::increment(state, key, by, ttl),
        number,
    )?;
    let compare = |state: &mut State, (key, expected, value, ttl): Expected| {
        kv::Host::compare_and_set(state, key, expected, value, ttl)
    };
    waiting(instance, "kv.compare-and-set", compare, flag)?;
    waiting(
        instance,
        "kv.list",
        |state, (prefix, after, limit): (String, Option<String>, u32)| kv::Host::list(state, prefix, after, limit),
        page,
    )
}

fn link_secrets(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    let text = |outcome| if let Outcome::Secrets(result) = outcome { Some(result) } else { None };
    waiting(instance, "secrets.get", |state, (name,): (String,)| secrets::Host::get(state, name), text)
}

fn link_events(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    let id = |outcome| if let Outcome::Events(result) = outcome { Some(result) } else { None };
    waiting(instance, "events.publish", |state, (event,): (events::Event,)| events::Host::publish(state, event), id)
}

/// What was asked of jobs.
fn of_jobs<T>(outcome: Outcome, pick: impl Fn(jobs::Reply) -> Option<T>) -> Option<Result<T, Refusal>> {
    let Outcome::Jobs(result) = outcome else { return None };
    match result {
        Ok(reply) => pick(reply).map(Ok),
        Err(refusal) => Some(Err(refusal)),
    }
}

fn link_jobs(instance: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    let id = |outcome| of_jobs(outcome, |reply| if let jobs::Reply::Id(id) = reply { Some(id) } else { None });
    let cancelled =
        |outcome| of_jobs(outcome, |reply| if let jobs::Reply::Cancelled(was) = reply { Some(was) } else { None });
    let told = |outcome| of_jobs(outcome, |reply| matches!(reply, jobs::Reply::Told).then_some(()));
    waiting(instance, "jobs.enqueue", |state, (job,): (jobs::Job,)| jobs::Host::enqueue(state, job), id)?;
    waiting(instance, "jobs.cancel", |state, (id,): (String,)| jobs::Host::cancel(state, id), cancelled)?;
    waiting(instance, "jobs.progress", |state, (progress,): (String,)| jobs::Host::progress(state, progress), told)
}
