//! One-off calls: an operator calls a handler as its trigger would, with the quotas and limits of every other call.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use belljar::{Body as RequestBody, Bytes, Collected, Fault, Invocation, Payload, Request, Response, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Admin;
use super::error::{ApiError, Body, ErrorBody, OfApplet};
use crate::dispatch::Refused;
use crate::schedule::Lane;

/// A one-off call: with a JSON payload, or with an HTTP request.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallRequest {
    /// The handler's name in the manifest.
    pub handler: String,
    /// What it is called with, any JSON; `{}` when neither this nor a request is given.
    pub payload: Option<Value>,
    /// An HTTP request instead.
    pub request: Option<HttpRequest>,
    /// On whose behalf.
    pub user: Option<String>,
}

/// An HTTP request that a handler is called with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// For example `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Pairs of name and value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as base64.
    pub body_base64: Option<String>,
}

/// What came of a call: `value`, `response` or `fault`, and what was used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CallAnswer {
    /// The invocation.
    pub invocation: String,
    /// Whether the handler answered.
    pub ok: bool,
    /// Its answer, if that is JSON; `null` for `undefined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Its answer, if that is an HTTP response: `{status, headers, body}`; a body that is not text is `body_base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub response: Option<Value>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fault: Option<Fault>,
    /// What was used.
    #[schema(value_type = Object)]
    pub usage: Usage,
}

/// Call a handler once
#[utoipa::path(post, path = "/v1/tenants/{tenant}/applets/{applet}/call", tag = "applets",
    params(("tenant" = String, Path), ("applet" = String, Path)), request_body = CallRequest,
    responses((status = 200, body = CallAnswer), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody),
        (status = 429, body = ErrorBody, description = "Over a quota"), (status = 503, body = ErrorBody, description = "Disabled, full, or stopping"), (status = 507, body = ErrorBody, description = "The tenant's storage is full")))]
pub(super) async fn call(
    State(admin): State<Admin>,
    OfApplet(tenant, applet): OfApplet,
    Body(asked): Body<CallRequest>,
) -> Result<Json<CallAnswer>, ApiError> {
    let active = admin.active(tenant, applet).await?;
    let mut invocation = Invocation::new(asked.handler, payload(asked.payload, asked.request)?);
    invocation.trigger = "one-off".into();
    invocation.user = asked.user;
    let mut sink = Collected::default();
    let outcome = admin.parts().dispatcher.call(&active, invocation, &mut sink, Lane::Admin).await.map_err(refused)?;
    let mut answer = CallAnswer {
        invocation: outcome.id.as_str().to_owned(),
        ok: outcome.result.is_ok(),
        value: None,
        response: None,
        fault: None,
        usage: outcome.usage,
    };
    match outcome.result {
        // What comes out of the sandbox should be JSON; if it is not, it is shown as text.
        Ok(Response::Value(json)) => {
            let json = json.unwrap_or_else(|| "null".to_owned());
            answer.value = Some(serde_json::from_str(&json).unwrap_or(Value::String(json)));
        }
        Ok(Response::Http(reply)) => answer.response = Some(response(reply.status, &reply.headers, &reply.body)),
        Ok(Response::Streamed(_)) => {
            answer.response = sink.into_reply().map(|reply| response(reply.status, &reply.headers, &reply.body));
        }
        Err(fault) => answer.fault = Some(fault),
    }
    Ok(Json(answer))
}

fn payload(payload: Option<Value>, request: Option<HttpRequest>) -> Result<Payload, ApiError> {
    let Some(request) = request else {
        return Ok(Payload::Json(payload.unwrap_or_else(|| json!({})).to_string()));
    };
    if payload.is_some() {
        return Err(ApiError::invalid("payload and request are both given: leave one out"));
    }
    let body: Bytes = match (request.body, request.body_base64) {
        (None, None) => Bytes::new(),
        (Some(text), None) => text.into(),
        (None, Some(text)) => STANDARD
            .decode(text)
            .map_err(|error| ApiError::invalid(format!("body_base64 is not base64: {error}")))?
            .into(),
        (Some(_), Some(_)) => return Err(ApiError::invalid("body and body_base64 are both given: leave one out")),
    };
    let headers = request.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    Ok(Payload::Request(Request { method: request.method, url: request.url, headers, body: RequestBody::Bytes(body) }))
}

fn response(status: u16, headers: &[(String, String)], body: &[u8]) -> Value {
    let mut object = json!({ "status": status, "headers": headers });
    match std::str::from_utf8(body) {
        Ok(text) => object["body"] = text.into(),
        Err(_) => object["body_base64"] = STANDARD.encode(body).into(),
    }
    object
}

fn refused(refused: Refused) -> ApiError {
    let status = StatusCode::from_u16(refused.why.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let details = json!({ "invocation": refused.id.as_str(), "retry_after_s": refused.retry_after_s });
    ApiError::new(status, refused.why.as_str(), refused.to_string()).details(details)
}
