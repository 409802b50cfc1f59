//! The thread that sends spans: gathers them, and posts them as OTLP (protobuf over HTTP) with a client of our own, because the
//! exporter's would bring a second http stack.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc::Receiver;
use url::Url;

use super::{Counts, TracesConfig};
use crate::outgoing::Client;

/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long spans gather.
const GATHER: Duration = Duration::from_secs(1);
/// Time of one request.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Time for what waits when the server stops.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// Traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The endpoint, or one of the headers.
    #[error("otlp_endpoint {0}")]
    Endpoint(String),
    /// The further roots are no PEM certificates.
    #[error("the further root certificates cannot be read: {0}")]
    Roots(String),
    /// The thread, or its runtime, cannot be started.
    #[error("the thread that sends traces cannot be started")]
    Thread(#[source] io::Error),
}

pub(super) fn start(
    config: &TracesConfig,
    spans: Receiver<SpanData>,
    counts: Arc<Counts>,
) -> Result<JoinHandle<()>, ExportError> {
    let exporter = exporter(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExportError::Thread)?;
    std::thread::Builder::new()
        .name("belljar-traces".to_owned())
        .spawn(move || runtime.block_on(run(exporter, spans, &counts)))
        .map_err(ExportError::Thread)
}

async fn run(exporter: SpanExporter, mut spans: Receiver<SpanData>, counts: &Counts) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        if spans.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        let gathered = async {
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                if spans.recv_many(&mut batch, room).await == 0 {
                    break;
                }
            }
        };
        // An error means that the time is over; what has come is there all the same.
        let _ = tokio::time::timeout(GATHER, gathered).await;
        let count = batch.len() as u64;
        let allowed = if spans.is_closed() { CLOSE_MAX } else { REQUEST_MAX * 2 };
        match tokio::time::timeout(allowed, exporter.export(std::mem::take(&mut batch))).await {
            Ok(Ok(())) => drop(counts.sent.fetch_add(count, Ordering::Relaxed)),
            failed => {
                let earlier = counts.failed_exports.fetch_add(1, Ordering::Relaxed);
                counts.dropped.fetch_add(count, Ordering::Relaxed);
                if earlier == 0 || earlier.is_power_of_two() {
                    let why = failed.map_or_else(
                        |late| late.to_string(),
                        |done| done.err().map(|error| error.to_string()).unwrap_or_default(),
                    );
                    tracing::warn!(why, spans = count, "traces cannot be delivered: spans are dropped");
                }
                if spans.is_closed() {
                    return;
                }
            }
        }
    }
}

fn exporter(config: &TracesConfig) -> Result<SpanExporter, ExportError> {
    let wrong = |why: String| ExportError::Endpoint(format!("{:?} {why}", config.endpoint));
    let mut url = Url::parse(&config.endpoint).map_err(|error| wrong(format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("has the scheme {}: use http or https", url.scheme())));
    }
    if !url.path().ends_with("/v1/traces") {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    let mut headers = HashMap::new();
    for (name, value) in &config.headers {
        let is_header = name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok();
        if !is_header {
            return Err(ExportError::Endpoint(format!("has a header {name:?} in otlp_headers that is none")));
        }
        headers.insert(name.clone(), value.clone());
    }
    let client = Client::new(&config.extra_roots_pem).map_err(|error| ExportError::Roots(error.to_string()))?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector(client))
        .with_endpoint(url.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(REQUEST_MAX)
        .with_headers(headers)
        // It would wait by blocking the thread.
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| wrong(format!("cannot be used: {error}")))?;
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    exporter.set_resource(&Resource::builder_empty().with_service_name("belljar").with_attribute(version).build());
    Ok(exporter)
}

/// One connection for each batch: there is one batch a second.
#[derive(Debug)]
struct Collector(Client);

impl HttpClient for Collector {
    // What `async_trait` makes of `async fn`.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let sending = async move {
            let (parts, body) = self.0.send(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        Box::pin(async move { tokio::time::timeout(REQUEST_MAX, sending).await? })
    }
}
