//! The admin API: all that an operator does, as JSON over HTTP on a listener of its own, for whoever has the token. It changes the
//! catalog, reads the history and calls applets through the dispatcher; it knows nothing that these do not know.
//!
//! Each route is listed once, in `admin/routes.rs`: the router and the OpenAPI document (`/openapi.json`) are made from the same list.
//! Errors have one shape, `{"error": {code, message, details?}}` (`admin/error.rs`).

mod applets;
mod auth;
mod calls;
mod error;
mod follow;
mod history;
mod hosts;
mod install;
mod keys;
mod operations;
mod processes;
mod recordings;
mod routes;
mod tenants;
mod triggers;
mod values;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use belljar::{AppletId, RecordingFolder, RecordingKey, TenantId};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use calls::{CallAnswer, CallRequest};
pub use error::{ErrorBody, ErrorDetail};
pub use install::{GrantRequest, GrantWord, InstallAnswer, InstallRequest, permissions};

use crate::catalog::{Catalog, CatalogError, Preparer};
use crate::directory::{Active, Directory as _};
use crate::dispatch::Dispatcher;
use crate::history::History;
use crate::metrics::Metrics;
use crate::settings::Secret;
use crate::triggers::Triggers;
use error::ApiError;

/// Bytes of a body, but for those with a package.
const BODY_BYTES_MAX: usize = 2 << 20;
/// Installations at the same time: each may hold a package.
const INSTALLS_MAX: usize = 4;
/// Streams of log lines at the same time.
const FOLLOWERS_MAX: usize = 64;
/// The header in which a client says for whom it acts, for the audit trail.
pub const BY_HEADER: &str = "belljar-by";

/// What the admin API works with.
pub struct AdminParts {
    /// What is installed.
    pub catalog: Catalog,
    /// Makes releases ready.
    pub preparer: Arc<dyn Preparer>,
    /// Calls applets.
    pub dispatcher: Arc<Dispatcher>,
    /// Events, schedules and jobs.
    pub triggers: Arc<Triggers>,
    /// What has happened.
    pub history: History,
    /// What was recorded.
    pub recordings: Arc<RecordingFolder>,
    /// What it is encrypted with.
    pub recordings_key: Option<RecordingKey>,
    /// Figures.
    pub metrics: Metrics,
    /// Whoever has it may do everything.
    pub token: Secret,
    /// Whether requests of applets are taken, or why not: the answer of `/readyz`.
    pub ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// The admin API.
#[derive(Clone)]
pub struct Admin {
    inner: Arc<Inner>,
}

struct Inner {
    parts: AdminParts,
    started: Instant,
    installs: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Over these parts.
    pub fn new(parts: AdminParts) -> Self {
        let inner = Inner {
            parts,
            started: Instant::now(),
            installs: Arc::new(Semaphore::new(INSTALLS_MAX)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// All routes.
    pub fn router(&self) -> Router {
        routes::router()
            .fallback(async || ApiError::not_found("there is nothing at this path: /openapi.json lists what there is"))
            .method_not_allowed_fallback(async || ApiError::method_not_allowed())
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(from_fn_with_state(self.clone(), auth::check))
            .with_state(self.clone())
    }

    /// Serves until `stop` resolves, and then answers what has been asked.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await
    }

    fn parts(&self) -> &AdminParts {
        &self.inner.parts
    }

    /// The applet as it is called now.
    async fn active(&self, tenant: TenantId, applet: AppletId) -> Result<Arc<Active>, ApiError> {
        let missing = format!("tenant {tenant} has no applet {applet}");
        let catalog = self.parts().catalog.clone();
        let found = tokio::task::spawn_blocking(move || catalog.active(&tenant, &applet))
            .await
            .map_err(|_| ApiError::internal())?;
        let found =
            found.map_err(|error| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "storage", error.to_string()))?;
        found.ok_or_else(|| ApiError::not_found(missing))
    }

    /// Asks the catalog, which blocks, on a thread that may.
    async fn catalog<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Catalog, &dyn Preparer) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let admin = self.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&admin.parts().catalog, &*admin.parts().preparer));
        Ok(asked.await.map_err(|_| ApiError::internal())??)
    }
}

#[cfg(test)]
#[path = "admin/tests.rs"]
mod tests;
