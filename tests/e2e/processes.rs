//! Applets in processes on the real server: installed, called, replaced, killed, and what is said when something is wrong. Node is asked
//! for, because it is on every machine with npm; what the engines have in common is in `engines.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use belljar::package::Engine;
use belljar_tests::serving::{Server, request, try_request};
use belljar_tests::{PATIENCE, applet, component};
use serde_json::{Value, json};

const MANIFEST: &str = "
runtime: { engine: node, entrypoint: src/main.ts, limits: { max_memory_mb: 200 } }
permissions: { db: true, events: { publish: [n] } }
handlers:
  - { name: version, type: http, method: GET, path: /, auth: none }
  - { name: write, type: http, method: POST, path: /write/:n, auth: none }
  - { name: slow, type: http, method: GET, path: /slow, auth: none }
  - { name: leak, type: http, method: GET, path: /leak, auth: none }
  - { name: dies, type: http, method: GET, path: /dies, auth: none }
  - { name: prints, type: http, method: GET, path: /prints, auth: none }
  - { name: on, export: on, type: event, names: [n], retry: { attempts: 20, backoff: 10ms, backoff_max: 100ms } }
  - { name: rows }
  - { name: look }
";

/// A version of the applet. `top` is more code at its top level.
fn version(number: u32, top: &str) -> Vec<u8> {
    let main = format!(
        "{top}
let calls = 0;
export const version = () => ({{ version: {number}, calls: ++calls }});
export const write = async ({{ sdk, params }}) => {{
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS t (n TEXT)');
  await sdk.db.execute('INSERT INTO t VALUES (?)', [params.n]);
  await new Promise((resolve) => setTimeout(resolve, 1));
  return {{ written: params.n }};
}};
export const on = async ({{ sdk }}, n) => {{
  await sdk.db.execute('CREATE TABLE IF NOT EXISTS e (n INTEGER)');
  await sdk.db.execute('INSERT INTO e VALUES (?)', [n]);
}};
export const rows = async ({{ sdk }}, {{ table }}) => (await sdk.db.query('SELECT DISTINCT n FROM ' + (table === 'e' ? 'e' : 't'))).map(({{ n }}) => n);
export const slow = async () => {{ await new Promise((resolve) => setTimeout(resolve, 300)); return 'slow'; }};
const held = [];
export const leak = async () => {{ for (;;) {{ held.push(new Uint8Array(16 << 20).fill(1)); await new Promise((resolve) => setTimeout(resolve, 1)); }} }};
export const dies = () => {{ process.kill(process.pid, 'SIGKILL'); return new Promise(() => {{ setInterval(() => {{}}, 1000); }}); }};
export const look = async (_, {{ file, port }}) => {{
  const fs = await import('node:fs'), net = await import('node:net'), tried = {{}};
  const attempt = (what, work) => {{ try {{ tried[what] = work(); }} catch (error) {{ tried[what] = error.code ?? 'refused'; }} }};
  attempt('file', () => fs.readFileSync(file, 'utf8').length);
  attempt('etc', () => fs.readdirSync('/etc').length);
  attempt('write', () => fs.writeFileSync('/usr/lib/x', 'x'));
  tried.connect = await new Promise((resolve) => {{ const socket = net.connect(port, '127.0.0.1', () => resolve('connected')); socket.on('error', (error) => resolve(error.code)); }});
  return {{ ...tried, env: Object.keys(process.env).sort() }};
}};
export const prints = () => {{ process.stdout.write(JSON.stringify({{ level: 'warn', msg: 'structured', n: 1 }}) + '\\nplain line\\n'); return 'printed'; }};
"
    );
    let package = applet::package_of("shop", MANIFEST.trim_start(), &main);
    with_version(&package, number)
}

fn with_version(package: &[u8], number: u32) -> Vec<u8> {
    let mut package = belljar::package::Package::decode(package).unwrap();
    package.descriptor.version = format!("{number}.0.0").parse().unwrap();
    package.encode().unwrap()
}

struct Serving {
    server: Server,
    folder: tempfile::TempDir,
}

impl Serving {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::with(Server::start(&folder.path().join("data"), flags), folder)
    }

    fn again(server: Server, folder: tempfile::TempDir) -> Self {
        Self { server, folder }
    }

    fn with(server: Server, folder: tempfile::TempDir) -> Self {
        let serving = Self { server, folder };
        assert_eq!(serving.server.belljar(&["tenants", "create", "acme"]).code, Some(0));
        serving
    }

    fn file(&self, name: &str, package: &[u8]) -> String {
        let path = self.folder.path().join(format!("{name}.belljar"));
        std::fs::write(&path, package).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Deploys, and answers whether it worked and what was said.
    fn deploy(&self, name: &str, package: &[u8]) -> (bool, String) {
        let file = self.file(name, package);
        let ran = self.server.belljar(&["deploy", &file, "--tenant", "acme", "--yes"]);
        (ran.code == Some(0), format!("{}{}", ran.stdout, ran.stderr))
    }

    #[track_caller]
    fn deployed(&self, name: &str, package: &[u8]) {
        let (is_there, told) = self.deploy(name, package);
        assert!(is_there, "{told}");
    }

    fn get(&self, path: &str) -> belljar_tests::serving::Answer {
        request(self.server.at, "GET", &format!("/acme/shop{path}"), &[], b"")
    }

    /// How the applet's process is.
    fn process(&self) -> Value {
        let ran = self.server.belljar(&["processes", "list", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.json()["items"].as_array().unwrap().last().cloned().unwrap_or_default()
    }

    fn process_id(&self) -> Option<u64> {
        self.process()["processes"][0].as_u64()
    }

    fn rows(&self, table: &str) -> Vec<Value> {
        let payload = json!({ "table": table }).to_string();
        let ran = self.server.belljar(&["call", "acme/shop", "--handler", "rows", "--payload", &payload, "--json"]);
        ran.json()["value"].as_array().cloned().unwrap_or_else(|| panic!("{ran:?}"))
    }
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "this never came about: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lives(process: u64) -> bool {
    // A zombie has no command line any more.
    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn a_process_is_started_listed_reset_and_ended_with_the_server() {
    let mut serving = Serving::start(&[]);
    serving.deployed("one", &version(1, ""));
    let answer = serving.get("/");
    assert_eq!(answer.status, 200, "{}", answer.text());
    // A process knows itself by another number: it is in a namespace of its own.
    let first = serving.process_id().unwrap();
    let listed = serving.process();
    assert_eq!(
        (&listed["state"], &listed["engine"], &listed["version"]),
        (&json!("healthy"), &json!("node"), &json!("1.0.0")),
        "{listed}"
    );
    assert_eq!(listed["memory_bytes_max"], json!(200 << 20));
    assert_eq!(serving.get("/").json()["calls"], 2, "a process is kept");
    assert_eq!(serving.process_id(), Some(first));
    let table = serving.server.belljar(&["processes", "list"]);
    assert!(table.stdout.contains("acme/shop") && table.stdout.contains("healthy"), "{table:?}");
    let reset = serving.server.belljar(&["processes", "reset", "acme/shop"]);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    assert_eq!(serving.get("/").json()["calls"], 1);
    let second = serving.process_id().unwrap();
    assert_ne!(first, second);
    until("the first process has ended", || !lives(first));
    assert_eq!(serving.server.belljar(&["processes", "reset", "acme/none"]).code, Some(51));
    // Its own lines are lines of the applet.
    assert_eq!(serving.get("/prints").status, 200);
    until("the lines are there", || {
        let logs = serving.server.belljar(&["logs", "acme/shop", "--json"]);
        logs.stdout.contains("structured") && logs.stdout.contains("plain line")
    });
    let metrics = serving.server.ask("GET", "/metrics", None).text();
    assert!(metrics.contains("belljar_processes 1"), "{metrics}");
    assert!(serving.server.told.stop().success());
    until("the process has ended", || !lives(second));
}

#[test]
fn what_cannot_run_is_refused_when_it_is_installed() {
    let serving = Serving::start(&["--process-ready-ms-max", "2000"]);
    let answering = component::of_text(
        "",
        "",
        "",
        r#"(func (export "handle") (param i32) (result i32) (call $number (i64.const 1)))"#,
    );
    for (name, package, told) in [
        ("throws", version(1, "if (Date.now() > 0) throw new Error('no licence');"), "no licence"),
        ("exits", version(1, "console.log('bye'); if (Date.now() > 0) process.exit(3);"), "exit status: 3"),
        (
            "never",
            version(
                1,
                "await new Promise((resolve) => { setInterval(() => { if (Date.now() === 0) resolve(0); }, 1000); });",
            ),
            "not ready within 2000 ms",
        ),
        ("range", ranged(&version(1, ""), "<1"), "needs <1"),
        ("deno", applet::on_engine(&ranged(&version(1, ""), "^99"), Engine::Deno), "deno"),
        (
            "component",
            component::with_component(&component::package_of("shop", "", &answering), b"\0asm"),
            "the component is not valid",
        ),
    ] {
        let (is_there, said) = serving.deploy(name, &package);
        assert!(!is_there && said.contains(told), "{name}: {said}");
    }
    assert_eq!(serving.get("/").status, 404);
    // The sockets' paths would be too long.
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(100)).to_str().unwrap().to_owned();
    let serving = Serving::start(&["--process-dir", &long]);
    let (is_there, said) = serving.deploy("long", &version(1, ""));
    assert!(!is_there && said.contains("bytes, and the operating system allows 108"), "{said}");
    // No processes at all.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), &[], &[("BELLJAR_PROCESS_ENGINES", "false")]);
    let serving = Serving::with(server, folder);
    let (is_there, said) = serving.deploy("off", &version(1, ""));
    assert!(!is_there && said.contains("runs no applets in processes"), "{said}");
}

fn ranged(package: &[u8], range: &str) -> Vec<u8> {
    let mut package = belljar::package::Package::decode(package).unwrap();
    package.descriptor.runtime.version = Some(range.parse().unwrap());
    package.encode().unwrap()
}

#[test]
fn versions_change_under_load_without_a_failed_call() {
    let serving = Serving::start(&[]);
    serving.deployed("v1", &version(1, ""));
    let (stop, calls, at) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), serving.server.at);
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (stop, calls) = (stop.clone(), calls.clone());
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let path = if client == 0 { "/acme/shop/slow" } else { "/acme/shop/" };
                    let answer = request(at, "GET", path, &[], b"");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    calls.fetch_add(1, Ordering::SeqCst);
                    if client > 0 {
                        seen.push(answer.json()["version"].as_u64().unwrap());
                    }
                }
                seen
            })
        })
        .collect();
    let more = |calls: &AtomicU32| {
        let before = calls.load(Ordering::SeqCst);
        until("calls go on", || calls.load(Ordering::SeqCst) > before + 20);
    };
    for number in 2..=5 {
        more(&calls);
        serving.deployed(&format!("v{number}"), &version(number, ""));
    }
    let (is_there, said) = serving.deploy("broken", &version(6, "if (Date.now() > 0) throw new Error('half done');"));
    assert!(!is_there && said.contains("half done"), "{said}");
    more(&calls);
    stop.store(true, Ordering::SeqCst);
    for client in clients.into_iter().map(|client| client.join().unwrap()).filter(|seen| !seen.is_empty()) {
        assert!(client.is_sorted() && client.last() == Some(&5), "no call goes back: {client:?}");
    }
    // Earlier versions' processes end by themselves.
    until("one process is left", || {
        let items = serving.server.belljar(&["processes", "list", "--json"]).json()["items"].as_array().unwrap().len();
        items == 1
    });
    let rolled_back = serving.server.belljar(&["rollback", "acme/shop"]);
    assert_eq!(rolled_back.code, Some(0), "{rolled_back:?}");
    assert_eq!(serving.get("/").json()["version"], 4);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_acknowledged() {
    let serving = Serving::start(&["--process-sustained-ms", "0"]);
    serving.deployed("one", &version(1, ""));
    let kills: u32 = std::env::var("BELLJAR_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let (stop, at) = (Arc::new(AtomicBool::new(false)), serving.server.at);
    let clients: Vec<_> = (0..3)
        .map(|client| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let (mut acknowledged, mut count) = (Vec::new(), 0);
                while !stop.load(Ordering::SeqCst) {
                    let n = format!("{client}-{count}");
                    count += 1;
                    let Ok(answer) = try_request(at, "POST", &format!("/acme/shop/write/{n}"), &[], b"") else {
                        panic!("the server itself has gone")
                    };
                    match answer.status {
                        200 => acknowledged.push(n),
                        503 => {
                            assert_eq!(answer.header("retry-after"), Some("1"), "{}", answer.text());
                            let code = answer.json()["error"]["code"].as_str().unwrap().to_owned();
                            assert!(matches!(code.as_str(), "interrupted" | "unavailable"), "{code}");
                        }
                        status => panic!("{status}: {}", answer.text()),
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut recoveries = Vec::new();
    for n in 0..kills {
        let published = serving.server.belljar(&["events", "publish", "acme", "n", "--payload", &n.to_string()]);
        assert_eq!(published.code, Some(0), "{published:?}");
        // On a busy machine the one that was listed may have gone meanwhile.
        until("there is a process to kill", || {
            let process = serving
                .process_id()
                .and_then(|process| rustix::process::Pid::from_raw(i32::try_from(process).unwrap()));
            process.is_some_and(|process| rustix::process::kill_process(process, rustix::process::Signal::KILL).is_ok())
        });
        let killed = Instant::now();
        // The first call that a new process answers.
        until("a call is answered again", || {
            let answer = serving.get("/");
            answer.status == 200 && answer.json()["calls"] == 1
        });
        recoveries.push(killed.elapsed());
    }
    stop.store(true, Ordering::SeqCst);
    let acknowledged: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let written = serving.rows("t");
    for n in &acknowledged {
        assert!(written.contains(&json!(n)), "{n} was acknowledged");
    }
    assert!(acknowledged.len() > kills as usize, "{}", acknowledged.len());
    until("each event was handled", || {
        let handled = serving.rows("e");
        (0..kills).all(|n| handled.contains(&json!(n)))
    });
    recoveries.sort();
    let at = |share: usize| recoveries[(recoveries.len() - 1) * share / 100];
    eprintln!(
        "{} kills, {} acknowledged; recovery p50 {:?}, p99 {:?}",
        recoveries.len(),
        acknowledged.len(),
        at(50),
        at(99)
    );
}

#[test]
fn a_leak_is_cut_off_and_a_crash_loop_left_alone() {
    let serving = Serving::start(&["--process-failures-max", "3", "--process-open-ms", "60000"]);
    serving.deployed("one", &version(1, ""));
    let leaked = serving.get("/leak");
    assert_eq!((leaked.status, &leaked.json()["error"]["code"]), (500, &json!("memory")), "{}", leaked.text());
    until("a call is answered again", || serving.get("/").status == 200);
    let codes: Vec<_> = (0..4)
        .map(|_| serving.get("/dies"))
        .map(|answer| (answer.status, answer.json()["error"]["code"].clone()))
        .collect();
    assert_eq!(codes[0], (503, json!("interrupted")), "{codes:?}");
    assert_eq!(codes[3], (503, json!("unavailable")), "{codes:?}");
    let listed = serving.process();
    assert_eq!((&listed["state"], &listed["failures"]), (&json!("open"), &json!(3)), "{listed}");
    let refused = serving.get("/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    assert_eq!(serving.server.belljar(&["processes", "reset", "acme/shop"]).code, Some(0));
    assert_eq!(serving.get("/").status, 200);
}

/// An applet that brings its own server answers as others do: values, requests, failures, health.
#[test]
fn an_applet_may_be_a_server_itself() {
    let manifest = "
runtime: { engine: node, entrypoint: src/main.ts, server: true }
handlers:
  - { name: hello, type: http, method: POST, path: /hello/:name, auth: none }
  - { name: sum }
";
    let main = "import { createServer } from 'node:http';
createServer(async (request, response) => {
  if (request.method === 'GET') return response.end(JSON.stringify({ status: 'ok' }));
  let text = '';
  for await (const chunk of request) text += chunk;
  const { handler, context, payload } = JSON.parse(text);
  if (handler === 'hello') return response.writeHead(201, { 'content-type': 'text/plain' }).end(`hello ${context.params.name} of ${context.tenant}: ${JSON.stringify(payload)}`);
  if (!Array.isArray(payload)) return response.writeHead(422).end('numbers are wanted');
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(payload.reduce((a, b) => a + b, 0)));
}).listen(process.env.SOCKET_PATH);
";
    let serving = Serving::start(&["--process-keep-alive"]);
    serving.deployed("server", &applet::package_of("shop", manifest.trim_start(), main));
    let answer = request(
        serving.server.at,
        "POST",
        "/acme/shop/hello/ada",
        &[("content-type", "application/json")],
        b"{\"a\":1}",
    );
    assert_eq!((answer.status, answer.text().as_str()), (201, "hello ada of acme: {\"a\":1}"));
    let call = |payload: &str| {
        serving.server.belljar(&["call", "acme/shop", "--handler", "sum", "--payload", payload, "--json"]).json()
    };
    assert_eq!(call("[1,2,3]")["value"], 6);
    let failed = call("1");
    assert!(failed["fault"]["message"].as_str().unwrap().contains("status 422: numbers are wanted"), "{failed}");
    // With keep_alive a new server has it without a call.
    let Serving { mut server, folder } = serving;
    assert!(server.told.stop().success());
    let serving = Serving::again(Server::start(&folder.path().join("data"), &["--process-keep-alive"]), folder);
    until("the process is there", || serving.process()["state"] == "healthy");
}

#[test]
fn a_process_is_jailed_as_far_as_is_said() {
    let serving = Serving::start(&[]);
    serving.deployed("one", &version(1, ""));
    assert_eq!(serving.get("/").status, 200);
    let layers =
        serving.process()["jails"][0]["layers"].as_array().cloned().unwrap_or_else(|| panic!("{}", serving.process()));
    let has = |name: &str| layers.iter().any(|layer| layer["layer"] == name && layer["active"] == true);
    assert!(has("no-new-privileges") && has("resource-limits"), "{layers:?}");
    // The server's own token: what a process must never read.
    let file = serving.server.data.join("admin-token");
    let payload = json!({ "file": file, "port": serving.server.at.port() }).to_string();
    let looked = serving
        .server
        .belljar(&["call", "acme/shop", "--handler", "look", "--payload", &payload, "--json"])
        .json()["value"]
        .clone();
    assert_eq!(looked["env"], json!(["NODE_ENV", "TZ"]), "{looked}");
    for (what, layer) in
        [("file", "landlock"), ("write", "landlock"), ("etc", "mount-namespace"), ("connect", "seccomp")]
    {
        if has(layer) {
            assert!(looked[what].is_string() && looked[what] != "connected" || what == "etc", "{what}: {looked}");
        } else {
            eprintln!("skipped: {what}, because this machine has no {layer}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = layers.iter().all(|layer| layer["active"] == true);
    let strict = |program: &str| {
        let mut command = std::process::Command::new(belljar_tests::cli::binary());
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--require-jail",
            "strict",
            "--jail-program",
            program,
            "--data-dir",
        ]);
        command.arg(folder.path().join("data"));
        command
    };
    let refused = strict("/bin/false").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("require_jail is strict"), "{said}");
    if whole {
        let server = Server::start(&folder.path().join("data"), &["--require-jail", "strict"]);
        let serving = Serving::with(server, folder);
        serving.deployed("one", &version(1, ""));
        assert_eq!(serving.get("/").status, 200);
    } else {
        eprintln!("skipped: a strict start, because the jail is not whole on this machine");
    }
}
