//! Reads what a process answers: a JSON head and, for responses, the body: whole, or in frames after which an invocation may go on
//! (`waitUntil`). A frame is its length (32 bits, big endian) and its bytes; one of no bytes ends the body, `BROKEN` breaks it off with
//! the failure as JSON. Everything is counted before it is kept.

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;

use super::{HEAD_BYTES, WireError, told};
use crate::error::{AppletError, FailureReason, Role, Thrown};
use crate::invocation::ResponseHead;
use crate::limits::{FRAME_BYTES_MAX, HEAD_BYTES_MAX, RESPONSE_HEADERS_MAX};

/// The length of a frame that breaks the body off.
const BROKEN: u32 = u32::MAX;

/// The head of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnswerHead {
    kind: Kind,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Of a body that follows whole, with nothing after it.
    #[serde(default)]
    body_bytes: Option<u64>,
    #[serde(default)]
    error: Option<AppletError>,
    /// Log lines that have not been sent otherwise.
    #[serde(default)]
    logs: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Value,
    None,
    Response,
    Error,
}

/// An answer whose head has been read.
pub(crate) enum Begun {
    /// All of it is there.
    Value(Option<String>),
    /// All of it is there.
    Whole(ResponseHead, Bytes),
    /// The body follows in frames.
    Frames(ResponseHead, Frames),
    /// The body follows as it is, and nothing after it (servers of the applet's own).
    Raw(ResponseHead, Frames),
    /// The handler failed.
    Failed(AppletError),
}

/// Reads an answer up to where its body begins. `is_request` is whether an HTTP request is answered.
pub(crate) async fn begin(
    response: Response<Incoming>,
    bytes_max: u64,
    is_request: bool,
) -> Result<(Begun, Vec<Value>), WireError> {
    let (parts, body) = response.into_parts();
    let mut reader = Reader { body, held: BytesMut::new() };
    let Some(length) = parts.headers.get(HEAD_BYTES) else {
        return plain(&parts, reader, bytes_max, is_request).await.map(|begun| (begun, Vec::new()));
    };
    let length: u64 = length
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| WireError::Broken(format!("{HEAD_BYTES} is not a number")))?;
    if length > HEAD_BYTES_MAX {
        return Err(WireError::Broken(format!(
            "the head of its answer has {length} bytes, and {HEAD_BYTES_MAX} are allowed"
        )));
    }
    let head = reader.exact(length).await?;
    let head: AnswerHead =
        serde_json::from_slice(&head).map_err(|error| WireError::Broken(format!("the head of its answer: {error}")))?;
    let begun = match (head.kind, head.status, head.body_bytes) {
        (Kind::None, ..) => {
            reader.end().await?;
            Begun::Value(None)
        }
        (Kind::Error, ..) => {
            reader.end().await?;
            let error = head.error.filter(|error| !error.errors.is_empty());
            Begun::Failed(error.ok_or_else(|| WireError::Broken("its answer is an error without one".into()))?)
        }
        (Kind::Value, _, Some(bytes)) => {
            let text = reader.whole(bytes, bytes_max).await?;
            let text =
                String::from_utf8(text.into()).map_err(|_| WireError::Broken("its value is not UTF-8".into()))?;
            Begun::Value(Some(text))
        }
        (Kind::Value, _, None) => return Err(WireError::Broken("its value has no length".into())),
        (Kind::Response, Some(status @ 200..=599), body_bytes) => {
            if head.headers.len() > RESPONSE_HEADERS_MAX {
                let used = head.headers.len() as u64;
                return Err(WireError::Limit {
                    name: "RESPONSE_HEADERS_MAX",
                    allowed: RESPONSE_HEADERS_MAX as u64,
                    used,
                });
            }
            let response = ResponseHead { status, headers: head.headers };
            match body_bytes {
                Some(bytes) => Begun::Whole(response, reader.whole(bytes, bytes_max).await?),
                None => Begun::Frames(response, Frames::new(reader, bytes_max)),
            }
        }
        (Kind::Response, status, _) => {
            return Err(WireError::Broken(format!("the status of its response is {status:?}")));
        }
    };
    Ok((begun, head.logs))
}

/// The answer of a server that knows nothing of heads.
async fn plain(
    parts: &hyper::http::response::Parts,
    mut reader: Reader,
    bytes_max: u64,
    is_request: bool,
) -> Result<Begun, WireError> {
    let status = parts.status.as_u16();
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "connection" | "keep-alive" | "transfer-encoding" | "content-length" | "date")
        })
        .map(|(name, value)| {
            (name.as_str().to_owned(), value.as_bytes().iter().map(|&byte| char::from(byte)).collect())
        })
        .collect();
    if is_request {
        if !(200..=599).contains(&status) {
            return Err(WireError::Broken(format!("the status of its response is {status}")));
        }
        return Ok(Begun::Raw(ResponseHead { status, headers }, Frames::new(reader, bytes_max)));
    }
    let body = reader.rest(bytes_max).await?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if parts.status.is_success() {
        let is_json =
            parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        return match (body.is_empty(), is_json) {
            (true, _) => Ok(Begun::Value(None)),
            (false, true) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => {
                Ok(Begun::Value(Some(text)))
            }
            (false, true) => Err(WireError::Broken("its answer is called JSON and is none".into())),
            (false, false) => Ok(Begun::Value(Some(Value::String(text).to_string()))),
        };
    }
    let message =
        format!("the applet's server answered with status {status}: {}", text.chars().take(1_000).collect::<String>());
    let code = Some(status.to_string());
    let error = Thrown {
        role: Role::Thrown,
        parent: 0,
        name: "Error".into(),
        message,
        stack: String::new(),
        code,
        details: None,
    };
    Ok(Begun::Failed(AppletError { reason: FailureReason::Threw, errors: vec![error] }))
}

/// What comes next in a body.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// The body is complete. The invocation may go on.
    End,
    /// The applet broke it off.
    Broken(AppletError),
}

/// A body that comes in frames, or as it is.
pub(crate) struct Frames {
    reader: Reader,
    /// Bytes of the frame that have not come yet.
    left: u64,
    taken: u64,
    bytes_max: u64,
}

impl Frames {
    fn new(reader: Reader, bytes_max: u64) -> Self {
        Self { reader, left: 0, taken: 0, bytes_max }
    }

    /// The next piece of a body in frames.
    pub(crate) async fn next(&mut self) -> Result<Piece, WireError> {
        if self.left == 0 {
            match self.reader.number().await? {
                0 => return Ok(Piece::End),
                BROKEN => {
                    let length = u64::from(self.reader.number().await?);
                    if length > HEAD_BYTES_MAX {
                        return Err(WireError::Broken(format!("a failure of {length} bytes")));
                    }
                    let text = self.reader.exact(length).await?;
                    return serde_json::from_slice(&text)
                        .map(Piece::Broken)
                        .map_err(|error| WireError::Broken(format!("the failure at the end of its answer: {error}")));
                }
                length if u64::from(length) > FRAME_BYTES_MAX => {
                    return Err(WireError::Broken(format!(
                        "a frame of {length} bytes, and {FRAME_BYTES_MAX} are allowed"
                    )));
                }
                length => {
                    self.left = u64::from(length);
                    self.count(self.left)?;
                }
            }
        }
        let some = self.reader.some(self.left).await?.ok_or_else(cut_short)?;
        self.left -= some.len() as u64;
        Ok(Piece::Bytes(some))
    }

    /// The next piece of a body that comes as it is.
    pub(crate) async fn next_raw(&mut self) -> Result<Piece, WireError> {
        match self.reader.some(u64::MAX).await? {
            Some(bytes) => {
                self.count(bytes.len() as u64)?;
                Ok(Piece::Bytes(bytes))
            }
            None => Ok(Piece::End),
        }
    }

    fn count(&mut self, bytes: u64) -> Result<(), WireError> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.bytes_max {
            return Err(WireError::Limit { name: "response_bytes_max", allowed: self.bytes_max, used: self.taken });
        }
        Ok(())
    }

    /// The end of the invocation.
    pub(crate) async fn finish(mut self) -> Result<(), WireError> {
        self.reader.end().await
    }
}

fn cut_short() -> WireError {
    WireError::Lost("its answer ends before it is complete".into())
}

struct Reader {
    body: Incoming,
    held: BytesMut,
}

impl Reader {
    /// Takes what has come; whether there was more.
    async fn fill(&mut self) -> Result<bool, WireError> {
        loop {
            match self.body.frame().await {
                None => return Ok(false),
                Some(Err(error)) if error.is_parse() => {
                    return Err(WireError::Broken(format!("its answer is no HTTP: {}", told(&error))));
                }
                Some(Err(error)) => return Err(WireError::Lost(told(&error))),
                Some(Ok(frame)) => {
                    // Trailers mean nothing.
                    let Ok(data) = frame.into_data() else { continue };
                    self.held.extend_from_slice(&data);
                    return Ok(true);
                }
            }
        }
    }

    async fn exact(&mut self, length: u64) -> Result<Bytes, WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::Broken(format!("a length of {length}")))?;
        while self.held.len() < length {
            if !self.fill().await? {
                return Err(cut_short());
            }
        }
        Ok(self.held.split_to(length).freeze())
    }

    async fn number(&mut self) -> Result<u32, WireError> {
        Ok(self.exact(4).await?.get_u32())
    }

    async fn some(&mut self, bytes_max: u64) -> Result<Option<Bytes>, WireError> {
        if self.held.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let length = self.held.len().min(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        Ok(Some(self.held.split_to(length).freeze()))
    }

    async fn whole(&mut self, bytes: u64, bytes_max: u64) -> Result<Bytes, WireError> {
        if bytes > bytes_max {
            return Err(WireError::Limit { name: "response_bytes_max", allowed: bytes_max, used: bytes });
        }
        let bytes = self.exact(bytes).await?;
        self.end().await?;
        Ok(bytes)
    }

    async fn rest(&mut self, bytes_max: u64) -> Result<Bytes, WireError> {
        while self.fill().await? {
            let used = self.held.len() as u64;
            if used > bytes_max {
                return Err(WireError::Limit { name: "response_bytes_max", allowed: bytes_max, used });
            }
        }
        Ok(std::mem::take(&mut self.held).freeze())
    }

    async fn end(&mut self) -> Result<(), WireError> {
        if self.held.is_empty() && !self.fill().await? {
            return Ok(());
        }
        Err(WireError::Broken(format!("{} bytes after the end of its answer", self.held.len())))
    }
}
