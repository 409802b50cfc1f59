//! Bodies between the guest and a connection: those that go out are taken from the guest as the connection takes them, those that
//! come in are read ahead of the guest by no more than a buffer. Counts, sizes and times are the session's.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::error::HttpError;
use super::held::Held;
use crate::capability::bodies::{BodyError, BodyReader, Pieces};

/// Bytes of a response's body that are read ahead of the guest; one read of the connection's more, at most.
pub(super) const READ_AHEAD_BYTES: u64 = 128 << 10;

/// A request's body.
pub enum RequestBody {
    /// Empty for none.
    Bytes(Bytes),
    /// As the guest writes it. Its bytes count when they are sent.
    Pieces(Pieces),
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Pieces(_) => f.write_str("Pieces"),
        }
    }
}

/// A response's body.
#[derive(Debug)]
pub enum ResponseBody {
    /// All of it.
    Bytes(Bytes),
    /// As it arrives. Dropping it closes the connection, or resets the stream of HTTP/2.
    Stream(BodyReader),
}

/// What hyper sends.
pub(super) enum Outgoing {
    Bytes(Bytes),
    Pieces { pieces: Pieces, count: Box<dyn FnMut(u64) -> Result<(), BodyError> + Send> },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Pieces { pieces, count } => loop {
                let Some(chunk) = ready!(pieces.poll_next(cx)).transpose() else { return Poll::Ready(None) };
                let chunk = match chunk {
                    Ok(chunk) => chunk,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                };
                let bytes = chunk.bytes.clone();
                let counted = count(bytes.len() as u64);
                chunk.taken(counted.clone());
                match counted {
                    // An empty chunk would end a body of HTTP/1.1.
                    Ok(()) if bytes.is_empty() => {}
                    Ok(()) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces { .. } => SizeHint::default(),
        }
    }
}

/// A body as it arrives: read ahead by a task that ends with the reader.
struct Arriving {
    receiver: mpsc::UnboundedReceiver<Result<(Bytes, OwnedSemaphorePermit), BodyError>>,
    task: AbortHandle,
    _held: Held,
}

impl Stream for Arriving {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map_ok(|(bytes, _room)| bytes)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the task puts what has arrived.
pub(super) struct Ahead {
    sender: mpsc::UnboundedSender<Result<(Bytes, OwnedSemaphorePermit), BodyError>>,
    room: Arc<Semaphore>,
}

impl Ahead {
    /// Waits for room.
    pub(super) async fn put(&self, bytes: Bytes) {
        let room = u32::try_from((bytes.len() as u64).min(READ_AHEAD_BYTES)).unwrap_or(u32::MAX);
        // Closed never; and without a reader the task is aborted.
        let Ok(room) = self.room.clone().acquire_many_owned(room).await else { return };
        let _ = self.sender.send(Ok((bytes, room)));
    }
}

/// Reads a body ahead with `read`, a future that puts it into what it is given.
pub(super) fn read_ahead<F>(held: Held, read: impl FnOnce(Ahead) -> F) -> BodyReader
where
    F: Future<Output = Result<(), HttpError>> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(usize::try_from(READ_AHEAD_BYTES).unwrap_or(usize::MAX)));
    let read = read(Ahead { sender: sender.clone(), room });
    let task = tokio::spawn(async move {
        if let Err(error) = read.await {
            let _ = sender.send(Err(error.into()));
        }
    });
    BodyReader::new(Arriving { receiver, task: task.abort_handle(), _held: held })
}

impl From<HttpError> for BodyError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Timeout(hit) => Self::Timeout(hit),
            HttpError::Limit(hit) => Self::Limit(hit),
            other => Self::Broken(other.to_string()),
        }
    }
}
