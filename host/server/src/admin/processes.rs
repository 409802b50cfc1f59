//! The processes of applets that run in one: how they are, and having them start anew.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belljar::ProcessStatus;
use belljar::process_engine::{Bound, Report};
use serde::Serialize;

use super::Admin;
use super::error::{ApiError, ErrorBody, OfApplet};

/// How the processes of one release of an applet are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProcessInfo {
    /// The tenant.
    tenant: String,
    /// The applet.
    applet: String,
    /// The release's version.
    version: String,
    /// The package's digest.
    digest: String,
    /// `bun`, `node` or `deno`.
    #[schema(value_type = String)]
    engine: belljar::package::Engine,
    /// The program, and its version.
    program: String,
    /// `stopped`, `starting`, `healthy`, `unhealthy` or `open`: the best of its replicas.
    #[schema(value_type = String)]
    state: belljar::process_engine::State,
    /// Why it is in that state.
    reason: String,
    /// For how long, milliseconds.
    for_ms: u64,
    /// Failures in a row.
    failures: u32,
    /// When it may be started again, milliseconds from now.
    retry_ms: Option<u64>,
    /// The operating system's numbers of the processes that answer.
    processes: Vec<u32>,
    /// Of each of them what of its jail is active; null without a jail.
    #[schema(value_type = Vec<Object>)]
    jails: Vec<Option<Report>>,
    /// Calls that are in them.
    calls: u32,
    /// Resident memory at which one is killed, bytes; null for none.
    memory_bytes_max: Option<u64>,
}

/// All of them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Processes {
    /// By tenant and applet.
    items: Vec<ProcessInfo>,
}

/// Processes of applets: those that have been called since the server started
#[utoipa::path(get, path = "/v1/processes", tag = "operations", responses((status = 200, body = Processes)))]
pub(super) async fn list(State(admin): State<Admin>) -> Json<Processes> {
    Json(Processes { items: admin.parts().dispatcher.host().process_status().into_iter().map(info).collect() })
}

/// End the processes of an applet, forget its failures and close an open circuit; the next call starts anew
///
/// Calls that are in them fail, and may be made again.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/processes/reset", tag = "operations",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn reset(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<StatusCode, ApiError> {
    if admin.parts().dispatcher.host().reset_processes(&tenant, &applet) {
        tracing::info!(%tenant, %applet, "processes were reset");
        return Ok(StatusCode::NO_CONTENT);
    }
    // An unknown applet is told from one that has had no process yet.
    admin.active(tenant.clone(), applet.clone()).await?;
    Err(ApiError::not_found(format!(
        "applet {applet} of tenant {tenant} has no process: it runs in the sandbox, or has not been called"
    )))
}

fn info(one: ProcessStatus) -> ProcessInfo {
    let status = one.status;
    ProcessInfo {
        tenant: one.tenant.to_string(),
        applet: one.applet.to_string(),
        version: one.version,
        digest: one.digest.to_hex(),
        engine: one.engine,
        program: one.program,
        state: status.state,
        reason: status.reason,
        for_ms: status.for_ms,
        failures: status.failures,
        retry_ms: status.retry_ms,
        processes: status.processes,
        jails: status.jails,
        calls: status.calls,
        memory_bytes_max: match one.memory_bytes_max {
            Bound::At(bytes) => Some(bytes),
            Bound::Unlimited => None,
        },
    }
}
