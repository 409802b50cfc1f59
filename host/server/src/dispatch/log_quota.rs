//! A log sink that keeps tenants within their log bytes of a day.

use std::sync::Arc;

use belljar::{LogRecord, LogSink};

use super::Budgets;

/// Bytes of a line beside its text and fields: time, names, ids.
const LINE_BYTES: u64 = 200;

/// Gives lines on, as long as their tenant's quota lasts; what comes after is counted and dropped.
pub struct QuotaLog {
    budgets: Arc<Budgets>,
    next: Arc<dyn LogSink>,
}

impl std::fmt::Debug for QuotaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuotaLog").field("budgets", &self.budgets).finish_non_exhaustive()
    }
}

impl QuotaLog {
    /// Lines go to `next`.
    pub fn new(budgets: Arc<Budgets>, next: Arc<dyn LogSink>) -> Self {
        Self { budgets, next }
    }
}

impl LogSink for QuotaLog {
    fn write(&self, record: &LogRecord) {
        let fields: usize = record.fields.iter().map(|(name, value)| name.len() + value_bytes(value)).sum();
        let bytes = LINE_BYTES + (record.message.len() + fields) as u64;
        if self.budgets.take_log(&record.context.tenant, bytes) {
            self.next.write(record);
        }
    }
}

/// About what a value takes as JSON. Fields are bounded before they come here.
fn value_bytes(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len() + 2,
        serde_json::Value::Array(items) => items.iter().map(|item| value_bytes(item) + 1).sum::<usize>() + 2,
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + value_bytes(value) + 4).sum::<usize>() + 2
        }
        _ => 8,
    }
}
