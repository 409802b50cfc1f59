//! What a newcomer does, from an empty folder to a server that has ended: two applets for two tenants, calls over HTTP, logs, usage, an update, a
//! rollback, a backup.

use std::time::{Duration, Instant};

use belljar_tests::cli::{self, Ran};
use belljar_tests::serving::{Server, request};
use serde_json::json;

use super::hello;

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran
}

fn greet(server: &Server, tenant: &str) -> serde_json::Value {
    let answer = request(server.at, "GET", &format!("/{tenant}/hello/greet/Ada"), &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn a_newcomer_gets_from_an_empty_folder_to_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start(&data, &[]);
    let (first, second) = (hello("1.0.0", "Hello"), hello("1.1.0", "Good evening"));
    let path = |folder: &tempfile::TempDir| folder.path().display().to_string();

    for tenant in ["acme", "globex"] {
        fine(server.belljar(&["tenants", "create", tenant]));
        let deployed = fine(server.belljar(&["deploy", &path(&first), "--tenant", tenant, "--yes"]));
        assert!(
            deployed.stderr.contains("asks for db") && deployed.stderr.contains("is in force, release 1"),
            "{deployed:#?}"
        );
        assert_eq!(greet(&server, tenant), json!({ "greeting": "Hello, Ada!", "tenant": tenant }));
    }
    greet(&server, "acme");
    let called = fine(server.belljar(&["call", "acme/hello", "--handler", "count"]));
    assert_eq!(called.stdout.trim(), "2");
    assert_eq!(
        fine(server.belljar(&["call", "globex/hello", "--handler", "count"])).stdout.trim(),
        "1",
        "its own database"
    );

    // The history is written a moment later.
    let logs = eventually(|| server.belljar(&["logs", "acme", "--json"]), |ran| ran.stdout.lines().count() == 2);
    for line in logs.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["message"], &line["fields"], &line["tenant"]),
            (&json!("greeted"), &json!({ "name": "Ada" }), &json!("acme"))
        );
    }
    let shown = eventually(|| server.belljar(&["invocations", "acme/hello"]), |ran| ran.stdout.contains("one-off"));
    assert!(shown.stdout.contains("greet") && shown.stdout.contains("one-off"), "{}", shown.stdout);
    let usage = fine(server.belljar(&["usage", "acme", "--json"])).json();
    assert_eq!((&usage["items"][0]["invocations"], &usage["items"][0]["log_lines"]), (&json!(3), &json!(2)), "{usage}");
    assert!(usage["items"][0]["fuel"].as_u64().unwrap() > 1_000, "{usage}");
    let audit = fine(server.belljar(&["audit", "globex", "--json"])).json();
    assert!(
        audit["items"].as_array().unwrap().iter().any(|row| row["capability"] == "db" && row["ended"] == "done"),
        "{audit}"
    );
    let changes = fine(server.belljar(&["audit", "--trail", "changes", "--json"])).json();
    assert!(changes["items"].as_array().unwrap().iter().any(|row| row["action"] == "tenant.create"), "{changes}");

    fine(server.belljar(&["deploy", &path(&second), "--tenant", "acme"]));
    assert_eq!(
        (&greet(&server, "acme")["greeting"], &greet(&server, "globex")["greeting"]),
        (&json!("Good evening, Ada!"), &json!("Hello, Ada!"))
    );
    let begun = Instant::now();
    let back = fine(server.belljar(&["rollback", "acme/hello"]));
    assert!(back.stderr.contains("release 1 (1.0.0) is in force, 2 was"), "{back:#?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(greet(&server, "acme")["greeting"], "Hello, Ada!");
    let releases = fine(server.belljar(&["list", "acme/hello", "--json"])).json();
    assert_eq!(releases["items"].as_array().unwrap().len(), 2, "{releases}");

    fine(server.belljar(&["disable", "acme/hello"]));
    assert_eq!(request(server.at, "GET", "/acme/hello/greet/Ada", &[], b"").status, 503);
    let refused = server.belljar(&["call", "acme/hello", "--handler", "count"]);
    assert_eq!(refused.code, Some(52), "{refused:#?}");
    fine(server.belljar(&["enable", "acme/hello"]));
    greet(&server, "acme");

    let archive = folder.path().join("backup.tar");
    fine(server.belljar(&["backup", &archive.display().to_string()]));
    let status = server.told.stop();
    assert_eq!(status.code(), Some(0), "{:#?}", server.told.seen);

    let restored = folder.path().join("restored");
    fine(cli::run(&["restore", &archive.display().to_string(), "--data-dir", &restored.display().to_string()]));
    let server = Server::start(&restored, &[]);
    assert_eq!(greet(&server, "acme")["greeting"], "Hello, Ada!");
    assert_eq!(
        fine(server.belljar(&["call", "acme/hello", "--handler", "count"])).stdout.trim(),
        "6",
        "five before, one after"
    );
}

fn eventually(ask: impl Fn() -> Ran, is_it: impl Fn(&Ran) -> bool) -> Ran {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let ran = ask();
        if is_it(&ran) {
            return ran;
        }
        assert!(Instant::now() < until, "{ran:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn errors_have_hints_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[]);
    let applet = hello("1.0.0", "Hello");
    let path = applet.path().display().to_string();
    let missing = server.belljar(&["deploy", &path, "--tenant", "nobody", "--yes"]);
    assert_eq!(missing.code, Some(51), "{missing:#?}");
    assert!(missing.stderr.contains("error[not-found]") && missing.stderr.contains("hint:"), "{missing:#?}");

    fine(server.belljar(&["tenants", "create", "acme"]));
    // Nobody is there to be asked: it waits.
    let waits = server.belljar(&["deploy", &path, "--tenant", "acme"]);
    assert_eq!(waits.code, Some(50), "{waits:#?}");
    assert!(waits.stderr.contains("belljar approve acme/hello"), "{waits:#?}");
    let listed = fine(server.belljar(&["list", "acme", "--json"])).json();
    assert_eq!(listed["items"][0]["state"], "pending", "{listed}");
    fine(server.belljar(&["approve", "acme/hello", "--yes"]));
    greet(&server, "acme");
    assert_eq!(server.belljar(&["approve", "acme/hello", "--yes"]).code, Some(51));

    let file = folder.path().join("broken.belljar");
    std::fs::write(&file, "no package").unwrap();
    assert_eq!(server.belljar(&["deploy", &file.display().to_string(), "--tenant", "acme"]).code, Some(32));
    let wrong = cli::run(&[
        "list",
        "--server",
        &format!("http://{}", server.at),
        "--token-file",
        &data.join("admin-token").display().to_string(),
    ]);
    assert!(wrong.stderr.contains("--admin-listen"), "{wrong:#?}");
    let nobody = cli::run(&[
        "status",
        "--server",
        "http://127.0.0.1:1",
        "--token-file",
        &data.join("admin-token").display().to_string(),
    ]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("is `belljar serve` running"), "{nobody:#?}");
    let no_token = cli::run(&["status", "--data-dir", "/nowhere"]);
    assert!(no_token.stderr.contains("--token-file or BELLJAR_TOKEN"), "{no_token:#?}");
    let json = server.belljar(&["rollback", "acme/hello", "--to", "77", "--json"]);
    assert_eq!((json.code, &json.json()["fault"]["code"]), (Some(51), &json!("not-found")));
}

#[test]
fn logs_are_followed_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let applet = hello("1.0.0", "Hello");
    fine(server.belljar(&["tenants", "create", "acme"]));
    fine(server.belljar(&["deploy", &applet.path().display().to_string(), "--tenant", "acme", "--yes"]));
    greet(&server, "acme");
    let mut command = std::process::Command::new(cli::binary());
    let url = format!("http://{}", server.admin);
    command.args(["logs", "acme", "-f", "--json", "--server", &url, "--data-dir"]).arg(&server.data);
    let mut following = belljar_tests::serving::Told::start(command, true);
    following.wait_for("the line before", |line| line["message"] == "greeted");
    for n in 0..3 {
        let answer = request(server.at, "GET", &format!("/acme/hello/greet/n{n}"), &[], b"");
        assert_eq!(answer.status, 200);
        following.wait_for("the next line", |line| line["fields"]["name"] == format!("n{n}"));
    }
    let mut server = server;
    assert_eq!(server.told.stop().code(), Some(0), "followers do not hold it up: {:#?}", server.told.seen);
}
