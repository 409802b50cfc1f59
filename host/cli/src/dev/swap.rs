//! From a save to what is served: build, install, or tell why not.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use belljar::{AppletId, Host, Release, SecretText, TenantId};
use belljar_server::catalog::{Catalog, Grant, Installation, Installed, PackageFrom, Preparer};
use serde_json::Value;
use tokio::runtime::Handle;

use super::directory::AtRoot;
use super::lines::Lines;
use super::values;
use super::watch::Watch;
use crate::failure::chain;
use crate::present;
use crate::sources::Sources;
use crate::terminal;

/// What it takes to serve a folder.
pub(super) struct Workbench {
    folder: PathBuf,
    values: PathBuf,
    tenant: TenantId,
    host: Host,
    catalog: Catalog,
    directory: Arc<AtRoot>,
    lines: Arc<Lines>,
    is_serving: bool,
    /// Whether the last thing told is that the newest version is served.
    is_told: bool,
}

impl Workbench {
    pub(super) fn new(
        folder: PathBuf,
        values: PathBuf,
        tenant: TenantId,
        host: Host,
        catalog: Catalog,
        directory: Arc<AtRoot>,
        lines: Arc<Lines>,
    ) -> Self {
        Self { folder, values, tenant, host, catalog, directory, lines, is_serving: false, is_told: false }
    }

    /// Builds and serves, now and after each change, until nothing can change any more.
    pub(super) fn run(mut self, begun: Instant, mut watch: Watch, runtime: &Handle) {
        let mut next = Some(begun);
        while let Some(begun) = next {
            let inputs = self.turn(begun, runtime);
            watch.folders(&inputs);
            next = watch.changed();
        }
    }

    /// One save. Answers which files were read.
    fn turn(&mut self, begun: Instant, runtime: &Handle) -> Vec<PathBuf> {
        let built = match belljar_build::build(&self.folder) {
            Ok(built) => built,
            Err(error) => {
                self.is_told = false;
                self.lines.unbuilt(error.problems(), &error.to_string(), self.is_serving);
                return Vec::new();
            }
        };
        let (version, inputs) = (built.package.descriptor.version.to_string(), built.inputs);
        let (applet, encoded) = match (AppletId::new(built.package.descriptor.id.clone()), built.package.encode()) {
            (Ok(applet), Ok(encoded)) => (applet, encoded),
            (Err(error), _) => return self.unserved(&error.to_string(), "", inputs),
            (_, Err(error)) => return self.unserved(&chain(&error), "", inputs),
        };
        let values = match values::read(&self.values) {
            Ok(values) => values,
            Err(error) => return self.unserved(&error, "", inputs),
        };
        let text = |(name, value): (String, Value)| value.as_str().map(|text| (name, SecretText::new(text.to_owned())));
        let mut installation =
            Installation::new(self.tenant.clone(), PackageFrom::Bytes(encoded), Grant::All, "belljar dev");
        installation.config = Some(values.config);
        installation.secrets = values.secrets.into_iter().filter_map(text).collect();
        let preparer = HostPreparer { host: &self.host, runtime, shown: OnceLock::new() };
        match self.catalog.install(installation, &preparer) {
            Ok(Installed::Active { release, migrations }) => {
                (self.is_serving, self.is_told) = (true, true);
                self.directory.put(applet.clone());
                let ms = begun.elapsed().as_millis();
                self.lines.swapped(applet.as_str(), &version, release.number, ms, &built.notices, &migrations);
            }
            Ok(Installed::Unchanged { release }) => {
                self.is_serving = true;
                self.directory.put(applet.clone());
                // What was broken and is as before is news as well.
                if !std::mem::replace(&mut self.is_told, true) {
                    self.lines.swapped(
                        applet.as_str(),
                        &version,
                        release.number,
                        begun.elapsed().as_millis(),
                        &built.notices,
                        &[],
                    );
                }
            }
            Ok(Installed::Pending { .. }) => return self.unserved("it waits for approval", "", inputs),
            Err(error) => {
                let shown = preparer.shown.get().cloned().unwrap_or_default();
                return self.unserved(&error.to_string(), &shown, inputs);
            }
        }
        inputs
    }

    fn unserved(&mut self, message: &str, shown: &str, inputs: Vec<PathBuf>) -> Vec<PathBuf> {
        self.is_told = false;
        self.lines.unserved(message, shown, self.is_serving);
        inputs
    }
}

/// Prepares with the host, and keeps the fault as people should see it.
struct HostPreparer<'a> {
    host: &'a Host,
    runtime: &'a Handle,
    shown: OnceLock<String>,
}

impl Preparer for HostPreparer<'_> {
    fn prepare(&self, release: &Release) -> Result<(), String> {
        let Err(fault) = self.runtime.block_on(self.host.prepare(release)) else { return Ok(()) };
        let fault = present::bounded(fault);
        let sources = Sources::of_map(&release.package().source_map);
        // The first is the one.
        let _ = self.shown.set(present::fault(&fault, &sources, terminal::stderr_paint()));
        Err(format!("{}: {}", fault.code, fault.message))
    }
}
