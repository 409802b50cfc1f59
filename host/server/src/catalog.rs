//! What is installed: tenants, their applets and releases, grants, config, secrets and keys, on SQLite in the data directory. It answers the
//! request path through [`Directory`](crate::directory::Directory) and knows no engine and no HTTP.
//!
//! ```text
//! Catalog ── plan, install, approve, rollback, uninstall, … ──> the operator
//!     store      the file: one connection that writes, some that read
//!     schema     its tables, and upgrades
//!     packages   package files by digest, and who shares them in memory
//!     plan       what installing would mean; grants compares rights
//!     install    verify, decide, prepare, migrate, switch
//!     releases   what there was, rolling back, grants, enabling
//!     config, secrets, keys, hosts, tenants, audit
//!     lookup     the request path, through cache
//!     uninstall, collect     what is kept, and for how long
//!     backup, restore        all of it as one archive
//! ```
//!
//! All of it blocks: call it from a thread that may. What has returned is on the disk.

mod audit;
mod backup;
mod cache;
mod collect;
mod config;
mod error;
mod grants;
mod hosts;
mod install;
mod installed;
mod keys;
mod lookup;
mod packages;
mod plan;
mod releases;
mod restore;
mod schema;
mod seal;
mod secrets;
mod store;
mod tenants;
#[cfg(test)]
mod tests;
mod underway;
mod uninstall;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use belljar::package::Package;
use belljar::{AppletId, Databases, Digest, KvStore, Limits, ProcessConfig, Source, System, TenantId};

pub use audit::{AuditEntry, AuditQuery};
pub use backup::{BackupEntry, BackupReport};
pub use collect::Collected;
pub use config::ConfigInfo;
pub use error::{CatalogError, ErrorKind};
pub use grants::Risk;
pub use hosts::HostInfo;
pub use install::{Approval, Grant, Installation, Installed, PackageFrom};
pub use keys::{KeyInfo, NewKey};
pub use plan::{Plan, Preparer, Unprepared};
pub use releases::{AppletInfo, AppletState, PendingInfo, ReleaseInfo, RolledBack};
pub use restore::restore;
pub use seal::SecretsKey;
pub use secrets::SecretInfo;
pub use tenants::TenantInfo;

use crate::data_dir::DataDir;
use crate::directory::{Active, HostMapping};
use cache::Cache;
use keys::KnownKey;
use secrets::Keys;
use store::Store;
use underway::Underway;

/// Releases kept of each applet beside the active one, unless the options say otherwise.
pub const RELEASES_KEPT: u32 = 10;
/// Days an uninstalled applet's data is kept, unless the options say otherwise.
pub const RETENTION_DAYS: u32 = 30;
/// Days the audit trail of operators goes back, unless the options say otherwise.
pub const AUDIT_DAYS: u32 = 400;
/// Bytes of packages kept in memory, unless the options say otherwise.
pub const PACKAGES_BYTES_MAX: u64 = 256 << 20;
/// API keys kept in memory.
const NAMES_KEPT: u64 = 10_000;

/// How a catalog is opened.
#[derive(Clone)]
pub struct CatalogOptions {
    /// The most any applet gets.
    pub limits: Limits,
    /// Where the applets' keys and values are, if they may have any.
    pub kv: Option<Arc<dyn KvStore>>,
    /// The key that secrets are encrypted with.
    pub secrets_key: Option<SecretsKey>,
    /// Where time and randomness come from.
    pub source: Arc<dyn Source>,
    /// Releases kept of each applet beside the active one.
    pub releases_kept: u32,
    /// Days an uninstalled applet's data is kept.
    pub retention_days: u32,
    /// Days the audit trail of operators goes back.
    pub audit_days: u32,
    /// Bytes of packages kept in memory.
    pub packages_bytes_max: u64,
    /// Applets that run in processes, if they may be installed.
    pub processes: Option<ProcessConfig>,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            kv: None,
            secrets_key: None,
            source: Arc::new(System),
            releases_kept: RELEASES_KEPT,
            retention_days: RETENTION_DAYS,
            audit_days: AUDIT_DAYS,
            packages_bytes_max: PACKAGES_BYTES_MAX,
            processes: None,
        }
    }
}

impl std::fmt::Debug for CatalogOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CatalogOptions").field("secrets_key", &self.secrets_key).finish_non_exhaustive()
    }
}

/// The catalog. Clones are the same one.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    dir: Arc<DataDir>,
    store: Store,
    databases: Databases,
    options: CatalogOptions,
    /// In memory, as long as somebody uses them.
    packages: Mutex<HashMap<Digest, std::sync::Weak<Package>>>,
    active: Cache<Arc<Active>>,
    hosts: Cache<Arc<HashMap<String, HostMapping>>>,
    keys: Cache<Arc<KnownKey>>,
    /// When keys were used last, Unix time in microseconds, since it was written down.
    keys_used: Mutex<HashMap<String, u64>>,
    secrets_keys: RwLock<Keys>,
    underway: Underway,
    /// Held while files of packages are written or removed: an installation shares it, a collection has it alone.
    files: RwLock<()>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("dir", &self.inner.dir.path()).finish_non_exhaustive()
    }
}

impl Catalog {
    /// Opens the catalog of a data directory; reads nothing of the applets. `databases` are those of the same directory.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use belljar::{Databases, DatabasesConfig, TenantId};
    /// use belljar_server::catalog::{Catalog, CatalogOptions, Grant, Installation, PackageFrom, Unprepared};
    /// use belljar_server::data_dir::DataDir;
    /// use belljar_server::directory::Quotas;
    ///
    /// let dir = Arc::new(DataDir::open("data".as_ref())?);
    /// let databases = Databases::open(dir.path(), DatabasesConfig::default())?;
    /// let catalog = Catalog::open(dir, databases, CatalogOptions::default())?;
    /// let tenant = TenantId::new("acme")?;
    /// catalog.create_tenant(&tenant, Quotas::default(), "me")?;
    /// let package = PackageFrom::Bytes(std::fs::read("pricing.belljar")?);
    /// let installed = catalog.install(Installation::new(tenant, package, Grant::All, "me"), &Unprepared)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when a newer program wrote it, [`CatalogError::SecretsKey`] when its secrets are encrypted with another
    /// key, [`CatalogError::Storage`] when it cannot be read or written.
    pub fn open(dir: Arc<DataDir>, databases: Databases, options: CatalogOptions) -> Result<Self, CatalogError> {
        let store = Store::open(&dir.catalog())?;
        let inner = Inner {
            store,
            databases,
            packages: Mutex::default(),
            active: Cache::new(options.packages_bytes_max),
            hosts: Cache::new(1),
            keys: Cache::new(NAMES_KEPT),
            keys_used: Mutex::default(),
            secrets_keys: RwLock::new(Keys::new(options.secrets_key.clone())),
            underway: Underway::default(),
            files: RwLock::default(),
            dir,
            options,
        };
        let catalog = Self { inner: Arc::new(inner) };
        catalog.check_secrets_key()?;
        Ok(catalog)
    }

    /// The data directory.
    pub fn dir(&self) -> &Arc<DataDir> {
        &self.inner.dir
    }

    /// Looks for damage in the catalog's file, all of it: takes seconds for a large one.
    ///
    /// # Errors
    /// [`CatalogError::Storage`] with what was found.
    pub fn check(&self) -> Result<(), CatalogError> {
        self.inner.store.read(|connection| {
            let mut check = connection.prepare("PRAGMA quick_check(5)")?;
            let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            if found == ["ok"] {
                return Ok(());
            }
            Err(CatalogError::Storage(format!("the catalog is damaged, restore a backup: {}", found.join("; "))))
        })
    }

    fn now_us(&self) -> u64 {
        self.inner.options.source.now_us()
    }

    /// Of an applet, after its release, config or state was written.
    fn forget_applet(&self, tenant: &TenantId, applet: &AppletId) {
        self.inner.active.forget_one(&lookup::key_of(tenant, applet));
    }

    /// Of a tenant, after it was written.
    fn forget_tenant(&self, tenant: &TenantId) {
        let prefix = format!("{tenant}/");
        self.inner.active.forget(|key| key.starts_with(&prefix));
        self.inner.hosts.forget(|_| true);
        self.inner.keys.forget(|_| true);
    }
}
