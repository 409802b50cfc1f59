//! API keys of callers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::auth::By;
use super::error::{ApiError, Body, ErrorBody, Named, OfTenant};
use crate::catalog::{CatalogError, KeyInfo, NewKey};

/// A key that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    /// What it is for, for people.
    #[serde(default)]
    label: String,
    /// On whose behalf calls with it are made.
    user: String,
    /// The user's organisation.
    organisation: Option<String>,
    /// Permissions the user holds.
    #[serde(default)]
    permissions: Vec<String>,
    /// BCP 47 locale of the user.
    locale: Option<String>,
    /// When it ends, Unix time in microseconds.
    expires_us: Option<u64>,
}

/// A key that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct KeyMade {
    /// What is known of it.
    info: KeyInfo,
    /// The key itself. It is shown this once.
    key: String,
}

/// Keys.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Keys {
    /// The newest first.
    items: Vec<KeyInfo>,
}

/// A tenant's keys, without the keys themselves
#[utoipa::path(get, path = "/v1/tenants/{tenant}/keys", tag = "keys", params(("tenant" = String, Path)),
    responses((status = 200, body = Keys), (status = 404, body = ErrorBody)))]
pub(super) async fn list(State(admin): State<Admin>, OfTenant(tenant): OfTenant) -> Result<Json<Keys>, ApiError> {
    Ok(Json(Keys { items: admin.catalog(move |catalog, _| catalog.keys(&tenant)).await? }))
}

/// Make a key
#[utoipa::path(post, path = "/v1/tenants/{tenant}/keys", tag = "keys", params(("tenant" = String, Path)), request_body = KeyRequest,
    responses((status = 201, body = KeyMade), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn create(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
    Body(request): Body<KeyRequest>,
) -> Result<(StatusCode, Json<KeyMade>), ApiError> {
    let KeyRequest { label, user, organisation, permissions, locale, expires_us } = request;
    let new = NewKey { tenant, label, user, organisation, permissions, locale, expires_us };
    let (info, key) = admin.catalog(move |catalog, _| catalog.create_key(&new, &by)).await?;
    Ok((StatusCode::CREATED, Json(KeyMade { info, key: key.to_string() })))
}

/// End a key, from the next request on
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/keys/{name}", tag = "keys",
    params(("tenant" = String, Path), ("name" = String, Path, description = "The key's id")),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn revoke(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
    Named(id): Named,
) -> Result<StatusCode, ApiError> {
    let done = admin.catalog(move |catalog, _| {
        if catalog.key(&id)?.tenant != tenant {
            return Err(CatalogError::NotFound(format!("tenant {tenant} has no key {id}")));
        }
        catalog.revoke_key(&id, &by)
    });
    done.await?;
    Ok(StatusCode::NO_CONTENT)
}
