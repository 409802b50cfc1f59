//! Traces: a span for each invocation, below it one for each use of a capability, sent to an OTLP collector over HTTP.
//!
//! A caller's `traceparent` (W3C Trace Context) is the parent, and its decision to sample holds; without one the invocation's own id is the trace's
//! id, and the ratio decides. Uses end before their invocation does, so they wait for it here. Spans go through a bounded queue to a thread
//! that sends them in batches (`traces/export.rs`); what does not fit, or cannot be delivered, is dropped and counted.

mod export;
mod parent;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use belljar::{CapabilityUse, LogContext, Observer, UseEnd};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::sync::mpsc::{Sender, channel};

pub use export::ExportError;

use crate::record::{Ended, InvocationRecord, Recorder};
use parent::Parent;

/// Spans that wait to be sent.
const QUEUE_SPANS_MAX: usize = 8_192;
/// Uses of one invocation that become spans.
const USES_MAX: usize = 128;
/// Uses that wait for the end of their invocation.
const USES_WAITING_MAX: usize = 65_536;

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// Base URL of the collector; `/v1/traces` is added unless it is there.
    pub endpoint: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Share of invocations traced when the caller has not decided, 0 to 1.
    pub sample_ratio: f64,
    /// Certificates (PEM) of further roots to trust.
    pub extra_roots_pem: Vec<u8>,
}

/// Sends traces. Clones are the same one.
#[derive(Clone)]
pub struct Traces {
    inner: Arc<Inner>,
}

struct Inner {
    sample_ratio: f64,
    sender: Mutex<Option<Sender<SpanData>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    waiting: Mutex<Waiting>,
    counts: Arc<Counts>,
    scope: InstrumentationScope,
}

#[derive(Default)]
struct Waiting {
    uses: HashMap<String, Uses>,
    count: usize,
}

#[derive(Default)]
struct Uses {
    kept: Vec<CapabilityUse>,
    dropped: u32,
}

/// How the sending goes.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed_exports: AtomicU64,
}

/// How the sending goes, in numbers since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracesState {
    /// Spans that the collector has taken.
    pub sent: u64,
    /// Spans dropped, because the queue was full or the collector did not take them.
    pub dropped: u64,
    /// Batches that could not be delivered.
    pub failed_exports: u64,
}

impl Traces {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// [`ExportError`] when the configuration cannot be used.
    pub fn start(config: &TracesConfig) -> Result<Self, ExportError> {
        let counts = Arc::<Counts>::default();
        let (sender, receiver) = channel(QUEUE_SPANS_MAX);
        let thread = export::start(config, receiver, counts.clone())?;
        let inner = Inner {
            sample_ratio: config.sample_ratio,
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            waiting: Mutex::default(),
            counts,
            scope: InstrumentationScope::builder("belljar").with_version(env!("CARGO_PKG_VERSION")).build(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How the sending goes.
    pub fn state(&self) -> TracesState {
        let Counts { sent, dropped, failed_exports } = &*self.inner.counts;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TracesState { sent: get(sent), dropped: get(dropped), failed_exports: get(failed_exports) }
    }

    /// Sends what waits, for at most some seconds, and ends the thread. Blocks.
    pub fn close(&self) {
        drop(self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A thread that panicked has lost its spans; there is nobody left to tell.
            let _ = thread.join();
        }
    }

    fn send(&self, span: SpanData) {
        let sender = self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.as_ref().is_none_or(|sender| sender.try_send(span).is_err()) {
            self.inner.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn span(
        &self,
        place: &Place,
        name: String,
        kind: SpanKind,
        begun_us: u64,
        took_us: u64,
        status: Status,
    ) -> SpanData {
        let begun = UNIX_EPOCH + Duration::from_micros(begun_us);
        SpanData {
            span_context: SpanContext::new(
                place.trace,
                place.span,
                TraceFlags::SAMPLED,
                place.is_remote,
                TraceState::NONE,
            ),
            parent_span_id: place.parent,
            parent_span_is_remote: place.parent_is_remote,
            span_kind: kind,
            name: name.into(),
            start_time: begun,
            end_time: begun.checked_add(Duration::from_micros(took_us)).unwrap_or_else(SystemTime::now),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.inner.scope.clone(),
        }
    }
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traces").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Where a span belongs.
struct Place {
    trace: TraceId,
    span: SpanId,
    is_remote: bool,
    parent: SpanId,
    parent_is_remote: bool,
}

impl Observer for Traces {
    fn used(&self, context: &LogContext, used: CapabilityUse) {
        let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = waiting.count >= USES_WAITING_MAX;
        match waiting.uses.get_mut(context.invocation.as_str()) {
            Some(uses) if is_full || uses.kept.len() >= USES_MAX => {
                uses.dropped += 1;
                return;
            }
            Some(uses) => uses.kept.push(used),
            // Nothing is remembered of whoever comes now, so that the number of invocations is bounded, too.
            None if is_full => return,
            None => {
                drop(waiting.uses.insert(context.invocation.as_str().to_owned(), Uses { kept: vec![used], dropped: 0 }))
            }
        }
        waiting.count += 1;
    }
}

impl Recorder for Traces {
    fn record(&self, record: InvocationRecord) {
        let uses = {
            let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let uses = waiting.uses.remove(&record.id).unwrap_or_default();
            waiting.count -= uses.kept.len();
            uses
        };
        let parent = record.trace_parent.as_deref().and_then(Parent::parse);
        // A call that was refused before it had an id gets one here, so that the caller's trace shows it.
        let seed = if record.id.is_empty() {
            format!("{}/{}/{}", record.tenant, record.applet, record.begun_us)
        } else {
            record.id.clone()
        };
        let (trace, span) = ids(&seed);
        let (trace, parent_span, is_sampled) = match parent {
            Some(parent) => (parent.trace, parent.span, parent.is_sampled),
            None => (trace, SpanId::INVALID, is_sampled(trace, self.inner.sample_ratio)),
        };
        if !is_sampled {
            return;
        }
        let (name, place) = (
            format!("{}/{}", record.applet, record.handler),
            Place {
                trace,
                span,
                is_remote: false,
                parent: parent_span,
                parent_is_remote: parent_span != SpanId::INVALID,
            },
        );
        let status = match &record.ended {
            Ended::Answered { .. } => Status::Unset,
            Ended::Faulted { code, message } => Status::error(format!("{code}: {message}")),
            Ended::Refused { why } => Status::error(format!("refused: {why}")),
        };
        let kind = if record.trigger == "http" { SpanKind::Server } else { SpanKind::Internal };
        let mut root = self.span(&place, name, kind, record.begun_us, record.total_us, status);
        root.attributes = attributes(&record, uses.dropped);
        self.send(root);
        for (index, used) in uses.kept.into_iter().enumerate() {
            let (_, own) = ids(&format!("{seed}#{index}"));
            let below = Place { trace, span: own, is_remote: false, parent: span, parent_is_remote: false };
            let status = match used.ended {
                UseEnd::Done => Status::Unset,
                ended => Status::error(ended.as_str()),
            };
            let kind = if used.capability == "http" { SpanKind::Client } else { SpanKind::Internal };
            let name = format!("{}.{}", used.capability, used.operation);
            let mut span = self.span(&below, name, kind, used.begun_us, used.wall_us, status);
            span.attributes = vec![
                KeyValue::new("belljar.capability", used.capability),
                KeyValue::new("belljar.operation", used.operation),
                KeyValue::new("belljar.target", used.target),
            ];
            self.send(span);
        }
    }
}

fn attributes(record: &InvocationRecord, uses_dropped: u32) -> Vec<KeyValue> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("belljar.tenant", record.tenant.as_str().to_owned()),
        KeyValue::new("belljar.applet", record.applet.as_str().to_owned()),
        KeyValue::new("belljar.version", record.version.clone()),
        KeyValue::new("belljar.release", whole(record.release_number)),
        KeyValue::new("belljar.handler", record.handler.clone()),
        KeyValue::new("belljar.trigger", record.trigger.clone()),
        KeyValue::new("belljar.invocation", record.id.clone()),
        KeyValue::new("belljar.fuel", whole(record.usage.fuel)),
        KeyValue::new("belljar.memory_bytes_peak", whole(record.usage.memory_bytes_peak)),
        KeyValue::new("belljar.queued_us", whole(record.queued_us)),
    ];
    match &record.ended {
        Ended::Answered { status: Some(status) } => {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(*status)))
        }
        Ended::Answered { status: None } => {}
        Ended::Faulted { code, .. } => attributes.push(KeyValue::new("error.type", code.as_str())),
        Ended::Refused { why } => attributes.push(KeyValue::new("error.type", *why)),
    }
    if uses_dropped > 0 {
        attributes.push(KeyValue::new("belljar.uses_dropped", i64::from(uses_dropped)));
    }
    attributes
}

/// Ids of a trace and of a span that follow from a text; never zero, which would be invalid.
fn ids(seed: &str) -> (TraceId, SpanId) {
    let mut bytes = [0; 24];
    blake3::Hasher::new_derive_key("belljar traces 1").update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&bytes[..16]);
    span.copy_from_slice(&bytes[16..]);
    trace[0] |= 1;
    span[0] |= 1;
    (TraceId::from_bytes(trace), SpanId::from_bytes(span))
}

/// Whether a trace belongs to the share, by the last bits of its id.
fn is_sampled(trace: TraceId, ratio: f64) -> bool {
    let mut last = [0; 8];
    last.copy_from_slice(&trace.to_bytes()[8..]);
    // 53 bits are exact in a float.
    let at = (u64::from_be_bytes(last) >> 11) as f64 / (1_u64 << 53) as f64;
    at < ratio
}

#[cfg(test)]
#[path = "traces/tests.rs"]
mod tests;
