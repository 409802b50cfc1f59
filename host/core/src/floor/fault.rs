//! Why an invocation gave no answer. A fault is the applet's doing, a policy's, or ours; `code` is stable and documented in
//! `docs/limits.md`.

use serde::{Deserialize, Serialize};

use super::limits::LimitHit;

/// The stable code of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    /// The handler threw, or its promise was rejected.
    Threw,
    /// The bundle has no such handler.
    HandlerNotFound,
    /// The payload is not JSON, or the request is malformed.
    InvalidPayload,
    /// The result cannot be sent.
    InvalidResult,
    /// Fuel is used up.
    Fuel,
    /// The memory limit is reached.
    Memory,
    /// The stack is exhausted.
    Stack,
    /// The wall deadline passed.
    Deadline,
    /// The answer is larger than allowed.
    Output,
    /// More operations than allowed, at once or in all.
    Operations,
    /// Nothing can settle the handler's promise any more.
    Unsettled,
    /// The engine trapped: a bug of the engine, contained by the sandbox.
    Trap,
    /// The applet's top-level code failed while it was prepared.
    Preparation,
    /// The applet's source does not parse.
    Syntax,
    /// Cancelled by the caller.
    Cancelled,
    /// The applet's process ended while the call was in it, by no fault of this call that could be shown. It may be made again; it may have
    /// had effects.
    Interrupted,
    /// No process of the applet can take the call: it has failed too often, or too many calls wait. It may be made again later.
    Unavailable,
    /// The applet's process answered something that is no answer.
    Protocol,
    /// A fault of the host. What the caller sees says no more.
    Internal,
}

/// Whose doing a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The applet's.
    Applet,
    /// The caller's.
    Caller,
    /// Ours.
    Host,
}

impl FaultCode {
    /// Every code, for documentation and tests.
    pub const ALL: [Self; 19] = [
        Self::Threw,
        Self::HandlerNotFound,
        Self::InvalidPayload,
        Self::InvalidResult,
        Self::Fuel,
        Self::Memory,
        Self::Stack,
        Self::Deadline,
        Self::Output,
        Self::Operations,
        Self::Unsettled,
        Self::Trap,
        Self::Preparation,
        Self::Syntax,
        Self::Cancelled,
        Self::Interrupted,
        Self::Unavailable,
        Self::Protocol,
        Self::Internal,
    ];

    /// The code as text, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Threw => "threw",
            Self::HandlerNotFound => "handler-not-found",
            Self::InvalidPayload => "invalid-payload",
            Self::InvalidResult => "invalid-result",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Deadline => "deadline",
            Self::Output => "output",
            Self::Operations => "operations",
            Self::Unsettled => "unsettled",
            Self::Trap => "trap",
            Self::Preparation => "preparation",
            Self::Syntax => "syntax",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Internal => "internal",
        }
    }

    /// Whose doing it is.
    pub fn blame(self) -> Blame {
        match self {
            Self::InvalidPayload | Self::HandlerNotFound | Self::Cancelled => Blame::Caller,
            Self::Internal => Blame::Host,
            _ => Blame::Applet,
        }
    }

    /// Whether a limit was hit.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::Fuel | Self::Memory | Self::Stack | Self::Deadline | Self::Output | Self::Operations)
    }
}

impl std::fmt::Display for FaultCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an invocation gave no answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fault {
    /// The stable code.
    pub code: FaultCode,
    /// For people; one line, no host detail.
    pub message: String,
    /// The limit that was hit, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitHit>,
    /// What was thrown, then its causes and what it gathers, each after the one it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ThrownError>,
    /// The JavaScript stack when a limit ended the call, innermost first. Callers are exact; the first frame is the last position that the
    /// engine recorded (a call, or where the function begins), at or before the one where the call ended. Empty when something was thrown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
}

impl Fault {
    pub(crate) fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), limit: None, errors: Vec::new(), frames: Vec::new() }
    }

    pub(crate) fn limit(code: FaultCode, hit: LimitHit) -> Self {
        Self { code, message: hit.to_string(), limit: Some(hit), errors: Vec::new(), frames: Vec::new() }
    }

    /// What was thrown, as the fault of it.
    pub(crate) fn thrown(code: FaultCode, errors: Vec<ThrownError>) -> Self {
        let message = errors.first().map_or_else(
            || "the handler failed, and its error cannot be told".into(),
            |error| {
                if error.message.is_empty() { error.name.clone() } else { format!("{}: {}", error.name, error.message) }
            },
        );
        Self { errors, ..Self::new(code, message) }
    }

    /// The innermost position in the author's files, if it is known: where what was thrown was made, or where a limit ended the call.
    pub fn position(&self) -> Option<&Frame> {
        let frames = self.errors.first().map_or(&self.frames, |error| &error.frames);
        frames.iter().find(|f| f.in_author_file)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match self.position() {
            Some(at) => write!(f, " ({at})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// How an error came into a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorRole {
    /// It was thrown: the first one.
    Thrown,
    /// It is the `cause` of another one.
    Cause,
    /// It is one of the errors that another one gathers (`AggregateError`, `SuppressedError`).
    Member,
}

/// One error object, as it was thrown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThrownError {
    /// How it came into the fault.
    pub role: ErrorRole,
    /// Place in [`Fault::errors`] of the error whose cause or member it is; 0 for what was thrown.
    pub parent: usize,
    /// Its `name`.
    pub name: String,
    /// Its `message`.
    pub message: String,
    /// Its `code`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its `details`, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// Details of an error: JSON, or the text itself.
pub(crate) fn details(json: String) -> serde_json::Value {
    serde_json::from_str(&json).unwrap_or(serde_json::Value::String(json))
}

/// The place of the error that another one belongs to: always one before it, whatever the guest says.
pub(crate) fn parent(given: u32, index: usize) -> usize {
    Some(given as usize).filter(|parent| *parent < index).unwrap_or(0)
}

/// One frame of a JavaScript stack, at its position in the author's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The function's name, empty when it has none.
    pub function: String,
    /// File as the author wrote it, relative to the applet's folder.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// Whether the file is the author's (not the bundle's, the engine's or an npm package's).
    pub in_author_file: bool,
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_of_a_code_agree() {
        for code in FaultCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("serialises"), code.as_str());
        }
    }
}
