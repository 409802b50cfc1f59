//! What installing a package would mean, before anything is done: what it asks for, what of that is new, what is missing.

use std::pin::pin;

use belljar::package::{ConfigProblem, Permissions, Runtime, migrations, resolve_config};
use belljar::package::{LifecycleEvent, Migration as PackageMigration};
use belljar::{AppletId, Release, engine_version};
use futures_util::FutureExt as _;
use rusqlite::OptionalExtension as _;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use super::grants::{Risk, beyond, is_nothing, risks};
use super::install::{Installation, PackageFrom};
use super::packages::Known;
use super::releases::ActiveRow;
use super::{Catalog, CatalogError, config, releases, secrets, tenants};
use crate::directory::Active;

/// What installing a package would mean for one tenant.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Plan {
    /// The applet.
    #[schema(value_type = String)]
    pub applet: AppletId,
    /// The package's version.
    pub version: String,
    /// The package's digest, 64 hexadecimal digits.
    pub digest: String,
    /// Bytes of the package.
    pub bytes: u64,
    /// The release in force, and its version, when this is an update.
    pub from_release: Option<u64>,
    /// Its version.
    pub from_version: Option<String>,
    /// Whether the version is lower than the one in force.
    pub is_downgrade: bool,
    /// All that it asks for.
    #[schema(value_type = Object)]
    pub asks: Permissions,
    /// What of that nobody has decided yet: for an update, what the release in force did not ask for.
    #[schema(value_type = Object)]
    pub new: Permissions,
    /// What to think about before granting it.
    pub risks: Vec<Risk>,
    /// Whether it waits for approval unless grants are given with it.
    pub needs_approval: bool,
    /// Migrations that would be applied, in order.
    pub migrations: Vec<String>,
    /// Secrets that are required and not set.
    pub missing_secrets: Vec<String>,
    /// What is wrong with the configuration.
    #[schema(value_type = Vec<Object>)]
    pub config_problems: Vec<ConfigProblem>,
    /// Whether data of an earlier installation is there.
    pub finds_data: bool,
}

/// Makes releases ready to be called. The host does; the catalog knows no engine.
pub trait Preparer: Send + Sync {
    /// Runs the release's top-level code, or finds that it was run. Blocks.
    ///
    /// # Errors
    /// What is wrong with the applet: the installation fails with it.
    fn prepare(&self, release: &Release) -> Result<(), String>;

    /// Calls the handler that the applet has for a moment of its life, if it has one. Blocks. At `install` and `update` the release is the
    /// one that is about to be in force.
    ///
    /// # Errors
    /// Why it failed. At `install` and `update` the installation fails with it; at the others it is noted in the audit trail.
    fn lifecycle(&self, active: &Active, event: LifecycleEvent) -> Result<(), String> {
        let _ = (active, event);
        Ok(())
    }
}

/// Prepares nothing: the first call does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unprepared;

impl Preparer for Unprepared {
    fn prepare(&self, _: &Release) -> Result<(), String> {
        Ok(())
    }
}

/// A plan, and what an installation needs beside it.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) applet: AppletId,
    pub(super) known: Known,
    pub(super) active: Option<ActiveRow>,
    pub(super) migrations: Vec<belljar::Migration>,
    /// What the tenant has set, the installation's own included.
    pub(super) config: Map<String, Value>,
}

impl Catalog {
    /// What installing would mean. Changes nothing.
    ///
    /// # Errors
    /// Why it could not be installed at all: no package, another engine or version of Belljar, an unknown tenant.
    pub fn plan(&self, installation: &Installation) -> Result<Plan, CatalogError> {
        let known = self.known(&installation.package)?;
        Ok(self.planned(installation, known)?.plan)
    }

    /// The package of an installation, verified.
    pub(super) fn known(&self, from: &PackageFrom) -> Result<Known, CatalogError> {
        match from {
            PackageFrom::Bytes(encoded) => Known::decode(encoded),
            PackageFrom::Stored(digest) => Known::decode(&self.inner.read_package(digest)?),
        }
    }

    pub(super) fn planned(&self, installation: &Installation, known: Known) -> Result<Planned, CatalogError> {
        let descriptor = &known.package.descriptor;
        self.runs_here(&descriptor.runtime)?;
        let applet = AppletId::new(descriptor.id.clone())?;
        let found = migrations(&known.package.files).map_err(CatalogError::Migrations)?;
        if !found.is_empty() && !descriptor.permissions.db {
            return Err(CatalogError::Invalid(
                "the package has migrations and does not ask for a database (permissions.db)".into(),
            ));
        }
        let migrations: Vec<_> = found.into_iter().map(migration).collect();
        let tenant = &installation.tenant;
        let (active, finds_data, set, secrets_set) = self.inner.store.read(|connection| {
            tenants::require(connection, tenant)?;
            let active = releases::active_row(connection, tenant, &applet)?;
            let uninstalled = connection
                .prepare_cached(
                    "SELECT 1 FROM applets WHERE tenant = ?1 AND applet = ?2 AND uninstalled_us IS NOT NULL",
                )?
                .query_row((tenant.as_str(), applet.as_str()), |_| Ok(()))
                .optional()?;
            let set = config::set_of(connection, tenant, &applet)?;
            Ok((active, uninstalled.is_some(), set, secrets::names_of(connection, tenant, &applet)?))
        })?;
        let asks = &descriptor.permissions;
        let new = match &active {
            // Decided is what the release in force asks for, granted or not.
            Some(active) if active.digest == known.digest => Permissions::default(),
            Some(active) => beyond(asks, &self.inner.package(&active.digest)?.descriptor.permissions),
            None => asks.clone(),
        };
        let has =
            |name: &String| secrets_set.contains(name) || installation.secrets.iter().any(|(given, _)| given == name);
        let missing = asks.secrets.iter().filter(|rule| rule.required && !has(&rule.name));
        let config = installation.config.clone().unwrap_or(set);
        let applied = if migrations.is_empty() {
            Vec::new()
        } else {
            self.inner.databases.migrations_applied(tenant, &applet)?
        };
        let pending = migrations.iter().filter(|migration| !applied.contains(&migration.name));
        let plan = Plan {
            applet: applet.clone(),
            version: descriptor.version.to_string(),
            digest: known.digest.to_hex(),
            bytes: known.bytes,
            from_release: active.as_ref().map(|active| active.number),
            from_version: active.as_ref().map(|active| active.version.clone()),
            is_downgrade: active.as_ref().is_some_and(|active| {
                semver::Version::parse(&active.version).is_ok_and(|version| descriptor.version < version)
            }),
            asks: asks.clone(),
            risks: risks(&new),
            needs_approval: !is_nothing(&new),
            new,
            migrations: pending.map(|migration| migration.name.clone()).collect(),
            missing_secrets: missing.map(|rule| rule.name.clone()).collect(),
            config_problems: resolve_config(&descriptor.config, &config).err().unwrap_or_default(),
            finds_data,
        };
        Ok(Planned { plan, applet, known, active, migrations, config })
    }
}

fn migration(migration: PackageMigration<'_>) -> belljar::Migration {
    belljar::Migration { number: migration.number, name: migration.name.to_owned(), sql: migration.sql.to_owned() }
}

impl Catalog {
    /// Whether this host has the engine that a package names. Looking for a runtime starts it once, to ask for its version.
    fn runs_here(&self, runtime: &Runtime) -> Result<(), CatalogError> {
        let version = engine_version(self.inner.options.processes.as_ref(), runtime.engine, runtime.version.as_ref());
        let found = match (runtime.engine.is_process(), Handle::try_current()) {
            // Nothing is started: it is known at once, on whatever thread.
            (false, _) => match pin!(version).now_or_never() {
                Some(found) => found,
                None => return Err(CatalogError::Invalid("the engine cannot be looked for".into())),
            },
            // The catalog is called on threads that may block, of a runtime or of none.
            (true, Ok(runtime)) => runtime.block_on(version),
            (true, Err(_)) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime
                    .map_err(|error| CatalogError::Invalid(format!("the runtime cannot be looked for: {error}")))?
                    .block_on(version)
            }
        };
        found.map(drop).map_err(|fault| CatalogError::Invalid(fault.message))
    }
}
