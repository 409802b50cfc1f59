//! Every bound of a process engine, with its unit in its name. What an operator sets is in [`ProcessLimits`] and [`Supervision`]; the
//! constants are the protocol's own.

const MIB: u64 = 1 << 20;

/// Headers of one HTTP message of the protocol. The applet's own headers travel in the head, not here.
pub(crate) const HEADERS_MAX: usize = 64;
/// Bytes of the headers of one HTTP message of the protocol.
pub(crate) const HEADER_BYTES_MAX: usize = 32 << 10;
/// Bytes of the JSON head of a message, either way.
pub(crate) const HEAD_BYTES_MAX: u64 = 4 * MIB;
/// Headers of an applet's response or of a request of `http`.
pub(crate) const RESPONSE_HEADERS_MAX: usize = 256;
/// Bytes of one frame of an answer's body. The script sends smaller ones.
pub(crate) const FRAME_BYTES_MAX: u64 = 16 * MIB;
/// Bytes of the answer of a health check that are read.
pub(crate) const HEALTH_BYTES_MAX: u64 = 16 << 10;
/// Connections that a process may have to the host at the same time.
pub(crate) const HOST_CONNECTIONS_MAX: usize = 256;
/// Connections to a process that are kept for the next call.
pub(crate) const IDLE_CONNECTIONS_MAX: usize = 64;
/// Bytes of a path that a unix socket can have, with the zero at its end (`sockaddr_un.sun_path`).
pub(crate) const SOCKET_PATH_BYTES_MAX: usize = 108;
/// Chunks of a streamed answer that wait for the caller.
pub(crate) const CHUNKS_WAITING_MAX: usize = 4;
/// How often a process's memory is looked at, milliseconds.
pub(crate) const WATCH_MS: u64 = 100;
/// How often it is tried whether a new process listens, milliseconds.
pub(crate) const READY_POLL_MS: u64 = 4;
/// Bytes on disk of a process's private directory, which is for sockets; each name counts 4 KiB at least. Looked at with the memory.
pub(crate) const DIRECTORY_BYTES_MAX: u64 = 4 * MIB;
/// How long `--version` of a runtime may take, milliseconds.
pub(crate) const VERSION_MS_MAX: u64 = 10_000;
/// Bytes of what the last lines of a process keep in memory.
pub(crate) const TAIL_BYTES_MAX: usize = 64 << 10;

const _: () = assert!(WATCH_MS <= 200);
const _: () = assert!(HEADER_BYTES_MAX >= 8 << 10, "hyper refuses smaller buffers");

/// A bound that an operator can take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// At most this much.
    At(u64),
    /// No bound.
    Unlimited,
}

impl Bound {
    /// The bound, when `used` is over it.
    #[must_use]
    pub fn crossed_by(self, used: u64) -> Option<u64> {
        match self {
            Self::At(allowed) if used > allowed => Some(allowed),
            Self::At(_) | Self::Unlimited => None,
        }
    }
}

/// The limits of one process and of the calls in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Calls in one process at the same time; further ones wait.
    pub concurrency_max: u32,
    /// Calls that wait for a place in one process; further ones are refused.
    pub waiting_max: u32,
    /// Bytes of a request's body.
    pub request_bytes_max: u64,
    /// Bytes of an answer: its JSON, or the body of the response.
    pub response_bytes_max: u64,
    /// What goes on after the answer (`waitUntil`), milliseconds from the end of the answer.
    pub wait_until_ms: u64,
    /// Bytes of JSON that one capability call may bring.
    pub capability_bytes_max: u64,
    /// Capability calls of one invocation.
    pub capability_calls_max: u32,
    /// Resident memory of the process and its children together, bytes.
    pub memory_bytes_max: Bound,
    /// Processor time of the process and its children within `cpu_window_ms`, milliseconds.
    pub cpu_ms_max: Bound,
    /// The time that `cpu_ms_max` is about, milliseconds.
    pub cpu_window_ms: u64,
    /// Processes: the first one and its children.
    pub processes_max: Bound,
    /// Calls that were given up at their deadline in one process, before another one takes its place.
    pub abandoned_max: u32,
    /// Calls that were given up one after the other, with no answer between them, before another process takes its place.
    pub abandoned_in_a_row_max: u32,
    /// Bytes of one line that a process writes.
    pub line_bytes_max: usize,
    /// Lines of one process in a second; what is more is counted and dropped.
    pub lines_per_second_max: u32,
    /// The last lines of a process that a crash report has.
    pub tail_lines_max: usize,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            concurrency_max: 64,
            waiting_max: 1_024,
            request_bytes_max: 64 * MIB,
            response_bytes_max: 64 * MIB,
            wait_until_ms: 30_000,
            capability_bytes_max: 16 * MIB,
            capability_calls_max: 100_000,
            memory_bytes_max: Bound::At(512 * MIB),
            cpu_ms_max: Bound::Unlimited,
            cpu_window_ms: 10_000,
            processes_max: Bound::At(16),
            abandoned_max: 64,
            abandoned_in_a_row_max: 8,
            line_bytes_max: 16 << 10,
            lines_per_second_max: 1_000,
            tail_lines_max: 50,
        }
    }
}

/// When processes are started, checked, replaced and stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    /// Processes at the same time; at least 1. Further ones start when the others have work.
    pub replicas: usize,
    /// Start the first one at once, and again whenever it has ended.
    pub keep_alive: bool,
    /// From the start of a process to its first healthy answer, milliseconds.
    pub ready_ms_max: u64,
    /// Without a call for so long, a process is stopped, milliseconds. Not with `keep_alive`.
    pub idle_ms_max: Bound,
    /// From one health check to the next, milliseconds.
    pub health_interval_ms: u64,
    /// How long a health check may take, milliseconds.
    pub health_ms_max: u64,
    /// Health checks in a row that fail before the process is replaced.
    pub health_failures_max: u32,
    /// How long a process may keep silent after a call's deadline before it counts as hung, milliseconds.
    pub hang_ms_max: u64,
    /// The first wait after a failure, milliseconds; it doubles with each further one.
    pub backoff_ms_min: u64,
    /// The longest wait after a failure, milliseconds.
    pub backoff_ms_max: u64,
    /// Failures in a row that open the circuit.
    pub failures_max: u32,
    /// How long the circuit stays open the first time, milliseconds; it doubles up to `backoff_ms_max`.
    pub open_ms: u64,
    /// A process that was up for so long is no longer one that fails, milliseconds.
    pub sustained_ms: u64,
    /// How long calls may go on in a process that is being replaced or stopped, milliseconds.
    pub drain_ms_max: u64,
    /// From SIGTERM to SIGKILL, milliseconds.
    pub kill_grace_ms: u64,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            replicas: 1,
            keep_alive: false,
            ready_ms_max: 10_000,
            idle_ms_max: Bound::At(300_000),
            health_interval_ms: 5_000,
            health_ms_max: 2_000,
            health_failures_max: 3,
            hang_ms_max: 500,
            backoff_ms_min: 50,
            backoff_ms_max: 30_000,
            failures_max: 8,
            open_ms: 5_000,
            sustained_ms: 10_000,
            drain_ms_max: 30_000,
            kill_grace_ms: 500,
        }
    }
}
