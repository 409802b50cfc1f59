//! The releases of an applet: what there was, going back to one, other rights, and whether it takes calls.

use belljar::package::{LifecycleEvent, Permissions};
use belljar::{AppletId, Digest, Grants, Release, TenantId};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::Serialize;
use serde_json::json;

use super::audit::{signed, unsigned};
use super::grants::within;
use super::install::change;
use super::lookup::key_of;
use super::plan::Preparer;
use super::{Catalog, CatalogError, Inner, lookup, packages};
use crate::directory::Active;

/// One release, which never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ReleaseInfo {
    /// Counted from 1 for each tenant and applet.
    pub number: u64,
    /// The package's version.
    pub version: String,
    /// The package's digest, 64 hexadecimal digits.
    pub digest: String,
    /// What was granted.
    #[schema(value_type = Object)]
    pub grants: Permissions,
    /// When it was made, Unix time in microseconds.
    pub created_us: u64,
    /// By whom.
    pub created_by: String,
    /// Whether it is the one in force.
    pub is_active: bool,
}

/// How an applet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AppletState {
    /// It takes calls, if its tenant does.
    Enabled,
    /// It is installed and takes none.
    Disabled,
    /// It waits for its first approval.
    Pending,
    /// Its data is kept for a while.
    Uninstalled,
}

/// A package that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PendingInfo {
    /// The package's version.
    pub version: String,
    /// The package's digest, 64 hexadecimal digits.
    pub digest: String,
    /// When it came, Unix time in microseconds.
    pub asked_us: u64,
    /// From whom.
    pub asked_by: String,
}

/// One applet of one tenant, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AppletInfo {
    /// The tenant.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// The applet.
    #[schema(value_type = String)]
    pub applet: AppletId,
    /// How it stands.
    pub state: AppletState,
    /// The release in force.
    pub release: Option<ReleaseInfo>,
    /// What waits for approval.
    pub pending: Option<PendingInfo>,
    /// When it was uninstalled, Unix time in microseconds.
    pub uninstalled_us: Option<u64>,
}

/// What came of going back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RolledBack {
    /// The release that was in force.
    pub from: u64,
    /// The one that is.
    pub release: ReleaseInfo,
    /// Migrations that stay applied and that this release does not know: schemas go forward only.
    pub schema_ahead: Vec<String>,
}

impl Catalog {
    /// All applets, or those of one tenant, by name; uninstalled ones whose data is kept included.
    ///
    /// # Errors
    /// [`CatalogError::Storage`].
    pub fn applets(&self, tenant: Option<&TenantId>) -> Result<Vec<AppletInfo>, CatalogError> {
        self.inner.store.read(|connection| {
            let sql = format!("{APPLETS} WHERE (?1 IS NULL OR a.tenant = ?1) ORDER BY a.tenant, a.applet");
            let mut select = connection.prepare_cached(&sql)?;
            let rows = select.query_map([tenant.map(TenantId::as_str)], |row| Ok(applet_info(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// One applet.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn applet(&self, tenant: &TenantId, applet: &AppletId) -> Result<AppletInfo, CatalogError> {
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{APPLETS} WHERE a.tenant = ?1 AND a.applet = ?2"))?;
            let found = select.query_row((tenant.as_str(), applet.as_str()), |row| Ok(applet_info(row))).optional()?;
            found.ok_or_else(|| not_installed(tenant, applet))?
        })
    }

    /// The releases of an applet that are kept, the newest first.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn releases(&self, tenant: &TenantId, applet: &AppletId) -> Result<Vec<ReleaseInfo>, CatalogError> {
        self.applet(tenant, applet)?;
        self.inner.store.read(|connection| {
            let mut select = connection.prepare_cached(&format!("{RELEASES} ORDER BY r.number DESC"))?;
            let rows = select.query_map((tenant.as_str(), applet.as_str()), |row| Ok(release_info(row)))?;
            rows.map(|row| row?).collect()
        })
    }

    /// Goes back (or forth) to a release; without a number, to the one made before the one in force. Only a pointer moves: rights and
    /// package are those of that release, configuration, secrets and data are what they are now.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such release, [`CatalogError::Applet`] when it cannot be prepared any more.
    pub fn rollback(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        to: Option<u64>,
        by: &str,
        preparer: &dyn Preparer,
    ) -> Result<RolledBack, CatalogError> {
        let (from, target) = self.inner.store.read(|connection| {
            let active = active_row(connection, tenant, applet)?.ok_or_else(|| not_installed(tenant, applet))?;
            let sql = "SELECT number, version, digest, grants FROM releases
                 WHERE tenant = ?1 AND applet = ?2 AND CASE WHEN ?3 IS NULL THEN number < ?4 ELSE number = ?3 END ORDER BY number DESC LIMIT 1";
            let values = (tenant.as_str(), applet.as_str(), to.map(signed), signed(active.number));
            let row = connection.query_row(sql, values, |row| Ok(row_of(row))).optional()?.transpose()?;
            let row = row.ok_or_else(|| {
                CatalogError::NotFound(match to {
                    Some(number) => format!("applet {applet} of tenant {tenant} has no release {number}"),
                    None => format!("applet {applet} of tenant {tenant} has no release before {}", active.number),
                })
            })?;
            Ok((active.number, row))
        })?;
        let package = self.inner.package(&target.digest)?;
        let release = self.admit(tenant, &target, package.clone())?;
        preparer.prepare(&release).map_err(CatalogError::Applet)?;
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql = "UPDATE applets SET active_release = ?3 WHERE tenant = ?1 AND applet = ?2 AND active_release IS NOT NULL";
            if transaction.execute(sql, (tenant.as_str(), applet.as_str(), signed(target.number)))? == 0 {
                return Err(not_installed(tenant, applet));
            }
            change(tenant, applet, by, "rollback", json!({ "from": from, "to": target.number })).write(transaction, at)
        })?;
        self.forget_applet(tenant, applet);
        let applied = if package.descriptor.permissions.db {
            self.inner.databases.migrations_applied(tenant, applet)?
        } else {
            Vec::new()
        };
        let ships =
            |name: &String| package.files.contains_key(&format!("{}{name}", belljar::package::MIGRATIONS_FOLDER));
        let schema_ahead = applied.into_iter().filter(|name| !ships(name)).collect();
        Ok(RolledBack { from, release: info_of(&self.inner, tenant, applet, target.number)?, schema_ahead })
    }

    /// Grants these rights, as far as the package asks for them, and no others: a new release of the same package.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when it is not installed.
    pub fn set_grants(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        granted: &Permissions,
        by: &str,
    ) -> Result<ReleaseInfo, CatalogError> {
        let _turn = self.inner.underway.turn(key_of(tenant, applet));
        let active = self.inner.store.read(|connection| active_row(connection, tenant, applet))?;
        let active = active.ok_or_else(|| not_installed(tenant, applet))?;
        let granted = within(&self.inner.package(&active.digest)?.descriptor.permissions, granted);
        if granted == active.grants {
            return info_of(&self.inner, tenant, applet, active.number);
        }
        let at = self.now_us();
        let number = self.inner.store.write(|transaction| {
            let number = made(transaction, tenant, applet)? + 1;
            insert(transaction, tenant, applet, &New { number, digest: active.digest, version: &active.version, grants: &granted, by }, at)?;
            let sql = "UPDATE applets SET active_release = ?3, releases_made = ?3 WHERE tenant = ?1 AND applet = ?2 AND active_release = ?4";
            if transaction.execute(sql, (tenant.as_str(), applet.as_str(), signed(number), signed(active.number)))? == 0 {
                return Err(CatalogError::Conflict(format!("the release of {applet} in force has changed meanwhile: try again")));
            }
            change(tenant, applet, by, "grants", json!({ "release": number, "granted": granted })).write(transaction, at)?;
            Ok(number)
        })?;
        self.forget_applet(tenant, applet);
        info_of(&self.inner, tenant, applet, number)
    }

    /// Lets an applet take calls, or stops it.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when it is not installed.
    pub fn set_enabled(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        is_enabled: bool,
        by: &str,
        preparer: &dyn Preparer,
    ) -> Result<(), CatalogError> {
        let event = if is_enabled { LifecycleEvent::Enable } else { LifecycleEvent::Disable };
        let hook = self.hook(tenant, applet, event, preparer)?;
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql =
                "UPDATE applets SET is_enabled = ?3 WHERE tenant = ?1 AND applet = ?2 AND active_release IS NOT NULL";
            if transaction.execute(sql, (tenant.as_str(), applet.as_str(), is_enabled))? == 0 {
                return Err(not_installed(tenant, applet));
            }
            let action = if is_enabled { "enable" } else { "disable" };
            change(tenant, applet, by, action, json!({ "hook_failed": hook })).write(transaction, at)
        })?;
        self.forget_applet(tenant, applet);
        Ok(())
    }

    /// Calls a hook that cannot stop what it is told of; answers why it failed.
    pub(super) fn hook(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        event: LifecycleEvent,
        preparer: &dyn Preparer,
    ) -> Result<Option<String>, CatalogError> {
        let active = lookup::read_active(&self.inner, tenant, applet)?.ok_or_else(|| not_installed(tenant, applet))?;
        // The operator calls it, whether others may or not: `enable` comes before the applet is.
        let active = Active { is_enabled: true, ..active };
        Ok(preparer.lifecycle(&active, event).err())
    }

    fn admit(
        &self,
        tenant: &TenantId,
        row: &ActiveRow,
        package: std::sync::Arc<belljar::package::Package>,
    ) -> Result<Release, CatalogError> {
        let grants = Grants::all_asked(&row.grants);
        let release = Release::admit_decoded(tenant.clone(), package, row.digest, &grants, &self.inner.options.limits);
        release.map_err(|error| CatalogError::Invalid(error.to_string()))
    }
}

/// A release, as far as others need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActiveRow {
    pub(super) number: u64,
    pub(super) version: String,
    pub(super) digest: Digest,
    pub(super) grants: Permissions,
}

/// The release in force.
pub(super) fn active_row(
    connection: &Connection,
    tenant: &TenantId,
    applet: &AppletId,
) -> Result<Option<ActiveRow>, CatalogError> {
    let sql = "SELECT r.number, r.version, r.digest, r.grants FROM applets a
         JOIN releases r ON r.tenant = a.tenant AND r.applet = a.applet AND r.number = a.active_release
         WHERE a.tenant = ?1 AND a.applet = ?2";
    connection
        .prepare_cached(sql)?
        .query_row((tenant.as_str(), applet.as_str()), |row| Ok(row_of(row)))
        .optional()?
        .transpose()
}

fn row_of(row: &Row<'_>) -> Result<ActiveRow, CatalogError> {
    let (digest, grants): (String, String) = (row.get(2)?, row.get(3)?);
    Ok(ActiveRow {
        number: unsigned(row.get(0)?),
        version: row.get(1)?,
        digest: packages::digest_of(&digest)?,
        grants: grants_of(&grants)?,
    })
}

/// Rights from their column.
pub(super) fn grants_of(json: &str) -> Result<Permissions, CatalogError> {
    serde_json::from_str(json)
        .map_err(|error| CatalogError::Storage(format!("the grants of a release are not valid: {error}")))
}

/// Releases made so far.
pub(super) fn made(connection: &Connection, tenant: &TenantId, applet: &AppletId) -> Result<u64, CatalogError> {
    let sql = "SELECT releases_made FROM applets WHERE tenant = ?1 AND applet = ?2";
    let made =
        connection.prepare_cached(sql)?.query_row((tenant.as_str(), applet.as_str()), |row| row.get(0)).optional()?;
    Ok(unsigned(made.unwrap_or(0)))
}

/// A release that is about to be.
pub(super) struct New<'a> {
    pub(super) number: u64,
    pub(super) digest: Digest,
    pub(super) version: &'a str,
    pub(super) grants: &'a Permissions,
    pub(super) by: &'a str,
}

pub(super) fn insert(
    connection: &Connection,
    tenant: &TenantId,
    applet: &AppletId,
    new: &New<'_>,
    at_us: u64,
) -> Result<(), CatalogError> {
    let sql = "INSERT INTO releases (tenant, applet, number, digest, version, grants, created_us, created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let grants = serde_json::to_string(new.grants).expect("texts and numbers can be written");
    let values = (
        tenant.as_str(),
        applet.as_str(),
        signed(new.number),
        new.digest.to_hex(),
        new.version,
        grants,
        signed(at_us),
        new.by,
    );
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

const RELEASES: &str = "SELECT r.number, r.version, r.digest, r.grants, r.created_us, r.created_by, r.number IS a.active_release
    FROM releases r JOIN applets a ON a.tenant = r.tenant AND a.applet = r.applet WHERE r.tenant = ?1 AND r.applet = ?2";

/// One release.
pub(super) fn info_of(
    inner: &Inner,
    tenant: &TenantId,
    applet: &AppletId,
    number: u64,
) -> Result<ReleaseInfo, CatalogError> {
    inner.store.read(|connection| {
        let mut select = connection.prepare_cached(&format!("{RELEASES} AND r.number = ?3"))?;
        let found = select
            .query_row((tenant.as_str(), applet.as_str(), signed(number)), |row| Ok(release_info(row)))
            .optional()?;
        found.ok_or_else(|| {
            CatalogError::NotFound(format!("applet {applet} of tenant {tenant} has no release {number}"))
        })?
    })
}

fn release_info(row: &Row<'_>) -> Result<ReleaseInfo, CatalogError> {
    let ActiveRow { number, version, digest, grants } = row_of(row)?;
    let digest = digest.to_hex();
    Ok(ReleaseInfo {
        number,
        version,
        digest,
        grants,
        created_us: unsigned(row.get(4)?),
        created_by: row.get(5)?,
        is_active: row.get(6)?,
    })
}

const APPLETS: &str =
    "SELECT r.number, r.version, r.digest, r.grants, r.created_us, r.created_by, r.number IS NOT NULL,
    a.tenant, a.applet, a.is_enabled, a.uninstalled_us, p.digest, p.asked_us, p.asked_by, k.version
    FROM applets a
    LEFT JOIN releases r ON r.tenant = a.tenant AND r.applet = a.applet AND r.number = a.active_release
    LEFT JOIN pending p ON p.tenant = a.tenant AND p.applet = a.applet
    LEFT JOIN packages k ON k.digest = p.digest";

fn applet_info(row: &Row<'_>) -> Result<AppletInfo, CatalogError> {
    let release = if row.get(6)? { Some(release_info(row)?) } else { None };
    let uninstalled_us = row.get::<_, Option<i64>>(10)?.map(unsigned);
    let pending = match row.get::<_, Option<String>>(11)? {
        Some(digest) => Some(PendingInfo {
            digest,
            asked_us: unsigned(row.get(12)?),
            asked_by: row.get(13)?,
            version: row.get::<_, Option<String>>(14)?.unwrap_or_default(),
        }),
        None => None,
    };
    let state = match (&release, row.get(9)?, uninstalled_us) {
        (Some(_), true, _) => AppletState::Enabled,
        (Some(_), false, _) => AppletState::Disabled,
        (None, _, Some(_)) => AppletState::Uninstalled,
        (None, _, None) => AppletState::Pending,
    };
    Ok(AppletInfo {
        tenant: TenantId::new(row.get::<_, String>(7)?)?,
        applet: AppletId::new(row.get::<_, String>(8)?)?,
        state,
        release,
        pending,
        uninstalled_us,
    })
}

pub(super) fn not_installed(tenant: &TenantId, applet: &AppletId) -> CatalogError {
    CatalogError::NotFound(format!("tenant {tenant} has no applet {applet}"))
}
