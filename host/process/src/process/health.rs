//! Whether a process is well (`GET /health`, which the applet has a say in), and whether it is alive at all. Each check has a connection
//! of its own, so that no call is in its way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::header::HOST;
use serde::Deserialize;

use super::Process;
use crate::body::empty;
use crate::error::EndReason;
use crate::limits::HEALTH_BYTES_MAX;
use crate::protocol::{WireError, told};

/// What a process says of itself. A server of the applet's own need not say anything.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Process {
    /// Asks the process how it is; why it is not well, if it is not.
    pub(crate) async fn health(&self) -> Result<(), String> {
        let health_ms_max = self.spec.supervision.health_ms_max;
        tokio::time::timeout(Duration::from_millis(health_ms_max), self.ask_health())
            .await
            .unwrap_or_else(|_| Err(format!("its health check took more than {health_ms_max} ms")))
    }

    async fn ask_health(&self) -> Result<(), String> {
        let (status, body) = self.get("/health").await.map_err(|error| error.to_string())?;
        let said: Option<Told> = serde_json::from_slice(&body).ok();
        let (name, error) = said.map_or((None, None), |said| (said.status, said.error));
        let is_well = matches!(name.as_deref(), None | Some("ok" | "healthy" | "pass" | "up"));
        if (200..300).contains(&status) && is_well {
            return Ok(());
        }
        let name = name.unwrap_or_else(|| format!("status {status}"));
        Err(match error {
            Some(error) => format!("it says it is {name}: {error}"),
            None => format!("it says it is {name}"),
        })
    }

    async fn get(&self, path: &str) -> Result<(u16, Vec<u8>), WireError> {
        let mut connection = self.client.connect().await?;
        let request = Request::get(path).header(HOST, "applet").body(empty());
        let request = request.map_err(|error| WireError::Lost(error.to_string()))?;
        let lost = |error: hyper::Error| WireError::Lost(told(&error));
        let response = connection.send_request(request).await.map_err(lost)?;
        let status = response.status().as_u16();
        let bytes_max = usize::try_from(HEALTH_BYTES_MAX).unwrap_or(usize::MAX);
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        let body = body.map_err(|error| WireError::Broken(format!("its health: {}", told(&*error))))?;
        Ok((status, body.to_bytes().to_vec()))
    }

    /// A call was given up: asks whether the process still answers at all, and ends it if it does not.
    pub(crate) fn suspect(self: &Arc<Self>) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
        if self.suspected.swap(true, Ordering::AcqRel) {
            return;
        }
        let process = Arc::clone(self);
        self.runtime.spawn(async move {
            let hang = Duration::from_millis(process.spec.supervision.hang_ms_max);
            if tokio::time::timeout(hang, process.get("/alive")).await.is_err() {
                process.end(EndReason::Hung);
            }
            process.suspected.store(false, Ordering::Release);
        });
    }
}
