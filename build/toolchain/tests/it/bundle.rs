//! Folders as authors have them: what they become, and what is told when they cannot.
use crate::support::{Folder, MANIFEST, render};
use belljar_build::{BuildError, Built, build, bundle_script, check};

fn built(files: &[(&str, &str)]) -> Built {
    let folder = Folder::new(files);
    build(folder.path()).unwrap_or_else(|error| panic!("{}", render(&error)))
}

fn failed(files: &[(&str, &str)]) -> BuildError {
    let folder = Folder::new(files);
    match build(folder.path()) {
        Ok(built) => panic!("it should be refused:\n{}", built.package.bundle),
        Err(error) => error,
    }
}

fn codes(error: &BuildError) -> Vec<&'static str> {
    error.problems().iter().map(|problem| problem.code).collect()
}

/// An applet that uses all kinds of files.
const SHOP: &[(&str, &str)] = &[
    (
        "manifest.yaml",
        "id: shop\nversion: 1.0.0\nname: Shop\nruntime:\n  entrypoint: src/main.tsx\nhandlers:\n  - name: total\n  - name: page\npermissions:\n  db: true\n",
    ),
    (
        "tsconfig.json",
        r#"{"compilerOptions": {"paths": {"@lib/*": ["./src/lib/*"]}, "jsx": "react", "jsxFactory": "h", "jsxFragmentFactory": "Fragment"}}"#,
    ),
    (
        "src/main.tsx",
        "import { tax } from '@lib/tax';\nimport rates from './rates.json';\nimport banner from './banner.txt';\nimport query from './all.sql';\nimport leftPad from 'left-pad';\nimport { only } from 'modern';\n\nconst h = (name: string, props: object | null, ...children: unknown[]) => ({ name, props, children });\n\nexport function total(context: unknown, payload: { net: number }): number {\n  if (process.env.NODE_ENV !== 'production') throw new Error('development');\n  return tax(payload.net, rates.vat);\n}\n\nexport const page = async () => {\n  const { lazy } = await import('./lazy');\n  return <p title={banner}>{leftPad(query, 3)} {only} {lazy}</p>;\n};\n",
    ),
    (
        "src/lib/tax.ts",
        "export enum Mode { Up, Down }\nexport const tax = (net: number, rate: number, mode: Mode = Mode.Up): number => net * (1 + rate) + mode;\n",
    ),
    ("src/lazy.ts", "export const lazy = 'lazy';\n"),
    ("src/rates.json", "{\"vat\": 0.22}\n"),
    ("src/banner.txt", "Fresh \"today\"\n"),
    ("src/all.sql", "select 1\n"),
    ("node_modules/left-pad/package.json", r#"{"name": "left-pad", "version": "1.0.0", "main": "index.js"}"#),
    (
        "node_modules/left-pad/index.js",
        "module.exports = function leftPad(text, n) { return ' '.repeat(n) + text; };\n",
    ),
    (
        "node_modules/modern/package.json",
        r#"{"name": "modern", "exports": {"node": "./node.js", "worker": "./worker.js", "default": "./other.js"}}"#,
    ),
    ("node_modules/modern/node.js", "export const only = 'node';\n"),
    ("node_modules/modern/worker.js", "export const only = 'worker';\n"),
    ("node_modules/modern/other.js", "export const only = 'other';\n"),
    ("assets/logo.svg", "<svg/>"),
    ("migrations/0001_t.sql", "create table t (x);"),
];

#[test]
fn a_folder_becomes_one_module() {
    let built = built(SHOP);
    assert!(built.notices.is_empty(), "{:?}", built.notices);
    let bundle = &built.package.bundle;
    insta::assert_snapshot!(bundle);
    let files: Vec<&str> = built.package.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["assets/logo.svg", "migrations/0001_t.sql"]);
    assert!(built.inputs.iter().any(|input| input.ends_with("src/rates.json")));
    assert!(built.inputs.iter().any(|input| input.ends_with("manifest.yaml")));
}

#[test]
fn the_source_map_leads_back_to_the_author() {
    let built = built(SHOP);
    let map = sourcemap::SourceMap::from_slice(built.package.source_map.as_bytes()).expect("a source map");
    let mut sources: Vec<&str> = map.sources().collect();
    sources.sort_unstable();
    assert!(sources.contains(&"src/main.tsx") && sources.contains(&"node_modules/left-pad/index.js"), "{sources:?}");
    assert!(sources.iter().all(|source| !source.starts_with('/') && !source.contains("..")), "{sources:?}");
    let (line, text) = built
        .package
        .bundle
        .lines()
        .enumerate()
        .find(|(_, text)| text.contains("tax(payload.net"))
        .expect("the handler is in the bundle");
    let column = text.find("tax(payload.net").expect("a column");
    let token = map.lookup_token(line as u32, column as u32).expect("a token");
    assert_eq!((token.get_source(), token.get_src_line() + 1), (Some("src/main.tsx"), 12));
    let content = token.get_source_view().expect("the source's content").source().to_owned();
    assert!(content.contains("payload: { net: number }"), "the source is what the author wrote");
}

#[test]
fn the_same_folder_gives_the_same_bytes_anywhere() {
    let bytes = || built(SHOP).package.encode().expect("it encodes");
    let (first, second) = (bytes(), bytes());
    assert_eq!(first, second);
    let text = String::from_utf8_lossy(&first).into_owned();
    assert!(!text.contains(std::env::temp_dir().to_str().expect("a path")), "no path of the machine is inside");
}

#[test]
fn migrations_are_checked_where_they_are_written() {
    let with = |name: &str, sql: &str, manifest: &str| {
        let manifest = format!("{MANIFEST}{manifest}");
        failed(&[("manifest.yaml", &manifest), ("main.ts", "export default () => 1;\n"), (name, sql)])
    };
    const DB: &str = "permissions: { db: true }\n";
    let error = with("migrations/0001_a.sql", "CREATE TABLE a (x);\n  pragma foreign_keys = off;\n", DB);
    assert_eq!(codes(&error), ["build.migration"]);
    assert_eq!(error.problems()[0].location(), (Some("migrations/0001_a.sql"), Some((2, 3))));
    let check = |error: &BuildError, message: &str| {
        assert_eq!(codes(error), ["build.migration"]);
        assert!(error.problems()[0].to_string().contains(message), "{}", error.problems()[0]);
    };
    check(&with("migrations/1.sql", "SELECT 1", DB), "its name is not that of a migration");
    check(&with("migrations/0001_a.sql", "-- nothing", DB), "it has no statement");
    check(&with("migrations/0001_a.sql", "SELECT 1", ""), "the applet has migrations and no database");
}

#[test]
fn syntax_errors_have_the_authors_place() {
    let error = failed(&[
        ("manifest.yaml", MANIFEST),
        ("main.ts", "export default () => {\n  const ä = 1;\n  return 'x' 'y';\n};\n"),
    ]);
    assert_eq!(codes(&error), ["bundle.syntax"]);
    insta::assert_snapshot!(render(&error));
    let error = failed(&[
        ("manifest.yaml", MANIFEST),
        ("main.ts", "import data from './data.json';\nexport default () => data;\n"),
        ("data.json", "{\"a\": 1,}\n"),
    ]);
    insta::assert_snapshot!(render(&error));
}

#[test]
fn imports_that_lead_nowhere_are_errors() {
    let error = failed(&[
        ("manifest.yaml", MANIFEST),
        (
            "main.ts",
            "import { helper } from './lib/helpr';\nimport _ from 'lodash';\nimport './deep';\nexport default () => helper(_);\n",
        ),
        ("lib/helper.ts", "export const helper = 1;\n"),
        ("deep.ts", "import './deeper';\n"),
        ("deeper.ts", "export * from 'missing';\n"),
    ]);
    insta::assert_snapshot!(render(&error));
}

#[test]
fn packages_that_are_not_installed_are_errors_with_the_way_to_them() {
    let error = failed(&[
        ("manifest.yaml", MANIFEST),
        ("main.ts", "import _ from 'lodash';\nimport './deep';\nexport default () => _;\n"),
        ("deep.ts", "import './deeper';\n"),
        ("deeper.ts", "export const load = () => import('@scope/missing/sub');\n"),
    ]);
    insta::assert_snapshot!(render(&error));
    let error = failed(&[
        ("manifest.yaml", &MANIFEST.replace("main.ts", "main.tsx")),
        ("main.tsx", "export default () => <p/>;\n"),
    ]);
    insta::assert_snapshot!(render(&error));
}

#[test]
fn nodes_own_modules_are_errors_that_say_what_to_do() {
    let error = failed(&[
        ("manifest.yaml", MANIFEST),
        (
            "main.ts",
            "import fs from 'node:fs';\nimport { createServer } from 'http';\nimport dep from 'dep';\nexport default () => [fs, createServer, dep];\n",
        ),
        ("node_modules/dep/package.json", r#"{"name": "dep", "main": "i.js"}"#),
        ("node_modules/dep/i.js", "module.exports = require('child_process');\n"),
    ]);
    assert_eq!(codes(&error), ["bundle.node-import"; 3]);
    insta::assert_snapshot!(render(&error));
}

#[test]
fn what_leads_to_one_of_nodes_modules_is_told_with_the_authors_import() {
    let error = failed(&[
        ("manifest.yaml", MANIFEST),
        ("main.ts", "import { a } from './lib/a';\nexport default () => a;\n"),
        ("lib/a.ts", "// dep\nexport const load = 1;\n  export { default as a } from 'dep';\n"),
        ("node_modules/dep/package.json", r#"{"name": "dep", "main": "i.js"}"#),
        ("node_modules/dep/i.js", "module.exports = require('./deep');\n"),
        ("node_modules/dep/deep.js", "module.exports = require('node:fs/promises');\n"),
    ]);
    assert_eq!(codes(&error), ["bundle.node-import"]);
    insta::assert_snapshot!(render(&error));
}

#[test]
fn the_part_of_node_that_a_sandbox_has_is_bundled_by_either_name() {
    let built = built(&[
        ("manifest.yaml", MANIFEST),
        (
            "main.ts",
            "import { EventEmitter } from 'events';\nimport path from 'node:path';\nimport unused from 'util';\nimport dep from 'dep';\nexport default () => [EventEmitter, path.join('a'), dep];\n",
        ),
        ("node_modules/dep/package.json", r#"{"name": "dep", "main": "i.js"}"#),
        (
            "node_modules/dep/i.js",
            "const { inherits } = require('util');\nmodule.exports = [inherits, require('assert/strict')];\n",
        ),
        // As in Node, the built-in module is meant; with a slash, the package.
        ("node_modules/events/package.json", r#"{"name": "events", "main": "events.js"}"#),
        ("node_modules/events/events.js", "exports.EventEmitter = 'installed';\n"),
    ]);
    let bundle = &built.package.bundle;
    assert!(!bundle.contains("installed"), "{bundle}");
    for name in ["events", "path", "util", "assert/strict"] {
        assert_eq!(bundle.matches(&format!("process.getBuiltinModule(\"{name}\")")).count(), 1, "{name}: {bundle}");
    }
    let map = sourcemap::SourceMap::from_slice(built.package.source_map.as_bytes()).expect("a source map");
    assert!(map.sources().all(|source| !source.contains("belljar-node")), "no module of ours has a source");
}

#[test]
fn installed_packages_stand_in_for_modules_of_node_that_a_sandbox_does_not_have() {
    let built = built(&[
        ("manifest.yaml", MANIFEST),
        (
            "main.ts",
            "import { own } from 'stream';\nimport { EventEmitter } from 'events/';\nexport default () => [own, EventEmitter];\n",
        ),
        ("node_modules/stream/package.json", r#"{"name": "stream", "main": "i.js"}"#),
        ("node_modules/stream/i.js", "exports.own = 'a stream of its own';\n"),
        ("node_modules/events/package.json", r#"{"name": "events", "main": "events.js"}"#),
        ("node_modules/events/events.js", "exports.EventEmitter = 'installed';\n"),
    ]);
    assert!(built.package.bundle.contains("a stream of its own") && built.package.bundle.contains("installed"));
}

#[test]
fn a_package_may_try_what_is_not_there() {
    let built = built(&[
        ("manifest.yaml", MANIFEST),
        ("main.ts", "import dep from 'dep';\nexport default () => dep;\n"),
        ("node_modules/dep/package.json", r#"{"name": "dep", "main": "i.js"}"#),
        (
            "node_modules/dep/i.js",
            "let fs;\ntry { fs = require('fs'); } catch { fs = 'none'; }\nmodule.exports = fs;\n",
        ),
    ]);
    assert!(built.package.bundle.contains("none"));
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let outside = Folder::new(&[("secret.ts", "export default 'secret';\n")]);
    let secret = outside.join("secret.ts");
    let check = |name: &str, import: &str, extra: &[(&str, &str)]| {
        let main = format!("import x from '{import}';\nexport default () => x;\n");
        let mut files = vec![
            ("app/manifest.yaml", MANIFEST),
            ("app/main.ts", main.as_str()),
            ("secret.ts", "export default 's';\n"),
        ];
        files.extend_from_slice(extra);
        let folder = Folder::new(&files);
        let error = match build(&folder.join("app")) {
            Ok(_) => panic!("{name}: it should be refused"),
            Err(error) => error,
        };
        assert_eq!(codes(&error), ["bundle.outside"], "{name}: {}", render(&error));
        let (file, position) = error.problems()[0].location();
        assert_eq!((file, position), (Some("main.ts"), Some((1, 15))), "{name}");
    };
    let link = format!("-> {}", secret.display());
    check("parent", "../secret", &[]);
    check("absolute", secret.to_str().expect("a path"), &[]);
    check("link", "./linked", &[("app/linked.ts", &link)]);
    let tsconfig = r#"{"compilerOptions": {"paths": {"lib": ["../secret.ts"]}}}"#;
    check("tsconfig", "lib", &[("app/tsconfig.json", tsconfig)]);
    let bare = format!("-> {}", outside.path().display());
    check("a linked folder that is no package", "thing/secret.ts", &[("app/node_modules/thing", &bare)]);
}

#[test]
fn packages_may_be_linked_and_hoisted() {
    let folder = Folder::new(&[
        ("app/manifest.yaml", MANIFEST),
        (
            "app/main.ts",
            "import linked from 'linked';\nimport hoisted from 'hoisted';\nexport default () => [linked, hoisted];\n",
        ),
        ("app/node_modules/linked", "-> ../../store/linked@1/node_modules/linked"),
        ("store/linked@1/node_modules/linked/package.json", r#"{"name": "linked", "type": "module", "main": "i.js"}"#),
        (
            "store/linked@1/node_modules/linked/i.js",
            "import dep from 'dep';\nimport more from './more.js';\nexport default dep() + more();\n",
        ),
        ("store/linked@1/node_modules/linked/more.js", "export default function more() { return 'more'; }\n"),
        ("store/linked@1/node_modules/dep", "-> ../../dep@2/node_modules/dep"),
        ("store/dep@2/node_modules/dep/package.json", r#"{"name": "dep", "type": "module", "main": "i.js"}"#),
        ("store/dep@2/node_modules/dep/i.js", "export default function dep() { return 'dep'; }\n"),
        ("node_modules/hoisted/package.json", r#"{"name": "hoisted", "type": "module", "main": "i.js"}"#),
        ("node_modules/hoisted/i.js", "export default 'hoisted';\n"),
    ]);
    let built = build(&folder.join("app")).unwrap_or_else(|error| panic!("{}", render(&error)));
    let map = sourcemap::SourceMap::from_slice(built.package.source_map.as_bytes()).expect("a source map");
    let mut sources: Vec<&str> = map.sources().collect();
    sources.sort_unstable();
    let expected = [
        "main.ts",
        "node_modules/dep/i.js",
        "node_modules/hoisted/i.js",
        "node_modules/linked/i.js",
        "node_modules/linked/more.js",
    ];
    assert_eq!(sources, expected);
}

#[test]
fn a_handler_without_an_export_is_an_error_in_the_manifest() {
    let manifest = format!("{MANIFEST}handlers:\n  - name: pay\n  - name: refund\n    export: giveBack\n");
    let error = failed(&[("manifest.yaml", &manifest), ("main.ts", "export const pay = () => 1;\n")]);
    insta::assert_snapshot!(render(&error));
    let error = failed(&[("manifest.yaml", MANIFEST), ("main.ts", "export const pay = () => 1;\n")]);
    insta::assert_snapshot!(render(&error));
    built(&[("manifest.yaml", &manifest), ("main.ts", "export default { fetch() {} };\n")]);
}

#[test]
fn what_cannot_be_bundled_is_named() {
    let check = |import: &str, extra: &[(&str, &str)], code: &str| {
        let main = format!("import x from '{import}';\nexport default () => x;\n");
        let mut files = vec![("manifest.yaml", MANIFEST), ("main.ts", main.as_str())];
        files.extend_from_slice(extra);
        let error = failed(&files);
        assert_eq!(codes(&error), [code], "{import}: {}", render(&error));
    };
    check("https://esm.sh/x", &[], "bundle.remote-import");
    check("./x.png", &[("x.png", "png")], "bundle.unknown-type");
    let large = format!("export default '{}';", "x".repeat(6 << 20));
    check("./large", &[("large.ts", &large)], "bundle.file-too-large");
    let deep = format!("export default {}1{};", "[".repeat(20_000), "]".repeat(20_000));
    check("./deep", &[("deep.ts", &deep)], "bundle.nesting");
    check("./none", &[("none.ts", "export const other = 1;")], "bundle.missing-export");
}

#[test]
fn deep_source_within_the_bound_does_not_end_the_process() {
    let folder = Folder::new(&[("manifest.yaml", MANIFEST)]);
    let check = |source: String| {
        folder.write("main.ts", &source);
        // Built or refused: it comes back.
        let _ = build(folder.path());
    };
    check(format!("export default {}1{};", "[".repeat(4_900), "]".repeat(4_900)));
    check(format!("export default {}1{};", "(".repeat(4_900), ")".repeat(4_900)));
    check(format!("export default {}1;", "! ".repeat(4_900)));
    check(format!("export default {}1;", "1 + ".repeat(100_000)));
    check(format!("export default {}1;", "a => ".repeat(20_000)));
    check(format!("export default () => {{ {} }};", "if (a) b(); else ".repeat(20_000)));
}

#[test]
fn a_folder_without_its_files_is_told() {
    let check = |files: &[(&str, &str)], code: &str| assert_eq!(codes(&failed(files)), [code]);
    check(&[], "build.no-manifest");
    check(&[("manifest.yaml", MANIFEST), ("manifest.json", "{}")], "build.two-manifests");
    check(&[("manifest.yaml", MANIFEST)], "build.no-entrypoint");
    check(
        &[("manifest.yaml", MANIFEST), ("main.ts", "export default 1"), ("assets/x", "-> /etc/hostname")],
        "build.asset",
    );
    check(&[("manifest.yaml", MANIFEST), ("main.ts", "export default 1"), ("assets/a:b", "x")], "build.asset");
}

#[test]
fn a_check_tells_the_descriptor_and_every_problem() {
    let folder = Folder::new(&[("manifest.yaml", MANIFEST), ("main.ts", "export default 1; export const a = 2;\n")]);
    let report = check(folder.path());
    assert!(report.is_ok());
    assert_eq!(report.exports, ["a", "default"]);
    folder.write("main.ts", "export default (;\n");
    let report = check(folder.path());
    assert!(!report.is_ok());
    assert_eq!(report.descriptor.map(|descriptor| descriptor.id), Some("hello".into()));
    assert_eq!(report.problems[0].to_json()["line"], 1);
}

#[test]
fn a_script_completes_with_its_default_export() {
    let folder = Folder::new(&[
        (
            "main.ts",
            "import { double } from './double';\nexport default function start(native: { n: number }): number { return double(native.n); }\n",
        ),
        ("double.ts", "export const double = (n: number): number => n * 2;\n"),
        ("two.ts", "export default 1; export const more = 2;\n"),
    ]);
    let (code, map) = bundle_script(&folder.join("main.ts"), true).unwrap_or_else(|error| panic!("{}", render(&error)));
    insta::assert_snapshot!(code);
    assert!(map.contains("\"double.ts\""));
    assert!(bundle_script(&folder.join("two.ts"), true).is_err());
    // Where there is a JavaScript engine, it is asked.
    let script =
        format!("const vm = require('vm'); process.stdout.write(String(vm.runInThisContext({code:?})({{ n: 21 }})));");
    if let Ok(output) = std::process::Command::new("node").arg("-e").arg(script).output() {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42", "{}", String::from_utf8_lossy(&output.stderr));
    }
}
