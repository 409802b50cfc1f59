//! The kv capability: one key-value store for each tenant and applet. This file owns its public face; it knows plain values only, neither the
//! engine nor the guest.
//!
//! ```text
//! KvStore ── run(KvOwner, KvOperation) ──> KvReply | CapabilityError        what an embedder may replace
//!     value      operations, values and answers
//!     session    operations of one invocation: counted, checked against its limits, within its deadline
//!     sqlite     the store there is: one file for all tenants
//!     writer     its one thread that writes: what is queued is committed together
//!     schema     its tables
//! ```

mod schema;
mod session;
mod sqlite;
#[cfg(test)]
mod tests;
mod value;
mod writer;

use std::future::Future;
use std::io;
use std::pin::Pin;

pub(crate) use session::KvSession;
pub use sqlite::SqliteKv;
pub use value::{KvBounds, KvEntry, KvKeys, KvOperation, KvOwner, KvReply, KvUsed, KvValue};

use super::refusal::CapabilityError;

/// What a store answers an operation with, some time.
pub type KvAnswer<'a> = Pin<Box<dyn Future<Output = Result<KvReply, CapabilityError>> + Send + 'a>>;

/// Keeps the keys and values of all tenants. What has been answered with success is not lost.
pub trait KvStore: Send + Sync + 'static {
    /// Does one operation of an applet. `now_ms` is the host's time, Unix time in milliseconds: what expires at or before it is not there.
    /// A future that is dropped may or may not have done its work.
    ///
    /// # Errors
    /// [`CapabilityError`]: `Limit` when the store would hold more than `bounds` allow, `Invalid` for an increment of what is no whole number,
    /// `Busy` when too much is queued, `Failed`.
    fn run(&self, owner: KvOwner, operation: KvOperation, bounds: KvBounds, now_ms: u64) -> KvAnswer<'_>;

    /// For the operator: what each applet that has keys takes up, ordered by tenant and applet; of one tenant when it is given. Expired keys
    /// count until they are swept. Blocks.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn used(&self, tenant: Option<&crate::TenantId>) -> io::Result<Vec<KvUsed>>;

    /// For the operator: forgets all keys of an applet, and answers how many there were. Blocks.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn delete_all(&self, owner: &KvOwner) -> io::Result<u64>;

    /// For the operator: hands all entries of an applet to `each`, in the order of their keys, as of one moment. Blocks.
    ///
    /// # Errors
    /// When the store cannot be read, or what `each` fails with, which ends it.
    fn export(&self, owner: &KvOwner, now_ms: u64, each: &mut dyn FnMut(KvEntry) -> io::Result<()>) -> io::Result<()>;

    /// For the operator: puts entries that were exported into an applet's store, over what is there, all or none. Blocks.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn import(&self, owner: &KvOwner, entries: Vec<KvEntry>) -> io::Result<()>;
}
