//! What came of an invocation, for history, usage, metrics and traces. The dispatcher makes one record for each call, refused ones too.

use belljar::{AppletId, FaultCode, TenantId, Usage};

/// One call, when it has ended.
#[derive(Debug, Clone)]
pub struct InvocationRecord {
    /// The invocation's id; for a call that was refused before it had one, empty.
    pub id: String,
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// Number of the release that ran.
    pub release_number: u64,
    /// The applet's version.
    pub version: String,
    /// The handler.
    pub handler: String,
    /// What caused it: `http`, `event`, `schedule`, `job`, `one-off`, `lifecycle`, `health`.
    pub trigger: String,
    /// The user on whose behalf it ran.
    pub user: Option<String>,
    /// When it was asked for, Unix time in microseconds.
    pub begun_us: u64,
    /// From asking to its turn, microseconds.
    pub queued_us: u64,
    /// From asking to its end, microseconds.
    pub total_us: u64,
    /// How it ended.
    pub ended: Ended,
    /// What it used.
    pub usage: Usage,
    /// A W3C trace context that came with the request (`traceparent`), if any.
    pub trace_parent: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The handler answered; the status of its HTTP response, if it is one.
    Answered {
        /// 200 to 599.
        status: Option<u16>,
    },
    /// The handler failed, or met a limit.
    Faulted {
        /// Which way.
        code: FaultCode,
        /// For the operator, with the author's position if there is one; at most 4 KiB.
        message: String,
    },
    /// It never ran: too many at once, over a quota, disabled, or the server is stopping.
    Refused {
        /// Why, as a word: `queue`, `concurrency`, `rate`, `fuel`, `egress`, `storage`, `disabled`, `stopping`.
        why: &'static str,
    },
}

/// Takes records. Called on the request path: implementations must be quick, must not block, and count what they drop.
pub trait Recorder: Send + Sync + 'static {
    /// A call has ended.
    fn record(&self, record: InvocationRecord);
}
