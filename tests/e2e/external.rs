//! Packages that travel beside the bundle, from the author's `node_modules` to the process: what they are, which versions they find, and
//! that they read files of their own.

use belljar::package::Engine;
use belljar::{Host, ProcessConfig, TenantId, engine_version};
use belljar_tests::{applet, host, runtimes};
use serde_json::json;

const FILES: &[(&str, &str)] = &[
    (
        "main.ts",
        "import { text, version } from 'reads-files';\nimport { basename } from 'node:path';\n\
         export default async () => ({ text: text(), version, later: (await import('@s/later/part.js')).part, base: basename('/a/b') });\n",
    ),
    (
        "node_modules/reads-files/package.json",
        r#"{"name": "reads-files", "version": "1.0.0", "main": "i.js", "dependencies": {"shared": "^2"}}"#,
    ),
    (
        "node_modules/reads-files/i.js",
        "const { readFileSync } = require('fs');\nexports.text = () => readFileSync(`${__dirname}/data.txt`, 'utf8');\nexports.version = require('shared');\n",
    ),
    ("node_modules/reads-files/data.txt", "read at run time"),
    ("node_modules/reads-files/node_modules/shared/package.json", r#"{"name": "shared", "version": "2.0.0"}"#),
    ("node_modules/reads-files/node_modules/shared/index.js", "module.exports = 'shared two';\n"),
    ("node_modules/shared/package.json", r#"{"name": "shared", "version": "1.0.0"}"#),
    ("node_modules/shared/index.js", "module.exports = 'shared one';\n"),
    (
        "node_modules/@s/later/package.json",
        r#"{"name": "@s/later", "type": "module", "dependencies": {"shared": "^1"}}"#,
    ),
    ("node_modules/@s/later/part.js", "import shared from 'shared';\nexport const part = `${shared}, later`;\n"),
];

/// A host whose processes have this engine; `None`, with a word, where this machine lacks it.
async fn on(engine: Engine) -> Option<(Host, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let config = ProcessConfig { packages: runtimes::packages(), ..ProcessConfig::new(folder.path().join("p")) };
    if let Err(fault) = engine_version(Some(&config), engine, None).await {
        eprintln!("skipped: {}", fault.message);
        return None;
    }
    let builder = host::builder().data_dir(folder.path().join("data")).processes(config);
    Some((host::build(builder), folder))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_packages_work_in_processes() {
    for (engine, name) in [(Engine::Node, "node"), (Engine::Bun, "bun"), (Engine::Deno, "deno")] {
        let Some((host, _folder)) = on(engine).await else { continue };
        let manifest = format!(
            "id: packs\nversion: 1.0.0\nname: Packs\nruntime: {{ engine: {name}, entrypoint: main.ts, external: [reads-files, '@s/later'] }}\n"
        );
        let files: Vec<(&str, &str)> =
            [("manifest.yaml", manifest.as_str())].into_iter().chain(FILES.iter().copied()).collect();
        let package = applet::package(applet::folder(&files).path());
        let release = applet::admit(&host, TenantId::new("acme").unwrap(), &package);
        let outcome = applet::call(&host, &release, "default", "null").await;
        let expected =
            json!({ "text": "read at run time", "version": "shared two", "later": "shared one, later", "base": "b" });
        assert_eq!(applet::value(&outcome), expected, "{name}");
        host.shutdown_processes().await;
    }
}
