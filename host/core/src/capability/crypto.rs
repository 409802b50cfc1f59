//! The crypto capability: keys and ciphers of Web Cryptography that are computed on the host, by aws-lc-rs. This file owns its public
//! face; the parts below own one subject each. It knows plain values only, neither the engine nor the guest.
//!
//! ```text
//! Crypto ── session ──> CryptoSession ── run(CryptoOperation) ──> CryptoReply | CryptoError
//!     session    operations of one invocation: counted, bounded, on threads of their own; its table of keys
//!     key        what a key is: imported, generated, exported
//!     encoding   how keys are written: pkcs8 and spki
//!     aes        AES-GCM, CBC, CTR and key wrapping
//!     asymmetric signatures, RSA-OAEP, key agreement
//!     hash       digests and HMACs: no session, no threads
//! ```
//!
//! No primitive is written here. Where Web Cryptography asks for more than aws-lc-rs has a function for (tags and nonces of other sizes
//! in GCM, counters of fewer bits in CTR, any hash with any curve), it is composed of what there is, and `aes` and `asymmetric` say how.

mod aes;
mod asymmetric;
mod encoding;
mod hash;
mod key;
mod session;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use hash::{digest, hmac};
pub use session::CryptoSession;
pub(crate) use value::GENERATE_RANDOM_BYTES;
pub use value::{
    Cipher, CryptoError, CryptoOperation, CryptoReply, Hash, HashName, KeyDescription, KeyFormat, KeyKind, KeyRole,
    Scheme,
};

use crate::capability::http::HostBytes;
use crate::floor::limits::CryptoLimits;

/// Threads at work for all invocations of a host.
#[derive(Debug, Clone)]
pub struct Crypto {
    workers: Arc<Semaphore>,
}

impl Crypto {
    /// As many threads as there are processors, so that computation does not crowd out everything else.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers: Arc::new(Semaphore::new(processors)) }
    }

    /// Opens the capability for one invocation, with a table of keys of its own.
    pub fn session(&self, limits: CryptoLimits, host_bytes: HostBytes) -> CryptoSession {
        CryptoSession::new(self.workers.clone(), limits, host_bytes)
    }
}
