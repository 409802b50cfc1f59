//! What an applet in a process may ask the host for: one trait object for each invocation. What a capability is called, what it takes
//! and what it answers is JSON here; `docs/process.md` lists what the script sends.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use crate::body::Body;

/// What a capability answers, some time.
pub type Answering = BoxFuture<'static, CapabilityAnswer>;

/// The capabilities of one invocation: bound to its tenant, applet and user by whoever made the value.
pub trait Capabilities: Send + Sync + 'static {
    /// Does `operation` of `capability`. The future is dropped when the invocation ends first.
    fn call(&self, capability: &str, operation: &str, request: CapabilityRequest) -> Answering;
}

/// What is asked.
pub struct CapabilityRequest {
    /// The arguments.
    pub arguments: Value,
    /// Bytes that go with them, for `http`.
    pub body: Option<Body>,
}

/// An answer, or why there is none.
pub type CapabilityAnswer = Result<CapabilityReply, CapabilityFailure>;

/// What a capability answers.
pub struct CapabilityReply {
    /// The answer.
    pub value: Value,
    /// Bytes that go with it, for `http`.
    pub body: Option<Body>,
}

impl From<Value> for CapabilityReply {
    fn from(value: Value) -> Self {
        Self { value, body: None }
    }
}

/// Why a capability did not do what was asked: an `SdkError` to the applet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapabilityFailure {
    /// `denied`, `invalid`, `busy`, `limit`, `not-granted`, …
    pub code: String,
    /// What the applet may know.
    pub message: String,
    /// With code `limit`: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// What it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<u64>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

impl CapabilityFailure {
    /// A failure that is no limit.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), limit: None, allowed: None, used: None }
    }

    /// A limit that was hit.
    pub fn limit(name: impl Into<String>, allowed: u64, used: u64) -> Self {
        let name = name.into();
        let message = format!("the limit {name} is {allowed}, and this would be {used}");
        Self { code: "limit".into(), message, limit: Some(name), allowed: Some(allowed), used: Some(used) }
    }
}

/// Grants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCapabilities;

impl Capabilities for NoCapabilities {
    fn call(&self, capability: &str, operation: &str, _: CapabilityRequest) -> Answering {
        let message = format!("{capability}.{operation}: the applet was not granted {capability}");
        Box::pin(async move { Err(CapabilityFailure::new("not-granted", message)) })
    }
}
