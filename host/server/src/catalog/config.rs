//! What a tenant has set for an applet: checked against what the release in force declares, defaults filled in.

use belljar::package::{ConfigField, resolve_config, resolve_config_leniently};
use belljar::{AppletId, TenantId};
use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::audit::signed;
use super::install::{change, pending_digest};
use super::releases::{active_row, not_installed};
use super::{Catalog, CatalogError};

/// An applet's configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigInfo {
    /// What the applet declares.
    pub fields: Vec<ConfigField>,
    /// What the tenant has set.
    pub set: Map<String, Value>,
    /// What the applet sees.
    pub resolved: Map<String, Value>,
}

impl Catalog {
    /// What is declared, set and seen.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn config(&self, tenant: &TenantId, applet: &AppletId) -> Result<ConfigInfo, CatalogError> {
        let fields = self.declared(tenant, applet)?.descriptor.config.clone();
        let set = self.inner.store.read(|connection| set_of(connection, tenant, applet))?;
        Ok(ConfigInfo { resolved: resolve_config_leniently(&fields, &set), fields, set })
    }

    /// Sets all of an applet's configuration; what is left out has its default again.
    ///
    /// # Errors
    /// [`CatalogError::Config`] with everything that does not fit.
    pub fn set_config(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        set: Map<String, Value>,
        by: &str,
    ) -> Result<ConfigInfo, CatalogError> {
        let fields = self.declared(tenant, applet)?.descriptor.config.clone();
        let resolved = resolve_config(&fields, &set).map_err(CatalogError::Config)?;
        let at = self.now_us();
        let names: Vec<&String> = set.keys().collect();
        self.inner.store.write(|transaction| {
            put(transaction, tenant, applet, &set, at)?;
            // Names only: a value may be what should have been a secret.
            change(tenant, applet, by, "config", json!({ "set": names })).write(transaction, at)
        })?;
        self.forget_applet(tenant, applet);
        Ok(ConfigInfo { fields, set, resolved })
    }

    /// The package that says what can be set: that of the release in force, else the one that waits for approval.
    pub(super) fn declared(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
    ) -> Result<std::sync::Arc<belljar::package::Package>, CatalogError> {
        let digest = self.inner.store.read(|connection| match active_row(connection, tenant, applet)? {
            Some(active) => Ok(Some(active.digest)),
            None => pending_digest(connection, tenant, applet),
        })?;
        self.inner.package(&digest.ok_or_else(|| not_installed(tenant, applet))?)
    }
}

/// What the tenant has set.
pub(super) fn set_of(
    connection: &Connection,
    tenant: &TenantId,
    applet: &AppletId,
) -> Result<Map<String, Value>, CatalogError> {
    let sql = "SELECT \"values\" FROM config WHERE tenant = ?1 AND applet = ?2";
    let json: Option<String> =
        connection.prepare_cached(sql)?.query_row((tenant.as_str(), applet.as_str()), |row| row.get(0)).optional()?;
    let Some(json) = json else { return Ok(Map::new()) };
    serde_json::from_str(&json).map_err(|error| {
        CatalogError::Storage(format!("the configuration of {applet} of tenant {tenant} is not valid: {error}"))
    })
}

/// Writes what the tenant sets.
pub(super) fn put(
    connection: &Connection,
    tenant: &TenantId,
    applet: &AppletId,
    set: &Map<String, Value>,
    at_us: u64,
) -> Result<(), CatalogError> {
    let sql = "INSERT INTO config (tenant, applet, \"values\", updated_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET \"values\" = excluded.\"values\", updated_us = excluded.updated_us";
    let json = serde_json::to_string(set).expect("values of JSON can be written");
    connection.prepare_cached(sql)?.execute((tenant.as_str(), applet.as_str(), json, signed(at_us)))?;
    Ok(())
}
