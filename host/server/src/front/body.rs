//! The body of a response: nothing, bytes, or pieces as an applet makes them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

/// A response's body.
#[derive(Debug, Default)]
pub(crate) enum FrontBody {
    /// Nothing, or nothing more.
    #[default]
    Empty,
    /// All of it.
    Whole(Bytes),
    /// As it comes.
    Streamed(Streamed),
}

/// A body that an invocation under way makes.
#[derive(Debug)]
pub(crate) struct Streamed {
    pub(crate) pieces: mpsc::Receiver<Piece>,
    /// Ends the invocation when the client goes before the body's end.
    pub(crate) until: DropGuard,
}

/// What comes next in a streamed body.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// It is complete.
    End,
}

/// The response broke off: the connection, or the stream, is reset, so that nobody takes it for a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response broke off")]
pub(crate) struct BrokenOff;

/// Bodies up to this size are copied into the connection's buffer at once.
const COUNTED_FROM: usize = 16 << 10;

/// Bytes of a response that count until the client has taken them.
struct Held {
    bytes: Bytes,
    all: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

impl FrontBody {
    /// All of a body, which counts in `held` until it is sent.
    pub(crate) fn whole(bytes: Bytes, held: &Arc<AtomicU64>) -> Self {
        match bytes.len() {
            0 => Self::Empty,
            len if len < COUNTED_FROM => Self::Whole(bytes),
            len => {
                held.fetch_add(len as u64, Ordering::Relaxed);
                Self::Whole(Bytes::from_owner(Held { bytes, all: held.clone() }))
            }
        }
    }

    /// How long it is, if that is known.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Streamed(_) => None,
        }
    }
}

impl Body for FrontBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streamed(streamed) => match std::task::ready!(streamed.pieces.poll_recv(context)) {
                Some(Piece::Bytes(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::End) => {
                    if let Self::Streamed(streamed) = std::mem::take(&mut *self) {
                        // What was given to waitUntil goes on.
                        streamed.until.disarm();
                    }
                    Poll::Ready(None)
                }
                None => Poll::Ready(Some(Err(BrokenOff))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.len().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
