//! What applets do with their capabilities, as it is done: for an audit trail, and for traces.

use std::sync::Arc;
use std::time::Instant;

use crate::capability::log::LogContext;

/// One use of a capability: an operation that was handed to the host, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityUse {
    /// As in the manifest's `permissions`: `db`, `http`, `kv`, `secrets`, `events`, `jobs`, `custom`.
    pub capability: &'static str,
    /// For example `query`, `send`, `get`.
    pub operation: &'static str,
    /// On what: a host, a key, a name (`greet.hello` of `custom`), never a value. Empty when there is nothing to name.
    pub target: String,
    /// How it ended.
    pub ended: UseEnd,
    /// When it was asked for, Unix time in microseconds.
    pub begun_us: u64,
    /// From asking to its end, microseconds.
    pub wall_us: u64,
}

/// How a use of a capability ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseEnd {
    /// It was done.
    Done,
    /// It was not allowed: not granted, or against the rules.
    Denied,
    /// It failed, or met a limit.
    Failed,
}

impl UseEnd {
    /// As text: `done`, `denied`, `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Told of each use of a capability when it has ended, on whatever thread it ended: implementations must be quick, and must not block.
pub trait Observer: Send + Sync + 'static {
    /// `context` says who used it.
    fn used(&self, context: &LogContext, used: CapabilityUse);
}

/// An observer, and whom it watches.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) context: Arc<LogContext>,
}

/// A use that has begun.
pub(crate) struct Begun {
    watch: Watch,
    used: CapabilityUse,
    at: Instant,
}

impl Watch {
    pub(crate) fn begin(
        &self,
        capability: &'static str,
        operation: &'static str,
        target: String,
        begun_us: u64,
    ) -> Begun {
        let used = CapabilityUse { capability, operation, target, ended: UseEnd::Failed, begun_us, wall_us: 0 };
        Begun { watch: self.clone(), used, at: Instant::now() }
    }
}

impl Begun {
    pub(crate) fn end(mut self, ended: UseEnd) {
        self.used.ended = ended;
        self.used.wall_us = u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.watch.observer.used(&self.watch.context, self.used);
    }
}
