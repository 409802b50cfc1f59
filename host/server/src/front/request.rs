//! The body of a request: small ones are read before the call, others as the applet reads them; neither past the limit, nor for longer
//! than a client may take.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use belljar::Body;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::header::{self, HeaderMap};
use hyper::body::{Body as _, Incoming};

use super::pace::{Pace, PaceLimits};

/// Bodies that are announced to be no longer than this are read before the call.
const WHOLE_BYTES_MAX: u64 = 64 << 10;

/// What went wrong with a body, if anything did.
#[derive(Debug, Default)]
pub(crate) struct BodyWatch(AtomicU8);

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyProblem {
    /// It is longer than it may be.
    #[error("the request's body is too large")]
    TooLarge = 1,
    /// It comes too slowly.
    #[error("the request's body came too slowly")]
    TooSlow = 2,
    /// The client has gone, or sends what is no body.
    #[error("the request's body broke off")]
    Broken = 3,
}

impl BodyWatch {
    pub(crate) fn problem(&self) -> Option<BodyProblem> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(BodyProblem::TooLarge),
            2 => Some(BodyProblem::TooSlow),
            3 => Some(BodyProblem::Broken),
            _ => None,
        }
    }
}

/// Takes a request's body.
///
/// # Errors
/// [`BodyProblem`], as far as it is known before the call.
pub(crate) async fn body(
    incoming: Incoming,
    headers: &HeaderMap,
    bytes_max: u64,
    pace: PaceLimits,
    watch: &Arc<BodyWatch>,
) -> Result<Body, BodyProblem> {
    if incoming.is_end_stream() {
        return Ok(Body::default());
    }
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(BodyProblem::TooLarge);
    }
    let mut pieces = Pieces { incoming: Some(incoming), left: bytes_max, pace: Pace::new(pace), watch: watch.clone() };
    match announced.filter(|bytes| *bytes <= WHOLE_BYTES_MAX) {
        None => Ok(Body::stream(pieces)),
        Some(_) => {
            let Some(first) = pieces.next().await else { return Ok(Body::default()) };
            let first = first?;
            let Some(second) = pieces.next().await else { return Ok(first.into()) };
            let mut whole = BytesMut::from(first);
            whole.extend_from_slice(&second?);
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece?);
            }
            Ok(whole.freeze().into())
        }
    }
}

/// A body piece by piece.
struct Pieces {
    /// Until its end, or what went wrong.
    incoming: Option<Incoming>,
    left: u64,
    pace: Pace,
    watch: Arc<BodyWatch>,
}

impl Pieces {
    fn fail(&mut self, problem: BodyProblem) -> Poll<Option<Result<Bytes, BodyProblem>>> {
        self.incoming = None;
        self.watch.0.store(problem as u8, Ordering::Relaxed);
        Poll::Ready(Some(Err(problem)))
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, BodyProblem>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
            match Pin::new(incoming).poll_frame(context) {
                Poll::Pending => {
                    return match self.pace.poll_waiting(context) {
                        Poll::Ready(_) => self.fail(BodyProblem::TooSlow),
                        Poll::Pending => Poll::Pending,
                    };
                }
                Poll::Ready(None) => {
                    self.incoming = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(_))) => return self.fail(BodyProblem::Broken),
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are nobody's.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.pace.passed(bytes.len() as u64);
                    let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
                        return self.fail(BodyProblem::TooLarge);
                    };
                    self.left = left;
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }
}
