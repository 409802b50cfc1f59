//! Why a call failed: the applet's doing, a limit, or a process that is not there. Who may try again is decided here.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProcessError {
    /// The handler failed.
    #[error("the handler failed: {0}")]
    Applet(AppletError),
    /// The payload of the call is not JSON.
    #[error("the payload is not JSON: {0}")]
    InvalidPayload(String),
    /// The call was not done at its deadline.
    #[error("the call was not done at its deadline")]
    Deadline,
    /// A limit ended the call.
    #[error("the limit {name} is {allowed}, and the call used {used}")]
    Limit {
        /// The limit's name in [`crate::ProcessLimits`].
        name: &'static str,
        /// What it allows.
        allowed: u64,
        /// What was used.
        used: u64,
    },
    /// The process ended while the call was in it, by no fault of this call that could be shown. It may be tried again.
    #[error("the process ended while the call was in it: {0}")]
    Interrupted(Arc<CrashReport>),
    /// The process answered something that is no answer. It has been replaced.
    #[error("the process broke the protocol: {0}")]
    Protocol(String),
    /// Too many calls wait already. It may be tried again.
    #[error("too many calls wait for this applet ({waiting_max})")]
    Busy {
        /// How many may wait.
        waiting_max: u32,
    },
    /// No process became ready before the deadline. It may be tried again.
    #[error("no process was ready before the deadline: {reason}")]
    Unavailable {
        /// What the supervisor was waiting for.
        reason: String,
    },
    /// The applet has failed too often, and is left alone for a while.
    #[error("the applet's process has failed too often and is left alone for {retry_ms} ms: {reason}")]
    Open {
        /// The last failure.
        reason: String,
        /// When it is tried again, milliseconds from now.
        retry_ms: u64,
    },
    /// The supervisor has been shut down.
    #[error("the applet has been stopped")]
    Stopped,
}

impl ProcessError {
    /// A short word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Applet(_) => "applet",
            Self::InvalidPayload(_) => "invalid-payload",
            Self::Deadline => "deadline",
            Self::Limit { .. } => "limit",
            Self::Interrupted(_) => "interrupted",
            Self::Protocol(_) => "protocol",
            Self::Busy { .. } => "busy",
            Self::Unavailable { .. } => "unavailable",
            Self::Open { .. } => "open",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the same call may be given to another process. A call that is not idempotent may have had effects already when it was
    /// interrupted.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Interrupted(_) | Self::Busy { .. } | Self::Unavailable { .. })
    }

    /// The status that suits it (RFC 9110, section 15).
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Applet(_) => 500,
            Self::InvalidPayload(_) => 400,
            Self::Deadline => 504,
            Self::Limit { .. } | Self::Protocol(_) => 502,
            Self::Interrupted(_) | Self::Busy { .. } | Self::Unavailable { .. } | Self::Open { .. } | Self::Stopped => {
                503
            }
        }
    }
}

/// A handler's failure: what it threw, then the causes of that and what it gathers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppletError {
    /// What kind of failure it is.
    pub reason: FailureReason,
    /// At least one.
    pub errors: Vec<Thrown>,
}

impl fmt::Display for AppletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.first() {
            Some(error) => write!(f, "{}: {}", error.name, error.message),
            None => f.write_str("it said nothing"),
        }
    }
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureReason {
    /// It threw, or its promise was rejected.
    Threw,
    /// The applet has no function under that name.
    HandlerNotFound,
    /// The payload is not JSON.
    InvalidPayload,
    /// The result cannot be sent.
    InvalidResult,
    /// The JavaScript stack is exhausted.
    StackOverflow,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Thrown {
    /// How it came into the list.
    pub role: Role,
    /// The place of the error that it belongs to.
    #[serde(default)]
    pub parent: u32,
    /// `name`.
    pub name: String,
    /// `message`.
    pub message: String,
    /// The frames, with positions in the bundle.
    #[serde(default)]
    pub stack: String,
    /// `code`.
    #[serde(default)]
    pub code: Option<String>,
    /// `details`, as JSON text.
    #[serde(default)]
    pub details: Option<String>,
}

/// How an error came into the list of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It was thrown.
    Thrown,
    /// It is the `cause` of another one.
    Cause,
    /// It is one of those that another one gathers.
    Member,
}

/// How a process ended, with what it said last.
#[derive(Debug, Clone)]
pub struct CrashReport {
    /// Why.
    pub reason: EndReason,
    /// Its exit, as the operating system tells it.
    pub exit: String,
    /// Calls that were in it, those that waited for a place included.
    pub calls: u32,
    /// Its last lines, oldest first.
    pub tail: Vec<String>,
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if self.reason == EndReason::Exited {
            write!(f, " ({})", self.exit)?;
        }
        match self.tail.last() {
            Some(line) => write!(f, "; its last line: {line}"),
            None => Ok(()),
        }
    }
}

/// Why a process ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// By itself, or killed by something else.
    #[error("it exited")]
    Exited,
    /// It did not answer after a call's deadline.
    #[error("it did not answer after a call's deadline: killed")]
    Hung,
    /// It crossed a limit.
    #[error("it used {used} of {name}, and {allowed} are allowed: killed")]
    Limit {
        /// The limit's name in [`crate::ProcessLimits`].
        name: &'static str,
        /// What it allows.
        allowed: u64,
        /// What was used.
        used: u64,
    },
    /// Its health checks failed.
    #[error("its health checks failed: {0}")]
    Unhealthy(String),
    /// It broke the protocol.
    #[error("it broke the protocol: {0}")]
    Protocol(String),
    /// It had given up too many calls.
    #[error("it kept {0} calls going after their deadline")]
    Abandoned(u32),
    /// Another one took its place.
    #[error("another process took its place")]
    Replaced,
    /// It had nothing to do.
    #[error("it had nothing to do")]
    Idle,
    /// The supervisor was stopped or reset.
    #[error("it was stopped")]
    Stopped,
    /// It never became ready.
    #[error("it did not become ready")]
    NotReady,
}

impl EndReason {
    /// Whether it speaks against the applet.
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self, Self::Idle | Self::Stopped | Self::Replaced | Self::Abandoned(_))
    }
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The private directory could not be made.
    #[error("no private directory for the sockets of the process in {parent}")]
    Directory {
        /// Where.
        parent: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A socket's path would be too long.
    #[error(
        "the path of the process's socket, {path}, has {length} bytes, and the operating system allows {length_max}: choose a shorter directory for sockets"
    )]
    PathTooLong {
        /// The path.
        path: String,
        /// Its length, bytes, with the zero at its end.
        length: usize,
        /// What is allowed.
        length_max: usize,
    },
    /// The program could not be started.
    #[error("{program} could not be started")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The launcher of its jail has refused.
    #[error("the process was not started: {0}")]
    Jail(belljar_jail::Refusal),
    /// It ended before it was ready.
    #[error("the process ended before it was ready: {0}")]
    Ended(Arc<CrashReport>),
    /// It was not ready in time.
    #[error("the process was not ready within {ready_ms_max} ms: {last}{}", tail.last().map(|line| format!("; its last line: {line}")).unwrap_or_default())]
    NotReady {
        /// The time it had.
        ready_ms_max: u64,
        /// What the last check said.
        last: String,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// The operating system refused something else.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl StartError {
    /// The whole chain in one line.
    pub(crate) fn told(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}
