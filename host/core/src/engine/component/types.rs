//! What `handle` takes and gives, as `wit/component/types.wit` has it. What the engine of JavaScript has as well is taken from its bindings:
//! the records are the same, field by field, which a test holds.

use belljar_package::Handler;
use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::capability::bodies::BodyReader;
use crate::catalog::Release;
use crate::engine::bindings::belljar::applet::types::{self, Body, Caller, Header, Message, PathParameter};
use crate::floor::ids::InvocationId;
use crate::invocation;

#[derive(ComponentType, Lift, Lower, Serialize, Deserialize)]
#[component(record)]
pub(in crate::engine) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
}

#[derive(ComponentType, Lower, Serialize, Deserialize)]
#[component(variant)]
pub(in crate::engine) enum Payload {
    #[component(name = "json")]
    Json(String),
    #[component(name = "request")]
    Request(Request),
    #[component(name = "messages")]
    Messages(Vec<Message>),
}

/// What `handle` is called with, and what a recording begins with.
#[derive(ComponentType, Lower, Serialize, Deserialize)]
#[component(record)]
pub(in crate::engine) struct CallRecord {
    pub(in crate::engine) id: String,
    #[component(name = "deadline-ms")]
    pub(in crate::engine) deadline_ms: u64,
    pub(in crate::engine) caller: Caller,
    pub(in crate::engine) handler: String,
    pub(super) export: String,
    pub(in crate::engine) trigger: String,
    pub(super) payload: Payload,
    pub(super) params: Vec<PathParameter>,
    pub(super) config: String,
    pub(super) attempt: u32,
    pub(super) event: Option<String>,
    pub(super) job: Option<String>,
}

impl CallRecord {
    /// The same call of an applet in JavaScript. The embedder's own capabilities, of which components have none, are missing.
    pub(in crate::engine) fn into_invocation(self) -> types::Invocation {
        let Self { id, deadline_ms, caller, handler, export, trigger, payload, params, config, attempt, event, job } =
            self;
        let payload = match payload {
            Payload::Json(json) => types::Payload::Json(json),
            Payload::Messages(messages) => types::Payload::Messages(messages),
            Payload::Request(Request { method, url, headers, body }) => {
                let body = if body.is_empty() { Body::Empty } else { Body::Bytes(body) };
                types::Payload::Request(types::Request { method, url, headers, body })
            }
        };
        let custom = Vec::new();
        let call = types::Call { handler, export, trigger, payload, params, config, attempt, event, job, custom };
        types::Invocation { id, deadline_ms, caller, task: types::Task::Call(call) }
    }

    /// The call of a component for one in JavaScript; nothing for a program. `body` has what came in pieces.
    pub(super) fn of_invocation(invocation: types::Invocation, body: impl FnOnce(u32) -> Vec<u8>) -> Option<Self> {
        let types::Invocation { id, deadline_ms, caller, task: types::Task::Call(call) } = invocation else {
            return None;
        };
        let types::Call { handler, export, trigger, payload, params, config, attempt, event, job, custom: _ } = call;
        let payload = match payload {
            types::Payload::Json(json) => Payload::Json(json),
            types::Payload::Messages(messages) => Payload::Messages(messages),
            types::Payload::Request(types::Request { method, url, headers, body: given }) => {
                let body = match given {
                    Body::Empty => Vec::new(),
                    Body::Bytes(bytes) => bytes,
                    Body::Stream(stream) => body(stream),
                };
                Payload::Request(Request { method, url, headers, body })
            }
        };
        Some(Self { id, deadline_ms, caller, handler, export, trigger, payload, params, config, attempt, event, job })
    }
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Reply {
    #[component(name = "value")]
    Value(Option<String>),
    #[component(name = "response")]
    Response(Response),
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the macro makes them of their numbers")]
pub(super) enum FailureReason {
    #[component(name = "failed")]
    Failed,
    #[component(name = "handler-not-found")]
    HandlerNotFound,
    #[component(name = "invalid-payload")]
    InvalidPayload,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Failure {
    pub(super) reason: FailureReason,
    pub(super) name: String,
    pub(super) message: String,
    pub(super) code: Option<String>,
    pub(super) details: Option<String>,
}

/// The answer to `http.send`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    #[component(name = "status-text")]
    pub(super) status_text: String,
    pub(super) url: String,
    pub(super) redirected: bool,
    pub(super) headers: Vec<Header>,
    pub(super) body: Vec<u8>,
}

/// One call, and the body of its request if that has yet to come.
pub(crate) struct Call {
    pub(super) record: CallRecord,
    pub(super) body: Option<BodyReader>,
}

impl Call {
    /// One call of one handler.
    pub(crate) fn new(
        id: &InvocationId,
        release: &Release,
        handler: &Handler,
        version: String,
        invocation: invocation::Invocation,
    ) -> Self {
        let mut body = None;
        let payload = match invocation.payload {
            invocation::Payload::Json(json) => Payload::Json(json),
            invocation::Payload::Messages(messages) => Payload::Messages(messages.into_iter().map(message).collect()),
            invocation::Payload::Request(request) => Payload::Request(Request {
                method: request.method,
                url: request.url,
                headers: request.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
                body: match request.body {
                    invocation::Body::Bytes(bytes) => bytes.into(),
                    invocation::Body::Stream(reader) => {
                        body = Some(reader);
                        Vec::new()
                    }
                },
            }),
        };
        let caller = Caller {
            tenant: release.tenant().to_string(),
            applet: release.applet().to_string(),
            version,
            user: invocation.user,
            organisation: invocation.organisation,
            permissions: invocation.permissions,
            locale: invocation.locale,
        };
        let record = CallRecord {
            id: id.to_string(),
            // Filled in when the call begins.
            deadline_ms: 0,
            caller,
            handler: handler.name.clone(),
            export: handler.export.clone(),
            trigger: invocation.trigger,
            payload,
            params: invocation.params.into_iter().map(|(name, value)| PathParameter { name, value }).collect(),
            config: invocation.config.to_string(),
            attempt: invocation.attempt,
            event: invocation.chain.event,
            job: invocation.job,
        };
        Self { record, body }
    }
}

fn message(message: invocation::Message) -> Message {
    let invocation::Message { id, published_ms, attempt, payload } = message;
    Message { id, published_ms, attempt, payload }
}
