//! What an invocation used. Fuel, calls, bytes and rows repeat with the same inputs; wall time does not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one invocation used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Fuel burnt in the sandbox.
    pub fuel: u64,
    /// Largest size of the sandbox's linear memory, bytes (the applet's image included).
    pub memory_bytes_peak: u64,
    /// Wall clock from start to answer, microseconds.
    pub wall_us: u64,
    /// Operations handed to the host.
    pub operations: u64,
    /// Calls of host functions of any kind.
    pub host_calls: u64,
    /// Of the db capability.
    pub db: DbUsage,
    /// Of the http capability.
    pub http: HttpUsage,
    /// Of the crypto capability.
    pub crypto: CryptoUsage,
    /// Of the kv capability.
    pub kv: KvUsage,
    /// Of the events capability.
    pub events: EventsUsage,
    /// Of the jobs capability.
    pub jobs: JobsUsage,
    /// Of capabilities of the embedder's own, by name; of those that were called.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, CustomUsage>,
    /// Of the log capability.
    pub log: LogUsage,
}

/// What the db capability did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DbUsage {
    /// Statements run.
    pub statements: u64,
    /// Rows handed to the applet.
    pub rows: u64,
    /// Bytes of statements and parameters taken in.
    pub bytes_in: u64,
    /// Bytes of rows handed out.
    pub bytes_out: u64,
}

/// What the http capability did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpUsage {
    /// Requests sent, redirect hops included.
    pub requests: u64,
    /// Body bytes sent.
    pub bytes_sent: u64,
    /// Body bytes received.
    pub bytes_received: u64,
}

/// What the crypto capability did on the host for one invocation. Hashes and HMAC are charged as fuel, as are derivations, which are computed
/// in the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CryptoUsage {
    /// Operations with keys: imports, exports, encryptions, signatures, …
    pub operations: u64,
    /// Bytes of texts, messages and keys taken in and handed out.
    pub bytes: u64,
}

/// What the kv capability did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvUsage {
    /// Operations that only read.
    pub reads: u64,
    /// Operations that may write.
    pub writes: u64,
    /// Bytes of keys and values taken in.
    pub bytes_in: u64,
    /// Bytes of keys and values handed out.
    pub bytes_out: u64,
}

/// What the events capability did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsUsage {
    /// Events handed over.
    pub published: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// What the jobs capability did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobsUsage {
    /// Jobs handed over.
    pub enqueued: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

/// What one capability of the embedder's own did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomUsage {
    /// Calls of its functions.
    pub calls: u64,
    /// Bytes of their arguments, as JSON.
    pub bytes_in: u64,
    /// Bytes of their answers, as JSON.
    pub bytes_out: u64,
}

/// What the log capability did for one invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogUsage {
    /// Lines kept.
    pub lines: u64,
    /// Bytes kept.
    pub bytes: u64,
    /// Lines dropped because a cap was reached.
    pub lines_dropped: u64,
}
