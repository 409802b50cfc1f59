//! The host for programs that are not asynchronous.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{Host, InstallError};
use crate::catalog::Release;
use crate::floor::fault::{Fault, FaultCode};
use crate::floor::ids::TenantId;
use crate::floor::usage::Usage;
use crate::invocation::{Invocation, Outcome, ValueError};

/// Why there is no [`BlockingHost`].
#[derive(Debug, thiserror::Error)]
pub enum BlockingError {
    /// The thread belongs to an async runtime.
    #[error(
        "Host::blocking is for programs without an async runtime, and this thread belongs to one: use the host's async functions there"
    )]
    InsideRuntime,
    /// No thread can be started.
    #[error("the threads of the host cannot be started")]
    Threads(#[source] std::io::Error),
}

/// A host whose functions block until they are done, for programs without an async runtime. Made by [`Host::blocking`].
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use belljar::{Host, Invocation, Payload, TenantId};
///
/// let host = Host::builder().build()?.blocking()?;
/// let release = host.install(TenantId::new("acme")?, &std::fs::read("pricing.belljar")?)?;
/// let outcome = host.invoke(&release, Invocation::new("default", Payload::Json("{}".into())));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BlockingHost {
    host: Host,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Host {
    /// The same host for callers that block. It has a small runtime of its own: one thread for what the host has under way.
    ///
    /// # Errors
    /// [`BlockingError::InsideRuntime`] on a thread of an async runtime, which must not be blocked.
    pub fn blocking(&self) -> Result<BlockingHost, BlockingError> {
        if Handle::try_current().is_ok() {
            return Err(BlockingError::InsideRuntime);
        }
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("belljar-blocking").enable_all().build();
        Ok(BlockingHost { host: self.clone(), runtime: Some(runtime.map_err(BlockingError::Threads)?) })
    }
}

impl BlockingHost {
    /// The host, for what it can do besides.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// As [`Host::install`].
    ///
    /// # Errors
    /// As there; [`InstallError::Fault`] with code `internal` on a thread of an async runtime.
    pub fn install(&self, tenant: TenantId, package: &[u8]) -> Result<Release, InstallError> {
        self.wait(self.host.install(tenant, package)).unwrap_or_else(|fault| Err(fault.into()))
    }

    /// As [`Host::invoke`]. On a thread of an async runtime the result is a fault of code `internal` that says so.
    pub fn invoke(&self, release: &Release, mut invocation: Invocation) -> Outcome {
        let id = invocation.id.get_or_insert_with(|| self.host.new_id()).clone();
        self.wait(self.host.invoke(release, invocation)).unwrap_or_else(|fault| Outcome {
            id,
            result: Err(fault),
            usage: Usage::default(),
        })
    }

    /// As [`Host::evaluate`].
    ///
    /// # Errors
    /// As there; [`ValueError::Fault`] with code `internal` on a thread of an async runtime.
    pub fn evaluate<T: DeserializeOwned>(&self, source: &str, context: &impl Serialize) -> Result<T, ValueError> {
        self.wait(self.host.evaluate(source, context)).unwrap_or_else(|fault| Err(fault.into()))
    }

    /// Waits on this thread; the one of the runtime does what the host has begun.
    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        match &self.runtime {
            Some(runtime) if Handle::try_current().is_err() => Ok(runtime.block_on(work)),
            _ => Err(Fault::new(
                FaultCode::Internal,
                "a BlockingHost was used on a thread of an async runtime, which must not be blocked: use Host there",
            )),
        }
    }
}

impl Drop for BlockingHost {
    fn drop(&mut self) {
        // To wait for its thread would panic where an async runtime drops it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
