//! One invocation: a fresh instance, `start`, then waiting and `resume` until it is done. While it waits there is no WebAssembly
//! frame, no fiber and no thread, only its memory. Whatever ends it, the instance is dropped and never entered again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use belljar_package::Handler;
use wasmtime::{Store, Trap, WasmCoreDump};

use super::bindings::Applet;
use super::bindings::belljar::applet::completions::Completion;
use super::bindings::belljar::applet::types;
use super::frames;
use super::imports::{Fuel, State, convert};
use super::limiter::Abort;
use super::prepare::Prepared;
use super::respond::Forwarding;
use super::sandbox::{FUEL_YIELD_INTERVAL, Sandbox};
use super::tape::{Called, Phase, Tape, Taped};
use crate::capability::bodies::BodyReader;
use crate::capability::http::HostBytes;
use crate::capability::opened::Capabilities;
use crate::catalog::Release;
use crate::floor::clock::Source;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{ErrorRole, Fault, FaultCode, Frame, ThrownError, details, parent};
use crate::floor::grants::Grants;
use crate::floor::ids::{AppletId, InvocationId, TenantId};
use crate::floor::limits::{LimitHit, Limits};
use crate::floor::usage::Usage;
use crate::invocation::{
    Body, HttpReply, Invocation, Message, Payload, Program, ProgramKind, Response, ResponseHead, ResponseSink,
    StreamedReply,
};
use crate::positions::Positions;
use crate::recording::Ending;
use crate::recording::events::EventWriter;
use crate::turns::{Turns, in_turns};

/// Completions delivered in one `resume`.
const COMPLETIONS_MAX: usize = 256;
/// What is said where there is no room for one more instance.
pub(super) const NO_PLACE: &str = "the host runs as many instances as it can: try again";

/// Everything one invocation runs with.
pub(crate) struct Run<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) limits: &'a Limits,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) capabilities: Capabilities,
    pub(crate) host_bytes: HostBytes,
    pub(crate) task: Task,
    /// When it may use a processor.
    pub(crate) turns: Option<Arc<dyn Turns>>,
    /// Ends it when it resolves.
    pub(crate) until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Takes a response that the guest writes in pieces.
    pub(crate) sink: &'a mut dyn ResponseSink,
    pub(crate) begun: Instant,
    pub(crate) deadline: Deadline,
    /// Records it.
    pub(crate) writer: Option<EventWriter>,
}

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) result: Result<Response, Fault>,
    pub(crate) usage: Usage,
    /// What was recorded, if anything was.
    pub(crate) taped: Option<Taped>,
}

impl Ran {
    /// What came of a run that is over: its recording has secrets as stand-ins, its fault has none, and what it used is added up.
    pub(super) fn of(
        state: &mut State,
        called: Called,
        ending: Ending,
        result: Result<Response, Fault>,
        fuel: u64,
        wall_us: u64,
    ) -> Self {
        let taped = Taped::of(state, called, ending, &result);
        let capabilities = &state.capabilities;
        let result = match &capabilities.secrets {
            Some(secrets) => result.map_err(|fault| secrets.in_use().redact_fault(fault)),
            None => result,
        };
        let usage = Usage {
            fuel,
            memory_bytes_peak: state.limiter.peak(),
            wall_us,
            operations: state.operations(),
            host_calls: state.host_calls,
            ..capabilities.usage()
        };
        Self { result, usage, taped }
    }
}

/// Microseconds since `begun`.
pub(super) fn wall_us(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// What the instance is started with, and the body of its request if that is read in pieces.
pub(crate) struct Task(types::Invocation, Option<BodyReader>);

impl Task {
    /// One call of one handler, which is granted capabilities of the embedder's own.
    pub(crate) fn call(
        id: &InvocationId,
        release: &Release,
        handler: &Handler,
        version: String,
        invocation: Invocation,
        custom: Vec<(String, Vec<String>)>,
    ) -> Self {
        let mut reader = None;
        let payload = match invocation.payload {
            Payload::Json(json) => types::Payload::Json(json),
            Payload::Messages(messages) => types::Payload::Messages(messages.into_iter().map(message).collect()),
            Payload::Request(request) => types::Payload::Request(types::Request {
                method: request.method,
                url: request.url,
                headers: request.headers.into_iter().map(|(name, value)| types::Header { name, value }).collect(),
                body: match request.body {
                    Body::Bytes(bytes) => types::Body::Bytes(bytes.into()),
                    Body::Stream(body) => {
                        reader = Some(body);
                        // The number is filled in when the stream is opened.
                        types::Body::Stream(0)
                    }
                },
            }),
        };
        let call = types::Call {
            handler: handler.name.clone(),
            export: handler.export.clone(),
            trigger: invocation.trigger,
            payload,
            params: invocation.params.into_iter().map(|(name, value)| types::PathParameter { name, value }).collect(),
            config: invocation.config.to_string(),
            attempt: invocation.attempt,
            event: invocation.chain.event,
            job: invocation.job,
            custom: custom_capabilities(custom),
        };
        let caller = types::Caller {
            tenant: release.tenant().to_string(),
            applet: release.applet().to_string(),
            version,
            user: invocation.user,
            organisation: invocation.organisation,
            permissions: invocation.permissions,
            locale: invocation.locale,
        };
        Self(types::Invocation { id: id.to_string(), deadline_ms: 0, caller, task: types::Task::Call(call) }, reader)
    }

    /// A program given as text.
    pub(crate) fn program(
        id: &InvocationId,
        tenant: &TenantId,
        applet: &AppletId,
        grants: &Grants,
        program: Program,
        custom: Vec<(String, Vec<String>)>,
    ) -> Self {
        let granted = [("db", grants.db), ("http", !grants.http.is_empty()), ("kv", grants.kv), ("log", grants.log)];
        let program = types::Program {
            kind: match program.kind {
                ProgramKind::Script => types::ProgramKind::Script,
                ProgramKind::Module => types::ProgramKind::Module,
            },
            name: program.name,
            source: program.source,
            grants: granted.iter().filter(|(_, granted)| *granted).map(|(name, _)| (*name).to_owned()).collect(),
            custom: custom_capabilities(custom),
            locales: program.locales,
        };
        let caller = types::Caller {
            tenant: tenant.to_string(),
            applet: applet.to_string(),
            version: String::new(),
            user: None,
            organisation: None,
            permissions: Vec::new(),
            locale: "en".into(),
        };
        Self(
            types::Invocation { id: id.to_string(), deadline_ms: 0, caller, task: types::Task::Program(program) },
            None,
        )
    }
}

fn custom_capabilities(custom: Vec<(String, Vec<String>)>) -> Vec<types::CustomCapability> {
    custom.into_iter().map(|(name, functions)| types::CustomCapability { name, functions }).collect()
}

fn message(message: Message) -> types::Message {
    let Message { id, published_ms, attempt, payload } = message;
    types::Message { id, published_ms, attempt, payload }
}

impl Sandbox {
    /// Runs one invocation to its end.
    pub(crate) async fn invoke(&self, run: Run<'_>) -> Ran {
        let Run {
            prepared,
            limits,
            source,
            capabilities,
            host_bytes,
            task: Task(mut invocation, body),
            turns,
            until,
            sink,
            begun,
            deadline,
            writer,
        } = run;
        let tape = writer.map_or(Tape::Off, |writer| Tape::Recording(Box::new(writer)));
        invocation.deadline_ms = source.now_us() / 1_000 + limits.deadline_ms;
        let mut store = Store::new(
            &self.engine,
            State::new(limits, source, host_bytes, capabilities, prepared.positions.clone(), deadline.clone(), tape),
        );
        store.limiter(|state| &mut state.limiter);
        if let (Some(reader), types::Task::Call(call)) = (body, &mut invocation.task)
            && let types::Payload::Request(request) = &mut call.payload
        {
            request.body = types::Body::Stream(store.data_mut().open_stream(reader));
        }
        let forwarding = Forwarding::Idle(sink);
        let ended = match fuel(&mut store, limits.fuel_max) {
            Ok(()) => {
                let driven = drive(&mut store, prepared, &invocation, turns.as_ref(), forwarding);
                tokio::select! {
                    biased;
                    ended = unless(until, driven) => ended,
                    () = deadline.passed() => Err(Stop::Deadline),
                }
            }
            Err(error) => Err(Stop::Wasmtime(error)),
        };
        let wall_us = wall_us(begun);
        let filled = store.data().fuel();
        let fuel = filled.burnt(store.get_fuel().unwrap_or(0));
        let ending = store.data().ending(&ended);
        let result = match ended {
            Ok(Ended::Step(step)) => finished(step, limits, &prepared.positions),
            // Its head was checked when it was given, its bytes when they were written.
            Ok(Ended::Responded(reply)) => Ok(Response::Streamed(reply)),
            Err(stop) => Err(stop.fault(&deadline, |error| {
                let frames = self.frames(&mut store, error, &prepared.positions);
                Fault { frames, ..trapped(error, filled, fuel) }
            })),
        };
        Ran::of(store.data_mut(), Called::Sandbox(invocation), ending, result, fuel, wall_us)
    }

    /// The author's stack at the moment the instance was ended.
    pub(super) fn frames(
        &self,
        store: &mut Store<State>,
        error: &wasmtime::Error,
        positions: &Positions,
    ) -> Vec<Frame> {
        let memories = error.downcast_ref::<WasmCoreDump>().map(WasmCoreDump::memories).unwrap_or_default();
        let stacks = memories.iter().map(|memory| frames::stack(memory.data(&*store), self.artifact.record.frames_at));
        stacks.map(|stack| positions.frames(&stack)).find(|frames| !frames.is_empty()).unwrap_or_default()
    }
}

pub(super) fn fuel<T>(store: &mut Store<T>, fuel_max: u64) -> wasmtime::Result<()> {
    store.set_fuel(fuel_max)?;
    store.fuel_async_yield_interval(Some(FUEL_YIELD_INTERVAL))
}

/// How an invocation came to its end.
pub(super) enum Ended {
    Step(types::Step),
    /// The response went out in pieces.
    Responded(StreamedReply),
}

/// Why an invocation ended without a last step.
pub(super) enum Stop {
    Deadline,
    Cancelled,
    Fault(Fault),
    Wasmtime(wasmtime::Error),
}

impl Stop {
    /// What a caller is told; `of_error` knows what an error of Wasmtime says.
    pub(super) fn fault(self, deadline: &Deadline, of_error: impl FnOnce(&wasmtime::Error) -> Fault) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Cancelled => Fault::new(FaultCode::Cancelled, "the call was cancelled"),
            Self::Wasmtime(error) => of_error(&error),
            Self::Deadline => Fault::limit(FaultCode::Deadline, deadline.hit()),
        }
    }
}

impl From<wasmtime::Error> for Stop {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasmtime(error)
    }
}

/// Drives an invocation until it ends, or is ended.
pub(super) async fn unless<T>(
    until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    driven: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let Some(until) = until else { return driven.await };
    tokio::select! {
        biased;
        () = until => Err(Stop::Cancelled),
        ended = driven => ended,
    }
}

async fn drive(
    store: &mut Store<State>,
    prepared: &Prepared,
    invocation: &types::Invocation,
    turns: Option<&Arc<dyn Turns>>,
    mut forwarding: Forwarding<'_>,
) -> Result<Ended, Stop> {
    begin_slice(store, 0);
    store.data_mut().entering(0, false, &[]);
    let slice = async {
        let begun = store.get_fuel().unwrap_or(0);
        let applet: Applet = prepared.linked.instantiate_async(&mut *store).await?;
        let step = applet.call_start(&mut *store, invocation).await?;
        wasmtime::Result::Ok((applet, step, burnt(store, begun)))
    };
    let fuel_of = |slice: &wasmtime::Result<_>| slice.as_ref().ok().map(|(_, _, fuel)| *fuel);
    let (applet, mut step, _) = in_turns(turns, FUEL_YIELD_INTERVAL, slice, fuel_of).await?;
    loop {
        if let Some(responding) = store.data_mut().take_responding() {
            let state = store.data();
            forwarding.begin(responding, state.deadline.clone(), state.wait_until_ms);
        }
        let types::Step::Pending(wait) = step else { break };
        store.data_mut().phase = Phase::Waiting;
        let (completions, due_us) = forwarding.alongside(wait_for(store.data_mut(), wait)).await?;
        // Capabilities end what they do at the same moment: the applet must not be asked what it makes of that.
        if store.data().deadline.has_passed() {
            return Err(Stop::Deadline);
        }
        let left = store.get_fuel().unwrap_or(0);
        let burnt_before = store.data().fuel().burnt(left);
        let refill = store.data_mut().refill(left);
        if let Some(fuel) = refill {
            store.set_fuel(fuel)?;
        }
        begin_slice(store, due_us);
        store.data_mut().entering(burnt_before, refill.is_some(), &completions);
        let slice = async {
            let begun = store.get_fuel().unwrap_or(0);
            let step = applet.call_resume(&mut *store, &completions).await?;
            wasmtime::Result::Ok((step, burnt(store, begun)))
        };
        let fuel_of = |slice: &wasmtime::Result<_>| slice.as_ref().ok().map(|(_, fuel)| *fuel);
        (step, _) = forwarding.alongside(in_turns(turns, FUEL_YIELD_INTERVAL, slice, fuel_of)).await?;
    }
    store.data_mut().phase = Phase::Done;
    match (step, store.data().has_responded()) {
        (types::Step::Done(types::Reply::Responded), true) => {
            Ok(Ended::Responded(forwarding.finish().await.map_err(Stop::Fault)?))
        }
        (types::Step::Done(_), true) | (types::Step::Done(types::Reply::Responded), false) => Err(Stop::Fault(
            Fault::new(FaultCode::InvalidResult, "the last step does not agree with the response that was given"),
        )),
        (step, _) => Ok(Ended::Step(step)),
    }
}

impl State {
    /// How a run has ended, for its recording.
    fn ending(&self, ended: &Result<Ended, Stop>) -> Ending {
        match ended {
            Ok(_) => Ending::Finished,
            Err(Stop::Wasmtime(error)) => match error.downcast_ref() {
                Some(Abort(fault)) => match fault.code {
                    FaultCode::Deadline => Ending::Checkpoint(self.checkpoints),
                    FaultCode::Memory | FaultCode::Trap => Ending::Finished,
                    _ => Ending::Call,
                },
                None if error.is::<Trap>() => Ending::Finished,
                // The host's own failure: it is over where it was.
                None => Ending::Killed,
            },
            Err(Stop::Deadline | Stop::Cancelled | Stop::Fault(_)) => self.phase.ending(),
        }
    }
}

/// Fuel burnt since there was `begun` of it.
fn burnt(store: &Store<State>, begun: u64) -> u64 {
    begun.saturating_sub(store.get_fuel().unwrap_or(0))
}

fn begin_slice(store: &mut Store<State>, due_us: u64) {
    let fuel = store.get_fuel().unwrap_or(0);
    store.data_mut().begin_slice(fuel, due_us);
}

/// As [`wait_for`], in virtual time: one completion after the other, in order. While any is to come time stands; then it is the time of the
/// earliest timer.
async fn wait_in_order(state: &mut State, wait: types::Wait) -> Result<(Vec<Completion>, u64), Stop> {
    match (state.next_in_order(wait.wake_at_us.is_some()).await, wait.wake_at_us) {
        (Some(Ok(completed)), _) => Ok((vec![state.deliver(completed)], 0)),
        (Some(Err(_)), _) => Err(Stop::Fault(Fault::new(FaultCode::Internal, "a capability failed"))),
        (None, Some(at)) => {
            state.source.virtual_time().into_iter().for_each(|time| time.reach(at));
            Ok((Vec::new(), at))
        }
        (None, None) => Err(unsettled()),
    }
}

fn unsettled() -> Stop {
    let message = "the handler's promise can never settle: no operation is outstanding and no timer is set";
    Stop::Fault(Fault::new(FaultCode::Unsettled, message))
}

/// Waits until an operation completes or the earliest timer is due; takes along whatever else has completed by then.
async fn wait_for(state: &mut State, wait: types::Wait) -> Result<(Vec<Completion>, u64), Stop> {
    if state.source.virtual_time().is_some() {
        return wait_in_order(state, wait).await;
    }
    let first = match wait.wake_at_us {
        None if state.tasks.is_empty() => return Err(unsettled()),
        None => state.tasks.join_next().await,
        Some(at) => {
            // By the guest's own clock it is never longer: a host clock that was set back does not hold timers up.
            let now_us = state.source.now_us().max(state.guest_now_us());
            let delay = std::time::Duration::from_micros(at.saturating_sub(now_us));
            if state.tasks.is_empty() {
                tokio::time::sleep(delay).await;
                return Ok((Vec::new(), at));
            }
            match tokio::time::timeout(delay, state.tasks.join_next()).await {
                Ok(first) => first,
                Err(_) => return Ok((Vec::new(), at)),
            }
        }
    };
    let mut completions = Vec::new();
    let mut next = first;
    while let Some(joined) = next {
        match joined {
            Ok(completed) => completions.push(state.deliver(completed)),
            // Cancelled by the guest: nothing is delivered.
            Err(error) if error.is_cancelled() => {}
            Err(_) => return Err(Stop::Fault(Fault::new(FaultCode::Internal, "a capability failed"))),
        }
        if completions.len() >= COMPLETIONS_MAX {
            break;
        }
        next = state.tasks.try_join_next();
    }
    Ok((completions, 0))
}

/// What the guest's last step says.
pub(super) fn finished(step: types::Step, limits: &Limits, positions: &Positions) -> Result<Response, Fault> {
    match step {
        types::Step::Done(types::Reply::Value(json)) => bounded(Response::Value(json), limits),
        types::Step::Done(types::Reply::Response(response)) => bounded(Response::Http(reply(response)?), limits),
        // `drive` lets it through with a response only.
        types::Step::Done(types::Reply::Responded) => {
            Err(Fault::new(FaultCode::InvalidResult, "nothing was responded"))
        }
        types::Step::Failed(failure) => Err(failed(failure, positions)),
        types::Step::Pending(_) => Err(Fault::new(FaultCode::Cancelled, "cancelled")),
    }
}

/// An answer, unless it is too large.
pub(super) fn bounded(response: Response, limits: &Limits) -> Result<Response, Fault> {
    let bytes = match &response {
        Response::Value(json) => json.as_ref().map_or(0, String::len),
        Response::Http(reply) => reply.body.len() + reply.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>(),
        Response::Streamed(_) => 0,
    };
    let (allowed, used) = (limits.response_bytes_max, bytes as u64);
    if used > allowed {
        return Err(Fault::limit(FaultCode::Output, LimitHit { name: "response_bytes_max", allowed, used }));
    }
    Ok(response)
}

/// Checks a handler's response.
fn reply(response: types::Response) -> Result<HttpReply, Fault> {
    let ResponseHead { status, headers } = convert::response_head(response.status, response.headers)?;
    let body = match response.body {
        types::Body::Empty => bytes::Bytes::new(),
        types::Body::Bytes(bytes) => bytes.into(),
        types::Body::Stream(_) => {
            return Err(Fault::new(
                FaultCode::InvalidResult,
                "the response is not valid: a body that streams is given by `respond`",
            ));
        }
    };
    Ok(HttpReply { status, headers, body })
}

fn failed(failure: types::Failure, positions: &Positions) -> Fault {
    let errors: Vec<ThrownError> = failure
        .errors
        .into_iter()
        .enumerate()
        .map(|(index, e)| ThrownError {
            role: match e.role {
                types::ErrorRole::Thrown => ErrorRole::Thrown,
                types::ErrorRole::Cause => ErrorRole::Cause,
                types::ErrorRole::Member => ErrorRole::Member,
            },
            parent: parent(e.parent, index),
            frames: positions.frames(&e.stack),
            name: e.name,
            message: e.message,
            code: e.code,
            details: e.details.map(details),
        })
        .collect();
    let code = match failure.reason {
        types::FailureReason::Threw => FaultCode::Threw,
        types::FailureReason::HandlerNotFound => FaultCode::HandlerNotFound,
        types::FailureReason::InvalidPayload => FaultCode::InvalidPayload,
        types::FailureReason::InvalidResult => FaultCode::InvalidResult,
        types::FailureReason::StackOverflow => FaultCode::Stack,
    };
    Fault::thrown(code, errors)
}

/// A call into the guest ended with an error: ours, carried by a trap, or a trap of WebAssembly's.
pub(super) fn trapped(error: &wasmtime::Error, filled: Fuel, fuel: u64) -> Fault {
    if let Some(Abort(fault)) = error.downcast_ref() {
        return fault.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            Fault::limit(FaultCode::Fuel, LimitHit { name: filled.name, allowed: filled.allowed, used: fuel })
        }
        Some(Trap::StackOverflow) => Fault::new(FaultCode::Stack, "the stack is exhausted"),
        Some(trap) => Fault::new(FaultCode::Trap, format!("the engine trapped: {trap}")),
        None if error.is::<wasmtime::PoolConcurrencyLimitError>() => Fault::new(FaultCode::Internal, NO_PLACE),
        // Something of ours: the applet learns no more, the operator's log does.
        None => {
            tracing::error!(error = format!("{error:#}"), "an invocation failed");
            Fault::new(FaultCode::Internal, "the host failed")
        }
    }
}
