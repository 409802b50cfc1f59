//! Tenants and their quotas.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belljar::TenantId;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::auth::By;
use super::error::{ApiError, Body, ErrorBody, OfTenant};
use crate::catalog::TenantInfo;
use crate::directory::Quotas;

/// A tenant that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// Its name: 1 to 63 characters a–z, 0–9 and `-`.
    id: String,
    /// Its share; the defaults when it is not given.
    quotas: Option<Quotas>,
}

/// All tenants.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Tenants {
    /// By name.
    items: Vec<TenantInfo>,
}

/// All tenants
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", responses((status = 200, body = Tenants)))]
pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<Tenants>, ApiError> {
    Ok(Json(Tenants { items: admin.catalog(|catalog, _| catalog.tenants()).await? }))
}

/// Make a tenant
#[utoipa::path(post, path = "/v1/tenants", tag = "tenants", request_body = NewTenant,
    responses((status = 201, body = TenantInfo), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn create(
    State(admin): State<Admin>,
    By(by): By,
    Body(new): Body<NewTenant>,
) -> Result<(StatusCode, Json<TenantInfo>), ApiError> {
    let tenant = TenantId::new(new.id)?;
    let made = admin.catalog(move |catalog, _| {
        catalog.create_tenant(&tenant, new.quotas.unwrap_or_default(), &by)?;
        catalog.tenant(&tenant)
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// One tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 200, body = TenantInfo), (status = 404, body = ErrorBody)))]
pub(super) async fn show(State(admin): State<Admin>, OfTenant(tenant): OfTenant) -> Result<Json<TenantInfo>, ApiError> {
    Ok(Json(admin.catalog(move |catalog, _| catalog.tenant(&tenant)).await?))
}

/// Delete a tenant that has no applets
#[utoipa::path(delete, path = "/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn delete(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
) -> Result<StatusCode, ApiError> {
    admin.catalog(move |catalog, _| catalog.delete_tenant(&tenant, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace a tenant's quotas
#[utoipa::path(put, path = "/v1/tenants/{tenant}/quotas", tag = "tenants", params(("tenant" = String, Path)), request_body = Quotas,
    responses((status = 200, body = TenantInfo), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn set_quotas(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
    Body(quotas): Body<Quotas>,
) -> Result<Json<TenantInfo>, ApiError> {
    let changed = admin.catalog(move |catalog, _| {
        catalog.set_quotas(&tenant, quotas, &by)?;
        catalog.tenant(&tenant)
    });
    Ok(Json(changed.await?))
}

/// Stop all applets of a tenant
#[utoipa::path(post, path = "/v1/tenants/{tenant}/suspend", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 200, body = TenantInfo), (status = 404, body = ErrorBody)))]
pub(super) async fn suspend(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
) -> Result<Json<TenantInfo>, ApiError> {
    switch(&admin, tenant, by, false).await
}

/// Let a suspended tenant's applets take calls again
#[utoipa::path(post, path = "/v1/tenants/{tenant}/resume", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 200, body = TenantInfo), (status = 404, body = ErrorBody)))]
pub(super) async fn resume(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
) -> Result<Json<TenantInfo>, ApiError> {
    switch(&admin, tenant, by, true).await
}

async fn switch(admin: &Admin, tenant: TenantId, by: String, is_enabled: bool) -> Result<Json<TenantInfo>, ApiError> {
    let named = tenant.clone();
    let changed = admin.catalog(move |catalog, _| {
        catalog.set_tenant_enabled(&named, is_enabled, &by)?;
        catalog.tenant(&named)
    });
    let changed = changed.await?;
    if !is_enabled {
        admin.parts().dispatcher.end_calls(&tenant, None);
    }
    Ok(Json(changed))
}
