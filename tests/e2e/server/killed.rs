//! The real server, killed at each named place while an operator's commands run against it, and started again.

use belljar_server::failpoint;
use belljar_tests::{applet, serving};
use serde_json::Value;

const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// Version `number` of an applet: as many migrations, an answer that tells how many were applied.
fn version(number: u32) -> tempfile::TempDir {
    let manifest = format!(
        "id: shop\nversion: {number}.0.0\nname: Shop\nruntime: {{ entrypoint: main.ts }}\nhandlers:\n  - {{ name: default, export: default }}\n  - {{ name: hook, export: hook, type: lifecycle, on: install }}\npermissions:\n  db: true\n  secrets: [{{ name: SHOP_KEY, required: true, hosts: [api.example.com] }}]\n"
    );
    let main = format!(
        "export default async (context: any) => {{\n  const rows = await context.sdk.db.query('SELECT n FROM applied ORDER BY n');\n  return {{ version: {number}, applied: rows.map((row: any) => row.n) }};\n}};\nexport const hook = () => {{}};\n"
    );
    let migrations: Vec<(String, String)> = (1..=number)
        .map(|n| {
            let table = if n == 1 { "CREATE TABLE applied (n INTEGER) STRICT;\n" } else { "" };
            (format!("migrations/{n:04}_n.sql"), format!("{table}INSERT INTO applied VALUES ({n});\n"))
        })
        .collect();
    let mut files = vec![("manifest.yaml", manifest.as_str()), ("main.ts", main.as_str())];
    files.extend(migrations.iter().map(|(name, sql)| (name.as_str(), sql.as_str())));
    applet::folder(&files)
}

/// Runs a command, with the secret in its environment. Whether it succeeded, and what it said.
fn belljar(server: &serving::Server, args: &[&str]) -> (bool, String) {
    let mut command = std::process::Command::new(belljar_tests::cli::binary());
    command.args(args).args(["--server", &format!("http://{}", server.admin), "--data-dir"]).arg(&server.data);
    let output = command.env("SHOP_KEY", "s3cret").output().expect("it starts");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The version in force, and that it is whole: all its migrations were applied once. 0 when it is not installed.
fn in_force(server: &serving::Server) -> u32 {
    let list = server.belljar(&["list", "acme", "--json"]);
    assert_eq!(list.code, Some(0), "{list:?}");
    let list = list.json();
    let shop = list["items"].as_array().and_then(|items| items.iter().find(|item| item["applet"] == "shop"));
    if !shop.is_some_and(|shop| shop["state"] == "enabled") {
        return 0;
    }
    let called = server.belljar(&["call", "acme/shop", "--handler", "default", "--json"]);
    assert_eq!(called.code, Some(0), "{called:?}");
    let value = called.json()["value"].clone();
    let number = u32::try_from(value["version"].as_u64().expect("a number")).expect("small");
    let applied: Vec<u64> = value["applied"].as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    assert!(applied.len() >= number as usize, "{value}");
    assert_eq!(applied, (1..=applied.len() as u64).collect::<Vec<_>>(), "{value}");
    number
}

#[test]
fn a_server_that_is_killed_at_any_place_keeps_what_it_acknowledged() {
    let versions: Vec<tempfile::TempDir> = (1..=3).map(version).collect();
    let path = |number: usize| versions[number - 1].path().to_str().expect("UTF-8");
    // Restoring is the command's, not the server's; packages are collected once an hour: both are in tests/fault.
    let elsewhere = ["restore.extracted", "restore.verified", "collect.rows-deleted"];
    for place in failpoint::NAMES.iter().filter(|name| !elsewhere.contains(name)) {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("data");
        let backup = dir.path().join("backup.tar");
        let key = [("BELLJAR_SECRETS_KEY", KEY)];
        let mut server = serving::Server::start_with(&data, &[], &key);
        let made = server.belljar(&["tenants", "create", "acme"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        assert!(server.told.stop().success());

        let mut server = serving::Server::start_with(&data, &[], &[key[0], (failpoint::VARIABLE, place)]);
        // Each with the version that is in force when it is acknowledged.
        let steps: [(&[&str], u32); 6] = [
            (&["deploy", path(1), "--tenant", "acme", "--yes", "--secret-env", "SHOP_KEY"], 1),
            (&["deploy", path(2), "--tenant", "acme", "--yes"], 2),
            (&["rollback", "acme/shop"], 1),
            (&["deploy", path(3), "--tenant", "acme", "--yes"], 3),
            (&["backup", backup.to_str().expect("UTF-8")], 3),
            (&["uninstall", "acme/shop", "--purge", "--yes"], 0),
        ];
        let mut acknowledged = 0;
        let mut possible = None;
        for (args, after) in steps {
            let ran = belljar(&server, args);
            if ran.0 {
                acknowledged = after;
            } else {
                possible = Some(after);
                break;
            }
        }
        let possible = possible.unwrap_or_else(|| panic!("nothing came to {place}"));
        assert!(!server.told.ended().success(), "{place}");

        let mut server = serving::Server::start_with(&data, &[], &key);
        let found = in_force(&server);
        assert!(
            found == acknowledged || found == possible,
            "{place}: version {found}, acknowledged {acknowledged}, under way {possible}"
        );
        // Nothing is in the way.
        for number in [2, 3] {
            let ran =
                belljar(&server, &["deploy", path(number), "--tenant", "acme", "--yes", "--secret-env", "SHOP_KEY"]);
            assert!(ran.0, "{place}: {}", ran.1);
            assert_eq!(in_force(&server), u32::try_from(number).expect("small"), "{place}");
        }
        assert!(server.told.stop().success(), "{place}");
    }
}

#[test]
fn a_place_that_is_not_there_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = std::process::Command::new(belljar_tests::cli::binary());
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .env(failpoint::VARIABLE, "nowhere");
    let output = command.output().expect("it starts");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("there is no place \"nowhere\""), "{told}");
}
