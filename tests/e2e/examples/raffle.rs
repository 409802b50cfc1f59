//! examples/raffle through the library and, with the commands of its README, through the command.

use belljar::{FaultCode, Invocation, Payload, Response};
use belljar_tests::{applet, cli, component, host, repository};
use serde_json::{Value, json};

/// The example with its component; `None`, with a word, when nothing is there that makes it.
fn raffle() -> Option<tempfile::TempDir> {
    let component = component::of_javascript("examples/raffle/applet.js")?;
    let folder = applet::example("raffle", None);
    std::fs::write(folder.path().join("applet.wasm"), component).expect("it can be written");
    Some(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_raffle_draws_whom_it_has_entered() {
    let Some(folder) = raffle() else { return };
    let (host, _data) = host::with_data();
    let release = applet::admit(&host, applet::tenant(), &applet::package(folder.path()));
    let page = async || {
        let request = applet::request(b"GET /winners HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let outcome = host.invoke(&release, Invocation::new("winners", Payload::Request(request))).await;
        let Ok(Response::Http(reply)) = outcome.result else { panic!("{outcome:?}") };
        (reply.status, String::from_utf8(reply.body.to_vec()).expect("text"))
    };
    assert_eq!(page().await, (404, "nothing was drawn yet\n".into()));

    let names = ["Ada", "Grace", "Hedy", "Katherine"];
    for name in names {
        let entered = applet::call(&host, &release, "enter", &json!({ "name": format!(" {name} ") }).to_string()).await;
        assert_eq!(applet::value(&entered), json!({ "entered": name }));
    }
    for (handler, payload, code) in
        [("enter", json!({ "name": " " }), "invalid-name"), ("draw", json!({ "winners": 5 }), "too-few")]
    {
        let outcome = applet::call(&host, &release, handler, &payload.to_string()).await;
        let fault = applet::fault(&outcome);
        assert_eq!((fault.code, fault.errors[0].code.as_deref()), (FaultCode::Threw, Some(code)), "{fault}");
    }
    let drawn = applet::value(&applet::call(&host, &release, "draw", &json!({ "winners": 3 }).to_string()).await);
    let mut winners: Vec<_> = drawn["winners"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(page().await, (200, format!("{}\n", winners.join("\n"))));
    winners.sort_unstable();
    winners.dedup();
    assert!(winners.len() == 3 && winners.iter().all(|name| names.contains(name)), "{drawn}");
}

#[test]
fn the_raffle_by_the_command() {
    let Some(folder) = raffle() else { return };
    // What makes the component is told as it is done.
    let readme = std::fs::read_to_string(repository().join("examples/raffle/README.md")).expect("it is there");
    assert!(readme.contains(
        "node tests/components/build.mjs examples/raffle/applet.js wit/component examples/raffle/applet.wasm"
    ));
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut answers = Vec::new();
    for command in readme.lines().filter_map(|line| line.strip_prefix("belljar run examples/raffle ")) {
        let words: Vec<&str> = command
            .split('\'')
            .enumerate()
            .flat_map(|(at, part)| if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
            .collect();
        let places = [
            "run",
            folder.path().to_str().expect("a path of text"),
            "--data-dir",
            data.path().to_str().expect("a path of text"),
        ];
        let ran = cli::run(&[&places[..], &words].concat());
        assert_eq!(ran.code, Some(0), "{command}: {ran:#?}");
        answers.push(ran.stdout);
    }
    assert_eq!(answers.len(), 3, "{readme}");
    assert_eq!((answers[0].trim(), answers[1].trim()), (r#"{"entered":"Ada"}"#, r#"{"entered":"Grace"}"#));
    let drawn: Value = serde_json::from_str(&answers[2]).expect("JSON");
    assert!(
        drawn["of"] == 2 && (drawn["winners"] == json!(["Ada"]) || drawn["winners"] == json!(["Grace"])),
        "{drawn}"
    );
}
