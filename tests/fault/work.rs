//! What the child does to a catalog until it dies: all that changes something, in an order that follows from a seed. Each step is told before
//! and after.

use std::path::Path;
use std::sync::Arc;

use belljar::{AppletId, Databases, DatabasesConfig, SecretSource as _, SecretText, TenantId};
use belljar_server::catalog::{
    AppletState, Catalog, CatalogOptions, Grant, Installation, Installed, NewKey, PackageFrom, SecretsKey, Unprepared,
    restore,
};
use belljar_server::data_dir::DataDir;
use belljar_server::directory::Directory as _;
use serde_json::json;

use crate::child::tell;
use crate::packages::{number_of, package};

/// Applets that are worked on.
pub(crate) const APPLETS: [&str; 3] = ["first", "second", "third"];
/// Steps of one child that nothing kills.
const STEPS: u64 = 60;

pub(crate) fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// Opens the catalog of a directory that nobody uses.
pub(crate) fn open(data: &Path) -> Catalog {
    let dir = Arc::new(DataDir::open(data).unwrap());
    let databases = Databases::open(dir.path(), DatabasesConfig::default()).unwrap();
    // Nothing is kept that need not be: collecting has something to do.
    let options = CatalogOptions {
        secrets_key: Some(SecretsKey::from([0x5a; 32])),
        releases_kept: 1,
        retention_days: 0,
        ..CatalogOptions::default()
    };
    Catalog::open(dir, databases, options).unwrap()
}

/// A sequence of numbers that follows from a seed.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// One below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

pub(crate) fn run(data: &Path, seed: u64) {
    let catalog = open(data);
    let mut numbers = Numbers(seed);
    tell("open");
    for step in 0..STEPS {
        let applet = APPLETS[numbers.below(3) as usize];
        let id = AppletId::new(applet).unwrap();
        let info = catalog.applet(&tenant(), &id).ok().filter(|info| info.state == AppletState::Enabled);
        let Some(info) = info else {
            install(&catalog, applet, numbers.below(3) + 1);
            continue;
        };
        let version = number_of(&info.release.unwrap().version);
        match numbers.below(12) {
            0..=3 => install(&catalog, applet, version + 1),
            4 => {
                // There may be none before it.
                told(&json!({"rollback": applet}), || {
                    let back = catalog.rollback(&tenant(), &id, None, "child", &Unprepared).ok()?;
                    Some(json!(number_of(&back.release.version)))
                });
            }
            5 => {
                let value = numbers.below(1_000_000);
                told(&json!({"config": applet, "value": value}), || {
                    let set = json!({"value": value}).as_object().cloned().unwrap();
                    catalog.set_config(&tenant(), &id, set, "child").unwrap();
                    None
                });
            }
            6 | 7 => {
                let value = numbers.below(1_000_000);
                told(&json!({"secret": applet, "value": value}), || {
                    catalog.set_secret(&tenant(), &id, "KEY", SecretText::new(value.to_string()), "child").unwrap();
                    None
                });
            }
            8 => {
                told(&json!({"key": null}), || {
                    let new = NewKey {
                        tenant: tenant(),
                        label: String::new(),
                        user: "ada".into(),
                        organisation: None,
                        permissions: vec![],
                        locale: None,
                        expires_us: None,
                    };
                    Some(json!(catalog.create_key(&new, "child").unwrap().1.as_str()))
                });
            }
            9 => {
                told(&json!({"uninstall": applet}), || {
                    catalog.uninstall(&tenant(), &id, "child", &Unprepared).unwrap();
                    None
                });
                told(&json!({"collect": null}), || {
                    catalog.collect().unwrap();
                    None
                });
            }
            10 => {
                told(&json!({"collect": null}), || {
                    catalog.collect().unwrap();
                    None
                });
            }
            _ => back_up(&catalog, data, seed, step),
        }
    }
    tell("end");
}

fn install(catalog: &Catalog, applet: &str, version: u64) {
    told(&json!({"install": applet, "version": version}), || {
        let package = PackageFrom::Bytes(package(applet, version));
        let installed =
            catalog.install(Installation::new(tenant(), package, Grant::All, "child"), &Unprepared).unwrap();
        assert!(matches!(installed, Installed::Active { .. }), "{installed:?}");
        let id = AppletId::new(applet).unwrap();
        assert_eq!(
            number_of(
                &catalog.active(&tenant(), &id).unwrap().unwrap().release.package().descriptor.version.to_string()
            ),
            version
        );
        // What an applet would ask for; it need not be set.
        catalog.secret(&tenant(), &id, "KEY").unwrap();
        None
    });
}

/// Restored beside the data directory: whatever has that name is whole.
fn back_up(catalog: &Catalog, data: &Path, seed: u64, step: u64) {
    let into = data.with_file_name(format!("restored-{seed}-{step}"));
    told(&json!({"backup": into}), || {
        let mut archive = Vec::new();
        catalog.backup(&mut archive).unwrap();
        restore(&mut archive.as_slice(), &into).unwrap();
        None
    });
}

/// Tells a step, does it, tells that it is done and what came of it.
fn told(step: &serde_json::Value, work: impl FnOnce() -> Option<serde_json::Value>) {
    tell(&format!("begin {step}"));
    let answer = work().unwrap_or_default();
    tell(&format!("done {answer}"));
}
