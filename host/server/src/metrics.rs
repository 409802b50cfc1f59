//! Figures for Prometheus, at `/metrics` of the admin listener. Fed by what the dispatcher records and what observers see; figures that
//! others hold (queues, the history, the process) are asked for when somebody scrapes.
//!
//! The number of series is bounded: applets are told apart up to a cap, all others are `other`.

mod process;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use belljar::{AppletId, CapabilityUse, LogContext, Observer, TenantId};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::record::{Ended, InvocationRecord, Recorder};

/// Content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the histograms of time: from 100 µs to 100 s.
const SECONDS: [f64; 19] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0,
    100.0,
];
/// Stands for applets beyond the cap.
const OTHER: &str = "other";

type Labels<const N: usize> = [(&'static str, String); N];
type Seconds = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// All figures. Clones are the same ones.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Mutex<Registry>,
    applets_max: usize,
    applets: RwLock<HashMap<(TenantId, AppletId), Arc<Series>>>,
    other: Arc<Series>,
    families: Families,
}

/// What is told apart by applet.
#[derive(Default)]
struct Families {
    invocations: Family<Labels<3>, Counter>,
    fuel: Family<Labels<2>, Counter>,
    egress: Family<Labels<2>, Counter>,
    log_lines: Family<Labels<2>, Counter>,
    log_lines_dropped: Family<Labels<2>, Counter>,
}

/// The series of one applet, so that a call looks them up once.
struct Series {
    tenant: String,
    applet: String,
    answered: Counter,
    fuel: Counter,
    egress: Counter,
    log_lines: Counter,
    log_lines_dropped: Counter,
}

/// The rest; series by trigger and capability, of which there are few.
struct Times {
    total: Seconds,
    queued: Seconds,
    uses: Family<Labels<2>, Counter>,
    use_seconds: Seconds,
}

/// Something that is asked for when figures are collected.
type Reading = Box<dyn Fn() -> f64 + Send + Sync>;

impl Metrics {
    /// Figures that tell at most `applets_max` pairs of tenant and applet apart.
    pub fn new(applets_max: usize) -> (Self, MetricsRecorder) {
        let mut registry = Registry::with_prefix("belljar");
        let families = Families::default();
        let times = Times {
            total: Family::new_with_constructor(seconds),
            queued: Family::new_with_constructor(seconds),
            uses: Family::default(),
            use_seconds: Family::new_with_constructor(seconds),
        };
        registry.register("invocations", "Calls, by how they ended", families.invocations.clone());
        registry.register("fuel", "Fuel burnt", families.fuel.clone());
        registry.register_with_unit("egress", "Body bytes sent by outgoing http", Unit::Bytes, families.egress.clone());
        registry.register("log_lines", "Log lines of applets that were kept", families.log_lines.clone());
        registry.register("log_lines_dropped", "Log lines of applets over a limit", families.log_lines_dropped.clone());
        registry.register_with_unit(
            "invocation",
            "From asking to the end of a call",
            Unit::Seconds,
            times.total.clone(),
        );
        registry.register_with_unit("queue", "From asking to the turn of a call", Unit::Seconds, times.queued.clone());
        registry.register("capability_uses", "Uses of capabilities, by how they ended", times.uses.clone());
        registry.register_with_unit(
            "capability_use",
            "From asking to the end of a use",
            Unit::Seconds,
            times.use_seconds.clone(),
        );
        registry.register_collector(Box::new(process::Process::new()));
        let other = Arc::new(families.series(OTHER, OTHER));
        let inner = Inner { registry: Mutex::new(registry), applets_max, applets: RwLock::default(), other, families };
        let metrics = Self { inner: Arc::new(inner) };
        (metrics.clone(), MetricsRecorder { metrics, times: Arc::new(times) })
    }

    /// Adds a figure that goes up and down; `read` is asked for it.
    pub fn gauge(&self, name: &'static str, help: &'static str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.watch(Watched { name, help, is_counter: false, read: Box::new(read) });
    }

    /// Adds a figure that only grows; its name gets `_total` after it.
    pub fn counter(&self, name: &'static str, help: &'static str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.watch(Watched { name, help, is_counter: true, read: Box::new(read) });
    }

    /// All figures in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }

    fn watch(&self, watched: Watched) {
        let mut registry = self.inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(watched));
    }

    fn series(&self, tenant: &TenantId, applet: &AppletId) -> Arc<Series> {
        let key = (tenant.clone(), applet.clone());
        if let Some(series) = self.inner.applets.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return series.clone();
        }
        let mut applets = self.inner.applets.write().unwrap_or_else(PoisonError::into_inner);
        if applets.len() >= self.inner.applets_max && !applets.contains_key(&key) {
            return self.inner.other.clone();
        }
        let make = || Arc::new(self.inner.families.series(tenant.as_str(), applet.as_str()));
        applets.entry(key).or_insert_with(make).clone()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Families {
    fn series(&self, tenant: &str, applet: &str) -> Series {
        let labels = [("tenant", tenant.to_owned()), ("applet", applet.to_owned())];
        Series {
            tenant: tenant.to_owned(),
            applet: applet.to_owned(),
            answered: self.invocations.get_or_create_owned(&ended_labels(tenant, applet, "answered")),
            fuel: self.fuel.get_or_create_owned(&labels),
            egress: self.egress.get_or_create_owned(&labels),
            log_lines: self.log_lines.get_or_create_owned(&labels),
            log_lines_dropped: self.log_lines_dropped.get_or_create_owned(&labels),
        }
    }
}

fn ended_labels(tenant: &str, applet: &str, ended: &str) -> Labels<3> {
    [("tenant", tenant.to_owned()), ("applet", applet.to_owned()), ("ended", ended.to_owned())]
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn as_seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

/// Takes what is recorded and observed. Clones feed the same figures.
#[derive(Clone)]
pub struct MetricsRecorder {
    metrics: Metrics,
    times: Arc<Times>,
}

impl fmt::Debug for MetricsRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsRecorder").finish_non_exhaustive()
    }
}

impl Recorder for MetricsRecorder {
    fn record(&self, record: InvocationRecord) {
        let series = self.metrics.series(&record.tenant, &record.applet);
        let by_end = |ended: &str| {
            let labels = ended_labels(&series.tenant, &series.applet, ended);
            self.metrics.inner.families.invocations.get_or_create(&labels).inc();
        };
        match &record.ended {
            Ended::Answered { .. } => drop(series.answered.inc()),
            Ended::Faulted { code, .. } => by_end(code.as_str()),
            Ended::Refused { why } => by_end(&format!("refused-{why}")),
        }
        series.fuel.inc_by(record.usage.fuel);
        series.egress.inc_by(record.usage.http.bytes_sent);
        series.log_lines.inc_by(record.usage.log.lines);
        series.log_lines_dropped.inc_by(record.usage.log.lines_dropped);
        let trigger = [("trigger", record.trigger)];
        self.times.total.get_or_create(&trigger).observe(as_seconds(record.total_us));
        self.times.queued.get_or_create(&trigger).observe(as_seconds(record.queued_us));
    }
}

impl Observer for MetricsRecorder {
    fn used(&self, _: &LogContext, used: CapabilityUse) {
        let capability = ("capability", used.capability.to_owned());
        self.times.uses.get_or_create(&[capability.clone(), ("ended", used.ended.as_str().to_owned())]).inc();
        self.times.use_seconds.get_or_create(&[capability]).observe(as_seconds(used.wall_us));
    }
}

/// A figure somebody else holds.
struct Watched {
    name: &'static str,
    help: &'static str,
    is_counter: bool,
    read: Reading,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        encode_one(&mut encoder, self.name, self.help, self.is_counter, (self.read)())
    }
}

fn encode_one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    is_counter: bool,
    value: f64,
) -> Result<(), fmt::Error> {
    if is_counter {
        let counter = ConstCounter::new(value);
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
    } else {
        let gauge = ConstGauge::new(value);
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use belljar::{FaultCode, Usage, UseEnd};

    use super::*;

    fn record(tenant: &str, ended: Ended) -> InvocationRecord {
        InvocationRecord {
            id: String::new(),
            tenant: TenantId::new(tenant).expect("valid"),
            applet: AppletId::new("hook").expect("valid"),
            release_number: 1,
            version: "1.0.0".into(),
            handler: "main".into(),
            trigger: "http".into(),
            user: None,
            begun_us: 0,
            queued_us: 50,
            total_us: 2_000,
            ended,
            usage: Usage { fuel: 10, ..Usage::default() },
            trace_parent: None,
        }
    }

    #[test]
    fn figures_are_told_apart_up_to_the_cap() {
        let (metrics, recorder) = Metrics::new(2);
        for tenant in ["a", "b", "c", "d", "a"] {
            recorder.record(record(tenant, Ended::Answered { status: Some(200) }));
        }
        recorder.record(record("a", Ended::Faulted { code: FaultCode::Fuel, message: String::new() }));
        recorder.record(record("d", Ended::Refused { why: "queue" }));
        let used = CapabilityUse {
            capability: "db",
            operation: "query",
            target: String::new(),
            ended: UseEnd::Done,
            begun_us: 0,
            wall_us: 300,
        };
        let context = LogContext {
            tenant: TenantId::new("a").expect("valid"),
            applet: AppletId::new("hook").expect("valid"),
            version: String::new(),
            handler: String::new(),
            invocation: belljar::InvocationId::new([0; 16]),
        };
        recorder.used(&context, used);
        metrics.gauge("waiting", "Calls that wait", || 3.0);
        metrics.counter("history_lost", "Lost entries", || 4.0);
        let text = metrics.encode();
        for line in [
            "belljar_invocations_total{tenant=\"a\",applet=\"hook\",ended=\"answered\"} 2",
            "belljar_invocations_total{tenant=\"a\",applet=\"hook\",ended=\"fuel\"} 1",
            "belljar_invocations_total{tenant=\"b\",applet=\"hook\",ended=\"answered\"} 1",
            "belljar_invocations_total{tenant=\"other\",applet=\"other\",ended=\"answered\"} 2",
            "belljar_invocations_total{tenant=\"other\",applet=\"other\",ended=\"refused-queue\"} 1",
            "belljar_fuel_total{tenant=\"other\",applet=\"other\"} 30",
            "belljar_invocation_seconds_count{trigger=\"http\"} 7",
            "belljar_capability_uses_total{capability=\"db\",ended=\"done\"} 1",
            "belljar_waiting 3.0",
            "belljar_history_lost_total 4.0",
        ] {
            assert!(text.lines().any(|has| has == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("tenant=\"c\"") && !text.contains("tenant=\"d\""), "{text}");
        assert!(text.contains("belljar_process_resident_memory_bytes") && text.ends_with("# EOF\n"), "{text}");
    }
}
