//! Pages: what is generated around components, with a stand-in for React that is as small as can be. The real one is in `tests/e2e/pages.rs`.

use belljar_build::{BuildError, Built, build, check};

use crate::support::{Folder, render};

const MANIFEST: &str = "id: hello\nversion: 1.0.0\nname: Hello\nruntime:\n  entrypoint: main.ts\nhandlers:\n  - { name: front, type: render, component: src/front.tsx, path: '/reports/:id', auth: none }\n";

/// Files of every test; a test's own come after them and take their place.
const REACT: &[(&str, &str)] = &[
    ("main.ts", "export const other = () => 1;\n"),
    (
        "node_modules/react/package.json",
        r#"{"name": "react", "version": "19.2.0", "main": "index.js", "exports": {".": "./index.js", "./jsx-runtime": "./index.js"}}"#,
    ),
    (
        "node_modules/react/index.js",
        "const element = (type, props, ...children) => ({ type, props, children });\nmodule.exports = { createElement: element, jsx: element, jsxs: element, useState: (value) => [value, () => {}] };\n",
    ),
    (
        "node_modules/react-dom/package.json",
        r#"{"name": "react-dom", "version": "19.2.0", "exports": {"./server.edge": "./server.edge.js", "./client": "./client.js"}}"#,
    ),
    (
        "node_modules/react-dom/server.edge.js",
        "exports.renderToReadableStream = async (element, options) => JSON.stringify([element, options.bootstrapModules, 'is the server build']);\n",
    ),
    (
        "node_modules/react-dom/client.js",
        "exports.hydrateRoot = (root, element) => [root, element, 'is the client build'];\n",
    ),
];

const FRONT: (&str, &str) = (
    "src/front.tsx",
    "import './front.css';\nimport { useState } from 'react';\nimport { secret } from './server';\nexport const load = () => secret('in load');\nexport default function Front({ name }: { name: string }) {\n  const [n] = useState('in the component');\n  return <p>{name}{n}</p>;\n}\n",
);
const SERVER: (&str, &str) = (
    "src/server.ts",
    "const pool = globalThis.connect('in the server module');\nexport const secret = (text: string) => pool(text);\n",
);
const CSS: (&str, &str) = ("src/front.css", "p { color: red }\n");

fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new(REACT);
    for (path, content) in [("manifest.yaml", MANIFEST), FRONT, SERVER, CSS].iter().chain(files) {
        folder.write(path, content);
    }
    folder
}

fn built(files: &[(&str, &str)]) -> Built {
    let folder = folder(files);
    build(folder.path()).unwrap_or_else(|error| panic!("{}", render(&error)))
}

fn failed(files: &[(&str, &str)]) -> BuildError {
    match build(folder(files).path()) {
        Ok(built) => panic!("it should be refused:\n{}", built.package.bundle),
        Err(error) => error,
    }
}

#[track_caller]
fn refused(files: &[(&str, &str)], code: &str, file: &str, position: (usize, usize)) -> String {
    let error = failed(files);
    let found: Vec<_> = error.problems().iter().map(|problem| (problem.code, problem.location())).collect();
    assert_eq!(found, [(code, (Some(file), Some(position)))], "{}", render(&error));
    render(&error)
}

/// The text of the file that was made for a page.
fn made<'a>(built: &'a Built, name: &str, extension: &str) -> Option<&'a str> {
    let is_it =
        |path: &str| path.starts_with(&format!("assets/pages/{name}-")) && path.ends_with(&format!(".{extension}"));
    let (_, data) = built.package.files.iter().find(|(path, _)| is_it(path))?;
    Some(std::str::from_utf8(data).expect("it is text"))
}

#[test]
fn a_page_becomes_a_handler_a_script_and_a_stylesheet() {
    let built = built(&[]);
    assert!(built.notices.is_empty(), "{:?}", built.notices);
    assert_eq!(built.package.descriptor.handlers[0].export, "belljar$page$front");
    let paths: Vec<&String> = built.package.files.keys().collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    for path in paths {
        let digits = path.trim_start_matches("assets/pages/front-").split('.').next().expect("a name");
        assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}");
        assert!(built.package.bundle.contains(path.as_str()), "the handler names {path}");
    }
    assert_eq!(made(&built, "front", "css"), Some("p { color: red }\n"));
    let bundle = &built.package.bundle;
    assert!(bundle.contains("is the server build") && !bundle.contains("is the client build"), "{bundle}");
    assert!(bundle.contains("in load") && bundle.contains("in the server module"));
    let script = made(&built, "front", "js").expect("a script");
    assert!(script.contains("is the client build") && script.contains("in the component"), "{script}");
    for marker in ["in load", "in the server module", "is the server build", "sourceMappingURL", "color: red"] {
        assert!(!script.contains(marker), "{marker}: {script}");
    }
    for input in ["src/front.tsx", "src/front.css", "src/server.ts"] {
        assert!(built.inputs.iter().any(|path| path.ends_with(input)), "{input} is watched: {:?}", built.inputs);
    }
    let again = self::built(&[]);
    assert_eq!(built.package.encode().expect("it encodes"), again.package.encode().expect("it encodes"));
}

#[test]
fn what_the_entry_exports_is_still_there() {
    let handlers = format!("{MANIFEST}  - {{ name: other }}\n");
    let folder = folder(&[("manifest.yaml", &handlers)]);
    assert_eq!(check(folder.path()).exports, ["other"], "without a default export");
    folder.write("main.ts", "export default { fetch() {} };\nexport const named = 1;\n");
    assert_eq!(check(folder.path()).exports, ["default", "named"]);
    folder.write("main.ts", "export {};\n");
    let report = check(folder.path());
    assert_eq!(report.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["bundle.missing-handler"]);
    folder.write("manifest.yaml", MANIFEST);
    assert!(check(folder.path()).is_ok(), "pages need nothing of the entry");
}

#[test]
fn the_same_page_is_made_for_every_engine() {
    let scripts: Vec<_> = ["wasm", "bun", "node", "deno"]
        .map(|engine| {
            built(&[("manifest.yaml", &MANIFEST.replace("runtime:", &format!("runtime:\n  engine: {engine}")))])
        })
        .iter()
        .map(|built| (built.package.files.clone(), built.package.bundle.contains("is the server build")))
        .collect();
    assert!(scripts.iter().all(|script| *script == scripts[0] && script.1));
}

#[test]
fn a_page_need_not_come_to_life() {
    let still = MANIFEST.replace("auth: none", "auth: none, hydrate: false");
    let front = FRONT.1.replace(
        "import { useState } from 'react';",
        "import { readFileSync } from 'node:path';\nconst useState = readFileSync;",
    );
    let built = built(&[("manifest.yaml", &still), ("src/front.tsx", &front)]);
    assert_eq!(made(&built, "front", "js"), None);
    assert!(made(&built, "front", "css").is_some());
    assert!(!built.package.bundle.contains("front-") || !built.package.bundle.contains(".js\""));
}

#[test]
fn names_with_signs_have_exports_of_their_own() {
    let text = format!(
        "{}  - {{ name: a-b, type: render, component: src/front.tsx }}\n  - {{ name: a.b, type: render, component: src/front.tsx }}\n",
        MANIFEST.replace("name: front", "name: a_b")
    );
    let built = built(&[("manifest.yaml", &text)]);
    let exports: Vec<&str> = built.package.descriptor.handlers.iter().map(|handler| handler.export.as_str()).collect();
    assert_eq!(exports, ["belljar$page$a_b", "belljar$page$a$2db", "belljar$page$a$2eb"]);
    assert!(exports.iter().all(|export| built.package.bundle.contains(export)));
}

#[test]
fn stylesheets_are_joined_as_their_imports_are_executed() {
    let built = built(&[
        (
            "src/front.tsx",
            "import './a.css';\nimport { b } from './b';\nimport 'pack/style.css';\nimport text from './text.css';\nimport './a.css';\nexport default () => [b, text];\n",
        ),
        ("src/a.css", "/* a */"),
        ("src/b.ts", "import './b.css';\nexport const b = 1;\n"),
        ("src/b.css", "/* b */\n\n"),
        ("src/text.css", "/* text */"),
        ("node_modules/pack/package.json", r#"{"name": "pack"}"#),
        ("node_modules/pack/style.css", "/* pack */"),
    ]);
    assert_eq!(made(&built, "front", "css"), Some("/* a */\n/* b */\n/* pack */\n"));
    // With a name it is the text that it is everywhere.
    assert!(made(&built, "front", "js").expect("a script").contains("/* text */"));
    assert!(built.package.bundle.contains("/* text */"));
}

#[test]
fn css_that_is_not_there_is_told() {
    let front = |import: &str| format!("{import}\nexport default () => 1;\n");
    refused(
        &[("src/front.tsx", &front("import './x.module.css';")), ("src/x.module.css", "a {}")],
        "bundle.css-module",
        "src/front.tsx",
        (1, 8),
    );
    refused(
        &[("src/front.tsx", &front("import './x.css';")), ("src/x.css", "a {}\n@import 'y.css';\n")],
        "bundle.css-import",
        "src/x.css",
        (2, 1),
    );
}

#[test]
fn what_a_browser_does_not_have_is_told_at_the_import() {
    let node = "import { readFileSync } from 'node:fs';\nexport const text = () => readFileSync('x');\n";
    let manifest = MANIFEST.replace("runtime:", "runtime:\n  engine: node");
    let with = |front: &str, extra: &[(&str, &str)]| {
        let mut files = vec![("manifest.yaml", manifest.as_str()), ("src/front.tsx", front), ("src/files.ts", node)];
        files.extend_from_slice(extra);
        build(folder(&files).path())
    };
    let used = with("import { text } from './files';\nexport default () => text();\n", &[]);
    let used = used.expect_err("the component reads a file");
    assert_eq!(used.problems()[0].code, "bundle.server-only", "{}", render(&used));
    assert_eq!(used.problems()[0].location(), (Some("src/files.ts"), Some((1, 30))));
    insta::assert_snapshot!(render(&used));

    // What only load() uses may be for servers only, and ask for what browsers do not have, too.
    let front = "import { text } from './files';\nimport { pool } from 'pool';\nexport const load = () => ({ text: text() + pool });\nexport default () => 1;\n";
    let pool = [
        ("node_modules/pool/package.json", r#"{"name": "pool", "exports": {"node": "./i.js"}}"#),
        ("node_modules/pool/i.js", "const net = require('net');\nexports.pool = net;\n"),
    ];
    with(front, &pool).unwrap_or_else(|error| panic!("{}", render(&error)));
    let used = with(&front.replace("() => 1", "() => pool"), &pool).expect_err("the component uses a server's package");
    assert_eq!(used.problems()[0].location(), (Some("src/front.tsx"), Some((2, 22))), "{}", render(&used));

    // A package that asks and does without is told, and built.
    let front = "import { chance } from 'chance';\nexport default () => chance;\n";
    let chance = [
        ("node_modules/chance/package.json", r#"{"name": "chance", "main": "i.js"}"#),
        (
            "node_modules/chance/i.js",
            "let own = 'the global one';\ntry { own = require('crypto'); } catch {}\nexports.chance = own;\n",
        ),
    ];
    let built = with(front, &chance).unwrap_or_else(|error| panic!("{}", render(&error)));
    let codes: Vec<_> = built.notices.iter().map(|notice| notice.code).collect();
    assert_eq!(codes, ["bundle.server-only"]);
    assert!(made(&built, "front", "js").is_some_and(|script| script.contains("the global one")));
}

#[test]
fn modules_that_only_load_needs_are_left_out_whatever_they_do() {
    let built = built(&[
        (
            "src/front.tsx",
            "import './setup';\nimport { db } from './db';\nimport { shown } from './shown';\nimport pack from 'pack';\nexport const load = () => db(pack);\nexport default () => shown;\n",
        ),
        ("src/setup.ts", "globalThis.isSetUp = 'setup is wanted';\n"),
        (
            "src/db.ts",
            "import './db-setup';\nglobalThis.connect('db is not wanted');\nexport const db = (x: unknown) => x;\n",
        ),
        ("src/db-setup.ts", "globalThis.connect('nor is what it needs');\n"),
        (
            "src/shown.ts",
            "globalThis.note('shown does something');\nexport const shown = 'shown is wanted';\nexport const other = 'other is not';\n",
        ),
        ("node_modules/pack/package.json", r#"{"name": "pack", "main": "i.js"}"#),
        ("node_modules/pack/i.js", "globalThis.connect('pack is not wanted');\nmodule.exports = 1;\n"),
    ]);
    let script = made(&built, "front", "js").expect("a script");
    for wanted in ["setup is wanted", "shown does something", "shown is wanted"] {
        assert!(script.contains(wanted), "{wanted}: {script}");
    }
    for unwanted in ["db is not wanted", "nor is what it needs", "pack is not wanted", "other is not"] {
        assert!(!script.contains(unwanted), "{unwanted}: {script}");
        let on_the_server = unwanted == "other is not" || built.package.bundle.contains(unwanted);
        assert!(on_the_server, "{unwanted} is on the server");
    }
}

#[test]
fn what_a_page_lacks_is_told() {
    let at = (7, 45);
    let told = refused(&[("src/front.tsx", "export const Front = () => 1;\n")], "build.page", "manifest.yaml", at);
    assert!(told.contains("'src/front.tsx' has no default export"), "{told}");
    let missing = MANIFEST.replace("front.tsx", "frnt.tsx");
    refused(&[("manifest.yaml", &missing)], "build.no-component", "manifest.yaml", at);
    let old = REACT[1].1.replace("19.2.0", "18.3.1");
    let told = refused(&[("node_modules/react/package.json", &old)], "build.react", "manifest.yaml", at);
    assert!(told.contains("18.3.1"), "{told}");
    refused(&[("node_modules/react-dom/package.json", "{}")], "build.react", "manifest.yaml", at);
    let folder = Folder::new(&[("manifest.yaml", MANIFEST), ("main.ts", ""), FRONT]);
    let error = build(folder.path()).expect_err("there is no React");
    assert_eq!(error.problems()[0].code, "build.react");
    insta::assert_snapshot!(render(&error));
    refused(&[("assets/pages/front-00000000.js", "mine")], "build.asset", "manifest.yaml", (7, 13));
    built(&[("assets/pages/frontier.js", "mine")]);
}
