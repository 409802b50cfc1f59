//! Installing: what it would mean, doing it, and the word about what waits for approval.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belljar::package::{PACKAGE_BYTES_MAX, Permissions};
use belljar::{Digest, SecretText, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Admin;
use super::auth::By;
use super::error::{ApiError, Body, ErrorBody, OfApplet, OfTenant, Query};
use crate::catalog::{Approval, CatalogError, Grant, Installation, Installed, PackageFrom, Plan, ReleaseInfo};

/// A package and what goes with it. A package alone can be sent as `application/octet-stream` instead.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallRequest {
    /// The package file, base64.
    pub package: String,
    /// Which rights: see [`GrantRequest`].
    #[serde(default)]
    pub grant: GrantRequest,
    /// Configuration in place of what is set.
    #[schema(value_type = Option<Object>)]
    pub config: Option<Map<String, Value>>,
    /// Secrets to set, by their names.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub secrets: Map<String, Value>,
}

/// Rights that are granted: `"standing"` (what was decided before; more waits for approval), `"all"` that is asked for, or permissions.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum GrantRequest {
    /// `standing` or `all`.
    Word(GrantWord),
    /// These, as far as they are asked for; what is left out is not granted.
    #[schema(value_type = Object)]
    Only(Map<String, Value>),
    /// As `standing`.
    #[default]
    Nothing,
}

/// A grant in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GrantWord {
    /// What was decided before.
    Standing,
    /// All that is asked for.
    All,
}

/// How a package alone is installed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InstallQuery {
    /// For `application/octet-stream`: `standing` or `all`.
    grant: Option<GrantWord>,
}

/// What came of an installation.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InstallAnswer {
    /// `active`: the release is in force; `unchanged`: it was already; `pending`: it waits for approval.
    pub state: &'static str,
    /// The release in force, unless it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseInfo>,
    /// Migrations that were applied.
    pub migrations: Vec<String>,
    /// What it asks for, when it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

/// A word about a package that waits.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApproveRequest {
    /// The package that was looked at; the one that waits when it is not given.
    digest: Option<String>,
    /// Which rights.
    #[serde(default)]
    grant: GrantRequest,
    /// Configuration in place of what is set.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Secrets to set, by their names.
    #[serde(default)]
    #[schema(value_type = Object)]
    secrets: Map<String, Value>,
}

impl GrantRequest {
    fn grant(self) -> Result<Grant, ApiError> {
        Ok(match self {
            Self::Nothing | Self::Word(GrantWord::Standing) => Grant::Standing,
            Self::Word(GrantWord::All) => Grant::All,
            Self::Only(given) => Grant::Only(granted(given)?),
        })
    }
}

/// Permissions out of those that are named; all others are not given.
///
/// # Errors
/// What is no permission, or not written as one.
pub fn permissions(given: Map<String, Value>) -> Result<Permissions, serde_json::Error> {
    let mut whole = serde_json::to_value(Permissions::default())?;
    if let Value::Object(whole) = &mut whole {
        whole.extend(given);
    }
    serde_json::from_value(whole)
}

/// As [`permissions`], for what a client has sent.
pub(super) fn granted(given: Map<String, Value>) -> Result<Permissions, ApiError> {
    permissions(given).map_err(|error| ApiError::invalid(format!("these are no permissions: {error}")))
}

/// What installing a package would mean
///
/// Changes nothing.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/plan", tag = "install", params(("tenant" = String, Path), InstallQuery),
    request_body(content((InstallRequest = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = Plan), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn plan(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
    Query(query): Query<InstallQuery>,
    request: Request,
) -> Result<Json<Plan>, ApiError> {
    let _permit = admin.inner.installs.clone().acquire_owned().await.map_err(|_| ApiError::internal())?;
    let installation = installation(tenant, request, &query, by).await?;
    Ok(Json(admin.catalog(move |catalog, _| catalog.plan(&installation)).await?))
}

/// Install or update an applet
///
/// Sending the same package again changes nothing. What fails leaves the release in force as it was.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/install", tag = "install", params(("tenant" = String, Path), InstallQuery),
    request_body(content((InstallRequest = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 200, body = InstallAnswer), (status = 202, body = InstallAnswer, description = "It waits for approval"),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 413, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn install(
    State(admin): State<Admin>,
    By(by): By,
    OfTenant(tenant): OfTenant,
    Query(query): Query<InstallQuery>,
    request: Request,
) -> Result<(StatusCode, Json<InstallAnswer>), ApiError> {
    let _permit = admin.inner.installs.clone().acquire_owned().await.map_err(|_| ApiError::internal())?;
    let installation = installation(tenant, request, &query, by).await?;
    Ok(answer(admin.catalog(move |catalog, preparer| catalog.install(installation, preparer)).await?))
}

/// Install what waits for approval
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/approve", tag = "install",
    params(("tenant" = String, Path), ("applet" = String, Path)), request_body = ApproveRequest,
    responses((status = 200, body = InstallAnswer), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
pub(super) async fn approve(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
    Body(request): Body<ApproveRequest>,
) -> Result<(StatusCode, Json<InstallAnswer>), ApiError> {
    let (secrets, grant) = (secrets(request.secrets)?, request.grant.grant()?);
    let digest = request.digest.map(|text| digest(&text)).transpose()?;
    let done = admin.catalog(move |catalog, preparer| {
        let digest = match digest {
            Some(digest) => digest,
            None => {
                let pending = catalog.applet(&tenant, &applet)?.pending;
                let nothing =
                    || CatalogError::NotFound(format!("no package of {applet} waits for approval at tenant {tenant}"));
                let text = pending.ok_or_else(nothing)?.digest;
                digest_of(&text).ok_or_else(nothing)?
            }
        };
        let approval = Approval { tenant, applet, digest, grant, config: request.config, secrets, by };
        catalog.approve(approval, preparer)
    });
    Ok(answer(done.await?))
}

/// Drop what waits for approval
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/reject", tag = "install",
    params(("tenant" = String, Path), ("applet" = String, Path)), responses((status = 204), (status = 404, body = ErrorBody)))]
pub(super) async fn reject(
    State(admin): State<Admin>,
    By(by): By,
    OfApplet(tenant, applet): OfApplet,
) -> Result<StatusCode, ApiError> {
    admin.catalog(move |catalog, _| catalog.reject(&tenant, &applet, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(installed: Installed) -> (StatusCode, Json<InstallAnswer>) {
    let (status, answer) = match installed {
        Installed::Active { release, migrations } => {
            (StatusCode::OK, InstallAnswer { state: "active", release: Some(release), migrations, plan: None })
        }
        Installed::Unchanged { release } => (
            StatusCode::OK,
            InstallAnswer { state: "unchanged", release: Some(release), migrations: Vec::new(), plan: None },
        ),
        Installed::Pending { plan } => (
            StatusCode::ACCEPTED,
            InstallAnswer { state: "pending", release: None, migrations: Vec::new(), plan: Some(*plan) },
        ),
    };
    (status, Json(answer))
}

/// Reads what is to be installed, in either form. Base64 is a third longer.
async fn installation(
    tenant: TenantId,
    request: Request,
    query: &InstallQuery,
    by: String,
) -> Result<Installation, ApiError> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let bytes_max = PACKAGE_BYTES_MAX / 3 * 4 + (1 << 20);
    let bytes = axum::body::to_bytes(request.into_body(), bytes_max).await.map_err(|error| {
        let message = format!("the package cannot be read: {error}; packages have at most {PACKAGE_BYTES_MAX} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
    })?;
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/octet-stream" => {
            let grant = query.grant.map_or(GrantRequest::Nothing, GrantRequest::Word).grant()?;
            Ok(Installation::new(tenant, PackageFrom::Bytes(bytes.into()), grant, by))
        }
        "application/json" => {
            let request: InstallRequest = serde_json::from_slice(&bytes)
                .map_err(|error| ApiError::invalid(format!("the body is not what is asked for: {error}")))?;
            drop(bytes);
            let package = STANDARD
                .decode(&request.package)
                .map_err(|error| ApiError::invalid(format!("package is not base64: {error}")))?;
            let grant = query.grant.map_or(request.grant, GrantRequest::Word).grant()?;
            let secrets = secrets(request.secrets)?;
            Ok(Installation {
                config: request.config,
                secrets,
                ..Installation::new(tenant, PackageFrom::Bytes(package), grant, by)
            })
        }
        _ => {
            let message =
                "send the package as application/octet-stream, or application/json with the package as base64";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", message))
        }
    }
}

fn secrets(given: Map<String, Value>) -> Result<Vec<(String, SecretText)>, ApiError> {
    let read = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, SecretText::new(text))),
        _ => Err(ApiError::invalid(format!("secret {name:?} is no text"))),
    };
    given.into_iter().map(read).collect()
}

fn digest(text: &str) -> Result<Digest, ApiError> {
    digest_of(text).ok_or_else(|| ApiError::invalid(format!("{text:?} is no digest: 64 hexadecimal digits")))
}

fn digest_of(text: &str) -> Option<Digest> {
    blake3::Hash::from_hex(text).ok().map(|hash| Digest::from_bytes(*hash.as_bytes()))
}
