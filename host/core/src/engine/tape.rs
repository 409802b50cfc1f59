//! What stands beside the guest's calls: nothing, a writer that takes them down, or what was taken down earlier, which they are compared with and
//! answered from. Each import asks here first.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bindings::belljar::applet::completions::{Completion, Outcome};
use super::bindings::belljar::applet::types;
use super::component::CallRecord;
use super::imports::State;
use super::player::Player;
use crate::capability::secrets::in_use::{InUse, REDACTED_BYTES_MIN};
use crate::floor::fault::Fault;
use crate::floor::usage::Usage;
use crate::invocation::{HttpReply, Response};
use crate::recording::events::{EventWriter, Tag, read, write};
use crate::recording::{End, Ending, RecordedResult, Recording, RecordingHeader, instead_of, redacted};

/// See above.
pub(super) enum Tape {
    Off,
    Recording(Box<EventWriter>),
    Replaying(Box<Player>),
}

/// Where an invocation is: an end that comes from outside is replayed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The guest runs, or is about to.
    Slice,
    Waiting,
    /// It has done its last step.
    Done,
}

impl Phase {
    /// How it ends when it is ended from outside.
    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Slice => Ending::Killed,
            Self::Waiting => Ending::Waiting,
            Self::Done => Ending::AfterLastStep,
        }
    }
}

/// What the guest is entered with, as it is written.
#[derive(Serialize)]
struct Entered<'a> {
    fuel: u64,
    base_us: u64,
    refill: bool,
    completions: &'a [Completion],
}

/// What the guest is entered with, as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    /// Burnt so far.
    pub(super) fuel: u64,
    /// What its clock is set to, Unix time in microseconds.
    pub(super) base_us: u64,
    /// Whether the fuel for `waitUntil` was filled in.
    pub(super) refill: bool,
    pub(super) completions: Vec<Completion>,
}

impl State {
    /// The guest calls `function`. Live, it is taken down if anything is, and the answer is `false`. In a replay it is compared with what was
    /// taken down, and answers come from there; an error ends the replay.
    pub(super) fn asked(&mut self, function: &'static str, arguments: &impl Serialize) -> wasmtime::Result<bool> {
        match &mut self.tape {
            Tape::Off => Ok(false),
            Tape::Recording(writer) => {
                writer.call(function, arguments);
                Ok(false)
            }
            Tape::Replaying(player) => player.call(function, arguments).map(|()| true),
        }
    }

    /// As [`asked`](Self::asked), of a function that begins an operation: in a replay answers its number.
    pub(super) fn replayed(
        &mut self,
        function: &'static str,
        arguments: &impl Serialize,
    ) -> wasmtime::Result<Option<u32>> {
        if !self.asked(function, arguments)? {
            return Ok(None);
        }
        self.host_calls += 1;
        let number = self.next_number()?;
        if let Tape::Replaying(player) = &mut self.tape {
            player.numbered(number);
        }
        Ok(Some(number))
    }

    /// As [`asked`](Self::asked), of a function that answers at once: in a replay answers what was answered.
    pub(super) fn replayed_answer<T: DeserializeOwned>(
        &mut self,
        function: &'static str,
        arguments: &impl Serialize,
    ) -> wasmtime::Result<Option<T>> {
        if !self.asked(function, arguments)? {
            return Ok(None);
        }
        match &mut self.tape {
            Tape::Replaying(player) => player.answer(),
            _ => Ok(None),
        }
    }

    /// In a replay: the guest no longer wants this operation.
    pub(super) fn cancelled(&mut self, operation: u32) {
        if let Tape::Replaying(player) = &mut self.tape {
            player.cancelled(operation);
        }
    }

    /// Takes down the answer to a function that answers at once.
    pub(super) fn answered(&mut self, answer: &impl Serialize) {
        if let Tape::Recording(writer) = &mut self.tape {
            writer.other(Tag::Answer, answer);
        }
    }

    /// The guest has been told the time.
    pub(super) fn told_time(&mut self, now_us: u64) {
        match &mut self.tape {
            Tape::Off => {}
            Tape::Recording(writer) => writer.clock(now_us),
            Tape::Replaying(player) => player.clock(now_us),
        }
    }

    /// The number that a stream had when it was recorded.
    pub(super) fn recorded_number(&self, number: u32) -> u32 {
        match &self.tape {
            Tape::Replaying(player) => player.recorded_number(number),
            _ => number,
        }
    }

    /// The guest is about to be entered, with so much fuel burnt.
    pub(super) fn entering(&mut self, fuel: u64, refill: bool, completions: &[Completion]) {
        let base_us = self.slice_us;
        if let Tape::Recording(writer) = &mut self.tape {
            let hidden = without_short_secrets(completions);
            writer.other(
                Tag::Slice,
                &Entered { fuel, base_us, refill, completions: hidden.as_deref().unwrap_or(completions) },
            );
        }
    }
}

/// Secrets that are too short to be looked for are replaced where they come in; nothing when there are none.
fn without_short_secrets(completions: &[Completion]) -> Option<Vec<Completion>> {
    let short = |completion: &Completion| matches!(&completion.outcome, Outcome::Secrets(Ok(Some(text))) if text.len() < REDACTED_BYTES_MIN);
    if !completions.iter().any(short) {
        return None;
    }
    let mut hidden = completions.to_vec();
    for completion in hidden.iter_mut().filter(|completion| short(completion)) {
        if let Outcome::Secrets(Ok(Some(text))) = &mut completion.outcome {
            *text = instead_of(text, "");
        }
    }
    Some(hidden)
}

/// What an instance was called with.
pub(super) enum Called {
    Sandbox(types::Invocation),
    Component(CallRecord),
}

impl Called {
    /// Who was called, and when.
    fn tell(&self, header: &mut RecordingHeader) {
        let (id, caller, deadline_ms, call) = match self {
            Self::Sandbox(types::Invocation { id, deadline_ms, caller, task }) => match task {
                types::Task::Call(call) => (id, caller, *deadline_ms, Some((&call.handler, &call.trigger))),
                types::Task::Program(_) => (id, caller, *deadline_ms, None),
            },
            Self::Component(call) => (&call.id, &call.caller, call.deadline_ms, Some((&call.handler, &call.trigger))),
        };
        header.invocation.clone_from(id);
        header.tenant.clone_from(&caller.tenant);
        header.applet.clone_from(&caller.applet);
        header.version.clone_from(&caller.version);
        header.begun_us = deadline_ms.saturating_sub(header.limits.deadline_ms) * 1_000;
        if let Some((handler, trigger)) = call {
            header.handler.clone_from(handler);
            header.trigger.clone_from(trigger);
        }
    }

    /// What [`write`](Self::write) has written: each of the two has fields that the other lacks.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        read(bytes).map(Self::Component).or_else(|| read(bytes).map(Self::Sandbox))
    }

    /// Whether the guest reads the body of its request in pieces: a stream that has a number from the start.
    pub(super) fn has_stream(&self) -> bool {
        matches!(self, Self::Sandbox(invocation) if has_stream(invocation))
    }

    fn write(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let is_written = match self {
            Self::Sandbox(invocation) => write(&mut bytes, invocation),
            Self::Component(call) => write(&mut bytes, call),
        };
        is_written.then_some(bytes)
    }
}

/// See [`Called::has_stream`].
pub(super) fn has_stream(invocation: &types::Invocation) -> bool {
    let types::Task::Call(call) = &invocation.task else { return false };
    matches!(&call.payload, types::Payload::Request(types::Request { body: types::Body::Stream(_), .. }))
}

/// What was taken down of one invocation.
pub(crate) struct Taped {
    called: Called,
    writer: Box<EventWriter>,
    ending: Ending,
    /// As it was before secrets were taken out: what stands in for them in a recording has their length.
    fault: Option<Fault>,
    secrets: Option<Arc<InUse>>,
    is_time_virtual: bool,
}

impl Taped {
    /// Takes it out of the store; nothing when nothing was recorded.
    pub(super) fn of(
        state: &mut State,
        called: Called,
        ending: Ending,
        result: &Result<Response, Fault>,
    ) -> Option<Self> {
        let Tape::Recording(writer) = std::mem::replace(&mut state.tape, Tape::Off) else { return None };
        let secrets = state.capabilities.secrets.as_ref().map(|secrets| secrets.in_use().clone());
        let is_time_virtual = state.stands();
        Some(Self { called, writer, ending, fault: result.as_ref().err().cloned(), secrets, is_time_virtual })
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// The recording, without secrets. `header` says who was called; what is known here is filled in.
    pub(crate) fn finish(
        self,
        mut header: RecordingHeader,
        answered: Option<Response>,
        usage: Usage,
    ) -> Option<Recording> {
        let Self { called, writer, ending, fault, secrets, is_time_virtual } = self;
        let result = match (answered, &fault) {
            (Some(response), _) => recorded_response(response),
            (None, Some(fault)) => recorded_fault(fault),
            (None, None) => RecordedResult::Value(None),
        };
        header.has_stand_ins = secrets.as_ref().is_some_and(|secrets| !secrets.is_empty());
        called.tell(&mut header);
        header.is_time_virtual = is_time_virtual;
        let invocation = called.write()?;
        let (events, is_cut) = writer.finish();
        let recording =
            Recording { header, invocation, events, end: End { ending, result, usage, is_cut }, package: None };
        let stand_ins = secrets.map(|secrets| secrets.stand_ins()).unwrap_or_default();
        redacted(recording, &stand_ins)
    }
}

/// How a guest has ended by itself, as it is kept.
pub(super) fn recorded_result(result: Result<Response, Fault>) -> RecordedResult {
    result.map_or_else(|fault| recorded_fault(&fault), recorded_response)
}

/// A response, as it is kept.
fn recorded_response(response: Response) -> RecordedResult {
    match response {
        Response::Value(json) => RecordedResult::Value(json),
        Response::Http(HttpReply { status, headers, body }) => {
            RecordedResult::Http { status, headers, body: body.into() }
        }
        Response::Streamed(reply) => RecordedResult::Streamed {
            status: reply.status,
            body_bytes: reply.body_bytes,
            is_complete: reply.is_complete,
        },
    }
}

/// A fault, as it is kept.
pub(super) fn recorded_fault(fault: &Fault) -> RecordedResult {
    let json = serde_json::to_string(fault).unwrap_or_default();
    RecordedResult::Fault { code: fault.code.as_str().to_owned(), message: fault.message.clone(), json }
}
