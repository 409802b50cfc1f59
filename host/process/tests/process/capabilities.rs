//! What an applet asks the host for, and what it may not.

use std::time::Duration;

use belljar_process::{ProcessError, RequestBody};
use serde_json::{Value, json};

use crate::harness::{APPLET, Applet, eventually, in_each};

#[tokio::test]
async fn values_come_back_as_what_they_were() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let answer = applet.call("capabilities", Value::Null).await.expect("answered");
        assert_eq!(
            (&answer["k"], &answer["b"], &answer["none"]),
            (&json!({ "a": [1, 2] }), &json!([0, 255]), &json!(true))
        );
        assert_eq!(answer["row"], json!([["n:1", "9007199254740993n"], ["blob", [7]], ["n", 2], ["real", 1.5]]));
        assert_eq!(answer["changed"], json!({ "changes": 1, "lastInsertRowid": 9 }));
        assert_eq!(answer["denied"], json!([true, "denied", "secrets", "not this one"]));
        assert_eq!(answer["published"], "event-1");
        assert_eq!(answer["hash"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let asked = applet.host.asked();
        let query = asked.iter().find(|(name, _)| name == "db.query").expect("asked");
        assert_eq!(query.1["params"], json!([{ "$bigint": "1" }, { "$bytes": "Bw==" }, "x", null, 1.5, 1]));
        let execute = asked.iter().find(|(name, _)| name == "db.execute").expect("asked");
        assert_eq!((&execute.1["transaction"], &execute.1["params"]), (&json!(5), &json!({ "a": 1 })));
    })
    .await;
}

#[tokio::test]
async fn fetch_goes_through_the_host() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let answer = applet.call("fetches", Value::Null).await.expect("answered");
        assert_eq!(
            answer,
            json!({ "status": 203, "url": "https://example.test/path?x=1", "type": "text/plain", "body": "hello", "refused": ["TypeError", "denied"] })
        );
        let (head, body) = applet.request("fetchStream", RequestBody::Empty).await.expect("answered");
        assert_eq!((head.status, body.collect().await.expect("read").len()), (203, 300_000));
    })
    .await;
}

#[tokio::test]
async fn lines_belong_to_their_call() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let hosts: Vec<_> = (0..8).map(|_| std::sync::Arc::<crate::harness::Host>::default()).collect();
        let calls = hosts.iter().enumerate().map(|(n, host)| {
            let host = std::sync::Arc::clone(host) as std::sync::Arc<dyn belljar_process::Capabilities>;
            let payload = belljar_process::Payload::Json(format!("\"n{n}\""));
            applet.supervisor.invoke(crate::harness::invocation("logs", payload, host))
        });
        for answer in futures_util::future::join_all(calls).await {
            answer.expect("answered");
        }
        for (n, host) in hosts.iter().enumerate() {
            let lines = host.log.lock().expect("unpoisoned").clone();
            let seen: Vec<_> = lines
                .iter()
                .map(|line| (line["level"].as_str(), line["origin"].as_str(), line["message"].as_str()))
                .collect();
            let hello = format!("hello n{n} {{ n: 1 }}");
            let careful = format!("careful n{n}");
            assert_eq!(
                seen,
                [
                    (Some("info"), Some("console"), Some(hello.as_str())),
                    (Some("warn"), Some("console"), Some(careful.as_str())),
                    (Some("error"), Some("sdk"), Some("bad")),
                ]
            );
            assert_eq!(lines[2]["fields"], json!({ "name": format!("n{n}"), "big": "1" }));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_waited_for_goes_on_after_the_answer() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let (_, body) = applet.request("later", RequestBody::Empty).await.expect("answered");
        assert_eq!(body.collect().await.expect("read"), "at once");
        assert!(applet.host.kv.lock().expect("unpoisoned").get("later").is_none(), "the answer does not wait");
        eventually("it is done", || applet.host.kv.lock().expect("unpoisoned").contains_key("later")).await;
        eventually("the invocation is over", || applet.supervisor.status().calls == 0).await;
    })
    .await;
}

/// Asks the host by hand: with no token, with one that was made up, with one whose call is over, and from a process outside the group.
const FORGER: &str = r#"
import http from 'node:http';
import { spawn } from 'node:child_process';
const host = process.env.HOST_COPY, found = [];
function ask(headers, path = '/capability/kv/get', method = 'POST') {
  return new Promise((resolve) => {
    const request = http.request({ socketPath: host, path, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk)).on('end', () => resolve([response.statusCode, text]));
    });
    request.on('error', (error) => resolve([0, error.code]));
    request.end('{"keys":["k"]}');
  });
}
const { readdirSync } = await import('node:fs');
let last;
export async function forge(context) {
  const tokens = [undefined, 'Bearer ', 'Bearer ' + 'A'.repeat(43), 'Basic x', 'Bearer ' + 'A'.repeat(9000)];
  const answers = [];
  for (const token of tokens) answers.push((await ask(token === undefined ? {} : { authorization: token }))[0]);
  return answers;
}
export async function stranger() {
  const script = `const c = require('node:net').connect(process.argv[1]); c.on('data', (d) => console.log('answered')); c.on('close', () => console.log('closed')); c.on('error', () => console.log('error')); c.write('POST /capability/kv/get HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 0\\r\\n\\r\\n');`;
  const child = spawn(process.execPath, ['-e', script, host], { detached: true });
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  await new Promise((resolve) => child.on('close', resolve));
  return text.trim().split('\n').pop();
}
"#;

#[tokio::test]
async fn a_made_up_identity_is_refused() {
    // In Node only: what is tested is the host, and the applet must find the host's socket by itself.
    let Some(runtime) = crate::harness::runtimes().await.into_iter().next() else { return };
    let source = FORGER.replace(
        "process.env.HOST_COPY",
        "(await import('node:path')).join((await import('node:path')).dirname(process.argv[1]), 'host.sock')",
    );
    let applet = Applet::with(&runtime, &source, |_| {});
    let answers = applet.call("forge", Value::Null).await.expect("answered");
    assert_eq!(answers, json!([403, 403, 403, 403, 403]));
    assert!(applet.host.asked().is_empty(), "the capability was not asked");
    let told = applet.call("stranger", Value::Null).await.expect("answered");
    assert_ne!(told, "answered", "a process of another group has no business here");
}

#[tokio::test]
async fn a_token_dies_with_its_call() {
    let source = format!(
        "{APPLET}
        import {{ AsyncLocalStorage }} from 'node:async_hooks';
        let run;
        export function stash() {{ run = AsyncLocalStorage.snapshot(); return 1; }}
        export async function reuse() {{ try {{ await run(() => sdk.kv.get('k')); return 'answered'; }} catch (error) {{ return [error.code, error.message]; }} }}"
    );
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |_| {});
        applet.call("stash", Value::Null).await.expect("answered");
        let told = applet.call("reuse", Value::Null).await.expect("answered");
        assert_eq!(
            told,
            json!([
                "denied",
                "this token belongs to no running invocation: it was made up, or its invocation has ended"
            ])
        );
    })
    .await;
}

#[tokio::test]
async fn a_slow_capability_does_not_outlive_the_deadline() {
    let source = format!("{APPLET}\nexport async function slow() {{ return sdk.kv.get('slow'); }}");
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, &source, |_| {});
        applet.call("pid", Value::Null).await.expect("started");
        let begin = std::time::Instant::now();
        let error = applet.call_within(200, "slow", Value::Null).await.expect_err("over");
        assert!(matches!(error, ProcessError::Deadline), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert_eq!(applet.call("echo", json!(2)).await.expect("the process goes on")["payload"], 2);
    })
    .await;
}
