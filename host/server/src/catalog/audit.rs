//! Who changed what, and when. An entry is written in the transaction of the change itself, and never holds a secret.

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::Value;

use super::{Catalog, CatalogError};

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Counts up.
    pub id: i64,
    /// When, Unix time in microseconds.
    pub at_us: u64,
    /// Who.
    pub by: String,
    /// What, such as `install` or `key.revoke`.
    pub action: String,
    /// Of which tenant, if of one.
    pub tenant: Option<String>,
    /// Of which applet, if of one.
    pub applet: Option<String>,
    /// More.
    pub detail: Value,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Of one tenant.
    pub tenant: Option<String>,
    /// Older than this one.
    pub before_id: Option<i64>,
    /// How many; at most 1,000.
    pub limit: u32,
}

/// A change, before it is written.
pub(super) struct Change<'a> {
    pub(super) by: &'a str,
    pub(super) action: &'static str,
    pub(super) tenant: Option<&'a str>,
    pub(super) applet: Option<&'a str>,
    pub(super) detail: Value,
}

impl Change<'_> {
    /// Writes it in the transaction of what it tells.
    pub(super) fn write(&self, transaction: &Connection, at_us: u64) -> Result<(), CatalogError> {
        let sql = "INSERT INTO audit (at_us, by, action, tenant, applet, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let detail = self.detail.to_string();
        transaction.prepare_cached(sql)?.execute((
            signed(at_us),
            self.by,
            self.action,
            self.tenant,
            self.applet,
            detail,
        ))?;
        Ok(())
    }
}

impl Catalog {
    /// The newest changes first.
    ///
    /// # Errors
    /// [`CatalogError::Storage`].
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, CatalogError> {
        let sql = "SELECT id, at_us, by, action, tenant, applet, detail FROM audit
             WHERE (?1 IS NULL OR tenant = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3";
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(sql)?;
            let rows = select
                .query_map((&query.tenant, query.before_id.unwrap_or(i64::MAX), query.limit.clamp(1, 1_000)), entry)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let detail: String = row.get(6)?;
    Ok(AuditEntry {
        id: row.get(0)?,
        at_us: unsigned(row.get(1)?),
        by: row.get(2)?,
        action: row.get(3)?,
        tenant: row.get(4)?,
        applet: row.get(5)?,
        detail: serde_json::from_str(&detail).unwrap_or(Value::Null),
    })
}

/// As SQLite keeps it: times before the year 294,000.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The reverse of [`signed`].
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
