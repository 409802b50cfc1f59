//! Handlers, payloads and answers.

use std::time::Duration;

use belljar_process::{Answer, FailureReason, Message, Payload, ProcessError, RequestBody, Role, whole};
use serde_json::{Value, json};

use crate::harness::{Applet, in_each, pieces};

#[tokio::test]
async fn a_value_and_its_context_arrive() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let answer = applet.call("echo", json!({ "text": "h\u{e9}", "n": [1, null] })).await.expect("answered");
        assert_eq!(answer["payload"], json!({ "text": "h\u{e9}", "n": [1, null] }));
        let context = &answer["context"];
        assert_eq!(
            (&context["tenant"], &context["user"], &context["handler"]),
            (&json!("acme"), &json!("ada"), &json!("echo"))
        );
        assert_eq!((&context["params"], &context["config"]), (&json!({ "id": "7" }), &json!({ "colour": "red" })));
        assert_eq!((&context["permissions"], &context["deadline"]), (&json!(["read"]), &json!(true)));
        assert_eq!(applet.call("nothing", json!(1)).await.expect("answered"), Value::Null);
        let names = applet.call("environment", Value::Null).await.expect("answered");
        assert_eq!(names, json!(["NODE_ENV", "TZ"]), "nothing of the host's environment");
    })
    .await;
}

#[tokio::test]
async fn a_request_is_answered_with_a_response() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        for body in [RequestBody::Whole("{\"a\":1}".into()), RequestBody::Stream(whole("{\"a\":1}"))] {
            let (head, body) = applet.request("request", body).await.expect("answered");
            assert_eq!(head.status, 201);
            let get = |name: &str| {
                head.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
            };
            assert_eq!((get("x-method"), get("x-in")), (vec!["POST"], vec!["caf\u{e9}"]));
            assert_eq!(get("x-url"), ["https://shop.test/a/b?c=d"]);
            assert_eq!(get("set-cookie"), ["a=1", "b=2"]);
            assert_eq!(body.as_whole(), Some(&b"{\"A\":1}"[..]), "it needs no stream");
        }
        let (head, body) = applet
            .request("parsed", RequestBody::Stream(pieces(vec!["[1".into(), ",2]".into()])))
            .await
            .expect("answered");
        assert_eq!((head.status, body.collect().await.expect("read")), (200, "{\"payload\":[1,2]}".into()));
        let (head, _) = applet.request("nothing", RequestBody::Empty).await.expect("answered");
        assert_eq!(head.status, 204);
        let (_, body) = applet.request("other", RequestBody::Empty).await.expect("answered by the default export");
        assert_eq!(
            body.collect().await.expect("read"),
            "{\"url\":\"https://shop.test/a/b?c=d\",\"tenant\":\"acme\",\"sdk\":true}"
        );
        match applet.request("parsed", RequestBody::Whole("{broken".into())).await {
            Err(ProcessError::Applet(error)) => assert_eq!(error.reason, FailureReason::InvalidPayload),
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let megabytes = vec![bytes::Bytes::from(vec![7; 1 << 20]); 5];
        let (_, body) = applet.request("mirror", RequestBody::Stream(pieces(megabytes))).await.expect("answered");
        let back = body.collect().await.expect("read");
        assert_eq!((back.len(), back.iter().all(|&byte| byte == 7)), (5 << 20, true));

        let (_, mut body) = applet.request("drip", RequestBody::Empty).await.expect("answered");
        assert_eq!(body.as_whole(), None, "it comes in pieces");
        let mut count = 0;
        let mut text = Vec::new();
        while let Some(piece) = body.next().await {
            text.extend_from_slice(&piece.expect("a piece"));
            count += 1;
        }
        assert!(text.ends_with(b"19;20;") && count > 5, "{count} pieces");

        // What the caller does not take is held back, and dropping it ends the invocation: the seat is free again.
        let (_, mut body) = applet.request("flood", RequestBody::Empty).await.expect("answered");
        body.next().await.expect("a piece").expect("bytes");
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(body);
        crate::harness::eventually("the seat is free", || applet.supervisor.status().calls == 0).await;
    })
    .await;
}

#[tokio::test]
async fn failures_are_told_as_data() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let Err(ProcessError::Applet(error)) = applet.call("fail", Value::Null).await else { panic!("it throws") };
        assert_eq!((error.reason, error.errors.len()), (FailureReason::Threw, 2));
        let first = &error.errors[0];
        assert_eq!(
            (first.name.as_str(), first.message.as_str(), first.code.as_deref()),
            ("TypeError", "no such luck", Some("E_LUCK"))
        );
        assert_eq!(first.details.as_deref(), Some("{\"a\":1}"));
        assert!(first.stack.contains("bundle.mjs"), "{}", first.stack);
        assert_eq!((error.errors[1].role, error.errors[1].message.as_str()), (Role::Cause, "because"));

        let told = |result: Result<Value, ProcessError>| match result {
            Err(ProcessError::Applet(error)) => (error.reason, error.errors[0].message.clone()),
            other => panic!("{other:?}"),
        };
        let (reason, message) = told(applet.call("bigint", Value::Null).await);
        assert_eq!(reason, FailureReason::InvalidResult);
        assert!(message.ends_with("a BigInt at result.a[0]: turn it into a string or a number"), "{message}");
        let (reason, message) = told(applet.call("missing", Value::Null).await);
        assert_eq!(reason, FailureReason::HandlerNotFound);
        assert!(message.contains("call it with an HTTP request"), "{message}");

        let (_, body) = applet.request("tear", RequestBody::Empty).await.expect("begun");
        match body.collect().await {
            Err(ProcessError::Applet(error)) => assert_eq!(error.errors[0].code.as_deref(), Some("E_TORN")),
            other => panic!("{other:?}"),
        }
        assert_eq!(applet.call("echo", json!(1)).await.expect("it goes on")["payload"], 1);
    })
    .await;
}

#[tokio::test]
async fn events_and_schedules_find_their_members() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime);
        let message =
            |id: &str, payload: &str| Message { id: id.into(), published_ms: 1, attempt: 1, payload: payload.into() };
        let messages = vec![message("a", "{}"), message("b", "{\"again\":true}")];
        let mut invocation = applet.invocation("queue", Payload::Messages(messages));
        invocation.export = "default".into();
        match applet.supervisor.invoke(invocation).await.expect("answered") {
            Answer::Value(text) => assert_eq!(text.as_deref(), Some("{\"retry\":[{\"id\":\"b\",\"delayMs\":2000}]}")),
            other => panic!("{other:?}"),
        }
        let mut invocation =
            applet.invocation("nightly", Payload::Json("{\"cron\":\"0 0 * * *\",\"scheduledTime\":5}".into()));
        invocation.context.trigger = "schedule".into();
        match applet.supervisor.invoke(invocation).await.expect("answered") {
            Answer::Value(text) => {
                assert_eq!(text.as_deref(), Some("{\"type\":\"scheduled\",\"cron\":\"0 0 * * *\",\"scheduledTime\":5}"))
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn common_js_and_broken_payloads() {
    in_each(async |runtime| {
        let applet =
            Applet::with(&runtime, "export default { hello(context, name) { return `hello ${name}`; } };", |_| {});
        assert_eq!(applet.call("hello", json!("you")).await.expect("answered"), "hello you");
        let invocation = applet.invocation("hello", Payload::Json("{".into()));
        let error = applet.supervisor.invoke(invocation).await.expect_err("refused");
        assert_eq!((error.code(), error.status()), ("invalid-payload", 400));
    })
    .await;
}
