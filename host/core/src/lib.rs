//! Belljar: a host for untrusted JavaScript applets, one fresh, metered sandbox per invocation.
#![allow(dead_code, unreachable_pub)]

mod capability;
mod floor;

pub use capability::http::{
    HttpClient, HttpConfig, HttpConfigError, HttpRules, InvalidTestHost, Resolver, Resolving, SystemResolver,
};
pub use capability::log::{LogContext, LogFormat, LogLevel, LogOrigin, LogRecord, LogSink, MemorySink, WriterSink};
pub use floor::clock::{Seeded, Source, System};
pub use floor::fault::{Blame, Fault, FaultCode, Frame, ThrownError};
pub use floor::grants::Grants;
pub use floor::ids::{AppletId, Digest, InvalidId, InvocationId, TenantId};
pub use floor::limits::{DbLimits, HttpLimits, LimitHit, Limits, MEMORY_SLOT_BYTES};
pub use floor::usage::{DbUsage, HttpUsage, LogUsage, Usage};
