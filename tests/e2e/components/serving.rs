//! Components on the real server: deployed, called over HTTP beside one that spins, replaced, called by the command.

use belljar_tests::serving::{Server, request};
use belljar_tests::{cli, component};
use serde_json::json;

/// Counts in the store; with a handler that spins.
fn package(version: &str, step: u32) -> Vec<u8> {
    let functions = format!(
        r#"(data (i32.const 4096) "visits")
           (func (export "handle") (param $call i32) (result i32)
             ;; A handler's name of four bytes is `spin`.
             (if (i32.eq (i32.load (i32.add (local.get $call) (i32.const 84))) (i32.const 4)) (then (loop $l (br $l))))
             (call $increment (i32.const 4096) (i32.const 6) (i64.const {step}) (i32.const 0) (i64.const 0) (i32.const 1200))
             (call $number (i64.load (i32.const 1208))))"#
    );
    let imports =
        r#"(import "belljar:component/kv@0.1.0" "increment" (func $increment (param i32 i32 i64 i32 i64 i32)))"#;
    let manifest = "permissions: { kv: true }\nhandlers:\n  - { name: visit, type: http, method: GET, path: /, auth: none }\n  \
                    - { name: spin, type: http, method: GET, path: /spin, auth: none }\n";
    let package = component::package_of("counter", manifest, &component::of_text("", "", imports, &functions));
    let mut package = belljar::package::Package::decode(&package).unwrap();
    package.descriptor.version = version.parse().unwrap();
    package.descriptor.runtime.limits.max_execution_ms = Some(2_000);
    package.encode().unwrap()
}

#[test]
fn components_are_served_replaced_and_called() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    assert_eq!(server.belljar(&["tenants", "create", "acme"]).code, Some(0));
    let deploy = |version: &str, step| {
        let path = folder.path().join(format!("{version}.belljar"));
        std::fs::write(&path, package(version, step)).unwrap();
        let ran = server.belljar(&["deploy", path.to_str().unwrap(), "--tenant", "acme", "--yes"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    deploy("1.0.0", 1);
    let at = server.at;
    let get = |path: &str| request(at, "GET", path, &[], b"");
    // Those that spin take turns with the others, until their time is over.
    let spinning: Vec<_> =
        (0..4).map(|_| std::thread::spawn(move || request(at, "GET", "/acme/counter/spin", &[], b"").status)).collect();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                (0..25)
                    .map(|_| request(at, "GET", "/acme/counter/", &[], b"").json().as_u64().unwrap())
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut seen: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=100).collect::<Vec<_>>(), "each visit is counted once");
    for spun in spinning {
        assert_eq!(spun.join().unwrap(), 504);
    }
    deploy("2.0.0", 1_000);
    assert_eq!(get("/acme/counter/").json(), json!(1_100));
    let called = server.belljar(&["call", "acme/counter", "--handler", "visit", "--payload", "null"]);
    assert_eq!((called.code, called.stdout.trim()), (Some(0), "2100"), "{called:?}");
}

#[test]
fn the_command_checks_builds_and_runs_a_component() {
    let imports = r#"(import "belljar:component/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;
    let functions = r#"(data (i32.const 4096) "hello")
        (func (export "handle") (param i32) (result i32)
          (call $log (i32.const 2) (i32.const 4096) (i32.const 5) (i32.const 0) (i32.const 0))
          (call $number (i64.const 42)))"#;
    let folder = component::folder("answer", "", &component::of_text("", "", imports, functions));
    let path = folder.path().to_str().unwrap();
    assert_eq!(cli::run(&["check", path]).code, Some(0));
    let out = folder.path().join("answer.belljar");
    let out = out.to_str().unwrap();
    assert_eq!(cli::run(&["build", path, "--output", out]).code, Some(0));
    let ran = cli::run(&["run", out, "--json"]).json();
    assert_eq!((&ran["value"], &ran["usage"]["host_calls"]), (&json!(42), &json!(1)), "{ran}");
    assert_eq!(ran["log"][0]["message"], "hello", "{ran}");
    std::fs::write(folder.path().join("applet.wasm"), "no component").unwrap();
    let refused = cli::run(&["check", path]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stdout.contains("is no valid component") || refused.stderr.contains("is no valid component"),
        "{refused:?}"
    );
}
