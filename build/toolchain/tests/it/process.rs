//! Applets for process engines: what is bundled, what is left to be imported, and which packages travel beside the bundle.

use belljar_build::{BuildError, Built, build};
use belljar_package::Engine;

use crate::support::{Folder, render};

fn manifest(engine: &str, more: &str) -> String {
    format!("id: hello\nversion: 1.0.0\nname: Hello\nruntime:\n  engine: {engine}\n  entrypoint: main.ts\n{more}")
}

fn run(engine: &str, more: &str, files: &[(&str, &str)]) -> Result<Built, BuildError> {
    let folder = Folder::new(files);
    folder.write("manifest.yaml", &manifest(engine, more));
    build(folder.path())
}

fn built(engine: &str, more: &str, files: &[(&str, &str)]) -> Built {
    run(engine, more, files).unwrap_or_else(|error| panic!("{}", render(&error)))
}

#[track_caller]
fn refused(engine: &str, more: &str, files: &[(&str, &str)], code: &str) -> String {
    let error = match run(engine, more, files) {
        Ok(built) => panic!("it should be refused:\n{}", built.package.bundle),
        Err(error) => error,
    };
    let codes: Vec<_> = error.problems().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [code], "{}", render(&error));
    render(&error)
}

#[test]
fn modules_of_the_runtime_are_left_to_it() {
    let files = [
        (
            "main.ts",
            "import { readFileSync } from 'fs';\nimport { join } from 'node:path';\nimport unused from 'node:os';\nimport dep from 'dep';\nimport { only } from 'modern';\n\
             export const read = () => [readFileSync(join('a')), dep, only];\nexport const later = () => import('node:zlib');\n\
             export default (context: unknown, payload: unknown) => payload;\n",
        ),
        ("node_modules/dep/package.json", r#"{"name": "dep", "main": "i.js"}"#),
        ("node_modules/dep/i.js", "module.exports = require('child_process').execFileSync;\n"),
        (
            "node_modules/modern/package.json",
            r#"{"name": "modern", "exports": {"browser": "./browser.js", "worker": "./worker.js", "bun": "./bun.js", "deno": "./deno.js", "node": "./node.js", "default": "./other.js"}}"#,
        ),
        ("node_modules/modern/browser.js", "export const only = 'is browser';\n"),
        ("node_modules/modern/worker.js", "export const only = 'is worker';\n"),
        ("node_modules/modern/bun.js", "export const only = 'is bun';\n"),
        ("node_modules/modern/deno.js", "export const only = 'is deno';\n"),
        ("node_modules/modern/node.js", "export const only = 'is node';\n"),
        ("node_modules/modern/other.js", "export const only = 'is other';\n"),
    ];
    for engine in ["bun", "node", "deno"] {
        let built = built(engine, "", &files);
        assert!(built.package.bundle.contains(&format!("is {engine}")), "{engine}: {}", built.package.bundle);
        assert!(built.package.files.is_empty() && built.notices.is_empty());
        if engine == "node" {
            insta::assert_snapshot!(built.package.bundle);
        }
    }
    assert_eq!(
        built("bun", "", &[("main.ts", "import { Database } from 'bun:sqlite';\nexport default () => Database;\n")])
            .package
            .descriptor
            .runtime
            .engine,
        Engine::Bun
    );
}

#[test]
fn what_a_process_cannot_have_is_refused() {
    let import = |specifier: &str| format!("import x from '{specifier}';\nexport default () => x;\n");
    let check = |specifier: &str, extra: &[(&str, &str)], code: &str| {
        let main = import(specifier);
        let mut files = vec![("main.ts", main.as_str())];
        files.extend_from_slice(extra);
        refused("node", "", &files, code)
    };
    check("https://esm.sh/x", &[], "bundle.remote-import");
    check("lodash", &[], "bundle.unresolved-import");
    let told = check("bun:sqlite", &[], "bundle.unresolved-import");
    assert!(told.contains("runtime.engine: bun"), "{told}");
    check("npm:lodash", &[], "bundle.unresolved-import");
    check("./addon.node", &[("addon.node", "machine code")], "bundle.native-addon");
    let told = check(
        "sharp-like",
        &[
            ("node_modules/sharp-like/package.json", r#"{"name": "sharp-like", "main": "i.js"}"#),
            ("node_modules/sharp-like/i.js", "module.exports = require('bindings')('x');\n"),
            ("node_modules/bindings/package.json", r#"{"name": "bindings", "main": "i.js"}"#),
            ("node_modules/bindings/i.js", "module.exports = () => {};\n"),
        ],
        "bundle.native-addon",
    );
    assert!(told.contains("node_modules/sharp-like/i.js:1"), "{told}");
    refused("component", "", &[("main.ts", "")], "manifest.value");
}

#[test]
fn packages_that_ask_where_they_lie_are_told() {
    let files = [
        ("main.ts", "import dep from 'dep';\nexport default () => dep;\n"),
        ("node_modules/dep/package.json", r#"{"name": "dep", "main": "i.js"}"#),
        ("node_modules/dep/i.js", "exports.here = 1;\nexports.at = () => __dirname;\n"),
    ];
    let built = built("node", "", &files);
    let told: Vec<_> = built.notices.iter().map(|notice| (notice.code, notice.location())).collect();
    assert_eq!(told, [("bundle.own-place", (Some("node_modules/dep/i.js"), Some((2, 20))))]);
    assert!(self::built("node", "  external: [dep]\n", &files).notices.is_empty());
}

#[test]
fn a_handler_without_an_export_is_an_error_for_processes_too() {
    refused(
        "bun",
        "handlers: [{ name: pay }]\n",
        &[("main.ts", "export const other = 1;\n")],
        "bundle.missing-handler",
    );
}

/// Two packages that need different versions of a third one, as npm lays them out.
const NESTED: &[(&str, &str)] = &[
    (
        "main.ts",
        "import a from '@s/a';\nimport bundled from 'bundled';\nexport default async () => [a, bundled, await import('b/lib/x.js')];\n",
    ),
    ("node_modules/.package-lock.json", "{}"),
    (
        "node_modules/@s/a/package.json",
        r#"{"name": "@s/a", "main": "i.js", "dependencies": {"c": "^1"}, "optionalDependencies": {"gone": "*"}}"#,
    ),
    ("node_modules/@s/a/i.js", "module.exports = require('c');\n//# sourceMappingURL=i.js.map\n"),
    ("node_modules/@s/a/i.js.map", "{}"),
    ("node_modules/@s/a/.eslintrc", "{}"),
    ("node_modules/.bin/b", "#!/bin/sh\n"),
    (
        "node_modules/b/package.json",
        r#"{"name": "b", "exports": {"./lib/x.js": "./lib/x.js"}, "dependencies": {"c": "^2"}, "peerDependencies": {"@s/a": "*"}}"#,
    ),
    ("node_modules/b/lib/x.js", "exports.x = require('c');\n"),
    ("node_modules/b/node_modules/c/package.json", r#"{"name": "c", "version": "2.0.0"}"#),
    ("node_modules/b/node_modules/c/index.js", "module.exports = 'c two';\n"),
    ("node_modules/c/package.json", r#"{"name": "c", "version": "1.0.0"}"#),
    ("node_modules/c/index.js", "module.exports = 'c one';\n"),
    ("node_modules/bundled/package.json", r#"{"name": "bundled", "main": "i.js"}"#),
    ("node_modules/bundled/i.js", "module.exports = [require('@s/a'), 'is bundled'];\n"),
];

const EXTERNAL: &str = "  external: ['@s/a', b]\n";

/// Unpacks a package as a host does and has Node, where there is one, call its default export.
fn called(built: &Built) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let package = &built.package;
    let bundle = [("bundle.mjs".to_owned(), package.bundle.clone().into_bytes())];
    for (path, data) in bundle.iter().map(|(path, data)| (path, data)).chain(&package.files) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, data).expect("a file");
    }
    let script = "const { default: f } = await import(process.argv[1]); console.log(JSON.stringify(await f()));";
    let bundle = folder.path().join("bundle.mjs");
    let output =
        std::process::Command::new("node").args(["--input-type=module", "-e", script]).arg(bundle).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

const RESULT: &str =
    r#"["c one",["c one","is bundled"],{"default":{"x":"c two"},"module.exports":{"x":"c two"},"x":"c two"}]"#;

/// Newer versions of Node list `module.exports` among a CommonJS module's exports.
fn same_result(result: &str) -> bool {
    result == RESULT || result == RESULT.replace(r#""module.exports":{"x":"c two"},"#, "")
}

#[test]
fn external_packages_travel_with_what_they_depend_on() {
    let built = built("node", EXTERNAL, NESTED);
    let files: Vec<&str> = built.package.files.keys().map(String::as_str).collect();
    let expected = [
        "node_modules/@s/a/i.js",
        "node_modules/@s/a/package.json",
        "node_modules/b/lib/x.js",
        "node_modules/b/node_modules/c/index.js",
        "node_modules/b/node_modules/c/package.json",
        "node_modules/b/package.json",
        "node_modules/c/index.js",
        "node_modules/c/package.json",
    ];
    assert_eq!(files, expected);
    assert_eq!(built.package.descriptor.runtime.external, ["@s/a", "b"]);
    assert!(built.package.bundle.contains("is bundled") && !built.package.bundle.contains("c one"));
    assert!(built.inputs.iter().any(|input| input.ends_with("node_modules/b/node_modules/c/package.json")));
    let again = self::built("node", EXTERNAL, NESTED);
    assert_eq!(built.package.encode().expect("it encodes"), again.package.encode().expect("it encodes"));
    if let Some(result) = called(&built) {
        assert!(same_result(&result), "{result}");
    }
}

#[test]
fn links_of_package_managers_are_followed() {
    // As pnpm lays packages out: each in a store, beside links to what it needs.
    let mut files: Vec<(&str, &str)> = vec![NESTED[0]];
    files.extend([
        ("node_modules/@s/a", "-> ../.pnpm/a@1/node_modules/@s/a"),
        ("node_modules/.pnpm/a@1/node_modules/@s/a/package.json", NESTED[2].1),
        ("node_modules/.pnpm/a@1/node_modules/@s/a/i.js", NESTED[3].1),
        ("node_modules/.pnpm/a@1/node_modules/c", "-> ../../c@1/node_modules/c"),
        ("node_modules/.pnpm/c@1/node_modules/c/package.json", r#"{"name": "c", "version": "1.0.0"}"#),
        ("node_modules/.pnpm/c@1/node_modules/c/index.js", "module.exports = 'c one';\n"),
        ("node_modules/b", "-> .pnpm/b@1/node_modules/b"),
        ("node_modules/.pnpm/b@1/node_modules/b/package.json", NESTED[7].1),
        ("node_modules/.pnpm/b@1/node_modules/b/lib/x.js", NESTED[8].1),
        ("node_modules/.pnpm/b@1/node_modules/c", "-> ../../c@2/node_modules/c"),
        ("node_modules/.pnpm/b@1/node_modules/@s/a", "-> ../../../a@1/node_modules/@s/a"),
        ("node_modules/.pnpm/c@2/node_modules/c/package.json", r#"{"name": "c", "version": "2.0.0"}"#),
        ("node_modules/.pnpm/c@2/node_modules/c/index.js", "module.exports = 'c two';\n"),
    ]);
    files.extend_from_slice(&NESTED[13..]);
    let linked = built("node", EXTERNAL, &files);
    assert_eq!(
        linked.package.files,
        built("node", EXTERNAL, NESTED).package.files,
        "the same package as npm's layout makes"
    );
}

#[test]
fn external_packages_that_cannot_travel_are_told_at_their_name() {
    let main = ("main.ts", "export default 1;\n");
    let check = |files: &[(&str, &str)], code: &str, words: &[&str]| {
        let mut all = vec![main];
        all.extend_from_slice(files);
        let told = refused("bun", "  external: [dep]\n", &all, code);
        assert!(told.contains("manifest.yaml:7:14"), "{told}");
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    };
    let dep = "node_modules/dep/package.json";
    check(&[], "build.external", &["'dep' is not installed", "npm install dep"]);
    check(&[(dep, "{")], "build.external", &["package.json of 'dep'"]);
    check(
        &[(dep, r#"{"dependencies": {"more": "1"}}"#)],
        "build.external",
        &["'more' is not installed, which 'dep' needs"],
    );
    check(&[(dep, r#"{"gypfile": true}"#)], "build.native-addon", &["'dep' cannot travel", "binding.gyp"]);
    check(&[(dep, "{}"), ("node_modules/dep/binding.gyp", "{}")], "build.native-addon", &["binding.gyp"]);
    check(&[(dep, "{}"), ("node_modules/dep/lib/x.node", "x")], "build.native-addon", &["lib/x.node"]);
    check(&[(dep, r#"{"dependencies": {"bindings": "1"}}"#)], "build.native-addon", &["'bindings'"]);
    check(
        &[
            (dep, r#"{"dependencies": {"more": "1"}}"#),
            ("node_modules/more/package.json", r#"{"scripts": {"postinstall": "node x"}}"#),
        ],
        "build.native-addon",
        &["'dep' > 'more'", "postinstall"],
    );
    check(&[(dep, "{}"), ("node_modules/dep/link.js", "-> ./other.js")], "build.external", &["link.js is a link"]);
    check(&[(dep, "{}"), ("node_modules/dep/a:b.js", "x")], "build.external", &["a:b.js is not allowed"]);
}

#[test]
fn native_packages_that_are_optional_are_left_out() {
    let built = built(
        "bun",
        "  external: [dep]\n",
        &[
            ("main.ts", "export default 1;\n"),
            (
                "node_modules/dep/package.json",
                r#"{"dependencies": {"fast": "1"}, "optionalDependencies": {"fast": "1"}}"#,
            ),
            ("node_modules/fast/package.json", r#"{"gypfile": true}"#),
        ],
    );
    assert_eq!(built.package.files.len(), 1);
    assert_eq!(built.notices[0].code, "build.external-optional");
}

#[test]
fn a_sandbox_has_no_external_packages() {
    let told = refused("wasm", "  external: [dep]\n", &[("main.ts", "export default 1;\n")], "manifest.external");
    assert!(told.contains("manifest.yaml:7:3"), "{told}");
    refused("bun", "  external: ['../x']\n", &[("main.ts", "export default 1;\n")], "manifest.value");
    refused("bun", "  external: [a, a]\n", &[("main.ts", "export default 1;\n")], "manifest.value");
}
