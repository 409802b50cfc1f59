//! Installing: verify, decide, prepare, migrate, call the hook, switch. What fails before the switch leaves the release in force as it was.
//!
//! Preparing comes before migrating, because it is what fails more often and it touches nothing: when the database is migrated, nothing is
//! left but the hook and one transaction of the catalog. A process that dies in between leaves a database that is ahead of its release, as
//! after rolling back; installing again finds the migrations applied and goes on. Of a first installation it leaves the data of an applet that
//! counts as uninstalled.

use std::sync::PoisonError;

use belljar::package::{LifecycleEvent, Permissions};
use belljar::{AppletId, Digest, Grants, MigrationStep, Release, SecretText, TenantId};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Map, Value, json};

use super::audit::{Change, signed};
use super::grants::within;
use super::lookup::key_of;
use super::plan::{Plan, Planned, Preparer};
use super::releases::{ReleaseInfo, active_row};
use super::{Catalog, CatalogError, config, lookup, packages, releases};
use crate::failpoint;

/// Which package.
#[derive(Debug, Clone)]
pub enum PackageFrom {
    /// The package file.
    Bytes(Vec<u8>),
    /// One that is stored already, because somebody has it installed or it waits for approval.
    Stored(Digest),
}

/// What the operator decides about rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// What was decided before stands. A package that asks for more waits for approval.
    Standing,
    /// All that the package asks for.
    All,
    /// These, as far as the package asks for them; what it asks for beside is refused.
    Only(Permissions),
}

/// An installation, or an update.
#[derive(Debug, Clone)]
pub struct Installation {
    /// For whom.
    pub tenant: TenantId,
    /// What.
    pub package: PackageFrom,
    /// With which rights.
    pub grant: Grant,
    /// Configuration in place of what is set; `None` leaves that.
    pub config: Option<Map<String, Value>>,
    /// Secrets to set with it.
    pub secrets: Vec<(String, SecretText)>,
    /// Who does it, for the audit trail.
    pub by: String,
}

impl Installation {
    /// One that leaves configuration and secrets as they are.
    pub fn new(tenant: TenantId, package: PackageFrom, grant: Grant, by: impl Into<String>) -> Self {
        Self { tenant, package, grant, config: None, secrets: Vec::new(), by: by.into() }
    }
}

/// An operator's word about a package that waits.
#[derive(Debug, Clone)]
pub struct Approval {
    /// For whom it was installed.
    pub tenant: TenantId,
    /// The applet.
    pub applet: AppletId,
    /// The package that was looked at: another one that came meanwhile is not approved.
    pub digest: Digest,
    /// Which rights; [`Grant::Standing`] refuses all that is new.
    pub grant: Grant,
    /// Configuration in place of what is set; `None` leaves that.
    pub config: Option<Map<String, Value>>,
    /// Secrets to set with it.
    pub secrets: Vec<(String, SecretText)>,
    /// Who approves, for the audit trail.
    pub by: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Installed {
    /// This release is in force.
    Active {
        /// The release.
        release: ReleaseInfo,
        /// Migrations that were applied.
        migrations: Vec<String>,
    },
    /// The same package with the same rights is in force already.
    Unchanged {
        /// The release.
        release: ReleaseInfo,
    },
    /// It waits for approval: what was in force still is.
    Pending {
        /// What it asks for.
        plan: Box<Plan>,
    },
}

impl Catalog {
    /// Installs or updates an applet. Blocks, for as long as its migrations and its top-level code take.
    ///
    /// # Errors
    /// [`CatalogError`]: the release in force stays in force, with its rights, configuration and secrets. Only migrations that were applied
    /// before a later step failed remain.
    pub fn install(&self, installation: Installation, preparer: &dyn Preparer) -> Result<Installed, CatalogError> {
        let known = self.known(&installation.package)?;
        let applet = AppletId::new(known.package.descriptor.id.clone())?;
        let _turn = self.inner.underway.turn(key_of(&installation.tenant, &applet));
        let _files = self.inner.files.read().unwrap_or_else(PoisonError::into_inner);
        self.finish_deletion(&installation.tenant, &applet)?;
        let planned = self.planned(&installation, known)?;
        if let PackageFrom::Bytes(encoded) = &installation.package {
            self.inner.write_package(&planned.known.digest, encoded)?;
        }
        if installation.grant == Grant::Standing && planned.plan.needs_approval {
            return self.wait_for_approval(&installation, planned);
        }
        self.attempt(&installation, planned, preparer)
    }

    /// Installs a package that waits for approval.
    ///
    /// # Errors
    /// As [`Catalog::install`]; [`CatalogError::NotFound`] when nothing waits, [`CatalogError::Conflict`] when another package does.
    pub fn approve(&self, approval: Approval, preparer: &dyn Preparer) -> Result<Installed, CatalogError> {
        let Approval { tenant, applet, digest, grant, config, secrets, by } = approval;
        let _turn = self.inner.underway.turn(key_of(&tenant, &applet));
        let _files = self.inner.files.read().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.inner.store.read(|connection| pending_digest(connection, &tenant, &applet))?;
        match waiting {
            None => {
                return Err(CatalogError::NotFound(format!(
                    "no package of {applet} waits for approval at tenant {tenant}"
                )));
            }
            Some(waiting) if waiting != digest => {
                return Err(CatalogError::Conflict(format!(
                    "another package of {applet} waits for approval at tenant {tenant} by now: {waiting}"
                )));
            }
            Some(_) => {}
        }
        let installation = Installation { tenant, package: PackageFrom::Stored(digest), grant, config, secrets, by };
        let known = self.known(&installation.package)?;
        let planned = self.planned(&installation, known)?;
        self.attempt(&installation, planned, preparer)
    }

    /// Drops a package that waits for approval.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] when nothing waits.
    pub fn reject(&self, tenant: &TenantId, applet: &AppletId, by: &str) -> Result<(), CatalogError> {
        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let sql = "DELETE FROM pending WHERE tenant = ?1 AND applet = ?2 RETURNING digest";
            let digest: Option<String> =
                transaction.query_row(sql, (tenant.as_str(), applet.as_str()), |row| row.get(0)).optional()?;
            let digest = digest.ok_or_else(|| {
                CatalogError::NotFound(format!("no package of {applet} waits for approval at tenant {tenant}"))
            })?;
            forget_unborn(transaction, tenant, applet)?;
            change(tenant, applet, by, "install.reject", json!({ "digest": digest })).write(transaction, at)
        })
    }

    /// Keeps the package until somebody decides. Secrets that came with it are kept, too; configuration when there is nothing else it
    /// could spoil.
    fn wait_for_approval(&self, installation: &Installation, planned: Planned) -> Result<Installed, CatalogError> {
        let at = self.now_us();
        let (tenant, applet) = (&installation.tenant, &planned.applet);
        let sealed =
            self.seal_all(tenant, applet, &installation.secrets, &planned.known.package.descriptor.permissions)?;
        self.inner.store.write(|transaction| {
            packages::insert(transaction, &planned.known, at)?;
            ensure_row(transaction, tenant, applet)?;
            let sql = "INSERT INTO pending (tenant, applet, digest, asked_us, asked_by) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET digest = excluded.digest, asked_us = excluded.asked_us, asked_by = excluded.asked_by";
            let digest = planned.known.digest.to_hex();
            transaction.execute(sql, (tenant.as_str(), applet.as_str(), &digest, signed(at), &installation.by))?;
            self.inner.put_secrets(transaction, tenant, applet, &sealed, at)?;
            if planned.active.is_none() && installation.config.is_some() {
                config::put(transaction, tenant, applet, &planned.config, at)?;
            }
            change(tenant, applet, &installation.by, "install.pending", json!({ "digest": digest, "asks": planned.plan.new })).write(transaction, at)
        })?;
        Ok(Installed::Pending { plan: Box::new(planned.plan) })
    }

    /// Carries it out. What fails is noted in the audit trail; of a first installation nothing else is left.
    fn attempt(
        &self,
        installation: &Installation,
        planned: Planned,
        preparer: &dyn Preparer,
    ) -> Result<Installed, CatalogError> {
        let (tenant, applet) = (&installation.tenant, planned.applet.clone());
        let had_data = planned.active.is_some() || planned.plan.finds_data;
        let result = self.carry_out(installation, planned, preparer);
        if let Err(error) = &result {
            self.note_failure(installation, &applet, error);
            if !had_data && let Err(error) = self.undo_first(tenant, &applet) {
                tracing::warn!(%error, %tenant, %applet, "what a failed installation made cannot be deleted now; it is kept like that of an uninstalled applet");
            }
        }
        result
    }

    /// Whether the applet has, or may have, data.
    fn has_data(&self, tenant: &TenantId, applet: &AppletId) -> Result<bool, CatalogError> {
        let sql = "SELECT 1 FROM applets WHERE tenant = ?1 AND applet = ?2 AND (active_release IS NOT NULL OR uninstalled_us IS NOT NULL)";
        self.inner
            .store
            .read(|connection| Ok(connection.prepare_cached(sql)?.exists((tenant.as_str(), applet.as_str()))?))
    }

    /// Deletes what a first installation made before it failed. A package that waits for approval goes on waiting.
    fn undo_first(&self, tenant: &TenantId, applet: &AppletId) -> Result<(), CatalogError> {
        if !self.has_data(tenant, applet)? {
            return Ok(());
        }
        let waits = self.inner.store.read(|connection| pending_digest(connection, tenant, applet))?.is_some();
        if !waits {
            return self.delete_data(tenant, applet, self.now_us());
        }
        self.delete_stores(tenant, applet)?;
        let sql =
            "UPDATE applets SET uninstalled_us = NULL WHERE tenant = ?1 AND applet = ?2 AND active_release IS NULL";
        self.inner.store.write(|transaction| Ok(transaction.execute(sql, (tenant.as_str(), applet.as_str()))?))?;
        Ok(())
    }

    /// From a decision to the switch.
    fn carry_out(
        &self,
        installation: &Installation,
        planned: Planned,
        preparer: &dyn Preparer,
    ) -> Result<Installed, CatalogError> {
        let Planned { plan, applet, known, active, migrations, config: set } = planned;
        let tenant = &installation.tenant;
        if !plan.missing_secrets.is_empty() {
            return Err(CatalogError::MissingSecrets { names: plan.missing_secrets });
        }
        if !plan.config_problems.is_empty() {
            return Err(CatalogError::Config(plan.config_problems));
        }
        let asks = &known.package.descriptor.permissions;
        let granted = match &installation.grant {
            Grant::All => asks.clone(),
            Grant::Only(granted) => within(asks, granted),
            Grant::Standing => active.as_ref().map_or_else(Permissions::default, |active| within(asks, &active.grants)),
        };
        if let Some(active) = &active
            && (active.digest, &active.grants) == (known.digest, &granted)
            && installation.config.is_none()
            && installation.secrets.is_empty()
        {
            let release = releases::info_of(&self.inner, tenant, &applet, active.number)?;
            return Ok(Installed::Unchanged { release });
        }
        let sealed = self.seal_all(tenant, &applet, &installation.secrets, asks)?;
        let package = self.inner.share(&known.digest, known.package.clone());
        let limits = &self.inner.options.limits;
        let release =
            Release::admit_decoded(tenant.clone(), package, known.digest, &Grants::all_asked(&granted), limits);
        let release = release.map_err(|error| CatalogError::Invalid(error.to_string()))?;
        preparer.prepare(&release).map_err(CatalogError::Applet)?;
        failpoint::hit("install.prepared");
        if active.is_none() {
            self.expect_data(tenant, &applet)?;
        }
        let applied = self.migrate(tenant, &applet, &migrations, &release)?;
        failpoint::hit("install.migrated");

        let number = self.inner.store.read(|connection| releases::made(connection, tenant, &applet))? + 1;
        let event = if active.is_some() { LifecycleEvent::Update } else { LifecycleEvent::Install };
        let next = lookup::active_of(&self.inner, tenant, release, number, &set)?;
        preparer
            .lifecycle(&next, event)
            .map_err(|error| CatalogError::Applet(format!("its {event:?} hook failed: {error}").to_lowercase()))?;
        failpoint::hit("install.hooked");

        let at = self.now_us();
        self.inner.store.write(|transaction| {
            let now = active_row(transaction, tenant, &applet)?.map(|row| row.number);
            if now != active.as_ref().map(|row| row.number) {
                return Err(CatalogError::Conflict(format!("the release of {applet} in force has changed meanwhile: try again")));
            }
            packages::insert(transaction, &known, at)?;
            ensure_row(transaction, tenant, &applet)?;
            let new = releases::New { number, digest: known.digest, version: &plan.version, grants: &granted, by: &installation.by };
            releases::insert(transaction, tenant, &applet, &new, at)?;
            let sql = "UPDATE applets SET active_release = ?3, releases_made = ?3, uninstalled_us = NULL WHERE tenant = ?1 AND applet = ?2";
            transaction.execute(sql, (tenant.as_str(), applet.as_str(), signed(number)))?;
            transaction.execute("DELETE FROM pending WHERE tenant = ?1 AND applet = ?2", (tenant.as_str(), applet.as_str()))?;
            if installation.config.is_some() {
                config::put(transaction, tenant, &applet, &set, at)?;
            }
            self.inner.put_secrets(transaction, tenant, &applet, &sealed, at)?;
            let detail = json!({ "release": number, "version": plan.version, "digest": plan.digest, "granted": granted, "migrations": applied });
            let action = if active.is_some() { "update" } else { "install" };
            change(tenant, &applet, &installation.by, action, detail).write(transaction, at)
        })?;
        self.forget_applet(tenant, &applet);
        Ok(Installed::Active { release: releases::info_of(&self.inner, tenant, &applet, number)?, migrations: applied })
    }

    /// From here on there is data that belongs to no release. Like that of an uninstalled applet it is kept for a while, then collected,
    /// if this process dies before the switch.
    fn expect_data(&self, tenant: &TenantId, applet: &AppletId) -> Result<(), CatalogError> {
        let at = signed(self.now_us());
        self.inner.store.write(|transaction| {
            ensure_row(transaction, tenant, applet)?;
            let sql =
                "UPDATE applets SET uninstalled_us = ?3 WHERE tenant = ?1 AND applet = ?2 AND uninstalled_us IS NULL";
            transaction.execute(sql, (tenant.as_str(), applet.as_str(), at))?;
            Ok(())
        })
    }

    fn migrate(
        &self,
        tenant: &TenantId,
        applet: &AppletId,
        migrations: &[belljar::Migration],
        release: &Release,
    ) -> Result<Vec<String>, CatalogError> {
        if migrations.is_empty() {
            return Ok(Vec::new());
        }
        let told = |step: MigrationStep<'_>| match step {
            MigrationStep::Begun => failpoint::hit("install.migration-begun"),
            MigrationStep::Applied(_) => failpoint::hit("install.migration-applied"),
            MigrationStep::Committed => {}
        };
        Ok(self.inner.databases.migrate(tenant, applet, migrations, &release.limits().db, told)?.applied)
    }

    /// An operator who looks later should find it. The failure itself is what counts.
    fn note_failure(&self, installation: &Installation, applet: &AppletId, error: &CatalogError) {
        let at = self.now_us();
        let noted = self.inner.store.write(|transaction| {
            change(
                &installation.tenant,
                applet,
                &installation.by,
                "install.failed",
                json!({ "error": error.to_string() }),
            )
            .write(transaction, at)
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "a failed installation cannot be noted in the audit trail");
        }
    }
}

/// The package that waits for approval.
pub(super) fn pending_digest(
    connection: &Connection,
    tenant: &TenantId,
    applet: &AppletId,
) -> Result<Option<Digest>, CatalogError> {
    let sql = "SELECT digest FROM pending WHERE tenant = ?1 AND applet = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row((tenant.as_str(), applet.as_str()), |row| row.get::<_, String>(0))
        .optional()?;
    found.as_deref().map(packages::digest_of).transpose()
}

/// Makes the applet's row, without a release yet.
fn ensure_row(connection: &Connection, tenant: &TenantId, applet: &AppletId) -> Result<(), CatalogError> {
    let sql = "INSERT INTO applets (tenant, applet) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute((tenant.as_str(), applet.as_str()))?;
    Ok(())
}

/// Removes the row of an applet that was never installed, with what was set for it.
fn forget_unborn(connection: &Connection, tenant: &TenantId, applet: &AppletId) -> Result<(), CatalogError> {
    let sql =
        "DELETE FROM applets WHERE tenant = ?1 AND applet = ?2 AND active_release IS NULL AND uninstalled_us IS NULL";
    connection.execute(sql, (tenant.as_str(), applet.as_str()))?;
    Ok(())
}

/// A change of one applet.
pub(super) fn change<'a>(
    tenant: &'a TenantId,
    applet: &'a AppletId,
    by: &'a str,
    action: &'static str,
    detail: Value,
) -> Change<'a> {
    Change { by, action, tenant: Some(tenant.as_str()), applet: Some(applet.as_str()), detail }
}
