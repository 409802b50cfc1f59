//! Lines that a process writes to stdout and stderr, and that belong to no call.

use std::sync::Arc;

use belljar_process::{Level, Line, Stream};

use crate::capability::log::{LogContext, LogLevel, LogOrigin, LogRecord, LogSink};
use crate::capability::secrets::in_use::InUse;
use crate::catalog::Release;
use crate::floor::clock::Source;
use crate::floor::ids::InvocationId;

/// Hands the lines of one release's processes to the host's sink.
pub(super) struct ProcessLogs {
    context: Arc<LogContext>,
    sink: Arc<dyn LogSink>,
    source: Arc<dyn Source>,
    secrets: Arc<InUse>,
}

impl ProcessLogs {
    pub(super) fn new(
        release: &Release,
        version: &str,
        sink: Arc<dyn LogSink>,
        source: Arc<dyn Source>,
        secrets: Arc<InUse>,
    ) -> Self {
        let context = LogContext {
            tenant: release.tenant().clone(),
            applet: release.applet().clone(),
            version: version.to_owned(),
            handler: String::new(),
            // Of no invocation.
            invocation: InvocationId::new([0; 16]),
        };
        Self { context: Arc::new(context), sink, source, secrets }
    }
}

impl belljar_process::LogSink for ProcessLogs {
    fn line(&self, line: &Line) {
        let level = match line.level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let origin = if line.stream == Stream::Host { LogOrigin::Host } else { LogOrigin::Console };
        let mut fields = line.fields.clone();
        fields.insert("process".into(), line.process.into());
        self.sink.write(&LogRecord {
            time_us: self.source.now_us(),
            context: self.context.clone(),
            origin,
            level,
            message: line.message.clone(),
            fields,
            truncated: line.truncated,
        });
    }

    fn redact(&self, text: String) -> String {
        self.secrets.redact(text)
    }
}
