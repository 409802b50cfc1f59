//! What goes into an invocation and what comes out of it.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::capability::bodies::BodyReader;
use crate::capability::origin::Chain;
use crate::floor::clock::Source;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::ids::InvocationId;
use crate::floor::usage::Usage;
use crate::recording::RecordPolicy;
use crate::turns::Turns;

/// One call of one handler.
///
/// ```
/// use belljar::{Invocation, Payload};
///
/// let invocation = Invocation::new("default", Payload::Json(r#"{"sku": "A-1"}"#.into()));
/// assert_eq!(invocation.trigger, "one-off");
/// ```
pub struct Invocation {
    /// Its id, from [`Host::new_id`](crate::Host::new_id); without one the host makes it.
    pub id: Option<InvocationId>,
    /// The handler's name in the manifest.
    pub handler: String,
    /// What it is called with.
    pub payload: Payload,
    /// What caused it, as the applet sees it: `one-off`, `http`, `event`, `schedule`.
    pub trigger: String,
    /// The user on whose behalf it runs, as the host knows it.
    pub user: Option<String>,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// Permissions the user holds.
    pub permissions: Vec<String>,
    /// BCP 47 locale; `en` by default.
    pub locale: String,
    /// What the request's path has at the placeholders of the handler's route, by their names; the rest of a `*` has the name `*`.
    pub params: Vec<(String, String)>,
    /// What the tenant has configured for the applet: a JSON object; empty for nothing.
    pub config: Arc<str>,
    /// Which attempt this is, from 1: more than 1 for an event, a schedule or a job that is tried again.
    pub attempt: u32,
    /// The events that led here.
    pub chain: Chain,
    /// The job that is done, by its id.
    pub job: Option<String>,
    /// Where its time and randomness come from, instead of the host's.
    pub source: Option<Arc<dyn Source>>,
    /// Whether it is recorded, instead of the recorder's policy; without a recorder it is not ([`HostBuilder::recorder`](crate::HostBuilder::recorder)).
    pub record: Option<RecordPolicy>,
    /// When it may use a processor; `None` for whenever the executor polls it.
    pub turns: Option<Arc<dyn Turns>>,
    /// Ends the invocation when it resolves, with fault `cancelled` and all that was used. Dropping the future of
    /// [`Host::invoke`](crate::Host::invoke) ends it too, and nobody learns what was used.
    pub until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation")
            .field("handler", &self.handler)
            .field("trigger", &self.trigger)
            .field("payload", &self.payload)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Invocation {
    /// A call without a user; a request is an `http` call, JSON a `one-off` one.
    pub fn new(handler: impl Into<String>, payload: Payload) -> Self {
        let trigger = match payload {
            Payload::Json(_) => "one-off",
            Payload::Messages(_) => "event",
            Payload::Request(_) => "http",
        };
        Self {
            id: None,
            handler: handler.into(),
            payload,
            trigger: trigger.into(),
            user: None,
            organisation: None,
            permissions: Vec::new(),
            locale: "en".into(),
            params: Vec::new(),
            config: Arc::from(""),
            attempt: 1,
            chain: Chain::default(),
            job: None,
            source: None,
            record: None,
            turns: None,
            until: None,
        }
    }

    /// A one-off call with a payload that serde writes as JSON.
    ///
    /// ```
    /// let invocation = belljar::Invocation::json("default", &["A-1", "A-2"])?;
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn json(handler: impl Into<String>, payload: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self::new(handler, Payload::Json(serde_json::to_string(payload)?)))
    }
}

/// What a handler is called with.
#[derive(Debug)]
pub enum Payload {
    /// JSON text.
    Json(String),
    /// An HTTP request.
    Request(Request),
    /// Events that are delivered together, at least one. A handler that is `queue(batch, env, ctx)` takes all of them and may ask for some
    /// of them again ([`Response::retries`]); any other takes one, as its payload.
    Messages(Vec<Message>),
}

/// One event of several that are delivered together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's id.
    pub id: String,
    /// When it was published, Unix time in milliseconds.
    pub published_ms: u64,
    /// Which attempt at it this is, from 1.
    pub attempt: u32,
    /// JSON text.
    pub payload: String,
}

/// A message that a handler wants again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// The message's id.
    pub id: String,
    /// In how many milliseconds at the earliest; `None` leaves it to the manifest's backoff.
    #[serde(default)]
    pub delay_ms: Option<u64>,
}

/// An HTTP request as a handler sees it.
#[derive(Debug)]
pub struct Request {
    /// For example `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Lower-case names; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// Raw bytes.
    pub body: Body,
}

/// The body of a request.
#[derive(Debug)]
pub enum Body {
    /// All of it; empty for none.
    Bytes(Bytes),
    /// As it comes: see [`Body::stream`].
    Stream(BodyReader),
}

impl Body {
    /// A body that is read from `source` as the applet reads it, and no faster; what has not been read when the invocation ends is
    /// dropped. An error of the source ends the body, and its text is told to the applet.
    ///
    /// ```
    /// use belljar::Body;
    /// use futures_util::stream;
    ///
    /// let pieces = [Ok("one, "), Ok("two"), Err("the client has gone")];
    /// let body = Body::stream(stream::iter(pieces.map(|piece| piece.map(Into::into))));
    /// ```
    pub fn stream<E: Display>(source: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Self {
        Self::Stream(BodyReader::from_outside(source))
    }

    /// All bytes, unless it is a stream.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Stream(_) => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A program given as text: no package, no applet.
#[derive(Debug, Clone)]
pub struct Program {
    /// How it is evaluated.
    pub kind: ProgramKind,
    /// Its name in stacks; for a module also what its imports are resolved against.
    pub name: String,
    /// JavaScript.
    pub source: String,
    /// Locales it may use through `Intl`, canonical; without any there is no `Intl`.
    pub locales: Vec<String>,
}

/// How a program is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramKind {
    /// A sloppy global script.
    Script,
    /// An ES module.
    Module,
}

/// Source of the modules that a program imports.
pub trait Modules: Send + Sync {
    /// Finds the module `specifier` that `referrer` imports. Answers its unique name and its source.
    ///
    /// # Errors
    /// Text for the author: why there is no such module.
    fn load(&self, specifier: &str, referrer: &str) -> Result<(String, String), String>;
}

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The invocation.
    pub id: InvocationId,
    /// The handler's answer, or why there is none.
    pub result: Result<Response, Fault>,
    /// What was used.
    pub usage: Usage,
}

impl Outcome {
    /// The value that was answered, as whatever serde reads of its JSON; `undefined` is `null`.
    ///
    /// ```no_run
    /// # async fn example(host: belljar::Host, release: belljar::Release) -> Result<(), Box<dyn std::error::Error>> {
    /// let prices: Vec<f64> = host.invoke(&release, belljar::Invocation::json("prices", &["A-1", "A-2"])?).await.value()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ValueError::Fault`] when there is no answer, or it is a response and no value; [`ValueError::Value`] when it is of another type.
    pub fn value<T: DeserializeOwned>(self) -> Result<T, ValueError> {
        let json = match self.result? {
            Response::Value(json) => json.unwrap_or_else(|| "null".to_owned()),
            Response::Http(_) | Response::Streamed(_) => {
                return Err(Fault::new(FaultCode::InvalidResult, "the answer is a Response, and no value").into());
            }
        };
        serde_json::from_str(&json)
            .map_err(|source| ValueError::Value { json: json.chars().take(200).collect(), source })
    }
}

/// Why a call or a script has no value of the type that is wanted.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// What it is called with cannot be written as JSON.
    #[error("the context cannot be written as JSON")]
    Context(#[source] serde_json::Error),
    /// It does not parse, threw, or met a limit; the fault's frames say where.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// There is a value, of another type.
    #[error("the value is not of the type that is wanted: {json}")]
    Value {
        /// The value; at most the first 200 characters.
        json: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
}

/// A handler's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// JSON text; `None` for `undefined`.
    Value(Option<String>),
    /// An HTTP response.
    Http(HttpReply),
    /// An HTTP response that has gone to the [`ResponseSink`] of [`Host::invoke_streaming`](crate::Host::invoke_streaming).
    Streamed(StreamedReply),
}

impl Response {
    /// Of an answer to [`Payload::Messages`]: the messages that are wanted again; all others are done with. It is the JSON
    /// `{"retry": [{"id": "…", "delayMs": 5000}, …]}`; what is anything else asks for none.
    ///
    /// ```
    /// use belljar::Response;
    ///
    /// let answer = Response::Value(Some(r#"{"retry":[{"id":"evt_2","delayMs":5000},{"id":"evt_3"}]}"#.into()));
    /// let again = answer.retries();
    /// assert_eq!((again[0].id.as_str(), again[0].delay_ms, again[1].delay_ms), ("evt_2", Some(5000), None));
    /// assert!(Response::Value(None).retries().is_empty());
    /// ```
    pub fn retries(&self) -> Vec<Retry> {
        #[derive(Deserialize)]
        struct Answer {
            retry: Vec<Retry>,
        }
        match self {
            Self::Value(Some(json)) => {
                serde_json::from_str::<Answer>(json).map(|answer| answer.retry).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// An HTTP response of a handler: names and values are valid, framing and hop-by-hop headers are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// 200 to 599.
    pub status: u16,
    /// Lower-case names; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// Raw bytes.
    pub body: Bytes,
}

/// An HTTP response that was handed over as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamedReply {
    /// 200 to 599.
    pub status: u16,
    /// Bytes of the body that the sink has taken.
    pub body_bytes: u64,
    /// Whether the sink has taken all of it: `false` when it took no more.
    pub is_complete: bool,
}

/// Status and headers of a response: names and values are valid, framing and hop-by-hop headers are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// 200 to 599.
    pub status: u16,
    /// Lower-case names; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
}

/// Headers that belong to the connection or to framing, which are the host's (RFC 9110, 7.6.1; RFC 9112, 6).
const HOST_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

impl ResponseHead {
    /// What a handler gave, checked.
    ///
    /// # Errors
    /// The fault `invalid-result`.
    pub(crate) fn checked(status: u16, given: Vec<(String, String)>) -> Result<Self, Fault> {
        let invalid = |what: String| Fault::new(FaultCode::InvalidResult, format!("the response is not valid: {what}"));
        if !(200..=599).contains(&status) {
            return Err(invalid(format!("status {status} is not within 200 to 599")));
        }
        let mut headers = Vec::with_capacity(given.len());
        for (name, value) in given {
            let name = http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(format!("{name:?} is no header name")))?;
            let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            if bytes.and_then(|bytes| http::HeaderValue::from_bytes(&bytes).ok()).is_none() {
                return Err(invalid(format!("the value of header {name} has characters that HTTP does not allow")));
            }
            if !HOST_HEADERS.contains(&name.as_str()) {
                headers.push((name.as_str().to_owned(), value));
            }
        }
        Ok(Self { status, headers })
    }

    /// Bytes of names and values.
    pub(crate) fn bytes(&self) -> u64 {
        self.headers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }
}

/// Takes a response as the handler makes it: its head, its body in chunks, its end. The applet writes no faster than the sink
/// takes; while it waits for the sink its time goes on. When the invocation ends in a fault, `end` is not called: the embedder
/// breaks the response off, so that its receiver does not take it for a whole one.
///
/// Futures are dropped before they are done when the invocation's deadline passes.
pub trait ResponseSink: Send {
    /// The response begins; once, and before anything else.
    fn head(&mut self, head: ResponseHead) -> Taking<'_>;
    /// The next bytes of the body.
    fn chunk(&mut self, bytes: Bytes) -> Taking<'_>;
    /// The body is complete. The invocation may go on, with what was given to `waitUntil`.
    fn end(&mut self) -> Taking<'_>;
}

/// Resolves when the sink is ready for more.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Result<(), SinkClosed>> + Send + 'a>>;

/// The sink takes no more: whoever asked has gone. The applet's stream is cancelled, and the invocation goes on to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the receiver of the response has gone")]
pub struct SinkClosed;

/// A sink that keeps everything, for callers who want the response whole; the invocation's own limit bounds it.
///
/// ```
/// assert_eq!(belljar::Collected::default().into_reply(), None, "nothing was streamed");
/// ```
#[derive(Debug, Default)]
pub struct Collected {
    head: Option<ResponseHead>,
    body: Vec<u8>,
}

impl Collected {
    /// The whole response; `None` when none was streamed.
    pub fn into_reply(self) -> Option<HttpReply> {
        self.head.map(|ResponseHead { status, headers }| HttpReply { status, headers, body: self.body.into() })
    }
}

impl Collected {
    /// An outcome with the response that was collected in it, if one was.
    pub(crate) fn complete(self, outcome: Outcome) -> Outcome {
        match (&outcome.result, self.into_reply()) {
            (Ok(Response::Streamed(_)), Some(whole)) => Outcome { result: Ok(Response::Http(whole)), ..outcome },
            _ => outcome,
        }
    }
}

impl ResponseSink for Collected {
    fn head(&mut self, head: ResponseHead) -> Taking<'_> {
        self.head = Some(head);
        Box::pin(async { Ok(()) })
    }

    fn chunk(&mut self, bytes: Bytes) -> Taking<'_> {
        self.body.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn end(&mut self) -> Taking<'_> {
        Box::pin(async { Ok(()) })
    }
}
