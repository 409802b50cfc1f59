//! Bodies in pieces, as in `wit/bodies.wit`: a [`BodyReader`] is what the guest reads, a [`pipe`] what it writes. Neither knows
//! what is at its other end, and neither holds more than one side has asked for: pieces are taken one by one.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::http::Held;
use crate::floor::limits::LimitHit;

/// Why a body does not go on: the cases of `wit/bodies.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No such stream is open in this direction.
    #[error("the body is not open: it was closed, or is none of this direction")]
    NotOpen,
    /// A read of this stream is outstanding.
    #[error("the body is being read already")]
    Busy,
    /// The other side takes no more.
    #[error("the other side takes no more of the body")]
    Closed,
    /// It broke off; what the applet may know of it.
    #[error("{0}")]
    Broken(String),
    /// Time is up.
    #[error("time is up: {0}")]
    Timeout(LimitHit),
    /// A size is exceeded.
    #[error("{0}")]
    Limit(LimitHit),
}

type Source = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// A body that comes in pieces. Dropping it tells its source that no more is wanted.
pub struct BodyReader {
    source: Source,
    rest: Bytes,
    /// Told by the source beside bytes that had to be handed over first.
    failed: Option<BodyError>,
}

impl std::fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyReader").finish_non_exhaustive()
    }
}

impl BodyReader {
    /// Reads from `source`, which is asked for a piece when the one before has been handed over. It must bear being polled after
    /// its end.
    pub(crate) fn new(source: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Self {
        Self { source: Box::pin(source), rest: Bytes::new(), failed: None }
    }

    /// A body from the embedder. What went wrong is told to the applet.
    pub(crate) fn from_outside<E: Display>(source: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Self {
        Self::new(source.map(|piece| piece.map_err(|error| BodyError::Broken(error.to_string()))).fuse())
    }

    /// The next bytes, from one to `bytes_max` of them: as many as there are without waiting. `None` at the end.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`BodyError`] when the body does not go on. It is of no more use then.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> Result<Option<Bytes>, BodyError> {
        while self.rest.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            match self.source.next().await {
                None => return Ok(None),
                Some(piece) => self.rest = piece?,
            }
        }
        let bytes_max = bytes_max.max(1);
        let first = self.rest.split_to(self.rest.len().min(bytes_max));
        if first.len() == bytes_max {
            return Ok(Some(first));
        }
        let mut whole = BytesMut::from(first);
        while whole.len() < bytes_max && self.failed.is_none() {
            match self.source.next().now_or_never() {
                Some(Some(Ok(piece))) => {
                    self.rest = piece;
                    let more = self.rest.split_to(self.rest.len().min(bytes_max - whole.len()));
                    whole.extend_from_slice(&more);
                }
                Some(Some(Err(error))) => self.failed = Some(error),
                Some(None) | None => break,
            }
        }
        Ok(Some(whole.freeze()))
    }
}

/// A reader that one read at a time can have.
#[derive(Clone)]
pub(crate) struct SharedReader(Arc<Mutex<BodyReader>>);

impl SharedReader {
    pub(crate) fn new(reader: BodyReader) -> Self {
        Self(Arc::new(Mutex::new(reader)))
    }

    /// The reader, unless a read has it.
    pub(crate) fn take_turn(&self) -> Result<OwnedMutexGuard<BodyReader>, BodyError> {
        self.0.clone().try_lock_owned().map_err(|_| BodyError::Busy)
    }
}

/// A body that is written: the end of the guest, and the other one.
pub(crate) fn pipe() -> (BodyWriter, Pieces) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (BodyWriter { sender, bytes: 0 }, Pieces { receiver })
}

/// The end that is written. Dropping it breaks the body off.
pub(crate) struct BodyWriter {
    /// Without a bound of its own: each piece carries the hold on what it takes of `host_bytes_max`.
    sender: mpsc::UnboundedSender<Piece>,
    bytes: u64,
}

impl BodyWriter {
    /// Adds bytes, at once; the answer resolves when the other side has taken them.
    ///
    /// # Errors
    /// [`BodyError::Closed`] when it takes no more, or what it says.
    pub(crate) fn write(
        &mut self,
        bytes: Bytes,
        held: Held,
    ) -> impl Future<Output = Result<(), BodyError>> + Send + use<> {
        self.bytes += bytes.len() as u64;
        let (taken, was_taken) = oneshot::channel();
        // When the other end is gone, so is `taken`.
        let _ = self.sender.send(Piece::Bytes(Chunk { bytes, taken, _held: held }));
        async move { was_taken.await.unwrap_or(Err(BodyError::Closed)) }
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the body.
    pub(crate) fn end(self) {
        let _ = self.sender.send(Piece::End);
    }

    /// Breaks the body off.
    pub(crate) fn abort(self, reason: String) {
        let _ = self.sender.send(Piece::Broken(reason));
    }
}

enum Piece {
    Bytes(Chunk),
    End,
    Broken(String),
}

/// Bytes on their way, and the writer who waits for them to be taken.
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    taken: oneshot::Sender<Result<(), BodyError>>,
    _held: Held,
}

impl Chunk {
    /// Tells the writer, and gives its hold back.
    pub(crate) fn taken(self, result: Result<(), BodyError>) {
        // The writer may have been cancelled.
        let _ = self.taken.send(result);
    }
}

/// The end that takes. Dropping it tells the writer that no more is taken.
pub(crate) struct Pieces {
    receiver: mpsc::UnboundedReceiver<Piece>,
}

impl Pieces {
    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// [`BodyError::Broken`] when the writer broke off.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, BodyError> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Self::next`].
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<Option<Chunk>, BodyError>> {
        self.receiver.poll_recv(cx).map(|piece| match piece {
            Some(Piece::Bytes(chunk)) => Ok(Some(chunk)),
            Some(Piece::End) => Ok(None),
            Some(Piece::Broken(reason)) => Err(BodyError::Broken(reason)),
            None => Err(BodyError::Broken("the invocation ended before the body did".into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::http::HostBytes;

    fn reader(pieces: Vec<Result<&'static str, BodyError>>) -> BodyReader {
        let pieces = pieces.into_iter().map(|piece| piece.map(|text| Bytes::from_static(text.as_bytes())));
        BodyReader::new(futures_util::stream::iter(pieces.collect::<Vec<_>>()).fuse())
    }

    async fn check(mut reader: BodyReader, bytes_max: usize, expected: &[&str], end: Result<(), BodyError>) {
        for expected in expected {
            let read = reader.read(bytes_max).await.expect("bytes").expect("more");
            assert_eq!(&read[..], expected.as_bytes());
        }
        assert_eq!(reader.read(bytes_max).await.map(|rest| assert_eq!(rest, None)), end);
    }

    #[tokio::test]
    async fn pieces_are_joined_and_cut_to_what_is_asked_for() {
        check(reader(vec![Ok("ab"), Ok(""), Ok("cde"), Ok("f")]), 4, &["abcd", "ef"], Ok(())).await;
        check(reader(vec![Ok("abcdef")]), 2, &["ab", "cd", "ef"], Ok(())).await;
        check(reader(vec![Ok("a")]), 0, &["a"], Ok(())).await;
        check(reader(vec![]), 9, &[], Ok(())).await;
        let broken = BodyError::Broken("gone".into());
        check(reader(vec![Ok("ab"), Err(broken.clone())]), 9, &["ab"], Err(broken)).await;
    }

    #[tokio::test]
    async fn a_read_has_the_reader_for_itself() {
        let shared = SharedReader::new(reader(vec![Ok("a")]));
        let turn = shared.take_turn().expect("nobody reads");
        assert_eq!(shared.take_turn().map(drop), Err(BodyError::Busy));
        drop(turn);
        assert!(shared.take_turn().is_ok());
    }

    #[tokio::test]
    async fn a_write_waits_until_its_bytes_are_taken() {
        let gauge = HostBytes::new(10);
        let (mut writer, mut pieces) = pipe();
        let mut first = Box::pin(writer.write(Bytes::from_static(b"one"), gauge.hold(3).expect("fits")));
        assert!(first.as_mut().now_or_never().is_none(), "nobody has taken it");
        let second = writer.write(Bytes::from_static(b"two"), gauge.hold(3).expect("fits"));
        // Giving a write up takes nothing away: its bytes are still held, and still come.
        drop(second);
        assert_eq!((gauge.held(), writer.bytes()), (6, 6));
        let chunk = pieces.next().await.expect("not broken").expect("a chunk");
        assert_eq!(&chunk.bytes[..], b"one");
        chunk.taken(Ok(()));
        assert_eq!((first.await, gauge.held()), (Ok(()), 3));
        assert_eq!(&pieces.next().await.expect("not broken").expect("a chunk").bytes[..], b"two");
        writer.end();
        assert!(pieces.next().await.expect("not broken").is_none());
        assert_eq!(gauge.held(), 0);
    }

    #[tokio::test]
    async fn both_ends_learn_that_the_other_is_gone() {
        let gauge = HostBytes::new(10);
        let (mut writer, pieces) = pipe();
        let waiting = writer.write(Bytes::from_static(b"x"), gauge.hold(1).expect("fits"));
        drop(pieces);
        assert_eq!(waiting.await, Err(BodyError::Closed));
        assert_eq!(writer.write(Bytes::new(), gauge.hold(0).expect("fits")).await, Err(BodyError::Closed));
        assert_eq!(gauge.held(), 0);
        for (broken, expected) in [(true, "why"), (false, "the invocation ended before the body did")] {
            let (writer, mut pieces) = pipe();
            if broken {
                writer.abort("why".into())
            } else {
                drop(writer)
            }
            assert_eq!(pieces.next().await.map(|_| ()), Err(BodyError::Broken(expected.into())));
        }
    }
}
