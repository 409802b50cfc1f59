//! A response that is handed over while its invocation goes on: from what the guest writes to the embedder's sink.

use std::future::Future;
use std::pin::{Pin, pin};

use super::imports::Responding;
use crate::capability::bodies::BodyError;
use crate::floor::deadline::Deadline;
use crate::floor::fault::{Fault, FaultCode};
use crate::invocation::{ResponseSink, StreamedReply};

/// Hands a response over, once there is one. It is polled while the guest runs and while it waits.
pub(super) enum Forwarding<'a> {
    /// The guest has not responded so far.
    Idle(&'a mut dyn ResponseSink),
    Running(Pin<Box<dyn Future<Output = Result<StreamedReply, BodyError>> + Send + 'a>>),
    Ended(Result<StreamedReply, BodyError>),
    /// Between two of the others.
    Taken,
}

impl<'a> Forwarding<'a> {
    /// The guest has responded. When the sink has all of it, the time for what was given to `waitUntil` begins.
    pub(super) fn begin(&mut self, responding: Responding, deadline: Deadline, wait_until_ms: u64) {
        if let Self::Idle(sink) = std::mem::replace(self, Self::Taken) {
            *self = Self::Running(Box::pin(async move {
                let ended = forward(sink, responding).await;
                deadline.begin_waiting(wait_until_ms);
                ended
            }));
        }
    }

    /// Waits for `work`; what the guest has written goes to the sink meanwhile.
    pub(super) async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let Self::Running(running) = self else { return work.await };
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            ended = running => *self = Self::Ended(ended),
        }
        work.await
    }

    /// Waits until the sink has all, after the guest's last step.
    pub(super) async fn finish(self) -> Result<StreamedReply, Fault> {
        let ended = match self {
            Self::Running(running) => running.await,
            Self::Ended(ended) => ended,
            Self::Idle(_) | Self::Taken => Err(BodyError::NotOpen),
        };
        ended.map_err(|_| Fault::new(FaultCode::InvalidResult, "the response is not valid: its body was not ended"))
    }
}

/// Hands over head, chunks and end. A sink that has closed is no error: the guest learns it from its writes.
async fn forward(sink: &mut dyn ResponseSink, responding: Responding) -> Result<StreamedReply, BodyError> {
    let Responding { head, mut body } = responding;
    let mut reply = StreamedReply { status: head.status, body_bytes: 0, is_complete: false };
    if sink.head(head).await.is_err() {
        return Ok(reply);
    }
    while let Some(chunk) = body.next().await? {
        let bytes = chunk.bytes.len() as u64;
        if bytes > 0 && sink.chunk(chunk.bytes.clone()).await.is_err() {
            chunk.taken(Err(BodyError::Closed));
            return Ok(reply);
        }
        chunk.taken(Ok(()));
        reply.body_bytes += bytes;
    }
    reply.is_complete = sink.end().await.is_ok();
    Ok(reply)
}
