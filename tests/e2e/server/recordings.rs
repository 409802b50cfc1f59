//! A server that records: what the history says, what operators get, and that it is enough to replay.

use belljar_tests::cli;
use belljar_tests::serving::Server;
use belljar_tests::{PATIENCE, applet};
use serde_json::Value;

const MANIFEST: &str =
    "id: fragile\nversion: 1.0.0\nname: Fragile\nruntime:\n  entrypoint: src/main.ts\npermissions: { kv: true }\n";
const MAIN: &str = "export default async (context, payload) => {
  const seen = await context.sdk.kv.increment('seen', 1);
  if (payload.fails) throw new RangeError('it is number ' + seen);
  return { seen };
};";

/// Asks until the answer is the one.
fn eventually(ask: impl Fn() -> Value, is_it: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let answer = ask();
        if is_it(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_failure_on_a_server_is_replayed_with_nothing_but_its_recording() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = key.display().to_string();
    let mut server =
        Server::start(&folder.path().join("data"), &["--record", "on-failure", "--recordings-key-file", &key]);
    let source = applet::folder(&[("manifest.yaml", MANIFEST), ("src/main.ts", MAIN)]);
    assert_eq!(server.belljar(&["tenants", "create", "acme"]).code, Some(0));
    let deployed = server.belljar(&["deploy", &source.path().display().to_string(), "--tenant", "acme", "--yes"]);
    assert_eq!(deployed.code, Some(0), "{deployed:#?}");
    for payload in [r#"{"fails":false}"#, r#"{"fails":true}"#] {
        server.belljar(&["call", "acme/fragile", "--payload", payload]);
    }

    let listed = eventually(
        || server.belljar(&["recordings", "list", "--json"]).json(),
        |listed| listed["items"].as_array().is_some_and(|items| items.len() == 1),
    );
    let id = listed["items"][0]["invocation"].as_str().expect("an id").to_owned();
    // The history is written a moment later.
    let rows = eventually(
        || server.belljar(&["invocations", "acme/fragile", "--json"]).json(),
        |rows| rows["items"].as_array().is_some_and(|rows| rows.len() == 2),
    );
    for row in rows["items"].as_array().unwrap() {
        assert_eq!(row["recorded"], row["id"] == id.as_str(), "{row}");
        assert_eq!(row["recorded"], row["code"] == "threw", "{row}");
    }
    assert_eq!(server.belljar(&["invocations", "--id", &id, "--json"]).json()["recorded"], true);

    let file = folder.path().join("failure.recording").display().to_string();
    let got = server.belljar(&["recordings", "get", &id, "-o", &file]);
    assert_eq!(got.code, Some(0), "{got:#?}");
    assert_eq!(server.belljar(&["recordings", "get", "inv_none", "-o", "none"]).code, Some(51), "not-found");
    assert!(server.told.stop().success());

    let without = cli::run(&["replay", &file]);
    assert!(
        without.code == Some(1) && without.stdout.contains("encrypted") && without.stdout.contains("--key-file"),
        "{without:#?}"
    );
    let replayed = cli::run(&["replay", &file, "--key-file", &key]);
    assert_eq!(replayed.code, Some(0), "{replayed:#?}");
    for part in ["threw: RangeError: it is number 2", "  equal: ", "src/main.ts:3:28"] {
        assert!(replayed.stdout.contains(part), "{part}: {}", replayed.stdout);
    }
}
