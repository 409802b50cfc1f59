//! What nobody needs any more: data of applets uninstalled long ago, old releases, packages without a release, the audit trail's far end.
//!
//! Of an applet the releases go first, in one step with the decision: no release is left that would miss its tables. Then its data, then its
//! row: a process that dies in between finds the row and deletes the rest. Of packages the row goes first: a file without a row is found
//! by its name.

use std::collections::HashSet;
use std::sync::TryLockError;

use belljar::{AppletId, KvOwner, TenantId};
use rusqlite::OptionalExtension as _;
use serde::Serialize;

use super::audit::{signed, unsigned};
use super::install::change;
use super::lookup::key_of;
use super::{Catalog, CatalogError};
use crate::failpoint;

const DAY_US: u64 = 86_400_000_000;
/// A clock that has gone further than this since the last collection is not believed the first time.
const LEAP_US: u64 = 7 * DAY_US;
/// Where the time of the last collection is.
const COLLECTED: &str = "collected_us";

/// What was collected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Collected {
    /// Applets whose data was kept long enough, as `TENANT/APPLET`.
    pub applets: Vec<String>,
    /// Releases beyond those that are kept.
    pub releases: u64,
    /// Packages without a release.
    pub packages: u64,
    /// Bytes of those.
    pub package_bytes: u64,
    /// Entries of the operators' audit trail.
    pub audit_entries: u64,
    /// Whether the clock has leapt, so that nothing that depends on it was collected; the next collection believes it.
    pub clock_leapt: bool,
}

impl Catalog {
    /// Collects. Meant to be called every hour or so.
    ///
    /// # Errors
    /// [`CatalogError::Storage`]; what was collected before is gone, the rest is tried again next time.
    pub fn collect(&self) -> Result<Collected, CatalogError> {
        self.flush_key_uses()?;
        let now = self.now_us();
        let mut collected = Collected { clock_leapt: self.clock_has_leapt(now)?, ..Collected::default() };
        if !collected.clock_leapt {
            self.collect_applets(now, &mut collected)?;
            let old = now.saturating_sub(u64::from(self.inner.options.audit_days) * DAY_US);
            let sql = "DELETE FROM audit WHERE at_us < ?1";
            collected.audit_entries =
                self.inner.store.write(|transaction| Ok(transaction.execute(sql, [signed(old)])? as u64))?;
        }
        collected.releases = self.collect_releases()?;
        self.collect_packages(&mut collected)?;
        Ok(collected)
    }

    /// Deletes the data of an uninstalled applet now, instead of after the days for which it is kept.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when there is no such data; [`CatalogError::Conflict`] while it is installed.
    pub fn purge(&self, tenant: &TenantId, applet: &AppletId, by: &str) -> Result<(), CatalogError> {
        let _turn = self.inner.underway.turn(key_of(tenant, applet));
        if self.applet(tenant, applet)?.release.is_some() {
            return Err(CatalogError::Conflict(format!(
                "applet {applet} of tenant {tenant} is installed: uninstall it first"
            )));
        }
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let names = (tenant.as_str(), applet.as_str());
            transaction.execute(
                "UPDATE applets SET uninstalled_us = 0 WHERE tenant = ?1 AND applet = ?2 AND active_release IS NULL",
                names,
            )?;
            transaction.execute("DELETE FROM pending WHERE tenant = ?1 AND applet = ?2", names)?;
            transaction.execute("DELETE FROM releases WHERE tenant = ?1 AND applet = ?2", names)?;
            change(tenant, applet, by, "purge", serde_json::json!({})).write(transaction, at)
        })?;
        self.delete_data(tenant, applet, at)
    }

    /// Remembers the time. A clock that leaps forward would have all kept data be old at once.
    fn clock_has_leapt(&self, now: u64) -> Result<bool, CatalogError> {
        self.inner.store.write(|transaction| {
            let last = transaction
                .query_row("SELECT value FROM meta WHERE key = ?1", [COLLECTED], |row| row.get::<_, String>(0))
                .optional()?;
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
            transaction.execute(sql, (COLLECTED, now.to_string()))?;
            let last = last.and_then(|last| last.parse::<u64>().ok());
            Ok(last.is_some_and(|last| now.saturating_sub(last) > LEAP_US))
        })
    }

    fn collect_applets(&self, now: u64, collected: &mut Collected) -> Result<(), CatalogError> {
        let old = signed(now.saturating_sub(u64::from(self.inner.options.retention_days) * DAY_US));
        let sql = "SELECT tenant, applet FROM applets WHERE active_release IS NULL AND uninstalled_us <= ?1 ORDER BY tenant, applet";
        let gone: Vec<(String, String)> = self.inner.store.read(|connection| {
            let mut select = connection.prepare(sql)?;
            Ok(select.query_map([old], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })?;
        for (tenant, applet) in gone {
            let (tenant, applet) = (TenantId::new(tenant)?, AppletId::new(applet)?);
            let _turn = self.inner.underway.turn(key_of(&tenant, &applet));
            let is_doomed = self.inner.store.write(|transaction| {
                // It may have been installed again while this waited.
                let sql = "UPDATE applets SET uninstalled_us = 0 WHERE tenant = ?1 AND applet = ?2 AND active_release IS NULL AND uninstalled_us <= ?3";
                let is_doomed = transaction.execute(sql, (tenant.as_str(), applet.as_str(), old))? > 0;
                if is_doomed {
                    transaction.execute("DELETE FROM releases WHERE tenant = ?1 AND applet = ?2", (tenant.as_str(), applet.as_str()))?;
                }
                Ok(is_doomed)
            })?;
            if is_doomed {
                self.delete_data(&tenant, &applet, now)?;
                collected.applets.push(key_of(&tenant, &applet));
            }
        }
        Ok(())
    }

    /// Comes to the end of a deletion that has begun. The caller has the applet's turn.
    pub(super) fn finish_deletion(&self, tenant: &TenantId, applet: &AppletId) -> Result<(), CatalogError> {
        let sql =
            "SELECT 1 FROM applets WHERE tenant = ?1 AND applet = ?2 AND active_release IS NULL AND uninstalled_us = 0";
        let is_doomed = self
            .inner
            .store
            .read(|connection| Ok(connection.prepare_cached(sql)?.exists((tenant.as_str(), applet.as_str()))?))?;
        if is_doomed { self.delete_data(tenant, applet, self.now_us()) } else { Ok(()) }
    }

    /// Deletes the database, the keys and the values.
    pub(super) fn delete_stores(&self, tenant: &TenantId, applet: &AppletId) -> Result<(), CatalogError> {
        self.inner.databases.delete(tenant, applet)?;
        let Some(kv) = &self.inner.options.kv else { return Ok(()) };
        let owner = KvOwner { tenant: tenant.clone(), applet: applet.clone() };
        kv.delete_all(&owner).map_err(|error| CatalogError::io("keys and values cannot be deleted", &error))?;
        Ok(())
    }

    /// Deletes them and the row.
    pub(super) fn delete_data(&self, tenant: &TenantId, applet: &AppletId, now: u64) -> Result<(), CatalogError> {
        self.delete_stores(tenant, applet)?;
        failpoint::hit("collect.data-deleted");
        self.inner.store.write(|transaction| {
            transaction
                .execute("DELETE FROM applets WHERE tenant = ?1 AND applet = ?2", (tenant.as_str(), applet.as_str()))?;
            change(tenant, applet, "belljar", "data.delete", serde_json::json!({})).write(transaction, now)
        })
    }

    /// Releases beyond the newest ones, but for those in force.
    fn collect_releases(&self) -> Result<u64, CatalogError> {
        let sql = "DELETE FROM releases AS r WHERE
             number <= (SELECT releases_made FROM applets a WHERE a.tenant = r.tenant AND a.applet = r.applet) - ?1
             AND number IS NOT (SELECT active_release FROM applets a WHERE a.tenant = r.tenant AND a.applet = r.applet)";
        let kept = i64::from(self.inner.options.releases_kept) + 1;
        self.inner.store.write(|transaction| Ok(transaction.execute(sql, [kept])? as u64))
    }

    fn collect_packages(&self, collected: &mut Collected) -> Result<(), CatalogError> {
        // An installation has written a file that has no row yet: next time.
        let _files = match self.inner.files.try_write() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        let left: HashSet<String> = self.inner.store.write(|transaction| {
            let sql = "DELETE FROM packages WHERE digest NOT IN (SELECT digest FROM releases UNION SELECT digest FROM pending) RETURNING bytes";
            let mut delete = transaction.prepare(sql)?;
            for bytes in delete.query_map([], |row| row.get::<_, i64>(0))? {
                collected.packages += 1;
                collected.package_bytes += unsigned(bytes?);
            }
            let mut select = transaction.prepare("SELECT digest FROM packages")?;
            let left = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(left)
        })?;
        failpoint::hit("collect.rows-deleted");
        let packages = self.inner.dir.packages();
        let failed = |error: std::io::Error| CatalogError::io("packages cannot be collected", &error);
        for entry in std::fs::read_dir(&packages).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.strip_suffix(".belljar"));
            if digest.is_some_and(|digest| !left.contains(digest)) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        belljar_files::sync_directory(&packages).map_err(failed)
    }
}
