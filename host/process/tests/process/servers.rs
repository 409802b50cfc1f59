//! Servers that an applet brings along: good ones, and ones that break the protocol in every way there is.

use belljar_process::{ProcessError, RequestBody};
use serde_json::{Value, json};

use crate::harness::Applet;

#[tokio::test]
async fn a_server_of_its_own_answers_posts_and_health() {
    let applet = Applet::server(
        r#"
        const http = require('node:http');
        http.createServer((request, response) => {
          if (request.method === 'GET') return response.end('{"status":"ok"}');
          let text = '';
          request.on('data', (chunk) => (text += chunk)).on('end', () => {
            const { handler, context, payload, request: inner } = JSON.parse(text);
            if (handler === 'fails') return response.writeHead(422).end('not that');
            if (handler === 'text') return response.end('plain');
            response.writeHead(inner ? 202 : 200, { 'content-type': 'application/json', 'x-tenant': context.tenant });
            response.end(JSON.stringify({ handler, payload, method: inner?.method, body: inner?.bodyBase64 }));
          });
        }).listen(process.env.SOCKET_PATH);
        "#,
        |_| {},
    );
    let answer = applet.call("any", json!([1])).await.expect("answered");
    assert_eq!(answer, json!({ "handler": "any", "payload": [1] }));
    assert_eq!(applet.call("text", Value::Null).await.expect("answered"), "plain");
    let (head, body) = applet.request("any", RequestBody::Whole("{\"a\":1}".into())).await.expect("answered");
    assert_eq!(head.status, 202);
    assert!(head.headers.contains(&("x-tenant".into(), "acme".into())), "{head:?}");
    let body: Value = serde_json::from_slice(&body.collect().await.expect("read")).expect("JSON");
    assert_eq!(body, json!({ "handler": "any", "payload": { "a": 1 }, "method": "POST", "body": "eyJhIjoxfQ==" }));
    match applet.call("fails", Value::Null).await {
        Err(ProcessError::Applet(error)) => {
            assert_eq!(error.errors[0].message, "the applet's server answered with status 422: not that");
        }
        other => panic!("{other:?}"),
    }
}

/// Answers health, and everything else with bytes of its own choice.
fn nonsense(answer: &str) -> String {
    format!(
        r"
        require('node:net').createServer((socket) => {{
          socket.on('error', () => {{}});
          socket.once('data', (data) => {{
            if (`${{data}}`.startsWith('GET')) return socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
            {answer}
          }});
        }}).listen(process.env.SOCKET_PATH);
        "
    )
}

fn framed(head: &str, rest: &str) -> String {
    format!(
        "const head = {head:?}; socket.end('HTTP/1.1 200 OK\\r\\nbelljar-head-bytes: ' + head.length + '\\r\\nconnection: close\\r\\n\\r\\n' + head + {rest});"
    )
}

#[tokio::test]
async fn broken_answers_fail_their_call_and_say_how() {
    let cases = [
        ("socket.end('garbage\\n\\n');".to_owned(), "no HTTP"),
        ("socket.destroy();".to_owned(), "broke off"),
        ("socket.end('HTTP/1.1 200 OK\\r\\ncontent-length: 99\\r\\n\\r\\nshort');".to_owned(), "broke off"),
        ("socket.write('HTTP/1.1 200 OK\\r\\nx: ' + 'y'.repeat(1 << 20) + '\\r\\n\\r\\n');".to_owned(), "no HTTP"),
        ("socket.write('HTTP/1.1 200 OK\\r\\n' + 'a: b\\r\\n'.repeat(1000) + '\\r\\n');".to_owned(), "no HTTP"),
        (
            "socket.end('HTTP/1.1 200 OK\\r\\nbelljar-head-bytes: many\\r\\nconnection: close\\r\\n\\r\\n');"
                .to_owned(),
            "belljar-head-bytes is not a number",
        ),
        (
            "socket.end('HTTP/1.1 200 OK\\r\\nbelljar-head-bytes: 99999999999\\r\\nconnection: close\\r\\n\\r\\n');"
                .to_owned(),
            "4194304 are allowed",
        ),
        (framed("{", "''"), "the head of its answer"),
        (framed("{\"kind\":\"value\"}", "''"), "its value has no length"),
        (framed("{\"kind\":\"value\",\"bodyBytes\":3}", "'1'"), "before it is complete"),
        (framed("{\"kind\":\"value\",\"bodyBytes\":1}", "'123'"), "2 bytes after the end"),
        (framed("{\"kind\":\"error\"}", "''"), "an error without one"),
        (framed("{\"kind\":\"response\",\"status\":999}", "''"), "the status of its response is Some(999)"),
        (framed("{\"kind\":\"value\",\"bodyBytes\":1000000000000}", "''"), "response_bytes_max"),
    ];
    for (answer, told) in cases {
        let applet = Applet::server(&nonsense(&answer), |_| {});
        let error = applet.call("any", Value::Null).await.expect_err(&answer);
        assert!(error.to_string().contains(told), "{answer}: {error}");
        assert_eq!(error.status(), 502, "{answer}: {error}");
        assert_eq!(applet.pids().len(), 1, "a call is no reason to kill an applet's own server");
    }
}

#[tokio::test]
async fn broken_frames_break_the_body_off() {
    let head = "{\"kind\":\"response\",\"status\":200}";
    for (rest, told) in [
        ("'\\x00\\x00\\x00\\x05abc'", "before it is complete"),
        ("'\\x7f\\xff\\xff\\xff'", "16777216 are allowed"),
        ("'\\x00\\x00'", "before it is complete"),
        ("''", "before it is complete"),
    ] {
        let answer =
            framed(head, rest).replace("socket.end(", "socket.end(Buffer.from(").replace(");", ", 'latin1'));");
        let applet = Applet::server(&nonsense(&answer), |_| {});
        let (_, body) = applet.request("any", RequestBody::Empty).await.expect("begun");
        let error = body.collect().await.expect_err(rest);
        assert!(error.to_string().contains(told), "{rest}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_listens_and_says_nothing_is_not_ready() {
    let source = "require('node:net').createServer(() => {}).listen(process.env.SOCKET_PATH);";
    let applet = Applet::server(source, |spec| {
        spec.supervision.health_ms_max = 100;
        spec.supervision.ready_ms_max = 400;
        spec.supervision.failures_max = 1;
    });
    let error = applet.call("any", Value::Null).await.expect_err("not ready").to_string();
    assert!(error.contains("was not ready within 400 ms: its health check took more than 100 ms"), "{error}");
}
