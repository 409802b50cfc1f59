//! Tenants: their quotas, and whether their applets take calls.

use belljar::TenantId;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::Serialize;
use serde_json::json;

use super::audit::{Change, signed, unsigned};
use super::{Catalog, CatalogError};
use crate::directory::{Quotas, Tenant};

/// A tenant as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TenantInfo {
    /// Its name.
    #[schema(value_type = String)]
    pub id: TenantId,
    /// Whether its applets take calls.
    pub is_enabled: bool,
    /// Its share.
    pub quotas: Quotas,
    /// Since when, Unix time in microseconds.
    pub created_us: u64,
    /// Applets installed.
    pub applets: u32,
}

impl Catalog {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when there is one of that name.
    pub fn create_tenant(&self, tenant: &TenantId, quotas: Quotas, by: &str) -> Result<(), CatalogError> {
        check_quotas(&quotas)?;
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql = "INSERT INTO tenants (tenant, quotas, created_us) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            if transaction.execute(sql, (tenant.as_str(), json(&quotas), signed(at)))? == 0 {
                return Err(CatalogError::Conflict(format!("there is a tenant {tenant} already")));
            }
            change(tenant, by, "tenant.create", json!({ "quotas": quotas })).write(transaction, at)
        })
    }

    /// All tenants, by name.
    ///
    /// # Errors
    /// [`CatalogError::Storage`].
    pub fn tenants(&self) -> Result<Vec<TenantInfo>, CatalogError> {
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} ORDER BY tenant"))?;
            let rows = select.query_map([], |row| Ok(info(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn tenant(&self, tenant: &TenantId) -> Result<TenantInfo, CatalogError> {
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{SELECT} WHERE tenant = ?1"))?;
            let found = select.query_row([tenant.as_str()], |row| Ok(info(row))).optional()?;
            found.ok_or_else(|| not_found(tenant))?
        })
    }

    /// Changes a tenant's share.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn set_quotas(&self, tenant: &TenantId, quotas: Quotas, by: &str) -> Result<(), CatalogError> {
        check_quotas(&quotas)?;
        self.update_tenant(
            tenant,
            "quotas",
            &json(&quotas),
            change(tenant, by, "tenant.quotas", json!({ "quotas": quotas })),
        )
    }

    /// Suspends a tenant (`false`): none of its applets takes calls until it is resumed.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn set_tenant_enabled(&self, tenant: &TenantId, is_enabled: bool, by: &str) -> Result<(), CatalogError> {
        let action = if is_enabled { "tenant.resume" } else { "tenant.suspend" };
        self.update_tenant(tenant, "is_enabled", &is_enabled, change(tenant, by, action, json!({})))
    }

    fn update_tenant(
        &self,
        tenant: &TenantId,
        column: &str,
        value: &dyn rusqlite::ToSql,
        change: Change<'_>,
    ) -> Result<(), CatalogError> {
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql = format!("UPDATE tenants SET {column} = ?2 WHERE tenant = ?1");
            if transaction.execute(&sql, (tenant.as_str(), value))? == 0 {
                return Err(not_found(tenant));
            }
            change.write(transaction, at)
        })?;
        self.forget_tenant(tenant);
        Ok(())
    }

    /// Removes a tenant that has no applets, with its keys and host names.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] while it has applets, or data that is kept of some.
    pub fn delete_tenant(&self, tenant: &TenantId, by: &str) -> Result<(), CatalogError> {
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let left: i64 =
                transaction
                    .query_row("SELECT count(*) FROM applets WHERE tenant = ?1", [tenant.as_str()], |row| row.get(0))?;
            if left > 0 {
                return Err(CatalogError::Conflict(format!(
                    "tenant {tenant} has {left} applets, uninstalled ones whose data is kept included"
                )));
            }
            if transaction.execute("DELETE FROM tenants WHERE tenant = ?1", [tenant.as_str()])? == 0 {
                return Err(not_found(tenant));
            }
            change(tenant, by, "tenant.delete", json!({})).write(transaction, at)
        })?;
        self.forget_tenant(tenant);
        Ok(())
    }
}

const SELECT: &str = "SELECT tenant, is_enabled, quotas, created_us,
    (SELECT count(*) FROM applets a WHERE a.tenant = tenants.tenant AND a.active_release IS NOT NULL) FROM tenants";

fn info(row: &Row<'_>) -> Result<TenantInfo, CatalogError> {
    let Tenant { id, is_enabled, quotas } = tenant_of(row.get(0)?, row.get(1)?, row.get(2)?)?;
    Ok(TenantInfo { id, is_enabled, quotas, created_us: unsigned(row.get(3)?), applets: row.get(4)? })
}

/// A tenant from its columns.
pub(super) fn tenant_of(id: String, is_enabled: bool, quotas: String) -> Result<Tenant, CatalogError> {
    let quotas = serde_json::from_str(&quotas)
        .map_err(|error| CatalogError::Storage(format!("the quotas of tenant {id} are not valid: {error}")))?;
    Ok(Tenant { id: TenantId::new(id)?, is_enabled, quotas })
}

/// Refuses to go on for a tenant that is not there.
pub(super) fn require(connection: &Connection, tenant: &TenantId) -> Result<(), CatalogError> {
    let found = connection.prepare_cached("SELECT 1 FROM tenants WHERE tenant = ?1")?.exists([tenant.as_str()])?;
    if found { Ok(()) } else { Err(not_found(tenant)) }
}

fn not_found(tenant: &TenantId) -> CatalogError {
    CatalogError::NotFound(format!("there is no tenant {tenant}"))
}

fn check_quotas(quotas: &Quotas) -> Result<(), CatalogError> {
    if (1..=1_000).contains(&quotas.weight) {
        return Ok(());
    }
    Err(CatalogError::Invalid(format!("a tenant's weight is 1 to 1,000, not {}", quotas.weight)))
}

fn json(quotas: &Quotas) -> String {
    serde_json::to_string(quotas).expect("numbers can be written")
}

fn change<'a>(tenant: &'a TenantId, by: &'a str, action: &'static str, detail: serde_json::Value) -> Change<'a> {
    Change { by, action, tenant: Some(tenant.as_str()), applet: None, detail }
}
