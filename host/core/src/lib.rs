//! Belljar hosts untrusted JavaScript and TypeScript applets: every invocation gets a fresh WebAssembly sandbox, metered exactly and
//! bounded in memory, time and output, in tens of microseconds.
//!
//! # Embed in ten lines
//!
//! ```
//! use belljar::Host;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().user_cache().build()?;
//! let order = serde_json::json!({ "total": 120, "country": "DE" });
//! let is_large: bool = host.evaluate("context.total > 100", &order).await?;
//! assert!(is_large);
//! # Ok(())
//! # }
//! ```
//!
//! [`Host::install`] and [`Host::invoke`] are for applets, which have handlers and are built into packages; [`Capability`] gives them typed functions of
//! your program; [`Host::blocking`] is for programs without an async runtime. `docs/embedding.md` in the repository tells all of it, with examples.
//!
//! # How it hangs together
//!
//! Read in the order of a request: [`Host`] takes a [`Release`] (a package with what a tenant granted), prepares it once
//! ([`Prepared`]) and answers each [`Invocation`] with an [`Outcome`]. The modules follow the same order: `host`, `catalog`, `engine`,
//! `capability`, and the plain data of `floor` that all of them use. What `engine` is to applets in the sandbox, `process` is to those that run
//! in processes.

#[allow(unreachable_pub, reason = "each capability has a public face of its own; this file chooses what embedders see")]
mod capability;
mod catalog;
mod engine;
mod floor;
mod host;
mod invocation;
mod observe;
mod positions;
mod process;
mod recent;
mod recording;
mod turns;

pub use belljar_intl as intl;
pub use belljar_package as package;
pub use belljar_process as process_engine;
pub use bytes::Bytes;
pub use capability::bodies::BodyReader;
pub use capability::custom::{Call, CallError, Capability};
pub use capability::db::{
    DatabaseFileError, Databases, DatabasesConfig, DbError, MIGRATION_MS_MAX, MigrateError, Migrated, Migration,
    MigrationStep, SQL_BYTES_MAX,
};
pub use capability::events::{EVENT_KEY_BYTES_MAX, EventSink, PublishedEvent};
pub use capability::http::{
    CarriedRequest, CarriedResponse, Carrying, HttpConfig, HttpConfigError, HttpProxy, HttpTransport, InvalidTestHost,
};
pub use capability::jobs::{JOB_KEY_BYTES_MAX, JOB_PRIORITY_MAX, JobSink, NewJob};
pub use capability::kv::{
    KvAnswer, KvBounds, KvEntry, KvKeys, KvOperation, KvOwner, KvReply, KvStore, KvUsed, KvValue, SqliteKv,
};
pub use capability::log::{LogContext, LogFormat, LogLevel, LogOrigin, LogRecord, LogSink, MemorySink, WriterSink};
pub use capability::origin::{Answering, Chain, Origin};
pub use capability::refusal::CapabilityError;
pub use capability::secrets::in_use::REDACTED_BYTES_MIN;
pub use capability::secrets::{SECRET_BYTES_MAX, SecretSource, SecretText, SecretsUnavailable};
pub use catalog::{Catalog, CatalogError, DirectoryCatalog, Release};
pub use engine::cache::CacheError;
pub use engine::matching::Difference;
pub use engine::player::Divergence;
pub use engine::prepare::Prepared;
pub use engine::replay::{Comparison, Replay, ReplayError, Replayed};
pub use engine::sandbox::{FUEL_YIELD_INTERVAL as TURN_FUEL, SandboxError};
pub use floor::clock::{Seeded, Source, System, Virtual};
pub use floor::deadline::Deadline;
pub use floor::fault::{Blame, ErrorRole, Fault, FaultCode, Frame, ThrownError};
pub use floor::grants::Grants;
pub use floor::ids::{AppletId, Digest, InvalidId, InvocationId, TenantId};
pub use floor::limits::{
    CryptoLimits, CustomLimits, DbLimits, EventsLimits, HttpLimits, JobsLimits, KvLimits, LimitHit, Limits,
    MEMORY_SLOT_BYTES,
};
pub use floor::usage::{
    CryptoUsage, CustomUsage, DbUsage, EventsUsage, HttpUsage, JobsUsage, KvUsage, LogUsage, Usage,
};
pub use host::{
    BlockingError, BlockingHost, Evaluation, Host, HostBuilder, HostError, InstallError, Preparation, SCRIPT_BYTES_MAX,
    Script, ScriptOptions, user_cache_dir,
};
pub use invocation::{
    Body, Collected, HttpReply, Invocation, Message, Modules, Outcome, Payload, Program, ProgramKind, Request,
    Response, ResponseHead, ResponseSink, Retry, SinkClosed, StreamedReply, Taking, ValueError,
};
pub use observe::{CapabilityUse, Observer, UseEnd};
pub use process::{ProcessConfig, ProcessStatus, RuntimePrograms, engine_version};
pub use recording::{
    InvalidRecordingKey, RecordPolicy, Recorder, Recording, RecordingError, RecordingFolder, RecordingFolderError,
    RecordingHeader, RecordingKey, RecordingSink,
};
pub use turns::Turns;
