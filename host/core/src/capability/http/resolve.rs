//! Names to addresses. A resolver is not trusted: whatever it answers is checked before it is dialled.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// An answer under way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of a name. Implement it to use another resolver, or to test.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `host`, a name in lower case (in ASCII form, without a trailing dot), in the order to try them. No
    /// address means that the name does not exist. Dropping the future gives up.
    fn resolve(&self, host: &str) -> Resolving;
}

/// The operating system's resolver, on tokio's threads for blocking work.
///
/// A lookup cannot be interrupted, and whoever runs the name servers of a granted host decides how long it takes. So the
/// lookups under way are bounded, the abandoned ones included; further ones wait (within their request's time).
#[derive(Debug, Clone)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl SystemResolver {
    /// At most `lookups_max` threads look up names at the same time.
    pub fn new(lookups_max: usize) -> Self {
        Self { lookups: Arc::new(Semaphore::new(lookups_max.min(Semaphore::MAX_PERMITS))) }
    }
}

impl Default for SystemResolver {
    /// 64 lookups at the same time.
    fn default() -> Self {
        Self::new(64)
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> Resolving {
        let (lookups, host) = (self.lookups.clone(), host.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = move || {
                // Held by the thread, not by whoever waits for it.
                let _permit = permit;
                (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|at| at.ip()).collect())
            };
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        })
    }
}
