//! One call in a process: a place, a token, an exchange, and an answer, all within the deadline. What comes after the head of a streamed
//! answer is moved by a task of its own, which holds place and token until the invocation has ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::{Process, Seat};
use crate::capability::CapabilityRequest;
use crate::error::{CrashReport, EndReason, ProcessError};
use crate::invocation::{Answer, AnswerBody, Invocation, Payload, ResponseHead, Source};
use crate::limits::CHUNKS_WAITING_MAX;
use crate::protocol::WireError;
use crate::protocol::answer::{Begun, Frames, Piece, begin};
use crate::protocol::client::Connection;
use crate::protocol::head::Call;
use crate::protocol::token::{Grant, Lease};

/// What an invocation holds while it goes on. The order is that of release: first the token, at last the seat.
struct Held {
    lease: Lease,
    _place: OwnedSemaphorePermit,
    seat: Seat,
}

/// Sees to a process whose call was given up by its caller.
struct SuspectOnDrop(Option<Arc<Process>>);

impl Drop for SuspectOnDrop {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            process.suspect();
        }
    }
}

impl Seat {
    /// Makes the call.
    pub(crate) async fn call(self, invocation: Invocation) -> Result<Answer, ProcessError> {
        let process = Arc::clone(self.process());
        let deadline = invocation.deadline;
        let waiting = tokio::time::timeout_at(deadline, Arc::clone(&process.places).acquire_owned());
        let place = tokio::select! {
            biased;
            report = process.until_ended() => return Err(interrupted(report)),
            place = waiting => match place {
                Ok(Ok(place)) => place,
                // The semaphore is never closed.
                Ok(Err(_)) => return Err(ProcessError::Stopped),
                Err(_) => return Err(ProcessError::Unavailable { reason: "all places in the process were taken".into() }),
            },
        };
        let limits = &process.spec.limits;
        let grant = Grant::new(
            &invocation.context,
            Arc::clone(&invocation.capabilities),
            deadline,
            limits.capability_calls_max,
        );
        let lease =
            process.tokens.issue(grant).map_err(|error| ProcessError::Unavailable { reason: error.to_string() })?;
        let held = Held { lease, _place: place, seat: self };
        let mut guard = SuspectOnDrop(Some(Arc::clone(&process)));
        let result = tokio::select! {
            biased;
            result = exchange(&process, invocation, held) => result,
            report = process.until_ended() => Err(interrupted(report)),
            () = tokio::time::sleep_until(deadline) => return Err(ProcessError::Deadline),
        };
        guard.0 = None;
        if matches!(result, Ok(_) | Err(ProcessError::Applet(_))) {
            process.in_a_row.store(0, Ordering::Relaxed);
        }
        match result {
            // It is about to be killed because of the deadline of another call, or has crashed: the report says which.
            Err(ProcessError::Protocol(told)) => Err(match process.report_soon().await {
                Some(report) => interrupted(report),
                None => ProcessError::Protocol(told),
            }),
            result => result,
        }
    }
}

/// A limit that ended the process is told to a call that was alone in it; to others it is no fault of theirs.
fn interrupted(report: Arc<CrashReport>) -> ProcessError {
    match report.reason {
        EndReason::Limit { name, allowed, used } if report.calls <= 1 => ProcessError::Limit { name, allowed, used },
        _ => ProcessError::Interrupted(report),
    }
}

async fn exchange(process: &Arc<Process>, invocation: Invocation, held: Held) -> Result<Answer, ProcessError> {
    let Invocation { handler, export, context, payload, deadline, capabilities } = invocation;
    let limits = &process.spec.limits;
    let is_request = matches!(payload, Payload::Request(_));
    let token = held.lease.text();
    let call = Call {
        handler: &handler,
        export: &export,
        token: &token,
        context: &context,
        request_bytes_max: limits.request_bytes_max,
        plain: process.spec.program.is_plain(),
    };
    let request = call.request(payload).await?;
    let (response, connection) = process.client.send(request).await.map_err(|error| broken(process, error))?;
    let (begun, logs) =
        begin(response, limits.response_bytes_max, is_request).await.map_err(|error| broken(process, error))?;
    if !logs.is_empty() {
        let arguments = json!({ "lines": logs });
        // A log that refuses is the host's own matter: the answer is not less of one.
        drop(capabilities.call("log", "write", CapabilityRequest { arguments, body: None }).await);
    }
    let (head, frames, raw) = match begun {
        Begun::Value(text) => {
            process.client.keep(connection);
            return Ok(Answer::Value(text));
        }
        Begun::Whole(head, bytes) => {
            process.client.keep(connection);
            return Ok(Answer::Response(head, AnswerBody(Source::Whole(Some(bytes)))));
        }
        Begun::Failed(error) => {
            process.client.keep(connection);
            return Err(ProcessError::Applet(error));
        }
        Begun::Frames(head, frames) => (head, frames, false),
        Begun::Raw(head, frames) => (head, frames, true),
    };
    Ok(stream(process, head, Streaming { frames, raw, connection, held, deadline }))
}

/// What a failed exchange means. A process that speaks another protocol is replaced, unless the applet's own server has only failed one
/// call.
fn broken(process: &Arc<Process>, error: WireError) -> ProcessError {
    match error {
        WireError::Lost(told) => ProcessError::Protocol(format!("the connection broke off: {told}")),
        WireError::Limit { name, allowed, used } => ProcessError::Limit { name, allowed, used },
        WireError::Broken(told) => {
            if !process.spec.program.is_plain() {
                process.end(EndReason::Protocol(told.clone()));
            }
            ProcessError::Protocol(told)
        }
    }
}

struct Streaming {
    frames: Frames,
    raw: bool,
    connection: Connection,
    held: Held,
    deadline: Instant,
}

fn stream(process: &Arc<Process>, head: ResponseHead, streaming: Streaming) -> Answer {
    let (sender, pieces) = mpsc::channel(CHUNKS_WAITING_MAX);
    let process = Arc::clone(process);
    tokio::spawn(async move {
        let mut guard = SuspectOnDrop(Some(Arc::clone(&process)));
        let deadline = streaming.deadline;
        let moved = tokio::select! {
            biased;
            moved = pump(&process, streaming, &sender) => moved,
            () = sender.closed() => return,
            report = process.until_ended() => Err(interrupted(report)),
            () = tokio::time::sleep_until(deadline) => {
                offer(&sender, ProcessError::Deadline);
                return;
            }
        };
        guard.0 = None;
        match moved {
            Ok(rest) => {
                // From here on the caller has everything: what is left is the invocation's own.
                drop(sender);
                if let Some(rest) = rest {
                    finish(&process, rest).await;
                }
            }
            Err(error) => {
                let error = match error {
                    ProcessError::Protocol(told) => match process.report_soon().await {
                        Some(report) => interrupted(report),
                        None => ProcessError::Protocol(told),
                    },
                    error => error,
                };
                drop(sender.send(Err(error)).await);
            }
        }
    });
    Answer::Response(head, AnswerBody(Source::Pieces(pieces)))
}

/// A caller who does not read has no room for a last word: it sees the end of the body, which is no complete one for it either, because
/// the channel is closed without the word that ends it.
fn offer(sender: &mpsc::Sender<Result<bytes::Bytes, ProcessError>>, error: ProcessError) {
    if let Err(mpsc::error::TrySendError::Full(last)) = sender.try_send(Err(error)) {
        let sender = sender.clone();
        tokio::spawn(async move { drop(sender.send(last).await) });
    }
}

/// Moves the body to the caller; what is left of the exchange, when something may go on after it.
async fn pump(
    process: &Arc<Process>,
    mut streaming: Streaming,
    sender: &mpsc::Sender<Result<bytes::Bytes, ProcessError>>,
) -> Result<Option<Streaming>, ProcessError> {
    loop {
        let piece = if streaming.raw { streaming.frames.next_raw().await } else { streaming.frames.next().await };
        match piece.map_err(|error| broken(process, error))? {
            Piece::Bytes(bytes) => {
                if sender.send(Ok(bytes)).await.is_err() {
                    // Nobody reads any more. The select of our caller sees the same.
                    std::future::pending::<()>().await;
                }
            }
            Piece::Broken(error) => return Err(ProcessError::Applet(error)),
            Piece::End if streaming.raw => {
                process.client.keep(streaming.connection);
                return Ok(None);
            }
            Piece::End => return Ok(Some(streaming)),
        }
    }
}

/// Waits for the end of what was given to `waitUntil`.
async fn finish(process: &Arc<Process>, rest: Streaming) {
    let Streaming { frames, connection, held, .. } = rest;
    let until = Instant::now() + Duration::from_millis(process.spec.limits.wait_until_ms);
    held.lease.grant.extend(until);
    match tokio::time::timeout_at(until, frames.finish()).await {
        Ok(Ok(())) => process.client.keep(connection),
        Ok(Err(error)) => {
            tracing::debug!(process = process.id, %error, "an invocation broke off after its answer");
            broken(process, error);
        }
        Err(_) => {
            tracing::debug!(process = process.id, "what was given to waitUntil was not done in time");
            process.suspect();
        }
    }
    drop(held.lease);
    drop(held.seat);
}
