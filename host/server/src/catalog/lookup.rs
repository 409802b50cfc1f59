//! The request path: who is called, by whom, from memory or from the disk.

use std::sync::Arc;

use belljar::package::resolve_config_leniently;
use belljar::{AppletId, Grants, Release, TenantId};
use rusqlite::OptionalExtension as _;
use serde_json::{Map, Value};

use super::audit::unsigned;
use super::packages::{Known, digest_of};
use super::releases::grants_of;
use super::tenants::tenant_of;
use super::{Catalog, CatalogError, Inner};
use crate::directory::{Active, Directory, HostMapping, Identity, Tenant, Unavailable};

impl Directory for Catalog {
    fn active(&self, tenant: &TenantId, applet: &AppletId) -> Result<Option<Arc<Active>>, Unavailable> {
        let key = key_of(tenant, applet);
        if let Some(active) = self.inner.active.get(&key) {
            return Ok(Some(active));
        }
        let epoch = self.inner.active.epoch();
        let Some(active) = read_active(&self.inner, tenant, applet).map_err(unavailable)? else { return Ok(None) };
        let active = Arc::new(active);
        let weight = Known::weight(active.release.package()) + active.config.len() as u64;
        self.inner.active.keep(key, active.clone(), weight, epoch);
        Ok(Some(active))
    }

    fn host(&self, name: &str) -> Result<Option<HostMapping>, Unavailable> {
        self.mapping(name).map_err(unavailable)
    }

    fn identity(&self, api_key: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
        self.identify(api_key).map_err(unavailable)
    }
}

fn unavailable(error: CatalogError) -> Unavailable {
    Unavailable(error.to_string())
}

/// An applet of a tenant, in one text.
pub(super) fn key_of(tenant: &TenantId, applet: &AppletId) -> String {
    format!("{tenant}/{applet}")
}

/// The applet as it is called now, read from the disk.
pub(super) fn read_active(inner: &Inner, tenant: &TenantId, applet: &AppletId) -> Result<Option<Active>, CatalogError> {
    struct Found {
        is_enabled: bool,
        number: u64,
        digest: String,
        grants: String,
        tenant_is_enabled: bool,
        quotas: String,
        config: Option<String>,
    }
    let sql = "SELECT a.is_enabled, r.number, r.digest, r.grants, t.is_enabled, t.quotas, c.\"values\" FROM applets a
         JOIN tenants t ON t.tenant = a.tenant
         JOIN releases r ON r.tenant = a.tenant AND r.applet = a.applet AND r.number = a.active_release
         LEFT JOIN config c ON c.tenant = a.tenant AND c.applet = a.applet
         WHERE a.tenant = ?1 AND a.applet = ?2";
    let found = inner.store.read(|connection| {
        let found = connection.prepare_cached(sql)?.query_row((tenant.as_str(), applet.as_str()), |row| {
            Ok(Found {
                is_enabled: row.get(0)?,
                number: unsigned(row.get(1)?),
                digest: row.get(2)?,
                grants: row.get(3)?,
                tenant_is_enabled: row.get(4)?,
                quotas: row.get(5)?,
                config: row.get(6)?,
            })
        });
        Ok(found.optional()?)
    })?;
    let Some(found) = found else { return Ok(None) };
    let digest = digest_of(&found.digest)?;
    let package = inner.package(&digest)?;
    let grants = Grants::all_asked(&grants_of(&found.grants)?);
    let release = Release::admit_decoded(tenant.clone(), package, digest, &grants, &inner.options.limits);
    let release = release.map_err(|error| {
        CatalogError::Storage(format!("applet {applet} of tenant {tenant} cannot be read: {error}"))
    })?;
    let set: Map<String, Value> = match &found.config {
        Some(json) => serde_json::from_str(json).map_err(|error| {
            CatalogError::Storage(format!("the configuration of {applet} of tenant {tenant} is not valid: {error}"))
        })?,
        None => Map::new(),
    };
    let tenant = tenant_of(tenant.to_string(), found.tenant_is_enabled, found.quotas)?;
    Ok(Some(active(release, found.number, found.is_enabled, tenant, &set)))
}

/// A release as it would be called if it were in force.
pub(super) fn active_of(
    inner: &Inner,
    tenant: &TenantId,
    release: Release,
    number: u64,
    set: &Map<String, Value>,
) -> Result<Active, CatalogError> {
    let tenant = inner.store.read(|connection| {
        let columns = connection.query_row(
            "SELECT is_enabled, quotas FROM tenants WHERE tenant = ?1",
            [tenant.as_str()],
            |row| Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?)),
        );
        let (is_enabled, quotas) = columns?;
        tenant_of(tenant.to_string(), is_enabled, quotas)
    })?;
    Ok(active(release, number, true, tenant, set))
}

fn active(release: Release, release_number: u64, is_enabled: bool, tenant: Tenant, set: &Map<String, Value>) -> Active {
    let config = Value::Object(resolve_config_leniently(&release.package().descriptor.config, set)).to_string();
    Active { release: Arc::new(release), release_number, config: config.into(), is_enabled, tenant: Arc::new(tenant) }
}
