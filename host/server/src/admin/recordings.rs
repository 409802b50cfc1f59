//! Recorded invocations: which there are, and one of them with its package, so that it can be replayed anywhere.

use std::io::Read as _;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use belljar::{Digest, Recording};
use serde::Serialize;

use super::error::{ApiError, ErrorBody, Named};
use super::{Admin, AdminParts};

/// One recording.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RecordingInfo {
    /// The invocation.
    invocation: String,
    /// Bytes of its file.
    bytes: u64,
}

/// Recordings.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Recordings {
    /// The newest first.
    items: Vec<RecordingInfo>,
}

/// Recorded invocations
#[utoipa::path(get, path = "/v1/recordings", tag = "history", responses((status = 200, body = Recordings)))]
pub(super) async fn list(State(admin): State<Admin>) -> Json<Recordings> {
    let items =
        admin.parts().recordings.list().into_iter().map(|(invocation, bytes)| RecordingInfo { invocation, bytes });
    Json(Recordings { items: items.collect() })
}

/// One recording, with its package, for `belljar replay`
///
/// It is encrypted if the server's recordings are, with the same key.
#[utoipa::path(get, path = "/v1/recordings/{name}", tag = "history", params(("name" = String, Path, description = "The invocation's id")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = ErrorBody)))]
pub(super) async fn get(State(admin): State<Admin>, Named(id): Named) -> Result<Response, ApiError> {
    let whole = tokio::task::spawn_blocking(move || with_package(admin.parts(), &id))
        .await
        .map_err(|_| ApiError::internal())??;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")], whole)
        .into_response())
}

/// The file, with the package if it is still installed somewhere.
fn with_package(parts: &AdminParts, id: &str) -> Result<Vec<u8>, ApiError> {
    let missing = || ApiError::not_found(format!("there is no recording of {id} (any more)"));
    let path = parts.recordings.find(id).ok_or_else(missing)?;
    // The oldest go at any time.
    let file = std::fs::read(path).map_err(|_| missing())?;
    let key = parts.recordings_key.as_ref();
    let unreadable = |error: belljar::RecordingError| {
        tracing::error!(%error, invocation = id, "a recording cannot be read");
        ApiError::internal()
    };
    let mut recording = match Recording::decode(&file, key) {
        Ok(recording) => recording,
        // Of another key, which whoever asks may have.
        Err(belljar::RecordingError::NoKey | belljar::RecordingError::WrongKey) => return Ok(file),
        Err(error) => return Err(unreadable(error)),
    };
    let digest = recording.header().package.as_deref().and_then(Digest::from_hex);
    let mut package = Vec::new();
    let opened = digest.and_then(|digest| parts.catalog.package_file(&digest).ok());
    if opened.is_some_and(|mut file| file.read_to_end(&mut package).is_ok()) {
        recording.attach(package).map_err(unreadable)?;
    }
    recording.encode(key).map_err(unreadable)
}
