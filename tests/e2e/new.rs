//! `belljar new` and `belljar check --types`: what a new author does first, with the real command and the real TypeScript compiler.

use std::path::Path;
use std::process::Command;

use belljar_tests::cli::{self, Ran};
use belljar_tests::{npm, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A new applet, in a folder from which TypeScript is found if it is installed.
struct New {
    _parent: TempDir,
    folder: std::path::PathBuf,
}

impl New {
    fn of(template: &str) -> Self {
        let parent =
            npm::installed("types", "tests/types").map_or_else(|| tempfile::tempdir().unwrap(), |at| npm::beside(&at));
        let folder = parent.path().join("first-steps");
        let made = cli::run(&["new", folder.to_str().unwrap(), "--template", template]);
        assert_eq!(made.code, Some(0), "{made:#?}");
        Self { _parent: parent, folder }
    }

    /// Runs the command on the folder, with a database of its own in it.
    fn run(&self, args: &[&str]) -> Ran {
        let data = self.folder.join(".belljar/data");
        cli::run(
            &[&["run", self.folder.to_str().unwrap(), "--json", "--data-dir", data.to_str().unwrap()], args].concat(),
        )
    }

    /// Calls it with one of its samples.
    fn request(&self, sample: &str) -> (u64, Value) {
        let ran = self.run(&["--request", self.folder.join("samples").join(sample).to_str().unwrap()]).json();
        let body = ran["response"]["body"].as_str().unwrap_or_default();
        (
            ran["response"]["status"].as_u64().unwrap_or_else(|| panic!("{ran}")),
            serde_json::from_str(body).unwrap_or(Value::Null),
        )
    }

    fn value(&self, handler: &str, payload: &str) -> Value {
        let ran = self.run(&["--handler", handler, "--payload", payload]).json();
        assert_eq!(ran["ok"], true, "{ran}");
        ran["value"].clone()
    }

    fn check(&self, args: &[&str]) -> Ran {
        cli::run(&[&["check", self.folder.to_str().unwrap()], args].concat())
    }

    /// Plain `tsc -p .`, with nothing but what `new` has made.
    fn compiles(&self) {
        let Some(tsc) = npm::tsc() else { return };
        let output = Command::new(tsc).args(["-p", "."]).current_dir(&self.folder).output().expect("tsc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let checked = self.check(&["--types", "--json"]);
        assert_eq!((checked.code, &checked.json()["problems"]), (Some(0), &json!([])), "{checked:#?}");
    }
}

#[test]
fn the_webhook_template_works_as_it_is() {
    let new = New::of("webhook");
    let checked = new.check(&["--json"]).json();
    assert_eq!((&checked["ok"], &checked["problems"]), (&json!(true), &json!([])), "{checked}");
    assert_eq!(checked["descriptor"]["id"], "first-steps");
    assert_eq!(new.request("signed.http"), (202, json!({ "status": "stored", "delivery": "delivery-1" })));
    assert_eq!(new.request("signed.http").0, 200);
    assert_eq!(new.request("forged.http").0, 401);
    let recent = new.value("recent", &format!("@{}", new.folder.join("samples/recent.json").display()));
    assert_eq!((recent.as_array().map(Vec::len), &recent[0]["id"]), (Some(1), &json!("delivery-1")), "{recent}");
    new.compiles();
}

#[test]
fn the_cron_template_works_as_it_is() {
    let new = New::of("cron");
    new.value("measure", &format!("@{}", new.folder.join("samples/measurement.json").display()));
    // 1970 is summed up and forgotten; today is kept.
    new.value("measure", r#"{ "sensor": "roof", "value": 4, "at": 1000 }"#);
    new.value("measure", r#"{ "sensor": "roof", "value": 6, "at": 2000 }"#);
    assert_eq!(new.value("nightly", "{}"), json!({ "days": 2, "forgotten": 2 }));
    let summaries = new.value("summaries", "null");
    assert_eq!(summaries[1], json!({ "day": "1970-01-01", "sensor": "roof", "count": 2, "average": 5 }), "{summaries}");
    assert_eq!(new.value("nightly", "{}"), json!({ "days": 1, "forgotten": 0 }), "it can run twice");
    // The schedule is told the handler as its trigger would.
    let ran = new.run(&["--handler", "nightly"]).json();
    assert_eq!(ran["log"][0]["fields"]["cron"], "30 2 * * *", "{ran}");
    new.compiles();
}

#[test]
fn the_crud_template_works_as_it_is() {
    let new = New::of("crud");
    let (status, note) = new.request("create.http");
    assert_eq!((status, &note["title"]), (201, &json!("Bell")));
    assert_eq!(new.request("list.http"), (200, json!([note])));
    assert_eq!(new.request("invalid.http").0, 400);
    let id = note["id"].as_str().unwrap().to_owned();
    let send = |method: &str, id: &str, body: &str| {
        let file = new.folder.join("samples/next.http");
        std::fs::write(&file, format!("{method} /notes/{id} HTTP/1.1\nHost: notes.example.com\n\n{body}")).unwrap();
        new.request("next.http")
    };
    assert_eq!(
        send("PUT", &id, r#"{ "title": "Jar", "text": "" }"#),
        (200, json!({ "id": id, "title": "Jar", "text": "" }))
    );
    assert_eq!(send("GET", &id, ""), (200, json!({ "id": id, "title": "Jar", "text": "" })));
    assert_eq!((send("GET", "none", "").0, send("PUT", &id, "{}").0, send("PATCH", &id, "").0), (404, 400, 405));
    assert_eq!((send("DELETE", &id, "").0, send("DELETE", &id, "").0), (204, 404));
    new.compiles();
}

#[test]
fn nothing_is_overwritten_and_names_are_ids() {
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name).to_str().unwrap().to_owned();
    let made = cli::run(&["new", &path("orders"), "--json"]).json();
    assert_eq!((&made["id"], &made["template"]), (&json!("orders"), &json!("webhook")), "{made}");
    std::fs::write(parent.path().join("orders/manifest.yaml"), "mine").unwrap();
    let again = cli::run(&["new", &path("orders"), "--template", "crud"]);
    assert_eq!(again.code, Some(1), "{again:#?}");
    assert!(again.stderr.contains("is there already") && again.stderr.contains("hint:"), "{again:#?}");
    assert_eq!(std::fs::read_to_string(parent.path().join("orders/manifest.yaml")).unwrap(), "mine");
    let named = cli::run(&["new", &path("Orders 2")]);
    assert_eq!(named.code, Some(2), "{named:#?}");
    assert!(named.stderr.contains("a-z, 0-9"), "{named:#?}");
    assert!(!Path::new(&path("Orders 2")).exists());
    let json = cli::run(&["new", &path("orders"), "--json"]).json();
    assert_eq!((&json["ok"], &json["fault"]["code"]), (&json!(false), &json!("exists")), "{json}");
}

#[test]
fn the_compilers_diagnostics_are_shown_as_ours() {
    let new = New::of("webhook");
    let main = new.folder.join("src/index.ts");
    let text = std::fs::read_to_string(&main).unwrap().replace("payload.limit ?? 10", "payload.limit ?? 'ten'");
    std::fs::write(&main, text).unwrap();
    // The bundler does not look at types.
    assert_eq!(new.check(&[]).code, Some(0));
    if npm::tsc().is_none() {
        return;
    }
    let checked = new.check(&["--types", "--json"]);
    let problems = &checked.json()["problems"];
    let problem = &problems[0];
    assert_eq!(
        (checked.code, problem["severity"].as_str(), problem["file"].as_str()),
        (Some(1), Some("error"), Some("src/index.ts"))
    );
    assert!(problem["line"].as_u64() > Some(30) && problem["column"].as_u64() > Some(1), "{problem}");
    assert!(
        problem["message"].as_str().is_some_and(|m| m.contains("(TS2345)") && m.contains("not assignable")),
        "{problem}"
    );
    let shown = new.check(&["--types"]).stderr;
    assert!(
        shown.contains("src/index.ts:") && shown.contains("payload.limit ?? 'ten'") && shown.contains("1 error"),
        "{shown}"
    );
}

#[test]
fn without_a_compiler_it_says_what_to_do() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("first-steps");
    assert_eq!(cli::run(&["new", folder.to_str().unwrap()]).code, Some(0));
    let check = || {
        let mut command = Command::new(cli::binary());
        command.args(["check", "--types", folder.to_str().unwrap()]).env("PATH", parent.path()).env("NO_COLOR", "1");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, shown) = check();
    assert_eq!(code, Some(1));
    assert!(
        shown.contains("there is no TypeScript compiler") && shown.contains("npm install --save-dev typescript"),
        "{shown}"
    );
    std::fs::remove_file(folder.join("tsconfig.json")).unwrap();
    let (code, shown) = check();
    assert!(code == Some(1) && shown.contains("there is no tsconfig.json"), "{shown}");
    // Something that is called tsc and is not the compiler.
    std::fs::write(folder.join("tsconfig.json"), "{}").unwrap();
    std::fs::create_dir_all(folder.join("node_modules/.bin")).unwrap();
    let fake = folder.join("node_modules/.bin/tsc");
    std::fs::write(&fake, "#!/bin/sh\necho nonsense >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, shown) = check();
    assert!(code == Some(1) && shown.contains("nonsense"), "{shown}");
}

#[test]
fn good_code_has_good_types_and_bad_code_has_not() {
    let Some(tsc) = npm::tsc() else { return };
    // Each wrong line expects its error: a line that has none fails.
    for project in ["tests/types", "examples"] {
        let output = Command::new(&tsc).args(["-p", project]).current_dir(repository()).output().expect("tsc starts");
        assert!(output.status.success(), "{project}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
