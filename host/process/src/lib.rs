//! Process engines: applets that run in a process of Bun, Node or Deno (or in a server they bring along) behind one protocol, instead of
//! in the WebAssembly sandbox.
//!
//! Read in the order of a call: a [`Supervisor`] has a process ready ([`Spec`] says how one is started), [`Supervisor::invoke`] gives it an
//! [`Invocation`] and answers with an [`Answer`]; what the applet asks for meanwhile goes to the invocation's [`Capabilities`]. The crate
//! knows no other crate of Belljar and no capability: names, arguments and answers are JSON to it (`docs/process.md`).

mod body;
mod capability;
mod error;
mod invocation;
mod limits;
mod logs;
mod process;
mod protocol;
mod runtime;
mod supervisor;
mod system;

pub use belljar_jail::{
    ControlGroups, Layer, LayerReport, Policy, ProbeError, Refusal, Report, Require, control_groups,
    prepare_control_groups,
};
pub use body::{Body, BodyError, empty, whole};
pub use bytes::Bytes;
pub use capability::{
    Answering, Capabilities, CapabilityAnswer, CapabilityFailure, CapabilityReply, CapabilityRequest, NoCapabilities,
};
pub use error::{AppletError, CrashReport, EndReason, FailureReason, ProcessError, Role, StartError, Thrown};
pub use invocation::{
    Answer, AnswerBody, CallContext, Invocation, Message, Payload, Request, RequestBody, ResponseHead,
};
pub use limits::{Bound, ProcessLimits, Supervision};
pub use logs::{Level, Line, LogSink, NoLogs, Stream};
pub use process::code_cache::CodeCache;
pub use process::jail::{Jail, Users};
pub use process::spec::{Program, Spec};
pub use runtime::{Runtime, RuntimeError, RuntimeKind, RuntimeSearch};
pub use supervisor::{State, Status, Supervisor};
pub use system::UNSUPPORTED;

/// The script that runs inside the process: `context`, `sdk`, `fetch`, console and handlers.
pub const RUNTIME_SCRIPT: &str = include_str!("../../../guest-js/process/runtime.mjs");
