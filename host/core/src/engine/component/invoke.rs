//! One call of a component: a fresh instance, `handle`, its end. While it waits its fiber waits with it; no thread does. Whatever ends it, the
//! instance is dropped and never entered again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use wasmtime::{Store, Trap, WasmBacktrace};

use super::compile::HANDLE;
use super::types::{Call, CallRecord, Failure, FailureReason, Payload, Reply};
use super::wasi::Guest;
use super::{Components, PreparedComponent};
use crate::capability::bodies::BodyError;
use crate::capability::http::HostBytes;
use crate::capability::opened::Capabilities;
use crate::engine::imports::{Fuel, State, whole};
use crate::engine::invoke::{NO_PLACE, Ran, Stop, bounded, fuel, trapped, unless, wall_us};
use crate::engine::limiter::Abort;
use crate::engine::sandbox::FUEL_YIELD_INTERVAL;
use crate::engine::tape::{Called, Tape};
use crate::floor::clock::Source;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{ErrorRole, Fault, FaultCode, Frame, ThrownError, details};
use crate::floor::limits::Limits;
use crate::floor::usage::Usage;
use crate::invocation::{HttpReply, Response, ResponseHead};
use crate::positions::Positions;
use crate::recording::Ending;
use crate::recording::events::EventWriter;
use crate::turns::{Turns, in_turns_that_wait};

/// Bytes that a component may hand over in one call of a function; an answer may have more where its limit is larger.
const HANDED_BYTES_MAX: u64 = 16 << 20;

/// Everything one call runs with.
pub(crate) struct ComponentRun<'a> {
    pub(crate) prepared: &'a PreparedComponent,
    pub(crate) limits: &'a Limits,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) capabilities: Capabilities,
    pub(crate) host_bytes: HostBytes,
    pub(crate) call: Call,
    /// When it may use a processor.
    pub(crate) turns: Option<Arc<dyn Turns>>,
    /// Ends it when it resolves.
    pub(crate) until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(crate) begun: Instant,
    pub(crate) deadline: Deadline,
    /// Records it.
    pub(crate) writer: Option<EventWriter>,
}

impl Components {
    /// Runs one call to its end.
    pub(crate) async fn invoke(&self, run: ComponentRun<'_>) -> Ran {
        let ComponentRun {
            prepared,
            limits,
            source,
            capabilities,
            host_bytes,
            mut call,
            turns,
            until,
            begun,
            deadline,
            writer,
        } = run;
        let Ok(_place) = self.places.try_acquire() else {
            let fault = Fault::new(FaultCode::Internal, NO_PLACE);
            return Ran { result: Err(fault), usage: Usage::default(), taped: None };
        };
        call.record.deadline_ms = source.now_us() / 1_000 + limits.deadline_ms;
        let state = State::new(
            limits,
            source,
            host_bytes.clone(),
            capabilities,
            Arc::new(Positions::unmapped()),
            deadline.clone(),
            writer.map_or(Tape::Off, |writer| Tape::Recording(Box::new(writer))),
        );
        let fuel_left = Arc::new(AtomicU64::new(limits.fuel_max));
        let mut store = self.store(state, limits, fuel_left.clone());
        let ended = match fuel(&mut store, limits.fuel_max) {
            Ok(()) => {
                let driven = async {
                    if let Some(mut body) = call.body.take()
                        && let Payload::Request(request) = &mut call.record.payload
                    {
                        request.body =
                            whole(&mut body, &host_bytes).await.map_err(|error| Stop::Fault(unread(error)))?;
                    }
                    drive(&mut store, prepared, &call.record, turns.as_ref(), &fuel_left, limits).await
                };
                tokio::select! {
                    biased;
                    ended = unless(until, driven) => ended,
                    () = deadline.passed() => Err(Stop::Deadline),
                }
            }
            Err(error) => Err(Stop::Wasmtime(error)),
        };
        let wall_us = wall_us(begun);
        let filled = store.data().state.fuel();
        let fuel_left = store.get_fuel().unwrap_or(0);
        let fuel = filled.burnt(fuel_left);
        let ending = ending(store.data(), &ended);
        let result = match ended {
            Ok(result) => result,
            Err(stop) => Err(stop.fault(&deadline, |error| {
                let fault = fault(store.data(), error, filled, fuel);
                Fault { frames: frames(error, &prepared.file), ..fault }
            })),
        };
        store.data_mut().end_output(ending, fuel_left);
        Ran::of(&mut store.data_mut().state, Called::Component(call.record), ending, result, fuel, wall_us)
    }

    /// A store for one instance.
    pub(super) fn store(&self, state: State, limits: &Limits, fuel_left: Arc<AtomicU64>) -> Store<Guest> {
        let mut store = Store::new(&self.engine, Guest::new(state, limits, fuel_left));
        store.limiter(|guest| &mut guest.state.limiter);
        // An answer that is a little too large is told as that.
        let handed_bytes_max = HANDED_BYTES_MAX.max(limits.response_bytes_max.saturating_mul(2));
        store.set_hostcall_fuel(usize::try_from(handed_bytes_max).unwrap_or(usize::MAX));
        store
    }
}

async fn drive(
    store: &mut Store<Guest>,
    prepared: &PreparedComponent,
    call: &CallRecord,
    turns: Option<&Arc<dyn Turns>>,
    fuel_left: &AtomicU64,
    limits: &Limits,
) -> Result<Result<Response, Fault>, Stop> {
    let begun = limits.fuel_max;
    let state = &mut store.data_mut().state;
    state.begin_slice(begun, 0);
    state.entering(0, false, &[]);
    let running = async {
        let result = handle(store, prepared, call, limits).await?;
        wasmtime::Result::Ok((result, begun.saturating_sub(store.get_fuel().unwrap_or(0))))
    };
    let seen = || begun.saturating_sub(fuel_left.load(Ordering::Relaxed));
    let fuel_of = |ended: &wasmtime::Result<_>| ended.as_ref().ok().map(|(_, fuel)| *fuel);
    let (result, _) = in_turns_that_wait(turns, FUEL_YIELD_INTERVAL, running, seen, fuel_of).await?;
    Ok(result)
}

/// Instantiates and calls it; an error ended it before it answered.
pub(super) async fn handle(
    store: &mut Store<Guest>,
    prepared: &PreparedComponent,
    call: &CallRecord,
    limits: &Limits,
) -> wasmtime::Result<Result<Response, Fault>> {
    let instance = prepared.linked.instantiate_async(&mut *store).await?;
    let handle = instance.get_typed_func::<(&CallRecord,), (Result<Reply, Failure>,)>(&mut *store, HANDLE);
    let handle = match handle {
        Ok(handle) => handle,
        Err(error) => {
            let message = format!("`{HANDLE}` of the component is not the one of belljar:component/applet: {error:#}");
            return Ok(Err(Fault::new(FaultCode::Preparation, message)));
        }
    };
    store.data_mut().has_begun = true;
    let (result,) = handle.call_async(&mut *store, (call,)).await?;
    Ok(match result {
        Ok(reply) => replied(reply, limits),
        Err(failure) => Err(failed(failure)),
    })
}

/// How a call has ended, for its recording.
fn ending<T>(guest: &Guest, ended: &Result<T, Stop>) -> Ending {
    match ended {
        Ok(_) => Ending::Finished,
        Err(Stop::Wasmtime(error)) => match error.downcast_ref() {
            Some(Abort(fault)) => match fault.code {
                FaultCode::Deadline => Ending::Waiting,
                FaultCode::Memory | FaultCode::Trap => Ending::Finished,
                _ => Ending::Call,
            },
            None if guest.has_begun || error.is::<Trap>() || ended_itself(error).is_some() => Ending::Finished,
            // The host's own failure: it is over where it was.
            None => Ending::Killed,
        },
        Err(Stop::Deadline | Stop::Cancelled | Stop::Fault(_)) => guest.state.phase.ending(),
    }
}

/// What an error says that ended a call.
pub(super) fn fault(guest: &Guest, error: &wasmtime::Error, filled: Fuel, fuel: u64) -> Fault {
    let own = ended_itself(error).or_else(|| guest.has_begun.then(|| misused(error)).flatten());
    own.unwrap_or_else(|| trapped(error, filled, fuel))
}

fn replied(reply: Reply, limits: &Limits) -> Result<Response, Fault> {
    let response = match reply {
        Reply::Value(json) => {
            // What others read as JSON has to be it.
            if let Some(Err(error)) = json.as_deref().map(serde_json::from_str::<serde::de::IgnoredAny>) {
                return Err(Fault::new(FaultCode::InvalidResult, format!("the result is not JSON: {error}")));
            }
            Response::Value(json)
        }
        Reply::Response(response) => {
            let given = response.headers.into_iter().map(|header| (header.name, header.value)).collect();
            let ResponseHead { status, headers } = ResponseHead::checked(response.status, given)?;
            Response::Http(HttpReply { status, headers, body: response.body.into() })
        }
    };
    bounded(response, limits)
}

fn failed(failure: Failure) -> Fault {
    let Failure { reason, name, message, code, details: json } = failure;
    let reason = match reason {
        FailureReason::Failed => FaultCode::Threw,
        FailureReason::HandlerNotFound => FaultCode::HandlerNotFound,
        FailureReason::InvalidPayload => FaultCode::InvalidPayload,
    };
    let error = ThrownError {
        role: ErrorRole::Thrown,
        parent: 0,
        name,
        message,
        code,
        details: json.map(details),
        frames: Vec::new(),
    };
    Fault::thrown(reason, vec![error])
}

/// The body of a request that did not come.
fn unread(error: BodyError) -> Fault {
    match error {
        BodyError::Limit(hit) => Fault::limit(FaultCode::InvalidPayload, hit),
        other => Fault::new(FaultCode::InvalidPayload, format!("the request has no whole body: {other}")),
    }
}

/// The component called `exit`, or trapped by itself.
fn ended_itself(error: &wasmtime::Error) -> Option<Fault> {
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Some(Fault::new(
            FaultCode::Trap,
            format!("the component ended itself with exit code {}, in place of an answer", exit.0),
        ));
    }
    match error.downcast_ref::<Trap>()? {
        Trap::OutOfFuel | Trap::StackOverflow => None,
        trap => Some(Fault::new(FaultCode::Trap, format!("the component trapped: {trap}"))),
    }
}

/// What is neither a trap nor a fault of ours, once the component runs: it has given something that is no value of its type (a text that is no
/// UTF-8, an address outside of its memory), or more than it may.
fn misused(error: &wasmtime::Error) -> Option<Fault> {
    let is_told = error.is::<Abort>() || error.is::<Trap>();
    (!is_told).then(|| Fault::new(FaultCode::Trap, format!("the component trapped: {}", error.root_cause())))
}

/// WebAssembly's own stack, innermost first, by the name section if there is one. As in source maps of WebAssembly, the position is line 1
/// and the byte in the module as the column.
pub(super) fn frames(error: &wasmtime::Error, file: &str) -> Vec<Frame> {
    let Some(stack) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frame = |frame: &wasmtime::FrameInfo| Frame {
        function: frame.func_name().map_or_else(|| format!("wasm-function[{}]", frame.func_index()), str::to_owned),
        file: file.to_owned(),
        line: 1,
        column: frame.module_offset().and_then(|at| u32::try_from(at).ok()).unwrap_or(0).saturating_add(1),
        in_author_file: false,
    };
    stack.frames().iter().map(frame).collect()
}
