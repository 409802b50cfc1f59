//! The server itself: health, figures, how it stands, backups, and the description of this API.

use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc::{Sender, channel};

use super::error::{ApiError, ErrorBody};
use super::{Admin, routes};
use crate::catalog::{Catalog, CatalogError};
use crate::history::HistoryState;
use crate::metrics;

/// Bytes of a piece of an archive.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the client.
const PIECES_MAX: usize = 8;

/// How the server stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Status {
    /// Version of Belljar.
    version: &'static str,
    /// Names engine and configuration: figures of fuel are comparable under one digest only.
    engine: String,
    /// Seconds since the start.
    uptime_s: u64,
    /// Whether requests of applets are taken.
    is_ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<String>,
    /// Whether it is about to end.
    is_stopping: bool,
    /// Calls that have begun and not ended.
    in_flight: u64,
    /// Tenants.
    tenants: u64,
    /// Applets installed.
    applets: u64,
    /// How the history is written.
    history: HistoryState,
    /// What was unusual at the start.
    notes: Vec<String>,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether requests of applets are taken
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 503, body = ErrorBody)))]
pub(super) async fn readyz(State(admin): State<Admin>) -> Result<&'static str, ApiError> {
    readiness(&admin)
        .map(|()| "ready\n")
        .map_err(|why| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", why))
}

fn readiness(admin: &Admin) -> Result<(), String> {
    if admin.parts().dispatcher.is_stopping() {
        return Err("the server is stopping".to_owned());
    }
    (admin.parts().ready)()
}

/// Figures for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], admin.parts().metrics.encode())
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operations", security(()), responses((status = 200, body = Object)))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(routes::document())
}

/// How the server stands
#[utoipa::path(get, path = "/v1/status", tag = "operations", responses((status = 200, body = Status), (status = 503, body = ErrorBody)))]
pub(super) async fn status(State(admin): State<Admin>) -> Result<Json<Status>, ApiError> {
    let tenants = admin.catalog(|catalog, _| catalog.tenants()).await?;
    let parts = admin.parts();
    let host = parts.dispatcher.host();
    let ready = readiness(&admin);
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        engine: host.engine_digest().to_hex(),
        uptime_s: admin.inner.started.elapsed().as_secs(),
        is_ready: ready.is_ok(),
        why_not: ready.err(),
        is_stopping: parts.dispatcher.is_stopping(),
        in_flight: parts.dispatcher.in_flight() as u64,
        tenants: tenants.len() as u64,
        applets: tenants.iter().map(|tenant| u64::from(tenant.applets)).sum(),
        history: parts.history.state(),
        notes: host.notes().to_vec(),
    }))
}

/// A backup of everything, while the server runs
///
/// A tar for `belljar restore`. The history is not in it. An archive that breaks off is refused when it is restored.
#[utoipa::path(post, path = "/v1/backup", tag = "operations", responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(super) async fn backup(State(admin): State<Admin>) -> Response {
    archive(&admin, |catalog, out| catalog.backup(out).map(drop))
}

/// An archive that is sent as it is written. A failure breaks it off: whoever reads it sees that it is not whole.
pub(super) fn archive(
    admin: &Admin,
    write: impl FnOnce(&Catalog, &mut dyn io::Write) -> Result<(), CatalogError> + Send + 'static,
) -> Response {
    let (sender, receiver) = channel(PIECES_MAX);
    let admin = admin.clone();
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { sender, piece: Vec::with_capacity(PIECE_BYTES) };
        let written = write(&admin.parts().catalog, &mut pieces)
            .map_err(io::Error::other)
            .and_then(|()| io::Write::flush(&mut pieces));
        if let Err(error) = written {
            tracing::warn!(%error, "an archive was broken off");
            // The client may have gone: then that was it.
            let _ = pieces.sender.blocking_send(Err(error));
        }
    });
    let body = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|piece| (piece, receiver)) });
    ([(header::CONTENT_TYPE, "application/x-tar"), (header::CACHE_CONTROL, "no-store")], Body::from_stream(body))
        .into_response()
}

/// Hands on what is written, in pieces; waits while the client does not take them.
struct Pieces {
    sender: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender
            .blocking_send(Ok(piece.into()))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }
}
