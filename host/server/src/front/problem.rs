//! What a client is told when there is no answer of the applet's: a status and `{"error": {"code", "message", "invocation"}}`, which says
//! nothing of what is inside.

use std::borrow::Cow;

use belljar::{Fault, FaultCode, InvocationId};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::body::FrontBody;
use super::request::BodyProblem;
use crate::directory::Unavailable;
use crate::dispatch::Refused;

/// An error of a request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    headers: Vec<(header::HeaderName, Cow<'static, str>)>,
    /// For the author.
    details: Option<Value>,
    /// The connection is of no more use.
    pub(crate) closes: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), details: None, closes: false }
    }

    pub(crate) fn bad_request(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here")
    }

    pub(crate) fn method_not_allowed(allow: &[String]) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this method is not possible here")
            .with(header::ALLOW, allow.join(", "))
    }

    /// The caller is not known. `presented` says that a key was, which is not valid.
    pub(crate) fn unauthorized(presented: bool) -> Self {
        let (message, challenge) = match presented {
            true => ("the key is not valid", "Bearer realm=\"belljar\", error=\"invalid_token\""),
            false => ("a key is needed: send 'Authorization: Bearer KEY'", "Bearer realm=\"belljar\""),
        };
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message).with(header::WWW_AUTHENTICATE, challenge)
    }

    pub(crate) fn forbidden(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn body(problem: BodyProblem) -> Self {
        let (status, code) = match problem {
            BodyProblem::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            BodyProblem::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body-too-slow"),
            BodyProblem::Broken => (StatusCode::BAD_REQUEST, "bad-request"),
        };
        Self { closes: true, ..Self::new(status, code, problem.to_string()) }
    }

    pub(crate) fn refused(refused: &Refused) -> Self {
        let status = StatusCode::from_u16(refused.why.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let problem = Self::new(status, refused.why.as_str(), refused.why.to_string());
        match refused.retry_after_s {
            Some(seconds) => problem.with(header::RETRY_AFTER, seconds.to_string()),
            None => problem,
        }
    }

    /// A fault of an invocation. What the applet or the host says about it is in `details` only.
    pub(crate) fn fault(fault: &Fault, with_details: bool) -> Self {
        let (status, message) = match fault.code {
            FaultCode::InvalidPayload => (StatusCode::BAD_REQUEST, "the body is not what the applet takes"),
            FaultCode::Deadline => (StatusCode::GATEWAY_TIMEOUT, "the applet took too long"),
            FaultCode::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "the call was ended"),
            FaultCode::Interrupted => (StatusCode::SERVICE_UNAVAILABLE, "the applet was restarted"),
            FaultCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "the applet is not available"),
            FaultCode::Protocol => (StatusCode::BAD_GATEWAY, "the applet failed"),
            FaultCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "the server failed"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "the applet failed"),
        };
        let details = with_details.then(|| serde_json::to_value(fault).unwrap_or_default());
        let problem = Self { details, ..Self::new(status, fault.code.as_str(), message) };
        match fault.code {
            FaultCode::Interrupted | FaultCode::Unavailable => problem.with(header::RETRY_AFTER, "1"),
            _ => problem,
        }
    }

    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue", "the server has too much to do")
            .with(header::RETRY_AFTER, "1")
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate", "too many requests")
            .with(header::RETRY_AFTER, seconds.to_string())
    }

    fn with(mut self, name: header::HeaderName, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_response(self, invocation: &InvocationId) -> Response<FrontBody> {
        let mut error = json!({ "code": self.code, "message": self.message, "invocation": invocation.as_str() });
        if let Some(details) = self.details {
            error["details"] = details;
        }
        let mut response = Response::new(FrontBody::Whole(json!({ "error": error }).to_string().into()));
        *response.status_mut() = self.status;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        tracing::error!(error = %unavailable, "a request cannot be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the server cannot read its catalog")
            .with(header::RETRY_AFTER, "5")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_learn_nothing_of_the_inside() {
        let fault = Fault {
            code: FaultCode::Threw,
            message: "Error: secret".into(),
            limit: None,
            errors: Vec::new(),
            frames: Vec::new(),
        };
        assert!(Problem::fault(&fault, false).details.is_none());
        assert_eq!(Problem::fault(&fault, true).details.expect("details")["message"], "Error: secret");
        for code in FaultCode::ALL {
            let problem = Problem::fault(&Fault { code, ..fault.clone() }, false);
            assert!(
                !problem.message.contains("secret")
                    && problem.status.is_client_error() == (code == FaultCode::InvalidPayload),
                "{code}"
            );
        }
    }
}
