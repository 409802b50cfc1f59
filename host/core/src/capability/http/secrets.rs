//! Secrets that are bound to hosts: the applet has a placeholder, and the text takes its place on the way out, for one hop at a time.
//!
//! Placeholders stand in the values of headers. In a URL one is refused (URLs are logged everywhere); in a body it stays what it is,
//! and means nothing to anybody.

use http::header::{HeaderMap, HeaderValue};

use super::error::HttpError;
use super::policy::{Pattern, Target};
use super::zone::Zone;
use crate::capability::secrets::in_use::InUse;
use crate::floor::limits::{HttpLimits, LimitHit};

/// A URL that names a secret is not asked.
pub(super) fn check_url(in_use: &InUse, url: &str) -> Result<(), HttpError> {
    match in_use.placeholder_in(url) {
        Some(name) => Err(HttpError::Denied(format!(
            "secret {name:?} is in the URL: it can be sent in the value of a header only"
        ))),
        None => Ok(()),
    }
}

/// Puts secrets in the place of their placeholders, for this receiver.
///
/// # Errors
/// `Denied` when the receiver is no host of the secret, or the connection would not be encrypted; `Invalid` when its text cannot be part
/// of a header; `Limit`.
pub(super) fn fill(
    in_use: &InUse,
    headers: &mut HeaderMap,
    target: &Target,
    zone: Zone,
    limits: &HttpLimits,
) -> Result<(), HttpError> {
    let is_safe = target.url.scheme() == "https" || zone == Zone::Test;
    let may_have = |hosts: &[String]| is_safe && hosts.iter().any(|host| Pattern::new(host).matches(&target.host));
    let mut is_filled = false;
    for (name, value) in headers.iter_mut() {
        let filled = in_use.fill(value.as_bytes(), may_have).map_err(|misplaced| {
            let why = if is_safe { "is not bound to it" } else { "is sent over https: only" };
            HttpError::Denied(format!("secret {:?} may not be sent to host {}: it {why}", misplaced.name, target.host))
        })?;
        let Some(filled) = filled else { continue };
        let invalid =
            |_| HttpError::Invalid(format!("a secret in the header {name} has characters that a header cannot have"));
        *value = HeaderValue::from_bytes(&filled).map_err(invalid)?;
        // No table of header compression keeps it.
        value.set_sensitive(true);
        is_filled = true;
    }
    // Longer than it was when it was checked.
    if is_filled {
        let used = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() as u64;
        let allowed = limits.header_bytes_max;
        if used > allowed {
            return Err(HttpError::Limit(LimitHit { name: "http.header_bytes_max", allowed, used }));
        }
    }
    Ok(())
}
