//! Who sends a request. The default knows API keys of the catalog; an embedder can put something else in its place.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use http::request::Parts;

use crate::directory::{Directory, Identity, Unavailable};

/// What keys of ours begin with: other tokens are the applet's business.
pub(crate) const KEY_PREFIX: &str = "bj_";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Bytes of a key at most; longer ones are not looked up.
const KEY_BYTES_MAX: usize = 256;

/// Why a caller is not known.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// What was presented is not valid: unknown, revoked or expired.
    #[error("the key is not valid")]
    Invalid,
    /// It cannot be told now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Resolves to the caller; `None` when nothing was presented.
pub type Identifying<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<Identity>>, AuthError>> + Send + 'a>>;

/// Tells who sends a request. Asked for handlers that want to know.
pub trait Authenticator: Send + Sync + 'static {
    /// Looks at a request's head.
    fn identify<'a>(&'a self, head: &'a Parts) -> Identifying<'a>;
}

/// Knows the API keys of a directory: `Authorization: Bearer bj_…`, or `X-Api-Key: bj_…`.
pub struct KeyAuthenticator {
    directory: Arc<dyn Directory>,
}

impl std::fmt::Debug for KeyAuthenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyAuthenticator").finish_non_exhaustive()
    }
}

impl KeyAuthenticator {
    /// For keys of this directory.
    pub fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory }
    }

    fn look_up(&self, head: &Parts) -> Result<Option<Arc<Identity>>, AuthError> {
        let mut keys = keys(&head.headers);
        let Some(key) = keys.next() else { return Ok(None) };
        // Two keys are a mistake, or an attempt to be taken for two people.
        if key.len() > KEY_BYTES_MAX || keys.any(|other| other != key) {
            return Err(AuthError::Invalid);
        }
        self.directory.identity(key)?.map(Some).ok_or(AuthError::Invalid)
    }
}

impl Authenticator for KeyAuthenticator {
    fn identify<'a>(&'a self, head: &'a Parts) -> Identifying<'a> {
        let found = self.look_up(head);
        Box::pin(async { found })
    }
}

/// The keys of ours in a head.
fn keys(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    bearers.chain(headers.get_all(API_KEY).iter().filter_map(|value| key(value.as_bytes())))
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key(rest.trim_ascii()))?
}

fn key(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|key| key.starts_with(KEY_PREFIX))
}

/// Whether a header holds a key of ours, which is no business of the applet's.
pub(crate) fn is_key(name: &HeaderName, value: &[u8]) -> bool {
    (*name == AUTHORIZATION && bearer(value).is_some()) || (*name == API_KEY && key(value).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_other_tokens() {
        for (name, value, ours) in [
            ("authorization", "Bearer bj_x", true),
            ("authorization", "bearer  bj_x", true),
            ("authorization", "Bearer eyJ.a.b", false),
            ("authorization", "Basic bj_x", false),
            ("authorization", "bj_x", false),
            ("x-api-key", "bj_x", true),
            ("x-api-key", "other", false),
            ("cookie", "bj_x", false),
        ] {
            assert_eq!(is_key(&name.parse().expect("a name"), value.as_bytes()), ours, "{name}: {value}");
        }
    }
}
