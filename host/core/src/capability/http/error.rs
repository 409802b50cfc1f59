//! Why a request gave no response: the cases of `wit/http.wit`. What they say goes to the applet, so it never names an address
//! the applet did not name itself.

use crate::floor::limits::LimitHit;

/// Why a request gave no response. Every case is one of `wit/http.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The applet was not granted http.
    #[error("http is not granted: the manifest has no permissions.http, or the tenant did not grant it")]
    NotGranted,
    /// Scheme, host, port, method or address is not allowed; says which.
    #[error("{0}")]
    Denied(String),
    /// The URL, method or a header is malformed.
    #[error("{0}")]
    Invalid(String),
    /// The name has no address.
    #[error("{0}")]
    Dns(String),
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// No secure connection.
    #[error("{0}")]
    Tls(String),
    /// Time is up.
    #[error("time is up: {0}")]
    Timeout(LimitHit),
    /// A size or count is exceeded.
    #[error("{0}")]
    Limit(LimitHit),
    /// One redirect more than allowed.
    #[error("too many redirects: {0}")]
    TooManyRedirects(LimitHit),
    /// A redirect was met with [`Redirect::Error`](super::Redirect::Error).
    #[error("{0}")]
    Redirected(String),
    /// The other side broke off or did not speak HTTP.
    #[error("{0}")]
    Protocol(String),
}

#[cfg(test)]
impl HttpError {
    /// The name of the case in `wit/http.wit`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotGranted => "not-granted",
            Self::Denied(_) => "denied",
            Self::Invalid(_) => "invalid",
            Self::Dns(_) => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::Limit(_) => "limit",
            Self::TooManyRedirects(_) => "too-many-redirects",
            Self::Redirected(_) => "redirected",
            Self::Protocol(_) => "protocol",
        }
    }

    /// The limit that was hit, if one was.
    pub fn limit(&self) -> Option<&LimitHit> {
        match self {
            Self::Timeout(hit) | Self::Limit(hit) | Self::TooManyRedirects(hit) => Some(hit),
            _ => None,
        }
    }
}

/// Text of an applet's, or of another machine's, fit for a message: quoted, escaped, at most 100 characters of it.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(100).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}
