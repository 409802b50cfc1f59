//! Where a response goes that nobody waits for.

use belljar::{Bytes, ResponseHead, ResponseSink, Taking};

/// Takes everything and keeps nothing.
pub(super) struct Discarding;

impl ResponseSink for Discarding {
    fn head(&mut self, _: ResponseHead) -> Taking<'_> {
        Box::pin(async { Ok(()) })
    }

    fn chunk(&mut self, _: Bytes) -> Taking<'_> {
        Box::pin(async { Ok(()) })
    }

    fn end(&mut self) -> Taking<'_> {
        Box::pin(async { Ok(()) })
    }
}
