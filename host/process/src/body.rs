//! Bodies that move in pieces.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Frame, SizeHint};

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes that are read in pieces.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body with nothing in it.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is there already.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A head and then a body.
pub(crate) struct HeadThen {
    head: Option<Bytes>,
    rest: Body,
}

impl HeadThen {
    pub(crate) fn new(head: Bytes, rest: Body) -> Self {
        Self { head: Some(head), rest }
    }
}

impl hyper::body::Body for HeadThen {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.head.take() {
            Some(head) => Poll::Ready(Some(Ok(Frame::data(head)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        let head = self.head.as_ref().map_or(0, |head| head.len() as u64);
        let mut all = SizeHint::new();
        all.set_lower(rest.lower().saturating_add(head));
        if let Some(upper) = rest.upper() {
            all.set_upper(upper.saturating_add(head));
        }
        all
    }
}

/// A body of at most so many bytes.
pub(crate) struct AtMost {
    inner: Body,
    left: u64,
    bytes_max: u64,
}

impl AtMost {
    pub(crate) fn new(inner: Body, bytes_max: u64) -> Self {
        Self { inner, left: bytes_max, bytes_max }
    }
}

impl hyper::body::Body for AtMost {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    return Poll::Ready(Some(Err(format!("the body has more than {} bytes", self.bytes_max).into())));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
