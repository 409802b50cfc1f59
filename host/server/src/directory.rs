//! What the request path asks of the catalog: who is called, by whom, and within which limits. Answers are snapshots: a request that has
//! one keeps it to its end, whatever is installed meanwhile.

use std::sync::Arc;

use belljar::{AppletId, Release, TenantId};
use serde::{Deserialize, Serialize};

/// One applet of one tenant, as it is called now.
#[derive(Debug, Clone)]
pub struct Active {
    /// Package, grants and limits in force.
    pub release: Arc<Release>,
    /// Number of the immutable release, counted from 1 for each tenant and applet.
    pub release_number: u64,
    /// What the tenant has configured: a JSON object with every default filled in; empty when the applet declares none.
    pub config: Arc<str>,
    /// Whether it takes calls.
    pub is_enabled: bool,
    /// The tenant, as it stands.
    pub tenant: Arc<Tenant>,
}

/// A tenant as the request path sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Whether its applets take calls; `false` is the emergency stop.
    pub is_enabled: bool,
    /// Its share.
    pub quotas: Quotas,
}

/// What one tenant may use, all its applets together. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quotas {
    /// Invocations running or waiting for their turn at the same time.
    pub concurrent_max: Option<u32>,
    /// Fuel that may be burnt in a minute.
    pub fuel_per_minute_max: Option<u64>,
    /// Bytes of databases and key-value pairs on disk.
    pub storage_bytes_max: Option<u64>,
    /// Body bytes sent by outgoing http in a day.
    pub egress_bytes_per_day_max: Option<u64>,
    /// Log bytes kept in a day; what comes after is counted and dropped.
    pub log_bytes_per_day_max: Option<u64>,
    /// Share of the processors when there is not enough for all, 1 to 1,000; tenants of equal weight get equal shares.
    pub weight: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            concurrent_max: Some(200),
            fuel_per_minute_max: None,
            storage_bytes_max: Some(10 << 30),
            egress_bytes_per_day_max: None,
            log_bytes_per_day_max: Some(1 << 30),
            weight: 100,
        }
    }
}

/// A known caller: whoever presented a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tenant whose key it is; it opens no other tenant's applets.
    pub tenant: TenantId,
    /// The key's public name, for the audit trail.
    pub key: String,
    /// On whose behalf.
    pub user: String,
    /// The user's organisation.
    pub organisation: Option<String>,
    /// Permissions the user holds.
    pub permissions: Vec<String>,
    /// BCP 47 locale, if the user has chosen one.
    pub locale: Option<String>,
}

/// Where a host name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMapping {
    /// The tenant.
    pub tenant: TenantId,
    /// The applet, at the root of the host; `None` when the first segment of the path names it.
    pub applet: Option<AppletId>,
}

/// The catalog cannot answer: it is locked, damaged, or the disk fails. Callers get 503.
#[derive(Debug, thiserror::Error)]
#[error("the catalog cannot be read: {0}")]
pub struct Unavailable(pub String);

/// Answers the request path. Hits are answered from memory; a miss reads the disk, so call it from a blocking thread or accept some hundred
/// microseconds.
pub trait Directory: Send + Sync + 'static {
    /// The applet as it is called now; `None` when the tenant has none of that name.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn active(&self, tenant: &TenantId, applet: &AppletId) -> Result<Option<Arc<Active>>, Unavailable>;

    /// Where a host name (lower case, without port) leads, if it is mapped.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn host(&self, name: &str) -> Result<Option<HostMapping>, Unavailable>;

    /// Who presents this API key; `None` for an unknown, revoked or expired one.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn identity(&self, api_key: &str) -> Result<Option<Arc<Identity>>, Unavailable>;
}
