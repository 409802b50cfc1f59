//! The examples that need a server: notes, and settings of a chat.

use std::path::Path;

use belljar_tests::cli::{self, Ran};
use belljar_tests::repository;
use belljar_tests::server::{Reply, Server as Model};
use belljar_tests::serving::{Answer, Server, request};
use serde_json::{Value, json};

const SECRET: &str = "sk-model-0123456789";

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran
}

/// A server with one example installed for the tenant `acme`, and a key of a user.
fn installed(data: &Path, example: &str, permissions: &[&str], flags: &[&str]) -> (Server, String) {
    let server = Server::start(data, flags);
    fine(server.belljar(&["tenants", "create", "acme"]));
    let folder = repository().join("examples").join(example).display().to_string();
    let url = format!("http://{}", server.admin);
    let mut deploy = std::process::Command::new(cli::binary());
    deploy.args(["deploy", &folder, "--tenant", "acme", "--grant", "all", "--server", &url, "--data-dir"]).arg(data);
    if example == "ai-chat-settings" {
        deploy.args(["--secret-env", "MODEL_KEY"]).env("MODEL_KEY", SECRET);
    }
    let deployed = deploy.output().expect("it starts");
    let told = String::from_utf8_lossy(&deployed.stderr);
    assert!(deployed.status.success() && !told.contains("missing secret"), "{told}");
    let mut args = vec!["keys", "create", "acme", "--user", "ada", "--json"];
    for permission in permissions {
        args.extend(["--permission", permission]);
    }
    let key = fine(server.belljar(&args)).json()["key"].as_str().unwrap().to_owned();
    (server, key)
}

fn ask(server: &Server, key: &str, method: &str, path: &str, body: &Value, expected: u16) -> Answer {
    let key = format!("Bearer {key}");
    let headers: &[(&str, &str)] = if key == "Bearer " { &[] } else { &[("authorization", &key)] };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = request(server.at, method, path, headers, body.as_bytes());
    assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
    answer
}

#[test]
fn notes_are_kept_paged_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let (server, key) = installed(&folder.path().join("data"), "notes", &["notes.write"], &[]);
    let notes = |path: &str| format!("/acme/notes/notes{path}");
    let tell =
        |method: &str, path: &str, body: &Value, expected| ask(&server, &key, method, &notes(path), body, expected);

    ask(&server, "", "GET", &notes(""), &Value::Null, 401);
    for number in 1..=5 {
        let note = tell("POST", "", &json!({ "title": format!("note {number}"), "text": "text" }), 201);
        assert_eq!(note.header("location"), Some(notes(&format!("/{number}")).as_str()));
        assert_eq!((&note.json()["id"], &note.json()["author"]), (&json!(number), &json!("ada")));
    }
    tell("POST", "", &json!({ "title": "" }), 400);
    let page = tell("GET", "?limit=2&after=1", &Value::Null, 200).json();
    assert_eq!((page["notes"].as_array().unwrap().len(), &page["next"]), (2, &json!(3)));
    let last = tell("GET", "?limit=2&after=3", &Value::Null, 200).json();
    assert_eq!((last["notes"].as_array().unwrap().len(), &last["next"]), (2, &Value::Null));
    tell("GET", "?limit=0", &Value::Null, 400);

    assert_eq!(tell("PUT", "/2", &json!({ "title": "new", "text": "newer" }), 200).json()["text"], "newer");
    assert_eq!(tell("POST", "/2/merge/3", &Value::Null, 200).json()["text"], "newer\n\ntext");
    assert_eq!(tell("GET", "/3", &Value::Null, 410).json()["mergedInto"], 2);
    // Both or neither: there is no such note any more.
    tell("POST", "/2/merge/3", &Value::Null, 404);
    assert_eq!(tell("GET", "/2", &Value::Null, 200).json()["text"], "newer\n\ntext");
    tell("DELETE", "/4", &Value::Null, 204);
    tell("GET", "/4", &Value::Null, 404);

    let reader = fine(server.belljar(&["keys", "create", "acme", "--user", "bo", "--json"])).json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    ask(&server, &reader, "GET", &notes("/1"), &Value::Null, 200);
    ask(&server, &reader, "DELETE", &notes("/1"), &Value::Null, 403);
}

#[test]
fn a_chat_keeps_its_settings_to_the_rules_and_its_key_to_itself() {
    let model = Model::start(|_| Reply::json(&json!({ "answer": "a glass bell" })));
    let folder = tempfile::tempdir().unwrap();
    let host = format!("localhost:{}", model.port());
    let flags = ["--outbound-test-hosts", host.as_str()];
    let (server, key) =
        installed(&folder.path().join("data"), "ai-chat-settings", &["settings.read", "settings.write"], &flags);
    let config = json!({ "MODEL_URL": format!("http://{host}/v1/chat") }).to_string();
    fine(server.belljar(&["config", "set", "acme/ai-chat-settings", &config]));
    let (settings, chat) = ("/acme/ai-chat-settings/settings", "/acme/ai-chat-settings/widget/chat");

    for temperature in [json!(-0.1), json!(2.1), json!("1"), Value::Null] {
        let refused =
            ask(&server, &key, "PUT", settings, &json!({ "temperature": temperature, "enabled": true }), 422).json();
        assert_eq!(refused["error"]["details"][0]["setting"], "temperature", "{refused}");
    }
    for temperature in [json!(0), json!(2), json!(0.2)] {
        let taken = ask(&server, &key, "PUT", settings, &json!({ "temperature": temperature }), 200).json();
        assert_eq!((&taken["temperature"], &taken["hasKey"]), (&temperature, &json!(true)));
    }
    ask(&server, "", "GET", settings, &Value::Null, 401);
    let shown = ask(&server, &key, "GET", settings, &Value::Null, 200);
    assert!(!shown.text().contains(SECRET), "{}", shown.text());

    let answer = ask(&server, "", "POST", chat, &json!({ "message": "What is a bell jar?" }), 200);
    assert_eq!(answer.json(), json!({ "answer": "a glass bell" }));
    let seen = model.seen();
    let [asked] = seen.as_slice() else { panic!("one request: {seen:?}") };
    assert!(asked.headers.contains(&("authorization".to_owned(), format!("Bearer {SECRET}"))), "{asked:?}");
    assert_eq!(serde_json::from_slice::<Value>(&asked.body).unwrap()["temperature"], json!(0.2));

    ask(&server, &key, "PUT", settings, &json!({ "enabled": false }), 200);
    ask(&server, "", "POST", chat, &json!({ "message": "?" }), 403);
    // The route is for everybody, and for each address sixty times in a minute.
    let limited = (0..120).map(|_| request(server.at, "POST", chat, &[], b"{}")).find(|answer| answer.status == 429);
    assert!(limited.expect("a limit").header("retry-after").is_some());
    let logs = fine(server.belljar(&["logs", "acme", "--json"]));
    assert!(!logs.stdout.contains(SECRET), "{}", logs.stdout);
}
