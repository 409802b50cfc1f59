//! What a catalog must hold: what was acknowledged, and at most the one step that was under way. The applets' databases are looked into as
//! well: each migration exactly once, none of a version that never was.

use std::collections::BTreeMap;
use std::path::Path;

use belljar::{AppletId, SecretSource as _};
use belljar_server::catalog::{AppletState, Catalog, Grant, Installation, PackageFrom, Unprepared};
use belljar_server::directory::Directory as _;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use crate::packages::{number_of, package};
use crate::work::{APPLETS, open, tenant};

/// Of one applet. Where two values are possible, the second is that of a step that was not acknowledged.
#[derive(Debug, Clone, Default, PartialEq)]
struct Applet {
    /// The version in force; 0 when it is not installed.
    version: u64,
    /// The highest version whose migrations may have been applied since its data was there.
    migrated_max: u64,
    config: u64,
    secret: Option<u64>,
    /// It was uninstalled, and a collection may have deleted its data.
    is_uninstalled: bool,
}

/// All that was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    applets: BTreeMap<String, Applet>,
    keys: Vec<String>,
    restored: Vec<String>,
    under_way: Option<Map<String, Value>>,
    /// Steps acknowledged.
    pub(crate) steps: u64,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

impl Ledger {
    /// Takes a line of the child.
    pub(crate) fn hear(&mut self, line: &str) {
        if let Some(step) = line.strip_prefix("begin ") {
            // A line that was cut off was not told.
            let Ok(Value::Object(step)) = serde_json::from_str(step) else { return };
            if let Some(applet) = step.get("install").and_then(Value::as_str) {
                let applet = self.applets.entry(applet.into()).or_default();
                applet.migrated_max = applet.migrated_max.max(number(&step["version"]));
            }
            self.under_way = Some(step);
        } else if let Some(answer) = line.strip_prefix("done ") {
            let Ok(answer) = serde_json::from_str(answer) else { return };
            let step = self.under_way.take().unwrap();
            self.apply(&step, &answer);
            self.steps += 1;
        }
    }

    fn apply(&mut self, step: &Map<String, Value>, answer: &Value) {
        let (what, of) = step.iter().next().unwrap();
        match what.as_str() {
            "key" => self.keys.push(answer.as_str().unwrap().into()),
            "backup" => self.restored.push(of.as_str().unwrap().into()),
            "collect" => {
                for applet in self.applets.values_mut().filter(|applet| applet.is_uninstalled) {
                    *applet = Applet::default();
                }
            }
            _ => {
                let applet = self.applets.entry(of.as_str().unwrap().into()).or_default();
                match what.as_str() {
                    "install" => {
                        applet.version = number(&step["version"]);
                        applet.is_uninstalled = false;
                    }
                    "rollback" => applet.version = answer.as_u64().unwrap_or(applet.version),
                    "config" => applet.config = number(&step["value"]),
                    "secret" => applet.secret = Some(number(&step["value"])),
                    "uninstall" => {
                        applet.version = 0;
                        applet.is_uninstalled = true;
                    }
                    other => panic!("no step {other:?}"),
                }
            }
        }
    }

    /// Compares with what is there, takes over what became of the step under way, and tries whether one can go on from there.
    pub(crate) fn verify(&mut self, data: &Path) {
        let catalog = open(data);
        catalog.check().unwrap();
        let step = self.under_way.take();
        for name in APPLETS {
            self.verify_applet(&catalog, name, step.as_ref());
        }
        for key in &self.keys {
            assert!(catalog.identity(key).unwrap().is_some(), "a key that was told is lost");
        }
        for path in self.restored.drain(..) {
            open(Path::new(&path)).check().unwrap();
            std::fs::remove_dir_all(path).unwrap();
        }
        // A restored directory has its name when it is whole.
        if let Some(path) = step.as_ref().and_then(|step| step.get("backup")).and_then(Value::as_str)
            && Path::new(path).exists()
        {
            open(Path::new(path)).check().unwrap();
        }
        if step.as_ref().is_some_and(|step| step.contains_key("collect")) {
            for (name, applet) in self.applets.iter_mut().filter(|(_, applet)| applet.is_uninstalled) {
                if catalog.applet(&tenant(), &AppletId::new(name.clone()).unwrap()).is_err() {
                    *applet = Applet::default();
                }
            }
        }
        let was_collecting = step.is_some_and(|step| step.contains_key("collect"));
        self.go_on(&catalog, data, was_collecting);
    }

    fn verify_applet(&mut self, catalog: &Catalog, name: &str, step: Option<&Map<String, Value>>) {
        let id = AppletId::new(name).unwrap();
        let acknowledged = self.applets.entry(name.into()).or_default().clone();
        let under_way = |what: &str| step.filter(|step| step.get(what).and_then(Value::as_str) == Some(name));
        let active = catalog.active(&tenant(), &id).unwrap();
        let version =
            active.as_ref().map_or(0, |active| number_of(&active.release.package().descriptor.version.to_string()));
        let may_be = match (under_way("install"), under_way("uninstall"), under_way("rollback")) {
            (Some(step), ..) => version == number(&step["version"]),
            (_, Some(_), _) => version == 0,
            // To the release before, whichever that was.
            (.., Some(_)) => (1..=acknowledged.migrated_max).contains(&version),
            _ => false,
        };
        assert!(
            version == acknowledged.version || may_be,
            "{name}: version {version}, acknowledged {acknowledged:?}, under way {step:?}"
        );
        let applied = self.verify_database(catalog, &id, acknowledged.migrated_max);
        assert!(applied >= version, "{name}: version {version} is in force with {applied} migrations");

        let applet = self.applets.get_mut(name).unwrap();
        if version != acknowledged.version {
            applet.is_uninstalled = version == 0;
            applet.version = version;
        }
        let Some(active) = active else { return };
        let config: Value = serde_json::from_str(&active.config).unwrap();
        let config = number(&config["value"]);
        let set = under_way("config").map(|step| number(&step["value"]));
        assert!(
            config == acknowledged.config || Some(config) == set,
            "{name}: config {config}, acknowledged {acknowledged:?}, under way {step:?}"
        );
        let secret = catalog.secret(&tenant(), &id, "KEY").unwrap().map(|text| text.expose().parse::<u64>().unwrap());
        let set = under_way("secret").map(|step| number(&step["value"]));
        assert!(
            secret == acknowledged.secret || (set.is_some() && secret == set),
            "{name}: secret {secret:?}, acknowledged {acknowledged:?}, under way {step:?}"
        );
        (applet.config, applet.secret) = (config, secret);
    }

    /// The migrations of a database, each of which must have done all that it does once.
    fn verify_database(&self, catalog: &Catalog, id: &AppletId, migrated_max: u64) -> u64 {
        let path = catalog.dir().path().join(format!("db/acme/{id}.sqlite"));
        if !path.exists() {
            return 0;
        }
        let connection = Connection::open(&path).unwrap();
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        let strings = |sql: &str| -> Vec<u64> {
            let mut select = connection.prepare(sql).unwrap();
            select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        let tables = strings(
            "SELECT CAST(substr(name, 2) AS INTEGER) AS k FROM sqlite_schema WHERE name GLOB 't[0-9]*' ORDER BY k",
        );
        let books = if strings("SELECT count(*) FROM sqlite_schema WHERE name = '_belljar_migrations'") == [1] {
            strings("SELECT number FROM _belljar_migrations ORDER BY number")
        } else {
            Vec::new()
        };
        assert_eq!(tables, books, "what was applied and what is written of it");
        let count = tables.len() as u64;
        assert_eq!(tables, (1..=count).collect::<Vec<_>>());
        for k in &tables {
            assert_eq!(strings(&format!("SELECT x FROM t{k}")), [*k]);
        }
        assert!(count <= migrated_max, "{count} migrations, of version {migrated_max} at most");
        count
    }

    /// Nothing that was left behind keeps an operator from working.
    fn go_on(&mut self, catalog: &Catalog, data: &Path, was_collecting: bool) {
        let name = APPLETS[0];
        let applet = self.applets.get_mut(name).unwrap();
        let version = applet.version.max(applet.migrated_max) + 1;
        let package = PackageFrom::Bytes(package(name, version));
        catalog.install(Installation::new(tenant(), package, Grant::All, "parent"), &Unprepared).unwrap();
        if was_collecting && applet.is_uninstalled {
            // Whether its data was there still was not acknowledged.
            let id = AppletId::new(name).unwrap();
            applet.secret = catalog.secret(&tenant(), &id, "KEY").unwrap().map(|text| text.expose().parse().unwrap());
            let config: Value = serde_json::from_str(&catalog.active(&tenant(), &id).unwrap().unwrap().config).unwrap();
            applet.config = number(&config["value"]);
        }
        (applet.version, applet.migrated_max, applet.is_uninstalled) = (version, version, false);
        catalog.collect().unwrap();
        let referred: usize = Connection::open(catalog.dir().catalog())
            .unwrap()
            .query_row("SELECT count(*) FROM packages", [], |row| row.get(0))
            .unwrap();
        assert_eq!(std::fs::read_dir(data.join("packages")).unwrap().count(), referred, "files without a row");
        for (name, applet) in &mut self.applets {
            let info = catalog.applet(&tenant(), &AppletId::new(name.clone()).unwrap());
            match info {
                Err(_) => *applet = Applet::default(),
                Ok(info) => assert_eq!(info.state == AppletState::Enabled, applet.version > 0, "{name}"),
            }
        }
    }

    /// What it knows, for a message.
    pub(crate) fn told(&self) -> Value {
        json!({"steps": self.steps, "keys": self.keys.len()})
    }
}
