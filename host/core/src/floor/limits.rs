//! Every bound of an invocation, with its unit in its name. `docs/limits.md` tells the same to users; a test compares them.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// The largest linear memory any sandbox can have: one pool slot, in bytes.
pub const MEMORY_SLOT_BYTES: u64 = 512 * MIB;

/// The effective limits of one invocation: what the manifest asks for, cut to what the operator allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Linear memory and tables of the sandbox, bytes. Growing past it ends the invocation.
    pub memory_bytes_max: u64,
    /// Resident memory of the process of an applet that runs in one (`engine: bun`, `node`, `deno`), its children included, bytes. Crossing it
    /// kills the process.
    pub process_memory_bytes_max: u64,
    /// Fuel: one unit is about one WebAssembly instruction.
    pub fuel_max: u64,
    /// Wall clock from start to answer, host work included, milliseconds.
    pub deadline_ms: u64,
    /// Wall clock of what was given to `waitUntil`, from when the answer to a request is out, milliseconds.
    pub wait_until_ms: u64,
    /// Fuel of that.
    pub wait_until_fuel_max: u64,
    /// Operations that may be waiting at the same time.
    pub operations_outstanding_max: u32,
    /// Operations in all.
    pub operations_max: u32,
    /// Bytes the host may hold for the guest: queued requests, results not yet delivered.
    pub host_bytes_max: u64,
    /// Bytes of the answer: its JSON, or its body and headers.
    pub response_bytes_max: u64,
    /// Log bytes kept; what comes after is counted and dropped.
    pub log_bytes_max: u64,
    /// Log lines kept.
    pub log_lines_max: u32,
    /// Bytes kept of a single log line.
    pub log_line_bytes_max: u64,
    /// Bounds of the db capability.
    pub db: DbLimits,
    /// Bounds of the http capability.
    pub http: HttpLimits,
    /// Bounds of the crypto capability.
    pub crypto: CryptoLimits,
    /// Bounds of the kv capability.
    pub kv: KvLimits,
    /// Bounds of the events capability.
    pub events: EventsLimits,
    /// Bounds of the jobs capability.
    pub jobs: JobsLimits,
}

/// Bounds of the db capability, for one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DbLimits {
    /// Rows one query may return.
    pub rows_max: u64,
    /// Bytes of the rows one query may return.
    pub result_bytes_max: u64,
    /// Bytes of one text or blob, and of one SQL statement with its parameters (SQLITE_LIMIT_LENGTH).
    pub value_bytes_max: u64,
    /// Time one statement may run, milliseconds.
    pub statement_ms_max: u64,
    /// Time one transaction may stay open, milliseconds.
    pub transaction_ms_max: u64,
    /// Open transactions at the same time.
    pub transactions_max: u32,
    /// Time a statement waits for another writer before it answers `busy`, milliseconds.
    pub busy_ms_max: u64,
    /// Size of the applet's database, bytes.
    pub database_bytes_max: u64,
    /// Statements in one batch.
    pub batch_statements_max: u32,
}

/// Bounds of the http capability, for one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpLimits {
    /// Requests in all, redirect hops included.
    pub subrequests_max: u32,
    /// Requests under way at the same time; further ones wait.
    pub concurrent_max: u32,
    /// Redirect hops of one request.
    pub redirects_max: u32,
    /// Bytes of one request body.
    pub request_bytes_max: u64,
    /// Bytes of one response body.
    pub response_bytes_max: u64,
    /// Bytes of all headers of one message.
    pub header_bytes_max: u64,
    /// Headers of one message.
    pub headers_max: u32,
    /// Time from sending a request to the last byte of its answer, redirects included, milliseconds.
    pub request_ms_max: u64,
    /// Time to connect, milliseconds.
    pub connect_ms_max: u64,
    /// Bytes of a URL.
    pub url_bytes_max: u64,
}

/// Bounds of the crypto capability (`wit/crypto.wit`), for one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CryptoLimits {
    /// Operations in all.
    pub operations_max: u32,
    /// Operations at work at the same time; further ones wait.
    pub concurrent_max: u32,
    /// Bytes that come with one operation.
    pub operation_bytes_max: u64,
    /// Keys at the same time.
    pub keys_max: u32,
    /// Bits of the modulus of an RSA key that is taken in; at least 2,048 are wanted, and more than 8,192 are not possible.
    pub rsa_bits_max: u32,
    /// Bits of the modulus of an RSA key that is generated.
    pub rsa_generated_bits_max: u32,
}

/// Bounds of the kv capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvLimits {
    /// Bytes of one key.
    pub key_bytes_max: u64,
    /// Bytes of one value; of a JSON value, of its text.
    pub value_bytes_max: u64,
    /// Keys of one `mget` or one page of `list`.
    pub keys_per_call_max: u32,
    /// Bytes of the values that one `mget` answers.
    pub result_bytes_max: u64,
    /// Keys in the applet's store.
    pub keys_max: u64,
    /// Bytes in the applet's store: of keys and values.
    pub store_bytes_max: u64,
    /// Operations of one invocation.
    pub operations_max: u32,
}

/// Bounds of the events capability, for one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsLimits {
    /// Events published.
    pub published_max: u32,
    /// Bytes of one payload, as JSON text.
    pub payload_bytes_max: u64,
    /// How far ahead an event may be published, milliseconds.
    pub delay_ms_max: u64,
}

/// Bounds of the jobs capability, for one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobsLimits {
    /// Jobs enqueued.
    pub enqueued_max: u32,
    /// Bytes of one payload, and of what is told of a job's progress, as JSON text.
    pub payload_bytes_max: u64,
    /// How far ahead a job may be enqueued, milliseconds.
    pub delay_ms_max: u64,
    /// Tellings of progress and cancellations.
    pub calls_max: u32,
}

/// Bounds of one capability of the embedder's own ([`Capability`](crate::Capability)), for one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomLimits {
    /// Calls of its functions.
    pub calls_max: u32,
    /// Bytes of one argument, as JSON.
    pub argument_bytes_max: u64,
    /// Bytes of one answer, as JSON.
    pub reply_bytes_max: u64,
    /// Time one call may take, milliseconds.
    pub call_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 * MIB,
            process_memory_bytes_max: 256 * MIB,
            fuel_max: 50_000_000_000,
            deadline_ms: 30_000,
            wait_until_ms: 30_000,
            wait_until_fuel_max: 10_000_000_000,
            operations_outstanding_max: 1_024,
            operations_max: 100_000,
            host_bytes_max: 64 * MIB,
            response_bytes_max: 6 * MIB,
            log_bytes_max: 256 << 10,
            log_lines_max: 1_000,
            log_line_bytes_max: 16 << 10,
            db: DbLimits::default(),
            http: HttpLimits::default(),
            crypto: CryptoLimits::default(),
            kv: KvLimits::default(),
            events: EventsLimits::default(),
            jobs: JobsLimits::default(),
        }
    }
}

impl Default for DbLimits {
    fn default() -> Self {
        Self {
            rows_max: 10_000,
            result_bytes_max: 8 * MIB,
            value_bytes_max: 4 * MIB,
            statement_ms_max: 5_000,
            transaction_ms_max: 5_000,
            transactions_max: 4,
            busy_ms_max: 2_000,
            database_bytes_max: 256 * MIB,
            batch_statements_max: 1_000,
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            subrequests_max: 200,
            concurrent_max: 64,
            redirects_max: 10,
            request_bytes_max: 8 * MIB,
            response_bytes_max: 8 * MIB,
            header_bytes_max: 64 << 10,
            headers_max: 200,
            request_ms_max: 30_000,
            connect_ms_max: 10_000,
            url_bytes_max: 8 << 10,
        }
    }
}

impl Default for CryptoLimits {
    fn default() -> Self {
        Self {
            operations_max: 50_000,
            concurrent_max: 2,
            operation_bytes_max: 8 * MIB,
            keys_max: 4_096,
            rsa_bits_max: 8_192,
            rsa_generated_bits_max: 4_096,
        }
    }
}

const YEAR_MS: u64 = 366 * 24 * 3_600_000;

impl Default for KvLimits {
    fn default() -> Self {
        Self {
            key_bytes_max: 512,
            value_bytes_max: MIB,
            keys_per_call_max: 1_000,
            result_bytes_max: 8 * MIB,
            keys_max: 1_000_000,
            store_bytes_max: 256 * MIB,
            operations_max: 10_000,
        }
    }
}

impl Default for EventsLimits {
    fn default() -> Self {
        Self { published_max: 1_000, payload_bytes_max: 256 << 10, delay_ms_max: YEAR_MS }
    }
}

impl Default for JobsLimits {
    fn default() -> Self {
        Self { enqueued_max: 1_000, payload_bytes_max: 256 << 10, delay_ms_max: YEAR_MS, calls_max: 1_000 }
    }
}

impl Default for CustomLimits {
    fn default() -> Self {
        Self { calls_max: 1_000, argument_bytes_max: 256 << 10, reply_bytes_max: MIB, call_ms_max: 10_000 }
    }
}

impl Limits {
    /// Cuts these limits (the operator's) to what the package asks for. A package never gets more than the operator allows.
    pub fn for_package(&self, asked: &belljar_package::Limits) -> Self {
        let mut limits = self.clone();
        // A slot of the pool is no larger, and growth must end in a trap rather than in a `memory.grow` that fails.
        limits.memory_bytes_max = limits.memory_bytes_max.min(MEMORY_SLOT_BYTES);
        let cut = |limit: &mut u64, asked: Option<u64>| {
            if let Some(asked) = asked {
                *limit = asked.min(*limit);
            }
        };
        cut(&mut limits.memory_bytes_max, asked.max_memory_mb.map(|mb| u64::from(mb) * MIB));
        cut(&mut limits.process_memory_bytes_max, asked.max_memory_mb.map(|mb| u64::from(mb) * MIB));
        cut(&mut limits.deadline_ms, asked.max_execution_ms);
        cut(&mut limits.fuel_max, asked.fuel_max);
        cut(&mut limits.wait_until_fuel_max, asked.fuel_max);
        cut(&mut limits.log_bytes_max, asked.log_bytes_max);
        cut(&mut limits.response_bytes_max, asked.response_bytes_max);
        cut(&mut limits.db.rows_max, asked.rows_max);
        if let Some(asked) = asked.subrequests_max {
            limits.http.subrequests_max = asked.min(limits.http.subrequests_max);
        }
        limits
    }
}

/// A limit that was hit: which, how much was allowed, how much was used. `name` is the field's name, as in `docs/limits.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitHit {
    /// The limit's name.
    pub name: &'static str,
    /// How much was allowed, in the unit of the name.
    pub allowed: u64,
    /// How much was used or asked for.
    pub used: u64,
}

impl std::fmt::Display for LimitHit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "limit {} exceeded: {} allowed, {} used", self.name, self.allowed, self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_can_only_lower_limits() {
        let asked =
            belljar_package::Limits { max_memory_mb: Some(32), max_execution_ms: Some(99_000), ..Default::default() };
        let limits = Limits::default().for_package(&asked);
        assert_eq!(limits.memory_bytes_max, 32 * MIB);
        assert_eq!(limits.deadline_ms, 30_000);
    }
}
