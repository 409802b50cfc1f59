//! Answers what a process asks the host: `POST /capability/{name}/{operation}` with the token of an invocation. One of these for each
//! process, on a socket of its own, so that a token of another process is unknown here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::token::{Grant, TokenError, Tokens};
use super::{HEAD_BYTES, told};
use crate::body::{Body, BodyError, HeadThen, whole};
use crate::capability::{CapabilityFailure, CapabilityReply, CapabilityRequest};
use crate::limits::{HEAD_BYTES_MAX, HEADER_BYTES_MAX, HEADERS_MAX, HOST_CONNECTIONS_MAX};
use crate::system::{Listener, Peer, check_peer};

/// Letters of the name of a capability or an operation.
const NAME_CHARS_MAX: usize = 64;

/// What one process may ask.
pub(crate) struct HostServer {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) peer: Peer,
    pub(crate) capability_bytes_max: u64,
}

impl HostServer {
    /// Takes connections for as long as it is polled.
    pub(crate) async fn serve(self: Arc<Self>, listener: Listener) {
        let places = Arc::new(Semaphore::new(HOST_CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            // Further ones wait in the socket's own queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let socket = match listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "a process could not connect to the host");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            if let Err(reason) = check_peer(&socket, self.peer) {
                tracing::warn!(reason, "a connection to the host's socket was refused");
                continue;
            }
            let server = Arc::clone(&self);
            connections.spawn(async move {
                let service = service_fn(|request| {
                    let server = Arc::clone(&server);
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                // No time for headers: whoever is slow holds a place of its own process and nobody else's.
                let served = Builder::new()
                    .max_headers(HEADERS_MAX)
                    .max_buf_size(HEADER_BYTES_MAX)
                    .header_read_timeout(None)
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(error = told(&error), "a process's connection to the host ended");
                }
                drop(place);
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let now = Instant::now();
        let header = request.headers().get(AUTHORIZATION).map(hyper::header::HeaderValue::as_bytes);
        let grant = match self.tokens.find(header, now) {
            Ok(grant) => grant,
            Err(error) => return forbidden(error),
        };
        let (capability, operation) = match route(&request) {
            Ok((capability, operation)) => (capability.to_owned(), operation.to_owned()),
            Err((status, told)) => return failure(status, "protocol", &CapabilityFailure::new("invalid", told)),
        };
        if !grant.take_call() {
            let failed = CapabilityFailure::new("limit", "the invocation has made all the calls it may make");
            return failure(StatusCode::UNPROCESSABLE_ENTITY, &capability, &failed);
        }
        let deadline = grant.deadline();
        let ended = grant.ended.clone();
        let answered = tokio::select! {
            biased;
            () = ended.cancelled() => return forbidden(TokenError::Unknown),
            answered = tokio::time::timeout_at(deadline, self.call(&grant, &capability, &operation, request)) => answered,
        };
        let Ok(answered) = answered else { return forbidden(TokenError::Expired) };
        match answered {
            Ok(reply) => success(reply, &grant),
            Err(failed) => {
                tracing::debug!(
                    applet = grant.applet,
                    tenant = grant.tenant,
                    user = grant.user,
                    invocation = grant.invocation,
                    capability,
                    operation,
                    code = failed.code,
                    "a capability refused"
                );
                failure(StatusCode::UNPROCESSABLE_ENTITY, &capability, &failed)
            }
        }
    }

    async fn call(
        &self,
        grant: &Arc<Grant>,
        capability: &str,
        operation: &str,
        request: Request<Incoming>,
    ) -> Result<CapabilityReply, CapabilityFailure> {
        let request = read(request, self.capability_bytes_max).await?;
        grant.capabilities.call(capability, operation, request).await
    }
}

/// The capability and the operation that a request names.
fn route<B>(request: &Request<B>) -> Result<(&str, &str), (StatusCode, String)> {
    if request.method() != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, format!("{} is not answered here: use POST", request.method())));
    }
    let is_name = |name: &&str| {
        !name.is_empty()
            && name.len() <= NAME_CHARS_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let path = request.uri().path();
    path.strip_prefix("/capability/")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(capability, operation)| is_name(capability) && is_name(operation))
        .ok_or_else(|| (StatusCode::NOT_FOUND, "the path must be /capability/{name}/{operation}".to_owned()))
}

/// Arguments, and the bytes after them when there is a head.
async fn read(request: Request<Incoming>, bytes_max: u64) -> Result<CapabilityRequest, CapabilityFailure> {
    let head_bytes = request.headers().get(HEAD_BYTES).cloned();
    let mut body = request.into_body();
    let parse = |text: &[u8]| {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(text)
            .map_err(|error| CapabilityFailure::new("invalid", format!("the arguments are not JSON: {error}")))
    };
    let Some(head_bytes) = head_bytes else {
        let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let text = Limited::new(body, limit).collect().await.map_err(|error| match error
            .downcast_ref::<http_body_util::LengthLimitError>(
        ) {
            Some(_) => CapabilityFailure::limit("capability_bytes_max", bytes_max, bytes_max.saturating_add(1)),
            None => CapabilityFailure::new("invalid", format!("the arguments broke off: {}", told(&*error))),
        })?;
        return Ok(CapabilityRequest { arguments: parse(&text.to_bytes())?, body: None });
    };
    let head_bytes: u64 = head_bytes
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| CapabilityFailure::new("invalid", format!("{HEAD_BYTES} is not a number")))?;
    if head_bytes > HEAD_BYTES_MAX {
        return Err(CapabilityFailure::limit("HEAD_BYTES_MAX", HEAD_BYTES_MAX, head_bytes));
    }
    let head_bytes = usize::try_from(head_bytes).unwrap_or(usize::MAX);
    let mut held = BytesMut::new();
    while held.len() < head_bytes {
        match body.frame().await {
            Some(Ok(frame)) => held.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..])),
            Some(Err(error)) => {
                return Err(CapabilityFailure::new("invalid", format!("the arguments broke off: {}", told(&error))));
            }
            None => return Err(CapabilityFailure::new("invalid", "the arguments end before they are complete")),
        }
    }
    let head = held.split_to(head_bytes);
    let rest = body.map_err(BodyError::from).boxed_unsync();
    Ok(CapabilityRequest { arguments: parse(&head)?, body: Some(HeadThen::new(held.freeze(), rest).boxed_unsync()) })
}

fn success(reply: CapabilityReply, grant: &Grant) -> Response<Body> {
    let CapabilityReply { value, body } = reply;
    match body {
        None => respond(StatusCode::OK, "application/json", None, whole(json!({ "ok": value }).to_string())),
        Some(body) => {
            let head = value.to_string();
            let length = head.len();
            let ended = Box::pin(grant.ended.clone().cancelled_owned());
            let body = UntilEnded { inner: HeadThen::new(Bytes::from(head), body).boxed_unsync(), ended };
            respond(StatusCode::OK, "application/vnd.belljar.answer", Some(length), body.boxed_unsync())
        }
    }
}

fn failure(status: StatusCode, capability: &str, failed: &CapabilityFailure) -> Response<Body> {
    let mut error = serde_json::to_value(failed).unwrap_or_default();
    error["capability"] = capability.into();
    respond(status, "application/json", None, whole(json!({ "error": error }).to_string()))
}

fn forbidden(error: TokenError) -> Response<Body> {
    failure(StatusCode::FORBIDDEN, "token", &CapabilityFailure::new("denied", error.to_string()))
}

fn respond(status: StatusCode, kind: &'static str, head_bytes: Option<usize>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    if let Some(bytes) = head_bytes {
        response.headers_mut().insert(HEAD_BYTES, bytes.into());
    }
    response
}

/// A body that breaks off when its invocation has ended.
struct UntilEnded {
    inner: Body,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl hyper::body::Body for UntilEnded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the invocation has ended".into())));
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_capability_and_an_operation() {
        let long = format!("/capability/{}/get", "x".repeat(65));
        for (method, path, expected) in [
            ("POST", "/capability/kv/get", Ok(("kv", "get"))),
            ("POST", "/capability/db/queryOne?x=1", Ok(("db", "queryOne"))),
            ("GET", "/capability/kv/get", Err(StatusCode::METHOD_NOT_ALLOWED)),
            ("POST", "/capability/kv", Err(StatusCode::NOT_FOUND)),
            ("POST", "/capability//get", Err(StatusCode::NOT_FOUND)),
            ("POST", "/capability/kv/get/more", Err(StatusCode::NOT_FOUND)),
            ("POST", "/capability/..%2f/get", Err(StatusCode::NOT_FOUND)),
            ("POST", long.as_str(), Err(StatusCode::NOT_FOUND)),
        ] {
            let request = Request::builder().method(method).uri(path).body(()).expect("a request");
            assert_eq!(route(&request).map_err(|(status, _)| status), expected, "{method} {path}");
        }
    }
}
