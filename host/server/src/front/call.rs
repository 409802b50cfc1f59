//! Calls a handler and makes its answer a response: a whole one when the call has ended, a streamed one as soon as it begins.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use belljar::{Bytes, Invocation, Outcome, Response, ResponseHead, ResponseSink, SinkClosed, Taking, Usage};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::body::{FrontBody, Piece, Streamed};
use crate::directory::Active;
use crate::dispatch::{Dispatcher, Refused};
use crate::schedule::Lane;

/// A response that has begun.
type Begun = (ResponseHead, mpsc::Receiver<Piece>);
type Calling = Pin<Box<dyn Future<Output = Result<Outcome, Refused>> + Send>>;

/// What came of a call.
pub(crate) enum Answer {
    /// It has ended.
    Ended(Box<Outcome>),
    /// It streams its response, and goes on.
    Streams(http::Response<FrontBody>),
}

/// Calls, until there is an answer. When the client goes before, the call is ended, and what it used is still recorded.
pub(crate) async fn call(
    dispatcher: &Arc<Dispatcher>,
    active: &Arc<Active>,
    mut invocation: Invocation,
) -> Result<Answer, Refused> {
    let until = CancellationToken::new();
    invocation.until = Some(Box::pin(until.clone().cancelled_owned()));
    let begun: Arc<Mutex<Option<Begun>>> = Arc::default();
    let (owned_dispatcher, owned_active, mut sink) =
        (dispatcher.clone(), active.clone(), Sink { begun: begun.clone(), pieces: None });
    let calling: Calling =
        Box::pin(async move { owned_dispatcher.call(&owned_active, invocation, &mut sink, Lane::Http).await });
    let mut under_way = UnderWay { calling: Some(calling), until };
    let ended = poll_fn(|context| {
        let Some(calling) = &mut under_way.calling else { return Poll::Ready(None) };
        if let Poll::Ready(ended) = calling.as_mut().poll(context) {
            return Poll::Ready(Some(ended));
        }
        match &*begun.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(_) => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await;
    let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).take();
    let calling = under_way.calling.take();
    match (ended, begun) {
        (Some(Err(refused)), _) => Err(refused),
        // It has ended before anybody looked: what it wrote is in the channel.
        (Some(Ok(Outcome { result: Ok(Response::Streamed(_)), .. })), Some(begun)) => {
            Ok(Answer::Streams(streamed(begun, under_way.until.clone())))
        }
        (Some(Ok(outcome)), _) => Ok(Answer::Ended(Box::new(outcome))),
        (None, Some(begun)) => {
            calling.into_iter().for_each(drive_on);
            Ok(Answer::Streams(streamed(begun, under_way.until.clone())))
        }
        (None, None) => unreachable!("a call goes on until it has ended or responds"),
    }
}

/// A call that nobody has the answer of so far.
struct UnderWay {
    calling: Option<Calling>,
    until: CancellationToken,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(calling) = self.calling.take() {
            self.until.cancel();
            drive_on(calling);
        }
    }
}

/// Lets a call go on to its end by itself.
fn drive_on(calling: Calling) {
    // Without a runtime, at the end of the process, it is dropped, which ends it too.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(calling);
    }
}

fn streamed((head, pieces): Begun, until: CancellationToken) -> http::Response<FrontBody> {
    let body = FrontBody::Streamed(Streamed { pieces, until: until.drop_guard() });
    response(head.status, &head.headers, body)
}

/// Hands a streamed response over, chunk by chunk.
struct Sink {
    begun: Arc<Mutex<Option<Begun>>>,
    pieces: Option<mpsc::Sender<Piece>>,
}

impl Sink {
    async fn give(&mut self, piece: Piece) -> Result<(), SinkClosed> {
        let Some(pieces) = &self.pieces else { return Err(SinkClosed) };
        pieces.send(piece).await.map_err(|_| SinkClosed)
    }
}

impl ResponseSink for Sink {
    fn head(&mut self, head: ResponseHead) -> Taking<'_> {
        let (sender, receiver) = mpsc::channel(1);
        self.pieces = Some(sender);
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some((head, receiver));
        Box::pin(async { Ok(()) })
    }

    fn chunk(&mut self, bytes: Bytes) -> Taking<'_> {
        Box::pin(self.give(Piece::Bytes(bytes)))
    }

    fn end(&mut self) -> Taking<'_> {
        Box::pin(async {
            let given = self.give(Piece::End).await;
            self.pieces = None;
            given
        })
    }
}

/// A handler's answer as a response.
pub(crate) fn whole(answer: Response, held: &Arc<AtomicU64>) -> http::Response<FrontBody> {
    match answer {
        Response::Value(Some(json)) => {
            let mut response = http::Response::new(FrontBody::whole(json.into(), held));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Response::Value(None) => response(204, &[], FrontBody::Empty),
        Response::Http(reply) => response(reply.status, &reply.headers, FrontBody::whole(reply.body, held)),
        // The sink had it, and nobody took it from there.
        Response::Streamed(reply) => response(reply.status, &[], FrontBody::Empty),
    }
}

fn response(status: u16, headers: &[(String, String)], body: FrontBody) -> http::Response<FrontBody> {
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kept: &mut HeaderMap = response.headers_mut();
    for (name, value) in headers {
        // Each character is a byte; both were checked when the applet gave them.
        let bytes: Vec<u8> = value.chars().map(|character| character as u8).collect();
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::from_maybe_shared(Bytes::from(bytes)))
        {
            // What only the host says.
            if !name.as_str().starts_with("x-belljar-") {
                kept.append(name, value);
            }
        }
    }
    response
}

/// What the call has used, for authors who look at it.
pub(crate) fn usage_headers(headers: &mut HeaderMap, usage: &Usage) {
    for (name, figure) in [
        ("x-belljar-fuel", usage.fuel),
        ("x-belljar-wall-us", usage.wall_us),
        ("x-belljar-memory-bytes", usage.memory_bytes_peak),
        ("x-belljar-operations", usage.operations),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(figure));
    }
}
