//! Who may ask: whoever has the token. Health and the description of the API are for everybody who reaches the listener.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::{Admin, BY_HEADER};

/// Characters of a name in the audit trail.
const BY_CHARACTERS_MAX: usize = 100;
/// Paths without the token.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/openapi.json"];

pub(super) async fn check(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let header = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let token = header.and_then(|value| {
        let (scheme, token) = value.split_at_checked("bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    match token {
        Some(token) if admin.parts().token.is(token.trim_ascii()) => next.run(request).await,
        Some(_) => refused("the token is not the one of this server").into_response(),
        None => refused("send the admin token: `authorization: Bearer TOKEN`").into_response(),
    }
}

fn refused(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// For whom a client acts, as it says: there is one token, so nobody vouches for it.
pub(super) struct By(pub(super) String);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(BY_HEADER) else { return Ok(Self("admin".to_owned())) };
        let text = value.to_str().unwrap_or_default().trim();
        if text.is_empty() || text.len() > BY_CHARACTERS_MAX {
            return Err(ApiError::invalid(format!(
                "the header {BY_HEADER} is 1 to {BY_CHARACTERS_MAX} visible ASCII characters"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}
