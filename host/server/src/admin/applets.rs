//! Installed applets: what there is, their releases, and whether they take calls.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use belljar::{AppletId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Admin;
use super::auth::By;
use super::error::{ApiError, Body, ErrorBody, OfApplet, OfTenant, Query};
use super::install::granted;
use super::operations::archive;
use crate::catalog::{AppletInfo, CatalogError, ReleaseInfo, RolledBack};

/// Applets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Applets {
    /// By tenant and name; uninstalled ones whose data is kept included.
    items: Vec<AppletInfo>,
}

/// Releases.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Releases {
    /// The newest first.
    items: Vec<ReleaseInfo>,
}

/// Which release to go back to.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackRequest {
    /// Its number; the one before the one in force when it is not given.
    to: Option<u64>,
}

/// How an applet is uninstalled.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UninstallQuery {
    /// Delete its data now, instead of after the time that it is kept.
    purge: bool,
}

/// All applets of all tenants
#[utoipa::path(get, path = "/v1/applets", tag = "applets", responses((status = 200, body = Applets)))]
pub(super) async fn list_all(State(admin): State<Admin>) -> Result<Json<Applets>, ApiError> {
    Ok(Json(Applets { items: admin.catalog(|catalog, _| catalog.applets(None)).await? }))
}

/// The applets of a tenant
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets", tag = "applets", params(("tenant" = String, Path)),
    responses((status = 200, body = Applets), (status = 404, body = ErrorBody)))]
pub(super) async fn list(State(admin): State<Admin>, OfTenant(tenant): OfTenant) -> Result<Json<Applets>, ApiError> {
    let found = admin.catalog(move |catalog, _| {
        catalog.tenant(&tenant)?;
        catalog.applets(Some(&tenant))
    });
    Ok(Json(Applets { items: found.await? }))
}

/// One applet
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = AppletInfo), (status = 404, body = ErrorBody)))]
pub(super) async fn show(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<AppletInfo>, ApiError> {
    Ok(Json(admin.catalog(move |catalog, _| catalog.applet(&tenant, &applet)).await?))
}

/// The releases of an applet that are kept
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}/releases", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = Releases), (status = 404, body = ErrorBody)))]
pub(super) async fn releases(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<Releases>, ApiError> {
    Ok(Json(Releases { items: admin.catalog(move |catalog, _| catalog.releases(&tenant, &applet)).await? }))
}

/// Grant exactly these rights, as far as they are asked for
#[utoipa::path(put, path = "/v1/tenants/{tenant}/applets/{applet}/grants", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)), request_body = Object,
    responses((status = 200, body = ReleaseInfo), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn set_grants(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Body(given): Body<Map<String, Value>>,
) -> Result<Json<ReleaseInfo>, ApiError> {
    let rights = granted(given)?;
    Ok(Json(admin.catalog(move |catalog, _| catalog.set_grants(&tenant, &applet, &rights, &by)).await?))
}

/// Go back to a release
///
/// Takes effect with the next request; those under way end with the release they began with.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/rollback", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)), request_body = RollbackRequest,
    responses((status = 200, body = RolledBack), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn rollback(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Body(request): Body<RollbackRequest>,
) -> Result<Json<RolledBack>, ApiError> {
    Ok(Json(
        admin.catalog(move |catalog, preparer| catalog.rollback(&tenant, &applet, request.to, &by, preparer)).await?,
    ))
}

/// Let an applet take calls
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/enable", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = AppletInfo), (status = 404, body = ErrorBody)))]
pub(super) async fn enable(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<AppletInfo>, ApiError> {
    switch(&admin, tenant, applet, by, true).await
}

/// Stop an applet: calls are refused until it is enabled
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/disable", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = AppletInfo), (status = 404, body = ErrorBody)))]
pub(super) async fn disable(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<AppletInfo>, ApiError> {
    switch(&admin, tenant, applet, by, false).await
}

async fn switch(
    admin: &Admin,
    tenant: TenantId,
    applet: AppletId,
    by: String,
    is_enabled: bool,
) -> Result<Json<AppletInfo>, ApiError> {
    let (of_tenant, of_applet) = (tenant.clone(), applet.clone());
    let changed = admin.catalog(move |catalog, preparer| {
        catalog.set_enabled(&of_tenant, &of_applet, is_enabled, &by, preparer)?;
        catalog.applet(&of_tenant, &of_applet)
    });
    let changed = changed.await?;
    if !is_enabled {
        admin.parts().dispatcher.end_calls(&tenant, Some(&applet));
    }
    Ok(Json(changed))
}

/// Uninstall an applet
///
/// Its data is kept for some time, unless it is purged: installing it again finds it.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/applets/{applet}", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path), UninstallQuery),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn uninstall(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Query(query): Query<UninstallQuery>,
) -> Result<StatusCode, ApiError> {
    let dispatcher = admin.parts().dispatcher.clone();
    let done = admin.catalog(move |catalog, preparer| {
        let uninstalled = catalog.uninstall(&tenant, &applet, &by, preparer);
        // No call goes on over data that may be purged.
        dispatcher.end_calls(&tenant, Some(&applet));
        match uninstalled {
            // What was uninstalled before can be purged afterwards.
            Err(CatalogError::NotFound(_)) if query.purge => {}
            done => done?,
        }
        if query.purge { catalog.purge(&tenant, &applet, &by) } else { Ok(()) }
    });
    done.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An applet's data as an archive
///
/// A tar of `db.sqlite`, `kv.jsonl` and `config.json`, as far as there are such.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}/export", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar"), (status = 404, body = ErrorBody)))]
pub(super) async fn export(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Response, ApiError> {
    let (of, name) = (tenant.clone(), applet.clone());
    // What is not there is told while there still is a status to tell it with.
    admin.catalog(move |catalog, _| catalog.applet(&of, &name)).await?;
    Ok(archive(&admin, move |catalog, out| catalog.export(&tenant, &applet, out)))
}
