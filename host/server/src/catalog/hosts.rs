//! Host names that lead to a tenant, or to one of its applets.

use std::collections::HashMap;
use std::sync::Arc;

use belljar::package::rules;
use belljar::{AppletId, TenantId};
use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;
use serde_json::json;

use super::audit::Change;
use super::{Catalog, CatalogError, tenants};
use crate::directory::HostMapping;

/// The one key under which the names are kept.
const ALL: &str = "";

/// A host name, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HostInfo {
    /// Lower case, without port.
    pub name: String,
    /// The tenant.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// The applet at the root of the host; `None` when the path names it.
    #[schema(value_type = Option<String>)]
    pub applet: Option<AppletId>,
}

impl Catalog {
    /// Has a host name lead to a tenant, or to one of its applets.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when it leads to another tenant, [`CatalogError::Invalid`] when it is no host name.
    pub fn map_host(
        &self,
        name: &str,
        tenant: &TenantId,
        applet: Option<&AppletId>,
        by: &str,
    ) -> Result<(), CatalogError> {
        let name = name.to_ascii_lowercase();
        if let Err(rule) = rules::host(&name) {
            return Err(CatalogError::Invalid(format!("the host {name:?} is not valid: {rule}")));
        }
        if name.contains('*') {
            return Err(CatalogError::Invalid(format!("the host {name:?} is not valid: name each host")));
        }
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            tenants::require(transaction, tenant)?;
            let sql = "INSERT INTO hosts (name, tenant, applet) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET applet = excluded.applet WHERE tenant = excluded.tenant";
            if transaction.execute(sql, (&name, tenant.as_str(), applet.map(AppletId::as_str)))? == 0 {
                return Err(CatalogError::Conflict(format!("the host {name} leads to another tenant: unmap it there")));
            }
            change(by, "host.map", tenant, applet, &name).write(transaction, at)
        })?;
        self.inner.hosts.forget(|_| true);
        Ok(())
    }

    /// Has a host name lead nowhere.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn unmap_host(&self, name: &str, by: &str) -> Result<(), CatalogError> {
        let name = name.to_ascii_lowercase();
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let found = transaction.query_row(
                "DELETE FROM hosts WHERE name = ?1 RETURNING name, tenant, applet",
                [&name],
                |row| Ok(info(row)),
            );
            let found = found
                .optional()?
                .ok_or_else(|| CatalogError::NotFound(format!("the host {name:?} is not mapped")))??;
            change(by, "host.unmap", &found.tenant, found.applet.as_ref(), &name).write(transaction, at)
        })?;
        self.inner.hosts.forget(|_| true);
        Ok(())
    }

    /// All host names, or those of one tenant.
    ///
    /// # Errors
    /// [`CatalogError::Storage`].
    pub fn hosts(&self, tenant: Option<&TenantId>) -> Result<Vec<HostInfo>, CatalogError> {
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT name, tenant, applet FROM hosts WHERE ?1 IS NULL OR tenant = ?1 ORDER BY name",
            )?;
            let rows = select.query_map([tenant.map(TenantId::as_str)], |row| Ok(info(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// Where a host name leads.
    pub(super) fn mapping(&self, name: &str) -> Result<Option<HostMapping>, CatalogError> {
        Ok(self.mappings()?.get(name).cloned())
    }

    /// All of them, from memory: names come from callers, and the one of this server itself is most often none of them.
    fn mappings(&self) -> Result<Arc<HashMap<String, HostMapping>>, CatalogError> {
        if let Some(known) = self.inner.hosts.get(ALL) {
            return Ok(known);
        }
        let epoch = self.inner.hosts.epoch();
        let all = self
            .hosts(None)?
            .into_iter()
            .map(|HostInfo { name, tenant, applet }| (name, HostMapping { tenant, applet }));
        let all = Arc::new(all.collect::<HashMap<_, _>>());
        self.inner.hosts.keep(ALL.to_owned(), all.clone(), 1, epoch);
        Ok(all)
    }
}

fn info(row: &Row<'_>) -> Result<HostInfo, CatalogError> {
    let applet: Option<String> = row.get(2)?;
    Ok(HostInfo {
        name: row.get(0)?,
        tenant: TenantId::new(row.get::<_, String>(1)?)?,
        applet: applet.map(AppletId::new).transpose()?,
    })
}

fn change<'a>(
    by: &'a str,
    action: &'static str,
    tenant: &'a TenantId,
    applet: Option<&'a AppletId>,
    name: &str,
) -> Change<'a> {
    Change {
        by,
        action,
        tenant: Some(tenant.as_str()),
        applet: applet.map(AppletId::as_str),
        detail: json!({ "host": name }),
    }
}
