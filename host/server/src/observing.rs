//! What a server tells of itself, put together from its settings: history, figures, traces and log, and the one recorder, observer and log
//! sink through which they all hear.

use std::sync::Arc;

use belljar::{CapabilityUse, LogContext, LogRecord, LogSink, Observer};

use crate::history::{History, HistoryConfig, HistoryError};
use crate::logs::Logs;
use crate::metrics::{Metrics, MetricsRecorder};
use crate::record::{InvocationRecord, Recorder};
use crate::settings::Settings;
use crate::traces::{ExportError, Traces, TracesConfig};

/// It cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ObservingError {
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The traces.
    #[error(transparent)]
    Traces(#[from] ExportError),
}

/// Everything that hears what happens. Clones are the same.
#[derive(Debug, Clone)]
pub struct Observing {
    /// What has happened.
    pub history: History,
    /// Figures.
    pub metrics: Metrics,
    /// Traces, if there is a collector.
    pub traces: Option<Traces>,
    recorder: MetricsRecorder,
    /// Where lines of applets go as well.
    logs: Option<Logs>,
}

impl Observing {
    /// Opens the history in the data directory, which exists, and starts the rest. `extra_roots_pem` are trusted in a collector's certificate
    /// beside the usual ones; `logs` is the server's own log.
    ///
    /// # Errors
    /// [`ObservingError`].
    pub fn start(settings: &Settings, extra_roots_pem: &[u8], logs: &Logs) -> Result<Self, ObservingError> {
        let config = HistoryConfig {
            days: settings.history_days,
            bytes_max: settings.history_bytes_max,
            usage_days: settings.usage_days,
            audit: settings.audit,
        };
        let history = History::open(&settings.data_dir, &config)?;
        let (metrics, recorder) = Metrics::new(settings.metrics_applets_max as usize);
        let traces = match &settings.otlp_endpoint {
            None => None,
            Some(endpoint) => {
                let pair = |text: &str| {
                    text.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
                };
                Some(Traces::start(&TracesConfig {
                    endpoint: endpoint.clone(),
                    headers: settings.otlp_headers.iter().filter_map(|header| pair(header.reveal())).collect(),
                    sample_ratio: settings.otlp_sample_ratio,
                    extra_roots_pem: extra_roots_pem.to_vec(),
                })?)
            }
        };
        let observing = Self { history, metrics, traces, recorder, logs: settings.log_applets.then(|| logs.clone()) };
        observing.watch(logs);
        Ok(observing)
    }

    /// For the dispatcher.
    pub fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::new(self.clone())
    }

    /// For the host.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(self.clone())
    }

    /// For the host, or for whoever keeps tenants within their log quotas before it.
    pub fn log(&self) -> Arc<dyn LogSink> {
        Arc::new(self.clone())
    }

    /// Writes and sends what waits. Blocks, for some seconds at most.
    pub fn close(&self) {
        if let Some(traces) = &self.traces {
            traces.close();
        }
        self.history.close();
    }

    /// Figures that these hold themselves.
    fn watch(&self, logs: &Logs) {
        let history = |read: fn(&History) -> u64| {
            let history = self.history.clone();
            move || read(&history) as f64
        };
        let metrics = &self.metrics;
        metrics.gauge("history_queued", "Entries that wait to be written", history(|history| history.state().queued));
        metrics.gauge("history_bytes", "Size of the history on disk", history(|history| history.state().bytes));
        metrics.counter("history_written", "Entries written", history(|history| history.state().written));
        metrics.counter("history_lost", "Entries dropped", history(|history| history.state().lost));
        let logs = logs.clone();
        metrics.counter("server_log_lines_lost", "Lines of the server's log that were dropped", move || {
            logs.lines_lost() as f64
        });
        if let Some(traces) = &self.traces {
            let (sent, dropped) = (traces.clone(), traces.clone());
            metrics.counter("spans_sent", "Spans that the collector has taken", move || sent.state().sent as f64);
            metrics.counter("spans_dropped", "Spans that were dropped", move || dropped.state().dropped as f64);
        }
    }
}

impl Recorder for Observing {
    fn record(&self, record: InvocationRecord) {
        if let Some(traces) = &self.traces {
            traces.record(record.clone());
        }
        self.recorder.record(record.clone());
        self.history.record(record);
    }
}

impl Observer for Observing {
    fn used(&self, context: &LogContext, used: CapabilityUse) {
        if let Some(traces) = &self.traces {
            traces.used(context, used.clone());
        }
        self.recorder.used(context, used.clone());
        self.history.used(context, used);
    }
}

impl LogSink for Observing {
    fn write(&self, record: &LogRecord) {
        if let Some(logs) = &self.logs {
            logs.write(record);
        }
        self.history.write(record);
    }
}
