//! Packages made without a bundler, one for each version: the content follows from the number.

use std::collections::BTreeMap;

use belljar::package::{Descriptor, Package};
use serde_json::json;

/// Version `number` of an applet: it has as many migrations, the k-th of which makes a table `t<k>` with one row, a config field and a secret.
pub(crate) fn package(applet: &str, number: u64) -> Vec<u8> {
    let descriptor = json!({
        "format": 1, "id": applet, "version": format!("{number}.0.0"), "name": applet, "description": null,
        "runtime": {"engine": "wasm", "version": null, "entrypoint": "main.ts", "limits": {}, "health_check": null},
        "handlers": [{"name": "default", "export": "default", "trigger": {"type": "call"}}],
        "permissions": {"db": true, "http": [], "events_publish": [], "events_subscribe": [],
            "secrets": [{"name": "KEY", "required": false, "hosts": []}], "kv": false, "jobs": false},
        "config": [{"name": "value", "type": "integer", "default": 0}],
    });
    let descriptor: Descriptor = serde_json::from_value(descriptor).unwrap();
    let migration = |k: u64| {
        let sql = format!("CREATE TABLE t{k} (x INTEGER);\nINSERT INTO t{k} VALUES ({k});\n");
        (format!("migrations/{k:04}_t.sql"), sql.into_bytes())
    };
    let files: BTreeMap<String, Vec<u8>> = (1..=number).map(migration).collect();
    let bundle = format!("export default () => {number};\n// {}\n", "x".repeat(4_000));
    let source_map = r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into();
    Package { descriptor, bundle, source_map, files }.encode().unwrap()
}

/// The number of a version that [`package`] made.
pub(crate) fn number_of(version: &str) -> u64 {
    version.split('.').next().unwrap().parse().unwrap()
}
