//! One call of one handler, and its answer, as the host sees them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::body::Body;
use crate::capability::Capabilities;
use crate::error::ProcessError;

/// One call of one handler.
pub struct Invocation {
    /// The handler's name in the manifest.
    pub handler: String,
    /// The export to call; the default export when there is none of that name.
    pub export: String,
    /// What the handler's `context` says.
    pub context: CallContext,
    /// What it is called with.
    pub payload: Payload,
    /// When the call is over, whatever it is doing.
    pub deadline: Instant,
    /// What it may ask for.
    pub capabilities: Arc<dyn Capabilities>,
}

/// Who calls, and why. Nothing in it comes from the applet or from the client.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// The invocation's id, unique.
    pub id: String,
    /// The applet.
    pub applet: String,
    /// Its version.
    pub version: String,
    /// The tenant.
    pub tenant: String,
    /// The user, when there is one.
    pub user: Option<String>,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// What the user may do.
    pub permissions: Vec<String>,
    /// A BCP 47 tag.
    pub locale: String,
    /// What caused the call: `one-off`, `http`, `event`, `schedule`, …
    pub trigger: String,
    /// The deadline as the applet sees it, Unix time in milliseconds.
    pub deadline_ms: u64,
    /// What the path of the request has at the placeholders of the route.
    pub params: Vec<(String, String)>,
    /// What the tenant has configured.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The event that is handled.
    pub event_id: Option<String>,
    /// The job that is done.
    pub job_id: Option<String>,
    /// Capabilities of the embedder's own that it may call, and the functions of each.
    pub custom: Vec<(String, Vec<String>)>,
}

/// What a handler is called with.
pub enum Payload {
    /// JSON text.
    Json(String),
    /// An HTTP request.
    Request(Request),
    /// Events that are delivered together.
    Messages(Vec<Message>),
}

/// An HTTP request.
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its absolute URL.
    pub url: String,
    /// Its headers in their order; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: RequestBody,
}

/// The body of a request.
pub enum RequestBody {
    /// There is none.
    Empty,
    /// It is there.
    Whole(Bytes),
    /// It comes in pieces.
    Stream(Body),
}

/// One event of several.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// When it was published, Unix time in milliseconds.
    pub published_ms: u64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// JSON text.
    pub payload: String,
}

/// What a handler answered.
#[derive(Debug)]
pub enum Answer {
    /// JSON text; `None` for undefined.
    Value(Option<String>),
    /// An HTTP response.
    Response(ResponseHead, AnswerBody),
}

/// Status and headers of a response.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ResponseHead {
    /// 200 to 599.
    pub status: u16,
    /// In their order; each character of a value is a byte.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// The body of a response. Dropping one that is read in pieces ends the invocation.
#[derive(Debug)]
pub struct AnswerBody(pub(crate) Source);

#[derive(Debug)]
pub(crate) enum Source {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Result<Bytes, ProcessError>>),
}

impl AnswerBody {
    /// The bytes, when all of them are there already.
    #[must_use]
    pub fn as_whole(&self) -> Option<&[u8]> {
        match &self.0 {
            Source::Whole(bytes) => Some(bytes.as_deref().unwrap_or_default()),
            Source::Pieces(_) => None,
        }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// Why the body broke off.
    pub async fn next(&mut self) -> Option<Result<Bytes, ProcessError>> {
        match &mut self.0 {
            Source::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok),
            Source::Pieces(pieces) => pieces.recv().await,
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// Why the body broke off.
    pub async fn collect(mut self) -> Result<Bytes, ProcessError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.into())
    }
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = ProcessError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProcessError>>> {
        match &mut self.0 {
            Source::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(Frame::data).map(Ok))
            }
            Source::Pieces(pieces) => pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Source::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.0 {
            Source::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Source::Pieces(_) => hyper::body::SizeHint::default(),
        }
    }
}
