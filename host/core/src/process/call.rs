//! One call of one handler in a process, from the invocation to its outcome.

use std::sync::Arc;
use std::time::Instant;

use belljar_package::Handler;
use belljar_process::{
    Answer, AnswerBody, Answering, AppletError, CallContext, Capabilities as ProcessCapabilities, CapabilityRequest,
    FailureReason, ProcessError, Role,
};
use serde_json::Map;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Running;
use super::broker::{Broker, read_body};
use crate::capability::http::HostBytes;
use crate::capability::opened::Capabilities;
use crate::catalog::Release;
use crate::floor::clock::Source;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{ErrorRole, Fault, FaultCode, ThrownError, details, parent};
use crate::floor::ids::InvocationId;
use crate::floor::limits::{LimitHit, Limits};
use crate::floor::usage::Usage;
use crate::invocation::{Body, HttpReply, Invocation, Payload, Response, ResponseHead, ResponseSink, StreamedReply};
use crate::positions::Positions;

/// Everything one call runs with.
pub(crate) struct ProcessRun<'a> {
    pub(crate) id: &'a InvocationId,
    pub(crate) release: &'a Release,
    pub(crate) handler: &'a Handler,
    pub(crate) invocation: Invocation,
    pub(crate) capabilities: Capabilities,
    pub(crate) host_bytes: HostBytes,
    pub(crate) source: Arc<dyn Source>,
    /// Takes a response that comes in pieces.
    pub(crate) sink: &'a mut dyn ResponseSink,
    pub(crate) begun: Instant,
    pub(crate) deadline: Deadline,
}

/// What a process has of a broker: when it is gone, the invocation has ended, `waitUntil` included.
struct Lane {
    broker: Arc<Broker>,
    _ended: DropGuard,
}

impl ProcessCapabilities for Lane {
    fn call(&self, capability: &str, operation: &str, request: CapabilityRequest) -> Answering {
        self.broker.call(capability, operation, request)
    }
}

impl Running {
    /// Makes the call.
    pub(crate) async fn invoke(&self, run: ProcessRun<'_>) -> (Result<Response, Fault>, Usage) {
        let ProcessRun {
            id,
            release,
            handler,
            mut invocation,
            capabilities,
            host_bytes,
            source,
            sink,
            begun,
            deadline,
        } = run;
        let limits = release.limits();
        let deadline_ms = source.now_us() / 1_000 + limits.deadline_ms;
        let custom = capabilities.custom_names();
        let broker = Arc::new(Broker::new(
            capabilities,
            host_bytes,
            source,
            self.positions.clone(),
            self.secrets.clone(),
            limits,
        ));
        let ended = CancellationToken::new();
        let lane = Lane { broker: broker.clone(), _ended: ended.clone().drop_guard() };
        let until = invocation.until.take();
        let call = belljar_process::Invocation {
            handler: handler.name.clone(),
            export: handler.export.clone(),
            context: CallContext { custom, ..context(id, release, &mut invocation, deadline_ms) },
            payload: payload(invocation.payload),
            deadline: deadline.at().into(),
            capabilities: Arc::new(lane),
        };
        let work = async {
            let answer = self.supervisor.invoke(call).await.map_err(|error| self.fault(error, &deadline))?;
            self.answered(answer, sink, limits, &deadline, &ended).await
        };
        let cancelled = async {
            match until {
                Some(until) => until.await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            biased;
            () = cancelled => Err(Fault::new(FaultCode::Cancelled, "the call was cancelled")),
            result = work => result,
            () = deadline.passed() => Err(Fault::limit(FaultCode::Deadline, deadline.hit())),
        };
        self.touch();
        let result = match broker.secrets() {
            Some(secrets) => result.map_err(|fault| secrets.redact_fault(fault)),
            None => result,
        };
        let wall_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        (result, Usage { wall_us, ..broker.usage() })
    }

    async fn answered(
        &self,
        answer: Answer,
        sink: &mut dyn ResponseSink,
        limits: &Limits,
        deadline: &Deadline,
        ended: &CancellationToken,
    ) -> Result<Response, Fault> {
        let (head, body) = match answer {
            Answer::Value(json) => return Ok(Response::Value(json)),
            Answer::Response(head, body) => (ResponseHead::checked(head.status, head.headers)?, body),
        };
        if body.as_whole().is_some() {
            let body = body.collect().await.map_err(|error| self.fault(error, deadline))?;
            let ResponseHead { status, headers } = head;
            return Ok(Response::Http(HttpReply { status, headers, body }));
        }
        let reply = self.forward(head, body, sink, deadline).await?;
        // What was given to `waitUntil` goes on, with a time of its own; a receiver that has gone has ended the invocation.
        if reply.is_complete {
            deadline.begin_waiting(limits.wait_until_ms);
            ended.cancelled().await;
            if deadline.has_passed() {
                return Err(Fault::limit(FaultCode::Deadline, deadline.hit()));
            }
        }
        Ok(Response::Streamed(reply))
    }

    /// Hands a body over as it comes, and no faster than it is taken.
    async fn forward(
        &self,
        head: ResponseHead,
        mut body: AnswerBody,
        sink: &mut dyn ResponseSink,
        deadline: &Deadline,
    ) -> Result<StreamedReply, Fault> {
        let mut reply = StreamedReply { status: head.status, body_bytes: 0, is_complete: false };
        if sink.head(head).await.is_err() {
            return Ok(reply);
        }
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| self.fault(error, deadline))?;
            let bytes = piece.len() as u64;
            if sink.chunk(piece).await.is_err() {
                return Ok(reply);
            }
            reply.body_bytes += bytes;
        }
        reply.is_complete = sink.end().await.is_ok();
        Ok(reply)
    }

    fn fault(&self, error: ProcessError, deadline: &Deadline) -> Fault {
        let told = |code, error: ProcessError| Fault::new(code, self.secrets.redact(error.to_string()));
        match error {
            ProcessError::Applet(error) => failed(error, &self.positions),
            ProcessError::InvalidPayload(text) => {
                Fault::new(FaultCode::InvalidPayload, format!("the payload is not JSON: {text}"))
            }
            ProcessError::Deadline => Fault::limit(FaultCode::Deadline, deadline.hit()),
            ProcessError::Limit { name, allowed, used } => {
                Fault::limit(limit_code(name), LimitHit { name, allowed, used })
            }
            error @ ProcessError::Interrupted(_) => told(FaultCode::Interrupted, error),
            error @ ProcessError::Protocol(_) => told(FaultCode::Protocol, error),
            error @ (ProcessError::Busy { .. }
            | ProcessError::Unavailable { .. }
            | ProcessError::Open { .. }
            | ProcessError::Stopped) => told(FaultCode::Unavailable, error),
        }
    }
}

fn limit_code(name: &str) -> FaultCode {
    match name {
        "memory_bytes_max" => FaultCode::Memory,
        "cpu_ms_max" => FaultCode::Fuel,
        "processes_max" => FaultCode::Operations,
        "request_bytes_max" => FaultCode::InvalidPayload,
        _ => FaultCode::Output,
    }
}

/// Who calls, and why.
fn context(id: &InvocationId, release: &Release, invocation: &mut Invocation, deadline_ms: u64) -> CallContext {
    let config: Map<String, serde_json::Value> = serde_json::from_str(&invocation.config).unwrap_or_default();
    CallContext {
        id: id.to_string(),
        applet: release.applet().to_string(),
        version: release.package().descriptor.version.to_string(),
        tenant: release.tenant().to_string(),
        user: invocation.user.take(),
        organisation: invocation.organisation.take(),
        permissions: std::mem::take(&mut invocation.permissions),
        locale: std::mem::take(&mut invocation.locale),
        trigger: std::mem::take(&mut invocation.trigger),
        deadline_ms,
        params: std::mem::take(&mut invocation.params),
        config,
        attempt: invocation.attempt,
        event_id: invocation.chain.event.clone(),
        job_id: invocation.job.take(),
        custom: Vec::new(),
    }
}

fn payload(payload: Payload) -> belljar_process::Payload {
    match payload {
        Payload::Json(json) => belljar_process::Payload::Json(json),
        Payload::Messages(messages) => belljar_process::Payload::Messages(
            messages
                .into_iter()
                .map(|message| belljar_process::Message {
                    id: message.id,
                    published_ms: message.published_ms,
                    attempt: message.attempt,
                    payload: message.payload,
                })
                .collect(),
        ),
        Payload::Request(request) => belljar_process::Payload::Request(belljar_process::Request {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: match request.body {
                Body::Bytes(bytes) if bytes.is_empty() => belljar_process::RequestBody::Empty,
                Body::Bytes(bytes) => belljar_process::RequestBody::Whole(bytes),
                Body::Stream(reader) => belljar_process::RequestBody::Stream(read_body(reader, ())),
            },
        }),
    }
}

fn failed(failure: AppletError, positions: &Positions) -> Fault {
    let errors: Vec<_> = failure
        .errors
        .into_iter()
        .enumerate()
        .map(|(index, error)| ThrownError {
            role: match error.role {
                Role::Thrown => ErrorRole::Thrown,
                Role::Cause => ErrorRole::Cause,
                Role::Member => ErrorRole::Member,
            },
            parent: parent(error.parent, index),
            frames: positions.frames(&error.stack),
            name: error.name,
            message: error.message,
            code: error.code,
            details: error.details.map(details),
        })
        .collect();
    let code = match failure.reason {
        FailureReason::Threw => FaultCode::Threw,
        FailureReason::HandlerNotFound => FaultCode::HandlerNotFound,
        FailureReason::InvalidPayload => FaultCode::InvalidPayload,
        FailureReason::InvalidResult => FaultCode::InvalidResult,
        FailureReason::StackOverflow => FaultCode::Stack,
    };
    Fault::thrown(code, errors)
}
