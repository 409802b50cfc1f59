//! One applet on every engine: the sandbox, Node, Bun and Deno must answer, fail and log alike. Runtimes that are not here are skipped, and
//! said so.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use belljar::package::Engine;
use belljar::{
    Answering, AppletId, CapabilityError, EventSink, FaultCode, Host, Invocation, JobSink, Limits, LogRecord, LogSink,
    Message, NewJob, Origin, Payload, ProcessConfig, PublishedEvent, Release, Request, Response, ResponseHead,
    ResponseSink, SecretSource, SecretText, SecretsUnavailable, SinkClosed, Taking, TenantId, engine_version,
};
use belljar_tests::server::{Reply, Server};
use belljar_tests::{applet, host, runtimes};
use serde_json::{Value, json};

const MANIFEST: &str = "
runtime: { entrypoint: src/main.js, limits: { response_bytes_max: 1000000 } }
permissions:
  db: true
  kv: true
  jobs: true
  http: [{ host: 127.0.0.1, allow_http: true }, { host: localhost, allow_http: true }]
  events: { publish: [order.paid] }
  secrets: [KEY, MISSING]
";

/// Keeps what it is given, and answers.
#[derive(Default)]
struct Kept {
    events: Mutex<Vec<PublishedEvent>>,
    jobs: Mutex<Vec<NewJob>>,
    lines: Mutex<Vec<LogRecord>>,
}

impl EventSink for Kept {
    fn publish(&self, event: PublishedEvent) -> Answering<'_, String> {
        self.events.lock().unwrap().push(event);
        Box::pin(async { Ok("evt_1".to_owned()) })
    }
}

impl JobSink for Kept {
    fn enqueue(&self, job: NewJob) -> Answering<'_, String> {
        self.jobs.lock().unwrap().push(job);
        Box::pin(async { Ok("job_1".to_owned()) })
    }

    fn cancel(&self, _: Origin, id: String) -> Answering<'_, bool> {
        Box::pin(async move { Ok(id == "job_1") })
    }

    fn progress(&self, _: Origin, _: String) -> Answering<'_, ()> {
        Box::pin(async { Err(CapabilityError::Busy) })
    }
}

impl SecretSource for Kept {
    fn secret(&self, _: &TenantId, _: &AppletId, name: &str) -> Result<Option<SecretText>, SecretsUnavailable> {
        Ok((name == "KEY").then(|| SecretText::new("sk-very-secret".into())))
    }
}

impl LogSink for Kept {
    fn write(&self, record: &LogRecord) {
        self.lines.lock().unwrap().push(record.clone());
    }
}

/// Takes a streamed response.
#[derive(Default)]
struct Taken {
    head: Option<ResponseHead>,
    body: Vec<u8>,
    ended_after: Option<Duration>,
    begun: Option<Instant>,
}

impl ResponseSink for Taken {
    fn head(&mut self, head: ResponseHead) -> Taking<'_> {
        self.head = Some(head);
        Box::pin(async { Ok(()) })
    }

    fn chunk(&mut self, bytes: belljar::Bytes) -> Taking<'_> {
        self.body.extend_from_slice(&bytes);
        Box::pin(async { Ok::<_, SinkClosed>(()) })
    }

    fn end(&mut self) -> Taking<'_> {
        self.ended_after = self.begun.map(|begun| begun.elapsed());
        Box::pin(async { Ok(()) })
    }
}

/// One applet on one engine.
struct On {
    engine: Engine,
    host: Host,
    release: Release,
    kept: Arc<Kept>,
    _folder: tempfile::TempDir,
}

impl On {
    /// `None` when this machine lacks the engine.
    async fn new(engine: Engine) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = ProcessConfig { packages: runtimes::packages(), ..ProcessConfig::new(folder.path().join("p")) };
        if let Err(fault) = engine_version(Some(&config), engine, None).await {
            eprintln!("skipped: {}", fault.message);
            return None;
        }
        let kept = Arc::new(Kept::default());
        let builder = host::builder().data_dir(folder.path().join("data")).processes(config);
        let builder = builder.events(kept.clone()).jobs(kept.clone()).secrets(kept.clone()).log(kept.clone());
        // A deadline that a busy machine keeps; the limits of one test below are shorter.
        let host = host::build(builder.limits(Limits { deadline_ms: 20_000, ..Limits::default() }));
        let release = applet::admit(&host, TenantId::new("acme").unwrap(), &package(engine, ""));
        host.prepare(&release).await.unwrap_or_else(|fault| panic!("{engine:?}: {fault}"));
        Some(Self { engine, host, release, kept, _folder: folder })
    }

    async fn call(&self, handler: &str, payload: Value) -> belljar::Outcome {
        applet::call(&self.host, &self.release, handler, &payload.to_string()).await
    }

    async fn value(&self, handler: &str, payload: Value) -> Value {
        applet::value(&self.call(handler, payload).await)
    }

    /// A request, and what came of it, streamed or not.
    async fn ask(
        &self,
        handler: &str,
        change: impl FnOnce(&mut Request, &mut Invocation),
    ) -> (belljar::Outcome, Taken) {
        let mut request = Request {
            method: "GET".into(),
            url: "https://acme.example/shop/x?y=1".into(),
            headers: Vec::new(),
            body: Vec::new().into(),
        };
        let mut invocation = Invocation::new(handler, Payload::Json(String::new()));
        invocation.trigger = "http".into();
        change(&mut request, &mut invocation);
        invocation.payload = Payload::Request(request);
        let mut taken = Taken { begun: Some(Instant::now()), ..Taken::default() };
        let outcome = self.host.invoke_streaming(&self.release, invocation, &mut taken).await;
        (outcome, taken)
    }

    /// Status, headers and body, however they came.
    async fn response(
        &self,
        handler: &str,
        change: impl FnOnce(&mut Request, &mut Invocation),
    ) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let (outcome, taken) = self.ask(handler, change).await;
        match outcome.result {
            Ok(Response::Http(reply)) => (reply.status, reply.headers, reply.body.to_vec()),
            Ok(Response::Streamed(reply)) => {
                assert!(reply.is_complete && reply.body_bytes == taken.body.len() as u64, "{reply:?}");
                let head = taken.head.unwrap();
                (head.status, head.headers, taken.body)
            }
            Ok(Response::Value(json)) => match json {
                Some(json) => (200, vec![("content-type".into(), "application/json".into())], json.into_bytes()),
                None => (204, Vec::new(), Vec::new()),
            },
            Err(fault) => panic!("{:?} {handler}: {fault} {:#?}", self.engine, fault.errors),
        }
    }
}

fn package(engine: Engine, more: &str) -> Vec<u8> {
    let files = [
        ("manifest.yaml", format!("id: shop\nversion: 1.2.3\nname: Test\n{MANIFEST}{more}handlers:\n{}", handlers())),
        ("src/main.js", include_str!("engines/applet.js").to_owned()),
        ("src/helpers.js", include_str!("engines/helpers.js").to_owned()),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    // The same bundle everywhere: what is compared is the engines.
    applet::on_engine(&applet::package(applet::folder(&files).path()), engine)
}

/// Each export is a handler of its name.
fn handlers() -> String {
    let source = include_str!("engines/applet.js");
    let names =
        source.lines().filter_map(|line| line.strip_prefix("export const ")).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| format!("  - {{ name: {name} }}\n")).chain(["  - { name: default }\n".to_owned()]).collect()
}

#[tokio::test]
async fn the_sandbox_does_it_all() {
    suite(Engine::Wasm).await;
}

#[tokio::test]
async fn node_does_it_all() {
    suite(Engine::Node).await;
}

#[tokio::test]
async fn bun_does_it_all() {
    suite(Engine::Bun).await;
}

#[tokio::test]
async fn deno_does_it_all() {
    suite(Engine::Deno).await;
}

async fn suite(engine: Engine) {
    let Some(on) = On::new(engine).await else { return };
    values_and_context(&on).await;
    failures(&on).await;
    requests_and_responses(&on).await;
    capabilities(&on).await;
    logs(&on).await;
    shapes(&on).await;
    after_the_answer(&on).await;
    limits(&on).await;
    on.host.shutdown_processes().await;
}

async fn values_and_context(on: &On) {
    let value = on.value("default", json!({ "a": [1, null, "ü"] })).await;
    assert_eq!(
        value,
        json!({ "payload": { "a": [1, null, "ü"] }, "tenant": "acme", "applet": "shop", "handler": "default", "trigger": "one-off" })
    );
    let mut invocation = Invocation::new("whoCalls", Payload::Json("{}".into()));
    invocation.user = Some("ada".into());
    invocation.organisation = Some("org".into());
    invocation.permissions = vec!["read".into(), "write".into()];
    invocation.locale = "de-CH".into();
    invocation.config = r#"{"greeting":"hello"}"#.into();
    invocation.params = vec![("id".into(), "7".into())];
    invocation.attempt = 2;
    let keys = [
        "applet",
        "attempt",
        "deadline",
        "handler",
        "invocationId",
        "locale",
        "organisation",
        "params",
        "permissions",
        "tenant",
        "trigger",
        "user",
        "version",
    ];
    let expected = json!({
        "user": "ada", "organisation": "org", "permissions": ["read", "write"], "locale": "de-CH", "version": "1.2.3", "attempt": 2,
        "config": { "greeting": "hello" }, "params": { "id": "7" }, "isFrozen": true, "deadlineIsAhead": true, "id": "string", "aborted": false, "keys": keys,
    });
    assert_eq!(applet::value(&on.host.invoke(&on.release, invocation).await), expected, "{:?}", on.engine);
    assert!(matches!(on.call("nothing", json!(null)).await.result, Ok(Response::Value(None))));
    assert_eq!(on.value("waits", json!(null)).await, json!("waited"));
    assert_eq!(on.value("sdkIsGlobal", json!(null)).await, json!(true));
    let web = on.value("web", json!(null)).await;
    let expected = json!({
        "url": "https://a.example/b?c=1#d", "text": 1000, "digest": [186, 120, 22, 191], "base64": "aGk=", "clone": 2, "pattern": ["1", "2"], "uuid": true,
        "event": "x",
    });
    assert_eq!(web, expected, "{:?}", on.engine);
    assert_eq!(on.value("storage", json!(null)).await, json!("mine"));
}

async fn failures(on: &On) {
    let outcome = on.call("fails", json!(null)).await;
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Threw, "TypeError: it failed"), "{:?}", on.engine);
    let at = fault.position().unwrap_or_else(|| panic!("{:?}: {:#?}", on.engine, fault.errors));
    assert_eq!((at.file.as_str(), at.line), ("src/helpers.js", 3), "{:?}: {fault:#?}", on.engine);
    let outcome = on.call("failsWithCause", json!(null)).await;
    let names: Vec<_> = applet::fault(&outcome)
        .errors
        .iter()
        .map(|error| (error.name.as_str(), error.message.as_str(), error.parent))
        .collect();
    assert_eq!(names, [("Error", "outer", 0), ("TypeError", "inner", 0)], "{:?}", on.engine);
    let outcome = on.call("failsWithCode", json!(null)).await;
    let error = &applet::fault(&outcome).errors[0];
    assert_eq!(
        (error.code.as_deref(), error.details.clone()),
        (Some("tariff"), Some(json!({ "known": ["a"] }))),
        "{:?}",
        on.engine
    );
    for (handler, told) in [("cycle", "a cycle"), ("big", "a BigInt at result.n")] {
        let outcome = on.call(handler, json!(null)).await;
        let fault = applet::fault(&outcome);
        assert!(
            fault.code == FaultCode::InvalidResult && fault.message.contains(told),
            "{:?} {handler}: {fault}",
            on.engine
        );
    }
    let outcome = on.call("no such handler", json!(null)).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::HandlerNotFound);
    let outcome = on.host.invoke(&on.release, Invocation::new("default", Payload::Json("{".into()))).await;
    assert_eq!(applet::fault(&outcome).code, FaultCode::InvalidPayload, "{:?}", on.engine);
}

async fn requests_and_responses(on: &On) {
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let post = |request: &mut Request, invocation: &mut Invocation| {
        request.method = "POST".into();
        request.headers = vec![("content-type".into(), "application/json".into()), ("x-custom".into(), "yes".into())];
        request.body = br#"{"a":1}"#.to_vec().into();
        invocation.params = vec![("id".into(), "7".into())];
    };
    let (status, headers, body) = on.response("request", post).await;
    assert_eq!(
        (status, json(&body)),
        (
            201,
            json!({
                "method": "POST", "url": "https://acme.example/shop/x?y=1", "type": "application/json", "custom": "yes", "body": "{\"a\":1}", "params": { "id": "7" },
            })
        ),
        "{:?}",
        on.engine
    );
    assert!(headers.contains(&("content-type".into(), "application/json".into())), "{headers:?}");
    assert_eq!(json(&on.response("parsed", post).await.2), json!({ "payload": { "a": 1 } }));
    assert_eq!(on.response("nothing", |_, _| {}).await.0, 204);
    for (which, status) in [
        ("badRequest", 400),
        ("unauthorized", 401),
        ("forbidden", 403),
        ("notFound", 404),
        ("conflict", 409),
        ("text", 200),
    ] {
        let (answered, _, body) = on
            .response("helpersAnswer", |_, invocation| invocation.params = vec![("which".into(), which.into())])
            .await;
        assert!(answered == status && String::from_utf8_lossy(&body).contains("because"), "{:?} {which}", on.engine);
    }
    let (status, mut headers, body) = on.response("headers", |_, _| {}).await;
    headers.sort();
    let expected =
        [("content-type", "text/plain;charset=UTF-8"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-a", "1")];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        (status, headers.as_slice(), body.as_slice()),
        (202, expected.as_slice(), "é".as_bytes()),
        "{:?}",
        on.engine
    );
    assert_eq!(on.response("bytes", |_, _| {}).await.2, [0, 1, 254, 255]);
    assert_eq!(on.response("streams", |_, _| {}).await.2, b"0;1;2;3;4;");
    let (outcome, taken) = on.ask("breaksOff", |_, _| {}).await;
    let fault = applet::fault(&outcome);
    assert!(
        fault.message.contains("no more") && taken.body.starts_with(b"piece") && taken.ended_after.is_none(),
        "{:?}: {fault}",
        on.engine
    );
    // In pieces, both ways.
    let pieces = (0..64).map(|n: u8| Ok::<_, std::io::Error>(vec![n; 10_000].into()));
    let (_, _, body) = on
        .response("echoes", |request, _| {
            request.method = "POST".into();
            request.body = belljar::Body::stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
        })
        .await;
    assert!(body.len() == 640_000 && body[639_999] == 63, "{:?}: {}", on.engine, body.len());
}

async fn capabilities(on: &On) {
    let value = on.value("sql", json!(null)).await;
    assert_eq!(
        value,
        json!({
            "inserted": { "changes": 1, "lastInsertRowid": 1 }, "shown": [[1, "text", null], [2, 1_099_511_627_776_u64, 1.5], [3, "9007199254740993n", [1, 2]]],
            "batch": [{ "changes": 1, "lastInsertRowid": 0 }, { "changes": 1, "lastInsertRowid": 4 }], "one": { "a": 1_099_511_627_776_u64 }, "none": null, "infinite": true,
        }),
        "{:?}",
        on.engine
    );
    assert_eq!(
        on.value("transactions", json!(null)).await,
        json!({ "result": 1, "thrown": "rolled back", "left": [{ "n": 1 }] })
    );
    let refused = on.value("refusals", json!(null)).await;
    assert_eq!(
        refused,
        json!({
            "syntax": "invalid", "http": "denied", "type": "TypeError",
            "constraint": { "name": "SdkError", "code": "constraint", "capability": "db", "message": "UNIQUE constraint failed: u.n (statement 2 of the batch)" },
            "denied": { "name": "SdkError", "code": "denied", "capability": "db", "message": "ATTACH and VACUUM" },
            "fetch": { "name": "TypeError", "message": "fetch failed (denied): host elsewhere.example is not in permissions.http of the manifest, or not granted" },
            "secret": { "name": "SdkError", "code": "denied", "capability": "secrets", "message": "secret \"OTHER\" is not in permissions.secrets of the manifest, or not granted" },
            "event": { "name": "SdkError", "code": "denied", "capability": "events", "message": "event \"undeclared\" is not in permissions.events.publish of the manifest, or not granted" },
            "key": { "name": "SdkError", "code": "limit", "capability": "kv", "limit": "kv.key_bytes_max", "message": "limit kv.key_bytes_max exceeded: 512 allowed, 600 used" },
        }),
        "{:?}",
        on.engine
    );
    assert_eq!(
        on.value("keys", json!(null)).await,
        json!({
            "got": { "n": 2 }, "bytes": [7], "missing": true, "several": [{ "n": 2 }, null], "swapped": [true, false], "page": { "keys": ["a/1"], "cursor": "a/1" },
            "rest": { "keys": ["a/2"] }, "sum": [5, 3], "deleted": [true, false],
        }),
        "{:?}",
        on.engine
    );
    let mut invocation = Invocation::new("others", Payload::Json("null".into()));
    invocation.config = r#"{"greeting":"hello"}"#.into();
    let outcome = on.host.invoke(&on.release, invocation).await;
    assert_eq!(
        applet::value(&outcome),
        json!({
            "secret": "sk-very-secret", "missing": true, "config": "hello", "none": true, "event": "evt_1", "job": "job_1", "cancelled": true,
            "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "mac": "9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab", "equal": true,
        }),
        "{:?}",
        on.engine
    );
    {
        let events = on.kept.events.lock().unwrap();
        let event = events.last().unwrap();
        assert_eq!(
            (event.name.as_str(), event.payload.as_str(), event.key.as_deref(), event.order_key.as_deref()),
            ("order.paid", "{\"n\":1}", Some("k"), Some("o"))
        );
        assert!(event.due_ms.is_some() && event.origin.handler == "others" && event.origin.invocation == outcome.id);
        let jobs = on.kept.jobs.lock().unwrap();
        assert_eq!((jobs.last().unwrap().handler.as_str(), jobs.last().unwrap().priority), ("waits", 3));
        let lines = on.kept.lines.lock().unwrap();
        let line = lines.iter().find(|line| line.message.starts_with("the key is")).unwrap();
        assert_eq!(line.message, "the key is [secret KEY]", "{:?}", on.engine);
    }
    assert!(
        outcome.usage.events.published == 1 && outcome.usage.jobs.enqueued == 1 && outcome.usage.operations >= 5,
        "{:?}: {:?}",
        on.engine,
        outcome.usage
    );
    let server = Server::start(|seen| {
        let custom = seen.headers.iter().find(|(name, _)| name == "x-custom").map(|(_, value)| value.clone());
        Reply::json(
            &json!({ "method": seen.method, "path": seen.path, "custom": custom, "body": String::from_utf8_lossy(&seen.body) }),
        )
    });
    let asked = on.value("asks", json!({ "url": format!("http://127.0.0.1:{}", server.port()) })).await;
    let got = json!({ "method": "GET", "path": "/get", "custom": null, "body": "" }).to_string();
    assert_eq!(
        asked,
        json!({
            "posted": { "method": "POST", "path": "/post?q=%C3%BC", "custom": "yes", "body": "{\"a\":1}" }, "status": 200, "got": got,
            "streamed": { "method": "PUT", "path": "/streamed", "custom": null, "body": "piece by piece" },
        }),
        "{:?}",
        on.engine
    );
}

async fn logs(on: &On) {
    let outcome = on.call("logs", json!(null)).await;
    assert!(outcome.result.is_ok());
    let lines = on.kept.lines.lock().unwrap();
    let lines: Vec<_> = lines.iter().filter(|line| line.context.invocation == outcome.id).collect();
    let shown: Vec<_> =
        lines.iter().map(|line| (line.level.as_str(), line.message.lines().next().unwrap_or_default())).collect();
    let expected = [
        ("info", "plain { a: 1 } [ 1, 'two' ]"),
        ("warn", "careful now"),
        ("error", "Error: seen"),
        ("info", "fields"),
        ("debug", "low"),
    ];
    assert_eq!(shown, expected, "{:?}", on.engine);
    assert!(lines[2].message.contains("src/main.js:"), "{:?}: {}", on.engine, lines[2].message);
    assert_eq!(Value::from(lines[3].fields.clone()), json!({ "n": 1, "nested": { "list": [1] } }));
    assert_eq!(outcome.usage.log.lines, 5, "{:?}", on.engine);
}

async fn shapes(on: &On) {
    let message = |n: u32, payload: &str| Message {
        id: format!("evt_{n}"),
        published_ms: 1,
        attempt: 1,
        payload: payload.into(),
    };
    let payload = Payload::Messages(vec![message(1, r#"{"again":true}"#), message(2, "{}")]);
    let outcome = on.host.invoke(&on.release, Invocation::new("batches", payload)).await;
    let again = outcome.result.as_ref().unwrap_or_else(|fault| panic!("{:?}: {fault}", on.engine)).retries();
    assert_eq!(
        again.iter().map(|retry| (retry.id.as_str(), retry.delay_ms)).collect::<Vec<_>>(),
        [("evt_1", Some(2_000))],
        "{:?}",
        on.engine
    );
    let (_, _, body) = on.response("web3", |_, _| {}).await;
    assert_eq!(String::from_utf8_lossy(&body), "GET object function", "{:?}", on.engine);
    let mut invocation = Invocation::new("web3", Payload::Json(r#"{"cron":"@daily"}"#.into()));
    invocation.trigger = "schedule".into();
    assert_eq!(
        applet::value(&on.host.invoke(&on.release, invocation).await),
        json!({ "type": "scheduled", "cron": "@daily" })
    );
}

async fn after_the_answer(on: &On) {
    let (outcome, taken) = on.ask("later", |_, invocation| invocation.params = vec![("n".into(), "9".into())]).await;
    let Ok(Response::Streamed(reply)) = outcome.result else { panic!("{:?}: {:?}", on.engine, outcome.result) };
    assert!(reply.is_complete && taken.body == b"now" && taken.ended_after.is_some());
    assert_eq!(on.value("seenLater", json!(null)).await, json!("9"), "{:?}", on.engine);
    assert!(outcome.usage.kv.writes == 1, "what is done after the answer counts too: {:?}", outcome.usage);
}

async fn limits(on: &On) {
    let outcome = on.call("large", json!(null)).await;
    let fault = applet::fault(&outcome);
    let hit = fault.limit.clone().unwrap_or_else(|| panic!("{fault}"));
    assert_eq!(
        (fault.code, hit.name, hit.allowed),
        (FaultCode::Output, "response_bytes_max", 1_000_000),
        "{:?}",
        on.engine
    );
    // The same package with a short deadline is another release of the applet.
    let limits = Limits { deadline_ms: 300, ..Limits::default() };
    let grants = belljar::Grants::all_asked(&on.release.package().descriptor.permissions);
    let other =
        Release::admit(TenantId::new("other").unwrap(), &on.release.package().encode().unwrap(), &grants, &limits)
            .unwrap();
    on.host.prepare(&other).await.unwrap();
    for handler in ["hangs", "spins", "hangs"] {
        let begun = Instant::now();
        let outcome = applet::call(&on.host, &other, handler, "null").await;
        let fault = applet::fault(&outcome);
        assert_eq!(fault.code, FaultCode::Deadline, "{:?} {handler}: {fault}", on.engine);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?} {handler}", on.engine);
        // What hung was ended, and does not hold up the next call for longer than its deadline.
        belljar_tests::eventually_async("a call is answered", async || {
            applet::call(&on.host, &other, "default", "1").await.result.is_ok()
        })
        .await;
    }
}
