//! Whose doing an event or a job is, as the host knows it.

use std::future::Future;
use std::pin::Pin;

use super::refusal::CapabilityError;
use crate::floor::ids::{AppletId, InvocationId, TenantId};

/// The events that led to an invocation, for those who guard against loops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Events before this invocation, one caused by another; 0 when none has caused it.
    pub depth: u32,
    /// The first of them, by its id.
    pub root: Option<String>,
    /// The last of them: the one that the invocation handles.
    pub event: Option<String>,
}

/// Who publishes an event or enqueues a job. Nothing of it comes from the applet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// The handler that runs.
    pub handler: String,
    /// The invocation.
    pub invocation: InvocationId,
    /// What led to the invocation.
    pub chain: Chain,
    /// The job that the invocation does, if it does one.
    pub job: Option<String>,
}

/// The answer of a sink.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, CapabilityError>> + Send + 'a>>;
