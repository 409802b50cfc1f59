//! Host names that lead to tenants and applets.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belljar::{AppletId, TenantId};
use serde::{Deserialize, Serialize};

use super::Admin;
use super::auth::By;
use super::error::{ApiError, Body, ErrorBody, Named};
use crate::catalog::HostInfo;

/// Where a host name is to lead.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostRequest {
    /// The tenant.
    tenant: String,
    /// The applet at the root of the host; when it is not given, the first segment of the path names it.
    applet: Option<String>,
}

/// Host names.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Hosts {
    /// By name.
    items: Vec<HostInfo>,
}

/// All host names
#[utoipa::path(get, path = "/v1/hosts", tag = "hosts", responses((status = 200, body = Hosts)))]
pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<Hosts>, ApiError> {
    Ok(Json(Hosts { items: admin.catalog(|catalog, _| catalog.hosts(None)).await? }))
}

/// Have a host name lead to a tenant, or to one of its applets
#[utoipa::path(put, path = "/v1/hosts/{name}", tag = "hosts", params(("name" = String, Path)), request_body = HostRequest,
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn set(
    State(admin): State<Admin>,
    By(by): By,
    Named(name): Named,
    Body(request): Body<HostRequest>,
) -> Result<StatusCode, ApiError> {
    let tenant = TenantId::new(request.tenant)?;
    let applet = request.applet.map(AppletId::new).transpose()?;
    admin.catalog(move |catalog, _| catalog.map_host(&name, &tenant, applet.as_ref(), &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a host name away
#[utoipa::path(delete, path = "/v1/hosts/{name}", tag = "hosts", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn delete(State(admin): State<Admin>, By(by): By, Named(name): Named) -> Result<StatusCode, ApiError> {
    admin.catalog(move |catalog, _| catalog.unmap_host(&name, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}
