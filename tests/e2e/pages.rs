//! Pages rendered by React, real and whole: the same bytes wherever they are rendered, and brought to life in a real browser. Every test goes
//! through the engines that this machine has; which are missing is said.

use std::path::{Path, PathBuf};
use std::process::Command;

use belljar::package::Engine;
use belljar::{ProcessConfig, engine_version};
use belljar_tests::cli::Ran;
use belljar_tests::serving::{Answer, Server, request};
use belljar_tests::{applet, npm, repository, runtimes};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where a browser may be; build/xtask/src/npm.rs sees to it that it is there.
const BROWSERS: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
const LOCALES: [&str; 3] = ["en", "de", "fr"];

/// The example for an engine, with its packages; `None`, with a word, when they are not installed.
fn dashboard(engine: &str) -> Option<TempDir> {
    let installed = npm::installed("finance-dashboard", "examples/finance-dashboard")?;
    let folder = npm::beside(&installed);
    applet::copy_folder(&repository().join("examples/finance-dashboard"), folder.path());
    let manifest = folder.path().join("manifest.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("engine: bun"), "{text}");
    std::fs::write(manifest, text.replace("engine: bun", &format!("engine: {engine}"))).unwrap();
    Some(folder)
}

/// The engines of this machine. The first is the one the others are compared with.
fn engines() -> Vec<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = ProcessConfig { packages: runtimes::packages(), ..ProcessConfig::new(folder.path().join("p")) };
    let is_here = |engine: Engine| match runtime.block_on(engine_version(Some(&config), engine, None)) {
        Ok(_) => true,
        Err(fault) => {
            eprintln!("skipped: {}", fault.message);
            false
        }
    };
    let processes = [(Engine::Bun, "bun"), (Engine::Node, "node"), (Engine::Deno, "deno")];
    let found = processes.into_iter().filter(|(engine, _)| is_here(*engine)).map(|(_, name)| name);
    std::iter::once("wasm").chain(found).collect()
}

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran
}

/// A server that has the dashboard for the tenant `acme`.
struct Served {
    server: Server,
    folder: TempDir,
    _data: TempDir,
}

impl Served {
    fn start(engine: &str) -> Option<Self> {
        Some(Self::of(dashboard(engine)?))
    }

    fn of(folder: TempDir) -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(data.path(), &[]);
        fine(server.belljar(&["tenants", "create", "acme"]));
        fine(server.belljar(&["deploy", folder.path().to_str().unwrap(), "--tenant", "acme", "--grant", "all"]));
        Self { server, folder, _data: data }
    }

    /// The key of a user who holds these permissions.
    fn key(&self, permissions: &[&str]) -> String {
        let mut args = vec!["keys", "create", "acme", "--user", "ada", "--json"];
        for permission in permissions {
            args.extend(["--permission", permission]);
        }
        fine(self.server.belljar(&args)).json()["key"].as_str().unwrap().to_owned()
    }

    fn get(&self, key: &str, locale: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("accept-language", locale), ("host", "pages.example")];
        if !key.is_empty() {
            headers.push(("authorization", &bearer));
        }
        request(self.server.at, "GET", &format!("/acme/finance-dashboard{path}"), &headers, b"")
    }

    fn page(&self, key: &str, locale: &str, path: &str) -> String {
        let answer = self.get(key, locale, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        answer.text()
    }
}

/// What the browser is given to bring a page to life with.
fn data_of(page: &str) -> Value {
    let (_, rest) = page
        .split_once(r#"<script id="belljar-page" type="application/json">"#)
        .unwrap_or_else(|| panic!("no data: {page}"));
    let (json, _) = rest.split_once("</script>").expect("the element ends");
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// Renders a page in plain Node: the package's bundle, a context that is made up, and a database that answers what the page was made of.
const NODE: &str = r"
import { pathToFileURL } from 'node:url';
const { bundle, name, context, rows } = JSON.parse(process.argv[2]);
const handlers = await import(pathToFileURL(bundle).href);
const db = { query: async () => rows.query, queryOne: async () => rows.queryOne };
const response = await handlers[name]({ ...context, signal: new AbortController().signal, sdk: { db } }, undefined);
process.stdout.write(await response.text());
";

/// The bundle of a folder, in a file of its own.
fn bundle(folder: &Path) -> TempDir {
    let package = belljar_build::build(folder).unwrap_or_else(|error| panic!("{:#?}", error.problems())).package;
    let work = tempfile::tempdir().unwrap();
    std::fs::write(work.path().join("bundle.mjs"), package.bundle).unwrap();
    std::fs::write(work.path().join("render.mjs"), NODE).unwrap();
    work
}

/// `None` where there is no Node.
fn in_node(work: &Path, name: &str, page: &str, url: &str) -> Option<String> {
    let data = data_of(page);
    let (props, told) = (&data["props"], &data["page"]);
    let rows =
        json!({ "query": props.get("departments").or(props.get("expenses")), "queryOne": props.get("department") });
    let context = json!({ "locale": told["locale"], "permissions": told["permissions"], "user": told["user"], "params": told["params"], "request": { "url": url } });
    let spec = json!({ "bundle": work.join("bundle.mjs"), "name": format!("belljar$page${name}"), "context": context, "rows": rows });
    let output =
        Command::new("node").arg(work.join("render.mjs")).arg(spec.to_string()).env("NODE_ENV", "production").output();
    let Ok(output) = output else {
        eprintln!("skipped: the comparison with node, which is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("HTML is text"))
}

#[test]
fn a_page_has_the_same_bytes_wherever_it_is_rendered() {
    let paths = ["/", "/reports/engineering", "/reports/marketing/print"];
    let mut first: Vec<String> = Vec::new();
    for engine in engines() {
        let Some(served) = Served::start(engine) else { return };
        let key = served.key(&["finance.read", "finance.write"]);
        let all: Vec<(&str, &str)> =
            LOCALES.iter().flat_map(|locale| paths.iter().map(|path| (*locale, *path))).collect();
        let work = bundle(served.folder.path());
        let pages: Vec<String> = all.iter().map(|(locale, path)| served.page(&key, locale, path)).collect();
        for ((locale, path), page) in all.iter().zip(&pages) {
            let begin = format!(r#"<!DOCTYPE html><html lang="{locale}" dir="ltr"><head><meta charSet="utf-8"/>"#);
            assert!(page.starts_with(&begin) && page.ends_with("</body></html>"), "{path}: {page}");
            let name = match *path {
                "/" => "dashboard",
                "/reports/engineering" => "report",
                _ => continue,
            };
            let url = format!("http://pages.example/acme/finance-dashboard{path}");
            if let Some(html) = in_node(work.path(), name, page, &url) {
                assert_eq!(html, *page, "{engine} {locale} {path}");
            }
        }
        if first.is_empty() {
            first = pages;
        } else {
            assert_eq!(first, pages, "{engine}");
        }
    }
}

#[test]
fn what_a_user_may_not_see_is_not_in_the_page() {
    for engine in engines() {
        let Some(served) = Served::start(engine) else { return };
        assert_eq!(served.get("", "en", "/").status, 401);
        let (stranger, reader) = (served.key(&[]), served.key(&["finance.read"]));
        let refused = served.page(&stranger, "de-AT", "/");
        assert!(refused.contains("finance.read") && refused.contains(r#"lang="de""#), "{refused}");
        assert_eq!(data_of(&refused)["props"], json!({ "departments": null }));
        for path in ["/reports/office", "/export.csv"] {
            assert_eq!(served.get(&stranger, "en", path).status, 403, "{path}");
            assert_eq!(served.get(&reader, "en", path).status, 200, "{path}");
        }
        assert_eq!(served.get(&reader, "en", "/reports/nowhere").status, 404, "load() has answered with a response");

        let report = served.page(&reader, "fr", "/reports/engineering");
        assert!(!report.contains("<button"), "only finance.write approves: {report}");
        // A text that would end the element that it is in.
        assert!(
            report.contains("Compilers &amp; &lt;/script&gt; tools") && report.contains(r"\u003c/script\u003e tools"),
            "{report}"
        );
        let told = &data_of(&report)["page"];
        let expected = json!({ "locale": "fr", "permissions": ["finance.read"], "user": "ada", "path": "/reports/engineering", "params": { "id": "engineering" }, "base": "/acme/finance-dashboard" });
        assert_eq!(*told, expected);
        let print = served.page(&reader, "en", "/reports/engineering/print");
        assert!(!print.contains("<script"), "{print}");

        let csv = served.get(&reader, "en", "/export.csv");
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(
            (csv.text().lines().count(), csv.text().lines().nth(3)),
            (9, Some(r#""office","2026-01-31","Rent","12000.00""#))
        );

        // Scripts and stylesheets are there for anybody, for ever.
        for attribute in [r#"src="/acme/finance-dashboard"#, r#"rel="stylesheet" href="/acme/finance-dashboard"#] {
            let (_, rest) = report.split_once(attribute).unwrap_or_else(|| panic!("{attribute}: {report}"));
            let file = served.get("", "en", rest.split('"').next().unwrap());
            assert_eq!((file.status, file.header("cache-control")), (200, Some("public, max-age=31536000, immutable")));
            assert!(!file.text().contains("SELECT"), "nothing of load() is in it");
        }
    }
}

/// The browser and the folder of its driver; `None`, with a word, when one of them is missing.
fn browser() -> Option<(&'static str, PathBuf)> {
    let Some(browser) = BROWSERS.into_iter().find(|path| Path::new(path).exists()) else {
        eprintln!("skipped: there is no browser: `apt-get install chromium`");
        return None;
    };
    Some((browser, npm::installed("browser", "tests/browser")?))
}

/// Opens pages in a browser; each step gives what it has found.
fn look(server: &Server, key: &str, steps: &[Value]) -> Option<Vec<Value>> {
    let (browser, modules) = browser()?;
    let profile = tempfile::tempdir().unwrap();
    let spec = json!({
        "browser": browser, "modules": modules, "profile": profile.path(), "url": format!("http://{}", server.at), "locale": "de-AT",
        "headers": { "authorization": format!("Bearer {key}") }, "steps": steps,
    });
    let script = repository().join("tests/browser/look.mjs");
    let output = Command::new("node").arg(script).arg(spec.to_string()).output().expect("node starts, as npm has");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("it tells JSON"))
}

#[test]
fn pages_come_to_life_in_a_browser() {
    for engine in engines() {
        let Some(served) = Served::start(engine) else { return };
        let key = served.key(&["finance.read", "finance.write"]);
        let at = |path: &str| json!(["goto", format!("/acme/finance-dashboard{path}")]);
        // What was there before the script ran is still there: React has taken the server's elements as its own.
        let dashboard = [
            (at("/"), json!(200)),
            (json!(["alive", "input"]), json!(true)),
            (json!(["title"]), json!("Ausgaben")),
            (json!(["text", "output"]), json!("3 von 3 Abteilungen")),
            (json!(["style", ".over td", "color"]), json!("rgb(164, 38, 44)")),
            (json!(["click", "label"]), Value::Null),
            (json!(["shows", "output", "1 von 3 Abteilungen"]), json!(true)),
            (json!(["count", "tbody tr"]), json!(1)),
            (json!(["marked", "main"]), json!(true)),
            (json!(["complaints"]), json!([])),
        ];
        let report = [
            (at("/reports/engineering"), json!(200)),
            (json!(["alive", "button"]), json!(true)),
            (json!(["shows", "table", "Compilers & </script> tools"]), json!(true)),
            (json!(["click", "button"]), Value::Null),
            (json!(["shows", ".approved", "Freigegeben von ada"]), json!(true)),
            (json!(["marked", "main"]), json!(true)),
            (json!(["complaints"]), json!([])),
        ];
        let print = [
            (at("/reports/engineering/print"), json!(200)),
            (json!(["text", "h1"]), json!("Entwicklung")),
            (json!(["count", "script"]), json!(0)),
            (json!(["complaints"]), json!([])),
        ];
        let (steps, expected): (Vec<Value>, Vec<Value>) = dashboard.into_iter().chain(report).chain(print).unzip();
        let Some(found) = look(&served.server, &key, &steps) else { return };
        assert_eq!(found, expected, "{engine}");
    }
}

#[test]
fn a_page_that_differs_in_the_browser_is_noticed() {
    // What the tests above look for would be seen if it were there.
    let Some(folder) = dashboard("wasm") else { return };
    let file = folder.path().join("src/dashboard.tsx");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replace("<h1>{texts.title}</h1>", "<h1>{typeof window}</h1>");
    assert_ne!(changed, text);
    std::fs::write(file, changed).unwrap();
    let served = Served::of(folder);
    let key = served.key(&["finance.read"]);
    let steps = [
        json!(["goto", "/acme/finance-dashboard/"]),
        json!(["shows", "h1", "object"]),
        json!(["marked", "main"]),
        json!(["complaints"]),
    ];
    let Some(found) = look(&served.server, &key, &steps) else { return };
    assert_eq!(found[2], json!(false), "React has made the page anew");
    let told = found[3]
        .as_array()
        .is_some_and(|all| all.iter().any(|line| line.as_str().is_some_and(|line| line.contains("#418"))));
    assert!(told, "{found:?}");
}

#[test]
fn the_dashboard_has_good_types() {
    let (Some(folder), Some(tsc)) = (dashboard("bun"), npm::tsc()) else { return };
    // The types are the repository's, wherever the copy lies.
    let config = folder.path().join("tsconfig.json");
    let sdk = repository().join("guest-js");
    let text = std::fs::read_to_string(&config).unwrap().replace("../../guest-js", sdk.to_str().unwrap());
    std::fs::write(&config, text).unwrap();
    let output = Command::new(tsc).args(["-p", "."]).current_dir(folder.path()).output().expect("tsc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn it_is_built_for_every_engine_with_the_same_files() {
    let mut files = Vec::new();
    for engine in ["wasm", "bun", "node", "deno"] {
        let Some(folder) = dashboard(engine) else { return };
        let built =
            belljar_build::build(folder.path()).unwrap_or_else(|error| panic!("{engine}: {:#?}", error.problems()));
        assert!(built.notices.is_empty(), "{engine}: {:?}", built.notices);
        files.push(built.package.files);
    }
    assert!(files.windows(2).all(|pair| pair[0] == pair[1]), "scripts and stylesheets do not depend on the engine");
    // Of React's client, what reads files or databases is nowhere.
    let script = files[0].iter().find(|(path, _)| path.ends_with(".js")).expect("there is a script");
    assert!(script.1.len() < 256 << 10, "{} has {} bytes", script.0, script.1.len());
}
