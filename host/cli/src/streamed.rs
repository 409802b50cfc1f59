//! A response that the handler streams, printed as it comes: head on stderr, body on stdout, as for one that comes whole.

use std::io::{self, ErrorKind, Write};

use belljar::{Bytes, ResponseHead, ResponseSink, SinkClosed, Taking};

use crate::failure::Failure;
use crate::run::print_head;
use crate::terminal;

/// Prints. Writes on a thread of their own, so that a slow reader holds up the handler and not its deadline.
#[derive(Debug, Default)]
pub(crate) struct StreamedResponse {
    /// For people: the first bytes of a character whose rest has not come.
    unfinished: Vec<u8>,
    failed: Option<io::Error>,
}

impl StreamedResponse {
    /// Tells what kept the body from being printed.
    ///
    /// # Errors
    /// When standard output cannot be written (a full disk); a closed pipe is no error.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.failed {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::new("stdout", format!("standard output cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }

    async fn print(&mut self, bytes: Bytes) -> Result<(), SinkClosed> {
        let write = move || {
            let mut out = io::stdout().lock();
            out.write_all(&bytes).and_then(|()| out.flush())
        };
        let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|_| Err(ErrorKind::Other.into()));
        written.map_err(|error| {
            self.failed = Some(error);
            SinkClosed
        })
    }
}

impl ResponseSink for StreamedResponse {
    fn head(&mut self, head: ResponseHead) -> Taking<'_> {
        print_head(head.status, &head.headers);
        Box::pin(async { Ok(()) })
    }

    fn chunk(&mut self, bytes: Bytes) -> Taking<'_> {
        let bytes = if terminal::stdout_is_terminal() {
            terminal::lines(&characters(&mut self.unfinished, &bytes)).into()
        } else {
            bytes
        };
        Box::pin(self.print(bytes))
    }

    fn end(&mut self) -> Taking<'_> {
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.unfinished)).into_owned();
        Box::pin(self.print(rest.into()))
    }
}

/// The characters that are complete with `bytes`; what is none is replaced. Of an unfinished one the bytes are kept.
fn characters(unfinished: &mut Vec<u8>, bytes: &[u8]) -> String {
    unfinished.extend_from_slice(bytes);
    let kept = match std::str::from_utf8(unfinished) {
        Err(error) if error.error_len().is_none() => unfinished.len() - error.valid_up_to(),
        // Malformed bytes may come before an unfinished character: at most three bytes are one.
        Err(_) => (1..=3.min(unfinished.len()))
            .find(|&n| {
                let tail = &unfinished[unfinished.len() - n..];
                matches!(std::str::from_utf8(tail), Err(error) if error.valid_up_to() == 0 && error.error_len().is_none())
            })
            .unwrap_or(0),
        Ok(_) => 0,
    };
    let rest = unfinished.split_off(unfinished.len() - kept);
    String::from_utf8_lossy(&std::mem::replace(unfinished, rest)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_not_torn_by_chunks() {
        let mut unfinished = Vec::new();
        let shown: Vec<_> = [&b"a\xc3"[..], b"\xb6\xff\xe2\x82", b"\xac", b"\xff"]
            .map(|bytes| characters(&mut unfinished, bytes))
            .into();
        assert_eq!(shown, ["a", "\u{f6}\u{fffd}", "\u{20ac}", "\u{fffd}"]);
        assert!(unfinished.is_empty());
    }
}
