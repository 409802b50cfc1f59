//! The streams of one invocation, and the guest's calls on them (`wit/bodies.wit`). It does not know where a body comes from or
//! goes to.

use std::collections::HashMap;

use super::super::bindings::belljar::applet::{bodies, types};
use super::{OPERATION_BYTES, State, abort, convert};
use crate::capability::bodies::{BodyError, BodyReader, BodyWriter, Pieces, SharedReader, pipe};
use crate::capability::http::{Held, HostBytes};
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::limits::LimitHit;
use crate::invocation::ResponseHead;

/// Bytes of one read, whatever the guest asks for: an embedder's source may have any number of them ready.
const READ_BYTES_MAX: u32 = 1 << 20;

/// Streams that are open, by number.
#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<u32, Stream>,
}

enum Stream {
    Reading(SharedReader),
    Writing {
        writer: BodyWriter,
        /// The other end, until the guest has said where it goes.
        pieces: Option<Pieces>,
        _held: Held,
    },
}

impl Streams {
    /// A body for the guest to read.
    pub(super) fn insert(&mut self, number: u32, reader: BodyReader) {
        self.open.insert(number, Stream::Reading(SharedReader::new(reader)));
    }

    /// The other end of a stream that the guest writes, once.
    pub(super) fn claim(&mut self, number: u32) -> Option<Pieces> {
        match self.open.get_mut(&number)? {
            Stream::Writing { pieces, .. } => pieces.take(),
            Stream::Reading(_) => None,
        }
    }

    /// A body that the host reads in the guest's place.
    pub(super) fn take_reader(&mut self, number: u32) -> Option<SharedReader> {
        match self.open.remove(&number)? {
            Stream::Reading(reader) => Some(reader),
            Stream::Writing { .. } => None,
        }
    }

    fn reader(&self, number: u32) -> Result<&SharedReader, BodyError> {
        match self.open.get(&number) {
            Some(Stream::Reading(reader)) => Ok(reader),
            _ => Err(BodyError::NotOpen),
        }
    }

    fn writer(&mut self, number: u32) -> Option<&mut BodyWriter> {
        match self.open.get_mut(&number) {
            Some(Stream::Writing { writer, .. }) => Some(writer),
            _ => None,
        }
    }
}

/// The response that a call is being answered with.
pub(in super::super) struct Responding {
    pub(in super::super) head: ResponseHead,
    pub(in super::super) body: Pieces,
}

/// How far the answer is.
#[derive(Default)]
pub(super) enum Answer {
    #[default]
    None,
    /// Given by `respond`: the body's number, the head's bytes, and, until the host takes it, the response.
    Begun { body: u32, head_bytes: u64, responding: Option<Responding> },
}

impl State {
    /// The response that the guest has begun since this was last asked.
    pub(in super::super) fn take_responding(&mut self) -> Option<Responding> {
        match &mut self.answer {
            Answer::Begun { responding, .. } => responding.take(),
            Answer::None => None,
        }
    }

    /// All of a body that came with an operation, for a guest that takes whole ones. Its bytes are held until they are handed over.
    pub(in super::super) async fn read_whole(&mut self, number: u32) -> Result<Vec<u8>, BodyError> {
        let reader = self.streams.take_reader(number).ok_or(BodyError::NotOpen)?;
        whole(&mut *reader.take_turn()?, &self.host_bytes).await
    }

    /// Whether the guest has answered by `respond`.
    pub(in super::super) fn has_responded(&self) -> bool {
        matches!(self.answer, Answer::Begun { .. })
    }

    /// Ends the invocation when its response has become too large.
    fn check_response_bytes(&mut self) -> wasmtime::Result<()> {
        let Answer::Begun { body, head_bytes, .. } = self.answer else { return Ok(()) };
        let used = head_bytes + self.streams.writer(body).map_or(0, |writer| writer.bytes());
        let allowed = self.response_bytes_max;
        if used > allowed {
            return Err(abort(Fault::limit(FaultCode::Output, LimitHit { name: "response_bytes_max", allowed, used })));
        }
        Ok(())
    }
}

/// Reads a body to its end. It may have as many bytes as there is room for in `host_bytes_max`.
pub(in super::super) async fn whole(reader: &mut BodyReader, host_bytes: &HostBytes) -> Result<Vec<u8>, BodyError> {
    let mut held = host_bytes.hold(0).map_err(BodyError::Limit)?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.read(READ_BYTES_MAX as usize).await? {
        held.grow(piece.len() as u64).map_err(BodyError::Limit)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn hold_failed(hit: LimitHit) -> wasmtime::Error {
    abort(Fault::limit(FaultCode::Operations, hit))
}

impl bodies::Host for State {
    fn read(&mut self, stream: u32, max_bytes: u32) -> wasmtime::Result<u32> {
        let recorded = self.recorded_number(stream);
        if let Some(number) = self.replayed("bodies.read", &(recorded, max_bytes))? {
            return Ok(number);
        }
        let turn = self.streams.reader(stream).and_then(SharedReader::take_turn);
        self.submit_beside(async move {
            let read = match turn {
                Ok(mut reader) => reader.read(max_bytes.min(READ_BYTES_MAX) as usize).await,
                Err(error) => Err(error),
            };
            convert::body_outcome(read.map(|chunk| bodies::Reply::Chunk(chunk.map(Into::into))))
        })
    }

    fn write(&mut self, stream: u32, bytes: Vec<u8>) -> wasmtime::Result<u32> {
        let recorded = self.recorded_number(stream);
        if let Some(number) = self.replayed("bodies.write", &(recorded, &bytes))? {
            return Ok(number);
        }
        let Some(writer) = self.streams.writer(stream) else {
            return self.submit_beside(async { convert::body_outcome(Err(BodyError::NotOpen)) });
        };
        // Held by the piece, not by the operation: cancelling it does not take the bytes back.
        let held = self.host_bytes.hold(bytes.len() as u64 + OPERATION_BYTES).map_err(hold_failed)?;
        let taken = writer.write(bytes.into(), held);
        self.check_response_bytes()?;
        self.submit_beside(async move { convert::body_outcome(taken.await.map(|()| bodies::Reply::Written)) })
    }

    fn close(&mut self, stream: u32) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.asked("bodies.close", &(self.recorded_number(stream),))? {
            return Ok(());
        }
        if let Some(Stream::Writing { writer, .. }) = self.streams.open.remove(&stream) {
            writer.end();
        }
        Ok(())
    }

    fn abort(&mut self, stream: u32, reason: String) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.asked("bodies.abort", &(self.recorded_number(stream), &reason))? {
            return Ok(());
        }
        if let Some(Stream::Writing { writer, .. }) = self.streams.open.remove(&stream) {
            writer.abort(reason);
        }
        Ok(())
    }

    fn open(&mut self) -> wasmtime::Result<u32> {
        if let Some(number) = self.replayed("bodies.open", &())? {
            return Ok(number);
        }
        self.host_calls += 1;
        let number = self.next_number()?;
        let held = self.host_bytes.hold(OPERATION_BYTES).map_err(hold_failed)?;
        let (writer, pieces) = pipe();
        self.streams.open.insert(number, Stream::Writing { writer, pieces: Some(pieces), _held: held });
        Ok(number)
    }

    fn respond(&mut self, mut response: types::Response) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if let types::Body::Stream(number) = &mut response.body {
            *number = self.recorded_number(*number);
        }
        if self.asked("bodies.respond", &(&response,))? {
            self.answer = Answer::Begun { body: 0, head_bytes: 0, responding: None };
            return Ok(());
        }
        let invalid =
            |what: &str| abort(Fault::new(FaultCode::InvalidResult, format!("the response is not valid: {what}")));
        if self.has_responded() {
            return Err(invalid("the call has been answered already"));
        }
        let types::Body::Stream(number) = response.body else { return Err(invalid("it has no stream")) };
        let Some(body) = self.streams.claim(number) else {
            return Err(invalid("its stream is not open, or has another use"));
        };
        let head = convert::response_head(response.status, response.headers).map_err(abort)?;
        let head_bytes = head.bytes();
        self.answer = Answer::Begun { body: number, head_bytes, responding: Some(Responding { head, body }) };
        self.check_response_bytes()
    }
}
