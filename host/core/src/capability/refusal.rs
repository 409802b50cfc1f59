//! Why a capability of the newer kind (`kv`, `secrets`, `events`, `jobs`, `custom`) did not do what it was asked: the cases of `refusal` in
//! `wit/types.wit`.

use crate::floor::limits::LimitHit;

/// Why it was not done. Texts go to the applet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// The applet was not granted the capability.
    #[error("it is not granted: the manifest does not ask for it, or the tenant did not grant it")]
    NotGranted,
    /// This host does not have it.
    #[error("not available on this host: {0}")]
    Unavailable(String),
    /// It is granted, but not this: an event, a secret or a host that is not named.
    #[error("{0}")]
    Denied(String),
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A limit was hit.
    #[error("{0}")]
    Limit(LimitHit),
    /// Too many others ask at the same time; it may be tried again.
    #[error("the host is busy: try again")]
    Busy,
    /// The host failed: what the applet may know of it.
    #[error("{0}")]
    Failed(String),
}

/// A limit that a figure is held against.
pub(crate) fn within(name: &'static str, allowed: u64, used: u64) -> Result<(), CapabilityError> {
    if used <= allowed { Ok(()) } else { Err(CapabilityError::Limit(LimitHit { name, allowed, used })) }
}
