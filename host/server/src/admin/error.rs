//! What the admin API answers when it does not do what it was asked, and how it reads what it is asked: whatever is wrong with that has the
//! same shape.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use belljar::{AppletId, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::catalog::{CatalogError, ErrorKind};
use crate::history::QueryError;

/// The body of every error.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ErrorDetail {
    /// A stable name, for programs.
    pub code: String,
    /// What, where, and what to do; for people.
    pub message: String,
    /// More, depending on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}

/// An error with its status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Option<Value>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None }
    }

    pub(super) fn details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "this path has no such method: /openapi.json lists what there is";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message)
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed: its log says more")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorDetail { code: self.code.to_owned(), message: self.message, details: self.details };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let message = error.to_string();
        let status = match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let (code, details) = match error {
            CatalogError::NotFound(_) => ("not-found", None),
            CatalogError::Conflict(_) => ("conflict", None),
            CatalogError::Package(_) | CatalogError::Migrations(_) => ("invalid-package", None),
            CatalogError::Config(problems) => ("invalid-config", Some(json!({ "problems": problems }))),
            CatalogError::MissingSecrets { names } => ("missing-secrets", Some(json!({ "names": names }))),
            CatalogError::Migrate(_) if status == StatusCode::UNPROCESSABLE_ENTITY => ("migration-failed", None),
            CatalogError::Applet(_) => ("applet-failed", None),
            CatalogError::SecretsKey(_) => ("secrets-key", None),
            CatalogError::Storage(_) | CatalogError::Migrate(_) => ("storage", None),
            _ => ("invalid", None),
        };
        Self { details, ..Self::new(status, code, message) }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Invalid(message) => Self::invalid(message),
            QueryError::TooLong => Self::busy(error.to_string()),
            QueryError::Database(ref cause) => {
                tracing::warn!(error = %cause, "the history cannot be read");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", format!("{error}: {cause}"))
            }
        }
    }
}

impl From<belljar::InvalidId> for ApiError {
    fn from(error: belljar::InvalidId) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "too-large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
            _ => "invalid",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", rejection.body_text())
    }
}

/// A JSON body; what is none is an error of our shape.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(body) = Json::<T>::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// A query; what does not fit is an error of our shape.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Query(query) = axum::extract::Query::<T>::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// A tenant in the path.
pub(super) struct OfTenant(pub(super) TenantId);

impl<S: Send + Sync> FromRequestParts<S> for OfTenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let names = names(parts, state).await?;
        Ok(Self(TenantId::new(named(&names, "tenant"))?))
    }
}

/// An applet of a tenant in the path.
pub(super) struct OfApplet(pub(super) TenantId, pub(super) AppletId);

impl<S: Send + Sync> FromRequestParts<S> for OfApplet {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let names = names(parts, state).await?;
        Ok(Self(TenantId::new(named(&names, "tenant"))?, AppletId::new(named(&names, "applet"))?))
    }
}

/// Something in the path beside tenant and applet: `{name}`.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(named(&names(parts, state).await?, "name").to_owned()))
    }
}

async fn names<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<HashMap<String, String>, ApiError> {
    let path = axum::extract::Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
    path.map(|path| path.0).map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "invalid", error.body_text()))
}

fn named<'a>(names: &'a HashMap<String, String>, name: &str) -> &'a str {
    names.get(name).map(String::as_str).unwrap_or_default()
}
