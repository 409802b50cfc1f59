//! What a tenant sets for an applet: config, and secrets, whose values go in and never come out.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use belljar::SecretText;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Admin;
use super::auth::By;
use super::error::{ApiError, Body, ErrorBody, Named, OfApplet};
use crate::catalog::{ConfigInfo, SecretInfo};

/// An applet's config.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Config {
    /// What the applet declares.
    #[schema(value_type = Vec<Object>)]
    fields: Value,
    /// What the tenant has set.
    #[schema(value_type = Object)]
    set: Map<String, Value>,
    /// What the applet sees: defaults filled in.
    #[schema(value_type = Object)]
    resolved: Map<String, Value>,
}

/// An applet's secrets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Secrets {
    /// Declared and set ones, by name; never their values.
    items: Vec<SecretInfo>,
}

/// The value of a secret.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretValue {
    /// The text.
    value: String,
}

impl From<ConfigInfo> for Config {
    fn from(info: ConfigInfo) -> Self {
        // Our own plain data: it can be written.
        Self { fields: serde_json::to_value(info.fields).unwrap_or_default(), set: info.set, resolved: info.resolved }
    }
}

/// An applet's config
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}/config", tag = "values",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = Config), (status = 404, body = ErrorBody)))]
pub(super) async fn config(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<Config>, ApiError> {
    Ok(Json(admin.catalog(move |catalog, _| catalog.config(&tenant, &applet)).await?.into()))
}

/// Replace an applet's config
///
/// What is left out has its default again. Takes effect with the next call.
#[utoipa::path(put, path = "/v1/tenants/{tenant}/applets/{applet}/config", tag = "values",
    params(("tenant" = String, Path), ("applet" = String, Path)), request_body = Object,
    responses((status = 200, body = Config), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn set_config(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Body(set): Body<Map<String, Value>>,
) -> Result<Json<Config>, ApiError> {
    Ok(Json(admin.catalog(move |catalog, _| catalog.set_config(&tenant, &applet, set, &by)).await?.into()))
}

/// An applet's secrets, without their values
#[utoipa::path(get, path = "/v1/tenants/{tenant}/applets/{applet}/secrets", tag = "values",
    params(("tenant" = String, Path), ("applet" = String, Path)),
    responses((status = 200, body = Secrets), (status = 404, body = ErrorBody)))]
pub(super) async fn secrets(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
) -> Result<Json<Secrets>, ApiError> {
    Ok(Json(Secrets { items: admin.catalog(move |catalog, _| catalog.secrets(&tenant, &applet)).await? }))
}

/// Set a secret
#[utoipa::path(put, path = "/v1/tenants/{tenant}/applets/{applet}/secrets/{name}", tag = "values",
    params(("tenant" = String, Path), ("applet" = String, Path), ("name" = String, Path)), request_body = SecretValue,
    responses((status = 204), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn set_secret(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Named(name): Named,
    Body(secret): Body<SecretValue>,
) -> Result<StatusCode, ApiError> {
    let text = SecretText::new(secret.value);
    admin.catalog(move |catalog, _| catalog.set_secret(&tenant, &applet, &name, text, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a secret
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/applets/{applet}/secrets/{name}", tag = "values",
    params(("tenant" = String, Path), ("applet" = String, Path), ("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn delete_secret(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Named(name): Named,
) -> Result<StatusCode, ApiError> {
    admin.catalog(move |catalog, _| catalog.delete_secret(&tenant, &applet, &name, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}
