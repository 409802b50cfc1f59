//! Tokens: what an invocation shows when it asks the host for something. 256 random bits, known to one process and one invocation, dead
//! when that ends. What a token allows is the host's own value; nothing of it is read from the request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::capability::Capabilities;

const TOKEN_BYTES: usize = 32;

/// What a token stands for: an invocation that is going on.
pub(crate) struct Grant {
    pub(crate) applet: String,
    pub(crate) tenant: String,
    pub(crate) user: Option<String>,
    pub(crate) invocation: String,
    pub(crate) capabilities: Arc<dyn Capabilities>,
    /// Cancelled when the invocation has ended.
    pub(crate) ended: CancellationToken,
    calls_left: AtomicU32,
    deadline: Mutex<Instant>,
}

impl Grant {
    pub(crate) fn new(
        context: &crate::CallContext,
        capabilities: Arc<dyn Capabilities>,
        deadline: Instant,
        calls_max: u32,
    ) -> Self {
        Self {
            applet: context.applet.clone(),
            tenant: context.tenant.clone(),
            user: context.user.clone(),
            invocation: context.id.clone(),
            capabilities,
            ended: CancellationToken::new(),
            calls_left: AtomicU32::new(calls_max),
            deadline: Mutex::new(deadline),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        *locked(&self.deadline)
    }

    /// The answer is out: from here on another time counts.
    pub(crate) fn extend(&self, deadline: Instant) {
        *locked(&self.deadline) = deadline;
    }

    /// Takes one call; whether there was one left.
    pub(crate) fn take_call(&self) -> bool {
        self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("no token: send the one of the invocation as `authorization: Bearer …`")]
    Missing,
    #[error("this token belongs to no running invocation: it was made up, or its invocation has ended")]
    Unknown,
    #[error("the deadline of this token's invocation has passed")]
    Expired,
}

/// The tokens of one process.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<[u8; TOKEN_BYTES], Arc<Grant>>>);

impl Tokens {
    /// A new token for an invocation, as long as the lease is held.
    pub(crate) fn issue(self: &Arc<Self>, grant: Grant) -> std::io::Result<Lease> {
        let mut key = [0; TOKEN_BYTES];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        let grant = Arc::new(grant);
        locked(&self.0).insert(key, Arc::clone(&grant));
        Ok(Lease { tokens: Arc::clone(self), key, grant })
    }

    /// What the value of an `authorization` header stands for.
    pub(crate) fn find(&self, header: Option<&[u8]>, now: Instant) -> Result<Arc<Grant>, TokenError> {
        let text = header.and_then(|header| header.strip_prefix(b"Bearer ")).ok_or(TokenError::Missing)?;
        let mut key = [0; TOKEN_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut key) {
            Ok(TOKEN_BYTES) => {}
            Ok(_) | Err(_) => return Err(TokenError::Unknown),
        }
        // The map hashes with a random key, so that the time it takes tells nothing about the tokens in it.
        let grant = locked(&self.0).get(&key).cloned().ok_or(TokenError::Unknown)?;
        if now >= grant.deadline() { Err(TokenError::Expired) } else { Ok(grant) }
    }
}

/// Holds a token alive.
pub(crate) struct Lease {
    tokens: Arc<Tokens>,
    key: [u8; TOKEN_BYTES],
    pub(crate) grant: Arc<Grant>,
}

impl Lease {
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        locked(&self.tokens.0).remove(&self.key);
        self.grant.ended.cancel();
    }
}

/// Nothing that is done under these locks can panic half way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{CallContext, NoCapabilities};

    fn grant(deadline: Instant) -> Grant {
        let context = CallContext { tenant: "acme".into(), applet: "shop".into(), ..CallContext::default() };
        Grant::new(&context, Arc::new(NoCapabilities), deadline, 2)
    }

    #[tokio::test]
    async fn a_token_lives_as_long_as_its_invocation() {
        let tokens = Arc::new(Tokens::default());
        let now = Instant::now();
        let lease = tokens.issue(grant(now + Duration::from_secs(1))).expect("randomness");
        let header = format!("Bearer {}", lease.text());
        let find = |now| tokens.find(Some(header.as_bytes()), now).map(|grant| grant.tenant.clone());
        assert_eq!(find(now), Ok("acme".into()));
        assert_eq!(find(now + Duration::from_secs(1)), Err(TokenError::Expired));
        lease.grant.extend(now + Duration::from_secs(5));
        assert_eq!(find(now + Duration::from_secs(1)), Ok("acme".into()));
        let ended = lease.grant.ended.clone();
        drop(lease);
        assert!(ended.is_cancelled());
        assert_eq!(find(now), Err(TokenError::Unknown));
    }

    #[tokio::test]
    async fn what_is_made_up_is_refused() {
        let tokens = Arc::new(Tokens::default());
        let now = Instant::now();
        let lease = tokens.issue(grant(now + Duration::from_secs(1))).expect("randomness");
        let text = lease.text();
        let almost = format!("Bearer {}{}", &text[..text.len() - 2], if text.ends_with("AA") { "BA" } else { "AA" });
        for (header, error) in [
            (None, TokenError::Missing),
            (Some(text.as_bytes()), TokenError::Missing),
            (Some(almost.as_bytes()), TokenError::Unknown),
            (Some(b"Bearer ".as_slice()), TokenError::Unknown),
            (Some(b"Bearer \xff\xfe".as_slice()), TokenError::Unknown),
            (Some([b"Bearer ".as_slice(), &[b'A'; 4096]].concat().as_slice()), TokenError::Unknown),
        ] {
            assert_eq!(tokens.find(header, now).err(), Some(error), "{header:?}");
        }
    }

    #[tokio::test]
    async fn calls_are_counted() {
        let grant = grant(Instant::now());
        assert_eq!([grant.take_call(), grant.take_call(), grant.take_call()], [true, true, false]);
    }
}
